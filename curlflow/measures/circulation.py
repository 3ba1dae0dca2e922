"""The circulation of a vector field around a closed loop.

    Γ = ∮ F · dw = ∫₀¹ F(w(s)) · w′(s) ds,    and by Stokes' theorem    Γ = ∬ curl F

over any surface that the loop bounds. On a circle of radius r in the plane of orthonormal u and v,
Γ/(πr²) is the mean of the curl ∂F_v/∂u − ∂F_u/∂v over the disc; for a gradient field it is zero.

The integrand is periodic, so that the trapezoid rule converges geometrically for smooth fields, and is exact for
polynomials once there are more points than their degree plus one. Every second and every fourth point make coarser
rules; the largest difference from them is an error estimate, much too large for smooth fields. Where the field jumps
(relu) the error falls with the first power of the spacing only. The estimate is then at least the error of one jump,
wherever it lies; for several jumps it gives only the order of magnitude.

Source: Trefethen & Weideman, SIAM Rev. 56 (2014) 385.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..outside import compiled
from ..variable import Variable

POINTS = 64
"""Points of the trapezoid rule; a multiple of four, for the coarser rules."""
MORE = 1024
"""Points of the trapezoid rule where `POINTS` of them are not enough."""
CONVERGED = 1e-9
"""An error below this share of ∮ |F · dw| is small enough."""
TOGETHER = 16
"""Points that are evaluated under one `vmap`."""

VARIABLES = (
    Variable("circulation", ("realization",), "circulation of the velocity around a circle"),
    Variable("circulation_error", ("realization",), "largest change of the circulation with fewer points"),
    Variable("plane_curl", ("realization",), "circulation over πr²: mean curl over the disc"),
    Variable("plane_curl_error", ("realization",), "largest change of that mean with fewer points"),
)


class Circle(eqx.Module):
    """w(s) = centre + r (u cos 2πs + v sin 2πs), with orthonormal `directions` u and v and the `radius` r."""

    centre: Float[Array, " n"] | Float[np.ndarray, " n"]
    directions: Float[Array, "2 n"] | Float[np.ndarray, "2 n"]
    radius: Float[Array, ""] | Float[np.ndarray, ""] | float

    def __call__(self, s: Float[Array, ""]) -> Float[Array, " n"]:
        u, v = self.directions
        return self.centre + self.radius * (u * jnp.cos(2 * jnp.pi * s) + v * jnp.sin(2 * jnp.pi * s))


def circulation(field: Any, loop: Any, points: int = POINTS) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """∮ F · dw by the periodic trapezoid rule.

    **Returns:** the circulation, and its largest difference from the coarser rules that the points contain.

    **Arguments:**

    - `field`: a function of a flat vector (n numbers), as a pytree.
    - `loop`: a differentiable function of s with period 1 that gives a flat vector, as a pytree, such as `Circle`.
    - `points`: number of points, even.
    """
    return _trapezoid(field, loop, points)[:2]


def converged_circulation(field: Any, loop: Any) -> tuple[float, float]:
    """`circulation` with `POINTS` points, and with `MORE` where their error is not small against ∮ |F · dw|."""
    for points in (POINTS, MORE):
        value, error, size = map(float, _trapezoid(field, loop, points))
        if not error > CONVERGED * size:
            break
    return value, error


@compiled
def _trapezoid(field: Any, loop: Any, points: int) -> tuple[Array, Array, Array]:
    """The circulation, its error, and ∮ |F · dw|."""

    def integrand(s):
        w, tangent = jax.jvp(loop, (s,), (jnp.ones_like(s),))
        return jnp.sum(field(w) * tangent)

    values = jax.lax.map(integrand, jnp.arange(points) / points, batch_size=TOGETHER)
    strides = [stride for stride in (2, 4) if points % stride == 0]
    coarser = jnp.concatenate([jnp.mean(values.reshape(-1, stride), axis=0) for stride in strides])
    mean = jnp.mean(values)
    return mean, jnp.max(jnp.abs(coarser - mean)), jnp.mean(jnp.abs(values))
