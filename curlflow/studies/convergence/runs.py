"""The runs behind `curlflow.convergence`: from record to record, looking at every step for the first crossing."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ...measures.recording import Recorded
from ...status import Status
from ...systems import AbstractSystem, Flow
from ...systems.base import Advanced
from ...systems.crossing import advance_until, watch_until
from ...tasks import Samples
from ..runs import Progress, as_numpy, threads
from ..train.plan import Plan, shorter_pieces
from ..train.runs import CHECK, Run, follow, stepped
from ..train.stopping import Stop

ROWS = CHECK
"""The most records that one solve passes,"""
TOGETHER = 100.0
"""and the longest time: what is beyond is done in the pieces of the plan, each with its own limit of steps."""


@dataclass
class Arriving:
    """One realization under one rule, on its way to the threshold.

    **Attributes:**

    - `of`: which error has to fall, 0 for the training and 1 for the test error.
    - `to_end`: whether it goes on to the last epoch once it is there.
    - `crossed`: where the error first was at the threshold, in the unit of the system: time, or whole epochs.
    - `arrived`: the first record with an error below the threshold.
    """

    rule: str
    number: int
    run: Run
    threshold: float
    of: int
    to_end: bool
    crossed: float = float("nan")
    arrived: int | None = None


class Reached(NamedTuple):
    """Where a stretch of a run has ended, before its end if it crossed the threshold there."""

    state: Any
    clock: Any
    status: Array
    errors: Float[Array, "*rows errors"]
    crossed: Array


def arrive(r: Arriving, plan: Plan, report: Progress) -> Iterator[None]:
    """Run to the first record below the threshold, or to the end."""
    run = r.run
    while run.stop is None and run.done < plan.epochs.size:
        follow(run, plan, _recorded(r, plan), True, None)
        # Only the last record can be the first one below the threshold.
        if r.arrived is None and run.errors and run.errors[-1][r.of] < r.threshold and run.stop != Stop.failed:
            r.arrived = run.done - 1
            if not r.to_end:
                run.stop = Stop.crossed
        report(r.number, "learning", 1.0 if run.stop is not None else run.done / plan.epochs.size)
        yield


def on_device(runs: list[Arriving]) -> None:
    """Put what the runs compute with on the device once, not for every call; arrays that runs share once for all.

    Training inputs are there a second time as samples × inputs.
    """
    before = [(r.run.system, r.run.observer) for r in runs]
    arrays = {id(a): a for a in jax.tree.leaves(before) if isinstance(a, np.ndarray)}
    there = {name: jnp.asarray(a) for name, a in arrays.items()}
    tasks = [t for t in jax.tree.leaves([r.run.system for r in runs], is_leaf=_are_samples) if _are_samples(t)]
    rows = {id(a): jnp.asarray(a.T.copy()) for a in {id(t.x): t.x for t in tasks}.values()}

    def placed(part: Any) -> Any:
        if not _are_samples(part):
            return there.get(id(part), part)
        x, y = (there.get(id(a), a) for a in (part.x, part.y))
        return Samples(x, y, rows.get(id(part.x)))

    after = jax.tree.map(placed, before, is_leaf=_are_samples)
    for r, (system, observer) in zip(runs, after, strict=True):
        r.run.system, r.run.observer = system, observer


def _are_samples(part: Any) -> bool:
    return isinstance(part, Samples)


def compiled(runs: list[Arriving], plan: Plan) -> None:
    """Compile what the runs of every rule need, before threads that would all compile the same."""
    for r in {r.rule: r for r in runs}.values() if threads(len(runs)) > 1 else ():
        run = r.run
        jax.block_until_ready(_to(r, run.state, run.clock, plan.spans[0], 0, True))
        if run.system.continuous:
            nowhere = np.full(ROWS, np.inf), np.asarray(1e-9), np.asarray(r.threshold)
            jax.block_until_ready(_watched(stepped(run), run.observer, r.of, run.state, run.clock, *nowhere))


def _recorded(r: Arriving, plan: Plan) -> Recorded:
    """The next records, with the crossing noted if it lies before the last of them."""
    number = _together(r, plan)
    several = _several(r, plan, number) if number else None
    return _next(r, plan) if several is None else several


def _together(r: Arriving, plan: Plan) -> int:
    """How many records one solve passes: as long as its tolerances stay as they are, and up to the next look."""
    run = r.run
    if not run.system.continuous or not np.isnan(r.crossed) or run.done == 0:
        return 0
    if stepped(run).integrator.rtol < run.system.integrator.rtol:
        return 0
    return plan.within(run.done, ROWS - (run.done - 1) % ROWS, TOGETHER)


def _several(r: Arriving, plan: Plan, number: int) -> Recorded | None:
    """The next `number` records of a flow, or those up to the one after the first crossing.

    **Returns:** None where they have to be taken one by one: the solver gave up, or one of them lies below the
    threshold within a step that begins and ends above it.
    """
    run, start = r.run, r.run.clock.position
    rows = slice(run.done, run.done + number)
    times = np.cumsum(plan.spans[rows] * plan.pieces[rows])
    padded = np.concatenate([times, np.full(ROWS - number, np.inf)])
    numbers = padded, times[-1], np.asarray(r.threshold)
    reached = as_numpy(_watched(stepped(run), run.observer, r.of, run.state, run.clock, *numbers))
    spent = reached.clock.position - start
    before = int((times <= spent).sum()) if reached.crossed else number
    errors = reached.errors[:before]
    if reached.status != Status.completed or (errors[:, r.of] < r.threshold).any():
        return None
    if reached.crossed:
        r.crossed = float(reached.clock.position)
    if before < number:
        reached = as_numpy(_to(r, reached.state, reached.clock, times[before] - spent, 1, False))
        errors = np.concatenate([errors, reached.errors[None]])
    whole = number if before == number else before + int(reached.status == Status.completed)
    return Recorded(reached.state, reached.clock, reached.status, errors, np.asarray(whole))


def _next(r: Arriving, plan: Plan) -> Recorded:
    """The next record."""
    run = r.run
    span, pieces = plan.spans[run.done], int(plan.pieces[run.done])
    seeking = np.isnan(r.crossed)
    end = run.clock.position + span * pieces
    reached = as_numpy(_to(r, run.state, run.clock, span, pieces, bool(seeking)))
    finite = np.isfinite(reached.errors).all()
    if seeking and reached.status == Status.completed and finite and bool(reached.crossed):
        r.crossed = float(reached.clock.position)
        left = end - reached.clock.position
        if left > 1e-9 * span * pieces:
            pieces = pieces if run.system.continuous else 1
            reached = as_numpy(_to(r, reached.state, reached.clock, left / pieces, pieces, False))
    good = reached.status == Status.completed
    return Recorded(reached.state, reached.clock, reached.status, reached.errors[None], np.asarray(int(good)))


def _to(r: Arriving, state: Any, clock: Any, span: Any, pieces: int, seeking: bool) -> Reached:
    """`pieces` times `span`; a flow whose solver used up its steps in a long piece does it again in shorter ones."""
    flow = r.run.system.continuous
    numbers = np.asarray(span if flow else np.int64(span)), np.asarray(r.threshold), np.asarray(pieces)
    reached = _advanced(stepped(r.run), r.run.observer, r.of, seeking, state, clock, *numbers)
    shorter = shorter_pieces(span) if flow else 1
    if shorter > 1 and int(reached.status) == Status.max_steps_reached:
        return _to(r, state, clock, span / shorter, pieces * shorter, seeking)
    return reached


@eqx.filter_jit
def _watched(
    system: Flow, observe: Callable, of: int, state: Any, clock: Any, times: Any, span: Any, threshold: Any
) -> Reached:
    """Over `span`, or to the first crossing, with the errors at `times`, infinite for rows that are not used."""

    def height(state):
        return observe(state)[of] - threshold

    state, clock, times = jax.tree.map(jnp.asarray, (state, clock, times))
    after, seen = watch_until(system, state, span, clock, height, (times, observe))
    crossed = _has_crossed(after, clock, span, height)
    return Reached(after.state, after.clock, after.status, seen, crossed)


def _has_crossed(after: Advanced, before: Any, span: Any, height: Callable) -> Array:
    # The zero of a flow is found up to rounding, which may leave the height above it.
    short = after.clock.position < before.position + span * (1 - 1e-12)
    at = height(after.state)
    return (short & jnp.isfinite(at)) | (at <= 0)


@eqx.filter_jit
def _advanced(
    system: AbstractSystem,
    observe: Callable,
    of: int,
    seeking: bool,
    state: Any,
    clock: Any,
    span: Any,
    threshold: Any,
    pieces: Any,
) -> Reached:
    """`pieces` times `span`, or to the first crossing."""

    def height(state):
        return observe(state)[of] - threshold

    def unfinished(carry):
        _, _, status, crossed, done = carry
        return (done < pieces) & ~crossed & (status == int(Status.completed))

    def piece(carry):
        state, clock, _, _, done = carry
        if seeking:
            after = advance_until(system, state, span, clock, height)
            flow = system.continuous
            crossed = _has_crossed(after, clock, span, height) if flow else height(after.state) <= 0
        else:
            after, crossed = system.advance(state, None, span, clock), jnp.asarray(False)
        return after.state, after.clock, jnp.asarray(after.status), crossed, done + 1

    state, clock = jax.tree.map(jnp.asarray, (state, clock))
    there = height(state) <= 0 if seeking else jnp.asarray(False)
    start = state, clock, jnp.asarray(int(Status.completed)), there, jnp.asarray(0)
    state, clock, status, crossed, _ = jax.lax.while_loop(unfinished, piece, start)
    return Reached(state, clock, status, observe(state), crossed)
