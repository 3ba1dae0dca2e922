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

from ...constraints import Free, FrobeniusSpheres, Masked
from ...measures.jacobian_parts import Scales, scales
from ...networks import Feedforward
from ...precision import Scalar
from ...problem import Problem
from ...spec import Spec
from ...systems import AbstractSystem, Flow
from ...tangents import from_rows, size
from ...tasks import AbstractTask
from ..points import network_at, state_of

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


class FlatVectorField(eqx.Module):
    """What `FlatVelocity` projects."""

    flow: Flow
    time: Scalar

    def __call__(self, x: Vector) -> Vector:
        state = unflattened(x, self.flow.state)
        return flattened(self.flow.vector_field(self.time, state, self.flow.args))


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
        return jnp.asarray(self.function(unflattened(x, self.like)), dtype=float)


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

    @property
    def is_projected(self) -> bool:
        """Whether a projection may leave rounding in place of zeros (that onto existing synapses leaves zeros)."""
        return not isinstance(self._within, Free)

    @property
    def has_spheres(self) -> bool:
        """Whether weights are bound to spheres."""
        return isinstance(self._within, FrobeniusSpheres)

    @property
    def _within(self) -> Any:
        constraint = self.flow.constraint
        return constraint.within if isinstance(constraint, Masked) else constraint

    def scales(self, x: Float[np.ndarray, " n"], time: float = 0.0) -> Scales:
        """The sizes at `x` before any projection; zeros where there is none."""
        if not self.is_projected:
            return Scales(*np.zeros(3))
        found = scales(FlatVectorField(self.flow, np.float64(time)), self.loss, x)
        return Scales(*(np.asarray(number) for number in found))

    def through(self, x: Float[np.ndarray, " n"]) -> "Subject":
        """The same field where the spheres of its constraint are those through `x`."""
        masked = isinstance(self.flow.constraint, Masked)
        if not self.has_spheres:
            return self
        norms = tuple(np.asarray(np.linalg.norm(leaf)) for leaf in jax.tree.leaves(unflattened(x, self.flow.state)))

        def radii(flow: Flow) -> Any:
            return (flow.constraint.within if masked else flow.constraint).radii

        return replace(self, flow=eqx.tree_at(radii, self.flow, norms))

    @property
    def projection(self) -> FlatProjection:
        """Onto the tangent space."""
        return FlatProjection(self.flow)

    def velocity(self, time: float = 0.0) -> FlatVelocity:
        """The field at `time`."""
        return FlatVelocity(self.flow, np.float64(time))


def subjects_of(
    spec_or_system: Spec | AbstractSystem, rule: Any, loss: Any, graph: Any = None, only: int | None = None
) -> list[Subject]:
    """The field of every realization of a spec (or of one), or that of a flow.

    **Raises:** `ValueError` for a map of the user's own, and for a loss that goes with a spec or is no function.
    """
    if isinstance(spec_or_system, Spec):
        if loss is not None:
            raise ValueError("loss: a spec has its own, the training error; leave it out.")
        chosen = range(spec_or_system.realizations) if only is None else [only]
        return [_learning(spec_or_system.build(realization=i, rule=rule, graph=graph)) for i in chosen]
    if not isinstance(spec_or_system, Flow):
        raise ValueError(
            f"spec_or_system: got a {type(spec_or_system).__name__.lower()}, which has no velocity; required is a "
            "Flow or a Spec (of updates the flow of the same rule is taken)."
        )
    flow = spec_or_system
    if loss is not None:
        _check_loss(loss, flow.state)
    return [Subject(flow, None if loss is None else StateFunction(loss, flow.state), None)]


def _check_loss(loss: Any, state: PyTree) -> None:
    """Refuse what is no real function of the state that JAX can differentiate."""
    if not callable(loss):
        raise ValueError(f"loss: got {loss!r}, required is a function of the state.")
    try:
        value = eqx.filter_eval_shape(loss, state)
    except Exception as error:  # whatever the user's function raises
        reason = (str(error).strip().splitlines() or [""])[0]
        raise ValueError(
            f"loss: JAX cannot trace it on the state ({type(error).__name__}: {reason}); required is a function of "
            "the state, written with jax.numpy, that gives one real number."
        ) from error
    shape, dtype = getattr(value, "shape", ()), np.dtype(getattr(value, "dtype", type(value)))
    if shape != () or dtype.kind not in "iuf" or dtype in (np.float16, np.float32):
        what = f"{dtype} of shape {shape}" if hasattr(value, "dtype") else type(value).__name__
        raise ValueError(f"loss: it gives {what}, required is one real number in double precision.")


def _learning(problem: Problem) -> Subject:
    return Subject(problem.flow(), TrainingError(problem.training_error, problem.student), problem)


def point(at: Any, subject: Subject) -> Float[np.ndarray, " n"]:
    """The flat vector that `at` means, as `points.network_at` and `points.state_of` take it.

    **Raises:** `ValueError` as they do, and for a layer of zeros on the spheres.
    """
    state = state_of(subject.flow, at) if subject.problem is None else network_at(subject.problem, at)
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(state)]
    for layer, leaf in enumerate(leaves if subject.has_spheres else [], start=1):
        if not leaf.any():
            raise ValueError(
                f"at: all weights of layer {layer} are 0, so that the point lies on no sphere of the norm "
                'constraint; choose another point, or set constraint.kind to "none".'
            )
    return np.concatenate([np.ravel(leaf) for leaf in leaves])
