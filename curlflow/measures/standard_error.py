"""Standard errors of time averages by batch means.

A series of T correlated values is cut into m long batches; the means of the batches are nearly independent, so that
s/√m, with s their standard deviation, is the standard error of the mean of the whole series, and quantiles of
Student's t with m − 1 degrees of freedom belong to it. Many short batches overstate the error of anti-correlated
series and understate that of correlated ones; batches of twice the length show whether they are long enough.

Source: Flegal & Jones, Ann. Stat. 38 (2010) 1034; Law & Kelton, Simulation Modeling and Analysis, ch. 9.
"""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from scipy.special import fdtri, stdtrit

from ..variable import CHECK, Variable

BATCHES = 24
"""Number of batches; even, so that pairs of them are the batches of twice the length."""
SCALES = 4
"""How many lengths of batches an error is extrapolated from, each half the one before."""
SHORTEST = 4
"""How many values the shortest batches have at least."""
RISING = 1.1
"""Batches are too short where twice the length gives more than this times the variance."""

RATIO = "standard error from batches of twice the length over that used; near 1 if batches are long enough"
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
    """The standard error of the mean, extrapolated from batches of several lengths.

    The variance of the mean of L values is σ²/L + b/L², up to terms that fall off faster, where b is negative for
    correlated values and positive for anti-correlated ones. L times the variance of batch means is therefore fitted
    by a line in 1/L over batches of up to four lengths, and read off at the length of the whole series; where that is
    less than at the longest batches, its own standard error is added. It cannot be less than what values have whose
    sums are bounded, as those of a function of the state less its image. Series of fewer than four values for each of
    48 batches get the error of `batch_means_error`.

    Source: Meketon and Schmeiser, Proceedings of the Winter Simulation Conference (1984) 227, for two lengths.
    """
    series = np.asarray(series, dtype=float)
    plain, (counts, scaled) = batch_means_error(series), _scaled_variances(series)
    if len(counts) < 2:
        return plain
    relative = np.sqrt(2 / (counts - 1))
    design = np.stack([np.ones(len(counts)), counts / len(series)], axis=1) / relative[:, None]
    weights = (np.array([1, 1 / len(series)]) @ np.linalg.pinv(design)) / relative
    whole = np.tensordot(weights, scaled, axes=1)
    uncertain = np.sqrt(np.tensordot((weights * relative) ** 2, scaled**2, axes=1))
    whole = np.where(whole < scaled[0], np.minimum(whole + uncertain, scaled[0]), whole)
    least = scaled[0] / BATCHES
    return np.where(np.isfinite(plain), np.sqrt(np.maximum(whole, least) / len(series)), plain)


def long_correlations(
    series: Float[np.ndarray, "length *rest"], confidence: float = 0.95
) -> Bool[np.ndarray, "*rest"]:
    """Whether the standard error still grows with the length of batches at the longest, so that it is too small.

    The variances of the longest and the shortest batches of `long_run_error` are compared as independent ones.
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
