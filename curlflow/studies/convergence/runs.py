"""The runs behind `curlflow.convergence`: from record to record, looking at every step for the first crossing."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ...measures.recording import Recorded
from ...status import Status
from ...systems.crossing import Reached, flow_until, segments_until
from ...tasks import Samples
from ..runs import as_numpy, threads
from ..train.records import Plan, Stop, TrainingRun
from ..train.runs import advanced, follow, in_shorter_pieces, records, stepped
from ..train.stopping import CHECK

TOGETHER = 100.0
"""The longest time of one solve; beyond it are the pieces of the plan, each with its own limit of steps."""


class Ending(IntEnum):
    """How a run ended."""

    converged = 0
    not_by_the_end = 1
    failed = 2
    interrupted = 3


@dataclass(kw_only=True)
class ConvergenceRun(TrainingRun):
    """One realization under one rule, on its way to the threshold.

    **Attributes:**

    - `of_error`: which error has to fall, 0 for the training and 1 for the test error.
    - `to_end`: whether it goes on to the last epoch once it is there.
    - `crossed`: where the error first was at the threshold, in the unit of the system: time, or whole epochs.
    - `arrived`: the first record with an error below the threshold.
    """

    rule: str
    threshold: float
    of_error: int
    to_end: bool
    crossed: float = float("nan")
    arrived: int | None = None

    @property
    def ending(self) -> Ending:
        """How the run ended: whether it reached its threshold, and if not, why."""
        if self.arrived is not None:
            return Ending.converged
        others = {Stop.interrupted: Ending.interrupted, Stop.failed: Ending.failed}
        return others.get(self.stop, Ending.not_by_the_end)


def arrive(run: ConvergenceRun, plan: Plan, recorded: Recorded) -> None:
    """Take what was recorded, and end a run at its first record below the threshold."""
    follow(run, plan, recorded)
    # Only the last record can be the first one below the threshold.
    if run.arrived is None and run.stop != Stop.failed and run.errors[-1][run.of_error] < run.threshold:
        run.arrived = run.done - 1
        if not run.to_end:
            run.stop = Stop.crossed


def on_device(runs: list[ConvergenceRun]) -> None:
    """Put what the runs compute with on the device, each array once; training inputs also as samples × inputs."""
    before = [(run.system, run.observer) for run in runs]
    arrays = {id(a): a for a in jax.tree.leaves(before) if isinstance(a, np.ndarray)}
    there = {name: jnp.asarray(a) for name, a in arrays.items()}
    tasks = [t for t in jax.tree.leaves([run.system for run in runs], is_leaf=_are_samples) if _are_samples(t)]
    rows = {id(a): jnp.asarray(a.T.copy()) for a in {id(t.x): t.x for t in tasks}.values() if a.ndim == 2}

    def placed(part: Any) -> Any:
        if not _are_samples(part):
            return there.get(id(part), part)
        x, y = (there.get(id(a), a) for a in (part.x, part.y))
        return Samples(x, y, rows.get(id(part.x)))

    after = jax.tree.map(placed, before, is_leaf=_are_samples)
    for run, (system, observer) in zip(runs, after, strict=True):
        run.system, run.observer = system, observer


def _are_samples(part: Any) -> bool:
    return isinstance(part, Samples)


def compiled_first(runs: list[ConvergenceRun], plan: Plan) -> None:
    """Compile what the runs of every rule need, before threads that would all compile the same."""
    for run in {run.rule: run for run in runs}.values() if threads(len(runs)) > 1 else ():
        jax.block_until_ready(_sought(run, plan.spans[0], 0, 1))
        if run.system.continuous:
            jax.block_until_ready(flow_until(*_fixed(run), np.full(CHECK, np.inf), np.asarray(1e-9)))


def advanced_to_crossing(run: ConvergenceRun, plan: Plan, number: int) -> Recorded:
    """The next records, with the crossing noted if it lies before the last of them.

    Behind the first record below the threshold there are `number`; before it one, or as many as one solve passes.
    """
    if not np.isnan(run.crossed):
        return advanced(run, plan, number if run.arrived is not None else 1)
    # One solve has the same tolerances all along, and ends at the next look at whether the run may stop.
    if run.system.continuous and run.done > 0 and stepped(run).integrator.rtol >= run.system.integrator.rtol:
        several = plan.within(run.done, CHECK - (run.done - 1) % CHECK, TOGETHER)
        if several and (recorded := _several(run, plan, several)) is not None:
            return recorded
    return _next(run, plan)


def _several(run: ConvergenceRun, plan: Plan, number: int) -> Recorded | None:
    """The next `number` records of a flow, or those up to the one after the first crossing.

    None where the solver gave up, or where one of them lies below the threshold within a step with both ends above.
    """
    rows = slice(run.done, run.done + number)
    times = np.cumsum(plan.spans[rows] * plan.pieces[rows])
    padded = np.concatenate([times, np.full(CHECK - number, np.inf)])
    reached = as_numpy(flow_until(*_fixed(run), padded, times[-1]))
    spent = reached.clock.position - run.clock.position
    before = int((times <= spent).sum()) if reached.crossed else number
    errors = reached.observed[:before]
    if reached.status != Status.completed or (errors[:, run.of_error] < run.threshold).any():
        return None
    if reached.crossed:
        run.crossed = float(reached.clock.position)
    if before == number:
        return Recorded(reached.state, reached.clock, reached.status, errors, np.asarray(number))
    rest = records(run, reached.state, reached.clock, times[before : before + 1] - spent, np.ones(1, dtype=np.int64))
    return rest._replace(records=np.concatenate([errors, rest.records]), number=before + rest.number)


def _next(run: ConvergenceRun, plan: Plan) -> Recorded:
    span, pieces = plan.spans[run.done], int(plan.pieces[run.done])
    reached = as_numpy(in_shorter_pieces(run.system, span, lambda parts: _sought(run, span, pieces, parts)))
    good = reached.status == Status.completed
    if good and np.isfinite(run.judged(reached.observed)).all() and reached.crossed:
        run.crossed = float(reached.clock.position)
        left = run.clock.position + span * pieces - reached.clock.position
        if left > 1e-9 * span * pieces:
            rest = np.asarray([left / pieces if run.system.continuous else left])
            return records(run, reached.state, reached.clock, rest, np.asarray([pieces]))
    return Recorded(reached.state, reached.clock, reached.status, reached.observed[None], np.asarray(int(good)))


def _sought(run: ConvergenceRun, span: Any, pieces: int, parts: int) -> Reached:
    """The crossing sought over `pieces` times `span`, each in `parts`."""
    shorter = span / parts if run.system.continuous else np.int64(span)
    return segments_until(*_fixed(run), np.asarray(shorter), np.asarray(pieces * parts))


def _fixed(run: ConvergenceRun) -> tuple[Any, ...]:
    return stepped(run), run.observer, run.of_error, np.asarray(run.threshold), run.state, run.clock
