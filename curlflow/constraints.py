"""Constraints on the weights: the set, its tangent projection and its retraction.

A flow on the set follows the projected velocity and is retracted against rounding; updates take a free step
and are retracted. Tangent vectors (of Lyapunov exponents, say) live in the tangent space, whose dimension is
that of the weights less the `codimension`.
"""

from abc import abstractmethod
from typing import TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp

from .precision import Scalar

State = TypeVar("State")


class AbstractConstraint(eqx.Module):
    """A subset of state space."""

    @abstractmethod
    def codimension(self, state: State) -> int:
        """How many dimensions the constraint takes away."""

    @abstractmethod
    def tangent(self, state: State, velocity: State) -> State:
        """The orthogonal projection of `velocity` onto the tangent space at `state`."""

    @abstractmethod
    def retract(self, state: State) -> State:
        """A point of the set near `state`."""


class Free(AbstractConstraint):
    """No constraint: every state is allowed."""

    def codimension(self, state: State) -> int:
        return 0

    def tangent(self, state: State, velocity: State) -> State:
        return velocity

    def retract(self, state: State) -> State:
        return state


class FrobeniusSpheres(AbstractConstraint):
    """‖Wₗ‖_F = rₗ for every layer (every array leaf of the state).

    tangent: F − W ⟨W, F⟩ / ⟨W, W⟩ with the *current* norm: dividing by r² in its place makes the sphere
    unstable. retraction: r W / ‖W‖.

    **Arguments:**

    - `radii`: one radius per leaf, as `FrobeniusSpheres.through(state)` reads them off a state.
    """

    radii: tuple[Scalar, ...]

    @classmethod
    def through(cls, state: State) -> "FrobeniusSpheres":
        """The spheres on which `state` lies."""
        return cls(tuple(jnp.linalg.norm(leaf) for leaf in jax.tree.leaves(state)))

    def codimension(self, state: State) -> int:
        return len(self.radii)

    def tangent(self, state: State, velocity: State) -> State:
        return jax.tree.map(lambda w, f: f - w * (jnp.sum(w * f) / jnp.sum(w * w)), state, velocity)

    def retract(self, state: State) -> State:
        leaves, structure = jax.tree.flatten(state)
        scaled = [w * (r / jnp.sqrt(jnp.sum(w * w))) for w, r in zip(leaves, self.radii, strict=True)]
        return jax.tree.unflatten(structure, scaled)
