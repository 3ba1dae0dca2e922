"""The potential of a gradient field: V with F = −∇V, integrated one variable after the other.

V grows by −∫ (Fᵢ + ∂V/∂xᵢ) dxᵢ for i = 1, 2, …; what stands in the bracket does not contain the variables that are
done already, if F is a gradient. Variables in which F is a polynomial come first, then those that are in arguments of
functions in a linear way: of a loss they are the readout, and the rest is then done already. At the end −∇V = F is
proved by differentiation, whatever way V was found.
"""

import sympy

from .antiderivatives import antiderivative, is_linear
from .exact import log_cosh, softplus
from .vanishing import not_finite, vanishes


def potential_of(field: sympy.Matrix, states: tuple[sympy.Symbol, ...]) -> sympy.Expr:
    """V with F = −∇V, in functions of SymPy where they exist.

    **Raises:** `ValueError` where no closed form is found or −∇V = F cannot be proved.
    """
    potential = sympy.S.Zero
    for i in sorted(range(len(states)), key=lambda i: _difficulty(field[i], states[i])):
        rest = field[i] + sympy.diff(potential, states[i])
        if not vanishes(rest):
            potential -= antiderivative(rest, states[i])
    formal = potential.has(sympy.Integral, sympy.Derivative, sympy.Subs) or not_finite(potential)
    if formal or not all(vanishes(f + sympy.diff(potential, x)) for f, x in zip(field, states, strict=True)):
        raise ValueError("system: no closed form of its potential was found.")
    known = potential.replace(softplus, lambda u: sympy.log(1 + sympy.exp(u)))
    return known.replace(log_cosh, lambda u: sympy.log(sympy.cosh(u)))


def _difficulty(expression: sympy.Expr, state: sympy.Symbol) -> int:
    if expression.is_polynomial(state):
        return 0
    return 1 if is_linear(expression, state) else 2
