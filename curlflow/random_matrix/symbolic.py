"""The resolvent of the free sum and the critical surface, derived with SymPy.

H is a sum of three free parts. A Wishart matrix Σₖ wₖwₖᵀ with M·r terms of length one is a free Poisson law of rate
r, whose R-transform is r/(1 − g); minus such a matrix has −r/(1 + g). R-transforms of free parts add, and D1 has the
Cauchy transform G(ω). So with A = (1 − α_r)/c and B = α_r/c

    R(g) = A/(1 − g) − B/(1 + g),     G(ω) = (1 − α_h)/(ω − 1) + α_h/(ω + 1),
    g(x) = G(ω),  ω = x − R(g).                                                                        (random.1)

Read from the right this is a rational function of ω alone, x(ω) = ω + R(G(ω)), of which ω(x) is the inverse
(additive subordination). An edge of the spectrum is a critical value of it, x′(ω) = 0, and the critical surface is
where that value is 0.

Sources: Voiculescu, J. Funct. Anal. 66 (1986) 323; Marchenko & Pastur, Math. USSR Sb. 1 (1967) 457; Biane, Math. Z.
227 (1998) 143 (subordination).
"""

import functools
from typing import Any, NamedTuple

import numpy as np
import sympy as sp

from .checks import LAYERS, check_choice, quoted

g, omega = sp.symbols("g omega")
x = sp.symbols("x", real=True)
c = sp.symbols("c", positive=True)
alpha_h, alpha_r = sp.symbols("alpha_h alpha_r", nonnegative=True)


class Curve(NamedTuple):
    """A rational curve: c and the critical fraction in terms of `parameter`, which runs from `start` to `end`."""

    parameter: sp.Symbol
    c: sp.Expr
    fraction: sp.Expr
    start: sp.Expr
    end: sp.Expr


class Surface(NamedTuple):
    """A rational surface: c and α_r as expressions in `omega` and `alpha_h`."""

    omega: sp.Symbol
    inputs: sp.Symbol
    c: sp.Expr
    hidden: sp.Expr


def r_transform(positive: sp.Expr, negative: sp.Expr) -> sp.Expr:
    """R(g) of a Wishart matrix of rate `positive` less one of rate `negative`."""
    return positive / (1 - g) - negative / (1 + g)


def cauchy_transform_of_signs(inputs: sp.Expr) -> sp.Expr:
    """G(ω) of D1, whose law is (1 − inputs) δ₊₁ + inputs δ₋₁."""
    return (1 - inputs) / (omega - 1) + inputs / (omega + 1)


def resolvent_polynomial(inputs: Any = None, hidden: Any = None) -> sp.Poly:
    """`resolvent_polynomial()` is the polynomial in g that the Cauchy transform of the spectrum satisfies.

    **Returns:** a `sympy.Poly` in `g` with coefficients in `x`, `c`, `alpha_h` and `alpha_r`.

    **Arguments:** `inputs` and `hidden`, the fractions as numbers of Python or SymPy in place of the symbols.

    **Description:** the relation g = G(x − R(g)) over one denominator. The degree is 5; it is 3 where one kind of
    sign is missing (`inputs` 0 or 1, or `hidden` 0 or 1), and 2, the Marchenko–Pastur law, where two are.

    **Raises:** `ValueError` for anything but a number from 0 to 1.
    """
    return _resolvent(_exact("inputs", inputs, alpha_h), _exact("hidden", hidden, alpha_r))


@functools.cache
def _resolvent(flipped_inputs: sp.Expr, flipped_hidden: sp.Expr) -> sp.Poly:
    shifted = x - r_transform((1 - flipped_hidden) / c, flipped_hidden / c)
    relation = g - cauchy_transform_of_signs(flipped_inputs).subs(omega, shifted)
    return sp.Poly(sp.fraction(sp.cancel(sp.together(relation)))[0], g)


def _exact(name: str, value: Any, symbol: sp.Symbol) -> sp.Expr:
    if value is None:
        return symbol
    scalar = np.asarray(value).item() if hasattr(value, "__array__") and np.ndim(value) == 0 else value
    number = isinstance(scalar, int | float | sp.Expr) and not isinstance(scalar, bool)
    exact = sp.nsimplify(scalar) if number else sp.nan
    if not (exact.is_real and exact.is_number and 0 <= exact <= 1):
        raise ValueError(f"{name}: got {quoted(value)}, allowed are numbers from 0 to 1.")
    return exact


@functools.cache
def critical_surface() -> Surface:
    """`critical_surface()` is where the left edge is zero, with flips in both layers.

    **Returns:** c and α_r as rational functions of ω and α_h. The physical sheet has ω < −1 and 0 ≤ α_r ≤ 1.

    **Description:** x(ω) = 0 and x′(ω) = 0 are two linear equations for the rates A and B; then c = 1/(A + B) and
    α_r = B c.
    """
    a, b = sp.symbols("A B")
    position = omega + r_transform(a, b).subs(g, cauchy_transform_of_signs(alpha_h))
    rates = sp.solve([sp.together(position), sp.together(sp.diff(position, omega))], [a, b], dict=True)[0]
    inverse = sp.factor(rates[a] + rates[b])
    return Surface(omega, alpha_h, 1 / inverse, sp.factor(rates[b] / inverse))


def boundary_curve(layer: Any) -> Curve:
    """`boundary_curve("inputs")` is the phase boundary as a rational curve.

    **Returns:** a `Curve`. For `"inputs"` the parameter is ω, for `"hidden"` it is g = 1/(ω − 1).

    **Arguments:** `layer`, whose signs are flipped, `"inputs"` (α_r = 0) or `"hidden"` (α_h = 0).

    **Description:** with one layer flipped the `critical_surface` becomes a curve. α_h = 0 is a substitution. With
    α_r = 0, x(ω) = 0 gives c and then x′(ω) = 0 is linear in α_h. The ends are α_h = 1 and α_h = 0 for the inputs,
    c → 0 and c → ∞ for the hidden units.

    **Raises:** `ValueError` for an unknown layer.
    """
    return _boundary(check_choice("layer", layer, LAYERS))


@functools.cache
def _boundary(layer: str) -> Curve:
    if layer == "hidden":
        surface = critical_surface()
        at_zero = [sp.cancel(e.subs(alpha_h, 0)) for e in (surface.c, surface.hidden)]
        return Curve(g, *(sp.factor(e.subs(omega, 1 + 1 / g)) for e in at_zero), sp.Integer(0), sp.Integer(-1))
    position = omega + r_transform(1 / c, sp.Integer(0)).subs(g, cauchy_transform_of_signs(alpha_h))
    ratio = sp.solve(position, c)[0]
    slope = sp.factor(sp.diff(position, omega).subs(c, ratio))
    fraction = sp.factor(sp.solve(sp.fraction(slope)[0], alpha_h)[0])
    return Curve(omega, sp.factor(ratio.subs(alpha_h, fraction)), fraction, sp.Integer(-2), sp.Integer(-1))
