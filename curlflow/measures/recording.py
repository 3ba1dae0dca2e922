"""Observables along a trajectory, at chosen times."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from ..status import Status

CAPACITY = 64
"""The most records in one compiled call."""


class Recorded(NamedTuple):
    """The state and clock after the last record, a status, and the records; those from `number` on are NaN."""

    state: PyTree
    clock: PyTree
    status: Array
    records: Float[Array, "capacity observables"]
    number: Array


@eqx.filter_jit
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
    - `observe`: a function of the state.
    - `state`, `clock`: where to start.
    - `spans`: the length of each segment before each record, in the unit of `system.advance`.
    - `pieces`: how many segments there are before each record; a segment is one call of `system.advance`, and ends on
      the constraint.
    - `number`: how many records to take.
    """

    def unfinished(carry):
        _, _, status, _, done = carry
        return (done < number) & (status == Status.completed)

    def go(carry):
        state, clock, status, records, done = carry

        def piece(_, inner):
            state, clock, status = inner
            after = system.advance(state, None, spans[done], clock)
            return after.state, after.clock, jnp.where(status == Status.completed, after.status, status)

        state, clock, status = jax.lax.fori_loop(0, pieces[done], piece, (state, clock, status))
        good = status == Status.completed
        records = records.at[done].set(jnp.where(good, observe(state), jnp.nan))
        return state, clock, status, records, done + good

    state, clock = jax.tree.map(jnp.asarray, (state, clock))
    width = eqx.filter_eval_shape(observe, state).shape[0]
    empty = jnp.full((CAPACITY, width), jnp.nan)
    start = (state, clock, jnp.asarray(int(Status.completed)), empty, jnp.asarray(0))
    return Recorded(*jax.lax.while_loop(unfinished, go, start))


def next_spans(values: np.ndarray, first: int) -> np.ndarray:
    """The values from `first` on for one call of `record`, padded with zeros."""
    taken = values[first : first + CAPACITY]
    return np.concatenate([taken, np.zeros(CAPACITY - taken.size, taken.dtype)])
