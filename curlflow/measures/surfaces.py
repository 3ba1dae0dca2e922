"""Vector fields and functions on a two-dimensional surface w(p₁, p₂), at many points together.

The components of a field F on the surface are F · ∂w/∂p₁ and F · ∂w/∂p₂, so that those of a gradient ∇f are the
derivatives of f(w(p)), and a gradient has no curl on any surface.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..outside import compiled

POINTS = 4_096
"""Points of the surface in one compiled call; the last call is padded, so that one program serves all grids."""
TOGETHER = 16
"""Points that are evaluated under one `vmap`."""


class FlatPlane(eqx.Module):
    """centre + p₁u + p₂v."""

    centre: Float[Array, " n"] | Float[np.ndarray, " n"]
    directions: Float[Array, "2 n"] | Float[np.ndarray, "2 n"]

    def __call__(self, p: Float[Array, " 2"]) -> Float[Array, " n"]:
        return self.centre + p @ jnp.asarray(self.directions)


def components(field: Any, surface: Any, p: Any) -> Float[Array, " 2"]:
    """F · ∂w/∂p₁ and F · ∂w/∂p₂."""
    w, pull_back = jax.vjp(surface, p)
    return pull_back(field(w))[0]


def value(function: Any, surface: Any, p: Any) -> Float[Array, " 1"]:
    """f(w(p))."""
    return function(surface(p))[None]


def norm(field: Any, surface: Any, p: Any) -> Float[Array, " 1"]:
    """|F(w(p))|."""
    return jnp.linalg.norm(field(surface(p)))[None]


def evaluated(
    observe: Callable, function: Any, surface: Any, x: Float[np.ndarray, "*grid"], y: Float[np.ndarray, "*grid"]
) -> Float[np.ndarray, "*grid _"]:
    """`observe` at all points with coordinates `x` and `y`; its numbers are along the last axis.

    `observe` is `components`, `value` or `norm`, of a field or a function on flat vectors, as a pytree. The surface
    is a function of two numbers that gives a flat vector, as a pytree too.
    """
    points = np.stack([np.ravel(x), np.ravel(y)], axis=1)
    results = []
    for start in range(0, len(points), POINTS):
        part = points[start : start + POINTS]
        padded = np.concatenate([part, np.zeros((POINTS - len(part), 2))])
        results.append(np.asarray(_on_surface(observe, function, surface, padded))[: len(part)])
    return np.concatenate(results).reshape(*np.shape(x), -1)


@compiled
def _on_surface(observe, function, surface, points):
    return jax.lax.map(lambda p: observe(function, surface, p), points, batch_size=TOGETHER)
