"""Spheres on which a solution plus a deviation lies, in terms of the deviation alone.

On the sphere of radius r around 0, with W = W* + δ, the retraction W → r W/‖W‖ is

    δ → δ + (s − 1)(W* + δ),    s = (1 + x)^½,    x = (r² − ‖W* + δ‖²) / ‖W* + δ‖²,

with r² − ‖W* + δ‖² = (r² − ‖W*‖²) − 2⟨W*, δ⟩ − ‖δ‖², of which the first difference is that of the start: nothing
cancels, however small δ is.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from ...constraints import AbstractConstraint
from ...networks import Feedforward
from ...precision import Scalar


class DeviationSpheres(AbstractConstraint):
    """‖W*ₗ + δₗ‖ = rₗ for every layer, with `reference` W*, and `excess` r² − ‖W*‖² exact to relative precision."""

    reference: tuple[Any, ...]
    excess: tuple[Scalar, ...]

    @classmethod
    def through(cls, reference: Feedforward, deviation: Feedforward) -> "DeviationSpheres":
        """The spheres on which `reference` + `deviation` lies."""
        pairs = zip(reference.weights, deviation.weights, strict=True)
        return cls(tuple(reference.weights), tuple(np.asarray(2 * np.vdot(w, d) + np.vdot(d, d)) for w, d in pairs))

    def codimension(self, state: PyTree) -> int:
        return len(self.excess)

    def tangent(self, state: PyTree, velocity: PyTree) -> PyTree:
        leaves, structure = jax.tree.flatten(velocity)
        weights = [w + d for w, d in zip(self.reference, jax.tree.leaves(state), strict=True)]
        projected = [f - w * (jnp.sum(w * f) / jnp.sum(w * w)) for w, f in zip(weights, leaves, strict=True)]
        return jax.tree.unflatten(structure, projected)

    def retract(self, state: PyTree) -> PyTree:
        leaves, structure = jax.tree.flatten(state)
        return jax.tree.unflatten(structure, [self.layer_retracted(i, d) for i, d in enumerate(leaves)])

    def layer_retracted(self, layer: int, deviation: Any) -> Any:
        """The deviation of one layer, counted from 0, put back onto its sphere."""
        reference, excess = self.reference[layer], self.excess[layer]
        w = reference + deviation
        x = (excess - jnp.sum(deviation * (reference + w))) / jnp.sum(w * w)
        return deviation + jnp.expm1(0.5 * jnp.log1p(x)) * w

    def squared_radius(self, layer: int) -> Any:
        """r² of a layer."""
        reference = jnp.asarray(self.reference[layer])
        return jnp.sum(reference * reference) + self.excess[layer]
