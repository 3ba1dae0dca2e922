"""The order parameter of fluctuating weights: how far they move in time, relative to how far they lie apart.

    q = ⟨Varₜ[wᵢ]⟩ᵢ / Varᵢ[⟨wᵢ⟩ₜ],                                                                    (11)

with the variances that divide by the number of values. q is zero for weights that stand still, small for those that
move a little about different means, and large where the means of all weights are alike because each of them wanders
everywhere. At a solution that is reached up to rounding it is 10⁻²⁵ or so, and not zero.

Source: arXiv:2510.02765, figure 3b.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float


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
