"""The map x(ω) whose inverse is the physical branch, and where on the real line it increases.

By (random.1) x(ω) = ω + R(G(ω)) is rational with real coefficients. Two facts choose the root.

1. G maps the upper half plane to the lower one and R maps the lower half plane into itself, so ω ↦ x − R(G(ω)) maps
   the upper half plane into itself for every x in it, and has exactly one fixed point there. So **at real x no more
   than one pair of roots ω is complex**; that one is the physical one, and where there is none the density is zero.
2. A real ω is the physical root of x(ω) exactly where x′(ω) > 0. So the gaps of the spectrum are the images of the
   intervals on which x′ > 0, the **edges are all the real critical values of x(ω)**, and none of them is spurious.

The slope is x′ = 1 − F with F = −G′(ω) R′(G(ω)) > 0. Between its poles (where G = ±1) F has a single minimum, and it
is monotone outside them. If F had two minima with a maximum F₀ between them, the rates divided by F₀ would open two
gaps with overlapping images, which contradicts fact 1.

To keep all digits where few units are flipped, ω is given by its distance δ = ω + 1 from the lower atom of D1. What
lies near the upper one is found on the mirrored law, that of −H.

Sources: Biane, Indiana Univ. Math. J. 46 (1997) 705; Belinschi & Bercovici, J. Anal. Math. 101 (2007) 357 (fixed
point); Huang, Int. Math. Res. Not. 2015, 4413 (freely infinitely divisible part).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize.elementwise import find_root


class FreeSum(NamedTuple):
    """The free sum of two Wishart laws of opposite sign and the law of the signs D1; numbers, or arrays of one shape.

    `positive` and `negative` are the rates A and B, `minus` and `plus` the fractions α_h and 1 − α_h of D1. Both
    fractions are given, so that a tiny one keeps its digits.
    """

    positive: Any
    negative: Any
    minus: Any
    plus: Any

    @classmethod
    def of(cls, c: Any, inputs: Any, hidden: Any) -> "FreeSum":
        """The sum for a compression ratio c and the fractions of flipped inputs and hidden units."""
        return cls((1 - hidden) / c, hidden / c, inputs, 1 - inputs)

    @property
    def mirrored(self) -> "FreeSum":
        """The law of −H."""
        return FreeSum(self.negative, self.positive, self.plus, self.minus)

    def poles(self) -> tuple[Any, Any, Any, Any]:
        """δ where G = −1, 1, −1, 1, in increasing order; NaN for a pole that cancels."""
        below, above = np.sqrt(1 + 8 * self.minus), np.sqrt(1 + 8 * self.plus)
        places = (-4 * self.minus / (1 + below), 4 * self.minus / (3 + above), (1 + below) / 2, (3 + above) / 2)
        rates = (self.negative, self.positive) * 2
        atoms = (self.minus, self.minus, self.plus, self.plus)
        there = zip(places, rates, atoms, strict=True)
        return tuple(np.where((rate > 0) & (atom > 0), place, np.nan) for place, rate, atom in there)

    def cauchy_transform(self, delta: Any) -> Any:
        """G(ω)."""
        # (δ − 2α)/(δ(δ − 2)), of which 1/(δ − 2) or 1/δ is left where an atom is missing.
        lower, upper, _ = self._denominators(delta)
        return np.where(self.minus * self.plus > 0, delta - 2 * self.minus, 1.0) / (lower * upper)

    def fall(self, delta: Any) -> Any:
        """−G′(ω)."""
        lower, upper, fall = self._denominators(delta)
        return fall / (lower * upper) / (lower * upper)  # the square of the product may overflow

    def _denominators(self, delta: Any) -> tuple[Any, Any, Any]:
        """The factors of P = δ(δ − 2), the denominator of G, and −G′P². A factor that a missing atom cancels is 1."""
        lower, upper = np.where(self.minus > 0, delta, 1.0), np.where(self.plus > 0, delta - 2, 1.0)
        both = self.minus * self.plus
        return lower, upper, np.where(both > 0, (delta - 2 * self.minus) ** 2 + 4 * both, 1.0)

    def _terms(self, delta: Any, origin: Any) -> tuple[Any, Any, Any, Any]:
        """1/((1 − G) P) and 1/((1 + G) P), each 0 where its rate is 0, P and −G′P², at δ = `origin` + `delta`."""
        # (1 ∓ G) P as products over their zeros: no differences of nearly equal numbers, and the distance from an
        # `origin` that is a pole is exact.
        factors = [np.where(np.isnan(p), 1.0, delta + (origin - np.nan_to_num(p))) for p in self.poles()]
        lower, upper, fall = self._denominators(delta + origin)
        with np.errstate(divide="ignore", invalid="ignore"):
            positive = np.where(self.positive > 0, 1 / (factors[1] * factors[3]), 0.0)
            negative = np.where(self.negative > 0, 1 / (factors[0] * factors[2]), 0.0)
        return positive, negative, lower * upper, fall

    def position(self, delta: Any, origin: Any = 0.0) -> Any:
        """x(ω) at δ = `origin` + `delta`."""
        positive, negative, common, _ = self._terms(delta, origin)
        return (origin + delta - 1) + common * (self.positive * positive - self.negative * negative)

    def one_minus_slope(self, delta: Any, origin: Any = 0.0) -> Any:
        """F = 1 − x′(ω), positive on the real line and +∞ at the poles."""
        positive, negative, _, fall = self._terms(delta, origin)
        with np.errstate(over="ignore"):
            return fall * (self.positive * positive**2 + self.negative * negative**2)

    def signed_slope(self, delta: Any, origin: Any = 0.0) -> Any:
        """(1 − F)/(1 + F): the sign of x′(ω), between −1 at the poles and 1."""
        return 2 / (1 + self.one_minus_slope(delta, origin)) - 1

    def first_pole(self) -> Any:
        """The smallest pole, which bounds the gap below the spectrum."""
        return np.nanmin(np.broadcast_arrays(*self.poles()), axis=0)


def bracketed_root(function: Callable, low: Any, high: Any, args: tuple = ()) -> Any:
    """The root of `function` between `low` and `high`, for arrays."""
    found = find_root(function, (low, high), args=args)
    # Where rounding hides the change of sign, the root is at one of the ends: the one with the smaller value.
    ends = np.abs(function(low, *args)), np.abs(function(high, *args))
    assert np.all(found.success | (np.minimum(*ends) <= 1e-9 * np.maximum(*ends)) | (np.maximum(*ends) < 1e-9))
    return np.where(found.success, found.x, np.where(ends[0] < ends[1], low, high))


def lower_edge(law: FreeSum) -> tuple[Any, Any]:
    """δ and x(ω) where the gap below the spectrum ends, for arrays of laws; an atom at −1 or 1 may lie below."""
    pole, distance = end_below(law)
    return pole + distance, law.position(distance, pole)


def end_below(law: FreeSum) -> tuple[Any, Any]:
    """Where the gap below the spectrum ends: the first pole and the (negative) distance from it, with all digits."""
    rates = np.broadcast_arrays(*(np.asarray(each, float) for each in law))
    law = FreeSum(*rates)
    pole = law.first_pole()
    # F increases from 0 at ω → −∞ to infinity at the first pole, and is below 1 for |ω| > 1 + 2 (1 + √(A + B)).
    far = -2 * (1 + np.sqrt(law.positive + law.negative)) - pole

    def slope(distance, pole, *rates):
        return FreeSum(*rates).signed_slope(distance, pole)

    return pole, bracketed_root(slope, far, np.zeros_like(far), (pole, *rates))
