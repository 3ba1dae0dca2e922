"""The velocity, the tangent projection and functions of the state of a flow, as functions of a flat vector.

Each is an Equinox module, so that compiled code is shared by all fields of one kind and size.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from ..precision import Scalar
from ..tangents import from_rows
from .flow import Flow
from .map import Map

Vector = Float[Array, " n"] | Float[np.ndarray, " n"]


def flattened(state: PyTree) -> Vector:
    """All numbers of a state in a row: layer by layer, row by row."""
    return jnp.concatenate([jnp.ravel(leaf) for leaf in jax.tree.leaves(state)])


def unflattened(x: Vector, like: PyTree) -> PyTree:
    """The inverse of `flattened`, for states like `like`."""
    return jax.tree.map(lambda leaf: leaf[0], from_rows(x[None], like))


class Change(eqx.Module):
    """(xᵢ₊₁ − xᵢ)/τ of a map with the time per step τ, as a vector field."""

    map: Map

    def __call__(self, t: Any, state: PyTree, args: None) -> PyTree:
        unit = self.map.time_per_step
        after = self.map.step(jnp.rint(t / unit).astype(int), state, self.map.args)
        return jax.tree.map(lambda a, b: (a - b) / unit, self.map.constraint.retract(after), state)


def flow_of(system: Flow | Map) -> Flow:
    """A flow as it is; of a map the flow whose velocity is the change over an iteration, per unit of time."""
    return system if isinstance(system, Flow) else Flow(Change(system), system.state, constraint=system.constraint)


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
        state, velocity = (unflattened(vector, self.flow.state) for vector in (x, v))
        return flattened(self.flow.constraint.tangent(state, velocity))


class OnConstraint(eqx.Module):
    """A loop or a surface, a function that gives points of flat space, retracted onto a flow's constraint."""

    parametrized: Callable
    flow: Flow

    def __call__(self, p: Any) -> Vector:
        state = unflattened(self.parametrized(p), self.flow.state)
        return flattened(self.flow.constraint.retract(state))


class StateFunction(eqx.Module):
    """A function of the state: the training error, or a loss that the user has given."""

    function: Callable
    like: PyTree

    def __call__(self, x: Vector) -> Scalar:
        return jnp.asarray(self.function(unflattened(x, self.like)), dtype=float)


class Entries(eqx.Module):
    """Some numbers of a state, as one vector: for every leaf the places of those that are wanted."""

    places: tuple[Int[np.ndarray, " _"] | Int[Array, " _"], ...]

    @classmethod
    def of(cls, indices: Int[np.ndarray, " chosen"], state: PyTree) -> "Entries":
        """From sorted places among all numbers of a state."""
        sizes = [np.size(leaf) for leaf in jax.tree.leaves(state)]
        ends = np.cumsum(sizes)
        bounds = zip(ends - sizes, ends, strict=True)
        return cls(tuple(indices[(indices >= start) & (indices < end)] - start for start, end in bounds))

    def __call__(self, state: PyTree) -> Float[Array, " chosen"]:
        leaves = jax.tree.leaves(state)
        return jnp.concatenate([jnp.ravel(leaf)[i] for leaf, i in zip(leaves, self.places, strict=True)])
