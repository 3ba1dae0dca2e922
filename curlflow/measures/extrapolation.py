"""The limit of a quantity as a step size goes to zero, from a weighted straight line through its values."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from ..variable import CHECK, Variable

FEWEST = 2
"""Fewest step sizes that determine a line."""
ROUNDING = 1e-12
"""A standard error below this share of the value, or of 1, is rounding."""
R = ("realization", "exponent")
VARIABLES = (
    Variable("exponent_limit", R, "exponent of the updates as the learning rate goes to zero, by a straight line"),
    Variable("exponent_limit_se", R, "standard error of that limit"),
    Variable(
        "exponent_limit_chi_square",
        R,
        "squared residuals over degrees of freedom; far above 1: no line",
        uncertainty=CHECK,
    ),
    Variable(
        "limit_difference", R, "that limit less the exponent of the flow, in standard errors", uncertainty=CHECK
    ),
)


class Limit(NamedTuple):
    """A line through values with errors: its value at step size zero with the standard error, and its slope.

    `chi_square` of the residuals is per degree of freedom, NaN for two values; far above 1, they are not on a line.
    """

    value: float
    error: float
    slope: float
    chi_square: float


def limit_of_small_steps(
    steps: Float[np.ndarray, " steps"], values: Float[np.ndarray, " steps"], errors: Float[np.ndarray, " steps"]
) -> Limit:
    """The limit of `values` with standard `errors` at `steps`, of methods of first order; NaN for too few values.

    Values that are not finite, or without an error above rounding, are left out.
    """
    steps, values, errors = (np.asarray(a, dtype=float) for a in (steps, values, errors))
    used = np.isfinite(values) & np.isfinite(errors) & (errors > ROUNDING * np.maximum(1.0, np.abs(values)))
    if used.sum() < FEWEST:
        return Limit(np.nan, np.nan, np.nan, np.nan)
    x, y, weight = steps[used], values[used], 1 / errors[used]
    (slope, value), covariance = np.polyfit(x, y, 1, w=weight, cov="unscaled")
    freedom = x.size - 2
    chi_square = np.sum(((y - value - slope * x) * weight) ** 2) / freedom if freedom else np.nan
    return Limit(float(value), float(np.sqrt(covariance[1, 1])), float(slope), chi_square)


def limits(
    steps: Float[np.ndarray, " steps"],
    values: Float[np.ndarray, "steps realizations exponents"],
    errors: Float[np.ndarray, "steps realizations exponents"],
    used: Bool[np.ndarray, "steps realizations"],
) -> dict[str, Float[np.ndarray, "realizations exponents"]]:
    """Limits of all exponents from the steps that are used, and how far they are from the last value, if at 0."""
    found = np.full((4, *values.shape[1:]), np.nan)
    for i, j in np.ndindex(values.shape[1:]):
        of_run = used[:, i]
        line = limit_of_small_steps(steps[of_run], values[of_run, i, j], errors[of_run, i, j])
        found[:3, i, j] = line.value, line.error, line.chi_square
        if steps[-1] == 0:
            found[3, i, j] = (line.value - values[-1, i, j]) / np.hypot(line.error, errors[-1, i, j])
    return dict(zip((v.name for v in VARIABLES), found, strict=True))
