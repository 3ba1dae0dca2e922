"""Points in weight space, by name or by their weights: the argument `at` of studies."""

from typing import Any

import jax
import numpy as np

from ..constraints import Masked
from ..networks import Feedforward
from ..problem import Problem
from ..spec import Spec
from ..systems import AbstractSystem
from ..systems.checks import checked_state

POINTS = ("solution", "origin", "start")


def points_of(spec: Spec, at: Any, rule: Any = None, graph: Any = None) -> tuple[list[Problem], list[Feedforward]]:
    """The problem of every realization and the weights that `at` means in it.

    **Raises:** `ValueError` for a name that is none, shapes that do not fit and weights that are not finite.
    """
    given = _given(spec, at)
    problems = [spec.build(realization=i, rule=rule, graph=graph) for i in range(spec.realizations)]
    if given is not None:
        points = [_like(problems[0].student, weights) for weights in given]
        for problem, point in zip(problems, points, strict=True):
            _check_missing(problem, point)
        return problems, points
    named = {"solution": _solution, "origin": _origin, "start": lambda p: p.student}
    return problems, [named[at or "solution"](problem) for problem in problems]


def state_of(system: AbstractSystem, at: Any) -> Any:
    """The state of a system that `at` means: its own by default."""
    if at is None:
        return system.state
    if isinstance(at, str):
        raise ValueError(f"at: got {at!r}; names belong to specs, for a system a state like its own is required.")
    try:
        state = checked_state(at)
    except ValueError as error:
        raise ValueError(f"at: {error}") from None
    required = jax.tree.map(np.shape, system.state)
    if jax.tree.map(np.shape, state) != required:
        raise ValueError(
            f"at: got shapes {jax.tree.map(np.shape, state)}, required are those of the state: {required}."
        )
    return state


def _given(spec: Spec, at: Any) -> list[list[Any]] | None:
    """For every realization its arrays, if `at` is weights; None if it is a name."""
    if at is None or (isinstance(at, str) and at in POINTS):
        return None
    if isinstance(at, Feedforward):
        return [list(at.weights)] * spec.realizations
    if isinstance(at, list | tuple) and at and all(isinstance(network, Feedforward) for network in at):
        if len(at) != spec.realizations:
            raise ValueError(
                f"at: got {len(at)} networks, required is one for each of {spec.realizations} realizations."
            )
        return [list(network.weights) for network in at]
    if isinstance(at, list | tuple) and at:
        return [list(at)] * spec.realizations
    raise ValueError(
        f"at: got {at!r}, allowed are {', '.join(POINTS)}, a curlflow.networks.Feedforward, a list of arrays "
        "(post, pre), one for each layer, or a list of networks, one for each realization."
    )


def _like(student: Feedforward, weights: list[Any]) -> Feedforward:
    """A network like `student` with these weights."""
    try:
        arrays = [np.asarray(w, dtype=float) for w in weights]
    except (TypeError, ValueError):
        raise ValueError("at: arrays of real numbers are required, one for each layer of weights.") from None
    shapes, required = [a.shape for a in arrays], [np.shape(w) for w in student.weights]
    if shapes != required:
        raise ValueError(f"at: got arrays of the shapes {shapes}, required are those of the network, {required}.")
    for layer, array in enumerate(arrays, start=1):
        bad = int(np.sum(~np.isfinite(array)))
        if bad:
            raise ValueError(f"at: {bad} of {array.size} weights of layer {layer} are not finite numbers.")
    return student.with_weights(arrays)


def _check_missing(problem: Problem, network: Feedforward) -> None:
    """Refuse weights on synapses that the graph does not have."""
    if not isinstance(problem.constraint, Masked):
        return
    for layer, (mask, w) in enumerate(zip(problem.constraint.masks, network.weights, strict=True), start=1):
        extra = int(np.count_nonzero(np.asarray(w)[~np.asarray(mask)]))
        if extra:
            raise ValueError(f"at: {extra} weights of layer {layer} belong to missing synapses and must be zero.")


def _solution(problem: Problem) -> Feedforward:
    if problem.teacher.widths != problem.student.widths:
        raise ValueError(
            f"at: the teacher's weights are taken as the solution, but teacher.width gives it the widths "
            f"{list(problem.teacher.widths)} and the student has {list(problem.student.widths)}; give the weights of "
            "a solution, for example the end of a run."
        )
    return problem.student.with_weights(np.asarray(w) for w in problem.teacher.weights)


def _origin(problem: Problem) -> Feedforward:
    return problem.student.with_weights(np.zeros(np.shape(w)) for w in problem.student.weights)
