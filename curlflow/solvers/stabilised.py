"""A stabilised explicit solver for mildly stiff flows: Runge–Kutta–Chebyshev of second order.

Near solutions the fastest direction limits the step of an explicit method, and its eigenvalue is real and negative or
nearly so. A method of s stages whose stability polynomial is a shifted Chebyshev polynomial,

    R(z) = a_s + b_s T_s(w₀ + w₁ z),    |R| ≤ 1 on [−β, 0],    β ≈ ⅔ (s² − 1)(1 − 2ε/15),

takes steps of β/ρ, with ρ the spectral radius: s stages do the work of about s²/5 steps of an ordinary method. With
w₀ = 1 + ε/s², ε = 2/13 and w₁ = T′_s(w₀)/T″_s(w₀), b_j = T″_j(w₀)/T′_j(w₀)², a_j = 1 − b_j T_j(w₀), the stages are

    Y₁ = y + μ̃₁ h F₀,    Y_j = (1 − μ_j − ν_j) y + μ_j Y_{j−1} + ν_j Y_{j−2} + μ̃_j h F_{j−1} + γ̃_j h F₀,
    μ̃₁ = b₁ w₁,  μ_j = 2 b_j w₀/b_{j−1},  ν_j = −b_j/b_{j−2},  μ̃_j = 2 b_j w₁/b_{j−1},  γ̃_j = −a_{j−1} μ̃_j,

and the error of a step is estimated by (4/5)(y − Y_s) + (2/5) h (F₀ + F_s).

Source: Sommeijer, Shampine & Verwer, J. Comput. Appl. Math. 88 (1998) 315. Here ρ and its direction are tracked by
one step of power iteration for each step of the solver. Where stability does not limit the step, or the fastest
direction does not belong to a negative real eigenvalue, the step is one of Tsitouras' method of fifth order.
"""

import math
from typing import Any, ClassVar, NamedTuple

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float
from numpy.polynomial.chebyshev import Chebyshev

Vector = Float[Array, " numbers"]

DAMPING = 2 / 13
"""ε, which keeps |R| below one inside the interval."""
SAFETY = 1.2
"""The estimate of the spectral radius is increased by this factor."""
EXPLICIT = 3.0
"""Steps shorter than this over the spectral radius use Tsitouras' method, which is stable up to 3.3."""
REAL = 0.9
"""Least cosine between a direction and minus its image at which its eigenvalue counts as real and negative."""
MOST_STAGES = 1000
"""Steps that need more stages are rejected: their error estimate is set to infinity."""
FIRST, SETTLED = 20, 0.02
"""The power iteration at the start of a block: most steps, and the relative change of ρ at which it stops."""
KEPT = 0.95
"""The spectral radius falls to no less than this share of itself from one step to the next."""


class FastestDirection(NamedTuple):
    """The fastest direction, a unit vector, the spectral radius, and the cosine between it and minus its image."""

    direction: Vector
    radius: Float[Array, ""]
    cosine: Float[Array, ""]


class RungeKuttaChebyshev(diffrax.AbstractSolver):
    """The method of the module. *State:* the velocity where the next step begins, and the `FastestDirection`."""

    term_structure: ClassVar = diffrax.ODETerm
    interpolation_cls: ClassVar = diffrax.ThirdOrderHermitePolynomialInterpolation

    def order(self, terms: Any) -> int:
        return 2

    def error_order(self, terms: Any) -> int:
        return 3  # the estimate is of the size of h³

    def init(self, terms, t0, t1, y0, args):
        flat, field = _flattened(terms, y0, args)
        f0 = field(t0, flat)
        return f0, _found(field, t0, flat, f0)

    def func(self, terms, t0, y0, args):
        return terms.vf(t0, y0, args)

    def step(self, terms, t0, t1, y0, args, solver_state, made_jump):
        flat, field = _flattened(terms, y0, args)
        f0, spectrum = solver_state
        f0 = jax.lax.cond(made_jump, lambda: field(t0, flat), lambda: f0)
        spectrum = _followed(field, t0, flat, f0, spectrum)
        h = t1 - t0
        reach = h * SAFETY * spectrum.radius
        number = stages(reach)
        chebyshev = (reach > EXPLICIT) & (spectrum.cosine > REAL)
        y1, error = jax.lax.cond(
            chebyshev,
            lambda: _chebyshev_step(field, t0, flat, f0, h, jnp.minimum(number, MOST_STAGES)),
            lambda: _tsitouras_step(field, t0, flat, h),
        )
        f1 = field(t1, y1)
        error = jnp.where(chebyshev, error + 0.4 * h * f1, error)
        error = jnp.where(chebyshev & (number > MOST_STAGES), jnp.inf, error)
        y1, error, k0, k1 = map(ravel_pytree(y0)[1], (y1, error, h * f0, h * f1))
        dense = {"y0": y0, "y1": y1, "k0": k0, "k1": k1}
        return y1, error, dense, (f1, spectrum), diffrax.RESULTS.successful


def stages(reach: Any) -> Array:
    """How many stages, at least two, a step needs if its length times the spectral radius is `reach`.

    It is β = ⅔ (s² − 1)(1 − 2ε/15), solved for s.
    """
    squared = 1 + reach / (2 / 3 * (1 - 2 * DAMPING / 15))
    return jnp.maximum(2, jnp.ceil(jnp.sqrt(squared))).astype(int)


def chebyshev_tableau(stages: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The Runge–Kutta tableau of a Chebyshev step of four stages or more: A, b and the weights of the error estimate.

    The stages that the recursion makes are those of any explicit method, so that they can be combined where the form
    of a vector field allows it. The estimate is the leading term of the error, of third order in the step.
    """
    w0 = 1 + DAMPING / stages**2
    t = [Chebyshev.basis(j) for j in range(stages + 1)]
    b = [t[max(j, 2)].deriv(2)(w0) / t[max(j, 2)].deriv()(w0) ** 2 for j in range(stages + 1)]
    w1 = t[-1].deriv()(w0) / t[-1].deriv(2)(w0)
    rows = np.zeros((stages + 1, stages))
    rows[1, 0] = b[1] * w1
    for j in range(2, stages + 1):
        step = 2 * b[j] * w1 / b[j - 1]
        rows[j] = 2 * b[j] * w0 / b[j - 1] * rows[j - 1] - b[j] / b[j - 2] * rows[j - 2]
        rows[j, j - 1] += step
        rows[j, 0] -= (1 - b[j - 1] * t[j - 1](w0)) * step
    a, solution = rows[:-1], rows[-1]
    # The conditions of third order, which the estimate fails by as much as the step does.
    nodes = a.sum(axis=1)
    conditions = np.stack([np.ones(stages), nodes, nodes**2, a @ nodes])
    return a, solution, np.linalg.pinv(conditions) @ (conditions @ solution - [1, 1 / 2, 1 / 3, 1 / 6])


def _flattened(terms: Any, y: Any, args: Any) -> tuple[Vector, Any]:
    """The state as one vector, and the vector field on such vectors."""
    flat, unravel = ravel_pytree(y)
    return flat, lambda t, x: ravel_pytree(terms.vf(t, unravel(x), args))[0]


def _chebyshev_step(field: Any, t: Any, y: Vector, f0: Vector, h: Any, number: Any) -> tuple[Vector, Vector]:
    """One step of `number` stages, and the part of its error estimate that needs no velocity at the end."""
    w0 = 1 + DAMPING / number**2
    one = jnp.ones_like(w0)
    first, second = Polynomials(w0, one, 0 * one), Polynomials(2 * w0**2 - 1, 4 * w0, 4 * one)
    last = jax.lax.fori_loop(2, number, lambda _, p: (p[1], _next(w0, *p)), (first, second))[1]
    w1, b2 = last.slope / last.bend, second.weight

    def stage(_, carry):
        (p0, b0, y0), (p1, b1, y1), c1 = carry
        p2 = _next(w0, p0, p1)
        b2, a1 = p2.weight, 1 - b1 * p1.value
        mu, nu, mu_h = 2 * b2 * w0 / b1, -b2 / b0, 2 * b2 * w1 / b1 * h
        y2 = (1 - mu - nu) * y + mu * y1 + nu * y0 + mu_h * (field(t + c1 * h, y1) - a1 * f0)
        return (p1, b1, y1), (p2, b2, y2), w1 * p2.bend / p2.slope

    begin = Polynomials(one, 0 * one, 0 * one)
    start = (begin, b2, y), (first, b2, y + b2 * w1 * h * f0), b2 * w1
    end = jax.lax.fori_loop(2, number + 1, stage, start)[1][2]
    return end, 0.8 * (y - end) + 0.4 * h * f0


class Polynomials(NamedTuple):
    """A Chebyshev polynomial and its first two derivatives at w₀."""

    value: Array
    slope: Array
    bend: Array

    @property
    def weight(self) -> Array:
        """b = T″/T′²."""
        return self.bend / self.slope**2


def _next(w0: Any, before: Polynomials, last: Polynomials) -> Polynomials:
    """The polynomial of the next degree by the recurrence T ← 2 w₀ T − T, with its derivatives."""
    return Polynomials(
        2 * w0 * last.value - before.value,
        2 * last.value + 2 * w0 * last.slope - before.slope,
        4 * last.slope + 2 * w0 * last.bend - before.bend,
    )


def _tsitouras_step(field: Any, t: Any, y: Vector, h: Any) -> tuple[Vector, Vector]:
    """One step of Tsitouras' method, and its error estimate."""
    solver, problem = diffrax.Tsit5(), (diffrax.ODETerm(lambda t, y, args: field(t, y)), t, t + h, y, None)
    return solver.step(*problem, solver.init(*problem), False)[:2]


def _found(field: Any, t: Any, y: Vector, f0: Vector) -> FastestDirection:
    """The spectrum by power iteration that starts from the direction of the velocity."""
    speed = jnp.linalg.norm(f0)
    direction = jnp.where(speed > 0, f0 / jnp.where(speed > 0, speed, 1), jnp.full_like(y, y.size**-0.5))
    start = FastestDirection(direction, jnp.zeros_like(speed), -jnp.ones_like(speed))

    def unsettled(carry):
        spectrum, before, number = carry
        return (number < FIRST) & (jnp.abs(spectrum.radius - before) > SETTLED * spectrum.radius)

    def iterate(carry):
        spectrum, _, number = carry
        return _followed(field, t, y, f0, spectrum), spectrum.radius, number + 1

    first = _followed(field, t, y, f0, start)
    return jax.lax.while_loop(unsettled, iterate, (first, start.radius, jnp.asarray(1)))[0]


def _followed(field: Any, t: Any, y: Vector, f0: Vector, spectrum: FastestDirection) -> FastestDirection:
    """One step of power iteration at y, by a difference of velocities."""
    size = jnp.linalg.norm(y)
    apart = math.sqrt(jnp.finfo(y.dtype).eps) * jnp.where(size > 0, size, 1)
    image = (field(t, y + apart * spectrum.direction) - f0) / apart
    radius = jnp.linalg.norm(image)
    moved = jnp.where(radius > 0, image / jnp.where(radius > 0, radius, 1), spectrum.direction)
    # The radius falls gradually: a direction that is not yet the fastest one has a small image.
    return FastestDirection(moved, jnp.maximum(radius, KEPT * spectrum.radius), -jnp.dot(spectrum.direction, moved))
