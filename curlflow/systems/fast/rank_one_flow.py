"""Fast flows of two-layer linear networks with one output on Frobenius spheres.

With K = 1 and presynaptic signs the velocity of W1 on its sphere of radius r is of rank one but for a multiple of W1,

    Ẇ1 = −w uᵀ − γ W1,    u = D1 Σ (W1ᵀw − v),    γ = −(W1ᵀw)·u / r²,    w = W2ᵀ,

so that stage i of an explicit Runge–Kutta step from W1 over h is W1⁽ⁱ⁾ = αᵢ W1 + Σⱼ βᵢⱼ wⱼ uⱼᵀ with

    αᵢ = 1 − h Σⱼ aᵢⱼ γⱼ αⱼ,    βᵢ = −h Σⱼ aᵢⱼ (eⱼ + γⱼ βⱼ).

A stage then costs two products of W1 with a vector in place of sums of up to seven matrices. W1 itself is formed once
a step, and put back onto the sphere; since it is, r² may stand for ‖W1⁽ⁱ⁾‖² within a step. Steps are chosen as in
`curlflow.solvers.integrate.adaptive`, except that the scale of the error is the root mean square of a layer.

Tangents are carried by the derivative of the step, which keeps that form. What the stages of a step with s stages
need of a tangent V1 of W1 are its products with the vectors wᵢ and Σ(W1ᵀwᵢ − v), which do not depend on it: one
product from either side with all of them, and one update of rank 2s a step. These are Runge–Kutta–Chebyshev steps of
second order (`curlflow.solvers.stabilised`), since near solutions the fastest direction limits the step and not the
accuracy: with `STAGES` stages they are stable for 0.65 (STAGES² − 1) over its rate, three times as long as those of
Tsitouras.
"""

import dataclasses
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ...networks import Feedforward
from ...precision import Scalar
from ...solvers.integrate import SOLVERS, Adaptive, Clock
from ...solvers.stabilised import chebyshev_tableau
from ...status import Status
from ...tangents import size
from ...tasks import SecondMoments
from .rank_one import gains_of

PROPORTIONAL, INTEGRAL = 0.4, 0.3
"""Coefficients of the PI controller; see `curlflow.solvers.integrate.adaptive`."""
SAFETY, LEAST_FACTOR, MOST_FACTOR = 0.9, 0.2, 10.0
STAGES = 4
"""Of steps with tangents."""
LOOSER = 10.0
"""Steps with tangents may err by this times the tolerances, which is far below the standard errors of exponents."""


LEAST = 5000
"""Steps with tangents are taken from so many weights on; below, those of `tsit5` on whole matrices are faster."""


class _Tableau(NamedTuple):
    """Of an explicit Runge–Kutta method; the error estimate is of the size of h to the `order`."""

    a: Float[np.ndarray, "stages stages"]
    solution: Float[np.ndarray, " stages"]
    error: Float[np.ndarray, " stages"]
    order: int

    @classmethod
    def of(cls, name: str) -> "_Tableau":
        """That of a solver of diffrax."""
        tableau, number = SOLVERS[name].tableau, SOLVERS[name].tableau.num_stages
        rows = [np.pad(row, (0, number - len(row))) for row in (np.zeros(0), *tableau.a_lower)]
        return cls(
            np.stack(rows), np.asarray(tableau.b_sol), np.asarray(tableau.b_error), SOLVERS[name]().order(None)
        )


class _Problem(NamedTuple):
    """What a step depends on besides the weights and the time."""

    d1: Float[Array, " inputs"]
    d2: Float[Array, " hidden"]
    task: SecondMoments
    target: Float[Array, " inputs"]
    r1: Scalar
    r2: Scalar
    integrator: Adaptive
    tableau: _Tableau

    def scales(self, w1: Any, w: Any) -> tuple[Any, Any]:
        """The tolerance of one weight of each layer."""
        given = self.integrator
        return tuple(given.atol + given.rtol * r / np.sqrt(v.size) for r, v in ((self.r1, w1), (self.r2, w)))


Weights = tuple[Float[Array, "hidden inputs"], Float[Array, " hidden"]]
Tangents = tuple[Float[Array, "vectors hidden inputs"], Float[Array, "vectors hidden"]]


class _Stages(NamedTuple):
    """w, Σ(W1ᵀw − v), u, γ, α, β and ẇ of every stage of one step."""

    w: Float[Array, "stages hidden"]
    x: Float[Array, "stages inputs"]
    u: Float[Array, "stages inputs"]
    gamma: Float[Array, " stages"]
    alpha: Float[Array, " stages"]
    beta: Float[Array, "stages stages"]
    velocity: Float[Array, "stages hidden"]


class _Change(NamedTuple):
    """α W1 + Σⱼ lⱼ rⱼᵀ, of which the sum is not formed, and a change of w."""

    alpha: Array
    left: Float[Array, "stages hidden"]
    right: Float[Array, "stages inputs"]
    second: Float[Array, " hidden"]

    @classmethod
    def of(cls, stages: _Stages, h: Any, coefficients: Any) -> "_Change":
        """h Σⱼ cⱼ kⱼ of the velocities kⱼ of the stages."""
        c = h * jnp.asarray(coefficients)
        weights = c * stages.gamma
        beta = -(weights @ stages.beta) - c
        return cls(-(weights @ stages.alpha), beta[:, None] * stages.w, stages.u, c @ stages.velocity)

    def weights(self, w1: Any) -> Weights:
        """The changes of both layers."""
        return self.alpha * w1 + self.left.T @ self.right, self.second

    def factors(self, change: "_Change") -> tuple[Any, Any]:
        """Those of the change of Σⱼ lⱼ rⱼᵀ along a tangent that has this `change` of lⱼ and rⱼ."""
        return jnp.concatenate([change.left, self.left]), jnp.concatenate([self.right, change.right])

    def norm_along(self, change: "_Change") -> Array:
        """The norm of that, from products of the factors."""
        left, right = self.factors(change)
        return jnp.sqrt(jnp.maximum(jnp.sum((left @ left.T) * (right @ right.T)), 0.0))


class _Carry(NamedTuple):
    weights: Weights
    tangents: Tangents | None
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
    looser: ClassVar[float] = LOOSER

    def carries_tangents(self, network: Feedforward) -> bool:
        """Whether `with_tangents` is the faster way."""
        return size(network) >= LEAST

    def __call__(self, network: Feedforward, span: Scalar, clock: Clock, args: Any, integrator: Adaptive):
        tableau = _Tableau.of(integrator.method)
        network, _, clock, status = self._run(network, None, span, clock, args, integrator, tableau)
        return network, clock, status

    def with_tangents(
        self, network: Feedforward, tangents: Feedforward, span: Scalar, clock: Clock, args: Any, integrator: Adaptive
    ):
        """The network, its tangents, the clock and a status at the end of the span."""
        tableau = _Tableau(*chebyshev_tableau(STAGES), 3)
        tolerances = {"rtol": LOOSER * integrator.rtol, "atol": LOOSER * integrator.atol}
        integrator = dataclasses.replace(integrator, **tolerances)
        return self._run(network, tangents, span, clock, args, integrator, tableau)

    def _run(self, network, tangents, span, clock, args, integrator, tableau):
        rule, task = args
        problem = _Problem(*gains_of(rule), task, task.teacher[0], *self.radii, integrator, tableau)
        weights = _flat(network)
        h = jnp.where(clock.step > 0, clock.step, _first_step(problem, *weights))
        zero = jnp.asarray(0)
        start = _Carry(weights, _flat(tangents), jnp.asarray(0.0), h, jnp.asarray(1.0), zero, zero)

        def unfinished(carry):
            return (carry.t < span) & (carry.status == Status.completed)

        end = jax.lax.while_loop(unfinished, lambda carry: _step(problem, span, carry), start)
        networks = (_network(like, weights) for like, weights in ((network, end.weights), (tangents, end.tangents)))
        return *networks, Clock(clock.position + span, end.h), end.status


def _flat(network: Feedforward | None) -> Weights | Tangents | None:
    """W1 and w = W2ᵀ."""
    if network is None:
        return None
    w1, w2 = map(jnp.asarray, network.weights)
    return w1, w2[..., 0, :]


def _network(like: Feedforward | None, weights: Weights | Tangents | None) -> Feedforward | None:
    """The inverse of `_flat`, with whatever else the network has."""
    if like is None or weights is None:
        return None
    return eqx.tree_at(lambda network: network.weights, like, (weights[0], weights[1][..., None, :]))


def _step(problem: _Problem, span: Scalar, carry: _Carry) -> _Carry:
    """Try one step; accept it, or make it shorter."""
    # A remainder that is hardly longer than a step is not divided into two unequal steps.
    last = carry.t + carry.h * (1 + 1e-9) >= span
    h = jnp.where(last, span - carry.t, carry.h)
    new, tangents, error = _candidate(problem, carry.weights, carry.tangents, h)
    order = problem.tableau.order
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
    kept = jax.tree.map(lambda a, b: jnp.where(keep, a, b), (new, tangents), (carry.weights, carry.tangents))
    return _Carry(
        *kept,
        jnp.where(keep, t, carry.t),
        proposed,
        jnp.where(keep, safe, carry.before),
        steps,
        jnp.where(done, int(Status.completed), status),
    )


def _stages(problem: _Problem, w1: Any, w: Any, h: Any, left: Any, right: Any) -> _Stages:
    """The stages of a step; `left` and `right` are added to the products of every stage with W1 from either side."""
    rows, number = h * jnp.asarray(problem.tableau.a), len(problem.tableau.solution)

    def stage(i, found):
        # Stages that are still to come have the coefficient zero.
        weights = rows[i] * found.gamma
        alpha, beta = 1 - weights @ found.alpha, -(weights @ found.beta) - rows[i]
        wi = w + rows[i] @ found.velocity
        p = alpha * (wi @ w1 + left[i]) + (beta * (found.w @ wi)) @ found.u
        x = problem.task.times_covariance(p - problem.target)
        u = problem.d1 * x
        free = -problem.d2 * (alpha * (w1 @ x + right[i]) + (beta * (found.u @ x)) @ found.w)
        gamma = -jnp.sum(p * u) / (problem.r1 * problem.r1)
        velocity = free - wi * (jnp.sum(wi * free) / (problem.r2 * problem.r2))
        own = _Stages(wi, x, u, gamma, alpha, beta, velocity)
        return jax.tree.map(lambda of_all, of_one: of_all.at[i].set(of_one), found, own)

    shapes = w.shape, problem.target.shape, problem.target.shape, (), (), (number,), w.shape
    return jax.lax.fori_loop(0, number, stage, _Stages(*(jnp.zeros((number, *shape)) for shape in shapes)))


def _candidate(problem: _Problem, weights: Weights, tangents: Tangents | None, h: Any) -> tuple[Weights, Any, Any]:
    """Weights and tangents after the step, on their spheres and tangent to them, and the error over the tolerance."""
    w1, w = weights
    tableau, number = problem.tableau, len(problem.tableau.solution)

    def changes(w, left, right):
        stages = _stages(problem, w1, w, h, left, right)
        return (_Change.of(stages, h, tableau.solution), _Change.of(stages, h, tableau.error)), stages

    start = w, jnp.zeros((number, w1.shape[1])), jnp.zeros((number, w1.shape[0]))
    if tangents is None:
        (step, off), _ = changes(*start)
    else:
        (step, off), derivative, stages = jax.linearize(changes, *start, has_aux=True)
    pairs = zip(off.weights(w1), problem.scales(w1, w), strict=True)
    error = jnp.sqrt(sum(jnp.sum(x * x) / scale**2 for x, scale in pairs) / (w1.size + w.size))
    free1, free = w1 + step.weights(w1)[0], w + step.second
    c1, c = problem.r1 * jax.lax.rsqrt(jnp.sum(free1 * free1)), problem.r2 * jax.lax.rsqrt(jnp.sum(free * free))
    new1, new = c1 * free1, c * free
    if tangents is None:
        return (new1, new), None, error

    def carried(tangent):
        v1, v = tangent
        # All that v1 meets in the stages are products with vectors that the weights alone have fixed.
        moved, strayed = derivative(v, stages.w @ v1, stages.x @ v1.T)
        left, right = step.factors(moved)
        after1, after = v1 + step.alpha * v1 + moved.alpha * w1 + left.T @ right, v + moved.second
        after1 = c1 * (after1 - new1 * (jnp.vdot(new1, after1) / problem.r1**2))
        after = c * (after - new * (jnp.vdot(new, after) / problem.r2**2))
        size = jnp.sum(v1 * v1)
        most = jnp.abs(off.alpha) * jnp.sqrt(size) + jnp.abs(strayed.alpha) * problem.r1 + off.norm_along(strayed)
        return (after1, after), size + jnp.sum(v * v), most**2 + jnp.sum(strayed.second**2)

    new_tangents, sizes, squares = jax.lax.map(carried, tangents)
    entries, given = sum(v.size for v in tangents), problem.integrator
    scale = given.atol + given.rtol * jnp.sqrt(jnp.sum(sizes) / entries)
    return (new1, new), new_tangents, jnp.maximum(error, jnp.sqrt(jnp.sum(squares) / entries) / scale)


def _first_step(problem: _Problem, w1: Any, w: Any) -> Any:
    """A hundredth of ‖W‖/‖Ẇ‖, the first guess of `curlflow.solvers.integrate`."""
    x = problem.task.times_covariance(w @ w1 - problem.target)
    scale1, scale = problem.scales(w1, w)
    speed = jnp.hypot(jnp.linalg.norm(w) * jnp.linalg.norm(x) / scale1, jnp.linalg.norm(w1 @ x) / scale)
    guess = 0.01 * jnp.hypot(problem.r1 / scale1, problem.r2 / scale) / speed
    return jnp.where(jnp.isfinite(guess) & (guess > 0), guess, 1e-6)
