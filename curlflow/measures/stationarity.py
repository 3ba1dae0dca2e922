"""Whether a time series is stationary: its mean and its variance are the same in both halves, within their errors.

The errors are those of batch means (`curlflow.measures.standard_error`), so that slow fluctuations are not taken for
a drift as long as a batch is longer than their correlation time. They say little where batches of regular motion last
for whole periods; so the means of halves are weighted by Hann's window, w(u) = 2 sin² πu for u from 0 to 1, which
suppresses an oscillation of n periods to 1/n³ and leaves drifts unchanged. For independent values the variance is
then 3/2 of that of the plain mean. Each error is the larger one for two numbers of batches without a common divisor.

Many series are tested together: the confidence of every test is raised so that all of them pass with 95 %.

Sources: Šidák, J. Am. Stat. Assoc. 62 (1967) 626; windows: Harris, Proc. IEEE 66 (1978) 51.
"""

import numpy as np
from jaxtyping import Bool, Float
from scipy.special import stdtrit

from .standard_error import BATCHES, batch_means_error

CONFIDENCE = 0.95
WEIGHTED = 1.5**0.5
"""The standard error of a mean that is weighted by Hann's window, over that of the plain mean."""
ROUNDING = 1e-9
"""Differences below this share of the largest value, or of 1, count as zero."""


def stationary(series: Float[np.ndarray, "times observables"]) -> Bool[np.ndarray, " observables"]:
    """Which columns have the same mean and variance in both halves; with fewer than four values, none."""
    series = np.asarray(series, dtype=float)
    if len(series) < 4:
        return np.zeros(series.shape[1], dtype=bool)
    confidence = CONFIDENCE ** (1 / (2 * max(1, series.shape[1])))
    shifted = series - series[0]
    squares = (shifted - shifted.mean(axis=0)) ** 2
    return _halves_agree(shifted, confidence) & _halves_agree(squares, confidence)


def _halves_agree(
    series: Float[np.ndarray, "times observables"], confidence: float
) -> Bool[np.ndarray, " observables"]:
    """Which weighted means of both halves differ by no more than Student's t at this confidence allows."""
    half = len(series) // 2
    weights = 2 * np.sin(np.pi * (np.arange(half) + 0.5) / half) ** 2 / half
    apart = np.abs(weights @ (series[:half] - series[len(series) - half :]))
    error = WEIGHTED * np.maximum(batch_means_error(series), batch_means_error(series, BATCHES - 1))
    t = stdtrit(min(BATCHES, len(series)) - 1, (1 + confidence) / 2)
    # The difference of two halves has twice the error of the mean of all values.
    return apart <= 2 * t * error + ROUNDING * np.maximum(1.0, np.abs(series).max(axis=0))
