"""Points in weight space, by name or by their weights: the argument `at` of studies."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from ..constraints import Masked
from ..networks import Feedforward
from ..networks.model import Model
from ..precision import to_float64
from ..problem import Problem
from ..systems import AbstractSystem

POINTS = ("solution", "origin", "start")
WEIGHTS = f"{', '.join(POINTS)}, a curlflow.networks.Feedforward, or a list of arrays (post, pre), one for each layer"


def points_of(places: Sequence[Problem | AbstractSystem], at: Any) -> list[Any]:
    """What `at` means in every problem, or for one system: weights, or a state.

    **Arguments:** `at` may also be a list of networks, one for each realization.

    **Raises:** as `point_at`.
    """
    like = places[0].student if isinstance(places[0], Problem) else places[0].state
    several = isinstance(at, list | tuple) and at and all(isinstance(network, Feedforward) for network in at)
    given = list(at) if several and isinstance(like, Feedforward) else [at] * len(places)
    if len(given) != len(places):
        raise ValueError(f"at: got {len(given)} networks, required is one for each of {len(places)} realizations.")
    return [point_at(place, point) for place, point in zip(places, given, strict=True)]


def point_at(place: Problem | AbstractSystem, at: Any) -> Any:
    """The weights of a problem, or the state of a system, that `at` means.

    **Raises:** `ValueError` for other words, shapes that do not fit, numbers that are not finite, weights on missing
    synapses, and a teacher of other widths.
    """
    return network_at(place, at) if isinstance(place, Problem) else state_of(place, at)


def network_at(problem: Problem, at: Any) -> Feedforward | Model:
    """The weights that `at` means: `"start"`, `"solution"` (the teacher's), `"origin"`, a network, or its arrays."""
    student, teacher = problem.student, problem.teacher
    if not isinstance(at, str):
        network = _like(student, at)
        masks = problem.constraint.masks if isinstance(problem.constraint, Masked) else ()
        for layer, (mask, w) in enumerate(zip(masks, network.weights, strict=False), start=1):
            extra = int(np.count_nonzero(np.asarray(w)[~np.asarray(mask)]))
            if extra:
                raise ValueError(f"at: layer {layer} has {extra} weights on missing synapses; they must be zero.")
        return network
    if at not in POINTS:
        raise ValueError(f"at: got {at!r}, allowed are {WEIGHTS}.")
    if at == "start":
        return student
    if at == "origin":
        return student.with_weights(np.zeros(np.shape(w)) for w in student.weights)
    if teacher is None:
        raise ValueError(
            'at: "solution" means the teacher\'s weights, but there is no teacher; give "start", "origin", or the '
            "weights of a solution, for example the end of a run."
        )
    if teacher.widths != student.widths:
        raise ValueError(
            f'at: "solution" means the teacher\'s weights, but teacher.width gives it the widths '
            f"{list(teacher.widths)} and the student has {list(student.widths)}; give the weights of a solution, for "
            "example the end of a run."
        )
    return student.with_weights(np.asarray(w) for w in teacher.weights)


def _like(student: Feedforward | Model, at: Any) -> Feedforward | Model:
    """`at` as a network like `student`; the message names the layer that does not fit."""
    given = at.weights if isinstance(at, Feedforward) else at
    for name in ("activation", "output_activation") if isinstance(at, Feedforward) else ():
        if getattr(at, name) != getattr(student, name):
            raise ValueError(
                f"at: the network has {name} {getattr(at, name)}, the spec's has {getattr(student, name)}."
            )
    if not isinstance(given, list | tuple):
        raise ValueError(f"at: got {type(at).__name__}, allowed are {WEIGHTS}.")
    if len(given) != len(student.weights):
        raise ValueError(f"at: got {len(given)} layers of weights, required are {len(student.weights)}.")
    arrays = []
    for layer, (w, own) in enumerate(zip(given, student.weights, strict=True), start=1):
        try:
            array = np.asarray(w)
        except ValueError:
            array = np.asarray(None)
        if array.dtype.kind not in "biufc":
            raise ValueError(f"at: layer {layer} is no array of real numbers.")
        array = np.asarray(to_float64(array, f"at: layer {layer}"), dtype=float)
        if array.shape != np.shape(own):
            raise ValueError(f"at: layer {layer} has shape {array.shape}, required is (post, pre) = {np.shape(own)}.")
        bad = int(np.sum(~np.isfinite(array)))
        if bad:
            raise ValueError(f"at: layer {layer} has {bad} of {array.size} weights that are not finite; all must be.")
        arrays.append(array)
    return student.with_weights(arrays)


def state_of(system: AbstractSystem, at: Any) -> Any:
    """The state of a system that `at` means: `"start"` or None, `"origin"`, or a state like its own."""
    own = system.state
    if at is None or (isinstance(at, str) and at == "start"):
        return own
    if isinstance(at, str):
        if at != "origin":
            raise ValueError(f"at: got {at!r}, allowed for a system are start, origin and a state like its own.")
        return jax.tree.map(np.zeros_like, own)
    if isinstance(at, list | tuple) and not isinstance(own, list | tuple):
        at = np.asarray(at, dtype=object)  # a list stands for a vector
    try:
        state = jax.tree.map(lambda leaf: np.asarray(leaf, dtype=float), at)
    except (TypeError, ValueError):
        raise ValueError(f"at: got {type(at).__name__}, required are real numbers in the form of the state") from None
    leaves, structure = jax.tree.flatten(state)
    expected, known = jax.tree.flatten(own)
    shapes, required = [np.shape(leaf) for leaf in leaves], [np.shape(leaf) for leaf in expected]
    if structure != known or shapes != required:
        raise ValueError(f"at: got a state of shapes {shapes}, required is one like that of the system: {required}.")
    if not all(np.isfinite(leaf).all() for leaf in leaves):
        raise ValueError("at: got numbers that are not finite; all must be.")
    return state
