"""The runs behind `curlflow.classify`: a transient that is watched, exponents, and observables beside them."""

import dataclasses
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from ...measures.frames import CAPACITY as MOST_FRAMES
from ...measures.frames import frames, log_alignment
from ...measures.lyapunov import TangentState, lyapunov_blocks, random_tangents
from ...measures.recording import CAPACITY, record
from ...status import Status
from ...systems import AbstractSystem
from ...systems.base import LONGEST_SEGMENT
from ...systems.linearised.tangent_spaces import TangentSpace
from ..lyapunov import runs as exponent_runs
from ..lyapunov.options import LyapunovOptions
from ..lyapunov.runs import TangentRun
from ..runs import Pace, Progress, as_numpy, in_turns
from .options import ClassifyOptions, longest_alignment
from .sampling import FEWEST, MISSED, Sampling, missed, sampling, step_of_solver

STRETCHES = 200
"""Into how many stretches the transient is cut to see when differences grow."""
PARTS = 200
"""Blocks of exponents are at most this part of the window, however long a unit of time is."""
ALIGNED = 10
"""Tangents are followed over this fraction of the window for their alignment, where volume is preserved all along."""
NEAREST = 1024
"""States at the end that a state before the window is compared with."""
OTHERS = 2**31
"""What is added to a realization's number to draw other tangents."""
PRESERVED = 1e-9
"""A divergence that never exceeds this is none."""


@dataclass
class Classified:
    """One realization, and what was seen of it so far.

    `early` are observables at the ends of stretches of the transient, from its beginning, and `early_stretch` is the
    logarithm of what a difference grew in each; `records` are observables through the window, at the places that
    `sampling` says, and `closely` whether late ones take the place of even ones; `ends` are what it ended in: for
    maps consecutive states; `log_gali` is the logarithm of the alignment index of 1, 2, … tangents after
    `aligned_time`.
    """

    index: int
    system: AbstractSystem
    space: TangentSpace
    observe: Callable
    run: TangentState
    status: Status = Status.not_run
    sampling: Sampling | None = None
    closely: bool = False
    early: list[np.ndarray] = field(default_factory=list)
    early_stretch: list[float] = field(default_factory=list)
    records: list[np.ndarray] = field(default_factory=list)
    ends: Float[np.ndarray, "states observables"] | None = None
    measured: TangentRun | None = None
    block: float = math.nan
    log_gali: Float[np.ndarray, " tangents"] | None = None
    aligned_time: float = math.nan

    @classmethod
    def fresh(cls, index: int, system: AbstractSystem, space: TangentSpace, observe: Callable) -> "Classified":
        """A realization that has not begun."""
        run = as_numpy(TangentState(system.state, None, system.clock(), Status.completed.value))
        return cls(index, system, space, observe, run)

    @property
    def observables(self) -> Float[np.ndarray, "records observables"]:
        """Through the window, as far as it went."""
        width = self.early[0].size if self.early else 0
        return np.concatenate([np.empty((0, width)), *self.records])

    @property
    def largest(self) -> Float[np.ndarray, " observables"]:
        """The largest value of every observable so far, of those that are finite."""
        seen = np.abs(np.concatenate([np.array(self.early), self.observables]))
        return np.where(np.isfinite(seen), seen, 0.0).max(axis=0)

    @property
    def spread(self) -> Float[np.ndarray, "samples observables"]:
        """Through the window, at times without a rhythm where not all are there."""
        return self._chosen("spread")

    @property
    def late(self) -> Float[np.ndarray, "samples observables"]:
        """One step after the other, up to the end of the window."""
        return self._chosen("late")

    @property
    def even(self) -> Float[np.ndarray, "samples observables"]:
        """At equal intervals, close enough to see what moves: `samples` of them, with this `interval` between."""
        return self._chosen("late" if self.closely else "even")

    def _chosen(self, kind: str) -> Float[np.ndarray, "samples observables"]:
        seen = self.observables
        return seen if self.sampling is None else seen[getattr(self.sampling, kind)[: len(seen)]]

    @property
    def samples(self) -> int:
        """How many even samples a whole window has."""
        if self.sampling is None:
            return 0
        return int((self.sampling.late if self.closely else self.sampling.even).sum())

    @property
    def interval(self) -> float:
        """Time between even samples."""
        if self.sampling is None:
            return math.nan
        return self.sampling.step * (1 if self.closely else self.sampling.stride)

    @property
    def preserves_volume(self) -> bool:
        """Whether the divergence vanished all along; False where it is not known."""
        if self.measured is None or not self.measured.done:
            return False
        return bool(np.abs(self.measured.divergences).max() < PRESERVED)


def run_all(runs: list[Classified], options: ClassifyOptions, report: Progress, align: bool = True) -> None:
    """All realizations side by side: transient, observables, exponents, alignment of tangents."""
    in_turns(lambda r: _transient(r, options, report), runs)
    ready = _good(runs)
    chosen = _sampling(ready, options) if ready else None
    for r in runs:
        r.sampling = chosen
    in_turns(lambda r: _observe(r, report), ready)
    # All have the same frequencies, so that one that is too fast is enough.
    close = any(missed(r.late, r.sampling.stride, r.largest) > MISSED for r in _good(ready))
    for r in runs:
        r.closely = close
    _exponents(_good(ready), options, report)
    if align and options.exponents > 1:
        in_turns(lambda r: _align(r, options, report), _good(ready))


def _good(runs: list[Classified]) -> list[Classified]:
    return [r for r in runs if r.status == Status.completed]


def _key(options: ClassifyOptions, index: int) -> Any:
    return jax.random.fold_in(jax.random.key(options.seed), index)


def _transient(r: Classified, options: ClassifyOptions, report: Progress) -> Iterator[None]:
    """The state with one tangent, stretch by stretch."""
    tracked = r.space.inside(r.system, 1)
    r.status = Status.completed
    r.early.append(np.asarray(r.observe(r.run.state)))
    tangents = random_tangents(tracked, r.run.state, 1, key=_key(options, r.index))
    r.run = as_numpy(r.run._replace(tangents=tangents))
    span, number = _stretch(r.system, options.transient)
    for done in range(number):
        blocks = as_numpy(lyapunov_blocks(tracked, r.run, span, np.asarray(1)))
        r.run, r.status = blocks.run, Status(int(blocks.run.status))
        if r.status != Status.completed:
            return
        r.early.append(np.asarray(r.observe(r.run.state)))
        r.early_stretch.append(float(blocks.log_stretch[0, 0]))
        report(r.index, "transient", (done + 1) / number)
        yield
    yield


def _stretch(system: AbstractSystem, transient: float) -> tuple[np.ndarray, int]:
    """The length of a stretch, in the unit of `system.advance`, and how many there are."""
    if system.continuous:
        number = max(STRETCHES, math.ceil(transient / LONGEST_SEGMENT)) if transient > 0 else 0
        return np.asarray(system.span(transient / max(number, 1))), number
    iterations = int(system.span(transient))
    span = max(1, iterations // STRETCHES)
    return np.asarray(span), iterations // span


def _sampling(ready: list[Classified], options: ClassifyOptions) -> Sampling:
    """The same for all, with the shortest step of their solvers."""
    system, steps = ready[0].system, [step_of_solver(r.system, r.run.clock) for r in ready]
    if system.continuous and min(steps) == 0:
        # Without a transient no step has been taken: how long is the one after a first stretch?
        spans = np.full(CAPACITY, min(options.duration / FEWEST, LONGEST_SEGMENT)), np.ones(CAPACITY, dtype=np.int64)
        clocks = [record(r.system, r.observe, r.run.state, r.run.clock, *spans, np.asarray(1)).clock for r in ready]
        steps = [step_of_solver(r.system, clock) for r, clock in zip(ready, clocks, strict=True)]
    return sampling(system, min(steps), options.duration, options.seed)


def _observe(r: Classified, report: Progress) -> Iterator[None]:
    """Observables through the window."""
    done, pace = 0, Pace(CAPACITY)
    state, clock = r.run.state, r.run.clock
    spans, pieces = r.sampling.spans(r.system)
    number = len(spans)
    while done < number:
        take = min(pace.number, number - done)
        lengths = (_filled(spans, done, take), _filled(pieces, done, take))
        with pace.timed(take):
            seen = as_numpy(record(r.system, r.observe, state, clock, *lengths, np.asarray(take)))
        state, clock, r.status = seen.state, seen.clock, Status(int(seen.status))
        r.records.append(seen.records[: int(seen.number)].copy())
        if r.status != Status.completed:
            return
        done += take
        report(r.index, "observables", done / number)
        yield
    if r.system.continuous:
        spread = r.spread
        r.ends = spread[:: max(1, len(spread) // NEAREST)]
        return
    one = np.ones(CAPACITY, dtype=np.int64)
    further = []
    for _ in range(NEAREST // CAPACITY):
        seen = as_numpy(record(r.system, r.observe, state, clock, one, one, np.asarray(CAPACITY)))
        state, clock = seen.state, seen.clock
        further.append(seen.records[: int(seen.number)])
    r.ends = np.concatenate(further)


def _filled(values: np.ndarray, first: int, number: int) -> np.ndarray:
    """So many of the values from `first` on, in an array of `CAPACITY`."""
    found = np.ones(CAPACITY, dtype=values.dtype)
    found[:number] = values[first : first + number]
    return found


def _exponents(runs: list[Classified], options: ClassifyOptions, report: Progress) -> None:
    """Exponents over the window, from where the transients ended."""
    if not runs:
        return
    given = {"exponents": options.exponents, "duration": options.duration, "transient": 0.0, "seed": options.seed}
    given["alignment"] = min(options.duration / 10, longest_alignment(runs[0].system))
    chosen = LyapunovOptions.of(given, runs[0].system, runs[0].space)
    for r in runs:
        r.measured = TangentRun.fresh(r.index, r.system, chosen, r.space)
        r.measured.state, r.measured.clock = r.run.state, r.run.clock
    realizations = [r.measured for r in runs]
    chosen = exponent_runs.prepare(realizations, chosen, report)
    if chosen.block is not None:
        chosen = dataclasses.replace(chosen, block=_shorter(runs[0].system, chosen.block, options.duration / PARTS))
    exponent_runs.average(realizations, chosen, report)
    for r in runs:
        r.status, r.block = r.measured.status, chosen.block


def _shorter(system: AbstractSystem, block: float, most: float) -> float:
    """A block that is no longer than `most`, and no shorter than an iteration of a map."""
    if block <= most:
        return block
    return float(system.time(system.span(most) if system.continuous else max(1, system.span(most))))


def _align(r: Classified, options: ClassifyOptions, report: Progress) -> Iterator[None]:
    """Random tangents from the beginning of the window: how soon they point the same way."""
    if r.measured is None or not r.measured.done:
        return
    tracked, span = r.space.inside(r.system, options.exponents), np.asarray(r.system.span(r.block))
    number = r.measured.done if r.preserves_volume else math.ceil(r.measured.done / ALIGNED)
    tangents = random_tangents(tracked, r.run.state, options.exponents, key=_key(options, OTHERS + r.index))
    run, factors, done, pace = as_numpy(r.run._replace(tangents=tangents)), [], 0, Pace(MOST_FRAMES)
    while done < number:
        take = min(pace.number, number - done)
        with pace.timed(take):
            seen = frames(tracked, run, span, np.asarray(take))
        run = as_numpy(seen.run)
        factors.append(np.asarray(seen.r[: int(seen.number)]))
        if int(run.status) != Status.completed:
            return
        done += take
        report(r.index, "alignment", done / number)
        yield
    r.log_gali, r.aligned_time = log_alignment(np.concatenate(factors))[-1], done * r.block
