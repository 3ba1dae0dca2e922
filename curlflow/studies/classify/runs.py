"""The runs behind `curlflow.classify`: a transient that is watched, exponents, and observables beside them."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from ...measures.close_pairs import CrossDistance
from ...measures.frames import CAPACITY as MOST_FRAMES
from ...measures.frames import frames, log_alignment
from ...measures.lyapunov import TangentState, lyapunov_blocks, random_tangents
from ...measures.observed import Observed
from ...measures.recording import CAPACITY, record
from ...measures.sampling import FEWEST, MISSED, Sampling, missed, sampling, steps_of_flow
from ...precision import random_key
from ...status import Status
from ...systems import AbstractSystem
from ...systems.base import LONGEST_SEGMENT
from ..lyapunov.runs import TangentRun, average, prepare, set_block
from ..runs import Progress, as_numpy, in_turns, paced
from .options import ClassifyOptions

STRETCHES = 200
"""Into how many stretches the transient is cut to see when differences grow."""
PARTS = 200
"""Blocks of exponents are no longer than this part of the window, however long a unit of time is."""
ALIGNED = 10
"""Tangents are followed over this fraction of the window for their alignment, where volume is preserved all along."""
NEAREST = 1024
"""States at the end that a state before the window is compared with."""
OTHERS = 2**31
"""What is added to a realization's number to draw other tangents."""
PRESERVED = 1e-9
"""A divergence that never exceeds this is none."""


@dataclass(kw_only=True)
class Classified(TangentRun):
    """One realization: its exponents over the window, and all else that was seen of it so far.

    **Attributes:**

    - `observe`: a function of the state to the observables, whose values are in `seen`.
    - `window`: where it stood at the beginning of the window, without tangents.
    - `log_gali`: ln GALI of 1, 2, … tangents after `aligned_time`.
    - `pairs`: what close runs said, where they were asked for.
    - `found`: all numbers by name, once they are known.
    """

    observe: Callable
    seen: Observed
    window: TangentState | None = None
    log_gali: Float[np.ndarray, " tangents"] | None = None
    aligned_time: float = math.nan
    pairs: CrossDistance = field(default_factory=CrossDistance)
    found: dict[str, Any] | None = None

    @property
    def complete(self) -> bool:
        """Whether nothing went wrong, as far as it went."""
        return self.status in (Status.completed, Status.interrupted)

    @property
    def preserves_volume(self) -> bool:
        """Whether the divergence vanished all along; False where it is not known."""
        return bool(self.done and np.abs(self.divergences).max() < PRESERVED)


def observe_motion(runs: list[Classified], options: ClassifyOptions, report: Progress, align: bool = True) -> None:
    """All realizations side by side: transient, observables, exponents, alignment of tangents."""
    in_turns(lambda r: _transient(r, options, report), runs)
    ready = _good(runs)
    chosen = _sampling(ready, options) if ready else None
    for r in runs:
        r.seen.sampling, r.seen.before = chosen, options.transient
    in_turns(lambda r: _observe(r, report), ready)
    ready = _good(ready)
    # All have the same frequencies, so that one that is too fast is enough.
    close = any(missed(r.seen.late, chosen.stride, r.seen.largest) > MISSED for r in ready)
    for r in runs:
        r.seen.closely = close
    if ready:
        prepare(ready, report)
        system, block, most = ready[0].system, ready[0].options.block, options.duration / PARTS
        if block is not None and block > most:
            set_block(ready, float(system.time(system.nonempty_span(most))))
        average(ready, report)
    if align and options.exponents > 1:
        for r in _good(ready):
            r.finished = False
        in_turns(lambda r: _align(r, options, report), _good(ready))


def _good(runs: list[Classified]) -> list[Classified]:
    return [r for r in runs if r.status == Status.completed]


def _transient(r: Classified, options: ClassifyOptions, report: Progress) -> Iterator[None]:
    """The state with one tangent, stretch by stretch."""
    tracked, none = r.space.inside(r.system, 1), r.tangents
    span, number = _stretch(r.system, options.transient)
    r.status = Status.completed
    r.tangents = as_numpy(random_tangents(tracked, r.state, 1, key=r.key))
    r.seen.early.append(np.asarray(r.observe(r.state)))

    def stretch(_: int) -> None:
        found = lyapunov_blocks(tracked, r.here, span, np.asarray(1))
        r.move(found.run)
        if r.status == Status.completed:
            r.seen.early.append(np.asarray(r.observe(r.state)))
            r.seen.early_stretch.append(float(found.log_stretch[0, 0]))

    yield from paced(r, number, 1, stretch, report, "transient")
    r.tangents = none
    r.window = r.here


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
    system, steps = ready[0].system, [r.system.next_step(r.clock) for r in ready]
    if not system.continuous:
        return sampling(float(system.time(1)), int(system.span(options.duration)), options.seed)
    if min(steps) == 0:
        # Without a transient no step has been taken: how long is the one after a first stretch?
        spans = np.full(CAPACITY, min(options.duration / FEWEST, LONGEST_SEGMENT)), np.ones(CAPACITY, dtype=np.int64)
        clocks = [record(r.system, r.observe, r.state, r.clock, *spans, np.asarray(1)).clock for r in ready]
        steps = [r.system.next_step(clock) for r, clock in zip(ready, clocks, strict=True)]
    return sampling(*steps_of_flow(min(steps), options.duration), options.seed)


def _observe(r: Classified, report: Progress) -> Iterator[None]:
    """Observables through the window, and what it ends in; then back to its beginning."""
    sampled, done = r.seen.sampling, 0
    segments = r.system.cut(sampled.steps * r.system.span(sampled.step))

    def window(number: int) -> None:
        nonlocal done
        r.seen.records.append(r.record(r.observe, segments, done, number))
        done += number

    yield from paced(r, len(sampled.steps), CAPACITY, window, report, "observables")
    if r.status != Status.completed:
        return
    if r.system.continuous:
        spread = r.seen.spread
        r.seen.ends = spread[:: max(1, len(spread) // NEAREST)]
    else:
        ones = r.system.cut(np.ones(CAPACITY))
        r.seen.ends = np.concatenate([r.record(r.observe, ones, 0, CAPACITY) for _ in range(NEAREST // CAPACITY)])
    r.move(r.window)


def _align(r: Classified, options: ClassifyOptions, report: Progress) -> Iterator[None]:
    """Random tangents from the beginning of the window: how soon they point the same way."""
    tracked, span = r.tracked(), np.asarray(r.system.span(r.options.block))
    number = r.done if r.preserves_volume else math.ceil(r.done / ALIGNED)
    key = jax.random.fold_in(random_key(options.seed), OTHERS + r.index)
    aside = TangentRun.fresh(r.index, r.system, r.options, r.space)
    aside.move(r.window)
    aside.tangents = as_numpy(random_tangents(tracked, aside.state, options.exponents, key=key))
    factors = []

    def followed(take: int) -> None:
        found = frames(tracked, aside.here, span, np.asarray(take))
        aside.move(found.run)
        factors.append(np.asarray(found.r[: int(found.number)]))

    yield from paced(aside, number, MOST_FRAMES, followed, report, "alignment")
    if aside.status == Status.completed:
        r.log_gali, r.aligned_time = log_alignment(np.concatenate(factors))[-1], number * r.options.block
    r.finished = True
