"""Density and distribution function of the eigenvalues of H on the physical branch.

At real x the equation x(ω) = x, cleared of denominators, is a polynomial in ω of degree five with leading coefficient
one. No more than one pair of its roots is complex (`branches`), and with ω the one in the upper half plane

    ρ(x) = −Im g/π,     g = G(ω).                                                                      (random.3)

The distribution function needs no integral over x: g dx = G dω + g R′(g) dg, so that with A and B as in (random.1)

    1 − F(x) = Im Γ/π,   Γ = (1 − α_h) ln(ω − 1) + α_h ln(ω + 1)
                           + A [ln(1 − g) + 1/(1 − g)] + B [ln(1 + g) + 1/(1 + g)].                    (random.4)

All four arguments stay in one half plane, so the principal logarithms are continuous, and masses are exact.
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.polynomial import polynomial

from .branches import FreeSum
from .checks import check_real, check_scalars
from .edges import Gap, bands, inner_gaps, spectral_atoms


class Density(NamedTuple):
    """The law of the eigenvalues: a density at the points asked for, and the point masses beside it."""

    values: Float[np.ndarray, "..."]
    atoms: Float[np.ndarray, " atoms"]
    masses: Float[np.ndarray, " atoms"]


def spectral_density(x: Any, c: Any, *, inputs: Any = 0.0, hidden: Any = 0.0) -> Density:
    """`spectral_density(x, 0.5, inputs=0.3).values` is the density of the eigenvalues of H at `x`.

    **Returns:** `Density(values, atoms, masses)`. The integral of the density and the masses sum to 1. Where an edge
    is at ±1 exactly (an atom about to form) the density diverges there.

    **Arguments:** points `x` of any shape, and the others as for `spectral_edges`.

    **Raises:** `ValueError` for values out of range.
    """
    points = check_real("x", x)
    law = FreeSum.of(*check_scalars(c, inputs, hidden))
    seen, sign = _from_the_rarer_atom(law)
    values = np.zeros(points.shape)
    for low, high in bands(law):
        inside = (points > low) & (points < high)
        g = seen.cauchy_transform(physical_root(sign * points[inside], seen))
        values[inside] = -g.imag / np.pi
    return Density(values, *spectral_atoms(c, inputs=inputs, hidden=hidden))


def spectral_distribution(x: Any, c: Any, *, inputs: Any = 0.0, hidden: Any = 0.0) -> Any:
    """`spectral_distribution(x, 0.5, inputs=0.3)` is the share of eigenvalues of H that are at most `x`.

    **Returns:** the distribution function with the atoms, continuous from the right, in the shape of `x`.

    **Arguments:** as for `spectral_density`.

    **Raises:** `ValueError` for values out of range.
    """
    points = check_real("x", x)
    shape, points = points.shape, points.ravel()
    law = FreeSum.of(*check_scalars(c, inputs, hidden))
    positions, masses = spectral_atoms(c, inputs=inputs, hidden=hidden)
    intervals = bands(law)
    values = np.where(points >= intervals[-1][1], 1 - masses.sum(), 0.0)
    for gap in inner_gaps(law):
        values = np.where((points >= gap.x[0]) & (points <= gap.x[1]), _level(gap, law), values)
    for place, mass in zip(positions, masses, strict=True):
        values = values + mass * (points >= place)
    for low, high in intervals:
        inside = (points > low) & (points < high)
        values[inside] = _share_below(points[inside], law)
    return values.reshape(shape)[()]


def _level(gap: Gap, law: FreeSum) -> float:
    """The share of the bands below a gap, from (random.4) at a real ω: each argument is 0 or ±π."""
    delta = 0.55 * gap.delta[0] + 0.45 * gap.delta[1]
    g = float(law.cauchy_transform(delta))
    above = law.plus * (delta < 2) + law.minus * (delta < 0) + law.positive * (g > 1) - law.negative * (g < -1)
    rate = law.positive + law.negative
    atoms = max(law.minus - rate, 0.0) * (delta > 0) + max(law.plus - rate, 0.0) * (delta > 2)
    return 1 - above - atoms


def _share_below(x: Float[np.ndarray, " points"], law: FreeSum) -> np.ndarray:
    """The distribution function at points inside the bands, by (random.4)."""
    seen, sign = _from_the_rarer_atom(law)
    delta = physical_root(sign * x, seen)
    g = seen.cauchy_transform(delta)
    # Absolute values: at an edge the imaginary part may be a zero of either sign.
    above = seen.minus * np.abs(np.angle(delta)) + seen.plus * np.abs(np.angle(delta - 2))
    above = above + seen.positive * (np.abs(np.angle(1 - g)) + (1 / (1 - g)).imag)
    above = above - seen.negative * (np.abs(np.angle(1 + g)) - (1 / (1 + g)).imag)
    return 1 - above / np.pi if sign > 0 else above / np.pi


def physical_root(x: Float[np.ndarray, " points"], law: FreeSum) -> np.ndarray:
    """ω(x + i0) + 1 at points inside the bands: the root in the upper half plane."""
    poles = [float(p) for p in law.poles()]
    whole = polynomial.polyfromroots([p for p in poles if not np.isnan(p)])
    common = polynomial.polyfromroots([place for place, atom in ((0.0, law.minus), (2.0, law.plus)) if atom > 0])
    others = [polynomial.polyfromroots([p for p in poles[start::2] if not np.isnan(p)]) for start in (0, 1)]
    wishart = polynomial.polysub(law.positive * others[0], law.negative * others[1])
    fixed = polynomial.polyadd(polynomial.polymulx(whole) - np.r_[whole, 0.0], polynomial.polymul(common, wishart))
    degree = len(fixed) - 1
    companion = np.zeros((x.size, degree, degree))
    companion[:, np.arange(1, degree), np.arange(degree - 1)] = 1.0
    companion[:, :, -1] = -(fixed[:-1] - np.outer(x, whole))
    roots = np.linalg.eigvals(companion).astype(complex)
    # Within rounding of an edge all roots may come out real; there the physical one has the largest slope.
    merged = ~(roots.imag > 0).any(axis=1, keepdims=True)
    score = np.where(merged, law.signed_slope(roots.real), roots.imag)
    delta = np.take_along_axis(roots, np.argmax(score, axis=1)[:, None], axis=1)[:, 0]
    for _ in range(4):  # steps of Newton's method
        with np.errstate(all="ignore"):
            step = (law.position(delta) - x) / (1 - law.one_minus_slope(delta))
        better = delta - step
        delta = np.where(np.isfinite(better) & (better.imag > 0), better, delta)
    return np.where(delta.imag > 0, delta, delta.real)


def _from_the_rarer_atom(law: FreeSum) -> tuple[FreeSum, int]:
    """The law or its mirror image, such that the rarer sign is −1, and the sign of x in it."""
    return (law, 1) if law.minus <= law.plus else (law.mirrored, -1)
