"""The phase boundary: the smallest fraction of flips at which the lowest eigenvalue of H reaches zero.

Flipping one more input or hidden unit subtracts a positive semidefinite matrix from H, so λ_min never rises with
either fraction: below its critical value every fraction is stable, above it none. With one layer flipped the boundary
is a rational curve (`boundary_curve` derives both),

    inputs:   c = (1 + ω²)/(ω² (1 − 2ω)),      α_h = (1 + ω)² (ω² − 2ω + 2)/(2 (1 + ω²)),  −2 ≤ ω ≤ −1,
    hidden:   c = g²/((1 + g)(1 − g + 2g²)),    α_r = (1 + g)(1 + g²)/(2 (1 − g + 2g²)),    −1 < g < 0,     (random.5)

of which the first runs from (c, α_h) = (1/4, 1) to (2/3, 0) and the second from (0, 1/2) to (∞, 0), as 1/(16 c). With
flips in both layers x(ω) is linear in α_r, so that the critical fraction is an ordinary maximum,

    α_r = max over ω with −1 < G(ω) < 0 of   [c ω (1 − G²) + 1 + G]/2,                                 (random.6)

whose critical points satisfy 1/c = (1 − G²)/(−G′) + 2 G ω.
"""

import functools
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import sympy as sp

from ..variable import Variable
from .branches import FreeSum, bracketed_root, lower_edge
from .checks import LAYERS, check_choice, check_fraction, check_ratio
from .symbolic import boundary_curve
from .symbolic import c as ratio

LIMIT = "exact up to rounding, in the limit of large networks"
"""The uncertainty of a critical fraction; `curlflow.random_matrix.critical_fraction_at` is about finite ones."""
VARIABLES = (
    Variable(
        "critical_fraction",
        ("layer", "c"),
        "smallest unstable fraction of flips",
        attributes={"comment": "NaN: stable for every fraction; 0: unstable for every positive one"},
        uncertainty=LIMIT,
    ),
    Variable(
        "critical_hidden_fraction",
        ("c", "inputs_fraction"),
        "smallest unstable fraction of flipped hidden units",
        attributes={"comment": "0: unstable for every positive fraction"},
        uncertainty=LIMIT,
    ),
)


def phase_boundary(c: Any, layer: Any = "inputs") -> Any:
    """`phase_boundary(0.5, "inputs")` is the fraction of flipped inputs at which a solution loses stability.

    **Returns:** the critical fraction in the shape of `c`, a scalar for a scalar. It is NaN where the solution is
    stable for every fraction, 0 where it is unstable for every positive one. For the inputs these ranges are c < 1/4
    and c ≥ 2/3; for hidden units neither occurs.

    **Arguments:** the compression ratio `c` = M/N, a positive number or an array, and the `layer` whose signs are
    flipped, `"inputs"` (fraction α_h) or `"hidden"` units (α_r).

    **Description:** the parameter of the rational curve (random.5) is a root of a polynomial with coefficients linear
    in c. These are evaluated in exact arithmetic, so that no digits are lost at the ends of the curve.

    **Raises:** `ValueError` for values out of range or an unknown layer.
    """
    ratios = check_ratio(c)
    check_choice("layer", layer, LAYERS)
    coefficients, fraction, start, end = _curve(layer)
    exact = [Fraction(float(value)) for value in ratios.ravel()]
    result = np.array([np.nan if value < start else 0.0 for value in exact])
    inside = [place for place, value in enumerate(exact) if start <= value < end]
    if inside:
        terms = np.array([coefficients(exact[place]) for place in inside], dtype=np.float64).T
        result[inside] = fraction(bracketed_root(lambda t, *terms: np.polyval(terms, t), 0.0, 1.0, tuple(terms)))
    return result.reshape(ratios.shape)[()]


@functools.cache
def _curve(layer: str) -> tuple[Callable, Callable, Fraction, Fraction | float]:
    """The boundary, from its end at zero: coefficients in t as functions of c, the fraction in t, the ends in c."""
    curve = boundary_curve(layer)
    t = sp.Symbol("t", positive=True)
    # t is 0 where the fraction vanishes and 1 at the other end, so that small fractions keep their digits.
    shift = {curve.parameter: curve.end + t * (curve.start - curve.end)}
    numerator, denominator = sp.fraction(sp.cancel(sp.together(curve.c.subs(shift))))
    polynomial = sp.Poly(numerator - ratio * denominator, t)
    ends = [sp.limit(curve.c, curve.parameter, end, "-" if end == 0 else "+") for end in (curve.start, curve.end)]
    start, end = (np.inf if value.is_infinite else Fraction(int(value.p), int(value.q)) for value in ends)
    coefficients = sp.lambdify(ratio, polynomial.all_coeffs(), "math")
    return coefficients, sp.lambdify(t, sp.factor(curve.fraction.subs(shift)), "numpy"), start, end


def phase_surface(c: Any, inputs: Any) -> Any:
    """`phase_surface(0.3, inputs=0.2)` is the critical fraction of hidden units when inputs are flipped as well.

    **Returns:** the smallest fraction α_r at which λ_min reaches zero, in the shape to which the arguments broadcast:
    0 where no positive fraction is stable. It is never NaN: with all hidden units flipped no solution is stable.

    **Arguments:** the compression ratio `c` = M/N and the fraction `inputs` (α_h) of flipped inputs.

    **Description:** the maximum (random.6), bracketed between the point where the gap below the spectrum without
    hidden flips reaches 0 and where it ends. At `inputs=0` it equals `phase_boundary(c, "hidden")`, and from
    `phase_boundary(c, "inputs")` on it is 0. For c > 1/4 it jumps at `inputs` = 0: the limit for few flipped inputs
    is (2 − 3c)/8, and 0 from c = 2/3 on.

    **Raises:** `ValueError` for values out of range.
    """
    c, inputs = np.broadcast_arrays(check_ratio(c), check_fraction("inputs", inputs))
    shape, c, inputs = c.shape, c.ravel(), inputs.ravel()
    # The gap below the spectrum at α_r → 0 ends at an edge, or where G = −1: at the pole of the flipped part.
    pole = FreeSum(1 / c, 1 / c, inputs, 1 - inputs).first_pole()
    end = np.minimum(lower_edge(FreeSum.of(c, inputs, 0.0))[0], pole)
    some = (inputs * c <= 1) & (_reach(end, c, inputs) > 0)  # elsewhere no positive fraction is stable
    result = np.zeros(c.shape)
    if some.any():
        c, inputs, end = c[some], inputs[some], end[some]
        low = np.minimum(1 - 1 / c, end) - 1.0
        start = bracketed_root(_reach, low, end, (c, inputs))
        best = bracketed_root(_excess, start, end, (c, inputs))
        g = FreeSum.of(c, inputs, 0.0).cauchy_transform(best)
        result[some] = np.maximum((c * (best - 1) * (1 - g**2) + 1 + g) / 2, 0.0)
    return result.reshape(shape)[()]


def _reach(delta: Any, c: Any, inputs: Any) -> Any:
    """c x(ω) without hidden flips."""
    g = FreeSum.of(c, inputs, 0.0).cauchy_transform(delta)
    return c * (delta - 1) + 1 / (1 - g)


def _excess(delta: Any, c: Any, inputs: Any) -> Any:
    """The sign of the derivative of (random.6): (1 − G²)/(−G′) + 2 G ω − 1/c, times c."""
    law = FreeSum.of(c, inputs, 0.0)
    g = law.cauchy_transform(delta)
    return c * ((1 - g**2) / law.fall(delta) + 2 * g * (delta - 1)) - 1
