"""The runs behind `curlflow.fluctuations`: a transient, then a window that is observed."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jaxtyping import Int, PyTree

from ...measures.lyapunov import TangentState, transient_blocks
from ...measures.window import ObservedWindow, Schedule, Window, observe_window, open_window, places_ahead
from ...status import Status
from ...systems import AbstractSystem
from ...systems.flat import Entries
from ...systems.optimized import network_of
from ..observables import Beside, Observables
from ..runs import Progress, Run, as_numpy, paced, side_by_side
from .dataset import Sampled
from .options import FluctuationOptions

ITERATIONS = 100
"""Iterations of a map in one block before the window."""
LEAD = 30.0
"""Units of time before the window of a flow in which its solver already takes the steps of the window. Longer steps
leave larger errors, whose relaxation along fast directions would otherwise contaminate small fluctuations."""


@dataclass(kw_only=True)
class WindowRun(Run):
    """One realization up to the window and through it; `done` counts its samples, `shots` its snapshots.

    `system` runs up to the window and `wide_system` through it: the same, or a narrow network and the wide one that
    it stands for, and `expand` leads from a state of the one to a state of the other.
    """

    wide_system: AbstractSystem
    expand: Callable[[PyTree], PyTree]
    records: np.ndarray
    snapshots: np.ndarray
    recorded: int
    window: Window | None = None
    shots: int = 0

    @property
    def here(self) -> TangentState:
        """Where it stands before the window."""
        return as_numpy(TangentState(self.state, None, self.clock, self.status.value))

    def take(self, observed: ObservedWindow) -> None:
        """Keep what was observed over some blocks."""
        number, shots = int(observed.number), int(observed.shots)
        self.records[self.done : self.done + number] = observed.records[:number]
        leaves = [leaf[:shots].reshape(shots, -1) for leaf in jax.tree.leaves(network_of(observed.snapshots))]
        self.snapshots[self.shots : self.shots + shots] = np.concatenate(leaves, axis=1)
        self.window, self.shots, self.done = observed.window, self.shots + shots, int(observed.window.done)
        self.status = Status(int(observed.window.status))

    @property
    def seen(self) -> Sampled:
        """What was seen of the window, with moments of NaN where none are known."""
        mean = variance = np.full(self.snapshots.shape[1], np.nan)
        if self.done and self.status in (Status.completed, Status.interrupted):
            # The leaves of the memory of an optimizer come last.
            moments = self.window.moments[: len(jax.tree.leaves(network_of(self.window.state)))]
            mean = np.concatenate([np.ravel(m.mean) for m in moments])
            variance = np.concatenate([np.ravel(m.variance) for m in moments])
        records, observed = np.split(self.records[: self.done], [self.recorded], axis=1)
        return Sampled(self.status, mean, variance, records, self.snapshots[: self.shots], observed)


def run_all(
    runs: list[WindowRun],
    options: FluctuationOptions,
    indices: Int[np.ndarray, " chosen"],
    further: Observables,
    progress: Any,
) -> bool:
    """All realizations side by side; whether the user stopped them."""
    first, wide = runs[0], runs[0].wide_system
    schedule, entries = _schedule(wide, options), Entries.of(indices, wide.state)
    entries = Beside(entries, further.observe) if further.size else entries
    group = np.asarray(schedule.group)

    def observed(system: AbstractSystem, window: Window, blocks: int) -> ObservedWindow:
        places = places_ahead(options.shown, options.every, int(window.done))
        return observe_window(system, entries, window, schedule, places, group, np.asarray(blocks))

    def compiled() -> None:
        span = np.asarray(first.system.span(0.0))
        jax.block_until_ready(transient_blocks(first.system, first.here, span, np.asarray(0)))
        jax.block_until_ready(observed(wide, as_numpy(open_window(wide.state, wide.clock())), 0))

    def work(r: WindowRun, report: Progress) -> Iterator[None]:
        yield from _transient(r, options, report)
        if r.status != Status.completed:
            return
        r.window = as_numpy(open_window(r.expand(r.state), r.clock))

        def sampled(take: int) -> int:
            r.take(as_numpy(observed(r.wide_system, r.window, take)))
            return take

        blocks = math.ceil(options.samples / (schedule.group * options.every))
        yield from paced(r, blocks, schedule.most_blocks, sampled, report, "window")
        r.finished = r.status == Status.completed

    return side_by_side(work, runs, progress, compiled=compiled)


def _schedule(system: AbstractSystem, options: FluctuationOptions) -> Schedule:
    span, segments = system.cut(options.interval, slack=1e-9)
    if not system.continuous and options.interval == 1:
        # One update after the other is the common case, and has code of its own: numbers that the compiler knows.
        return Schedule(np.asarray(options.samples), np.asarray(options.every), 1, 1)
    return Schedule(np.asarray(options.samples), np.asarray(options.every), np.asarray(span), int(segments))


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
