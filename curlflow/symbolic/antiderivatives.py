"""Integrals of the terms that occur in learning rules: polynomials times functions of u = a x + b.

With s = logistic(u), ds = s (1 − s) du, and with t = tanh(u), dt = (1 − t²) du,

    ∫ sⁿ du = softplus(u) − Σ sᵏ/k over 0 < k < n,
    ∫ tⁿ du = ln cosh(u) or u, for n odd or even, − Σ tᵏ/k over k = n − 1, n − 3, … > 0,

and the integral of xⁿ step(u) is (xⁿ⁺¹ − x₀ⁿ⁺¹)/(n + 1) step(u) with u(x₀) = 0, which is continuous. What is left
goes to SymPy, whose answers for exceptional values of other variables (x₁ = 0 in cos(x₀ x₁)) are dropped: the general
one is kept, and the caller proves it by differentiation.
"""

import sympy

from .exact import log_cosh, logistic, softplus, step


def antiderivative(expression: sympy.Expr, state: sympy.Symbol) -> sympy.Expr:
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


def is_linear(expression: sympy.Expr, state: sympy.Symbol) -> bool:
    """Whether the arguments of all functions of `state` in `expression` are linear in it."""
    return all(_slope(argument, state) is not None for f in _functions(expression, state) for argument in f.args)


def _functions(expression: sympy.Expr, state: sympy.Symbol) -> list[sympy.Expr]:
    """The functions of `state` that are in no other one, and powers that are no polynomials."""
    if not expression.has(state):
        return []
    if expression.is_Add or expression.is_Mul or (expression.is_Pow and expression.exp.is_Integer):
        return list(dict.fromkeys(f for arg in expression.args for f in _functions(arg, state)))
    return [] if expression.is_Symbol or expression.is_Integer else [expression]


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
    whole = sympy.Mul(state**power, *(f**p for f, p in factors.items()))
    (function, exponent), *others = factors.items()
    slope = _slope(function.args[0], state) if len(function.args) == 1 else None
    if slope is None or slope == 0 or any(f.args != function.args for f, _ in others):
        return {_by_sympy(whole, state): sympy.S.One}
    u = function.args[0]
    if isinstance(function, step) and not others:
        return _of_step(function, power, slope, state)
    if power:
        return {_by_sympy(whole, state): sympy.S.One}
    v = sympy.Dummy(real=True)
    if isinstance(function, logistic | sympy.tanh) and not others:
        inner = _of_logistic(exponent, v) if isinstance(function, logistic) else _of_tanh(exponent, v)
    else:
        inner = _by_sympy(sympy.Mul(*(f.func(v) ** p for f, p in factors.items())), v)
    return {inner.subs(v, u): 1 / slope}


def _of_step(
    function: sympy.Expr, power: int, slope: sympy.Expr, state: sympy.Symbol
) -> dict[sympy.Expr, sympy.Expr]:
    """∫ xⁿ step(a x + b) dx. Where a step in `slope` is 0 the argument does not contain x, and there is no x₀."""
    switches = {f: sympy.S.One for f in sympy.Mul.make_args(slope) if isinstance(f, step)}
    root = -function.args[0].subs(state, 0) / slope.xreplace(switches)
    constant = -sympy.Mul(*switches) * root ** (power + 1) / (power + 1)
    return {function * state ** (power + 1): sympy.Rational(1, power + 1), function: constant}


def _of_logistic(exponent: int, u: sympy.Symbol) -> sympy.Expr:
    """∫ sⁿ du."""
    return softplus(u) - sympy.Add(*(logistic(u) ** k / k for k in range(1, exponent)))


def _of_tanh(exponent: int, u: sympy.Symbol) -> sympy.Expr:
    """∫ tⁿ du."""
    start = log_cosh(u) if exponent % 2 else u
    return start - sympy.Add(*(sympy.tanh(u) ** k / k for k in range(exponent - 1, 0, -2)))


def _by_sympy(expression: sympy.Expr, state: sympy.Symbol) -> sympy.Expr:
    try:
        result = sympy.integrate(expression, state)
    except (NotImplementedError, ValueError, TypeError, AttributeError, RecursionError):
        return sympy.Integral(expression, state)
    return result.replace(lambda e: isinstance(e, sympy.Piecewise), _general)


def _general(piecewise: sympy.Expr) -> sympy.Expr:
    """The first case where its condition is that something is not zero, and the other one is the exception."""
    value, condition = piecewise.args[0]
    return value if isinstance(condition, sympy.Ne) and len(piecewise.args) == 2 else piecewise
