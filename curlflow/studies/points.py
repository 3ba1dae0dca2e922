"""Points in weight space, by name or by their weights: the argument `at` of studies."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import numpy as np
import xarray as xr

from ..constraints import Masked
from ..experiment import ends_of
from ..networks import Feedforward
from ..networks.model import Model
from ..precision import to_float64
from ..problem import Problem
from ..systems import AbstractSystem
from ..systems.flat import unflattened
from ..tangents import size

POINTS = ("solution", "origin", "start")
WEIGHTS = (
    f"{', '.join(POINTS)}, a curlflow.networks.Feedforward, or a list of arrays (post, pre), one for each layer, and "
    "of its biases (post,) where it has any"
)


def points_of(places: Sequence[Problem | AbstractSystem], at: Any) -> list[Any]:
    """What `at` means in every problem, or for one system: weights, or a state.

    **Arguments:** `at` may also be a list of networks, one for each realization.

    **Raises:** as `point_at`.
    """
    learning = isinstance(places[0], Problem)
    if isinstance(at, xr.Dataset) and learning:
        at = [_of_size(end, places[0].student) for end in ends_of(at, "at")]
    several = isinstance(at, list | tuple) and at and all(isinstance(one, Feedforward | Model) for one in at)
    given = list(at) if several and learning else [at] * len(places)
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
    """The weights that `at` means: `"start"`, `"solution"` (the teacher's), `"origin"`, a network, or its arrays.

    Of models of the user's own arrays are given in the order of `jax.tree.leaves`.
    """
    student, teacher = problem.student, problem.teacher
    if not isinstance(at, str):
        network = _like(student, at)
        masks = problem.constraint.masks if isinstance(problem.constraint, Masked) else ()
        for name, mask, w in zip(_array_names(student), masks, jax.tree.leaves(network), strict=False):
            extra = int(np.count_nonzero(np.asarray(w)[~np.asarray(mask)]))
            if extra:
                raise ValueError(f"at: {name} has {extra} weights on missing synapses; they must be zero.")
        return network
    if at not in POINTS:
        raise ValueError(f"at: got {at!r}, allowed are {WEIGHTS}.")
    if at == "start":
        return student
    if at == "origin":
        return jax.tree.map(lambda w: np.zeros(np.shape(w)), student)
    if teacher is None:
        raise ValueError(
            'at: "solution" means the teacher\'s weights, but there is none; give the weights of a solution, or a '
            'dataset of curlflow.train with weights="all", whose end is taken.'
        )
    if teacher.widths != student.widths:
        raise ValueError(
            f'at: "solution" means the teacher\'s weights, but teacher.width gives it the widths '
            f"{list(teacher.widths)} and the student has {list(student.widths)}; give the weights of a solution, for "
            "example the end of a run."
        )
    if (teacher.biases is None) != (student.biases is None):
        raise ValueError(
            'at: "solution" means the teacher\'s weights and biases, but only one of teacher and student has biases '
            "(network.biases); give the weights of a solution."
        )
    return student.with_weights(map(np.asarray, teacher.weights), teacher.biases)


def _of_size(end: np.ndarray, student: Any) -> Any:
    """Flat weights as a network or model like `student`."""
    if end.size != size(student):
        raise ValueError(f"at: the dataset has {end.size} weights, required are {size(student)}.")
    return unflattened(end, student)


def _like(student: Feedforward | Model, at: Any) -> Feedforward | Model:
    """`at` as a network like `student`; the message names the layer that does not fit."""
    if isinstance(student, Model) and isinstance(at, eqx.Module):
        at = list(Model.of(at).weights) if not isinstance(at, Model) else list(at.weights)
    given, own = jax.tree.leaves(at) if isinstance(at, Feedforward) else at, jax.tree.leaves(student)
    for name in ("activation", "output_activation") if isinstance(at, Feedforward) else ():
        if getattr(at, name) != getattr(student, name):
            raise ValueError(
                f"at: the network has {name} {getattr(at, name)}, the spec's has {getattr(student, name)}."
            )
    if not isinstance(given, list | tuple):
        raise ValueError(f"at: got {type(at).__name__}, allowed are {WEIGHTS}.")
    if len(given) != len(own):
        biases = " and biases (network.biases)" if len(own) > len(student.weights) else ""
        raise ValueError(f"at: got {len(given)} layers of weights{biases}, required are {len(own)}.")
    arrays = []
    for name, w, like in zip(_array_names(student), given, own, strict=False):
        try:
            array = np.asarray(w)
        except ValueError:
            array = np.asarray(None)
        if array.dtype.kind not in "biufc":
            raise ValueError(f"at: {name} is no array of real numbers.")
        array = np.asarray(to_float64(array, f"at: {name}"), dtype=float)
        if array.shape != np.shape(like):
            axes = "(post, pre)" if np.ndim(like) > 1 else "(post,)"
            raise ValueError(f"at: {name} has shape {array.shape}, required is {axes} = {np.shape(like)}.")
        bad = int(np.sum(~np.isfinite(array)))
        if bad:
            raise ValueError(f"at: {name} has {bad} of {array.size} weights that are not finite; all must be.")
        arrays.append(array)
    return jax.tree.unflatten(jax.tree.structure(student), arrays)


def _array_names(student: Feedforward | Model) -> list[str]:
    """What messages call the arrays of a network, or of a model."""
    layers = range(1, 1 + len(student.weights))
    return [f"layer {layer}" for layer in layers] + [f"the bias of layer {layer}" for layer in layers]


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
