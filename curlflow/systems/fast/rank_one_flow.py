"""Fast flows of two-layer linear networks with one output on Frobenius spheres.

With K = 1 and presynaptic signs the velocity of W1 on its sphere of radius r is of rank one but for a multiple of W1,

    Ẇ1 = −w uᵀ − γ W1,    u = D1 Σ (W1ᵀw − v),    γ = −(W1ᵀw)·u / r²,    w = W2ᵀ,

so that stage i of an explicit Runge–Kutta step from W1 over h is W1⁽ⁱ⁾ = αᵢ W1 + Σⱼ βᵢⱼ wⱼ uⱼᵀ with

    αᵢ = 1 − h Σⱼ aᵢⱼ γⱼ αⱼ,    βᵢ = −h Σⱼ aᵢⱼ (eⱼ + γⱼ βⱼ).

A stage then costs two products of W1 with a vector in place of sums of up to seven matrices. W1 itself is formed once
a step, and put back onto the sphere; since it is, r² may stand for ‖W1⁽ⁱ⁾‖² within a step. Steps are chosen as in
`curlflow.solvers.integrate.adaptive`, except that the scale of the error is the root mean square of a layer.
"""

from typing import Any, NamedTuple

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ...networks import Feedforward
from ...precision import Scalar
from ...solvers.integrate import SOLVERS, Adaptive, Clock
from ...status import Status
from ...tasks import SecondMoments
from .rank_one import gains_of

PROPORTIONAL, INTEGRAL = 0.4, 0.3
"""Coefficients of the PI controller; see `curlflow.solvers.integrate.adaptive`."""
SAFETY, LEAST_FACTOR, MOST_FACTOR = 0.9, 0.2, 10.0


class _Problem(NamedTuple):
    """What a step depends on besides the weights and the time."""

    d1: Float[Array, " inputs"]
    d2: Float[Array, " hidden"]
    task: SecondMoments
    target: Float[Array, " inputs"]
    r1: Scalar
    r2: Scalar
    integrator: Adaptive
    tableau: diffrax.ButcherTableau

    def scales(self, w1: Any, w: Any) -> tuple[Any, Any]:
        """The tolerance of one weight of each layer."""
        given = self.integrator
        return tuple(given.atol + given.rtol * r / np.sqrt(v.size) for r, v in ((self.r1, w1), (self.r2, w)))


class _Stages(NamedTuple):
    """w, u, γ, α, β and ẇ of every stage of one step."""

    w: Float[Array, "stages hidden"]
    u: Float[Array, "stages inputs"]
    gamma: Float[Array, " stages"]
    alpha: Float[Array, " stages"]
    beta: Float[Array, "stages stages"]
    velocity: Float[Array, "stages hidden"]


class _Carry(NamedTuple):
    w1: Float[Array, "hidden inputs"]
    w: Float[Array, " hidden"]
    t: Array
    h: Array
    before: Array
    steps: Array
    status: Array


class RankOneFlow(eqx.Module):
    """The flow on spheres of `radii`: a function of (network, span, clock, (rule, task), integrator).

    It returns the network at the end of the span, the clock there and a status. The solver must have a tableau.
    """

    radii: tuple[Scalar, ...]

    def __call__(self, network: Feedforward, span: Scalar, clock: Clock, args: Any, integrator: Adaptive):
        rule, task = args
        tableau = SOLVERS[integrator.solver].tableau
        problem = _Problem(*gains_of(rule), task, task.teacher[0], *self.radii, integrator, tableau)
        w1, w2 = map(jnp.asarray, network.weights)
        w = w2[0]
        h = jnp.where(clock.step > 0, clock.step, _first_step(problem, w1, w))
        start = _Carry(w1, w, jnp.asarray(0.0), h, jnp.asarray(1.0), jnp.asarray(0), jnp.asarray(0))

        def unfinished(carry):
            return (carry.t < span) & (carry.status == Status.completed)

        end = jax.lax.while_loop(unfinished, lambda carry: _step(problem, span, carry), start)
        return network.with_weights((end.w1, end.w[None])), Clock(clock.position + span, end.h), end.status


def _step(problem: _Problem, span: Scalar, carry: _Carry) -> _Carry:
    """Try one step; accept it, or make it shorter."""
    # A remainder that is hardly longer than a step is not divided into two unequal steps.
    last = carry.t + carry.h * (1 + 1e-9) >= span
    h = jnp.where(last, span - carry.t, carry.h)
    new, error = _candidate(problem, carry.w1, carry.w, h)
    order = SOLVERS[problem.integrator.solver]().order(None)
    safe = jnp.maximum(error, 1e-10)
    factor = SAFETY * safe ** (-(PROPORTIONAL + INTEGRAL) / order) * carry.before ** (PROPORTIONAL / order)
    keep = error < 1.0
    factor = jnp.clip(factor, LEAST_FACTOR, jnp.where(keep, MOST_FACTOR, 1.0))
    factor = jnp.where(jnp.isfinite(error), factor, LEAST_FACTOR)
    proposed = h * factor
    # The last step of a span was clipped: the next span starts with the step proposed before.
    proposed = jnp.where(keep & last, jnp.maximum(proposed, carry.h), proposed)
    steps = carry.steps + 1
    status = jnp.where(steps >= problem.integrator.max_steps, int(Status.max_steps_reached), int(Status.completed))
    status = jnp.where(proposed < 1e-11 * span, int(Status.step_size_underflow), status)
    t = jnp.where(last, span, carry.t + h)
    done = keep & (t >= span)
    return _Carry(
        jnp.where(keep, new[0], carry.w1),
        jnp.where(keep, new[1], carry.w),
        jnp.where(keep, t, carry.t),
        proposed,
        jnp.where(keep, safe, carry.before),
        steps,
        jnp.where(done, int(Status.completed), status),
    )


def _stages(problem: _Problem, w1: Any, w: Any, h: Any) -> _Stages:
    number = problem.tableau.num_stages
    ws, us, velocities, gammas, alphas, betas = [], [], [], [], [], []
    for i in range(number):
        alpha, beta, wi = jnp.asarray(1.0), jnp.zeros(number), w
        if i:
            a = h * jnp.asarray(problem.tableau.a_lower[i - 1])
            weights = a * jnp.stack(gammas)
            alpha = 1 - weights @ jnp.stack(alphas)
            beta = -(weights @ jnp.stack(betas)) - jnp.concatenate([a, jnp.zeros(number - i)])
            wi = w + a @ jnp.stack(velocities)
        p = alpha * (wi @ w1)
        if i:
            w_before, u_before, b = jnp.stack(ws), jnp.stack(us), beta[:i]
            p = p + (b * (w_before @ wi)) @ u_before
        x = problem.task.times_covariance(p - problem.target)
        u = problem.d1 * x
        back = alpha * (w1 @ x)
        if i:
            back = back + (b * (u_before @ x)) @ w_before
        free = -problem.d2 * back
        ws.append(wi)
        us.append(u)
        gammas.append(-jnp.sum(p * u) / (problem.r1 * problem.r1))
        velocities.append(free - wi * (jnp.sum(wi * free) / (problem.r2 * problem.r2)))
        alphas.append(alpha)
        betas.append(beta)
    return _Stages(*(jnp.stack(part) for part in (ws, us, gammas, alphas, betas, velocities)))


def _combined(stages: _Stages, h: Any, coefficients: Any) -> tuple[Any, Any, Any]:
    """h Σⱼ cⱼ kⱼ as a multiple of W1, coefficients of wⱼ uⱼᵀ, and a vector for w."""
    c = h * jnp.asarray(coefficients)
    weights = c * stages.gamma
    return -(weights @ stages.alpha), -(weights @ stages.beta) - c, c @ stages.velocity


def _candidate(problem: _Problem, w1: Any, w: Any, h: Any) -> tuple[tuple[Any, Any], Any]:
    """The weights after the step, on their spheres, and the error over the tolerance."""
    stages = _stages(problem, w1, w, h)
    alpha, beta, change = _combined(stages, h, problem.tableau.b_sol)
    new1, new = (1 + alpha) * w1 + (stages.w.T * beta) @ stages.u, w + change
    new1 = new1 * (problem.r1 * jax.lax.rsqrt(jnp.sum(new1 * new1)))
    new = new * (problem.r2 * jax.lax.rsqrt(jnp.sum(new * new)))
    alpha, beta, off = _combined(stages, h, problem.tableau.b_error)
    off1 = alpha * w1 + (stages.w.T * beta) @ stages.u
    scale1, scale = problem.scales(w1, w)
    squares = jnp.sum(off1 * off1) / scale1**2 + jnp.sum(off * off) / scale**2
    return (new1, new), jnp.sqrt(squares / (w1.size + w.size))


def _first_step(problem: _Problem, w1: Any, w: Any) -> Any:
    """A hundredth of ‖W‖/‖Ẇ‖, the first guess of `curlflow.solvers.integrate`."""
    x = problem.task.times_covariance(w @ w1 - problem.target)
    scale1, scale = problem.scales(w1, w)
    speed = jnp.hypot(jnp.linalg.norm(w) * jnp.linalg.norm(x) / scale1, jnp.linalg.norm(w1 @ x) / scale)
    guess = 0.01 * jnp.hypot(problem.r1 / scale1, problem.r2 / scale) / speed
    return jnp.where(jnp.isfinite(guess) & (guess > 0), guess, 1e-6)
