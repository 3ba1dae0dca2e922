"""Edges of the spectrum: the critical values of x(ω), its atoms, and the smallest eigenvalue.

The gaps are the images of the intervals with x′(ω) > 0 (`branches`): one below the spectrum, one above, and one
between two neighbouring poles of x(ω) wherever the minimum of F there is less than 1. There are no more than three of
these, so the spectrum has at most four bands. x′ at ω = ±1 is 1 − 1/(c m) with m the weight of D1 there. Where this
is positive, ω = ±1 lies in a gap, and

    the atom at ±1 has the mass m (1 − 1/(c m)) = m − 1/c.                                             (random.2)
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq

from .branches import FreeSum, lower_edge
from .checks import check_fraction, check_ratio, check_scalars

PRECISE = {"xtol": 1e-300, "rtol": 4 * np.finfo(float).eps, "maxiter": 5000}
STEP = 1e-30  # of complex-step derivatives, relative to the distance from the pole


class Atoms(NamedTuple):
    """Point masses of the spectrum: where they are, and their share of all eigenvalues."""

    positions: Float[np.ndarray, " atoms"]
    masses: Float[np.ndarray, " atoms"]


class Gap(NamedTuple):
    """An interval without a density: ω + 1 and x at its ends."""

    delta: tuple[float, float]
    x: tuple[float, float]


def spectral_edges(c: Any, *, inputs: Any = 0.0, hidden: Any = 0.0) -> Float[np.ndarray, "bands 2"]:
    """`spectral_edges(0.5, inputs=0.3)` are the ends of the bands of the spectrum of H.

    **Returns:** one row (lower, upper) for each of the one to four bands, in increasing order. Atoms are not bands;
    see `spectral_atoms`.

    **Arguments:** the compression ratio `c` = M/N and the fractions of flipped `inputs` (α_h) and `hidden` units
    (α_r), one number each.

    **Description:** all real critical values of x(ω), found in brackets on which x′ changes sign once. Bands that
    are closer than 1e-12 max(1, |x|) are returned as one. For α_h = α_r = 0 the edges are 1 + (1 ± 1/√c)².

    **Raises:** `ValueError` for values out of range.
    """
    return np.array(bands(FreeSum.of(*check_scalars(c, inputs, hidden))))


def spectral_atoms(c: Any, *, inputs: Any = 0.0, hidden: Any = 0.0) -> Atoms:
    """`spectral_atoms(4.0, inputs=0.3)` are the point masses of the spectrum of H.

    **Returns:** `Atoms(positions, masses)`, empty where there are none. An atom at +1 has the mass 1 − α_h − 1/c and
    one at −1 the mass α_h − 1/c, where these are positive (random.2).

    **Arguments:** as for `spectral_edges`. `hidden` has no effect: the rank of W1ᵀ D2 W1 does not depend on it.

    **Raises:** `ValueError` for values out of range.
    """
    c, inputs, _ = check_scalars(c, inputs, hidden)
    masses = np.array([inputs - 1 / c, 1 - inputs - 1 / c])
    return Atoms(np.array([-1.0, 1.0])[masses > 0], masses[masses > 0])


def smallest_eigenvalue(c: Any, *, inputs: Any = 0.0, hidden: Any = 0.0) -> Any:
    """`smallest_eigenvalue(0.5, inputs=0.3)` is the limit of λ_min(H) for large networks.

    **Returns:** the lowest edge, or the lowest atom where that lies below it; an array where an argument is one.
    Without flips and for c > 1 the atom at 1 lies below the only band; without hidden flips the one at −1 does.

    **Arguments:** `c`, `inputs` and `hidden`, numbers or arrays that broadcast.

    **Raises:** `ValueError` for values out of range.
    """
    c, inputs = check_ratio(c), check_fraction("inputs", inputs)
    edge = lower_edge(FreeSum.of(c, inputs, check_fraction("hidden", hidden)))[1]
    return np.minimum(edge, lowest_atom(c, inputs))[()]


def lowest_atom(c: Any, inputs: Any) -> Any:
    """−1 or 1, where the mass (random.2) is positive, or ∞ where there is no atom."""
    return np.where(inputs - 1 / c > 0, -1.0, np.where(1 - inputs - 1 / c > 0, 1.0, np.inf))


def is_stable(c: Any, *, inputs: Any = 0.0, hidden: Any = 0.0) -> Any:
    """`is_stable(0.5, inputs=0.3)` says whether the solution of a large network is stable: λ_min(H) > 0.

    **Returns:** a boolean, or an array of them.

    **Arguments:** `c`, `inputs` and `hidden`, numbers or arrays that broadcast.

    **Raises:** `ValueError` for values out of range.
    """
    return smallest_eigenvalue(c, inputs=inputs, hidden=hidden) > 0


def bands(law: FreeSum) -> list[tuple[float, float]]:
    """The ends of the bands of a law with scalar parameters, paired in the order of ω."""
    ends = [float(lower_edge(law)[1]), *(x for gap in inner_gaps(law) for x in gap.x)]
    # In that order they do not decrease; where a band is so narrow that rounding reverses its ends, it is a point.
    ends = np.maximum.accumulate([*ends, -float(lower_edge(law.mirrored)[1])]).tolist()
    return list(zip(ends[::2], ends[1::2], strict=True))


def inner_gaps(law: FreeSum) -> list[Gap]:
    """The gaps between two bands of a law with scalar parameters, in increasing order."""
    poles = [float(p) for p in law.poles() if not np.isnan(p)]
    found = []
    for index, (low, high) in enumerate(pairwise(poles)):
        # Distances are from the atom of D1 that a pole may be close to: on the mirrored law, the upper one.
        if min(abs(low), abs(high)) <= min(abs(2 - low), abs(2 - high)):
            found.append(_gap(law, index))
        elif (gap := _gap(law.mirrored, len(poles) - 2 - index)) is not None:
            found.append(Gap((2 - gap.delta[1], 2 - gap.delta[0]), (-gap.x[1], -gap.x[0])))
    return [gap for gap in found if gap is not None]


def _gap(law: FreeSum, index: int) -> Gap | None:
    """The gap between the poles `index` and `index` + 1 of those that exist, if it is open."""
    low, high = [float(p) for p in law.poles() if not np.isnan(p)][index : index + 2]
    # Where a rate or a fraction is tiny, the minimum of F or an end is close to a pole, so places are given by their
    # distance from the nearer of the two poles.
    middle = _place(_growth, law, (low, 0.0), (high, -0.0))
    if law.one_minus_slope(middle[1], middle[0]) >= 1:
        return None
    left = _place(FreeSum.signed_slope, law, (low, 0.0), middle)
    right = _place(lambda *place: -FreeSum.signed_slope(*place), law, middle, (high, -0.0))
    x = [float(law.position(distance, origin)) for origin, distance in (left, right)]
    if x[1] - x[0] <= 1e-12 * max(1.0, abs(x[0])):  # within rounding
        return None
    return Gap((sum(left), sum(right)), (x[0], x[1]))


def _place(function: Callable, law: FreeSum, start: tuple, end: tuple) -> tuple[float, float]:
    """(origin, distance) of the zero of a function that is negative at `start` and positive at `end`.

    `start` and `end` are such pairs too. The origin of the zero is that of the half of the interval in which it lies.
    """
    (low, first), (high, last) = start, end
    if low != high:
        half = (high + last - low - first) / 2
        if function(law, first + half, low) > 0:
            high, last = low, first + half
        else:
            low, first = high, last - half
            if function(law, first, low) >= 0:  # the same place as before, rounded differently
                return low, first
    return low, brentq(lambda distance: function(law, distance, low), first, last, **PRECISE)


def _growth(law: FreeSum, distance: float, origin: float) -> float:
    """F′|d|/F with d the distance from the pole, squeezed between −1 and 1, and its limit at the pole (d = ±0)."""
    with np.errstate(all="ignore"):
        value = complex(law.one_minus_slope(distance + 1j * STEP * abs(distance), origin))  # an exact derivative
        ratio = value.imag / STEP / value.real
    return ratio / (1 + abs(ratio)) if np.isfinite(ratio) else float(np.copysign(2 / 3, -distance))
