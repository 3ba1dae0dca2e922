"""Local extrema of a time series: what a bifurcation diagram shows of a flow."""

import numpy as np
from jaxtyping import Float

from ..variable import SOLVER, Variable

EXTREMA = 200
"""The most extrema that are kept; the last ones are."""
VARIABLES = (
    Variable("late_extremum", ("realization", "extremum"), "late extrema of the observable", uncertainty=SOLVER),
)


def extrema(series: Float[np.ndarray, " samples"], moves: bool, continuous: bool) -> Float[np.ndarray, " extremum"]:
    """The last local extrema of a series, then NaN; its value if it does not move; for a map all values. For flows
    they are the vertices of parabolas through an extremal sample and its neighbours."""
    if not moves:
        values = series[-1:]
    elif not continuous:
        values = series[-EXTREMA:]
    else:
        before, here, after = series[:-2], series[1:-1], series[2:]
        tops = (here - before) * (here - after) > 0
        a, b, c = before[tops], here[tops], after[tops]
        values = (b - (a - c) ** 2 / (8 * (a - 2 * b + c)))[-EXTREMA:]
    late = np.full(EXTREMA, np.nan)
    late[: len(values)] = values
    return late


def late_extrema(
    late: Float[np.ndarray, " late"], even: Float[np.ndarray, " even"], moves: bool, continuous: bool
) -> Float[np.ndarray, " extremum"]:
    """The last local extrema of the late samples, or of the even ones (`curlflow.measures.sampling`) where these have
    more of them. Samples that are not finite are left out."""
    of_late, of_even = (extrema(s[np.isfinite(s)], moves, continuous) for s in (late, even))
    known, further = np.isfinite(of_late).sum(), np.isfinite(of_even).sum()
    return of_even if further > known and (continuous or known == 0) else of_late
