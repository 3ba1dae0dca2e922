"""Textbook systems whose exponents are known: a check of any method, and a place to start.

Each function returns a `Flow` or `Map` whose parameters are data (floats, so that 28 and 28.0 are the same program):
changing them does not compile again.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ..precision import to_float64
from .flow import Flow
from .map import Map


def lorenz63(sigma: float = 10.0, rho: float = 28.0, beta: float = 8 / 3, state=(1.0, 1.0, 20.0)) -> Flow:
    """x′ = σ(y − x), y′ = x(ρ − z) − y, z′ = xy − βz. Lorenz, J. Atmos. Sci. 20 (1963) 130.

    At the default parameters the exponents are 0.9056, 0 and −14.5723; their sum is −(σ + 1 + β) exactly.
    """
    return Flow(_lorenz63, np.asarray(state, dtype=float), (float(sigma), float(rho), float(beta)))


def _lorenz63(t, u, args):
    (x, y, z), (sigma, rho, beta) = u, args
    return jnp.stack([sigma * (y - x), x * (rho - z) - y, x * y - beta * z])


def rossler(a: float = 0.2, b: float = 0.2, c: float = 5.7, state=(1.0, 1.0, 0.0)) -> Flow:
    """x′ = −y − z, y′ = x + ay, z′ = b + z(x − c). Rössler, Phys. Lett. A 57 (1976) 397.

    At the default parameters the exponents are 0.0714, 0 and −5.3943.
    """
    return Flow(_rossler, np.asarray(state, dtype=float), (float(a), float(b), float(c)))


def _rossler(t, u, args):
    (x, y, z), (a, b, c) = u, args
    return jnp.stack([-y - z, x + a * y, b + z * (x - c)])


def lorenz96(n: int = 40, forcing: float = 8.0) -> Flow:
    """xᵢ′ = (xᵢ₊₁ − xᵢ₋₂) xᵢ₋₁ − xᵢ + F on a ring of n ≥ 4 sites. Lorenz (1996). Σλ = −n exactly."""
    if n < 4:
        raise ValueError(f"n: got {n}, at least 4 sites are required.")
    return Flow(_lorenz96, forcing + 0.01 * np.eye(n)[0], float(forcing))


def _lorenz96(t, x, forcing):
    return (jnp.roll(x, -1) - jnp.roll(x, 2)) * jnp.roll(x, 1) - x + forcing


def henon(a: float = 1.4, b: float = 0.3, state=(0.1, 0.1)) -> Map:
    """x → 1 − ax² + y, y → bx. Hénon, Commun. Math. Phys. 50 (1976) 69. λ = 0.41922, −1.62319; Σλ = ln b."""
    return Map(_henon, np.asarray(state, dtype=float), args=(float(a), float(b)))


def _henon(i, u, args):
    (x, y), (a, b) = u, args
    return jnp.stack([1 - a * x * x + y, b * x])


def logistic(r: float = 4.0, state: float = 0.3) -> Map:
    """x → rx(1 − x). May, Nature 261 (1976) 459. At r = 4 the exponent is ln 2 exactly."""
    return Map(_logistic, state, args=float(r))


def _logistic(i, x, r):
    return r * x * (1 - x)


def standard_map(k: float = 1.0, state=(0.1, 0.0)) -> Map:
    """p → p + k sin θ, θ → θ + p, both modulo 2π; the state is (θ, p). Chirikov, Phys. Rep. 52 (1979) 263.

    It preserves areas: the exponents are ±λ. At k = 1 and the default start λ = 0.105.
    """
    return Map(_standard_map, np.asarray(state, dtype=float), args=float(k))


def _standard_map(i, u, k):
    theta, p = u
    p = p + k * jnp.sin(theta)
    return jnp.stack([theta + p, p]) % (2 * jnp.pi)


def linear(matrix: Float[np.ndarray, "rows columns"] | list, state=None) -> Flow:
    """x′ = Ax: the exponents are the real parts of the eigenvalues of A.

    **Arguments:**

    - `matrix`: A.
    - `state`: the start, by default the fixed point 0. (The exponents do not depend on it; other starts of an
      unstable system grow until they overflow.)
    """
    matrix = to_float64(np.asarray(matrix), "matrix").astype(float)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"matrix: a square matrix is required, got shape {matrix.shape}.")
    return Flow(_linear, np.zeros(matrix.shape[0]) if state is None else np.asarray(state, dtype=float), matrix)


def _linear(t, x, matrix):
    return matrix @ x
