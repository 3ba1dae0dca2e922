"""Whether a time series is stationary: its mean and its variance are the same in both halves, within their errors.

The errors are those of batch means (`curlflow.measures.standard_error`), so that slow fluctuations are not taken for
a drift as long as a batch is longer than their memory. Many series are judged together: the confidence of every test
is raised so that all of them pass with 95 % (Šidák, J. Am. Stat. Assoc. 62 (1967) 626).
"""

import numpy as np
from jaxtyping import Bool, Float

from .standard_error import halves_agree

CONFIDENCE = 0.95


def stationary(series: Float[np.ndarray, "times observables"]) -> Bool[np.ndarray, " observables"]:
    """Which columns have the same mean and variance in both halves."""
    series = np.asarray(series, dtype=float)
    confidence = CONFIDENCE ** (1 / (2 * max(1, series.shape[1])))
    shifted = series - series[0]
    squares = (shifted - shifted.mean(axis=0)) ** 2
    pairs = zip(shifted.T, squares.T, strict=True)
    return np.array([halves_agree(a, confidence) and halves_agree(b, confidence) for a, b in pairs], dtype=bool)
