"""A long window of a run, seen sample by sample: T samples of n numbers never lie in memory whole.

What is kept of it are the moments of all numbers (`curlflow.measures.moments`), a record of a few of them at every
sample, and the whole state every so many samples, for `curlflow.measures.pca`. A sample follows every interval; the
state at the beginning of the window is none.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from ..status import Status
from .moments import Moments, Sums, added, begun, joined, no_moments

CAPACITY = 4096
"""The most samples in one compiled call."""
SLOTS = 64
"""The most snapshots in one compiled call."""
TOGETHER = 4
"""Updates that are sampled one by one are summed so many at a time: the sums are then read and written less often."""
BLOCK = 64
"""So many samples are summed before they are joined to the moments; more, where snapshots are further apart."""


class Schedule(NamedTuple):
    """When samples are taken.

    **Attributes:**

    - `samples`: how many there are in the window.
    - `every`: a snapshot is every so many samples, at most `CAPACITY`.
    - `span`: what lies between two samples, in the unit of `system.advance`, divided by `pieces`.
    - `pieces`: in how many calls of `system.advance`. A `span` and `pieces` that are Python's whole numbers are known
      to the compiler, which then leaves out the loops around a single update.
    """

    samples: Any
    every: Any
    span: Any
    pieces: Any

    @property
    def group(self) -> int:
        """How many snapshots are in one block."""
        return max(1, BLOCK // int(self.every))

    @property
    def most_blocks(self) -> int:
        """How many blocks one compiled call can do."""
        return min(SLOTS // self.group, CAPACITY // (self.group * int(self.every)))


class Window(NamedTuple):
    """Where a window stands: its state, clock and status, the moments of every leaf, and how many samples there are.

    Moments count the samples of complete calls of `watched`; where the status is not completed, they are spoiled.
    """

    state: PyTree
    clock: PyTree
    status: Array | int
    moments: tuple[Moments, ...]
    done: Array | int


class Watched(NamedTuple):
    """What some blocks have shown. Of the arrays only the first `number` records and `shots` snapshots count."""

    window: Window
    records: Float[Array, "capacity observables"]
    snapshots: PyTree
    number: Array
    shots: Array


class _Inside(NamedTuple):
    """What changes from sample to sample: besides the sums, how many samples there are since the last snapshot."""

    state: PyTree
    clock: PyTree
    status: Array
    sums: tuple[Sums, ...]
    records: Array
    number: Array
    since: Array


def opened(state: PyTree, clock: PyTree) -> Window:
    """A window that begins here."""
    moments = tuple(no_moments(jnp.asarray(leaf)) for leaf in jax.tree.leaves(state))
    return Window(state, clock, int(Status.completed), moments, 0)


@eqx.filter_jit
def watched(
    system: Any,
    observe: Callable[[PyTree], Float[Array, " observables"]],
    window: Window,
    schedule: Schedule,
    group: Any,
    blocks: Any,
) -> Watched:
    """Advance a window by up to `blocks` blocks.

    The samples of a block do not depend on how many blocks a call does, so that sums are the same however the work is
    cut into calls.

    **Arguments:**

    - `system`: anything with `advance(state, tangents, span, clock)`, as `curlflow.systems` has.
    - `observe`: what to record at every sample.
    - `window`: where to go on.
    - `schedule`: see there.
    - `group`: its `group`.
    - `blocks`: at most its `most_blocks`.
    """
    before = window.done

    def unfinished(inside):
        return _good(inside.status) & (before + inside.number < schedule.samples)

    def sampled(inside, together):
        return jax.lax.while_loop(
            lambda x: (
                _good(x.status)
                & (before + x.number + together <= schedule.samples)
                & (x.since + together <= schedule.every)
            ),
            lambda x: _with_samples(system, observe, schedule, x, together),
            inside,
        )

    def until_snapshot(carry):
        inside, snapshots, shots, left = carry
        inside = inside._replace(since=jnp.asarray(0))
        if isinstance(schedule.span, int) and isinstance(schedule.pieces, int):
            inside = sampled(inside, TOGETHER)
        inside = sampled(inside, 1)
        snapshots = jax.tree.map(lambda kept, leaf: kept.at[shots].set(leaf), snapshots, inside.state)
        whole = _good(inside.status) & (inside.since == schedule.every)
        return inside, snapshots, shots + whole, left - 1

    def block(carry):
        inside, moments, snapshots, shots, left = carry
        inside = inside._replace(sums=tuple(begun(leaf) for leaf in jax.tree.leaves(inside.state)))
        inside, snapshots, shots, _ = jax.lax.while_loop(
            lambda c: unfinished(c[0]) & (c[3] > 0), until_snapshot, (inside, snapshots, shots, jnp.asarray(group))
        )
        moments = tuple(joined(m, s) for m, s in zip(moments, inside.sums, strict=True))
        return inside, moments, snapshots, shots, left - 1

    window = jax.tree.map(jnp.asarray, window)
    leaves = jax.tree.leaves(window.state)
    width = eqx.filter_eval_shape(observe, window.state).shape[0]
    zero = jnp.asarray(0)
    inside = _Inside(
        window.state, window.clock, window.status, tuple(begun(leaf) for leaf in leaves),
        jnp.zeros((CAPACITY, width)), zero, zero,
    )  # fmt: skip
    snapshots = jax.tree.map(lambda leaf: jnp.zeros((SLOTS, *leaf.shape)), window.state)
    inside, moments, snapshots, shots, _ = jax.lax.while_loop(
        lambda c: unfinished(c[0]) & (c[4] > 0), block, (inside, window.moments, snapshots, zero, jnp.asarray(blocks))
    )
    after = Window(inside.state, inside.clock, inside.status, moments, before + inside.number)
    return Watched(after, inside.records, snapshots, inside.number, shots)


def _with_samples(system: Any, observe: Callable, schedule: Schedule, inside: _Inside, together: int) -> _Inside:
    """So many samples more. Of several together only the last one's status is looked at: what is no longer finite
    remains so."""

    def piece(_, inner):
        state, clock, status = inner
        after = system.advance(state, None, schedule.span, clock)
        return after.state, after.clock, jnp.where(_good(status), after.status, status)

    state, clock, states = inside.state, inside.clock, []
    for _ in range(together):
        start = state, clock, inside.status
        state, clock, status = jax.lax.fori_loop(0, schedule.pieces, piece, start)
        states.append(state)
    leaves = zip(*map(jax.tree.leaves, states), strict=True)
    sums = tuple(added(s, *times) for s, times in zip(inside.sums, leaves, strict=True))
    seen = jnp.stack([observe(state) for state in states])
    records = jax.lax.dynamic_update_slice_in_dim(inside.records, seen, inside.number, 0)
    number = jnp.where(_good(status), together, 0)
    return _Inside(state, clock, status, sums, records, inside.number + number, inside.since + together)


def _good(status: Array) -> Array:
    return status == int(Status.completed)
