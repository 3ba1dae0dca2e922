"""The first time at which a function of the state falls to zero: along a flow, or at an iterate of another system.

A flow is looked at after every step of its solver, and the zero found on the interpolation of that step: a function
that dips below zero and comes back within one step is not seen. Maps and diffusions are looked at after every
iteration.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from ..solvers.integrate import Adaptive, Clock, adaptive, rms
from ..status import Status
from .base import AbstractSystem, Advanced
from .flow import Flow


def advance_until(system: AbstractSystem, state: PyTree, span: Any, clock: Clock, height: Callable) -> Advanced:
    """Move `state` over `span`, or until `height` of it is not above zero, which it must be at the beginning.

    **Arguments:**

    - `system`: a flow with adaptive steps, a map or a diffusion.
    - `height`: a function of the state.

    **Raises:** `ValueError` for flows with fixed steps.
    """
    if not isinstance(system, Flow):
        return _iterated(system, state, span, clock, height)
    if not isinstance(system.integrator, Adaptive):
        raise ValueError("system: the steps of this flow are fixed; crossings need adaptive steps.")
    return watch_until(system, state, span, clock, height, None)[0]


def watch_until(
    flow: Flow, state: PyTree, span: Any, clock: Clock, height: Callable, looks: tuple[Array, Callable] | None
) -> tuple[Advanced, Array | None]:
    """`advance_until` for flows with adaptive steps, with looks at the state on the way.

    **Arguments:**

    - `looks`: times from the beginning of the span on, in increasing order, and a function of the state whose values
      are wanted there, a vector.

    **Returns:** what `advance_until` does, and the values; those of times behind the end mean nothing.
    """
    if looks is not None:
        times, observe = looks
        looks = times, lambda y: observe(flow.constraint.retract(y))
    state, clock, status, seen = adaptive(
        flow.velocity, state, span, clock, flow.integrator, rms, until=lambda y: height(y), looks=looks
    )
    state = flow.constraint.retract(state)
    return Advanced(state, None, clock, jnp.asarray(jnp.nan), jnp.asarray(status)), seen


class Reached(NamedTuple):
    """Where a stretch has ended, before its end if it crossed the threshold there, and what was observed."""

    state: PyTree
    clock: Clock
    status: Array
    observed: Float[Array, "*rows observables"]
    crossed: Array


@eqx.filter_jit
def flow_until(
    flow: Flow, observe: Callable, of: int, threshold: Any, state: PyTree, clock: Any, times: Any, span: Any
) -> Reached:
    """Over `span`, or until an observable falls to a threshold, with what is observed on the way.

    **Arguments:**

    - `flow`: with adaptive steps.
    - `observe`: a function of the state whose values are vectors.
    - `of`: which of them is to fall.
    - `times`: when to observe, infinite for rows that are not used.
    """
    height = _height(observe, of, threshold)
    state, clock, times = jax.tree.map(jnp.asarray, (state, clock, times))
    after, seen = watch_until(flow, state, span, clock, height, (times, observe))
    return Reached(after.state, after.clock, after.status, seen, _has_crossed(flow, after, clock, span, height))


@eqx.filter_jit
def pieces_until(
    system: AbstractSystem,
    observe: Callable,
    of: int,
    threshold: Any,
    state: PyTree,
    clock: Any,
    span: Any,
    pieces: Any,
) -> Reached:
    """`pieces` times `span`, or until an observable is at or below a threshold, with what is observed there.

    **Arguments:** as for `flow_until`.
    """
    height = _height(observe, of, threshold)

    def unfinished(carry):
        _, _, status, crossed, done = carry
        return (done < pieces) & ~crossed & (status == int(Status.completed))

    def piece(carry):
        state, clock, _, _, done = carry
        after = advance_until(system, state, span, clock, height)
        crossed = _has_crossed(system, after, clock, span, height)
        return after.state, after.clock, jnp.asarray(after.status), crossed, done + 1

    state, clock = jax.tree.map(jnp.asarray, (state, clock))
    start = state, clock, jnp.asarray(int(Status.completed)), height(state) <= 0, jnp.asarray(0)
    state, clock, status, crossed, _ = jax.lax.while_loop(unfinished, piece, start)
    return Reached(state, clock, status, observe(state), crossed)


def _height(observe: Callable, of: int, threshold: Any) -> Callable:
    return lambda state: observe(state)[of] - threshold


def _has_crossed(system: AbstractSystem, after: Advanced, before: Any, span: Any, height: Callable) -> Array:
    at = height(after.state)
    if not system.continuous:
        return at <= 0
    # The zero of a flow is found up to rounding, which may leave the height above it.
    short = after.clock.position < before.position + span * (1 - 1e-12)
    return (short & jnp.isfinite(at)) | (at <= 0)


def _iterated(system: AbstractSystem, state: PyTree, span: Any, clock: Clock, height: Callable) -> Advanced:
    end = clock.position + span

    def unfinished(carry):
        _, clock, status, above = carry
        return above & (clock.position < end) & (status == int(Status.completed))

    def iterate(carry):
        state, clock, _, _ = carry
        after = system.advance(state, None, 1, clock)
        # A height that is no number is no crossing.
        return after.state, after.clock, jnp.asarray(after.status), ~(height(after.state) <= 0)

    clock = Clock(jnp.asarray(clock.position), jnp.asarray(clock.step))
    start = jax.tree.map(jnp.asarray, state), clock, jnp.asarray(int(Status.completed)), jnp.asarray(True)
    state, clock, status, _ = jax.lax.while_loop(unfinished, iterate, start)
    return Advanced(state, None, clock, jnp.asarray(jnp.nan), status)
