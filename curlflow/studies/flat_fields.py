"""The velocity, the tangent projection and the loss of a spec or a flow, as functions of a flat vector.

Measures of vector fields see nothing but these functions. Each is an Equinox module, so that compiled code is shared
by all fields of one kind and size: weights, gains, data and scales are its leaves.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from ..constraints import FrobeniusSpheres
from ..networks import Feedforward
from ..precision import Scalar
from ..problem import Problem
from ..spec import Spec
from ..systems import AbstractSystem, Flow
from ..tangents import from_rows, size
from ..tasks import AbstractTask

Vector = Float[Array, " n"] | Float[np.ndarray, " n"]


def flattened(state: PyTree) -> Vector:
    """All numbers of a state in a row: layer by layer, row by row."""
    return jnp.concatenate([jnp.ravel(leaf) for leaf in jax.tree.leaves(state)])


def unflattened(x: Vector, like: PyTree) -> PyTree:
    """The inverse of `flattened`, for states like `like`."""
    return jax.tree.map(lambda leaf: leaf[0], from_rows(x[None], like))


class FlatVelocity(eqx.Module):
    """F(x) of a flow at one time, projected onto its constraint."""

    flow: Flow
    time: Scalar

    def __call__(self, x: Vector) -> Vector:
        return flattened(self.flow.velocity(self.time, unflattened(x, self.flow.state)))


class FlatProjection(eqx.Module):
    """The orthogonal projection of v onto the tangent space of a flow's constraint at x."""

    flow: Flow

    def __call__(self, x: Vector, v: Vector) -> Vector:
        state = self.flow.state
        return flattened(self.flow.constraint.tangent(unflattened(x, state), unflattened(v, state)))


class OnConstraint(eqx.Module):
    """A loop or a surface, a function that gives points of flat space, retracted onto a flow's constraint."""

    parametrized: Callable
    flow: Flow

    def __call__(self, p: Any) -> Vector:
        state = unflattened(self.parametrized(p), self.flow.state)
        return flattened(self.flow.constraint.retract(state))


class FlatPlane(eqx.Module):
    """centre + p₁u + p₂v."""

    centre: Vector
    directions: Float[Array, "2 n"] | Float[np.ndarray, "2 n"]

    def __call__(self, p: Float[Array, " 2"]) -> Vector:
        return self.centre + p @ jnp.asarray(self.directions)


class TrainingError(eqx.Module):
    """½⟨|ŷ − y|²⟩ over the training set or the population."""

    task: AbstractTask
    like: Feedforward

    def __call__(self, x: Vector) -> Scalar:
        return self.task.error(unflattened(x, self.like))


class StateFunction(eqx.Module):
    """A function of the state that the user has given."""

    function: Callable
    like: PyTree

    def __call__(self, x: Vector) -> Scalar:
        return self.function(unflattened(x, self.like))


@dataclass(frozen=True)
class Subject:
    """One vector field, what it may be compared with, and the points that have names.

    **Attributes:**

    - `flow`: whose velocity it is.
    - `loss`: a function of the flat vector, or None.
    - `problem`: of a spec, or None.
    """

    flow: Flow
    loss: Any
    problem: Problem | None

    @property
    def size(self) -> int:
        """The number of weights, or of state variables."""
        return size(self.flow.state)

    def through(self, x: Float[np.ndarray, " n"]) -> "Subject":
        """The same field where the spheres of its constraint are those through `x`."""
        if not isinstance(self.flow.constraint, FrobeniusSpheres):
            return self
        norms = tuple(np.asarray(np.linalg.norm(leaf)) for leaf in jax.tree.leaves(unflattened(x, self.flow.state)))
        return replace(self, flow=eqx.tree_at(lambda flow: flow.constraint.radii, self.flow, norms))

    @property
    def projection(self) -> FlatProjection:
        """Onto the tangent space."""
        return FlatProjection(self.flow)

    def velocity(self, time: float = 0.0) -> FlatVelocity:
        """The field at `time`."""
        return FlatVelocity(self.flow, np.float64(time))


def subjects_of(
    spec_or_system: Spec | AbstractSystem, rule: Any, loss: Any, only: int | None = None
) -> list[Subject]:
    """The field of every realization of a spec (or of one), or that of a flow.

    **Raises:** `ValueError` for a map of the user's own, and for a loss that goes with a spec or is no function.
    """
    if isinstance(spec_or_system, Spec):
        if loss is not None:
            raise ValueError("loss: a spec has its own, the training error; leave it out.")
        chosen = range(spec_or_system.realizations) if only is None else [only]
        return [_learning(spec_or_system.build(realization=i, rule=rule)) for i in chosen]
    if not isinstance(spec_or_system, Flow):
        raise ValueError(
            "spec_or_system: got a map, which has no velocity; required is a Flow or a Spec "
            "(of updates the flow of the same rule is taken)."
        )
    if loss is not None and not callable(loss):
        raise ValueError(f"loss: got {loss!r}, required is a function of the state.")
    flow = spec_or_system
    return [Subject(flow, None if loss is None else StateFunction(loss, flow.state), None)]


def _learning(problem: Problem) -> Subject:
    return Subject(problem.flow(), TrainingError(problem.training_error, problem.student), problem)


def point(at: Any, subject: Subject) -> Float[np.ndarray, " n"]:
    """The flat vector that `at` means.

    **Arguments:**

    - `at`: "start", "solution" (the teacher's weights), "origin", weights (a `Feedforward`, or one array (post, pre)
      per layer), or a state of a flow.

    **Raises:** `ValueError` for other words, and for weights of other shapes or that are not finite.
    """
    if isinstance(at, str):
        return _named(at, subject)
    if subject.problem is not None:
        state = _weights(at, subject.problem.student)
    elif isinstance(at, list | tuple) and not isinstance(subject.flow.state, list | tuple):
        state = np.asarray(at, dtype=float)
    else:
        state = at
    leaves, structure = jax.tree.flatten(state)
    expected, known = jax.tree.flatten(subject.flow.state)
    shapes, required = [np.shape(leaf) for leaf in leaves], [leaf.shape for leaf in expected]
    if structure != known or shapes != required:
        raise ValueError(f"at: got a state of shapes {shapes}, required is one like that of the flow: {required}.")
    x = np.concatenate([np.ravel(np.asarray(leaf, dtype=float)) for leaf in leaves])
    if not np.isfinite(x).all():
        raise ValueError("at: got numbers that are not finite; all must be.")
    return x


def _named(at: str, subject: Subject) -> Float[np.ndarray, " n"]:
    problem = subject.problem
    words = '"start", "solution", "origin" or weights' if problem else '"start", "origin" or a state'
    if at == "start":
        return np.asarray(flattened(subject.flow.state))
    if at == "origin":
        return np.zeros(subject.size)
    if at != "solution" or problem is None:
        raise ValueError(f"at: got {at!r}, allowed are {words}.")
    if problem.teacher.widths != problem.student.widths:
        raise ValueError(
            f'at: "solution" means the teacher\'s weights, whose widths {problem.teacher.widths} are not those of '
            f"the student, {problem.student.widths}; give weights."
        )
    return np.asarray(flattened(problem.teacher))


def _weights(at: Any, student: Feedforward) -> Feedforward:
    """`at` as a network like `student`; the message names the layer that does not fit."""
    given = at.weights if isinstance(at, Feedforward) else at
    if not isinstance(given, list | tuple):
        raise ValueError(
            f'at: got {type(at).__name__}, allowed are "start", "solution", "origin", a Feedforward or a list of '
            "one array (post, pre) per layer."
        )
    if len(given) != len(student.weights):
        raise ValueError(f"at: got {len(given)} layers of weights, required are {len(student.weights)}.")
    for layer, (w, own) in enumerate(zip(given, student.weights, strict=True), start=1):
        if np.shape(w) != np.shape(own):
            raise ValueError(f"at: layer {layer} has shape {np.shape(w)}, required is (post, pre) = {np.shape(own)}.")
        if not np.isfinite(np.asarray(w, dtype=float)).all():
            raise ValueError(f"at: layer {layer} has weights that are not finite; all must be.")
    return student.with_weights([np.asarray(w, dtype=float) for w in given])
