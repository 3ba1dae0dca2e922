"""From eigenvalues to a verdict: will the dynamics stay at the point?"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from jaxtyping import Complex

from ...measures import spectrum
from ...status import Status
from ...systems import Map
from ...systems.linearised.kernels import geometry
from ...systems.linearised.symmetry import orbit_dimension
from .linearised import Linearised, Method

UNKNOWN = -1
"""What stands for a number of directions that is not known."""
NAN = float("nan")


class Decision(IntEnum):
    """Whether perturbations decay."""

    stable = 0
    unstable = 1
    undecided = 2


@dataclass(frozen=True)
class Verdict:
    """What is stored of one realization."""

    eigenvalues: Complex[np.ndarray, " nonzero"]
    decision: Decision
    threshold: float
    abscissa: float
    neutral: int
    parts: tuple[int, int, int]
    critical_rate: float
    error: float
    speed: float
    method: Method
    status: Status
    fixed: bool
    squares: Any = None

    @property
    def leading(self) -> float:
        """The largest real part, NaN where no eigenvalue is known that is not neutral."""
        return float(self.eigenvalues.real.max()) if self.eigenvalues.size else NAN

    @property
    def stable(self) -> bool:
        """Whether the point was found to be stable."""
        return self.decision == Decision.stable


def judged(
    found: Linearised,
    fixed: bool,
    speed: float,
    size: int,
    *,
    problem: Any = None,
    network: Any = None,
    error: float = NAN,
    system: Any = None,
) -> Verdict:
    """The verdict on a linearisation of a learning problem, or of a system of the user's own."""
    status = found.status if found.status != Status.completed or fixed else Status.not_a_fixed_point
    if isinstance(system, Map):
        return _of_map(found, fixed, speed, size, float(system.time(1)), status)
    parts = (UNKNOWN,) * 3 if problem is None else _parts(problem, network, found.neutral)
    decision, critical = _decision(found, step_of(problem)), _critical_rate(found)
    if decision == Decision.undecided and status == Status.completed and found.eigenvalues.size:
        status = Status.undecided
    return Verdict(
        found.eigenvalues,
        decision,
        found.threshold,
        found.abscissa,
        UNKNOWN if found.neutral is None else found.neutral,
        parts,
        critical,
        error,
        speed,
        found.method,
        status,
        fixed,
        found.squares,
    )


def _decision(found: Linearised, step: float | None) -> Decision:
    """What the eigenvalues say, of which only the leading and the extreme ones may be known."""
    known = found.eigenvalues if found.extreme is None else np.concatenate([found.eigenvalues, found.extreme])
    known = known[np.abs(known) > found.threshold]
    inside = known.real < -found.threshold if step is None else np.abs(1 + step * known) < 1
    if not inside.all():
        return Decision.unstable
    complete = found.status == Status.completed and found.eigenvalues.size
    if complete and found.extreme is not None and step is not None:
        # Between the ends a complex eigenvalue could be the one that leaves the unit circle first.
        complete = found.extreme.size and (known.imag == 0).all()
    return Decision.stable if complete else Decision.undecided


def _critical_rate(found: Linearised) -> float:
    """The largest η with |1 + ημ| < 1 for every μ: the least of −2 Re μ/|μ|²; NaN where none, or not known."""
    values = found.eigenvalues
    if found.extreme is not None:
        if not found.extreme.size or found.status != Status.completed:
            return NAN
        values = np.concatenate([values, found.extreme[np.abs(found.extreme) > found.threshold]])
        if (values.imag != 0).any():
            return NAN
    if not values.size or not (values.real < -found.threshold).all():
        return NAN
    return float(np.min(-2 * (values.real / np.abs(values)) / np.abs(values)))


def _of_map(found: Linearised, fixed: bool, speed: float, size: int, time: float, status: Status) -> Verdict:
    """Multipliers become rates; neutral are those at one."""
    rates = np.full(size, -np.inf, dtype=complex) if found.neutral is not None else np.zeros(0, complex)
    rates = np.concatenate([np.log(found.eigenvalues) / time, rates[: size - len(found.eigenvalues)]])
    moving = spectrum.in_order(rates[np.abs(rates) * time > spectrum.NEUTRAL])
    neutral = UNKNOWN if found.neutral is None else size - len(moving)
    decision = Decision.stable if moving.size and found.status == Status.completed else Decision.undecided
    if (moving.real >= 0).any():
        decision = Decision.unstable
    threshold = spectrum.NEUTRAL / time
    return Verdict(
        moving, decision, threshold, NAN, neutral, (UNKNOWN,) * 3, NAN, NAN, speed, found.method, status, fixed
    )


def step_of(problem: Any) -> float | None:
    """The step of one update; None for a flow, and for the drift of an equation with noise."""
    if problem is None or problem.spec.dynamics.kind != "updates":
        return None
    rate, batch = problem.spec.dynamics.learning_rate, problem.spec.dynamics.batch
    return rate if batch == "full" else rate * batch / problem.spec.data.samples


def _parts(problem: Any, network: Any, neutral: int | None) -> tuple[int, int, int]:
    """How many neutral directions are symmetry orbits, others, and taken away by the constraint."""
    signal, shape = problem.rule.signal(network), geometry(problem.constraint)
    constraint = problem.constraint.codimension(network)
    orbit = orbit_dimension(network, signal, shape.masks) if signal is not None and shape is not None else None
    if orbit is None or neutral is None:
        return UNKNOWN if orbit is None else orbit, UNKNOWN, constraint
    return orbit, neutral - constraint - orbit, constraint
