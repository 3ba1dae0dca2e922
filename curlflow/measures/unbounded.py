"""Whether motion grows without a sign of a bound, and by what law: exponentially or as a power of time.

The window is cut into tenths, in each of which rₖ is the largest distance from the start of the run. Motion *grows
steadily* if every tenth goes beyond those before, and no step rₖ₊₁ − rₖ is below a quarter of the mean of the steps
before it, as those of motion that settles soon are. Bounded motion does not: nine records in a row do not come by
chance, and an oscillation grows steadily only where the window is shorter than half its period.

The law is the better one of two straight lines: ln r against t, or against ln t, where t counts from the start.
Growth by e²⁰ through the window, to e²⁰ times the scale of the start (at least 1, for the model has no units), is
divergence, though nothing overflows yet. Slower growth says nothing for sure: an angle that goes round grows with t
too, and an instability from rounding grows exponentially until it saturates.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from ..variable import Variable

TENTHS = 10
"""Into so many parts a window is cut."""
SLOWER = 0.25
"""A step that is less than this share of the mean of those before it is a sign of a bound."""
SLIGHT = 0.01
"""Growth by less than this, in ln r, is none."""
BEYOND = 20.0
"""Growth by this, in ln r, is divergence."""
MAXIMA = "from ten maxima that depend on each other; no error is known"
"""The uncertainty of the growth."""
R = ("realization",)
NONE = {"comment": "NaN: it does not grow steadily"}
VARIABLES = (
    Variable(
        "log_growth",
        R,
        "ln of the growth of the distance from the start over the window",
        attributes=NONE,
        uncertainty=MAXIMA,
    ),
    Variable(
        "growth_rate", R, "rate of that growth, if exponential, per unit of time", attributes=NONE, uncertainty=MAXIMA
    ),
    Variable("growth_power", R, "exponent of that growth, if a power of time", attributes=NONE, uncertainty=MAXIMA),
    Variable("unbounded", R, "whether that growth is over so many orders of magnitude that it is divergence"),
)


class SteadyGrowth(NamedTuple):
    """How the distance from the start grows: ln of the growth from the first to the last tenth of a window, and its
    law, e^(`rate` t) or t^`power`, of which the other is NaN. All are NaN for motion that does not grow steadily."""

    log: float = np.nan
    rate: float = np.nan
    power: float = np.nan
    unbounded: bool = False


def steady_growth(
    series: Float[np.ndarray, "samples observables"],
    times: Float[np.ndarray, " samples"],
    start: Float[np.ndarray, " observables"],
) -> SteadyGrowth:
    """The growth of the observable that grows most, or of the largest one of them, in turns.

    Samples that are not finite are beyond all bounds; growth goes up to the first tenth with one.

    **Arguments:**

    - `series`: the observables through the window.
    - `times`: of the samples, in increasing order, counted from the start of the run.
    - `start`: the observables there.
    """
    if len(series) < 2 * TENTHS or not np.isfinite(start).all():
        return SteadyGrowth()
    edges = np.linspace(0, len(series), TENTHS + 1).astype(int)
    with np.errstate(invalid="ignore", over="ignore"):
        distance = np.nan_to_num(np.abs(series - start), nan=np.inf, posinf=np.inf)
    reached = np.maximum.reduceat(distance, edges[:-1], axis=0)
    reached = np.concatenate([reached, reached.max(axis=1, keepdims=True)], axis=1)
    scales = np.maximum(1.0, np.abs(np.append(start, np.abs(start).max())))
    found = [_law(r, times[edges[1:] - 1], scale) for r, scale in zip(reached.T, scales, strict=True)]
    return max(found, key=lambda one: (one.unbounded, np.nan_to_num(one.log, nan=-np.inf)))


def _law(reached: Float[np.ndarray, " tenths"], ends: Float[np.ndarray, " tenths"], scale: float) -> SteadyGrowth:
    """The growth of one distance, from its largest value in every tenth, and the time at the end of each."""
    finite = np.isfinite(reached)
    number = int(np.argmin(finite)) if not finite.all() else len(reached)
    if finite[number:].any() or number < 3 or not reached[0] > 0:
        return SteadyGrowth()
    logs, steps, t = np.log(reached[:number]), np.diff(reached[:number]), ends[:number]
    before = np.cumsum(steps)[:-1] / np.arange(1, number - 1)
    total = float(logs[-1] - logs[0])
    if not (steps > 0).all() or (steps[1:] < SLOWER * before).any() or total < SLIGHT:
        return SteadyGrowth()
    (rate, of_time), (power, of_log) = (_line(x, logs) for x in (t, np.log(t)))
    law = (rate, np.nan) if of_time < of_log else (np.nan, power)
    return SteadyGrowth(total, *law, bool(total >= BEYOND and logs[-1] >= BEYOND + np.log(scale)))


def _line(x: Float[np.ndarray, " tenths"], y: Float[np.ndarray, " tenths"]) -> tuple[float, float]:
    """The slope of the straight line through points, and the sum of squares that it leaves."""
    x, y = x - x.mean(), y - y.mean()
    slope = float(x @ y / (x @ x))
    return slope, float(np.sum((y - slope * x) ** 2))
