"""Autocorrelation of time series, and their correlation times.

For a series of T values xₜ with mean x̄, sampled at equal intervals,

    c(k) = 1/(T − k) Σₜ (xₜ − x̄)(xₜ₊ₖ − x̄),    r(k) = c(k)/c(0),                                    (9)

by FFT with zeros appended, so that the end of a series does not wrap around to its beginning. For many series
(weights) there are two averages: the mean of the ratios r, in which all series have the same weight, and the ratio of
the mean covariances, in which those that move most dominate. Series that do not move are left out.

The integrated time τ = ½ + Σₖ r(k) is summed up to the first lag k ≥ 5 τ(k): over all lags the sum of the estimate
that divides by T is −½ by construction. An exponential e^(−k/θ) with θ ≫ 1 has τ = θ, independent values have τ = ½.
With (9) the mean of T values has the variance 2 τ c(0)/T.

Source: Sokal, Monte Carlo Methods in Statistical Mechanics (1997), section 3; Priestley, Spectral Analysis and Time
Series (1981), section 5.3.
"""

from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy import fft

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


def integrated_time(correlation: Float[np.ndarray, " lags"]) -> float:
    """τ = ½ + Σ r(k) up to the first lag k ≥ 5 τ(k), in sampling intervals; NaN where that needs more lags."""
    correlation = np.asarray(correlation, dtype=float)
    sums = 0.5 + np.cumsum(correlation[1:])
    lags = np.arange(1, correlation.size)
    enough = np.flatnonzero(lags >= WINDOW * sums)
    return float(sums[enough[0]]) if enough.size else float("nan")


def decay_time(correlation: Float[np.ndarray, " lags"]) -> float:
    """The first time at which r falls to 1/e, interpolated linearly, in sampling intervals; NaN for none."""
    correlation = np.asarray(correlation, dtype=float)
    below = np.flatnonzero(correlation <= np.exp(-1))
    if below.size == 0 or below[0] == 0:
        return float("nan")
    k = int(below[0])
    before, after = correlation[k - 1], correlation[k]
    return float(k - 1 + (before - np.exp(-1)) / (before - after))


def window_status(found: Averages, tau: float, times: int) -> WindowStatus:
    """Whether a window of that many times is long enough for averages, given its integrated time `tau`."""
    if not found.moving.any():
        return WindowStatus.still
    if np.isnan(tau):
        return WindowStatus.lags_too_few
    return WindowStatus.short if times < LONG_ENOUGH * max(tau, 0.5) else WindowStatus.long_enough


def of_records(records: Float[np.ndarray, "times series"], lags: int, interval: float) -> dict[str, Any]:
    """What the records of a window say, by name, with times in the unit of `interval`; nothing of fewer than two."""
    found, tau, status = Averages(*np.empty((3, 0)), np.empty(0, dtype=bool)), np.nan, WindowStatus.not_seen
    if len(records) >= 2 and not np.isnan(records).any():
        found = averages(records, min(lags, max(1, len(records) // 2)))
        tau = integrated_time(found.mean_of_ratios)
        status = window_status(found, tau, len(records))
    return {
        "autocorrelation": found.mean_of_ratios,
        "autocorrelation_weighted": found.ratio_of_means,
        "autocorrelation_spread": found.spread,
        "integrated_time": tau * interval,
        "decay_time": decay_time(found.mean_of_ratios) * interval,
        "moving": int(found.moving.sum()),
        "window_status": np.int8(status),
    }
