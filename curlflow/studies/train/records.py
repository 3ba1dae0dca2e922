"""What is kept of a run of learning, and the plan of when it is recorded."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, TypeVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ...measures.growth import Rates
from ...networks import Feedforward
from ...networks.model import Model
from ...problem import EPOCH, Problem
from ...status import Status
from ...systems import AbstractSystem
from ...systems.base import LONGEST_SEGMENT
from ...systems.fast.deviations import DeviationObserver, deviation_flow, deviation_updates
from ...systems.optimized import Learner, network_of
from ...tasks import AbstractTask
from ..runs import Run, as_numpy

STABILISED_PIECE = 1000.0
"""The most units of time before a flow with stabilised steps, which are long, is retracted."""

Kind = TypeVar("Kind", bound="TrainingRun")


class Stop(IntEnum):
    """What ended a run."""

    end = 0
    repeated = 1
    at_solution = 2
    failed = 3
    crossed = 4
    interrupted = 5


class Errors(eqx.Module):
    """Training and test error of a network that learns."""

    training: AbstractTask
    test: AbstractTask

    def __call__(self, state: Feedforward | Model | Learner) -> Float[Array, " errors"]:
        network = network_of(state)
        return jnp.stack([self.training.error(network), self.test.error(network)])


class Loss(eqx.Module):
    """The loss of a system in place of the training error; there is no test error."""

    of: Callable

    def __call__(self, state: Any) -> Float[Array, " errors"]:
        return jnp.append(self.of(state), jnp.nan)


@dataclass(kw_only=True)
class TrainingRun(Run):
    """One realization on its way, and the errors at its records so far; `done` counts the records.

    **Attributes:**

    - `problem`: what is learned; None for a system with a loss.
    - `observer`: from a state to the training and the test error.
    - `reference`: the solution from which the state is a deviation; None where the state is the weights.
    - `stop`: what ended it; None as long as it goes on.
    - `peak`, `highest`: the largest training error at any record, and since the last look at whether it may stop.
    - `at_floor_since`: the epoch since which the weights solve the task; None where they do not.
    - `rates`: the linearisation at the solution where the run is, as far as it is known.
    """

    problem: Problem | None
    observer: Callable
    reference: Feedforward | None = None
    stop: Stop | None = None
    epoch: int = 0
    peak: float = float("nan")
    highest: float = 0.0
    at_floor_since: int | None = None
    rates: Rates | None = None
    errors: list[np.ndarray] = field(default_factory=list)

    @classmethod
    def of(
        cls: type[Kind], index: int, problem: Problem, around: tuple[Feedforward, Feedforward] | None, **more: Any
    ) -> Kind:
        """A run from the start of `problem`; with `around`, a solution and the deviation from it, as a deviation."""
        reference = None if around is None else around[0]
        system = problem.system() if around is None else _deviation_system(problem, *around)
        own = {"problem": problem, "observer": _observer(problem, reference), "reference": reference}
        return cls(index, system, system.state, system.clock(), **own, **more)

    @classmethod
    def of_system(cls: type[Kind], index: int, system: AbstractSystem, loss: Callable, **more: Any) -> Kind:
        """A run of a system from its state, with a function of the state as its training error."""
        return cls(index, system, system.state, system.clock(), problem=None, observer=Loss(loss), **more)

    @property
    def network(self) -> Feedforward | Model:
        """The weights now."""
        if self.reference is None:
            return network_of(self.state)
        pairs = zip(self.reference.weights, self.state.weights, strict=True)
        return self.reference.with_weights(np.asarray(w) + np.asarray(d) for w, d in pairs)

    @property
    def train_error(self) -> float:
        """The last one."""
        return float(self.errors[-1][0]) if self.errors else float("nan")

    def judged(self, errors: Float[np.ndarray, "... errors"]) -> Float[np.ndarray, "... _"]:
        """Those errors that are numbers as long as the weights are: without test samples the first alone."""
        tested = self.problem is not None and self.problem.x_test.shape[-1]
        return errors if tested else errors[..., :1]

    @property
    def draws_batches(self) -> bool:
        """Whether updates are by batches of the samples, not by all of them."""
        updates = self.problem is not None and not self.system.continuous
        return updates and self.problem.spec.dynamics.batch != "full"

    def leave(self) -> None:
        """Go on with the weights themselves."""
        self.state, self.reference = as_numpy(self.network), None
        self.system, self.observer = self.problem.system(), _observer(self.problem, None)

    def interrupt(self) -> None:
        """Note that the user stopped what has not ended."""
        if self.stop is None:
            self.stop, self.status = Stop.interrupted, Status.interrupted if self.done else Status.not_run

    def row(self, *without_errors: Stop) -> dict[str, Any]:
        """What datasets show of every run, with NaN for the errors of runs that ended by `without_errors`.

        Where the loss knows classes, also which shares of samples are put into the right ones.
        """
        known = self.errors and self.stop not in without_errors
        train_error, test_error = self.errors[-1] if known else (np.nan, np.nan)
        return {
            **self._accuracies(bool(known)),
            "test_error": test_error,
            "train_error": train_error,
            "peak_error": self.peak,
            "stop_epoch": self.epoch,
            "stopped_by": np.int8(self.stop),
            "status": np.int8(self.status),
        }

    def _accuracies(self, known: bool) -> dict[str, float]:
        if self.problem is None:
            return {}
        tasks = {"train_accuracy": self.problem.training_error, "test_accuracy": self.problem.test_error}
        tasks = {name: task for name, task in tasks.items() if task.classifies}
        return {name: float(task.accuracy(self.network)) if known else np.nan for name, task in tasks.items()}


def _observer(problem: Problem, reference: Feedforward | None) -> Callable:
    """The errors of weights, or of a deviation from `reference`."""
    tasks = problem.training_error, problem.test_error
    return Errors(*tasks) if reference is None else DeviationObserver(*tasks, reference)


def _deviation_system(problem: Problem, reference: Feedforward, deviation: Feedforward) -> AbstractSystem:
    arguments = reference, deviation, problem.rule, problem.task, problem.constraint
    if problem.spec.dynamics.kind == "flow":
        return deviation_flow(*arguments, problem.flow().integrator)
    return deviation_updates(*arguments, problem.spec.dynamics.learning_rate)


@dataclass(frozen=True)
class Plan:
    """When to record: after how many epochs, and in how many pieces of which span from one record to the next.

    A run ends early at the first test error below `threshold`, and, if it `may_stop`, where the rest changes nothing.
    """

    epochs: Int[np.ndarray, " records"]
    spans: np.ndarray
    pieces: Int[np.ndarray, " records"]
    may_stop: bool = True
    threshold: float | None = None

    @classmethod
    def of(
        cls, system: AbstractSystem, *, epochs: int, records: int, stop: bool = True, threshold: float | None = None
    ) -> "Plan":
        """The plan of runs of systems of the same kind and solver as `system`."""
        at = recorded_epochs(epochs, records)
        gaps = np.diff(at, prepend=0)
        longest = STABILISED_PIECE if system.label == "rkc2" else LONGEST_SEGMENT
        return cls(at, *system.cut(gaps * EPOCH if system.continuous else gaps, longest), stop, threshold)

    def within(self, first: int, most: int, span: Any) -> int:
        """How many of the next records, at most `most`, are at most `span` away."""
        part = slice(first, first + most)
        return int((np.cumsum(self.spans[part] * self.pieces[part]) <= span).sum())


def recorded_epochs(epochs: int, records: int) -> Int[np.ndarray, " records"]:
    """The start, whole epochs from 1 in equal steps of their logarithm, each once, and always the last."""
    spaced = np.round(np.geomspace(1, epochs, records)).astype(np.int64)
    return np.unique(np.concatenate([[0], spaced[spaced < epochs], [epochs]]))
