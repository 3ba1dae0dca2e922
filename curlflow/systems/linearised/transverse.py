"""Tangents across the symmetry orbits of a linear network: what is left when rotations of hidden units are removed.

Hidden units of one group (the same gains on all their synapses) may be rotated, X → e^Ω X with Ω antisymmetric and
X = [W1 | W2ᵀ] the rows of the group. Tangents along the orbit, ΩX, stay along the orbit: they have exponents of zero
or below that say nothing about the motion. Modulo these tangents the tangent flow is a cocycle of its own, and its
exponents are found by subtracting, at the end of every block, the closest tangent of the orbit, which has the Ω with

    ΩG + GΩ = V Xᵀ − X Vᵀ,    G = X Xᵀ,                                                               (17)

which is diagonal in the eigenvectors of G.
"""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from ...networks import Feedforward
from ...rules.signals import ErrorSignal
from ...solvers.integrate import Clock
from ..base import AbstractSystem, Advanced
from .symmetry import groups_of_hidden_units, orbit_dimension

SMALLEST = 1e-13
"""Rotations that move the weights by less than the square root of this share are left out."""


class OffOrbits(NamedTuple):
    """The tangent space of a learning system, modulo rotations of hidden units within `groups`."""

    groups: tuple[Int[np.ndarray, " _"], ...]
    dimension: int
    splits = False
    has_volume = False

    @classmethod
    def of(cls, system: AbstractSystem, signal: ErrorSignal, masks: tuple[Any, ...] | None) -> "OffOrbits":
        """The space for `system`, modulo the rotations that its rule allows.

        **Raises:** `ValueError` for states that are not linear networks with one hidden layer, and for feedback that
        does not turn with the weights.
        """
        network = system.state
        linear = isinstance(network, Feedforward) and network.activation == "linear" and network.biases is None
        if not linear or len(network.weights) != 2:
            raise ValueError(
                "transverse: linear networks with one hidden layer and without biases are required; leave it out."
            )
        if not np.array_equal(signal.feedback[0], network.weights[1]):
            raise ValueError("transverse: with feedback alignment there are other symmetries; leave it out.")
        groups = tuple(groups_of_hidden_units(network, signal, masks)[0])
        return cls(groups, system.dimension - orbit_dimension(network, signal, masks))

    def copies_of_tangents(self, exponents: int) -> Int[np.ndarray, " tangents"]:
        return np.ones(exponents, dtype=int)

    def inside(self, system: AbstractSystem, exponents: int) -> "Transverse":
        return Transverse(system, self.groups)


class Transverse(eqx.Module):
    """A learning system whose tangents are kept off its symmetry orbits."""

    system: AbstractSystem
    groups: tuple[Int[Array, " _"] | Int[np.ndarray, " _"], ...]

    def advance(self, state: PyTree, tangents: PyTree, span: Any, clock: Clock) -> Advanced:
        after = self.system.advance(state, tangents, span, clock)
        return after._replace(tangents=self._off(after.state, after.tangents))

    def span(self, time: float) -> Any:
        return self.system.span(time)

    def project(self, state: PyTree, tangents: PyTree) -> PyTree:
        return self._off(state, self.system.project(state, tangents))

    def _off(self, state: Feedforward, tangents: Feedforward) -> Feedforward:
        x = jnp.hstack([state.weights[0], state.weights[1].T])
        v = jnp.concatenate([tangents.weights[0], jnp.swapaxes(tangents.weights[1], 1, 2)], axis=2)
        for units in self.groups:
            v = v.at[:, units].set(off_orbit(x[units], v[:, units]))
        inputs = state.weights[0].shape[1]
        # Tangents have one more axis than weights.
        layers = v[:, :, :inputs], jnp.swapaxes(v[:, :, inputs:], 1, 2)
        return jax.tree.unflatten(jax.tree.structure(tangents), layers)


def off_orbit(
    x: Float[Array, "units columns"], v: Float[Array, "vectors units columns"]
) -> Float[Array, "vectors units columns"]:
    """Every v less the closest ΩX with Ω antisymmetric, equation (17)."""
    values, u = jnp.linalg.eigh(x @ x.T)
    sums = values[:, None] + values[None, :]
    moved = sums > SMALLEST * jnp.max(values)

    def off(vector):
        turned = u.T @ (vector @ x.T - x @ vector.T) @ u
        omega = u @ jnp.where(moved, turned / jnp.where(moved, sums, 1.0), 0.0) @ u.T
        return vector - omega @ x

    return jax.vmap(off)(v)
