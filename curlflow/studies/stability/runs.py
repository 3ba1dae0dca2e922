"""One point, its linearisation, and what follows from it."""

from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np

from ...measures.decision import Decision, critical_step, decided
from ...networks import Feedforward
from ...networks.model import Model
from ...optimizers import AbstractOptimizer
from ...problem import EPOCH, Problem
from ...rules.memory import check_without_memory
from ...status import Status
from ...systems import AbstractSystem
from ...systems.learning import learning_flow
from ...systems.linearised import linearisation
from ...systems.linearised.kernels import geometry
from ...systems.linearised.symmetry import orbit_dimension
from ...tangents import size
from ..runs import Run
from .linearised import NOTHING, Linearised, at_origin, at_solution, in_rates, is_moved_by_errors_alone, of_jacobian

UNKNOWN = -1
"""What stands for a number of directions that is not known."""
FIXED = 1e-9
"""A point is fixed if the velocity is below this fraction of the norm of the state plus one."""


@dataclass(kw_only=True)
class PointRun(Run):
    """The point of one realization, which is its state, and what is found there.

    **Attributes:**

    - `problem`: that of a spec, whose rule as a flow is the system; None for a system of the user's own.
    - `parts`: how many neutral directions are symmetry orbits, others, and taken away by the constraint.
    - `error`, `speed`: the training error, and the norm of the velocity.
    - `fixed`: whether it is a fixed point, as far as is known.
    """

    problem: Problem | None = None
    found: Linearised = NOTHING
    decision: Decision = Decision.undecided
    critical_rate: float = np.nan
    parts: tuple[int, int, int] = (UNKNOWN,) * 3
    error: float = np.nan
    speed: float = np.nan
    fixed: bool = True

    @classmethod
    def at(cls, index: int, place: Problem | AbstractSystem, point: Any) -> "PointRun":
        """A point of a problem, or of a system.

        **Raises:** `ValueError` for a rule with a memory.
        """
        if not isinstance(place, Problem):
            return cls(index, place, point, place.clock())
        why = "which a point does not tell; give problem.flow() or problem.updates(), and a state of it by at=."
        check_without_memory(place.rule, place.student, why)
        flow = learning_flow(point, place.rule, place.task, place.constraint)
        return cls(index, flow, point, flow.clock(), problem=place)

    def conclude(self, found: Linearised, error: float, speed: float, fixed: bool) -> None:
        """Keep what was found, and what follows from it."""
        continuous = self.system.continuous
        if not continuous:
            removed = self.system.constraint.codimension(self.state)
            found = in_rates(found, size(self.state), removed, float(self.system.time(1)))
        step = None if self.problem is None else self.problem.step
        optimizer = None if self.problem is None else self.problem.optimizer
        known = {"extreme": found.extreme, "converged": found.status == Status.completed}
        # Multipliers say by themselves which rates are negative, however small these are.
        self.decision = decided(
            found.eigenvalues, found.threshold if continuous else 0.0, step=step, **_by(optimizer, step), **known
        )
        if continuous:
            least = None if optimizer is None else optimizer.critical_learning_rate
            self.critical_rate = critical_step(found.eigenvalues, found.threshold, least=least, **known)
        if self.problem is not None:
            self.parts = _neutral_parts(self.problem, self.state, found.neutral)
        self.status = found.status if found.status != Status.completed or fixed else Status.not_a_fixed_point
        if self.decision == Decision.undecided and self.status == Status.completed and found.eigenvalues.size:
            self.status = Status.undecided
        self.found, self.error, self.speed, self.fixed, self.finished = found, error, speed, fixed, True


def _by(optimizer: AbstractOptimizer | None, step: float | None) -> dict[str, Any]:
    """What an optimizer makes of eigenvalues: the multipliers of an update, or of its flow."""
    if optimizer is None:
        return {}
    if step is None:
        # Rates may be too large for an exponential, of which only the side of one counts.
        return {"multipliers": lambda values: np.exp(np.clip(optimizer.rates_of_flow(values, EPOCH).real, -1, 1))}
    return {"multipliers": lambda values: optimizer.multipliers(values, step)}


def linearise(run: PointRun, at: Any, number: int, tolerance: float) -> None:
    """Linearise at the point of a run; the arguments are those of the study."""
    problem, system, point = run.problem, run.system, run.state
    error = np.nan if problem is None else float(problem.training_error.error(point))
    shape = None if problem is None else geometry(problem.constraint)
    # A layer of zeros cannot lie on a sphere.
    if shape is not None and shape.spheres and not all(np.any(w) for w in point.weights):
        run.conclude(replace(NOTHING, status=Status.excluded_by_constraint), error, np.nan, fixed=True)
        return
    speed = float(np.linalg.norm(linearisation.velocity(system, point)))
    norm = np.sqrt(sum(np.sum(np.square(leaf)) for leaf in jax.tree.leaves(point)))
    fixed = bool(speed <= FIXED * (1 + norm))
    if problem is None:
        found = of_jacobian(system, point, number)
    elif isinstance(at, str) and at == "origin":
        found = at_origin(problem, point, system, number)
    elif error <= tolerance * _silent_error(problem, point) and is_moved_by_errors_alone(problem, point, system):
        found, fixed = at_solution(problem, point, system, number), True
    else:
        found = of_jacobian(system, point, number)
    run.conclude(found, error, speed, fixed)


def _neutral_parts(problem: Problem, network: Feedforward | Model, neutral: int | None) -> tuple[int, int, int]:
    """How many neutral directions are symmetry orbits, others, and taken away by the constraint."""
    signal, shape = problem.signal(network), geometry(problem.constraint)
    constraint = problem.constraint.codimension(network)
    orbit = orbit_dimension(network, signal, shape.masks) if signal is not None and shape is not None else None
    if orbit is None or neutral is None:
        return UNKNOWN if orbit is None else orbit, UNKNOWN, constraint
    return orbit, neutral - constraint - orbit, constraint


def _silent_error(problem: Problem, network: Feedforward | Model) -> float:
    """The training error of the output zero."""
    if network.is_linear:
        return float(problem.training_error.error(network.with_weights(0 * np.asarray(w) for w in network.weights)))
    return float(np.mean(np.sum(np.square(problem.y_train), axis=0)) / 2)
