"""The first time at which a function of the state, the event function, falls to zero.

It is evaluated after every iteration of a map or diffusion. Along a flow it is evaluated after every step of the
solver, and its zero is found on the interpolation of that step: what dips below zero and comes back within one step
is missed.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from ..outside import compiled
from ..solvers.integrate import Adaptive, Clock, adaptive, rms
from ..status import Status
from .base import AbstractSystem, Advanced
from .flow import Flow


def advance_until(system: AbstractSystem, state: PyTree, span: Any, clock: Clock, event: Callable) -> Advanced:
    """Advance `state` over `span`, or until `event` of it is no longer positive; it must be positive at the start.

    **Arguments:**

    - `system`: a flow with adaptive steps, a map or a diffusion.

    **Raises:** `ValueError` for flows with fixed steps.
    """
    if isinstance(system, Flow):
        if not isinstance(system.integrator, Adaptive):
            raise ValueError("system: the steps of this flow are fixed; crossings need adaptive steps.")
        return watch_until(system, state, span, clock, event, None)[0]
    end = clock.position + span

    def unfinished(carry):
        _, clock, status, above = carry
        return above & (clock.position < end) & (status == int(Status.completed))

    def iterate(carry):
        state, clock, _, _ = carry
        after = system.advance(state, None, 1, clock)
        # An event function that is NaN has not crossed zero.
        return after.state, after.clock, jnp.asarray(after.status), ~(event(after.state) <= 0)

    start = *jax.tree.map(jnp.asarray, (state, clock)), jnp.asarray(int(Status.completed)), jnp.asarray(True)
    state, clock, status, _ = jax.lax.while_loop(unfinished, iterate, start)
    return Advanced(state, None, clock, jnp.asarray(jnp.nan), status)


def watch_until(
    flow: Flow, state: PyTree, span: Any, clock: Clock, event: Callable, observe_at: tuple[Array, Callable] | None
) -> tuple[Advanced, Array | None]:
    """`advance_until` for flows with adaptive steps, with observations on the way.

    **Arguments:** `observe_at` as for `curlflow.solvers.integrate.adaptive`.

    **Returns:** what `advance_until` returns, and the recorded values; those at times after the end are meaningless.
    """
    if observe_at is not None:
        times, observe = observe_at
        observe_at = times, lambda y: observe(flow.constraint.retract(y))
    state, clock, status, observed = adaptive(
        flow.velocity, state, span, clock, flow.integrator, rms, until=lambda t, y: event(y), observe_at=observe_at
    )
    state = flow.constraint.retract(state)
    return Advanced(state, None, clock, jnp.asarray(jnp.nan), jnp.asarray(status)), observed


class Reached(NamedTuple):
    """Where a run over a span ended, before its end if it crossed the threshold, and what was observed."""

    state: PyTree
    clock: Clock
    status: Array
    observed: Float[Array, "*rows observables"]
    crossed: Array


@compiled
def flow_until(
    flow: Flow, observe: Callable, of: int, threshold: Any, state: PyTree, clock: Any, times: Any, span: Any
) -> Reached:
    """Advance over `span`, or until an observable falls to a threshold, with observations on the way.

    **Arguments:**

    - `flow`: a flow with adaptive steps.
    - `observe`: a function of the state that returns a vector of observables.
    - `of`: the index of the observable that is to fall.
    - `times`: when to observe, infinite for rows that are not used.
    """
    event = lambda state: observe(state)[of] - threshold  # noqa: E731
    state, clock, times = jax.tree.map(jnp.asarray, (state, clock, times))
    after, observed = watch_until(flow, state, span, clock, event, (times, observe))
    return Reached(after.state, after.clock, after.status, observed, _has_crossed(flow, after, clock, span, event))


@compiled
def segments_until(
    system: AbstractSystem,
    observe: Callable,
    of: int,
    threshold: Any,
    state: PyTree,
    clock: Any,
    span: Any,
    segments: Any,
) -> Reached:
    """Advance over `segments` times `span`, or until an observable is at or below a threshold, and observe there.

    **Arguments:** as for `flow_until`.
    """
    event = lambda state: observe(state)[of] - threshold  # noqa: E731

    def unfinished(carry):
        _, _, status, crossed, done = carry
        return (done < segments) & ~crossed & (status == int(Status.completed))

    def segment(carry):
        state, clock, _, _, done = carry
        after = advance_until(system, state, span, clock, event)
        crossed = _has_crossed(system, after, clock, span, event)
        return after.state, after.clock, jnp.asarray(after.status), crossed, done + 1

    state, clock = jax.tree.map(jnp.asarray, (state, clock))
    start = state, clock, jnp.asarray(int(Status.completed)), event(state) <= 0, jnp.asarray(0)
    state, clock, status, crossed, _ = jax.lax.while_loop(unfinished, segment, start)
    return Reached(state, clock, status, observe(state), crossed)


def _has_crossed(system: AbstractSystem, after: Advanced, before: Any, span: Any, event: Callable) -> Array:
    at = event(after.state)
    if not system.continuous:
        return at <= 0
    # The zero of a flow is found up to rounding, which may leave the event function positive.
    short = after.clock.position < before.position + span * (1 - 1e-12)
    return (short & jnp.isfinite(at)) | (at <= 0)
