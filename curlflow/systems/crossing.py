"""The first time at which a function of the state falls to zero: along a flow, or at an iterate of another system.

A flow is looked at after every step of its solver, and the zero found on the interpolation of that step: a function
that dips below zero and comes back within one step is not seen. Maps and diffusions are looked at after every
iteration.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

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
