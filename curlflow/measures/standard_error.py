"""Standard errors of time averages, by batch means and by the spectrum near zero.

A series of T correlated values is cut into m long batches; the means of the batches are nearly independent, so that
s/√m, with s their standard deviation, is the standard error of the mean of the whole series, and quantiles of
Student's t with m − 1 degrees of freedom belong to it. Batches that are too short overstate the error of
anti-correlated series and understate that of correlated ones; batches of twice the length show whether they are long
enough. The spectrum at the lowest frequencies knows both kinds, and gives the error where a series is long enough.

Source: Flegal & Jones, Ann. Stat. 38 (2010) 1034; Law & Kelton, Simulation Modeling and Analysis, ch. 9; Heidelberger
& Welch, Communications of the ACM 24 (1981) 233, for errors by the spectrum.
"""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from scipy.special import fdtri, stdtrit

from ..variable import CHECK, Variable

BATCHES = 24
"""Number of batches; even, so that pairs of them are the batches of twice the length."""
FREQUENCIES = 32
"""How many of the lowest frequencies the spectrum is fitted at."""
DECAYS = 4.0, 16.0, 64.0, 256.0
"""Squares of the highest of these frequencies over the half-widths of the peaks that correlations may have."""
FEWEST = 48
"""Shorter series have too few frequencies."""
ROUNDS = 200
"""Steps of the fit: its errors are within a few per cent of those of many more."""
LEAST = 1e-75
"""What of the mean of the spectrum counts as nothing."""
SCALES = 4
"""How many lengths of batches are compared, each half the one before."""
SHORTEST = 4
"""How many values the shortest batches have at least."""
RISING = 1.1
"""Batches are too short where twice the length gives more than this times the variance."""

RATIO = "standard error by 12 batches over that by 24, half as long; near 1 if these are long enough"
VARIABLES = (
    Variable("lyapunov_exponent_se", ("realization", "exponent"), "standard error of the Lyapunov exponent"),
    Variable("se_ratio", ("realization", "exponent"), RATIO, uncertainty=CHECK),
)


def batch_means(series: Float[np.ndarray, "length *rest"], batches: int) -> Float[np.ndarray, "batches *rest"]:
    """The means of so many batches of a series, all of whose values are used: lengths differ by one at most."""
    edges = np.arange(batches + 1) * len(series) // batches
    with np.errstate(invalid="ignore"):
        sums = np.add.reduceat(series, edges[:-1], axis=0)
        return sums / np.diff(edges).reshape(-1, *[1] * (series.ndim - 1))


def batch_means_error(
    series: Float[np.ndarray, "length *rest"], batches: int = BATCHES
) -> Float[np.ndarray, "*rest"]:
    """The standard error of the mean of `series` along its first axis; NaN for fewer than two values.

    Series shorter than one value per batch get as many batches as there are values. The error is infinite where the
    mean of some batches, and NaN where that of all, is −∞.
    """
    series = np.asarray(series, dtype=float)
    batches = min(batches, len(series))
    if batches < 2:
        return np.full(series.shape[1:], np.nan)
    means = batch_means(series, batches)
    infinite = np.isinf(means)
    with np.errstate(invalid="ignore"):
        error = means.std(axis=0, ddof=1) / np.sqrt(batches)
    error = np.where(infinite.any(axis=0), np.inf, error)
    return np.asarray(np.where(infinite.all(axis=0), np.nan, error))


def long_run_error(series: Float[np.ndarray, "length *rest"]) -> Float[np.ndarray, "*rest"]:
    """The standard error of the mean of `series` along its first axis, by its spectrum near zero.

    The variance of the mean of T values is S(0)/T + 2 v/T², where S is the spectrum, and v the variance of their
    sums about a straight line. S is fitted at the 32 lowest frequencies by non-negative shares of a constant, of the
    Lorentzians of correlations that decay within 1/100 to 1/12 of the series, and of what grows as the second and the
    fourth power of the frequency, as the spectrum of values does whose sums are bounded; v is what remains of these.
    The fit is that of greatest likelihood for ordinates that are distributed exponentially about S. A series of fewer
    than 48 values, or with infinite ones, gets the error of `batch_means_error`.

    Source: Heidelberger and Welch (1981), who fit a polynomial to log S; Févotte, Bertin and Durrieu, Neural
    Computation 21 (2009) 793, for the steps of the fit.
    """
    series = np.asarray(series, dtype=float)
    length, plain = len(series), batch_means_error(series)
    if length < FEWEST:
        return plain
    finite = np.isfinite(series).all(axis=0)
    values = np.where(finite, series, 0.0).reshape(length, -1)
    values = values - values.mean(axis=0)
    size = np.abs(values).max(axis=0)
    values = values / np.where(size > 0, size, 1.0)
    sums, place = np.cumsum(values, axis=0), np.linspace(-1, 1, length)
    bounded = (sums - np.outer(place, place @ sums / (place @ place))).var(axis=0)
    error = size * np.sqrt(_spectrum_at_zero(values) / length + 2 * bounded / length**2)
    return np.where(finite, error.reshape(series.shape[1:]), plain)


def _spectrum_at_zero(values: Float[np.ndarray, "length series"]) -> Float[np.ndarray, " series"]:
    """S(0): T times the variance of the means of series whose length T is far beyond their correlations."""
    length = len(values)
    taper = np.sin(np.pi * (np.arange(length) + 0.5) / length)  # ends that do not meet would leak into S(0)
    tapered = (values - taper @ values / taper.sum()) * taper[:, None] * np.sqrt(2 / length)
    ordinates = np.abs(np.fft.rfft(tapered, axis=0)[1 : min(FREQUENCIES, (length - 5) // 2) + 1]) ** 2
    size = ordinates.mean(axis=0)
    ordinates = ordinates / np.where(size > 0, size, 1.0)
    square = (np.arange(1, len(ordinates) + 1) / len(ordinates)) ** 2
    at_zero = [np.ones_like(square), *(1 / (1 + decay * square) for decay in DECAYS)]
    shapes = np.stack([*at_zero, square, square**2], axis=1)
    shares = np.full((shapes.shape[1], len(size)), 1 / shapes.shape[1])
    for _ in range(ROUNDS):
        inverse = 1 / np.maximum(shapes @ shares, LEAST)
        shares *= (shapes.T @ (ordinates * inverse**2)) / (shapes.T @ inverse)
    return size * shares[: len(at_zero)].sum(axis=0)


def long_correlations(
    series: Float[np.ndarray, "length *rest"], confidence: float = 0.95
) -> Bool[np.ndarray, "*rest"]:
    """Whether the standard error by batches still grows with their length at the longest, and may grow further.

    The variances of the longest and the shortest batches are compared as independent ones.
    """
    counts, scaled = _scaled_variances(np.asarray(series, dtype=float))
    if len(counts) < 2:
        return np.zeros(scaled.shape[1:], dtype=bool)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.nan_to_num(scaled[0] / scaled[-1])
        growing = scaled[0] > RISING * scaled[1]
    return growing & (ratio > fdtri(counts[0] - 1, counts[-1] - 1, confidence))


def _scaled_variances(series: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of batches, and for each the variance of their means times their length."""
    counts = BATCHES * 2 ** np.arange(SCALES)
    counts = counts[counts * SHORTEST <= len(series)]
    if len(counts) == 0:
        return counts, np.zeros((0, *series.shape[1:]))
    with np.errstate(invalid="ignore"):
        variances = np.stack([batch_means(series, m).var(axis=0, ddof=1) for m in counts.tolist()])
    return counts, np.nan_to_num(variances) * len(series) / counts.reshape(-1, *[1] * (series.ndim - 1))


def error_ratio(series: Float[np.ndarray, "length *rest"]) -> Float[np.ndarray, "*rest"]:
    """The standard error from batches of twice the length over that of `batch_means_error`.

    NaN for series that are constant up to rounding.
    """
    series = np.asarray(series, dtype=float)
    error = batch_means_error(series)
    with np.errstate(invalid="ignore", divide="ignore"):
        constant = error <= 1e-12 * np.maximum(1.0, np.abs(series).max(axis=0, initial=0.0))
        return np.where(constant, np.nan, batch_means_error(series, BATCHES // 2) / error)


def halves_agree(
    series: Float[np.ndarray, "length k"], resolution: Any = 0.0, confidence: float = 0.95
) -> Bool[np.ndarray, " k"]:
    """Whether the means of the two halves of each series differ by no more than two standard errors allow.

    Their difference has twice the standard error of the mean of all, so that a gap of 2 · t · SE is allowed, where t
    is Student's two-sided quantile for `confidence`, and of four times the `resolution` of the values besides. Fewer
    than four values never agree, rounding always does, and so do halves that are both infinite.
    """
    series = np.asarray(series, dtype=float)
    if len(series) < 4:
        return np.zeros(series.shape[1:], dtype=bool)
    half = len(series) // 2
    first, second = series[:half].mean(axis=0), series[len(series) - half :].mean(axis=0)
    t = stdtrit(min(BATCHES, len(series)) - 1, (1 + confidence) / 2)
    with np.errstate(invalid="ignore"):
        rounding = 1e-9 * np.maximum(1.0, np.abs(series).max(axis=0))
        error = np.where(np.isinf(series).any(axis=0), 0.0, batch_means_error(series))
        close = np.abs(first - second) <= 2 * t * error + rounding + 4 * resolution
    return close | ((first == second) & np.isinf(first))
