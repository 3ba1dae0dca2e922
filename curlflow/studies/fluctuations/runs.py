"""The runs behind `curlflow.fluctuations`: a transient, then a window that is observed."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np
from jaxtyping import Float, Int, PyTree

from ...measures.lyapunov import TangentState, transient_blocks
from ...measures.window import ObservedWindow, Schedule, Window, observe_window, open_window, places_ahead
from ...status import Status
from ...systems import AbstractSystem
from ...systems.flat import Entries
from ...tangents import size
from ..runs import Progress, Run, as_numpy, paced, side_by_side
from .options import FluctuationOptions

ITERATIONS = 100
"""Iterations of a map in one block before the window."""
LEAD = 30.0
"""Units of time before the window of a flow in which its solver already takes the steps of the window. Longer steps
leave larger errors, whose relaxation along fast directions would otherwise contaminate small fluctuations."""


@dataclass(kw_only=True)
class WindowRun(Run):
    """One realization up to the window and through it; `done` counts its samples.

    `system` runs up to the window and `wide_system` through it: the same, or a narrow network and the wide one that
    it stands for, and `expand` leads from a state of the one to a state of the other.
    """

    wide_system: AbstractSystem
    expand: Callable[[PyTree], PyTree]
    window: Window | None = None
    shots: int = 0
    records: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))
    snapshots: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))

    @property
    def numbers(self) -> int:
        """How many there are in a state."""
        return size(self.wide_system.state)

    @property
    def here(self) -> TangentState:
        """Where it stands before the window."""
        return as_numpy(TangentState(self.state, None, self.clock, self.status.value))

    def take(self, observed: ObservedWindow) -> None:
        """Keep what was observed over some blocks."""
        number, shots = int(observed.number), int(observed.shots)
        self.records[self.done : self.done + number] = observed.records[:number]
        leaves = [leaf[:shots].reshape(shots, -1) for leaf in jax.tree.leaves(observed.snapshots)]
        self.snapshots[self.shots : self.shots + shots] = np.concatenate(leaves, axis=1)
        self.window, self.shots, self.done = observed.window, self.shots + shots, int(observed.window.done)
        self.status = Status(int(observed.window.status))

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


def run_all(
    runs: list[WindowRun], options: FluctuationOptions, indices: Int[np.ndarray, " chosen"], progress: Any
) -> bool:
    """All realizations side by side; whether the user stopped them."""
    first = runs[0]
    schedule, entries = _schedule(first.wide_system, options), Entries.of(indices, first.wide_system.state)

    def compiled() -> None:
        span = np.asarray(first.system.span(0.0))
        jax.block_until_ready(transient_blocks(first.system, first.here, span, np.asarray(0)))
        window = as_numpy(open_window(first.wide_system.state, first.wide_system.clock()))
        jax.block_until_ready(_observed(first.wide_system, entries, window, schedule, options, 0))

    return side_by_side(
        lambda r, report: _run(r, options, schedule, entries, report), runs, progress, compiled=compiled
    )


def _schedule(system: AbstractSystem, options: FluctuationOptions) -> Schedule:
    span, segments = system.cut(options.interval, slack=1e-9)
    if not system.continuous and options.interval == 1:
        # One update after the other is the common case, and has code of its own: numbers that the compiler knows.
        return Schedule(np.asarray(options.samples), np.asarray(options.every), 1, 1)
    return Schedule(np.asarray(options.samples), np.asarray(options.every), np.asarray(span), int(segments))


def _observed(
    system: AbstractSystem,
    entries: Entries,
    window: Window,
    schedule: Schedule,
    options: FluctuationOptions,
    blocks: int,
) -> ObservedWindow:
    places = places_ahead(options.shown, options.every, int(window.done))
    return observe_window(system, entries, window, schedule, places, np.asarray(schedule.group), np.asarray(blocks))


def _run(
    r: WindowRun, options: FluctuationOptions, schedule: Schedule, entries: Entries, report: Progress
) -> Iterator[None]:
    yield from _transient(r, options, report)
    if r.status != Status.completed:
        return
    r.window = as_numpy(open_window(r.expand(r.state), r.clock))
    r.records = np.empty((options.samples, options.weights))
    r.snapshots = np.empty((options.shown.size, r.numbers))
    blocks = math.ceil(options.samples / (schedule.group * options.every))

    def sampled(take: int) -> int:
        r.take(as_numpy(_observed(r.wide_system, entries, r.window, schedule, options, take)))
        return take

    yield from paced(r, blocks, schedule.most_blocks, sampled, report, "window")
    r.finished = r.status == Status.completed


def _transient(r: WindowRun, options: FluctuationOptions, report: Progress) -> Iterator[None]:
    """The state alone, up to the window."""
    for span, number in _stretches(r.system, options):

        def blocks(take: int, span: Any = span) -> int:
            there = as_numpy(transient_blocks(r.system, r.here, np.asarray(span), np.asarray(take)))
            r.state, r.clock, r.status = there.state, there.clock, Status(int(there.status))
            return take

        yield from paced(r, number, 10**6, blocks, report, "transient")


def _stretches(system: AbstractSystem, options: FluctuationOptions) -> list[tuple[Any, int]]:
    """Spans, and how many of each, that lead to the window."""
    if not system.continuous:
        number, rest = divmod(int(options.start), ITERATIONS)
        return [(np.int64(ITERATIONS), number), (np.int64(rest), int(rest > 0))]
    steps = min(options.samples, math.floor(min(options.start, LEAD) / options.interval + 1e-9))
    span, segments = system.cut(options.start - steps * options.interval, slack=1e-9)
    return [(np.float64(span), int(segments)), (np.float64(options.interval), steps)]
