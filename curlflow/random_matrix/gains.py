"""Flipped units that learn with a gain g other than −1: where the solution loses stability as g falls from 1.

With D1 = diag(1 or g) over the inputs and D2 = diag(1 or g) over the hidden units, H = W1ᵀ D2 W1 + D1 is for large
networks again a free sum, whose law follows from

    x(ω) = ω + R(G(ω)),    G(ω) = (1 − α_h)/(ω − 1) + α_h/(ω − g),
    R(z) = (1 − α_r)/c · 1/(1 − z) + α_r/c · g/(1 − g z),                                              (random.9)

which for g = −1 is that of `branches`. Below its first pole x rises to a single maximum, the lower edge of the
spectrum, by the same argument as there. The atom at g has the mass α_h − 1/c. Both fall with g, so that there is one
critical gain.
"""

from typing import Any

import numpy as np
from scipy.optimize import brentq, minimize_scalar

from .checks import check_fraction, check_ratio


def critical_gain(c: Any, *, inputs: Any = 0.0, hidden: Any = 0.0) -> Any:
    """`critical_gain(0.5, inputs=0.3)` is the gain of the flipped units at which the solution loses stability.

    **Returns:** a number for numbers, otherwise an array: the largest gain g ≤ 0 with λ_min(H) = 0; the solution is
    stable above and unstable below. It is −1 where `phase_boundary` is a fraction between 0 and 1, and may lie far
    below −1 elsewhere. NaN where no unit is flipped, and where it would be below −10⁶.

    **Arguments:** `c`, and the fractions of flipped `inputs` and `hidden` units, numbers or arrays that broadcast.

    **Raises:** `ValueError` for values out of range.
    """
    values = check_ratio(c), check_fraction("inputs", inputs), check_fraction("hidden", hidden)
    try:
        np.broadcast(*values)
    except ValueError:
        shapes = ", ".join(str(v.shape) for v in values)
        raise ValueError(f"c, inputs, hidden: got shapes {shapes}, which do not broadcast.") from None
    return np.vectorize(_critical, otypes=[float])(*values)[()]


def _critical(c: float, inputs: float, hidden: float) -> float:
    if inputs == hidden == 0:
        return float("nan")
    if lowest(c, inputs, hidden, 0.0) <= 0:
        return 0.0
    below = -1.0
    while lowest(c, inputs, hidden, below) > 0:
        below *= 2
        if below < -1e6:
            return float("nan")
    return float(brentq(lambda g: lowest(c, inputs, hidden, g), below, 0.0, xtol=1e-13, rtol=1e-12))


def lowest(c: float, inputs: float, hidden: float, gain: float) -> float:
    """The smallest eigenvalue of H of large networks, for gains up to 1."""
    end = first_pole(inputs, hidden, gain)
    spread = 1 + abs(gain) + ((1 - hidden) + hidden * abs(gain)) / c

    def height(logarithm: float) -> float:
        """−x(ω) by (random.9), at the logarithm of the distance from the pole: the maximum may lie close to it."""
        omega = end - np.exp(logarithm)
        g = (1 - inputs) / (omega - 1) + inputs / (omega - gain)
        return -(omega + (1 - hidden) / c / (1 - g) + hidden / c * gain / (1 - gain * g))

    grid = np.linspace(np.log(1e-9 * spread), np.log(1e3 * spread), 400)
    values = [height(t) for t in grid]
    k = int(np.clip(np.argmin(values), 1, grid.size - 2))
    best = minimize_scalar(height, bounds=(grid[k - 1], grid[k + 1]), method="bounded", options={"xatol": 1e-10})
    edge = -min(float(best.fun), float(values[k]))
    atoms = [a for a, mass in ((gain, inputs - 1 / c), (1.0, 1 - inputs - 1 / c)) if mass > 0]
    return min([edge, *atoms])


def first_pole(inputs: float, hidden: float, gain: float) -> float:
    """The first pole of x(ω): the lowest atom of D1, or where G(ω) = 1/g if that lies below."""
    atom = min([a for a, mass in ((1.0, 1 - inputs), (gain, inputs)) if mass > 0])
    if hidden == 0 or gain >= 0:
        return atom
    # G falls from 0 at −∞ to −∞ at the atom. Where D1 has one atom there is one root, otherwise two.
    if inputs in (0.0, 1.0):
        return min(atom, atom + gain)
    # (ω − 1)(ω − g) = g [(1 − α)(ω − g) + α (ω − 1)]
    roots = np.roots([1.0, -1 - 2 * gain, gain + gain * ((1 - inputs) * gain + inputs)])
    return min(atom, float(roots.real.min()))
