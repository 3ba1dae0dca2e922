"""The order parameter of fluctuating weights: how far they move in time, relative to how far they lie apart.

    q = ⟨Varₜ[wᵢ]⟩ᵢ / Varᵢ[⟨wᵢ⟩ₜ],                                                                    (11)

with the variances that divide by the number of values. q is zero for weights that stand still, small for those that
move a little about different means, and large where the means of all weights are alike because each of them wanders
everywhere. At a solution that is reached up to rounding it is 10⁻²⁵ or so, and not zero.

To first order, with δwᵢ = wᵢ − ⟨wᵢ⟩ₜ, it is as uncertain as the mean over time of

    [⟨δwᵢ²⟩ᵢ − 2 q ⟨(⟨wᵢ⟩ₜ − w̄) δwᵢ⟩ᵢ]/Varᵢ[⟨wᵢ⟩ₜ].

Source: arXiv:2510.02765, figure 3b.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from .standard_error import long_run_error


def order_parameter(mean: Float[np.ndarray, " weights"], variance: Float[np.ndarray, " weights"]) -> float:
    """q of weights with these means and variances over time, equation (11).

    NaN for no weights. Where the means are all equal it is infinite if the weights move, and NaN if they do not.
    """
    mean, variance = np.asarray(mean, dtype=float), np.asarray(variance, dtype=float)
    if mean.size == 0:
        return float("nan")
    apart = float(np.mean((mean - mean.mean()) ** 2))
    # With one weight, or equal ones, the mean is rounded, and the remaining differences are rounding alone.
    if apart <= (np.finfo(float).eps * float(np.abs(mean).max())) ** 2:
        return float("inf") if variance.mean() > 0 else float("nan")
    return float(variance.mean()) / apart


def layer_order_parameters(
    mean: Float[np.ndarray, " weights"], variance: Float[np.ndarray, " weights"], sizes: Sequence[int]
) -> Float[np.ndarray, " layers"]:
    """q of every layer; `sizes` are the numbers of weights of the layers, which follow one after the other."""
    bounds = np.cumsum(sizes)[:-1]
    pairs = zip(np.split(np.asarray(mean), bounds), np.split(np.asarray(variance), bounds), strict=True)
    return np.array([order_parameter(m, v) for m, v in pairs])


def order_parameter_error(series: Float[np.ndarray, "times weights"]) -> float:
    """The standard error of q, to first order, from weights at some times; NaN where it is not known.

    For times that are a part of all, or weights that are, it is that of the q of these: no less than that of all.
    """
    series = np.asarray(series, dtype=float)
    if len(series) < 2 or series.shape[1] == 0 or not np.isfinite(series).all():
        return float("nan")
    mean = series[0] + (series - series[0]).mean(axis=0)
    moved, apart = series - mean, mean - mean.mean()
    q, variance = order_parameter(mean, (moved**2).mean(axis=0)), float(np.mean(apart**2))
    if not np.isfinite(q):
        return float("nan")
    first_order = (np.einsum("ti,ti->t", moved, moved) - 2 * q * (moved @ apart)) / (apart.size * variance)
    return float(long_run_error(first_order))


def layer_order_parameter_errors(
    series: Float[np.ndarray, "times weights"], sizes: Sequence[int]
) -> Float[np.ndarray, " layers"]:
    """The standard error of q of every layer, as `order_parameter_error` has that of all weights."""
    return np.array([order_parameter_error(part) for part in np.split(series, np.cumsum(sizes)[:-1], axis=1)])
