"""Constraints on the weights: the set, its tangent projection and its retraction.

A flow on the set follows the projected velocity and is retracted against rounding; updates take a free step and are
retracted. The tangent space has the dimension of the weights less the `codimension`.
"""

import math
from abc import abstractmethod
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool

from .networks import Feedforward
from .networks.graph_checks import listed
from .precision import Scalar

State = TypeVar("State")


class AbstractConstraint(eqx.Module):
    """A subset of state space."""

    @abstractmethod
    def codimension(self, state: State) -> int:
        """How many dimensions the constraint removes."""

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

    tangent: F − W ⟨W, F⟩ / ⟨W, W⟩ with the *current* norm: dividing by r² instead makes the sphere unstable.
    retraction: r W / ‖W‖.

    **Arguments:**

    - `radii`: one radius per leaf, as `FrobeniusSpheres.through(state)` reads them off a state.

    **Raises:** `ValueError` for radii that are not a list of finite numbers from 0.
    """

    radii: tuple[Scalar, ...]

    def __init__(self, radii: Any):
        self.radii = tuple(listed("radii", radii, "one radius"))
        for r in self.radii:
            if not isinstance(r, jax.core.Tracer):
                number = np.asarray(r)
                if number.shape != () or number.dtype.kind not in "iuf" or not 0 <= number < np.inf:
                    raise ValueError(f"radii: got {r!r}, allowed are finite numbers from 0.")

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
        if len(leaves) != len(self.radii):
            raise ValueError(f"radii: got {len(self.radii)}, required is one for each of {len(leaves)} layers.")
        scaled = [w * (r / jnp.sqrt(jnp.sum(w * w))) for w, r in zip(leaves, self.radii, strict=True)]
        return jax.tree.unflatten(structure, scaled)


class Simplex(AbstractConstraint):
    """xₐ ≥ 0 and Σₐ xₐ = 1 along the last axis of every array leaf of the state: probabilities.

    tangent: v less its mean along the last axis. retraction: x/Σx, with zeros for what is negative. codimension: one
    for every distribution. Where some probabilities are zero the tangent space is that of the whole simplex, so that
    exponents also say whether what is missing would grow; a velocity must not point out of the simplex there.
    """

    def codimension(self, state: State) -> int:
        return sum(math.prod(np.shape(leaf)[:-1]) for leaf in jax.tree.leaves(state))

    def tangent(self, state: State, velocity: State) -> State:
        return jax.tree.map(lambda v: v - jnp.mean(v, axis=-1, keepdims=True), velocity)

    def retract(self, state: State) -> State:
        def normalised(x):
            x = jnp.where(x < 0, 0.0, x)
            return x / jnp.sum(x, axis=-1, keepdims=True)

        return jax.tree.map(normalised, state)


class FreeBiases(AbstractConstraint):
    """A constraint on the weights of a network with biases, which are free.

    **Arguments:**

    - `within`: a constraint on the tuple of weights, such as `FrobeniusSpheres(radii)` with one radius per layer.
    """

    within: AbstractConstraint

    def codimension(self, state: Feedforward) -> int:
        return self.within.codimension(state.weights)

    def tangent(self, state: Feedforward, velocity: Feedforward) -> Feedforward:
        return eqx.tree_at(lambda n: n.weights, velocity, self.within.tangent(state.weights, velocity.weights))

    def retract(self, state: Feedforward) -> Feedforward:
        return eqx.tree_at(lambda n: n.weights, state, self.within.retract(state.weights))


class Masked(AbstractConstraint):
    """wᵢⱼ = 0 for every missing synapse, within another constraint: P ∘ (inner constraint), P = the mask.

    tangent: P T P v, with T the inner projection at P w. retraction: the inner one of P w. codimension: that of the
    inner constraint plus the number of missing synapses.

    P T P is the orthogonal projection onto the intersection of both tangent spaces, because P and T commute. On the
    spheres T = 1 − Σₗ wₗ wₗᵀ/‖wₗ‖², and P wₗ = wₗ makes P T = P − Σₗ wₗ wₗᵀ/‖wₗ‖² = T P; without a constraint T = 1.
    (A constraint whose T does not commute with P may not be given as `within`.) Missing synapses are set to zero
    rather than multiplied by it, so that they stay exactly 0 even where a rule gives them an infinite velocity.

    ```python
    constraint = Masked([np.array([[True, False], [True, True]]), np.ones((1, 2), bool)], Free())
    ```

    **Arguments:**

    - `masks`: one boolean array per leaf of the state, of its shape (for a network: per layer, post × pre); False
      where a synapse is missing.
    - `within`: `Free()`, or `FrobeniusSpheres(radii)`, with the radii of the masked layers.

    **Raises:** `ValueError` for masks that are not boolean arrays, a constraint `within` that is itself masked, and,
    on use, for a state of other shapes.
    """

    masks: tuple[Bool[Array | np.ndarray, "..."], ...]
    within: AbstractConstraint
    missing: int = eqx.field(static=True)

    def __init__(self, masks: Any, within: Any = None):
        self.masks = tuple(np.asarray(m) for m in listed("masks", masks, "one boolean array"))
        self.within = Free() if within is None else within
        for number, mask in enumerate(self.masks):
            if mask.dtype != bool:
                raise ValueError(f"masks[{number}]: got an array of {mask.dtype}, required is one of bool.")
        if not isinstance(self.within, AbstractConstraint) or isinstance(self.within, Masked):
            raise ValueError(
                f"within: got {type(within).__name__}, required is another constraint; combine masks by &."
            )
        # Counted here, because the dimension of a system must be known when it is compiled.
        self.missing = sum(int((~m).sum()) for m in self.masks)

    def codimension(self, state: State) -> int:
        self._check(state)
        return self.missing + self.within.codimension(state)

    def tangent(self, state: State, velocity: State) -> State:
        return self._cut(self.within.tangent(self._cut(state), self._cut(velocity)))

    def retract(self, state: State) -> State:
        return self.within.retract(self._cut(state))

    def _cut(self, state: State) -> State:
        """`state` with zeros for the missing synapses."""
        self._check(state)
        leaves, structure = jax.tree.flatten(state)
        cut = [jnp.where(m, leaf, 0.0) for m, leaf in zip(self.masks, leaves, strict=True)]
        return jax.tree.unflatten(structure, cut)

    def _check(self, state: State) -> None:
        required = [np.shape(leaf) for leaf in jax.tree.leaves(state)]
        given = [m.shape for m in self.masks]
        if given != required:
            raise ValueError(f"masks: got shapes {given}, required are those of the state: {required}.")
