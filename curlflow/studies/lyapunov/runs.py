"""The runs behind `curlflow.lyapunov`: transient, alignment and averaging of several realizations at once."""

import dataclasses
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from ...measures.lyapunov import CAPACITY, Run, lyapunov_blocks, random_tangents, transient_blocks
from ...measures.standard_error import BATCHES, batch_means_error, error_ratio
from ...solvers.integrate import FixedSteps
from ...status import Status
from ...systems import AbstractSystem, Flow
from ...systems.linearised.tangent_spaces import TangentSpace
from ..runs import Pace, Progress, in_turns
from .calibration import block_length, fixed_step, initial_span
from .options import Options

MOST_BLOCKS = 10**8
"""More local exponents than this would not fit into memory."""
LONG_ENOUGH = 1.5
"""A run may stop early only where batches of twice the length give no more than this times the standard error."""


@dataclass
class Realization:
    """One run and what it has measured so far.

    `space` says which tangents are carried, and how many exponents each of them stands for.
    """

    index: int
    system: AbstractSystem
    run: Run
    tangent_key: Array
    space: TangentSpace
    started: bool = False
    reached: bool = False
    finished: bool = False
    local_exponents: list[np.ndarray] = field(default_factory=list)
    local_divergences: list[np.ndarray] = field(default_factory=list)

    @classmethod
    def fresh(cls, index: int, system: AbstractSystem, options: Options, space: TangentSpace) -> "Realization":
        """A realization that has not begun. Its tangents depend on `seed` and its index alone."""
        key = jax.random.fold_in(jax.random.key(options.seed), index)
        vectors = len(space.copies_of_tangents(options.exponents))
        run = Run(system.state, np.zeros((vectors, 0)), system.clock(), Status.not_run.value)
        return cls(index, system, as_numpy(run), key, space)

    @property
    def status(self) -> Status:
        """How it went so far."""
        return Status(int(self.run.status))

    @property
    def done(self) -> int:
        """How many blocks were averaged so far."""
        return sum(len(part) for part in self.local_exponents)

    @property
    def vectors(self) -> int:
        """How many tangent vectors are carried."""
        return jax.tree.leaves(self.run.tangents)[0].shape[0]

    @property
    def series(self) -> Float[np.ndarray, "blocks vectors"]:
        """Local exponents of every block, in the order of the tangent vectors."""
        return np.concatenate([np.empty((0, self.vectors)), *self.local_exponents])

    def copies(self, exponents: int) -> Int[np.ndarray, " vectors"]:
        """How many of the system's exponents every tangent vector measures."""
        return self.space.copies_of_tangents(exponents)

    def leading(self, exponents: int) -> Int[np.ndarray, " exponents"]:
        """The tangent vectors that measure the leading exponents, in decreasing order, repeated for every copy."""
        mean = self.series.mean(axis=0) if self.done else np.full(self.vectors, np.nan)
        order = np.argsort(-mean, kind="stable")
        return np.repeat(order, np.minimum(self.copies(exponents)[order], exponents))[:exponents]

    def tracked(self, system: AbstractSystem, exponents: int) -> Any:
        """What is advanced with tangent vectors: `system`, with each kept where it belongs."""
        return self.space.inside(system, exponents)

    @property
    def divergences(self) -> Float[np.ndarray, " blocks"]:
        """Mean divergence of every block."""
        return np.concatenate([np.empty(0), *self.local_divergences])

    def set_status(self, status: Status) -> None:
        """Note how it goes."""
        self.run = self.run._replace(status=np.asarray(status.value))


def as_numpy(tree: PyTree) -> PyTree:
    """All leaves as NumPy arrays, so that every call with the same shapes finds the same compiled code."""
    return jax.tree.map(np.asarray, tree)


def prepare(realizations: list[Realization], options: Options, report: Progress) -> Options:
    """Run the transients of what has not begun, and choose the length of a block if nobody has.

    **Returns:** the options with a block, unless no realization got through its transient.
    """
    fresh = [r for r in realizations if not r.started]
    for r in fresh:
        r.set_status(Status.completed)
    if fresh:
        _compile(transient_blocks, fresh[0].system, fresh[0].run, fresh[0].system.span(0.0))
    in_turns(lambda r: _transient(r, options, report), fresh)
    ready = [r for r in fresh if r.status == Status.completed]
    if options.block is not None or not ready:
        return options
    first = ready[0]
    span = block_length(first.system, first.run, first.vectors, _tracking(first, options), key=first.tangent_key)
    return dataclasses.replace(options, block=float(first.system.time(span)))


def average(realizations: list[Realization], options: Options, report: Progress) -> None:
    """Align the tangents of what has not begun, then average all that can go on for `duration` more."""
    able = [r for r in realizations if r.status in (Status.completed, Status.interrupted)]
    if not able or options.block is None:
        return
    target = _blocks_of(options.before + options.duration, options.block)
    for r in able:
        r.set_status(Status.completed)
        r.reached = r.finished = False
    for r in able:
        if not r.started:
            _begin(r, options)
    tracked = able[0].tracked(able[0].system, options.exponents)
    _compile(lyapunov_blocks, tracked, able[0].run, able[0].system.span(options.block))
    in_turns(lambda r: _average(r, options, target, report), able)


def _blocks_of(time: float, block: float) -> int:
    """How many blocks cover `time`."""
    number = math.ceil(time / block - 1e-9)
    if number > MOST_BLOCKS:
        raise ValueError(
            f"duration: {time:g} units of time are {number:.3g} blocks of {block:g}, allowed are {MOST_BLOCKS:g}; "
            "shorten it, or give a longer block."
        )
    return number


def note_interrupt(realizations: list[Realization]) -> None:
    """Set the status of what an interrupt left unfinished."""
    for r in realizations:
        if r.status == Status.completed and not r.finished:
            r.set_status(Status.interrupted if r.done else Status.not_run)


def _compile(function, system, run: Run, span) -> None:
    """Compile once, before threads that would all compile the same."""
    jax.block_until_ready(function(system, run, np.asarray(span), np.asarray(0)))


def _tracking(r: Realization, options: Options) -> Callable[[AbstractSystem], Any]:
    return lambda system: r.tracked(system, options.exponents)


def _transient(r: Realization, options: Options, report: Progress) -> Iterator[None]:
    """The state alone, in blocks of about one unit of time."""
    span = initial_span(r.system)
    number = math.ceil(options.transient / float(r.system.time(span)) - 1e-9)
    pace, done = Pace(10**6), 0
    while done < number and r.status == Status.completed:
        take = min(pace.number, number - done)
        with pace.timed(take):
            r.run = as_numpy(transient_blocks(r.system, r.run, np.asarray(span), np.asarray(take)))
        done += take
        report(r.index, "transient", done / number)
        yield


def _begin(r: Realization, options: Options) -> None:
    """Random tangents, and the fixed step if one is asked for."""
    tracked = _tracking(r, options)
    tangents = random_tangents(tracked(r.system), r.run.state, r.vectors, key=r.tangent_key)
    r.run = as_numpy(r.run._replace(tangents=tangents))
    if options.stepping == "fixed" and r.system.continuous and not isinstance(r.system.integrator, FixedSteps):
        step, status = fixed_step(r.system, r.run, r.system.span(options.block), tracked)
        r.system = with_fixed_steps(r.system, step)
        r.set_status(status)


def with_fixed_steps(system: Flow, step: float) -> Flow:
    """`system` integrated with fixed steps."""
    return eqx.tree_at(lambda s: s.integrator, system, FixedSteps(np.asarray(step)))


def _average(r: Realization, options: Options, target: int, report: Progress) -> Iterator[None]:
    """Alignment, whose blocks are thrown away, then blocks up to `target` or the tolerance."""
    span = np.asarray(r.system.span(options.block))
    pace = Pace(CAPACITY)
    if not r.started:
        number, done = math.ceil(options.alignment / options.block - 1e-9), 0
        while done < number and r.status == Status.completed:
            done += len(_blocks(r, options, span, min(pace.number, number - done), pace)[0])
            report(r.index, "alignment", done / number)
            yield
        r.started = done == number
    while r.started and r.done < target and r.status == Status.completed and not r.reached:
        goal = target if options.tolerance is None else min(target, _next_check(r.done))
        stretch, volume = _blocks(r, options, span, min(pace.number, goal - r.done), pace)
        r.local_exponents.append(stretch / options.block)
        r.local_divergences.append(volume / options.block)
        r.reached = options.tolerance is not None and r.done == goal and _precise(r, options)
        report(r.index, "exponents", r.done / target)
        yield
    r.finished = True


def _blocks(r: Realization, options: Options, span, number: int, pace: Pace) -> tuple[np.ndarray, np.ndarray]:
    """The next blocks: stretches of all tangent vectors, and volumes of the full system."""
    with pace.timed(number):
        tracked = r.tracked(r.system, options.exponents)
        blocks = as_numpy(lyapunov_blocks(tracked, r.run, span, np.asarray(number)))
    r.run = blocks.run
    stretch, volume = blocks.log_stretch[: int(blocks.number)], blocks.log_volume[: int(blocks.number)]
    # The system that is advanced has one copy of every sector. The volumes of the others are the sums of stretches.
    further = r.copies(options.exponents) - 1
    return stretch, volume + stretch[:, further > 0] @ further[further > 0]


def _next_check(done: int) -> int:
    """When the tolerance is next looked at: at counts that grow by a quarter, whatever the pace of the machine."""
    check = 4 * BATCHES
    while check <= done:
        check += check // 4
    return check


def _precise(r: Realization, options: Options) -> bool:
    """Whether every standard error is small enough and can be trusted."""
    series = r.series[:, r.leading(options.exponents)]
    small = batch_means_error(series) <= options.tolerance
    return bool(np.all(small & ~(error_ratio(series) > LONG_ENOUGH)))
