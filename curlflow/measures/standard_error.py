"""Standard errors of time averages by batch means.

A series of T correlated values is cut into m long batches; the means of the batches are nearly independent, so that
s/√m, with s their standard deviation, is the standard error of the mean of the whole series, and quantiles of
Student's t with m − 1 degrees of freedom belong to it. Many short batches overstate the error of anti-correlated
series and understate that of correlated ones; batches of twice the length show whether they are long enough.

Source: Flegal & Jones, Ann. Stat. 38 (2010) 1034; Law & Kelton, Simulation Modeling and Analysis, ch. 9.
"""

import numpy as np
from jaxtyping import Float
from scipy import stats

from ..variable import Variable

BATCHES = 24
"""Number of batches; even, so that pairs of them are the batches of twice the length."""

RATIO = "standard error from batches of twice the length over that used; near 1 if batches are long enough"
VARIABLES = (
    Variable("lyapunov_exponent_se", ("realization", "exponent"), "standard error of the Lyapunov exponent"),
    Variable("se_ratio", ("realization", "exponent"), RATIO),
    Variable("converged", ("realization",), "whether the estimate has converged; see the attribute criterion"),
)


def batch_means_error(
    series: Float[np.ndarray, "length *rest"], batches: int = BATCHES
) -> Float[np.ndarray, "*rest"]:
    """The standard error of the mean of `series` along its first axis; NaN for fewer than two values.

    Values that do not fill the batches are left out at the start. Series shorter than two values per batch get as
    many batches as there are values.
    """
    series = np.asarray(series, dtype=float)
    batches = min(batches, len(series))
    if batches < 2:
        return np.full(series.shape[1:], np.nan)
    length = len(series) // batches
    used = series[len(series) - batches * length :]
    means = used.reshape(batches, length, *series.shape[1:]).mean(axis=1)
    with np.errstate(invalid="ignore"):  # the mean of a series with −∞ in it has no error: NaN
        return np.asarray(means.std(axis=0, ddof=1) / np.sqrt(batches))


def error_ratio(series: Float[np.ndarray, "length *rest"]) -> Float[np.ndarray, "*rest"]:
    """The standard error from batches of twice the length over that of `batch_means_error`.

    NaN for series that are constant up to rounding.
    """
    series = np.asarray(series, dtype=float)
    error = batch_means_error(series)
    with np.errstate(invalid="ignore", divide="ignore"):
        constant = error <= 1e-12 * np.maximum(1.0, np.abs(series).max(axis=0, initial=0.0))
        return np.where(constant, np.nan, batch_means_error(series, BATCHES // 2) / error)


def halves_agree(series: Float[np.ndarray, "length *rest"], confidence: float = 0.95) -> bool:
    """Whether the means of the two halves of `series` differ by no more than two standard errors allow.

    Their difference has twice the standard error of the mean of all, so that a gap of 2 · t · SE is allowed, where t
    is Student's two-sided quantile for `confidence`. Differences at the level of rounding always agree.
    """
    series = np.asarray(series, dtype=float)
    if len(series) < 4:
        return False
    half = len(series) // 2
    first, second = series[:half].mean(axis=0), series[len(series) - half :].mean(axis=0)
    t = stats.t.ppf((1 + confidence) / 2, min(BATCHES, len(series)) - 1)
    with np.errstate(invalid="ignore"):
        rounding = 1e-9 * np.maximum(1.0, np.abs(series).max(axis=0))
        close = np.abs(first - second) <= 2 * t * batch_means_error(series) + rounding
    return bool(np.all(close | ((first == second) & np.isinf(first))))
