"""The potential of a gradient field: V with F = −∇V, integrated one variable after the other.

V grows by −∫ (Fᵢ + ∂V/∂xᵢ) dxᵢ for i = 1, 2, …; of a gradient, what stands in the bracket no longer contains the
variables that are done. Variables in which F is a polynomial come first, then those in which arguments of functions
are linear: of a loss they are the readout, and the rest is then done. At the end −∇V = F is proved by
differentiation, whatever way V was found.

The terms of learning rules are polynomials times functions of u = a x + b. With s = logistic(u), ds = s (1 − s) du,
and with t = tanh(u), dt = (1 − t²) du,

    ∫ sⁿ du = softplus(u) − Σ sᵏ/k over 0 < k < n,
    ∫ tⁿ du = ln cosh(u) or u, for n odd or even, − Σ tᵏ/k over k = n − 1, n − 3, … > 0,

and the integral of xⁿ step(u) is (xⁿ⁺¹ − x₀ⁿ⁺¹)/(n + 1) step(u) with u(x₀) = 0, which is continuous. What is left
goes to SymPy; of its answers with exceptions (x₁ = 0 in cos(x₀ x₁)) the general one is kept, and proved.
"""

import sympy

from .exact import Logistic, log_cosh, softplus, step
from .vanishing import not_finite, vanishes


def potential_of(field: sympy.Matrix, states: tuple[sympy.Symbol, ...]) -> sympy.Expr:
    """V with F = −∇V; `ValueError` where no closed form is found or −∇V = F cannot be proved."""
    potential = sympy.S.Zero
    for entry, state in sorted(zip(field, states, strict=True), key=lambda pair: _difficulty(*pair)):
        rest = entry + sympy.diff(potential, state)
        if not vanishes(rest):
            potential -= _antiderivative(rest, state)
    formal = potential.has(sympy.Integral, sympy.Derivative, sympy.Subs) or not_finite(potential)
    if formal or not all(vanishes(f + sympy.diff(potential, x)) for f, x in zip(field, states, strict=True)):
        raise ValueError("system: no closed form of its potential was found.")
    return potential.replace(lambda e: isinstance(e, softplus | log_cosh), lambda e: e.rewrite(sympy.exp, deep=False))


def _difficulty(expression: sympy.Expr, state: sympy.Symbol) -> int:
    if expression.is_polynomial(state):
        return 0
    arguments = (argument for f in _functions(expression, state) for argument in f.args)
    return 1 if all(_slope(argument, state) is not None for argument in arguments) else 2


def _antiderivative(expression: sympy.Expr, state: sympy.Symbol) -> sympy.Expr:
    """∫ `expression` d`state`; with `sympy.Integral` in it where no closed form is found."""
    functions = _functions(expression, state)
    names = {f: sympy.Dummy(real=True) for f in functions}
    try:
        terms = sympy.Poly(expression.xreplace(names), state, *names.values()).terms()
    except sympy.PolynomialError:
        return _by_sympy(expression, state)
    found: dict[sympy.Expr, sympy.Expr] = {}
    for (power, *powers), coefficient in terms:
        factors = {f: p for f, p in zip(functions, powers, strict=True) if p}
        for function, factor in _terms(power, factors, state).items():
            found[function] = found.get(function, sympy.S.Zero) + coefficient * factor
    return sympy.Add(*(sympy.cancel(sympy.together(c)) * function for function, c in found.items()))


def _functions(expression: sympy.Expr, state: sympy.Symbol) -> list[sympy.Expr]:
    """The functions of `state` that are in no other one, and powers that are no polynomials."""
    if not expression.has(state):
        return []
    if expression.is_Add or expression.is_Mul or (expression.is_Pow and expression.exp.is_Integer):
        return list(dict.fromkeys(f for arg in expression.args for f in _functions(arg, state)))
    return [] if expression.is_Symbol else [expression]


def _slope(argument: sympy.Basic, state: sympy.Symbol) -> sympy.Expr | None:
    """a of a x + b, or None."""
    if not isinstance(argument, sympy.Expr):  # a case of a Piecewise
        return None
    slope = sympy.diff(argument, state)
    return slope if not slope.has(state) else None


def _terms(power: int, factors: dict[sympy.Expr, int], state: sympy.Symbol) -> dict[sympy.Expr, sympy.Expr]:
    """The integral of state^power times the factors, as functions and what multiplies them."""
    if not factors:
        return {state ** (power + 1): sympy.Rational(1, power + 1)}
    (function, exponent), *others = factors.items()
    slope = _slope(function.args[0], state) if len(function.args) == 1 else None
    if isinstance(function, step) and not others and slope:
        # Where a step in `slope` is 0 the argument does not contain x, and there is no x₀.
        switches = {f: sympy.S.One for f in sympy.Mul.make_args(slope) if isinstance(f, step)}
        root = -function.args[0].subs(state, 0) / slope.xreplace(switches)
        constant = -sympy.Mul(*switches) * root ** (power + 1) / (power + 1)
        return {function * state ** (power + 1): sympy.Rational(1, power + 1), function: constant}
    if power or not slope or any(f.args != function.args for f, _ in others):
        return {_by_sympy(sympy.Mul(state**power, *(f**p for f, p in factors.items())), state): sympy.S.One}
    u = sympy.Dummy(real=True)
    if isinstance(function, Logistic) and not others:
        inner = softplus(u) - sympy.Add(*(Logistic(u) ** k / k for k in range(1, exponent)))
    elif isinstance(function, sympy.tanh) and not others:
        start = log_cosh(u) if exponent % 2 else u
        inner = start - sympy.Add(*(sympy.tanh(u) ** k / k for k in range(exponent - 1, 0, -2)))
    else:
        inner = _by_sympy(sympy.Mul(*(f.func(u) ** p for f, p in factors.items())), u)
    return {inner.subs(u, function.args[0]): 1 / slope}


def _by_sympy(expression: sympy.Expr, state: sympy.Symbol) -> sympy.Expr:
    try:
        result = sympy.integrate(expression, state)
    except (NotImplementedError, ValueError, TypeError, AttributeError, RecursionError):
        return sympy.Integral(expression, state)
    return result.replace(lambda e: isinstance(e, sympy.Piecewise), _general)


def _general(piecewise: sympy.Expr) -> sympy.Expr:
    """The first of two cases where its condition is that something is not zero: the other one is the exception."""
    value, condition = piecewise.args[0]
    return value if isinstance(condition, sympy.Ne) and len(piecewise.args) == 2 else piecewise
