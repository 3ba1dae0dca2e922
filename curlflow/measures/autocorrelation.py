"""Autocorrelation of time series, and their correlation times.

For a series of T values xₜ with mean x̄, sampled at equal intervals,

    c(k) = 1/(T − k) Σₜ (xₜ − x̄)(xₜ₊ₖ − x̄),    r(k) = c(k)/c(0),                                    (9)

by FFT with zeros appended, so that the end of a series does not wrap around to its beginning. For many series
(weights) there are two averages: the mean of the ratios r, in which all series have the same weight, and the ratio of
the mean covariances, in which those that move most dominate. Series that do not move are left out.

The integrated time τ = ½ + Σₖ r(k) is summed up to the first lag k ≥ 5 τ(k): over all lags the sum of the estimate
that divides by T is −½ by construction. An exponential e^(−k/θ) with θ ≫ 1 has τ = θ, independent values have τ = ½.
With (9) the mean of T values has the variance 2 τ c(0)/T.

Standard errors come from batches of times b: to first order, r(k) is its mean plus the sum over batches of

    δ_b(k) = [S_b(k) − n_b(k) c(k)]/[(T − k) c(0)] − r(k) [S_b(0) − n_b(0) c(0)]/[T c(0)],

where S_b(k) are the sums over the n_b(k) products whose first factor is in b. The δ of nearly independent batches
have the mean 0, so that r(k) has the variance B/(B − 1) Σ_b δ_b(k)² for B batches; sums and interpolations of r have
that of the same sums of δ_b. Windows of many integrated times have such batches.

Source: Sokal, Monte Carlo Methods in Statistical Mechanics (1997), section 3; Priestley, Spectral Analysis and Time
Series (1981), section 5.3.
"""

from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy import fft

from .standard_error import BATCHES

WINDOW = 5.0
"""Sokal's c: the integrated time is summed up to this many times itself."""
ROUNDING = 1e-14
"""A series whose standard deviation is below this share of its largest value does not move."""
LONG_ENOUGH = 50
"""A window with fewer integrated times than this is too short for averages."""
TOGETHER = 2**20
"""Values that are transformed together, which bounds the memory."""


class WindowStatus(IntEnum):
    """Whether a window is long enough for averages, and if not, why."""

    long_enough = 0
    still = 1
    short = 2
    lags_too_few = 3
    not_seen = 4


class Averages(NamedTuple):
    """Averages of the autocorrelations of many series, the standard deviation of r(k) over them, and which ones move.

    In `mean_of_ratios` every series counts the same, in `ratio_of_means` as much as its variance.
    """

    mean_of_ratios: Float[np.ndarray, " lags"]
    ratio_of_means: Float[np.ndarray, " lags"]
    spread: Float[np.ndarray, " lags"]
    moving: Bool[np.ndarray, " series"]


def autocovariance(series: Float[np.ndarray, "times series"], lags: int) -> Float[np.ndarray, "lags series"]:
    """c(0) … c(lags − 1) of every column, equation (9). **Raises:** `ValueError` for more lags than times."""
    series = np.asarray(series, dtype=float)
    times, number = series.shape
    if not 1 <= lags <= times:
        raise ValueError(f"lags: got {lags}, allowed are 1 to {times}, the number of times.")
    length = fft.next_fast_len(times + lags - 1, real=True)
    found = np.empty((lags, number))
    step = max(1, TOGETHER // length)
    for first in range(0, number, step):
        part = series[:, first : first + step]
        # The first value is subtracted before the mean, so that a large mean does not round what varies.
        part = part - part[0]
        transformed = fft.rfft(part - part.mean(axis=0), length, axis=0)
        power = transformed.real**2 + transformed.imag**2
        found[:, first : first + step] = fft.irfft(power, length, axis=0)[:lags]
    return found / (times - np.arange(lags))[:, None]


def moving(series: Float[np.ndarray, "times series"]) -> Bool[np.ndarray, " series"]:
    """Which columns vary by more than rounding."""
    series = np.asarray(series, dtype=float)
    step = max(1, TOGETHER // max(1, series.shape[0]))
    parts = [series[:, first : first + step] for first in range(0, series.shape[1], step)]
    found = [(p - p[0]).std(axis=0) > ROUNDING * np.abs(p).max(axis=0, initial=0.0) for p in parts]
    return np.concatenate([np.empty(0, dtype=bool), *found])


def autocorrelation(series: Float[np.ndarray, "times series"], lags: int) -> Float[np.ndarray, "lags series"]:
    """r(0) = 1 … r(lags − 1) of every column; NaN for columns that do not move. **Raises:** as `autocovariance`."""
    covariance = autocovariance(series, lags)
    return covariance / np.where(moving(series) & (covariance[0] > 0), covariance[0], np.nan)


def averages(series: Float[np.ndarray, "times series"], lags: int) -> Averages:
    """Both averages over the columns that move; NaN where none does. **Raises:** as `autocovariance`."""
    covariance = autocovariance(series, lags)
    chosen = moving(series) & (covariance[0] > 0)
    if not chosen.any():
        return Averages(*np.full((3, lags), np.nan), chosen)
    covariance = covariance[:, chosen]
    ratios = covariance / covariance[0]
    means = covariance.mean(axis=1)
    return Averages(ratios.mean(axis=1), means / means[0], ratios.std(axis=1), chosen)


def deviations(series: Float[np.ndarray, "times series"], lags: int) -> Float[np.ndarray, "averages batches lags"]:
    """What every batch of times adds to both averages over the columns that move; NaN for series of
    fewer than two values for each batch, or that do not move. **Raises:** as `autocovariance`."""
    covariance = autocovariance(series, lags)
    chosen = moving(series) & (covariance[0] > 0)
    times, starts = len(series), np.arange(BATCHES + 1) * len(series) // BATCHES
    found = np.full((2, BATCHES, lags), np.nan)
    if times < 2 * BATCHES or not chosen.any():
        return found
    covariance, origin = covariance[:, chosen], series[0, chosen]
    mean = (series[:, chosen] - origin).mean(axis=0)
    means, products = covariance.mean(axis=1), times - np.arange(lags)
    for b, (first, last) in enumerate(zip(starts[:-1], starts[1:], strict=True)):
        length = fft.next_fast_len(int(last - first) + lags, real=True)
        part = series[first : last + lags, chosen] - origin - mean
        left, right = (fft.rfft(part[:end], length, axis=0) for end in (last - first, last - first + lags))
        sums = fft.irfft(left.conj() * right, length, axis=0)[:lags]
        number = np.clip(times - np.arange(lags) - first, 0, last - first)
        change = (sums - number[:, None] * covariance) / products[:, None]
        by_ratio = (change - covariance / covariance[0] * change[0]) / covariance[0]
        found[0, b] = by_ratio.mean(axis=1)
        change = change.mean(axis=1)
        found[1, b] = (change - means / means[0] * change[0]) / means[0]
    return found


def error_of(deviation: Float[np.ndarray, "batches *rest"]) -> Float[np.ndarray, "*rest"]:
    """The standard error of a sum to which batches add this."""
    return np.asarray(np.sqrt(BATCHES / (BATCHES - 1) * np.sum(deviation**2, axis=0)))


def integrated_time(correlation: Float[np.ndarray, " lags"]) -> float:
    """τ = ½ + Σ r(k) up to the first lag k ≥ 5 τ(k), in sampling intervals; NaN where that needs more lags."""
    return correlation_times(correlation)[0]


def decay_time(correlation: Float[np.ndarray, " lags"]) -> float:
    """The first time at which r falls to 1/e, interpolated linearly, in sampling intervals; NaN for none."""
    return correlation_times(correlation)[1]


def correlation_times(
    correlation: Float[np.ndarray, " lags"], deviation: Float[np.ndarray, "batches lags"] | None = None
) -> tuple[float, float, float, float]:
    """`integrated_time` and `decay_time`, and their standard errors, to which batches add `deviation`."""
    r = np.asarray(correlation, dtype=float)
    deviation = np.full((BATCHES, r.size), np.nan) if deviation is None else deviation
    found = np.full(4, np.nan)
    sums = 0.5 + np.cumsum(r[1:])
    enough = np.flatnonzero(np.arange(1, r.size) >= WINDOW * sums)
    if enough.size:
        found[[0, 2]] = sums[enough[0]], float(error_of(deviation[:, 1 : enough[0] + 2].sum(axis=1)))
    below = np.flatnonzero(r <= np.exp(-1))
    if below.size and below[0] > 0:
        k, slope = int(below[0]), r[below[0]] - r[below[0] - 1]
        part = (np.exp(-1) - r[k - 1]) / slope
        error = float(error_of((1 - part) * deviation[:, k - 1] + part * deviation[:, k])) / abs(slope)
        found[[1, 3]] = k - 1 + part, error
    return tuple(map(float, found))


def window_status(found: Averages, tau: float, times: int) -> WindowStatus:
    """Whether a window of that many times is long enough for averages, given its integrated time `tau`."""
    if not found.moving.any():
        return WindowStatus.still
    if np.isnan(tau):
        return WindowStatus.lags_too_few
    return WindowStatus.short if times < LONG_ENOUGH * max(tau, 0.5) else WindowStatus.long_enough


def of_records(records: Float[np.ndarray, "times series"], lags: int, interval: float) -> dict[str, Any]:
    """What the records of a window say, by name, with times in the unit of `interval`; nothing of fewer than two."""
    found, status = Averages(*np.empty((3, 0)), np.empty(0, dtype=bool)), WindowStatus.not_seen
    errors, times = np.empty((2, 0)), np.full(4, np.nan)
    if len(records) >= 2 and not np.isnan(records).any():
        lags = min(lags, max(1, len(records) // 2))
        found, deviation = averages(records, lags), deviations(records, lags)
        errors = error_of(deviation.swapaxes(0, 1))
        times = np.array(correlation_times(found.mean_of_ratios, deviation[0]))
        status = window_status(found, float(times[0]), len(records))
    names = "integrated_time", "decay_time", "integrated_time_se", "decay_time_se"
    return {
        "autocorrelation": found.mean_of_ratios,
        "autocorrelation_se": errors[0],
        "autocorrelation_weighted": found.ratio_of_means,
        "autocorrelation_weighted_se": errors[1],
        "autocorrelation_spread": found.spread,
        **dict(zip(names, (times * interval).tolist(), strict=True)),
        "moving": int(found.moving.sum()),
        "window_status": np.int8(status),
    }
