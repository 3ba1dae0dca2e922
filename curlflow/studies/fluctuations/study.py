"""How a run that does not settle moves: `fluctuations`."""

from typing import Any

import numpy as np
import xarray as xr

from ...spec import Spec
from ...systems import AbstractSystem
from ..arguments import Bar, Batching, Count, Flag, Graph, Natural, Positive, Rule, study, whole
from ..observables import named_observables
from ..runs import finished
from ..subject import Subject
from .dataset import Axes, fluctuation_dataset
from .given import check_meaning, sampled_windows
from .options import FluctuationOptions, Window
from .runs import WindowRun, run_all

TAKEN = "records", "samples", "moving", "projection", "status", "time", "epoch", "iteration", "realization", "lag"
"""Names of the dataset that observables cannot have."""
SUBJECT = "spec", "system", "rule_parameters", "definition", "graph", "compression"


@study
def fluctuations(
    spec_or_system_or_dataset: Any,
    *,
    window: Window | None = None,
    interval: Positive | None = None,
    lags: Count | None = None,
    weights: Count | None = None,
    components: Count | None = None,
    snapshots: whole(2, 10_000) = 1000,
    seed: Natural = 0,
    observables: Any = None,
    progress: Bar = None,
    batching: Batching = "auto",
    rule: Rule = None,
    graph: Graph = None,
    compress: Flag = True,
) -> xr.Dataset:
    """Autocorrelation, order parameter and principal components over a window of a run.

    ```python
    ds = curlflow.fluctuations(curlflow.preset("fig3cd"))  # the last 999 of 100,000 epochs
    ds = curlflow.fluctuations(spec, window=(1_000, 2_000), interval=0.5)
    ds = curlflow.fluctuations(curlflow.systems.lorenz63(), window=(100, 1_100), interval=0.05)
    ds = curlflow.fluctuations(curlflow.simulate(spec, times=range(1001), weights=100), window=(500, 1000))
    ```

    **Returns:** a dataset over `realization`: `order_parameter` q and `layer_order_parameter`;
    `autocorrelation(lag)`, the mean over the recorded weights, with its `autocorrelation_spread`, and
    `autocorrelation_weighted`, in which weights count by their variance; `integrated_time` and `decay_time`, in units
    of time; `principal_component(component, weight)`, `explained_variance`, `explained_variance_ratio`,
    `participation_ratio` and `projection`; `time_mean` and `time_variance` of every weight, `records` of some;
    standard errors, such as `order_parameter_se`; `window_status`, which says whether the window is long enough, and
    `status`.

    **Arguments** (times are in the unit of the run: time for a flow, epochs for updates, iterations for other maps):

    - `spec_or_system_or_dataset`: a `curlflow.Spec`, whose realizations are run side by side; a `Flow` or `Map`; or a
      dataset of `curlflow.simulate` with weights or states at equal intervals, or one like it: a variable `weights`
      or `state` over `epoch`, `iteration` or `time`, one dimension of weights or states, and `realization`. Without
      `status` runs count as completed; without `time` an epoch or iteration is a unit of time.
    - `window`: from when to when. Default: the published one, epochs 99,001 to 100,000, for a flow 9,900.1 to 10,000;
      of systems 100 to 1,100 units of time, or iterations 1,000 to 11,000; of a dataset all of it.
    - `interval`: between samples. Default: 1 for maps, a thousandth of the window for flows. Of a cycle of a map an
      interval that has a factor in common with its period sees only some states.
    - `lags`: how many, from lag 0. Default: half the samples, at most 10,000.
    - `weights`: how many are recorded for the autocorrelation, drawn at random, the same for all realizations.
      Default: 100, of a dataset all.
    - `components`: how many. Default: 3, or as many as there are.
    - `snapshots`: at most so many samples are kept whole for the principal components: of every so many in a row one,
      drawn at random and the same in every run; `projection` says which.
    - `seed`: of the choice of weights, and of nothing else.
    - `observables`: a mapping from names to functions of the state (of a spec: the network, or the model as you gave
      it), written with jax.numpy, whose values at every sample are recorded under these names.
    - `progress`: True for a bar, or a function of (realization, phase, fraction).
    - `batching`: whether realizations run as one program, `"together"`, or on threads, `"apart"`. Default: `"auto"`,
      together where there is an accelerator. Both agree up to rounding.
    - `rule`: a rule object of your own in place of the spec's.
    - `graph`: a `networkx.DiGraph` of the spec's widths: which synapses there are, and their signs; docs/graphs.md.
    - `compress`: whether wide networks with linear hidden units run up to the window as narrow ones, where that is
      exact; docs/compression.md.

    **Description:** the window is streamed: memory holds the moments of all weights, the records and the snapshots,
    never all weights at all samples. Weights that do not move have no autocorrelation and are left out; `moving`
    counts the others. q of weights that stand still is 0, or NaN if they are all equal too. Where nothing moves,
    `window_status` is `still`, and autocorrelation and components are NaN.

    **Raises:** `ValueError` for arguments out of range; of datasets for windows that are longer than the run, for
    values that are complex, or not finite although the run completed, and for arguments that go with runs alone
    (`interval`, `progress`, `rule`, `graph`, `compress`); `curlflow.Interrupted` on Ctrl-C, with what was seen so far
    in its attribute `dataset`. A run that diverges is no error: it has a `status`.

    **Sources:** docs/model.md, "Fluctuations"; docs/fluctuations.md.
    """
    given = {
        "window": window, "interval": interval, "lags": lags, "weights": weights, "components": components,
        "snapshots": snapshots, "seed": seed,
    }  # fmt: skip
    subject = spec_or_system_or_dataset
    if isinstance(subject, xr.Dataset):
        more = {"progress": progress, "rule": rule, "graph": graph, "compress": compress, "observables": observables}
        check_meaning(given | more)
        about = {name: subject.attrs[name] for name in SUBJECT if name in subject.attrs}
        return fluctuation_dataset(*sampled_windows(subject, given), about, subject.attrs.get("study"))
    if not isinstance(subject, Spec | AbstractSystem):
        raise ValueError(
            f"spec_or_system_or_dataset: got {type(subject).__name__}, required is a "
            "curlflow.Spec, as curlflow.preset(NAME) gives, a Flow, a Map, a Diffusion, or an xarray.Dataset with "
            'weights or states along a run; array.to_dataset(name="state") makes one of a DataArray.'
        )
    subject = Subject.of(subject, rule=rule, graph=graph, compress=compress)
    options = FluctuationOptions.of(given, subject)
    indices = options.chosen(subject.size)
    runs = _runs(subject, options)
    further = named_observables(observables, runs[0].wide_system.state, TAKEN)
    for run in runs:
        run.records = np.empty((options.samples, options.weights + further.size))
    interrupted = run_all(runs, options, indices, further, progress)
    axes = Axes(subject.along, float(subject.systems[0].time(1)), indices, subject.shapes)
    seen = [run.seen for run in runs]
    dataset = fluctuation_dataset(seen, options, axes, subject.attributes, further=further)
    return finished(dataset, interrupted)


def _runs(subject: Subject, options: FluctuationOptions) -> list[WindowRun]:
    """Runs that reach the window on the narrow network, where there is one, and go through it on the wide one."""
    runs = []
    for i, system in enumerate(subject.systems):
        narrow = subject.problems[i].compression if subject.learning else None
        wide, expand = (system, lambda state: state) if narrow is None else (subject.build(i).system(), narrow.expand)
        records = np.empty((options.samples, options.weights))
        snapshots = np.empty((options.shown.size, subject.size))
        seen = {"records": records, "snapshots": snapshots, "recorded": options.weights}
        runs.append(WindowRun.at_start(i, system, wide_system=wide, expand=expand, **seen))
    return runs
