"""The circulation of a vector field around a closed loop.

    Γ = ∮ F · dw = ∫₀¹ F(w(s)) · w′(s) ds,    and by Stokes' theorem    Γ = ∬ curl F

over any surface that the loop bounds. On a circle of radius r in the plane of orthonormal u and v,
Γ/(πr²) is the mean of the curl ∂F_v/∂u − ∂F_u/∂v over the disc; for a gradient field it is zero.

The integrand is periodic, so that the trapezoid rule converges geometrically for smooth fields, and is exact for
polynomials once there are more points than their degree plus one. The difference from the rule with half as many
points is an error estimate that is much too large for smooth fields.

Source: Trefethen & Weideman, SIAM Rev. 56 (2014) 385.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..variable import Variable

POINTS = 64
"""Points of the trapezoid rule; even, so that every other one makes the rule with half as many."""

VARIABLES = (
    Variable("circulation", ("realization",), "circulation of the velocity around a circle"),
    Variable("circulation_error", ("realization",), "change of the circulation with twice the points"),
    Variable("plane_curl", ("realization",), "circulation over πr²: mean curl over the disc"),
)


class Circle(eqx.Module):
    """w(s) = centre + r (u cos 2πs + v sin 2πs).

    **Arguments:**

    - `centre`: n numbers.
    - `directions`: orthonormal u and v, 2 × n.
    - `radius`: r.
    """

    centre: Float[Array, " n"] | Float[np.ndarray, " n"]
    directions: Float[Array, "2 n"] | Float[np.ndarray, "2 n"]
    radius: Float[Array, ""] | Float[np.ndarray, ""] | float

    def __call__(self, s: Float[Array, ""]) -> Float[Array, " n"]:
        u, v = self.directions
        return self.centre + self.radius * (u * jnp.cos(2 * jnp.pi * s) + v * jnp.sin(2 * jnp.pi * s))


@eqx.filter_jit
def circulation(field: Any, loop: Any, points: int = POINTS) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """∮ F · dw by the periodic trapezoid rule.

    **Returns:** the circulation, and its difference from the rule with half as many points.

    **Arguments:**

    - `field`: a function of a flat vector (n numbers), as a pytree.
    - `loop`: a function of s with period 1 that gives a flat vector, as a pytree: `Circle(...)` or one of your own.
      Its derivative is taken by JAX.
    - `points`: how many, even.
    """

    def integrand(s):
        w, tangent = jax.jvp(loop, (s,), (jnp.ones_like(s),))
        return jnp.sum(field(w) * tangent)

    values = jax.lax.map(integrand, jnp.arange(points) / points)
    return jnp.mean(values), jnp.abs(jnp.mean(values) - jnp.mean(values[::2]))
