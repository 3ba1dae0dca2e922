"""Is an expression zero identically? Proofs by algebra, refutations by numbers.

Functions of the state (tanh, exp, ...) are replaced by new symbols, steps by χ, and each case distinction by

    {a if c, else b} = b + χ (a − b)    with    χ² = χ,

so that what remains is a rational function. It is zero if its numerator is; that proves it. A number at a random
point that is not zero, in 50 digits, refutes it. What is neither goes to `sympy.simplify`.
"""

import functools
import random
from collections.abc import Callable

import sympy

from .exact import indicator, step

POINTS, DIGITS = 4, 50


class Generators:
    """Rational functions in the state and new symbols; `functions` and `switches` map what was replaced to those."""

    def __init__(self) -> None:
        self.functions: dict[sympy.Basic, sympy.Symbol] = {}
        self.switches: dict[sympy.Basic, sympy.Symbol] = {}
        self.rational: Callable[[sympy.Expr], sympy.Expr] = functools.cache(self._replaced)

    def numerator(self, expression: sympy.Expr) -> sympy.Poly:
        """The numerator as a polynomial in all symbols, old and new."""
        top = self.rational(expression)
        if any(power.exp.is_negative for power in top.atoms(sympy.Pow)):
            top = sympy.fraction(sympy.together(top))[0]
        symbols = sorted(top.free_symbols, key=str) or [sympy.Dummy()]
        return self.reduced(sympy.Poly(top, *symbols))

    def reduced(self, polynomial: sympy.Poly) -> sympy.Poly:
        """`polynomial` with χ² = χ."""
        switches = set(self.switches.values())
        terms: dict[tuple[int, ...], sympy.Expr] = {}
        for powers, coefficient in polynomial.terms():
            key = tuple(min(p, 1) if g in switches else p for p, g in zip(powers, polynomial.gens, strict=True))
            terms[key] = terms.get(key, sympy.S.Zero) + coefficient
        return sympy.Poly.from_dict(terms, *polynomial.gens)

    def _replaced(self, e: sympy.Expr) -> sympy.Expr:
        """`e` with all functions and conditions replaced."""
        if e.is_Number or e.is_Symbol:
            return e
        if isinstance(e, sympy.Piecewise):
            result = self.rational(e.args[-1].expr)
            for value, condition in reversed([tuple(pair) for pair in e.args[:-1]]):
                result = result + self.rational(indicator(condition)) * (self.rational(value) - result)
            return result
        if e.is_Add or e.is_Mul or (e.is_Pow and e.exp.is_Integer):
            return e.func(*(self.rational(arg) for arg in e.args))
        if isinstance(e, sympy.exp) and e.args[0].could_extract_minus_sign():
            return 1 / self.rational(sympy.exp(-e.args[0]))
        if isinstance(e, step):
            return self.switches.setdefault(e, sympy.Dummy(f"c{len(self.switches)}", real=True))
        return self.functions.setdefault(e, sympy.Dummy(f"f{len(self.functions)}", real=True))


def vanishes(expression: sympy.Expr, generators: Generators | None = None) -> bool | None:
    """Whether `expression` is zero for all values of its symbols: True or False if that is certain, else None.

    Calls about real expressions with common parts may share `generators`, which saves time.
    """
    if expression == 0:
        return True
    if not_finite(expression):
        return None
    if (generators or Generators()).numerator(expression).is_zero:
        return True
    if _differs_from_zero(expression):
        return False
    if sympy.count_ops(expression) > 2000:  # to simplify it would take minutes
        return None
    try:
        return True if sympy.simplify(expression).is_zero else None
    except (ArithmeticError, AttributeError, NotImplementedError, TypeError, ValueError):
        return None  # SymPy tries complex values, for which steps and comparisons have none


def not_finite(expression: sympy.Basic) -> bool:
    """Whether NaN or an infinite number occurs in `expression`."""
    return expression.has(sympy.nan, sympy.zoo, sympy.oo, -sympy.oo)


def _differs_from_zero(expression: sympy.Expr) -> bool:
    """Whether `expression` is far from zero, for that many digits, at one of a few random points."""
    generator = random.Random(0)
    for _ in range(POINTS):
        point = {}
        for s in sorted(expression.free_symbols, key=str):
            value = sympy.Rational(generator.randint(1, 997), 500)
            sign = 1 if s.is_positive or generator.random() < 0.5 else -1
            point[s] = generator.randint(1, 9) if s.is_integer else sign * value
        value = sympy.N(expression.subs(point), DIGITS)
        if value.is_number and value.is_finite and abs(value) > sympy.Float(10) ** (10 - DIGITS):
            return True
    return False
