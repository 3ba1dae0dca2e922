"""Chaos or not: several indicators and a verdict for every realization: `classify`."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from ..precision import double_precision
from ..rules.signals import error_signal
from ..spec import Spec
from ..systems import AbstractSystem
from ..systems.kernels import geometry
from .classification_dataset import assemble
from .classification_options import Options
from .classification_runs import Classified, run_all
from .observables import given as given_observables
from .observables import of_problem, of_system
from .options import check_subject
from .subjects import architecture_of, built, compressed_alike, subject_attributes, systems_of
from .workers import Interrupted, Progress, reporting, stopped


@double_precision
def classify(
    spec_or_system: Spec | AbstractSystem,
    *,
    transient: float | None = None,
    duration: float | None = None,
    exponents: int | None = None,
    observables: Callable | None = None,
    seed: int | None = None,
    progress: bool | Progress | None = None,
    rule: Any = None,
    graph: Any = None,
) -> xr.Dataset:
    """What kind of motion a run ends in, by several indicators.

    ```python
    ds = curlflow.classify(curlflow.systems.lorenz63())
    print(ds.verdict.attrs["flag_meanings"].split()[int(ds.verdict[0])], ds.reason[0].item())
    ```

    **Returns:** a dataset over `realization` with the `verdict` (fixed_point, periodic, quasi_periodic, chaotic,
    transient_chaos, divergent, undecided), its `reason` as a sentence, and every indicator: `lyapunov_exponent` with
    `lyapunov_exponent_se`, `zero_one` of every observable with quartiles, `stationary`, `return_time` and
    `return_distance`, peaks of power spectra, `early_growth` and `status`.

    **Arguments** (lengths are in units of time; a map's iteration lasts `time_per_step`):

    - `spec_or_system`: a `curlflow.Spec`, whose realizations are run side by side, or a `Flow` or `Map`.
    - `transient`: how long the run is given to reach its attractor. Default: 1,000; 10,000 iterations of a map; three
      times as long for learning.
    - `duration`: how long it is looked at then. Default: 2,000; 20,000 iterations; three times as long for learning.
    - `exponents`: how many. Default: all of systems with up to ten, otherwise 3.
    - `observables`: what is looked at, a function from the state (of a spec: the network) to a vector that JAX can
      trace. Default: numbers that do not see symmetry, below; of other systems up to eight state variables.
    - `seed`: of tangents, observables and frequencies of the 0-1 test.
    - `progress`: True for a bar, or a function of (realization, phase, fraction).
    - `rule`: a rule object of your own in place of the spec's.
    - `graph`: a `networkx.DiGraph` of the spec's widths: which synapses there are, and their signs; docs/graphs.md.

    **Description:** of learning, observables are numbers that rotations of hidden units leave alone (training error,
    outputs, entries of W1ᵀW1), and of linear networks with one hidden layer exponents are those across the orbits of
    these rotations. "Chaotic" needs λ₁ above three standard errors, λ₁T ≥ 20, a stationary window and a 0-1 test that
    agrees. Undecided is an answer too; its reason says what would help.

    **Raises:** `ValueError` for arguments out of range; `curlflow.Interrupted` on Ctrl-C, with what was finished in
    its attribute `dataset`. A run that diverges is no error: that is its verdict.

    **Sources:** docs/model.md; docs/classification.md.
    """
    check_subject(spec_or_system, rule)
    given = {"transient": transient, "duration": duration, "exponents": exponents, "seed": seed}
    architecture = architecture_of(spec_or_system, graph)
    learning = isinstance(spec_or_system, Spec)
    rotates = learning and _rotates(spec_or_system, rule, architecture)
    systems, spaces, attributes = systems_of(
        spec_or_system, rule=rule, rtol=None, atol=None, graph=architecture, compress=rotates, transverse=rotates
    )
    options = Options.checked(given, systems[0], spaces[0])
    if observables is not None:
        chosen = given_observables(observables, systems[0].state)
        observers, scales = [chosen] * len(systems), [np.zeros(len(chosen[1]))] * len(systems)
    elif learning:
        build = functools.partial(spec_or_system.build, rule=rule, graph=architecture)
        problems = (compressed_alike if rotates else built)(build, len(systems))
        observers, scales = [of_problem(p, seed=options.seed) for p in problems], [_scale(p) for p in problems]
    else:
        observers = [of_system(s.state, seed=options.seed) for s in systems]
        scales = [np.zeros(len(names)) for _, names in observers]
    parts = zip(systems, spaces, observers, strict=True)
    runs = [Classified.fresh(i, system, space, observe) for i, (system, space, (observe, _)) in enumerate(parts)]
    with reporting(progress, len(runs)) as report:
        interrupted = stopped(lambda: run_all(runs, options, report))
    subject = subject_attributes(spec_or_system, rule, architecture) | attributes
    dataset = assemble(runs, options, observers[0][1], scales, subject)
    if interrupted:
        raise Interrupted(dataset)
    return dataset


def _rotates(spec: Spec, rule: Any, architecture: Any) -> bool:
    """Whether the rotations of hidden units are known that leave the dynamics alone."""
    problem = spec.build(rule=rule, graph=architecture)
    network, signal = problem.student, error_signal(problem.rule, problem.student)
    if signal is None or geometry(problem.constraint) is None:
        return False
    turning = np.array_equal(signal.feedback[0], network.weights[1])
    return network.activation == "linear" and len(network.weights) == 2 and turning


def _scale(problem: Any) -> np.ndarray:
    """How large observables are where nothing has been learnt: an error that is tiny against this does not move."""
    error = 0.5 * float(np.mean(np.sum(problem.y_test**2, axis=0)))
    _, names = of_problem(problem)
    return np.array([error if name == "train_error" else 0.0 for name in names])
