"""The potential of a gradient field: V with F = −∇V, integrated one variable after the other.

V grows by −∫ (Fᵢ + ∂V/∂xᵢ) dxᵢ for i = 1, 2, …; what stands in the bracket does not contain the variables that are
done already, if F is a gradient. Variables in which F is a polynomial come first: of a loss that is quadratic in
the readout they are the readout, and the rest is then done already.
"""

import sympy

from .vanishing import vanishes


def potential_of(field: sympy.Matrix, states: tuple[sympy.Symbol, ...]) -> sympy.Expr:
    """V with F = −∇V.

    **Raises:** `ValueError` where no closed form is found or −∇V = F cannot be proved.
    """
    potential = sympy.S.Zero
    order = sorted(range(len(states)), key=lambda i: not _is_polynomial(field[i], states[i]))
    for i in order:
        rest = field[i] + sympy.diff(potential, states[i])
        if not vanishes(rest):
            potential -= _integral(rest, states[i])
    for force, state in zip(field, states, strict=True):
        if not vanishes(force + sympy.diff(potential, state)):
            raise ValueError("system: no closed form of its potential was found.")
    return potential


def _is_polynomial(expression: sympy.Expr, state: sympy.Symbol) -> bool:
    return bool(expression.is_polynomial(state))


def _integral(expression: sympy.Expr, state: sympy.Symbol) -> sympy.Expr:
    """∫ expression dx from 0, or without a lower limit where it is no polynomial."""
    if _is_polynomial(expression, state):
        return sympy.Poly(expression, state).integrate(state).as_expr()
    return sympy.integrate(expression, state)
