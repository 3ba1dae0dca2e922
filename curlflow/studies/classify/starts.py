"""The runs that verdicts are about, before they begin: systems, their tangent spaces, and what is looked at."""

import functools
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from ...spec import Spec
from ...systems.linearised.kernels import geometry
from ..arguments import check_free_of_noise, check_subject
from ..subject import architecture_of, built, compressed_alike, subject_attributes, systems_of
from .observables import given as given_observables
from .observables import of_problem, of_system
from .options import ClassifyOptions
from .runs import Classified


class Started(NamedTuple):
    """What a study of verdicts begins with.

    **Attributes:**

    - `names`: of the observables.
    - `scales`: how large observables are where nothing has been learnt; 0 where nothing is known.
    - `subject`: attributes that say what it is about.
    """

    runs: list[Classified]
    options: ClassifyOptions
    names: list[str]
    scales: list[Float[np.ndarray, " observables"]]
    subject: dict[str, Any]


def started(spec_or_system: Any, given: dict[str, Any], observables: Any, rule: Any, graph: Any) -> Started:
    """The runs of all realizations, with options from what was `given`.

    **Raises:** `ValueError` for arguments out of range.
    """
    check_subject(spec_or_system, rule, "a Flow or a Map")
    why = "verdicts are about motion without noise, which the 0-1 test and returns cannot tell from chaos"
    instead = 'curlflow.lyapunov gives its exponents; or set dynamics.batch to "full", or dynamics.kind to "flow".'
    check_free_of_noise(spec_or_system, why, instead)
    architecture = architecture_of(spec_or_system, graph)
    learning = isinstance(spec_or_system, Spec)
    rotates = learning and _rotates(spec_or_system, rule, architecture)
    systems, spaces, attributes = systems_of(
        spec_or_system, rule=rule, rtol=None, atol=None, graph=architecture, compress=rotates, transverse=rotates
    )
    options = ClassifyOptions.of(given, systems[0], spaces[0])
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
    subject = subject_attributes(spec_or_system, rule, architecture) | attributes
    return Started(runs, options, observers[0][1], scales, subject)


def _rotates(spec: Spec, rule: Any, architecture: Any) -> bool:
    """Whether the rotations of hidden units are known that leave the dynamics alone."""
    problem = spec.build(rule=rule, graph=architecture)
    network, signal = problem.student, problem.rule.signal(problem.student)
    if signal is None or geometry(problem.constraint) is None:
        return False
    if network.activation != "linear" or len(network.weights) != 2:
        return False
    return np.array_equal(signal.feedback[0], network.weights[1])


def _scale(problem: Any) -> np.ndarray:
    """How large observables are where nothing has been learnt: an error that is tiny against this does not move."""
    error = 0.5 * float(np.mean(np.sum(problem.y_test**2, axis=0)))
    _, names = of_problem(problem)
    return np.array([error if name == "train_error" else 0.0 for name in names])
