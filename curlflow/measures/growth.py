"""How fast small deviations from a solution grow, and for how long rounding can hide that they do.

With the eigenvalues μ of the linearisation, deviations from a fixed point of a flow grow by e^μ per unit of time, and
those of updates with the step η by |1 + ημ| per update.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Complex

MARGIN = 1e-6
"""Rates must be below minus this times the largest, multipliers below one by this times the largest step."""
ROUNDED = 1e15
"""Deviations grow by this factor from rounding until they are visible."""


class Rates(NamedTuple):
    """Whether a solution is stable by the margin, and how fast deviations grow, by time or update; 0 if none does."""

    stable: bool
    growth: float


def rates(eigenvalues: Complex[np.ndarray, " k"], step: float | None) -> Rates:
    """The rates at a solution from its eigenvalues that are not neutral; `step` is that of updates, or None."""
    largest = float(np.abs(eigenvalues).max())
    stable = bool((eigenvalues.real < -MARGIN * largest).all())
    if step is None:
        return Rates(stable, max(0.0, float(eigenvalues.real.max())))
    multipliers = np.abs(1 + step * eigenvalues)
    inside = bool((multipliers < 1 - MARGIN * min(1.0, step * largest)).all())
    return Rates(stable and inside, max(0.0, math.log(float(multipliers.max()))))


def held_time(growth: float) -> float:
    """How long an instability of this rate may take to grow from rounding, three times over."""
    return math.inf if growth <= 0 else 3 * math.log(ROUNDED) / growth
