"""Close runs in pairs: whether their distance after a long time still depends on how close they began.

Two runs begin a small distance δ apart, relative to the extent of the attractor. In chaos they part at the rate λ₁
for the Lyapunov prediction time T_λ = ln(1/δ)/λ₁; in regular motion they stay close. With every observable in units
of its standard deviation, so that x and y have the mean square 1 in each of n of them,

    d² = |x − y|²/n,        ⟨d⟩ ∝ δ^ν,        C = 1 − ⟨d²⟩/2,                                             (27)

over times long after T_λ: ν is near 1 for regular motion and near 0 for chaos, of either of two kinds. In strong
chaos the runs have nothing in common any more, and their cross-correlation C is near 0. In *partially predictable
chaos* they have parted within a narrow braid, along which both still go in step: C stays near 1 until they diffuse
apart, much later than T_λ. The 0–1 test takes that for regular motion.

Source: Wernecke, Sándor & Gros, Sci. Rep. 7 (2017) 1087, who have ν and C as a pair of 0–1 indicators.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from ..variable import Variable
from .standard_error import batch_means_error

INITIAL = (1e-6, 1e-5, 1e-4)
"""Initial distances δ, relative to the extent of the attractor."""
BETWEEN = 0.5
"""ν and C below this count as 0, above as 1."""
SIGNIFICANT = 3.0
"""C is above that if it is by so many standard errors: of a few pairs it is uncertain."""
TIMES = 10.0
"""Pairs are followed for this many prediction times of the smallest δ, if the window is that long."""
FEWEST_TIMES = 2.0
"""Shorter runs say nothing: distances are averaged over the second half, which has to begin after that time."""
MOST = 16
"""The most pairs."""
R = ("realization",)
VARIABLES = (
    Variable("cross_distance_exponent", R, "ν, by which the late distance of close runs depends on the initial one"),
    Variable("cross_distance_exponent_se", R, "standard error of ν, from its scatter over pairs, to first order"),
    Variable("cross_correlation", R, "C, late cross-correlation of runs that begin close to each other"),
    Variable("cross_correlation_se", R, "standard error of C, from its scatter over pairs"),
    Variable("cross_distance", (*R, "initial_distance"), "mean late distance, in standard deviations of observables"),
    Variable(
        "cross_distance_se", (*R, "initial_distance"), "standard error of that mean, from its scatter over pairs"
    ),
    Variable("prediction_time", R, "T_λ, after which chaos has parted runs that begin at the smallest distance"),
    Variable("prediction_time_se", R, "standard error of T_λ, to first order in that of λ₁"),
    Variable("pairs", R, "pairs of runs at every initial distance; 0: none were needed"),
)


UNKNOWN = np.full(len(INITIAL), np.nan)


class CrossDistance(NamedTuple):
    """ν, C with its standard error, and the late distances for each of `INITIAL` of so many `pairs`; NaN for none.

    The standard errors of ν and of the distances are from the scatter over pairs, NaN for fewer than two of them.
    """

    exponent: float = np.nan
    correlation: float = np.nan
    error: float = np.nan
    distances: Float[np.ndarray, " initial"] = UNKNOWN
    pairs: int = 0
    exponent_error: float = np.nan
    distance_errors: Float[np.ndarray, " initial"] = UNKNOWN

    @property
    def parts(self) -> bool:
        """Whether the late distance does not depend on the initial one, which is so in chaos."""
        return self.exponent < BETWEEN

    @property
    def correlated(self) -> bool:
        """Whether runs are still correlated for sure, although they may have parted."""
        return self.correlation - SIGNIFICANT * self.error > BETWEEN


def prediction_time(exponent: float) -> float:
    """T_λ = ln(1/δ)/λ₁ for the smallest δ of `INITIAL`."""
    return float(-np.log(min(INITIAL)) / exponent)


def followed(exponent: float, window: float) -> tuple[float, int]:
    """How long pairs are followed, and how many, so that they take a window for each δ at most; 0 pairs where the
    window is too short for the exponent."""
    time = prediction_time(exponent)
    length = min(TIMES * time, window)
    return length, min(MOST, int(window / length)) if length >= FEWEST_TIMES * time else 0


def cross_distance(
    first: Float[np.ndarray, "pairs times observables"],
    second: Float[np.ndarray, "initial pairs times observables"],
    spread: Float[np.ndarray, " observables"],
    initial: tuple[float, ...] = INITIAL,
) -> CrossDistance:
    """ν and C, equation (27), from observables long after the prediction time.

    **Arguments:**

    - `first`: of the runs.
    - `second`: of runs that began at the distances `initial` from these.
    - `spread`: standard deviations of the observables.
    """
    squares = np.mean(((second - first) / spread) ** 2, axis=-1)
    of_pairs = np.sqrt(squares).mean(axis=2)
    distances = of_pairs.mean(axis=1)
    # Runs from different distances are as independent, once they have parted, as those from different places.
    each = 1 - squares.mean(axis=2) / 2
    error = float(each.std(ddof=1) / np.sqrt(each.size))
    if not (distances > 0).all():
        return CrossDistance(np.nan, float(each.mean()), error, distances, first.shape[0])
    slope = np.polyfit(np.log(initial), np.log(distances), 1)[0]
    # What one pair adds to ν, to first order: the slope through its distances over their means.
    added = np.polyfit(np.log(initial), of_pairs / distances[:, None], 1)[0]
    errors = batch_means_error(np.vstack([added, of_pairs]).T, first.shape[0])
    return CrossDistance(float(slope), float(each.mean()), error, distances, len(first), float(errors[0]), errors[1:])
