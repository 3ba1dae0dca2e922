"""Chaos or not: several indicators and a verdict for every realization: `classify`."""

from typing import Any

import xarray as xr

from ..arguments import Bar, Batching, Count, Graph, Length, Positive, Rule, Seed, study
from ..runs import Progress, attended, finished
from .indicators import motion_dataset
from .pairs import compare_pairs
from .runs import observe_motion
from .starts import started


@study
def classify(
    spec_or_system: Any,
    *,
    transient: Length | None = None,
    duration: Positive | None = None,
    exponents: Count | None = None,
    observables: Any = None,
    seed: Seed | None = None,
    progress: Bar = None,
    batching: Batching = "auto",
    rule: Rule = None,
    graph: Graph = None,
) -> xr.Dataset:
    """What kind of motion a run ends in, by several indicators.

    ```python
    ds = curlflow.classify(curlflow.systems.lorenz63())
    print(ds.verdict.attrs["flag_meanings"].split()[int(ds.verdict[0])], ds.reason[0].item())
    ```

    **Returns:** a dataset over `realization` with the `verdict` (fixed_point, periodic, quasi_periodic, chaotic,
    transient_chaos, divergent, undecided, partially_predictable), its `reason` as a sentence, and every indicator:
    `lyapunov_exponent` with `lyapunov_exponent_se`, `zero_one` of every observable with quartiles, `stationary`,
    `return_time` and `return_distance`, peaks of power spectra, `early_growth`, `log_growth`, `cross_correlation`
    and `status`.

    **Arguments** (lengths are in units of time; a map's iteration lasts `time_per_step`):

    - `spec_or_system`: a `curlflow.Spec`, whose realizations are run side by side, or a `Flow` or `Map`.
    - `transient`: how long the run is given to reach its attractor. Default: 1,000; 10,000 iterations of a map; for
      learning 3,000, whatever its learning rate.
    - `duration`: how long it is looked at then. Default: 2,000; 20,000 iterations of a map; for learning 6,000.
    - `exponents`: how many. Default: all of systems with up to ten, otherwise 3.
    - `observables`: what is looked at, a function from the state (of a spec: the network) to a vector that JAX can
      trace; or a mapping from names to such functions. Default: numbers that do not see symmetry, below; of other
      systems up to eight state variables.
    - `seed`: of tangents, observables and frequencies of the 0-1 test.
    - `progress`: True for a bar, or a function of (realization, phase, fraction).
    - `batching`: whether realizations run as one program, `"together"`, or on threads, `"apart"`. Default: `"auto"`,
      together where there is an accelerator. Both agree up to rounding.
    - `rule`: a rule object of your own in place of the spec's.
    - `graph`: a `networkx.DiGraph` of the spec's widths: which synapses there are, and their signs; docs/graphs.md.

    **Description:** of learning, observables are numbers that rotations of hidden units leave alone (training error,
    outputs, entries of W1ᵀW1), and of linear networks with one hidden layer exponents are those across the orbits of
    these rotations. "Chaotic" needs λ₁ above three standard errors, λ₁T ≥ 20, a stationary window and a 0-1 test that
    agrees. Where only the 0-1 test does not, close runs are followed in pairs, for up to four windows more: if they
    part, but are still correlated long after, the chaos is partially predictable. Sustained exponential growth over
    many orders of magnitude is divergence. Undecided is an answer too; its reason says what would help.

    **Raises:** `ValueError` for arguments out of range; `curlflow.Interrupted` on Ctrl-C, with what was finished in
    its attribute `dataset`. A run that diverges is no error: that is its verdict.

    **Sources:** docs/model.md; docs/classification.md.
    """
    given = {"transient": transient, "duration": duration, "exponents": exponents, "seed": seed}
    subject, options, runs, names = started(spec_or_system, given, observables, rule, graph)

    def work(report: Progress) -> None:
        observe_motion(runs, options, report)
        compare_pairs(runs, options, names, report)

    interrupted = attended(work, runs, progress)
    return finished(motion_dataset(runs, options, names, subject.attributes), interrupted)
