"""A long window of a run, observed sample by sample, so that the T samples of n numbers are never all in memory.

What is kept are the moments of all numbers (`curlflow.measures.moments`), a record of a few of them at every sample,
and snapshots of the whole state for `curlflow.measures.pca`. A sample is taken at the end of every interval; the
state at the beginning of the window is not a sample.

The window is divided into rows of d samples, and one sample of each row, drawn at random, is a snapshot. Snapshots at
equal distances d would alias: they would catch only some states of a cycle whose period has a factor in common with
d, and would show an oscillation of frequency ω as a slow one of frequency ω − k/d.
"""

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from ..former import former_names
from ..outside import compiled
from ..status import Status
from .moments import Moments, Sums, added, begun, joined, no_moments

CAPACITY = 4096
"""The most samples in one compiled call."""
SLOTS = 64
"""The most snapshots in one compiled call."""
TOGETHER = 4
"""Number of single updates whose samples are summed together, so that the sums are read and written less often."""
DRAW = 0
"""Seed of the random choice of snapshots."""
BLOCK = 64
"""About how many samples are summed before they are joined to the moments: whole rows, and at least one."""


class Schedule(NamedTuple):
    """When the `samples` of a window are taken.

    **Attributes:**

    - `every`: how many samples a row has, at most `CAPACITY`; one sample of every row is a snapshot.
    - `span`: the length of one segment, in the unit of `system.advance`.
    - `segments`: how many segments, each one call of `system.advance`, lie between two samples. If `span` and
      `segments` are Python integers, the compiler knows them and leaves out the loops around a single update.
    """

    samples: Any
    every: Any
    span: Any
    segments: Any

    @property
    def pieces(self) -> Any:
        """The former name of `segments`."""
        warnings.warn("Schedule.pieces is now Schedule.segments.", DeprecationWarning, stacklevel=2)
        return self.segments

    @property
    def group(self) -> int:
        """How many snapshots are in one block."""
        return max(1, BLOCK // int(self.every))

    @property
    def most_blocks(self) -> int:
        """How many blocks one compiled call can do."""
        return min(SLOTS // self.group, CAPACITY // (self.group * int(self.every)))


class Window(NamedTuple):
    """Where a window stands, with the moments of every leaf of its state, valid if the status is `completed`."""

    state: PyTree
    clock: PyTree
    status: Array | int
    moments: tuple[Moments, ...]
    done: Array | int


class ObservedWindow(NamedTuple):
    """What was observed over some blocks: the first `number` records and `shots` snapshots are valid."""

    window: Window
    records: Float[Array, "capacity observables"]
    snapshots: PyTree
    number: Array
    shots: Array


class _Inside(NamedTuple):
    """What changes from sample to sample; `since` is the number of samples taken in the current row."""

    state: PyTree
    clock: PyTree
    status: Array
    sums: tuple[Sums, ...]
    records: Array
    number: Array
    since: Array


def snapshot_places(samples: int, every: int) -> Int[np.ndarray, " snapshots"]:
    """Which samples, counted from 0, are snapshots: one in every row of `every` samples, the same in every run.

    Within each set of `every` consecutive rows every place in a row is drawn once, so that cycles whose period
    divides `every` are sampled evenly, and slow motions as if at equal distances.
    """
    number = -(-samples // every)
    rounds = np.tile(np.arange(every), (-(-number // every), 1))
    within = np.random.default_rng(DRAW).permuted(rounds, axis=1).ravel()[:number]
    within[-1] %= samples - (number - 1) * every  # the last row may be shorter
    return every * np.arange(number) + within


def places_ahead(places: Int[np.ndarray, " snapshots"], every: int, done: int) -> Int[np.ndarray, " slots"]:
    """For each row that follows after `done` samples, which of its samples, counted from 1, is the snapshot."""
    ahead = places[done // every :][:SLOTS] % every + 1
    return np.concatenate([ahead, np.ones(SLOTS - ahead.size, dtype=ahead.dtype)])


def open_window(state: PyTree, clock: PyTree) -> Window:
    """A window that begins here."""
    moments = tuple(no_moments(jnp.asarray(leaf)) for leaf in jax.tree.leaves(state))
    return Window(state, clock, int(Status.completed), moments, 0)


@compiled
def observe_window(
    system: Any,
    observe: Callable[[PyTree], Float[Array, " observables"]],
    window: Window,
    schedule: Schedule,
    places: Any,
    group: Any,
    blocks: Any,
) -> ObservedWindow:
    """Advance a window by up to `blocks` blocks; the sums are the same however these are divided into calls.

    **Arguments:**

    - `system`: anything with `advance(state, tangents, span, clock)`, as `curlflow.systems` has.
    - `observe`: what to record at every sample.
    - `places`: the result of `places_ahead`.
    - `group`: `schedule.group`.
    - `blocks`: at most `schedule.most_blocks`.
    """
    before = window.done

    def unfinished(inside):
        return _good(inside.status) & (before + inside.number < schedule.samples)

    def sampled(inside, stop, together):
        def fits(x):
            return _good(x.status) & (before + x.number + together <= schedule.samples) & (x.since + together <= stop)

        return jax.lax.while_loop(fits, lambda x: _with_samples(system, observe, schedule, x, together), inside)

    def until_stop(carry):
        # To the snapshot, and from there to the end of its row.
        inside, snapshots, shots, rows = carry
        place = places[rows]
        stop = jnp.where(inside.since < place, place, schedule.every)
        if isinstance(schedule.span, int) and isinstance(schedule.segments, int):
            inside = sampled(inside, stop, TOGETHER)
        inside = sampled(inside, stop, 1)
        seen = _good(inside.status) & (inside.since == place)
        slot = jnp.where(seen, shots, SLOTS)
        snapshots = jax.tree.map(lambda kept, leaf: kept.at[slot].set(leaf, mode="drop"), snapshots, inside.state)
        ended = inside.since == schedule.every
        inside = inside._replace(since=jnp.where(ended, 0, inside.since))
        return inside, snapshots, shots + seen, rows + ended

    def block(carry):
        inside, moments, snapshots, shots, rows, left = carry
        inside = inside._replace(sums=tuple(begun(leaf) for leaf in jax.tree.leaves(inside.state)))
        end = rows + group
        inside, snapshots, shots, rows = jax.lax.while_loop(
            lambda c: unfinished(c[0]) & (c[3] < end), until_stop, (inside, snapshots, shots, rows)
        )
        moments = tuple(joined(m, s) for m, s in zip(moments, inside.sums, strict=True))
        return inside, moments, snapshots, shots, rows, left - 1

    window, places, zero = jax.tree.map(jnp.asarray, (window, places, 0))
    sums = tuple(begun(leaf) for leaf in jax.tree.leaves(window.state))
    records = jnp.zeros((CAPACITY, eqx.filter_eval_shape(observe, window.state).shape[0]))
    inside = _Inside(window.state, window.clock, window.status, sums, records, zero, zero)
    snapshots = jax.tree.map(lambda leaf: jnp.zeros((SLOTS, *leaf.shape)), window.state)
    start = inside, window.moments, snapshots, zero, zero, jnp.asarray(blocks)
    inside, moments, snapshots, shots, _, _ = jax.lax.while_loop(
        lambda c: unfinished(c[0]) & (c[5] > 0), block, start
    )
    after = Window(inside.state, inside.clock, inside.status, moments, before + inside.number)
    return ObservedWindow(after, inside.records, snapshots, inside.number, shots)


def _with_samples(system: Any, observe: Callable, schedule: Schedule, inside: _Inside, together: int) -> _Inside:
    """The next `together` samples. Only the status of the last of them is checked, since a state that is not finite
    stays so."""

    def segment(_, inner):
        state, clock, status = inner
        after = system.advance(state, None, schedule.span, clock)
        return after.state, after.clock, jnp.where(_good(status), after.status, status)

    state, clock, states = inside.state, inside.clock, []
    for _ in range(together):
        start = state, clock, inside.status
        state, clock, status = jax.lax.fori_loop(0, schedule.segments, segment, start)
        states.append(state)
    leaves = zip(*map(jax.tree.leaves, states), strict=True)
    sums = tuple(added(s, *times) for s, times in zip(inside.sums, leaves, strict=True))
    seen = jnp.stack([observe(state) for state in states])
    records = jax.lax.dynamic_update_slice_in_dim(inside.records, seen, inside.number, 0)
    number = jnp.where(_good(status), together, 0)
    return _Inside(state, clock, status, sums, records, inside.number + number, inside.since + together)


def _good(status: Array) -> Array:
    return status == int(Status.completed)


__getattr__ = former_names(
    __name__, {"Watched": "ObservedWindow", "opened": "open_window", "watched": "observe_window"}
)
