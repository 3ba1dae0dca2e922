"""Whether a motion repeats: after what lag a trajectory returns to where it was, and how closely.

The mean square distance of values k apart, over twice the variance,

    d(k) = ⟨|x_{t+k} − x_t|²⟩ / 2⟨|x − x̄|²⟩,                                                          (16)

is 1 − r(k) for the weighted autocorrelation r, near 1 for uncorrelated values, and 0 at the period of a periodic
motion. For flows, whose sampling interval does not divide the period, the lowest point of the polynomial through the
values about a minimum takes the place of the minimum.

A motion with two frequencies also comes near to where it was, when two oscillations are nearly in phase again. But
their phases then differ twice as much after twice the time: a motion is periodic if it returns as closely every time.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.interpolate import BarycentricInterpolator

from .autocorrelation import autocovariance

REPEATS = 1e-12
"""States of a map are the same if d(k) is at most this."""
SLIGHT = 1e-4
"""A motion has returned if d(k) is at most this, where phases differ by a hundredth of a radian. With less, a motion
that still settles a little could not be told from one with two frequencies."""
AROUND = 4
"""Samples on each side of a minimum of d through which a polynomial is laid."""
REPEATED = 4
"""Several returns count as one period if that period repeats this many times within the lags."""


class Return(NamedTuple):
    """When a motion returns: the first lag, in samples, d there, and the largest d at multiples of it; NaN for never.

    It returns every time (`steady`) if that is no more than sampling explains.
    """

    lag: float
    distance: float
    farthest: float
    steady: bool


def distances(series: Float[np.ndarray, "times observables"], lags: int) -> Float[np.ndarray, " lags"]:
    """d(0) … d(lags − 1), equation (16); every column is weighted by its variance. NaN where nothing moves."""
    series = np.asarray(series, dtype=float)
    times = series.shape[0]
    shifted = series - series[0]
    shifted = shifted - shifted.mean(axis=0)
    squares = np.sum(shifted**2, axis=1)
    mean = squares.mean()
    # Sums of differences from the mean stay small, and round less.
    sums = np.concatenate([[0.0], np.cumsum(squares - mean)])
    k = np.arange(lags)
    products = autocovariance(shifted, lags).sum(axis=1)
    energies = 2 * mean + (sums[times - k] + sums[-1] - sums[k]) / (times - k)
    total = 2 * mean
    return np.maximum(energies - 2 * products, 0.0) / total if total > 0 else np.full(lags, np.nan)


def first_return(distance: Float[np.ndarray, " lags"], near: float, continuous: bool) -> Return:
    """The first minimum of d, after it has been above ½, that is below `near`; or the first of its multiples from
    which the motion returns every time.

    For a map whose states repeat, it is the first lag at which they do: a cycle that has doubled its period many
    times comes close to where it was long before that. `continuous` says that the values are samples of a flow.
    """
    same = np.flatnonzero(distance[1:] < REPEATS) + 1
    if not continuous and same.size:
        return Return(float(same[0]), float(distance[same[0]]), float(distance[same[0] :: same[0]].max()), True)
    first = _first_near(distance, near, continuous)
    if np.isnan(first[0]):
        return Return(np.nan, np.nan, np.nan, False)
    lags, left = _multiples(distance, first, continuous)
    slight = max(SLIGHT, sampled(distance) if continuous else 0.0)
    for number in (1, *range(2, len(left) // REPEATED + 1)):
        if left[number - 1 :: number].max() <= slight:
            return Return(lags[number - 1], left[number - 1], float(left[number - 1 :: number].max()), True)
    return Return(*first, float(left.max()), False)


def sampled(distance: Float[np.ndarray, " lags"]) -> float:
    """The largest d(k) at the return of a periodic motion that the finite sampling of a flow explains.

    Smooth motion has d(2) = 4 d(1); motion that jumps between two samples has 2 d(1), and returns to within ½ d(1).
    """
    return max(0.0, (4 * distance[1] - distance[2]) / 4) if len(distance) > 2 else 0.0


def _first_near(distance: Float[np.ndarray, " lags"], near: float, continuous: bool) -> tuple[float, float]:
    """The lag and the height of the first minimum below `near`, after d has been above ½."""
    away = np.flatnonzero(distance > 0.5)
    first = int(away[0]) + 1 if away.size else len(distance)
    inner = distance[1:-1]
    lowest = np.flatnonzero((inner <= distance[:-2]) & (inner <= distance[2:])) + 1
    for k in map(int, lowest[lowest >= first]):
        lag, left = _lowest(distance, k) if continuous else (float(k), float(distance[k]))
        if left < near:
            return lag, left
    return np.nan, np.nan


def _multiples(
    distance: Float[np.ndarray, " lags"], first: tuple[float, float], continuous: bool
) -> tuple[list[float], Float[np.ndarray, " returns"]]:
    """The minima of d about once, twice, … the first lag, as far as d is known."""
    if not continuous:
        step = round(first[0])
        return [float(k) for k in range(step, len(distance), step)], distance[step::step]
    lags, left = [first[0]], [first[1]]
    while True:
        # The lags so far give the time of a return more exactly than the first one does.
        period = lags[-1] / len(lags)
        middle, around = lags[-1] + period, max(1, int(period / 8))
        begin, end = int(middle) - around, int(middle) + around + 2
        if end + AROUND > len(distance):
            return lags, np.array(left)
        lag, lowest = _lowest(distance, begin + int(np.argmin(distance[begin:end])))
        lags.append(lag)
        left.append(lowest)


def _lowest(distance: Float[np.ndarray, " lags"], k: int) -> tuple[float, float]:
    """The lowest point within a sample of `k` of the polynomial through the values about it."""
    begin, end = max(k - AROUND, 0), min(k + AROUND + 1, len(distance))
    places = np.linspace(-1.0, 1.0, 401)
    # SciPy shuffles the nodes: without a seed the last digit would depend on NumPy's global state.
    values = BarycentricInterpolator(np.arange(begin, end) - k, distance[begin:end], rng=0)(places)
    i = min(max(int(np.argmin(values)), 1), len(values) - 2)
    before, here, after = values[i - 1 : i + 2]
    curvature = before - 2 * here + after
    # Between two places a parabola does.
    shift = np.clip(0.5 * (before - after) / curvature, -1, 1) if curvature > 0 else 0.0
    lowest = here - 0.25 * (before - after) * shift
    return float(k + places[i] + shift * (places[1] - places[0])), float(max(lowest, 0.0))
