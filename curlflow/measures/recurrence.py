"""Whether a motion repeats: after which lag a trajectory comes back to where it was, and how closely.

The mean square distance of values k apart, over twice the variance,

    d(k) = ⟨|x_{t+k} − x_t|²⟩ / 2⟨|x − x̄|²⟩,                                                          (16)

is 1 − r(k) for the weighted autocorrelation r, near 1 for values that know nothing of each other, and 0 at the period
of a periodic motion. For flows, whose samples do not fit the period, the lowest point of the parabola about a minimum
takes the place of the minimum.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from .autocorrelation import autocovariance


class Return(NamedTuple):
    """The first lag at which a motion comes back, in samples, and the distance that is left there; NaN for none."""

    lag: float
    distance: float


def distances(series: Float[np.ndarray, "times observables"], lags: int) -> Float[np.ndarray, " lags"]:
    """d(0) … d(lags − 1), equation (16); every column counts by its variance. NaN where nothing moves."""
    series = np.asarray(series, dtype=float)
    times = series.shape[0]
    shifted = series - series[0]
    shifted = shifted - shifted.mean(axis=0)
    squares = np.sum(shifted**2, axis=1)
    sums = np.concatenate([[0.0], np.cumsum(squares)])
    k = np.arange(lags)
    products = autocovariance(shifted, lags).sum(axis=1)
    energies = (sums[times - k] + sums[-1] - sums[k]) / (times - k)
    total = 2 * squares.mean()
    return np.maximum(energies - 2 * products, 0.0) / total if total > 0 else np.full(lags, np.nan)


REPEATS = 1e-12
"""d(k) at which the states of a map are the same."""


def first_return(distance: Float[np.ndarray, " lags"], near: float, continuous: bool) -> Return:
    """The first minimum of d, after it has been above ½, that is below `near`.

    Of a map whose states repeat it is the first lag at which they do: a cycle that has doubled its period many times
    comes close to where it was long before that.

    **Arguments:**

    - `distance`: d(0), d(1), …
    - `continuous`: whether the values are samples of a flow.
    """
    same = np.flatnonzero(distance[1:] < REPEATS) + 1
    if not continuous and same.size:
        return Return(float(same[0]), float(distance[same[0]]))
    away = np.flatnonzero(distance > 0.5)
    if away.size == 0:
        return Return(np.nan, np.nan)
    for k in range(int(away[0]) + 1, len(distance) - 1):
        before, here, after = distance[k - 1 : k + 2]
        if here <= before and here <= after:
            lag, left = _lowest(k, before, here, after) if continuous else (float(k), float(here))
            if left < near:
                return Return(lag, left)
    return Return(np.nan, np.nan)


def _lowest(k: int, before: float, here: float, after: float) -> tuple[float, float]:
    """The lowest point of the parabola through three values."""
    curvature = before - 2 * here + after
    if curvature <= 0:
        return float(k), float(here)
    shift = 0.5 * (before - after) / curvature
    return float(k + shift), float(max(here - 0.25 * (before - after) * shift, 0.0))
