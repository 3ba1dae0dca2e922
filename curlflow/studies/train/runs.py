"""The runs behind `curlflow.train`: from record to record, near a known solution as the deviation from it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ...measures.recording import CAPACITY, Recorded, record
from ...networks import Feedforward
from ...problem import Problem
from ...status import Status
from ...systems import AbstractSystem
from ...systems.fast.deviations import DeviationObserver, deviation_flow, deviation_updates
from ...tasks import AbstractTask, LinearSamples, SecondMoments
from ..runs import Pace, Progress, as_numpy
from .plan import EPOCH, Plan, shorter_pieces
from .stopping import AT_SOLUTION, FALLING, FLOOR, Rates, Stop, alternates, held_time, rates_at, repetition

CHECK = 8
"""Records between two looks at whether a run may stop."""
LEFT = 1e-10
"""With a training error above this a run has left the solution that it started from: its weights are stepped."""
RELATIVE = 1e-6
"""Absolute tolerance of the flow of a deviation, over the root mean square of the deviation."""
SHARP, LEAST_RTOL = 1e-2, 1e-13
"""Largest relative tolerance of a flow over √(error/largest error); and the least of all."""


class Errors(eqx.Module):
    """Training and test error of a network."""

    training: AbstractTask
    test: AbstractTask

    def __call__(self, network: Feedforward) -> Float[Array, " errors"]:
        return jnp.stack([self.training.error(network), self.test.error(network)])


@dataclass
class Run:
    """One realization on its way."""

    index: int
    problem: Problem
    system: AbstractSystem
    observer: Callable
    state: Any
    clock: Any
    reference: Feedforward | None = None
    done: int = 0
    status: Status = Status.completed
    stop: Stop | None = None
    epoch: int = 0
    peak: float = float("nan")
    highest: float = 0.0
    at_floor_since: int | None = None
    rates: Rates | None = None
    errors: list[np.ndarray] = field(default_factory=list)

    @classmethod
    def of(cls, index: int, problem: Problem, around: tuple[Feedforward, Feedforward] | None) -> "Run":
        """A run from the start of `problem`; with `around`, a solution and the deviation from it, as a deviation."""
        if around is None:
            system = problem.system()
            return cls(index, problem, system, _errors(problem), system.state, system.clock())
        reference, deviation = around
        system = _deviation_system(problem, reference, deviation)
        observer = DeviationObserver(problem.training_error, _test(problem), reference)
        return cls(index, problem, system, observer, system.state, system.clock(), reference)

    @property
    def network(self) -> Feedforward:
        """The weights now."""
        if self.reference is None:
            return self.state
        return self.reference.with_weights(
            np.asarray(w) + np.asarray(d) for w, d in zip(self.reference.weights, self.state.weights, strict=True)
        )

    @property
    def train_error(self) -> float:
        """The last one."""
        return float(self.errors[-1][0]) if self.errors else float("nan")

    @property
    def test_error(self) -> float:
        """The last one."""
        return float(self.errors[-1][1]) if self.errors else float("nan")

    def leave(self) -> None:
        """Go on with the weights themselves."""
        self.state, self.reference = as_numpy(self.network), None
        self.system, self.observer = self.problem.system(), _errors(self.problem)


def _errors(problem: Problem) -> Errors:
    return Errors(problem.training_error, _test(problem))


def _test(problem: Problem) -> AbstractTask:
    linear = problem.student.is_linear
    return LinearSamples(problem.x_test, np.asarray(problem.teacher.product())) if linear else problem.test


def _deviation_system(problem: Problem, reference: Feedforward, deviation: Feedforward) -> AbstractSystem:
    arguments = reference, deviation, problem.rule, problem.task, problem.constraint
    if problem.spec.dynamics.kind == "flow":
        return deviation_flow(*arguments, problem.flow().integrator)
    return deviation_updates(*arguments, problem.spec.dynamics.learning_rate)


def advanced(run: Run, plan: Plan, number: int) -> Recorded:
    """The next `number` records of a run; for a flow that is one.

    A flow whose solver used up its steps in a long piece does it again in shorter ones.
    """
    fixed = stepped(run), run.observer, run.state, run.clock
    spans, pieces = plan.window(run.done)
    recorded = as_numpy(record(*fixed, spans, pieces, np.asarray(number)))
    shorter = shorter_pieces(spans[0]) if run.system.continuous and number == 1 else 1
    if shorter > 1 and recorded.status == Status.max_steps_reached:
        recorded = as_numpy(record(*fixed, spans / shorter, pieces * shorter, np.asarray(number)))
    return recorded


def stepped(run: Run) -> AbstractSystem:
    """The system, a flow with tolerances for where the run is: small beside a small deviation, and a small error.

    With fixed ones a run that converges would end in steps at the limit of stability, at errors of the square of the
    tolerance.
    """
    if not run.system.continuous:
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
        return 0.5 * float(np.sum(problem.y_train**2)) / problem.y_train.shape[1]
    target = np.asarray(problem.teacher.product())
    return 0.5 * float(np.sum(target.T * SecondMoments(problem.covariance, target).times_covariance(target.T)))


def learn(run: Run, plan: Plan, may_stop: bool, threshold: float | None, report: Progress) -> Iterator[None]:
    """Run to the last record, or to where a rule of `curlflow.studies.train.stopping` ends it."""
    pace, total = Pace(CHECK), plan.epochs.size
    while run.stop is None and run.done < total:
        until_check = 1 if run.done == 0 else CHECK - (run.done - 1) % CHECK
        # The tolerances of a flow are set anew at every record, and never by the pace of the machine.
        number = 1 if run.system.continuous else min(pace.number, until_check, total - run.done)
        with pace.timed(number):
            recorded = advanced(run, plan, number)
        follow(run, plan, recorded, may_stop, threshold)
        report(run.index, "learning", 1.0 if run.stop is not None else run.done / total)
        yield


def follow(
    run: Run,
    plan: Plan,
    recorded: Recorded,
    may_stop: bool,
    threshold: float | None,
    updated: Callable[[Any, int], Any] | None = None,
) -> None:
    """Take what was recorded, see whether the run may stop, and end it after the last record.

    **Arguments:**

    - `updated`: from a state and a number of updates to the state after them, by the code that the run is advanced
      by. Default: that of runs on their own.
    """
    _take(run, plan, recorded, threshold)
    last = run.done == plan.epochs.size
    # At the same records whatever the pace, because it changes the digits in which a run is stepped.
    if run.stop is None and ((run.done - 1) % CHECK == 0 or last):
        if run.reference is not None and run.highest > LEFT:
            run.leave()
        _look(run, plan, may_stop, updated or _updating(run))
        run.highest = 0.0
    if run.stop is None and last:
        run.stop = Stop.end


def _take(run: Run, plan: Plan, recorded: Recorded, threshold: float | None) -> None:
    """Note what was recorded, up to a first crossing of the threshold."""
    run.state, run.clock, count = recorded.state, recorded.clock, int(recorded.number)
    errors = recorded.records[:count]
    finite = np.isfinite(errors).all(axis=1)
    if not finite.all():
        # The weights are still numbers where the squares of the errors are none.
        count = int(np.argmin(finite))
        errors, run.status, run.stop = errors[:count], Status.diverged, Stop.failed
    if threshold is not None and (errors[:, 1] < threshold).any():
        count = int(np.argmax(errors[:, 1] < threshold)) + 1
        errors, run.status, run.stop = errors[:count], Status.completed, Stop.crossed
    run.errors.extend(errors)
    run.done += count
    run.peak = float(np.fmax(run.peak, errors[:, 0].max())) if count else run.peak
    run.highest = max(run.highest, errors[:, 0].max(initial=0.0))
    run.epoch = int(plan.epochs[run.done - 1]) if run.done else 0
    if recorded.status != Status.completed and run.stop is None:
        run.status, run.stop = Status(int(recorded.status)), Stop.failed


def _look(run: Run, plan: Plan, may_stop: bool, updated: Callable[[Any, int], Any]) -> None:
    """Whether the run may stop here, and what its state is called."""
    last = run.done == plan.epochs.size
    autonomous = not run.system.continuous and run.problem.spec.dynamics.batch == "full"
    # A run that has left and come back since the last look is at another solution.
    if run.highest >= AT_SOLUTION:
        run.at_floor_since, run.status = None, Status.completed
    if run.train_error < AT_SOLUTION and run.at_floor_since is None:
        run.at_floor_since = run.epoch
    if autonomous and may_stop and (repeated := repetition(updated, run.state)) is not None:
        _settle(run, plan, repeated)
    elif run.train_error < AT_SOLUTION and (last or (may_stop and _has_stopped_falling(run))):
        _judge(run, may_stop)
    elif last and autonomous and run.train_error >= AT_SOLUTION and alternates(updated, run.state):
        run.status = Status.period_two


def _updating(run: Run) -> Callable[[Any, int], Any]:
    """From a state and a number of updates to the state after them, by the code that the run is advanced by.

    Nothing more is compiled for it, and what it finds to repeat does so in the run.
    """
    pieces = np.arange(CAPACITY) < 1

    def updated(state: Any, number: int) -> Any:
        spans = np.where(pieces, number, 0)
        arguments = spans, pieces.astype(np.int64), np.asarray(1)
        return as_numpy(record(stepped(run), run.observer, state, run.clock, *arguments).state)

    return updated


def _has_stopped_falling(run: Run) -> bool:
    before = min((errors[0] for errors in run.errors[-1 - CHECK : -1]), default=0.0)
    return bool(run.train_error < FLOOR or run.train_error >= FALLING * before)


def _judge(run: Run, may_stop: bool) -> None:
    """Stop at a stable solution; say so where rounding alone keeps an unstable one.

    With minibatches the multipliers of a mean over all samples say nothing of a product of random updates.
    """
    if not run.system.continuous and run.problem.spec.dynamics.batch != "full":
        return
    if run.rates is None or run.reference is None:
        # As long as a run is stepped as a deviation it is within 1e-5 of the solution that it started from.
        run.rates = rates_at(run.problem, run.network)
    rates = run.rates
    if rates is None:
        return
    if rates.stable and may_stop:
        run.stop = Stop.at_solution
    # A deviation is not rounded away: it only grows from where it started.
    spent = (run.epoch - run.at_floor_since) * (EPOCH if run.system.continuous else 1)
    held = run.reference is None and spent >= held_time(rates.growth)
    run.status = Status.held_by_rounding if held else Status.completed


def _settle(run: Run, plan: Plan, repeated: Any) -> None:
    """The rest of a run whose states repeat for ever: its last state and errors without running it."""
    odd = (int(plan.epochs[-1]) - run.epoch) % 2
    both = [np.asarray(_observe(run.observer, state)) for state in repeated.states]
    run.peak = float(np.fmax(run.peak, max(errors[0] for errors in both)))
    run.state, run.stop = repeated.states[odd], Stop.repeated
    run.errors.append(both[odd])
    if repeated.period == 2:
        run.status = Status.period_two
    elif run.train_error < AT_SOLUTION:
        rates = rates_at(run.problem, run.network)
        run.status = Status.held_by_rounding if rates is not None and rates.growth > 0 else Status.completed


@eqx.filter_jit
def _observe(observer: Callable, state: Any) -> Float[Array, " errors"]:
    return observer(jax.tree.map(jnp.asarray, state))
