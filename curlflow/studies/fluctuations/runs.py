"""The runs behind `curlflow.fluctuations`: a transient, then a window that is looked at."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from ...measures.lyapunov import TangentState, transient_blocks
from ...measures.window import Schedule, Watched, Window, opened, places_ahead, watched
from ...status import Status
from ...systems import AbstractSystem
from ...systems.base import LONGEST_SEGMENT
from ...tangents import size
from ..runs import Pace, Progress, as_numpy, in_turns
from .options import Options

ITERATIONS = 100
"""Iterations of a map that are done at once before the window."""
LEAD = 30.0
"""Units of time before the window of a flow in which its solver takes the steps of the window already. Longer steps
leave larger errors, which would relax, in fast directions, before the eyes of who looks for small fluctuations."""


class Entries(eqx.Module):
    """Some numbers of a state, as one vector: for every leaf the places of those that are wanted."""

    places: tuple[Int[np.ndarray, " _"] | Int[Array, " _"], ...]

    @classmethod
    def of(cls, indices: Int[np.ndarray, " chosen"], state: PyTree) -> "Entries":
        """From sorted places among all numbers of a state."""
        sizes = [np.size(leaf) for leaf in jax.tree.leaves(state)]
        ends = np.cumsum(sizes)
        bounds = zip(ends - sizes, ends, strict=True)
        return cls(tuple(indices[(indices >= start) & (indices < end)] - start for start, end in bounds))

    def __call__(self, state: PyTree) -> Float[Array, " chosen"]:
        leaves = jax.tree.leaves(state)
        return jnp.concatenate([jnp.ravel(leaf)[i] for leaf, i in zip(leaves, self.places, strict=True)])


@dataclass
class Fluctuating:
    """One realization, and what was seen of it so far.

    `system` runs up to the window and `seen_system` through it: the same, or a narrow network and the wide one that
    it stands for, and `expand` leads from a state of the one to a state of the other.
    """

    index: int
    system: AbstractSystem
    seen_system: AbstractSystem
    expand: Callable[[PyTree], PyTree]
    run: TangentState
    window: Window | None = None
    finished: bool = False
    shots: int = 0
    records: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))
    snapshots: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))

    @classmethod
    def fresh(
        cls, index: int, system: AbstractSystem, seen_system: AbstractSystem, expand: Callable[[PyTree], PyTree]
    ) -> "Fluctuating":
        """A realization that has not begun."""
        run = as_numpy(TangentState(system.state, None, system.clock(), Status.completed.value))
        return cls(index, system, seen_system, expand, run)

    @property
    def numbers(self) -> int:
        """How many there are in a state."""
        return size(self.seen_system.state)

    @property
    def done(self) -> int:
        """How many samples there are."""
        return 0 if self.window is None else int(self.window.done)

    def take(self, seen: Watched) -> None:
        """Note what some blocks have shown."""
        number, shots = int(seen.number), int(seen.shots)
        self.records[self.done : self.done + number] = seen.records[:number]
        leaves = [leaf[:shots].reshape(shots, -1) for leaf in jax.tree.leaves(seen.snapshots)]
        self.snapshots[self.shots : self.shots + shots] = np.concatenate(leaves, axis=1)
        self.window, self.shots = seen.window, self.shots + shots

    @property
    def status(self) -> Status:
        """How it went so far."""
        status = Status(int(self.run.status if self.window is None else self.window.status))
        if status == Status.completed and not self.finished:
            return Status.interrupted if self.done else Status.not_run
        return status

    @property
    def mean(self) -> Float[np.ndarray, " numbers"]:
        """Of every number over the window; NaN where none is known."""
        return self._moment(lambda m: m.mean)

    @property
    def variance(self) -> Float[np.ndarray, " numbers"]:
        """As `mean`."""
        return self._moment(lambda m: m.variance)

    def _moment(self, of: Callable) -> Float[np.ndarray, " numbers"]:
        if not (self.done and self.status in (Status.completed, Status.interrupted)):
            return np.full(self.numbers, np.nan)
        return np.concatenate([np.ravel(of(m)) for m in self.window.moments])


def run_all(runs: list[Fluctuating], options: Options, indices: Int[np.ndarray, " chosen"], report: Progress) -> None:
    """All realizations side by side."""
    first = runs[0]
    schedule, entries = _schedule(first.seen_system, options), Entries.of(indices, first.seen_system.state)
    # Compile once, before threads that would all compile the same.
    span = np.asarray(first.system.span(0.0))
    jax.block_until_ready(transient_blocks(first.system, first.run, span, np.asarray(0)))
    window = as_numpy(opened(first.seen_system.state, first.seen_system.clock()))
    jax.block_until_ready(_watched(first.seen_system, entries, window, schedule, options, 0))
    in_turns(lambda r: _run(r, options, schedule, entries, report), runs)


def _schedule(system: AbstractSystem, options: Options) -> Schedule:
    pieces = math.ceil(options.interval / LONGEST_SEGMENT - 1e-9) if system.continuous else 1
    if system.continuous:
        span = np.asarray(options.interval / pieces)
    else:
        # One update after the other is the common case, and has code of its own.
        span = 1 if options.interval == 1 else np.asarray(options.interval, dtype=np.int64)
    return Schedule(np.asarray(options.samples), np.asarray(options.every), span, pieces)


def _watched(
    system: AbstractSystem, entries: Entries, window: Window, schedule: Schedule, options: Options, blocks: int
) -> Watched:
    places = places_ahead(options.shown, options.every, int(window.done))
    return watched(system, entries, window, schedule, places, np.asarray(schedule.group), np.asarray(blocks))


def _run(r: Fluctuating, options: Options, schedule: Schedule, entries: Entries, report: Progress) -> Iterator[None]:
    yield from _transient(r, options, report)
    if int(r.run.status) != Status.completed:
        return
    r.window = as_numpy(opened(r.expand(r.run.state), r.run.clock))
    r.records = np.empty((options.samples, options.weights))
    r.snapshots = np.empty((options.shown.size, r.numbers))
    pace = Pace(schedule.most_blocks)
    per_block = schedule.group * options.every
    while r.done < options.samples and int(r.window.status) == Status.completed:
        blocks = min(pace.number, math.ceil((options.samples - r.done) / per_block))
        with pace.timed(blocks):
            seen = as_numpy(_watched(r.seen_system, entries, r.window, schedule, options, blocks))
        r.take(seen)
        report(r.index, "window", r.done / options.samples)
        yield
    r.finished = True


def _transient(r: Fluctuating, options: Options, report: Progress) -> Iterator[None]:
    """The state alone, up to the window."""
    done, start = 0.0, options.start
    for span, number in _stretches(r.system, options):
        pace, left = Pace(10**6), number
        while left and int(r.run.status) == Status.completed:
            take = min(pace.number, left)
            with pace.timed(take):
                r.run = as_numpy(transient_blocks(r.system, r.run, np.asarray(span), np.asarray(take)))
            left -= take
            done += take * float(span)
            report(r.index, "transient", done / start)
            yield


def _stretches(system: AbstractSystem, options: Options) -> list[tuple[Any, int]]:
    """Spans, and how many of each, that lead to the window."""
    if system.continuous:
        steps = min(options.samples, math.floor(min(options.start, LEAD) / options.interval + 1e-9))
        before = options.start - steps * options.interval
        number = math.ceil(before / LONGEST_SEGMENT - 1e-9)
        return [(np.float64(before / max(number, 1)), number), (np.float64(options.interval), steps)]
    number, rest = divmod(int(options.start), ITERATIONS)
    return [(np.int64(ITERATIONS), number), (np.int64(rest), int(rest > 0))]
