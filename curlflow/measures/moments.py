"""Means and variances over time of many numbers, accumulated as they arrive: only a few arrays are kept.

All differences are from the first state, x₀, so that no digits cancel, however small the fluctuations are. Within a
block of times the sums are shifted once more, by the state s at its beginning,

    a = Σ (x − s),    b = Σ (x − s)²,    mean = (s − x₀) + a/n,    M = b − a²/n,

and blocks are joined by the formula of Chan, Golub & LeVeque,

    mean = mean₁ + δ n₂/(n₁ + n₂),    M = M₁ + M₂ + δ² n₁ n₂/(n₁ + n₂),    δ = mean₂ − mean₁.         (10)

Source: Chan, Golub & LeVeque, Am. Stat. 37 (1983) 242.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

Numbers = Float[Array, "*n"] | Float[np.ndarray, "*n"] | np.float64
"""Sums of arrays without dimensions are scalars in NumPy."""


class Moments(NamedTuple):
    """The moments of n numbers over `count` times: x₀, the mean less x₀, and the sum of squares about the mean."""

    count: Array | np.ndarray
    origin: Numbers
    offset: Numbers
    squares: Numbers

    @property
    def mean(self) -> Numbers:
        """The mean, or x₀ for no times."""
        return self.origin + self.offset

    @property
    def variance(self) -> Numbers:
        """The variance, which divides by the number of times; NaN for no times."""
        return self.squares / self.count


class Sums(NamedTuple):
    """Sums over the times of one block: the shift, and the sums of differences from it and of their squares."""

    count: Array | np.ndarray
    shift: Numbers
    first: Numbers
    second: Numbers


def no_moments(origin: Numbers) -> Moments:
    """The moments of no times; differences are taken from `origin`."""
    return Moments(jnp.asarray(0.0), origin, jnp.zeros_like(origin), jnp.zeros_like(origin))


def begun(x: Numbers) -> Sums:
    """The sums of a block that begins at `x`, which is not counted yet."""
    return Sums(jnp.asarray(0.0), x, jnp.zeros_like(x), jnp.zeros_like(x))


def added(sums: Sums, *times: Numbers) -> Sums:
    """The sums with the numbers at one more time, or at several, for which the sums are read and written once."""
    differences = [x - sums.shift for x in times]
    first, second = sum(differences), sum(d * d for d in differences)
    return Sums(sums.count + len(times), sums.shift, sums.first + first, sums.second + second)


def joined(moments: Moments, sums: Sums) -> Moments:
    """Moments with those of one more block, equation (10); the block may be empty."""
    n1, n2 = moments.count, sums.count
    some = jnp.maximum(n2, 1)
    mean = (sums.shift - moments.origin) + sums.first / some
    squares = jnp.maximum(sums.second - sums.first * sums.first / some, 0.0)
    share = n2 / jnp.maximum(n1 + n2, 1)
    delta = jnp.where(n2 > 0, mean - moments.offset, 0.0)
    squares = moments.squares + jnp.where(n2 > 0, squares, 0.0) + delta * delta * n1 * share
    return Moments(n1 + n2, moments.origin, moments.offset + delta * share, squares)
