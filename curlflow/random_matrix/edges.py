"""Edges of the spectrum: the critical values of x(ω), its atoms, and the smallest eigenvalue.

The gaps are the images of the intervals with x′(ω) > 0 (`branches`): one below the spectrum, one above, and one
between two neighbouring poles of x(ω) wherever the minimum of F there is less than 1. There are no more than three of
these, so the spectrum has at most four bands. x′ at ω = ±1 is 1 − 1/(c m) with m the weight of D1 there. Where it is
positive ω = ±1 lies in a gap, and

    the atom at ±1 has the mass m (1 − 1/(c m)) = m − 1/c.                                             (random.2)
"""

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq

from .branches import FreeSum, lower_edge
from .checks import check_fraction, check_ratio, check_scalars

TOUCHING = 1e-12
"""Bands closer than this times max(1, |x|) are one band: their distance is within rounding."""

PRECISE = {"xtol": 1e-300, "rtol": 4 * np.finfo(float).eps}


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

    **Returns:** one row (lower, upper) for each of the one to four bands, in increasing order. Atoms are no bands;
    see `spectral_atoms`.

    **Arguments:**

    - `c`: compression ratio M/N, one positive number.
    - `inputs`: fraction of flipped inputs α_h.
    - `hidden`: fraction of flipped hidden units α_r.

    **Description:** all real critical values of x(ω), found in brackets on which x′ changes sign once. Bands that
    touch, that is closer than 1e-12 max(1, |x|), are given as one. For α_h = α_r = 0 the edges are 1 + (1 ± 1/√c)².

    **Raises:** `ValueError` for values out of range.
    """
    law = FreeSum.of(*check_scalars(c, inputs, hidden))
    lowest, highest = lower_edge(law)[1], -lower_edge(law.mirrored)[1]
    ends = [float(lowest), *(x for gap in inner_gaps(law) for x in gap.x), float(highest)]
    return np.array(ends).reshape(-1, 2)


def spectral_atoms(c: Any, *, inputs: Any = 0.0, hidden: Any = 0.0) -> Atoms:
    """`spectral_atoms(4.0, inputs=0.3)` are the point masses of the spectrum of H.

    **Returns:** `Atoms(positions, masses)`, empty where there are none. An atom at +1 has the mass 1 − α_h − 1/c and
    one at −1 the mass α_h − 1/c, where these are positive (random.2).

    **Arguments:** as of `spectral_edges`. (The atoms do not depend on `hidden`: the rank of the sum of both Wishart
    matrices does not.)

    **Raises:** `ValueError` for values out of range.
    """
    c, inputs, _ = check_scalars(c, inputs, hidden)
    masses = np.array([inputs - 1 / c, 1 - inputs - 1 / c])
    return Atoms(np.array([-1.0, 1.0])[masses > 0], masses[masses > 0])


def smallest_eigenvalue(c: Any, *, inputs: Any = 0.0, hidden: Any = 0.0) -> Any:
    """`smallest_eigenvalue(0.5, inputs=0.3)` is the limit of λ_min(H) for large networks.

    **Returns:** the lowest edge, or −1 where an atom lies below it; an array where an argument is one.

    **Arguments:** `c`, `inputs` and `hidden`, numbers or arrays that broadcast.

    **Raises:** `ValueError` for values out of range.
    """
    law = FreeSum.of(check_ratio(c), check_fraction("inputs", inputs), check_fraction("hidden", hidden))
    atom = law.minus > law.positive + law.negative
    edge = lower_edge(law)[1]
    return np.where(atom, np.minimum(edge, -1.0), edge)[()]


def is_stable(c: Any, *, inputs: Any = 0.0, hidden: Any = 0.0) -> Any:
    """`is_stable(0.5, inputs=0.3)` says whether the solution of a large network is stable: λ_min(H) > 0.

    **Returns:** a boolean, or an array of them.

    **Arguments:** `c`, `inputs` and `hidden`, numbers or arrays that broadcast.

    **Raises:** `ValueError` for values out of range.
    """
    return smallest_eigenvalue(c, inputs=inputs, hidden=hidden) > 0


def inner_gaps(law: FreeSum) -> list[Gap]:
    """The gaps between two bands of a law with scalar parameters, in increasing order."""
    poles = [float(p) for p in law.poles() if not np.isnan(p)]
    found = []
    for index, (low, high) in enumerate(pairwise(poles)):
        # Seen from the atom of D1 that a pole may be close to; on the mirrored law that is the upper one.
        if min(abs(low), abs(high)) <= min(abs(2 - low), abs(2 - high)):
            found.append(_gap(law, index))
        elif (gap := _gap(law.mirrored, len(poles) - 2 - index)) is not None:
            found.append(Gap((2 - gap.delta[1], 2 - gap.delta[0]), (-gap.x[1], -gap.x[0])))
    return [gap for gap in found if gap is not None]


def _gap(law: FreeSum, index: int) -> Gap | None:
    """The gap between the poles `index` and `index` + 1 of those that there are, if it is open."""
    low, high = [float(p) for p in law.poles() if not np.isnan(p)][index : index + 2]
    width, inside = high - low, 1e-14 * (high - low)
    if _decay(inside, law, low) <= 0 or _decay(width - inside, law, low) >= 0:
        return None  # one of the rates is so small that its band is a point to double precision
    middle = brentq(_decay, inside, width - inside, args=(law, low), **PRECISE)
    if law.one_minus_slope(middle, low) >= 1:
        return None
    ends = [brentq(law.signed_slope, *sides, args=(low,), **PRECISE) for sides in ((0.0, middle), (middle, width))]
    x = [float(law.position(end, low)) for end in ends]
    if x[1] - x[0] <= TOUCHING * max(1.0, abs(x[0])):
        return None
    return Gap((low + ends[0], low + ends[1]), (x[0], x[1]))


def _decay(distance: float, law: FreeSum, origin: float) -> float:
    """−F′/F, squeezed between −1 and 1. The derivative is a complex step: exact, without a second formula."""
    value = complex(law.one_minus_slope(distance + 1e-100j, origin))
    ratio = -value.imag / 1e-100 / value.real
    return ratio / (1 + abs(ratio))
