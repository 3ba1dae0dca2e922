"""The runs behind `curlflow.lyapunov`: transient, alignment and averaging of several realizations at once."""

import dataclasses
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PyTree

from ...measures.lyapunov import (
    CAPACITY,
    ILL_CONDITIONED,
    VANISHING,
    TangentState,
    conditions,
    lyapunov_blocks,
    lyapunov_spectrum,
    random_tangents,
    transient_blocks,
)
from ...measures.orbit_checks import flow_residual, has_collapsed, is_autonomous
from ...measures.pilots import BLOCK, block_length, fixed_step
from ...measures.standard_error import BATCHES, error_ratio, long_run_error
from ...precision import random_key
from ...status import Status
from ...systems import AbstractSystem
from ...systems.linearised.tangent_spaces import TangentSpace, Whole
from ...tangents import count, size
from ..runs import Pace, Progress, Run, as_numpy, in_turns, paced
from .options import LyapunovOptions

MOST_BLOCKS = 10**8
"""More local exponents than this would not fit into memory."""
ROUNDING = 1e-13
"""What sums of many numbers may err, relative."""
LONG_ENOUGH = 1.5
"""A run may stop early only where batches of twice the length give no more than this times the standard error."""


@dataclass(kw_only=True)
class TangentRun(Run):
    """One run with its tangents, and what it has measured so far; `done` counts the blocks that were averaged.

    **Attributes:**

    - `options`: the same for all realizations; `block` is chosen by `prepare` where it was not given.
    - `key`: of the random tangents that it begins with.
    - `space`: which tangents are carried, and how many exponents each of them stands for.
    - `started`: whether transient and alignment are behind it.
    - `reached`: whether the standard errors are as small as was asked for.
    - `local_exponents`, `local_divergences`: of the blocks, call by call.
    - `factorisations`: into how many parts a block is divided, each with a QR of its own.
    - `condition`: the largest condition number of the tangents of a part so far.
    - `flow_residual`: the largest one so far; NaN where none can be had.
    - `collapsed`: whether the orbit fell onto an unstable cycle of finitely many digits.
    """

    options: LyapunovOptions
    tangents: PyTree
    key: Array
    space: TangentSpace
    started: bool = False
    reached: bool = False
    local_exponents: list[np.ndarray] = field(default_factory=list)
    local_divergences: list[np.ndarray] = field(default_factory=list)
    factorisations: int = 1
    condition: float = float("nan")
    flow_residual: float = float("nan")
    collapsed: bool = False

    @classmethod
    def fresh(
        cls, index: int, system: AbstractSystem, options: LyapunovOptions, space: TangentSpace, **further: Any
    ) -> "TangentRun":
        """A run that has not begun, with what else its kind keeps. Its tangents depend on seed and index alone."""
        key = jax.random.fold_in(random_key(options.seed), index)
        tangents = np.zeros((len(space.copies_of_tangents(options.exponents)), 0))
        further |= {"options": options, "tangents": tangents, "key": key, "space": space}
        return cls.at_start(index, system, status=Status.not_run, **further)

    @property
    def here(self) -> TangentState:
        """Where it stands, as measures take it."""
        return as_numpy(TangentState(self.state, self.tangents, self.clock, self.status.value))

    def move(self, to: TangentState) -> None:
        """Note where it stands now."""
        self.state, self.tangents, self.clock = as_numpy(to[:3])
        self.status = Status(int(to.status))

    @property
    def vectors(self) -> int:
        """How many tangent vectors are carried."""
        return count(self.tangents)

    @property
    def series(self) -> Float[np.ndarray, "blocks vectors"]:
        """Local exponents of every block, in the order of the tangent vectors."""
        return np.concatenate([np.empty((0, self.vectors)), *self.local_exponents])

    @property
    def divergences(self) -> Float[np.ndarray, " blocks"]:
        """Mean divergence of every block."""
        return np.concatenate([np.empty(0), *self.local_divergences])

    @property
    def vanished(self) -> Bool[np.ndarray, " vectors"]:
        """Which tangents an iteration of a map multiplied by zero up to rounding."""
        if self.system.continuous or self.options.block is None or self.system.span(self.options.block) != 1:
            return np.zeros(self.vectors, dtype=bool)
        stretch = self.series * self.options.block
        return ((stretch < np.log(VANISHING)) & np.isfinite(stretch)).any(axis=0)

    def resolution(self, exponents: Float[np.ndarray, " k"]) -> Float[np.ndarray, " k"]:
        """What the solver may err in exponents of this size: its relative tolerance in every step, or rounding."""
        size = np.maximum(1.0, np.nan_to_num(np.abs(exponents), posinf=0.0))
        rtol = self.system.tolerances.get("rtol", 0.0) * self.system.looser
        step = self.system.next_step(self.clock)
        return ROUNDING * size + rtol * np.maximum(size, 1 / step if step > 0 else 1.0)

    def errors(self, series: Float[np.ndarray, "blocks k"]) -> Float[np.ndarray, " k"]:
        """Standard errors of means, no less than what the solver may err."""
        mean = series.mean(axis=0) if len(series) else np.full(series.shape[1], np.nan)
        return np.hypot(long_run_error(series), self.resolution(mean))

    @property
    def copies(self) -> Int[np.ndarray, " vectors"]:
        """How many exponents of the system each tangent vector measures at once."""
        return self.space.copies_of_tangents(self.options.exponents)

    @property
    def leading(self) -> Int[np.ndarray, " exponents"]:
        """The tangent vectors that measure the leading exponents, in decreasing order, repeated for every copy."""
        exponents = self.options.exponents
        mean = self.series.mean(axis=0) if self.done else np.full(self.vectors, np.nan)
        order = np.argsort(-mean, kind="stable")
        return np.repeat(order, np.minimum(self.copies[order], exponents))[:exponents]

    def tracked(self, system: AbstractSystem | None = None) -> Any:
        """What is advanced with tangent vectors: the system, or one like it, with each kept where it belongs."""
        return self.space.inside(self.system if system is None else system, self.options.exponents)

    def random_tangents(self) -> PyTree:
        """Those that the run begins with."""
        return as_numpy(random_tangents(self.tracked(), self.state, self.vectors, key=self.key))


def prepare(runs: list[TangentRun], report: Progress) -> None:
    """Run the transients of what has not begun, and choose the length of a block if nobody has."""
    fresh, options = [r for r in runs if not r.started], runs[0].options
    for r in fresh:
        r.status = Status.completed

    def compiled() -> None:
        if fresh and options.transient > 0:
            in_turns(lambda program: program(fresh[0]), (_compiled_transient, _compiled_blocks))

    in_turns(lambda r: _transient(r, report), fresh, compiled=compiled)
    ready = [r for r in fresh if r.status == Status.completed]
    if options.block is None and ready:
        first = ready[0]
        span = block_length(first.system, first.tracked(), first.here._replace(tangents=first.random_tangents()))
        set_block(runs, float(first.system.time(span)))


def set_block(runs: list[TangentRun], block: float) -> None:
    """Choose the length of a block for all runs."""
    for r in runs:
        r.options = dataclasses.replace(r.options, block=block)


def average(runs: list[TangentRun], report: Progress) -> None:
    """Align the tangents of what has not begun, then average all that can go on for `duration` more."""
    able, options = [r for r in runs if r.status in (Status.completed, Status.interrupted)], runs[0].options
    if not able or options.block is None:
        return
    time = options.before + options.duration
    target = options.blocks_of(time)
    if target > MOST_BLOCKS:
        raise ValueError(
            f"duration: {time:g} units of time are {target:.3g} blocks of {options.block:g}, allowed are "
            f"{MOST_BLOCKS:g}; shorten it, or give a longer block."
        )
    for r in able:
        r.status = Status.completed
        r.reached = r.finished = False
        if not r.started:
            r.tangents = r.random_tangents()
            if options.stepping == "fixed" and r.system.stepping == "adaptive":
                step, r.status = fixed_step(r.system, r.tracked, r.here, r.system.span(options.block))
                if r.status == Status.completed:
                    r.system = r.system.with_fixed_steps(step)

    def compiled() -> None:
        for _ in _compiled_blocks(able[0]):
            pass

    in_turns(lambda r: _average(r, target, report), able, compiled=compiled)


def _compiled_transient(r: TangentRun) -> Iterator[None]:
    """Compile once, before threads that would all compile the same."""
    yield jax.block_until_ready(transient_blocks(r.system, r.here, np.asarray(r.system.span(0.0)), np.asarray(0)))


def _compiled_blocks(r: TangentRun) -> Iterator[None]:
    """The same of blocks with tangents."""
    start = r.here if size(r.tangents) else r.here._replace(tangents=r.random_tangents())
    yield jax.block_until_ready(lyapunov_blocks(r.tracked(), start, np.asarray(r.system.span(0.0)), np.asarray(0)))


def _transient(r: TangentRun, report: Progress) -> Iterator[None]:
    """The state alone, in blocks of about one unit of time."""
    span = np.asarray(r.system.nonempty_span(BLOCK))
    number = math.ceil(r.options.transient / float(r.system.time(span)) - 1e-9)

    def blocks(take: int) -> None:
        r.move(transient_blocks(r.system, r.here, span, np.asarray(take)))

    yield from paced(r, number, 10**6, blocks, report, "transient")


def _average(r: TangentRun, target: int, report: Progress) -> Iterator[None]:
    """Alignment, whose blocks are thrown away, then blocks up to `target` or the tolerance."""
    options = r.options
    if not r.started:
        number = options.blocks_of(options.alignment)
        yield from paced(r, number, CAPACITY, lambda take: _blocks(r, take), report, "alignment")
        r.started = r.status == Status.completed
    pace, checks = Pace(CAPACITY), r.started and _flow_is_checked(r)
    while r.started and r.done < target and r.status == Status.completed and not r.reached:
        goal = target if options.tolerance is None else min(target, _next_check(r.done))
        number = min(pace.number, goal - r.done, *([_next_sample(r.done) - r.done] if checks else []))
        with pace.timed(number):
            log_stretch, log_volume, carried = _well_conditioned(r, number)
        r.local_exponents.append(log_stretch / options.block)
        r.local_divergences.append(log_volume / options.block)
        r.done += len(log_stretch)
        if checks:
            if np.isnan(carried) and r.done == _next_sample(r.done - 1) and r.status == Status.completed:
                carried = flow_residual(r.system, r.tracked(), r.here, np.asarray(r.system.span(options.block)))
            r.flow_residual = float(np.fmax(r.flow_residual, carried))
        r.reached = options.tolerance is not None and r.done == goal and _precise(r)
        report(r.index, "exponents", r.done / target)
        yield
    if not r.system.continuous and r.status == Status.completed and r.done and r.series.mean(axis=0).max() > 0:
        r.collapsed = has_collapsed(r.system, r.here)
    r.finished = True


def _flow_is_checked(r: TangentRun) -> bool:
    """Whether tangents are those of an autonomous flow as it is."""
    return r.system.continuous and isinstance(r.space, Whole) and is_autonomous(r.system, r.state, r.clock)


def _next_sample(done: int) -> int:
    """After which block the flow is looked at next: twice while their number doubles, whatever the pace."""
    return next(n for n in (math.ceil(2 ** (k / 2)) for k in itertools.count()) if n > done)


def _blocks(r: TangentRun, number: int) -> tuple[np.ndarray, np.ndarray]:
    """The next blocks: stretches of all tangent vectors, and volumes of the full system."""
    return _with_parts(r, number)[:2]


def _with_parts(r: TangentRun, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """As `_blocks`, the stretches of all their parts, and the error with which they carried the velocity."""
    parts = r.factorisations
    found = lyapunov_spectrum(r.tracked(), block=r.options.block / parts, number=number * parts, start=r.here)
    r.move(found.end)
    # The system that is advanced has one copy of every sector. The volumes of the others are the sums of stretches.
    further = r.copies - 1
    volume = found.log_volume + found.log_stretch[:, further > 0] @ further[further > 0]
    whole = len(volume) // parts
    by_block = found.log_stretch[: whole * parts].reshape(whole, parts, r.vectors)
    volume = volume[: whole * parts].reshape(whole, parts).sum(axis=1)
    return by_block.sum(axis=1), volume, by_block, found.velocity_error


def _well_conditioned(r: TangentRun, number: int) -> tuple[np.ndarray, np.ndarray, float]:
    """The next blocks, up to `number`, and how well they carried the velocity of a flow.

    From where rounding reached the last exponents on, parts are half as long.
    """
    before = r.here
    stretch, volume, parts, error = _with_parts(r, number)
    condition = np.fmax.reduce(conditions(parts), axis=1)
    bad = int(np.argmax(condition > ILL_CONDITIONED)) if (condition > ILL_CONDITIONED).any() else None
    halved = r.system.span(r.options.block / (2 * r.factorisations))
    if bad is not None and (r.system.continuous or 2 * r.factorisations * halved == r.system.span(r.options.block)):
        r.move(before)
        stretch, volume, _, error = _with_parts(r, bad)
        condition = condition[:bad]
        r.factorisations *= 2
    r.condition = float(np.fmax.reduce(condition, initial=r.condition))
    return stretch, volume, error


def _next_check(done: int) -> int:
    """When the tolerance is next looked at: at counts that grow by a quarter, whatever the pace of the machine."""
    check = 4 * BATCHES
    while check <= done:
        check += check // 4
    return check


def _precise(r: TangentRun) -> bool:
    """Whether every standard error is small enough and can be trusted."""
    series = r.series[:, r.leading]
    small = r.errors(series) <= r.options.tolerance
    return bool(np.all(small & ~(error_ratio(series) > LONG_ENOUGH)))
