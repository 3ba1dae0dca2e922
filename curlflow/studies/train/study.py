"""How learning ends: final and peak errors of long runs, stopped early only where that changes nothing: `train`."""

from collections.abc import Sequence
from typing import Any

import jax
import xarray as xr

from ...spec import Spec
from ..arguments import Bar, Flag, Graph, Positive, Rule, study, whole
from ..runs import Interrupted, Progress, in_turns, reporting, silent, stopped
from ..subject import architecture_of, subject_attributes
from .batches import LANES, learn_together, shares_covariance
from .dataset import assemble
from .plan import Plan
from .runs import Run, advanced, learn
from .starts import prepared

Epochs, Records = whole(1, 10**15), whole(1, 10**6)


@study
def train(
    spec: Spec,
    *,
    epochs: Epochs = 100_000,
    records: Records = 100,
    threshold: Positive | None = None,
    stop: Flag = True,
    compress: Flag = True,
    progress: Bar = None,
    rule: Rule = None,
    graph: Graph = None,
) -> xr.Dataset:
    """Run learning to its end: final errors, the peak on the way, and whether it settled.

    ```python
    ds = curlflow.train(curlflow.preset("fig4"))
    ds = curlflow.train(spec, epochs=20_000, threshold=1e-3)
    ```

    **Returns:** a dataset over `realization`: `test_error`, `train_error` (½ · mean over samples of |ŷ − y|²) at the
    end, `peak_error`, the largest training error at any record, `stop_epoch`, how many epochs were computed,
    `stopped_by` (end, repeated, at_solution, failed, crossed, interrupted) and `status`.

    **Arguments:**

    - `spec`: a `curlflow.Spec`, whose realizations are run side by side.
    - `epochs`: how long; an epoch of a flow is 0.1 units of time, as in the published updates.
    - `records`: errors are looked at after so many epochs, from 1 to `epochs` in equal steps of the logarithm, and at
      the start.
    - `threshold`: stop at the first record with a test error below this.
    - `stop`: whether a run stops where the rest of it changes nothing.
    - `compress`: whether networks that are linear and wide run at the exact smaller width; docs/compression.md.
    - `progress`: True for a bar, or a function of (realization, phase, fraction).
    - `rule`: a rule object of your own in place of the spec's.
    - `graph`: a `networkx.DiGraph` of the spec's widths: which synapses there are, and their signs; docs/graphs.md.

    **Description:** a start at the teacher's weights is stepped as the deviation from them
    (`curlflow.systems.fast.deviations`), so that a growing 1e-15 is not rounded away. A run stops early only where
    its state repeats bit for bit, where it has reached a solution that is stable by its linearisation, or where it is
    no longer finite (`curlflow.studies.train.stopping`): its errors at the end are then those that the remaining
    epochs would give, errors below 1e-20 meaning "at a solution" and nothing finer.

    The status `period_two` marks runs that end in two alternating states, `held_by_rounding` those that stay at an
    unstable solution for three times as long as its instability needs to grow from rounding.

    **Raises:** `ValueError` for arguments out of range; `curlflow.Interrupted` on Ctrl-C, with what was finished in
    its attribute `dataset`. A run that diverges is no error: it has a `status`.

    **Sources:** docs/model.md, "Errors" and "The published protocols"; docs/training.md.
    """
    if not isinstance(spec, Spec):
        raise ValueError(f"spec: got {type(spec).__name__}, required is a curlflow.Spec.")
    settings = {"epochs": epochs, "records": records, "threshold": threshold, "stop": stop}
    architecture = architecture_of(spec, graph)
    problems = [spec.build(realization=i, rule=rule, graph=architecture) for i in range(spec.realizations)]
    runs = [prepared(i, problem, compress) for i, problem in enumerate(problems)]
    plan = Plan.of(spec.dynamics, settings["epochs"], settings["records"])
    with reporting(progress, len(runs)) as report:
        interrupted = stopped(lambda: _run_all(runs, plan, settings, report))
    dataset = assemble(runs, plan, settings, subject_attributes(spec, rule, architecture))
    if interrupted:
        raise Interrupted(dataset)
    return dataset


@study
def train_together(
    specs: Sequence[Spec],
    *,
    epochs: Epochs = 100_000,
    records: Records = 100,
    threshold: Positive | None = None,
    stop: Flag = True,
    compress: Flag = True,
) -> list[xr.Dataset]:
    """`train` for every spec; on an accelerator all their runs of equal shapes are one batch.

    **Returns:** the dataset of every spec, equal to that of `train` to rounding.

    **Arguments:** as for `train`, the same for all specs.

    **Raises:** `ValueError` as `train`.
    """
    settings = {"epochs": epochs, "records": records, "threshold": threshold, "stop": stop}
    if not all(isinstance(spec, Spec) for spec in specs):
        raise ValueError("specs: required is a list of curlflow.Spec.")
    runs = [[prepared(i, spec.build(realization=i), compress) for i in range(spec.realizations)] for spec in specs]
    kinds = [(spec.dynamics.kind, getattr(spec.dynamics, "solver", None)) for spec in specs]
    plans = {
        kind: Plan.of(spec.dynamics, settings["epochs"], settings["records"])
        for kind, spec in zip(kinds, specs, strict=True)
    }
    for kind, plan in plans.items():
        _run_all(
            [run for of, some in zip(kinds, runs, strict=True) if of == kind for run in some], plan, settings, silent
        )
    return [
        assemble(some, plans[kind], settings, subject_attributes(spec, None))
        for spec, kind, some in zip(specs, kinds, runs, strict=True)
    ]


def _run_all(runs: list[Run], plan: Plan, settings: dict[str, Any], report: Progress) -> None:
    """On a CPU one run per core at a time, or a few that share a covariance; on an accelerator those of one shape."""
    may_stop, threshold = settings["stop"], settings["threshold"]
    if jax.default_backend() != "cpu":
        in_turns(lambda some: learn_together(some, plan, may_stop, threshold, report), [runs])
        return
    if shares_covariance(runs):
        parts = [runs[first : first + LANES] for first in range(0, len(runs), LANES)]
        in_turns(lambda some: learn_together(some, plan, may_stop, threshold, report, LANES), parts)
        return
    # Compile once, before threads that would all compile the same.
    advanced(runs[0], plan, 0)
    in_turns(lambda run: learn(run, plan, may_stop, threshold, report), runs)
