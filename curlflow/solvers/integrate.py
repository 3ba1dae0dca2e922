"""Integration of flows by diffrax: adaptive steps (the reference and the default) or fixed ones.

Both integrate over one *block* of time and return a `Clock`, which holds all that the next block needs, so that many
short blocks cost hardly more than a long one and a run can be continued exactly.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optimistix
from jaxtyping import Array, Float, PyTree

from ..precision import Scalar
from ..status import Status
from .observing import Observing
from .stabilised import RungeKuttaChebyshev

SOLVERS = {
    "tsit5": diffrax.Tsit5,
    "dopri5": diffrax.Dopri5,
    "dopri8": diffrax.Dopri8,
    "bosh3": diffrax.Bosh3,
    "rkc2": RungeKuttaChebyshev,
    "kvaerno3": diffrax.Kvaerno3,
    "kvaerno5": diffrax.Kvaerno5,
}
"""Explicit solvers, `rkc2` for mildly stiff systems; for stiff systems the implicit `kvaerno3` and `kvaerno5`."""

CARRIED_OFF = 100.0
"""If a solver's step shrank to nothing while the state grew by this factor in one block, it met a singularity."""
HUGE = 1e100
"""A solver that gives up at numbers beyond this has diverged: their squares overflow."""

IMPLICIT = ("kvaerno3", "kvaerno5")
IMPLICIT_LIMIT = 1000
"""Largest number of unknowns for implicit solvers: diffrax factorises their dense Jacobian."""


class Clock(NamedTuple):
    """Where a run stands: its time (for a map, the index of the iteration) and the next step of the solver."""

    position: Scalar
    step: Scalar


class Adaptive(eqx.Module):
    """Steps adapted to a tolerance.

    **Arguments:**

    - `solver`: a name in `SOLVERS`, or `auto`: `tsit5`, except that tangents of linear networks are carried by
      stabilised steps where that is exact; see `curlflow.systems.fast.rank_one_flow`.
    - `rtol`, `atol`: relative and absolute tolerance of one step.
    - `max_steps`: the most steps in one block; a block that needs more has the status `max_steps_reached`.
    """

    rtol: Scalar = 1e-6
    atol: Scalar = 1e-9
    solver: str = eqx.field(static=True, default="tsit5")
    max_steps: int = eqx.field(static=True, default=16384)

    def __check_init__(self):
        if self.solver not in ("auto", *SOLVERS):
            raise ValueError(f"solver: got {self.solver!r}, allowed are auto, {', '.join(SOLVERS)}.")
        for name in ("rtol", "atol"):
            _check_between(name, getattr(self, name), 1.0)
        if isinstance(self.max_steps, bool) or not isinstance(self.max_steps, int) or self.max_steps < 1:
            raise ValueError(f"max_steps: got {self.max_steps!r}, allowed are whole numbers from 1.")

    @property
    def method(self) -> str:
        """The solver in `SOLVERS` that advances a state alone."""
        return "tsit5" if self.solver == "auto" else self.solver


class FixedSteps(eqx.Module):
    """Classical Runge–Kutta steps of fourth order, all of one length within a block.

    **Arguments:**

    - `step`: the longest step, in units of time; a block of length Δ is cut into ⌈Δ/step⌉ equal ones.
    """

    step: Scalar

    def __check_init__(self):
        _check_between("step", self.step, math.inf)


def _check_between(name: str, value: Any, limit: float) -> None:
    """Refuse a number that is not above 0 and below `limit`; what is traced has been checked before."""
    if isinstance(value, jax.core.Tracer):
        return
    number = isinstance(value, jax.Array | np.ndarray | int | float) and not isinstance(value, bool)
    if not number or np.ndim(value) > 0 or not 0 < float(value) < limit:
        below = "" if limit == math.inf else f" and below {limit:g}"
        raise ValueError(f"{name}: got {value!r}, allowed are finite numbers above 0{below}.")


class _Remember(diffrax.AbstractAdaptiveStepSizeController):
    """A PID controller whose state is the step that it would take next, beginning with `first`.

    diffrax clips the last step to the end of the interval, with which the next block would otherwise start. It checks
    a first step that it is given itself by calling Python from compiled code, which JAX then cannot keep on disk.
    """

    pid: diffrax.PIDController
    first: Any
    rtol: Any
    atol: Any
    norm: Callable = eqx.field(static=True)

    def wrap(self, direction):
        return _Remember(self.pid.wrap(direction), self.first, self.rtol, self.atol, self.norm)

    def init(self, terms, t0, t1, y0, dt0, args, func, error_order):
        del dt0
        end, state = self.pid.init(terms, t0, t1, y0, self.first, args, func, error_order)
        return end, (state, end - t0)

    def adapt_step_size(self, t0, t1, y0, y1_candidate, args, y_error, error_order, controller_state):
        state, proposed = controller_state
        keep, start, end, jump, state, result = self.pid.adapt_step_size(
            t0, t1, y0, y1_candidate, args, y_error, error_order, state
        )
        clipped = keep & (t1 - t0 < (1 - 1e-9) * proposed)
        proposed = jnp.where(clipped, jnp.maximum(end - start, proposed), end - start)
        return keep, start, end, jump, (state, proposed), result


def adaptive(
    field: Callable,
    y: PyTree,
    span: Scalar,
    clock: Clock,
    integrator: Adaptive,
    norm: Callable,
    until: Callable | None = None,
    observe_at: tuple[Array, Callable] | None = None,
) -> tuple[PyTree, Clock, Array, Array | None]:
    """Integrate dy/dt = field(t, y) over `span` with adaptive steps.

    **Arguments:**

    - `field`: the right-hand side, a function of time and state.
    - `norm`: the norm of the scaled error, a function of a pytree like `y`.
    - `until`: an event function of time and state, evaluated after every step; integration ends at its zero on the
      solver's interpolation of a step, if it falls to zero before the end of the span.
    - `observe_at`: times counted from the beginning of the span, in increasing order, and a function of the state
      that returns the vector to record at these times.

    **Returns:** the state at the end, the clock there, a status, and the values recorded by `observe_at`. The values
    at times after the end are meaningless.
    """

    def shifted(t, y, args):
        # Time runs from 0 within a block, so that the smallest step does not depend on how long the run is.
        return field(clock.position + t, y)

    first = jax.lax.cond(
        clock.step > 0,
        lambda: jnp.asarray(clock.step, dtype=float),
        lambda: _first_step(shifted(0.0, y, None), y, integrator, norm),
    )
    # A PI controller (Hairer & Wanner, Solving ODEs II, IV.2): learning is mildly stiff near solutions, where an
    # I controller bounces off the stability limit and a fifth of its steps are rejected.
    tolerances = integrator.rtol, integrator.atol
    pid = diffrax.PIDController(*tolerances, pcoeff=0.4, icoeff=0.3, dtmin=1e-11 * span, force_dtmin=False, norm=norm)
    event = None
    if until is not None:
        # Within ten digits of the span. An event is a fall from above zero. To detect its sign, as is the default,
        # would call Python from compiled code, which JAX then cannot keep on disk.
        finder = optimistix.Bisection(rtol=0.0, atol=1e-10 * span, flip=True)
        event = diffrax.Event(lambda t, y, args, **_: until(clock.position + t, y), finder, direction=False)
    solver = SOLVERS[integrator.method]()
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(shifted),
        solver if observe_at is None else Observing(solver, *observe_at),
        t0=0.0,
        t1=span,
        dt0=None,
        y0=y,
        saveat=diffrax.SaveAt(t1=True, controller_state=True, solver_state=observe_at is not None),
        stepsize_controller=_Remember(pid, first, *tolerances, norm),
        adjoint=diffrax.ForwardMode(),
        max_steps=integrator.max_steps,
        throw=False,
        event=event,
    )
    end = jax.tree.map(lambda leaf: leaf[-1], solution.ys)
    gone = span if until is None else solution.ts[-1]
    status = _status(solution.result, lambda: shifted(gone, end, None), end, y)
    observed = None if observe_at is None else solution.solver_state[1]
    return end, Clock(clock.position + gone, solution.controller_state[1]), status, observed


def _first_step(velocity: PyTree, y: PyTree, integrator: Adaptive, norm: Callable) -> Float[Array, ""]:
    """A hundredth of ‖y‖/‖F‖ in the norm of the error: the first guess of Hairer, Nørsett & Wanner, II.4."""
    scale = jax.tree.map(lambda leaf: integrator.atol + integrator.rtol * jnp.abs(leaf), y)
    size, speed = (norm(jax.tree.map(jnp.divide, tree, scale)) for tree in (y, velocity))
    guess = 0.01 * size / speed
    return jnp.where(jnp.isfinite(guess) & (guess > 0), guess, 1e-6)


def _status(result: diffrax.RESULTS, velocity: Callable, end: PyTree, start: PyTree) -> Array:
    """Translate diffrax's result; a step that shrank to nothing on the way to infinity is a divergence.

    `velocity` computes it at the end, and is called only where diffrax gave up.
    """
    results = diffrax.RESULTS
    good = (result == results.successful) | (result == results.event_occurred)
    moving = jax.lax.cond(good, lambda: jnp.asarray(True), lambda: all_finite(velocity()))
    far = jnp.minimum(CARRIED_OFF * (1 + largest(start)), HUGE)
    escaped = ~(all_finite(end) & moving) | (largest(end) > far)
    status = jnp.where(result == results.dt_min_reached, Status.step_size_underflow, Status.diverged)
    status = jnp.where(result == results.max_steps_reached, Status.max_steps_reached, status)
    status = jnp.where(escaped, Status.diverged, status)
    return jnp.where(good, jnp.where(all_finite(end), Status.completed, status), status)


def all_finite(tree: PyTree) -> Array:
    """Whether every number in `tree` is finite."""
    return jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(tree)]))


def largest(tree: PyTree) -> Array:
    """The largest absolute value in `tree`."""
    return jnp.max(jnp.stack([jnp.max(jnp.abs(leaf)) for leaf in jax.tree.leaves(tree)]))


def rms(tree: PyTree) -> Float[Array, ""]:
    """Root mean square over all entries of `tree`."""
    leaves = jax.tree.leaves(tree)
    return jnp.sqrt(sum(jnp.sum(leaf * leaf) for leaf in leaves) / sum(leaf.size for leaf in leaves))


def runge_kutta_4(field: Callable, t: Scalar, y: PyTree, h: Scalar) -> PyTree:
    """One step of the classical method of Kutta (1901) from time `t` with length `h`."""

    def moved(factor, k):
        return jax.tree.map(lambda a, b: a + factor * b, y, k)

    k1 = field(t, y)
    k2 = field(t + h / 2, moved(h / 2, k1))
    k3 = field(t + h / 2, moved(h / 2, k2))
    k4 = field(t + h, moved(h, k3))
    return jax.tree.map(lambda a, b, c, d, e: a + h / 6 * (b + 2 * c + 2 * d + e), y, k1, k2, k3, k4)
