"""The runs behind `curlflow.train` and `curlflow.convergence`, from record to record: `learn`."""

from collections.abc import Callable, Iterator
from typing import Any

import equinox as eqx
import numpy as np

from ...measures.recording import CAPACITY, Recorded, record
from ...measures.repetition import Advance
from ...problem import Problem
from ...status import Status
from ...systems import AbstractSystem
from ...tasks import SecondMoments
from ..runs import Pace, Progress, as_numpy
from .records import Plan, Stop, TrainingRun
from .stopping import CHECK, look

LEFT = 1e-10
"""With a training error above this a run has left the solution that it started from: its weights are stepped."""
RELATIVE = 1e-6
"""Absolute tolerance of the flow of a deviation, over the root mean square of the deviation."""
SHARP, LEAST_RTOL = 1e-2, 1e-13
"""Largest relative tolerance of a flow over √(error/largest error); and the least of all."""


def advanced(run: TrainingRun, plan: Plan, number: int) -> Recorded:
    """The next `number` records of a run; for a flow that is one."""
    window = slice(run.done, run.done + CAPACITY)
    return records(run, run.state, run.clock, plan.spans[window], plan.pieces[window], number)


def records(run: TrainingRun, state: Any, clock: Any, spans: Any, pieces: Any, number: int = 1) -> Recorded:
    """`number` records from a state of the run on, with so many pieces of a length before each of them."""
    fixed = stepped(run), run.observer, state, clock
    # Whatever the number, one compiled program.
    spans, pieces = (np.pad(a, (0, CAPACITY - len(a))) for a in (spans, pieces))

    def found(parts: int) -> Recorded:
        shorter = spans / parts if parts > 1 else spans
        return as_numpy(record(*fixed, shorter, pieces * parts, np.asarray(number)))

    return in_shorter_pieces(run.system, spans[0], found)


def in_shorter_pieces(system: AbstractSystem, span: Any, solve: Callable[[int], Any]) -> Any:
    """What `solve` finds, a function of the number of parts into which every piece, of length `span`, is cut.

    A flow whose solver used up its steps in a long piece does it again in shorter ones.
    """
    solved = solve(1)
    parts = int(system.cut(span, slack=1e-9)[1])
    return solve(parts) if parts > 1 and int(solved.status) == Status.max_steps_reached else solved


def stepped(run: TrainingRun) -> AbstractSystem:
    """The system, a flow with tolerances for where the run is: small beside a small deviation, and a small error.

    With fixed ones a run that converges would end at errors of the tolerance squared, at the limit of stability.
    Systems with a loss, whose scale is not known, keep the tolerances that they have.
    """
    if not run.system.continuous or run.problem is None:
        return run.system
    rtol, atol = run.system.integrator.rtol, run.system.integrator.atol
    if run.reference is not None:
        size = np.sqrt(np.mean(np.concatenate([np.ravel(w) for w in run.state.weights]) ** 2))
        atol = max(RELATIVE * size, 1e-290)
    elif run.errors:
        # A peak may be small: what the steps of a solver leave behind is of the size of the weights.
        largest = np.fmax(run.peak, _power(run.problem))
        share = np.sqrt(run.train_error / largest) if largest > 0 else 0.0
        sharp = float(np.clip(SHARP * share, LEAST_RTOL, rtol))
        rtol, atol = sharp, atol * sharp / rtol
    leaves = np.asarray(rtol, dtype=float), np.asarray(atol, dtype=float)
    return eqx.tree_at(lambda s: (s.integrator.rtol, s.integrator.atol), run.system, leaves)


def _power(problem: Problem) -> float:
    """½⟨|y|²⟩: the training error of a network whose outputs are zero."""
    if problem.y_train is not None:
        return 0.5 * float(np.sum(problem.y_train**2)) / problem.y_train.shape[-1]
    target = problem.linear_map[0]
    return 0.5 * float(np.sum(target.T * SecondMoments(problem.covariance, target).times_covariance(target.T)))


def follow(run: TrainingRun, plan: Plan, recorded: Recorded, updated: Advance | None = None) -> None:
    """Take what was recorded, see whether the run may stop, and end it after the last record.

    What `updated`, the code that advances the run (by default one run alone), finds to repeat does so in the run.
    """
    _take(run, plan, recorded)
    last = run.done == plan.epochs.size
    # At the same records whatever the pace, because it changes the digits in which a run is stepped.
    if run.stop is None and ((run.done - 1) % CHECK == 0 or last):
        if run.reference is not None and run.highest > LEFT:
            run.leave()
        one = np.ones(1, dtype=np.int64)
        alone = lambda state, number: records(run, state, run.clock, number * one, one).state  # noqa: E731
        look(run, plan, updated or alone)
        run.highest = 0.0
    if run.stop is None and last:
        run.stop = Stop.end


def learn(
    run: TrainingRun,
    plan: Plan,
    report: Progress,
    advance: Callable[[Any, Plan, int], Recorded] = advanced,
    take: Callable[[Any, Plan, Recorded], None] = follow,
) -> Iterator[None]:
    """Run to the last record, or to where `curlflow.studies.train.stopping` ends it.

    `advance` gives the next records of a run, as many as are wanted, and `take` follows what they show.
    """
    pace, total = Pace(CHECK), plan.epochs.size
    while run.stop is None:
        until_check = 1 if run.done == 0 else CHECK - (run.done - 1) % CHECK
        # The tolerances of a flow are set anew at every record, and never by the pace of the machine.
        number = 1 if run.system.continuous else min(pace.number, until_check, total - run.done)
        with pace.timed(number):
            recorded = advance(run, plan, number)
        take(run, plan, recorded)
        report(run.index, "learning", 1.0 if run.stop is not None else run.done / total)
        yield


def _take(run: TrainingRun, plan: Plan, recorded: Recorded) -> None:
    """Note what was recorded, up to a first crossing of the threshold."""
    run.state, run.clock, count = recorded.state, recorded.clock, int(recorded.number)
    errors = recorded.records[:count]
    finite = np.isfinite(run.judged(errors)).all(axis=1)
    if not finite.all():
        # The weights are still numbers where the squares of the errors are none.
        count = int(np.argmin(finite))
        errors, run.status, run.stop = errors[:count], Status.diverged, Stop.failed
    if plan.threshold is not None and (below := run.judged(errors)[:, -1] < plan.threshold).any():
        count = int(np.argmax(below)) + 1
        errors, run.status, run.stop = errors[:count], Status.completed, Stop.crossed
    run.errors.extend(errors)
    run.done += count
    run.peak = float(np.fmax(run.peak, errors[:, 0].max())) if count else run.peak
    run.highest = max(run.highest, errors[:, 0].max(initial=0.0))
    run.epoch = int(plan.epochs[run.done - 1]) if run.done else 0
    if recorded.status != Status.completed and run.stop is None:
        run.status, run.stop = Status(int(recorded.status)), Stop.failed
