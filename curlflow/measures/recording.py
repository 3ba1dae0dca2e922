"""Observables along a trajectory, at chosen times."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from ..outside import compiled
from ..status import Status
from .lyapunov import TangentState, while_completed

CAPACITY = 64
"""The most records in one compiled call."""


class Recorded(NamedTuple):
    """The state and clock after the last record, a status, and the records; those from `number` on are NaN."""

    state: PyTree
    clock: PyTree
    status: Array
    records: Float[Array, "capacity observables"]
    number: Array


@compiled
def record(
    system: Any,
    observe: Callable[[PyTree], Float[Array, " observables"]],
    state: PyTree,
    clock: PyTree,
    spans: Float[Array, " capacity"] | Int[Array, " capacity"],
    pieces: Int[Array, " capacity"],
    number: Any,
) -> Recorded:
    """Advance and observe `number` ≤ `CAPACITY` times.

    **Arguments:**

    - `system`: anything with `advance(state, tangents, span, clock)`, as `curlflow.systems` has.
    - `spans`: the length of each segment before each record, in the unit of `system.advance`.
    - `pieces`: how many segments there are before each record; a segment is one call of `system.advance`, and ends on
      the constraint.
    """

    def step(carry):
        run, records, done = carry

        def segment(_, run):
            after = system.advance(run.state, None, spans[done], run.clock)
            status = jnp.where(run.status == Status.completed, after.status, run.status)
            return TangentState(after.state, None, after.clock, status)

        run = jax.lax.fori_loop(0, pieces[done], segment, run)
        good = run.status == Status.completed
        return run, records.at[done].set(jnp.where(good, observe(run.state), jnp.nan)), done + good

    start = TangentState(state, None, clock, int(Status.completed))
    empty = jnp.full((CAPACITY, eqx.filter_eval_shape(observe, state).shape[0]), jnp.nan)
    run, records, done = while_completed(step, start, number, empty)
    return Recorded(run.state, run.clock, run.status, records, done)


def next_spans(values: np.ndarray, first: int) -> np.ndarray:
    """The values from `first` on for one call of `record`, padded with zeros."""
    taken = values[first : first + CAPACITY]
    return np.concatenate([taken, np.zeros(CAPACITY - taken.size, taken.dtype)])
