"""The runs behind `curlflow.convergence`: from record to record, looking at every step for the first crossing."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..measures.recording import Recorded
from ..status import Status
from ..systems import AbstractSystem, Flow
from ..systems.crossing import advance_until
from .early_stopping import Stop
from .exponent_runs import as_numpy
from .training_plan import Plan
from .training_runs import Run, follow, stepped
from .workers import Progress


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
    errors: Float[Array, " errors"]
    crossed: Array


def arrive(r: Arriving, plan: Plan, report: Progress) -> Iterator[None]:
    """Run to the first record below the threshold, or to the end."""
    run = r.run
    while run.stop is None and run.done < plan.epochs.size:
        follow(run, plan, _recorded(r, plan), True, None)
        if r.arrived is None and run.errors and run.errors[-1][r.of] < r.threshold and run.stop != Stop.failed:
            r.arrived = run.done - 1
            if not r.to_end:
                run.stop = Stop.crossed
        report(r.number, "learning", 1.0 if run.stop is not None else run.done / plan.epochs.size)
        yield


def compiled(runs: list[Arriving], plan: Plan) -> None:
    """Compile what the runs of every rule need, before threads that would all compile the same."""
    for r in {r.rule: r for r in runs}.values():
        jax.block_until_ready(_to(r, r.run.state, r.run.clock, plan.spans[0], 0, True))


def _recorded(r: Arriving, plan: Plan) -> Recorded:
    """The next record, with the crossing noted if it lies before it."""
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
            pieces = pieces if isinstance(run.system, Flow) else 1
            reached = as_numpy(_to(r, reached.state, reached.clock, left / pieces, pieces, False))
    good = reached.status == Status.completed
    return Recorded(reached.state, reached.clock, reached.status, reached.errors[None], np.asarray(int(good)))


def _to(r: Arriving, state: Any, clock: Any, span: Any, pieces: int, seeking: bool) -> Reached:
    span = np.asarray(span if isinstance(r.run.system, Flow) else np.int64(span))
    numbers = np.asarray(r.threshold), np.asarray(pieces)
    return _advanced(stepped(r.run), r.run.observer, r.of, seeking, state, clock, span, *numbers)


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
            # The zero of a flow is found up to rounding, which may leave the height above it.
            short = isinstance(system, Flow) & (after.clock.position < clock.position + span * (1 - 1e-12))
            at = height(after.state)
            crossed = (short & jnp.isfinite(at)) | (at <= 0)
        else:
            after, crossed = system.advance(state, None, span, clock), jnp.asarray(False)
        return after.state, after.clock, jnp.asarray(after.status), crossed, done + 1

    state, clock = jax.tree.map(jnp.asarray, (state, clock))
    there = height(state) <= 0 if seeking else jnp.asarray(False)
    start = state, clock, jnp.asarray(int(Status.completed)), there, jnp.asarray(0)
    state, clock, status, crossed, _ = jax.lax.while_loop(unfinished, piece, start)
    return Reached(state, clock, status, observe(state), crossed)
