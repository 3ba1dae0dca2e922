"""Numbers and functions of the symbolic fields: exact, real and differentiable as automatic differentiation has it.

A float64 is a fraction m/2^k and becomes that fraction, so that symbolic arithmetic has no rounding and an identity
holds or does not: 0.5 is 1/2, and 0.1 is 3602879701896397/36028797018963968.

Kinks and jumps (max, |x|, sign, comparisons that are counted as 0 and 1) are written with `step`, whose derivative
is 0: max(a, b) = b + (a − b) step(a − b). Selections (`jnp.where`) are case distinctions.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special
import sympy
from mpmath.libmp import prec_to_dps
from sympy.core.relational import Relational
from sympy.logic.boolalg import BooleanAtom, BooleanFunction, to_nnf


def exact(value: Any) -> sympy.Basic:
    """A boolean, integer or floating-point number as the SymPy object of exactly the same value."""
    if isinstance(value, complex | np.complexfloating):
        raise ValueError(f"system: got the constant {complex(value)}; complex numbers have no symbolic form here.")
    if isinstance(value, float | np.floating) and np.isfinite(value):
        return sympy.Rational(*value.as_integer_ratio())
    return sympy.sympify(value, strict=True)


def each(function: Callable[..., sympy.Basic], *arrays: Any) -> np.ndarray:
    """`function` on corresponding entries of arrays, which are broadcast; the result is an array of objects."""
    with np.errstate(invalid="ignore"):  # NaN is a value like others
        return np.asarray(np.frompyfunc(function, len(arrays), 1)(*arrays), dtype=object)


def as_objects(array: Any) -> np.ndarray:
    """An array of numbers as an array of SymPy objects."""
    return each(exact, np.asarray(array))


class step(sympy.Function):
    """1 where x > 0, else 0. Its derivative is 0, at the jump too; step(cx) with a number c > 0 is step(x)."""

    @classmethod
    def eval(cls, x: sympy.Expr) -> sympy.Expr | None:
        if x is sympy.nan:
            return x
        if x.is_number and (x.is_extended_real or x.is_comparable):
            return sympy.S.One if x > 0 else sympy.S.Zero
        content, primitive = x.as_content_primitive()
        return None if content == 1 else cls(primitive)

    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        return sympy.S.Zero

    def _eval_evalf(self, precision: int) -> sympy.Expr | None:
        x = self.args[0].evalf(prec_to_dps(precision))
        return step(x) if x.is_comparable else None  # None: it stays as it is, at complex values for example

    def _eval_power(self, exponent: sympy.Expr) -> sympy.Expr | None:
        return self if exponent.is_Integer and exponent > 0 else None

    def _eval_is_extended_real(self) -> bool:
        return True


class _Abbreviation(sympy.Function):
    """A function that is kept as one, so that its derivative is simple; `rewrite(sympy.exp)` writes it out."""

    def _eval_evalf(self, precision: int) -> sympy.Expr:
        return self.rewrite(sympy.exp)._eval_evalf(precision)

    def _eval_is_extended_real(self) -> bool | None:
        return self.args[0].is_extended_real


class Logistic(_Abbreviation):
    """1/(1 + e⁻ˣ), with the derivative s(1 − s), a polynomial in it."""

    @classmethod
    def eval(cls, x: sympy.Expr) -> sympy.Expr | None:
        return sympy.Rational(1, 2) if x.is_zero else None

    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        return self * (1 - self)

    def _eval_rewrite_as_exp(self, x: sympy.Expr, **hints: Any) -> sympy.Expr:
        return 1 / (1 + sympy.exp(-x))


Logistic.__name__ = "logistic"  # by which SymPy prints and finds it


class softplus(_Abbreviation):
    """ln(1 + eˣ), the integral of `Logistic`."""

    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        return Logistic(self.args[0])

    def _eval_rewrite_as_exp(self, x: sympy.Expr, **hints: Any) -> sympy.Expr:
        return sympy.log(1 + sympy.exp(x))


class log_cosh(_Abbreviation):
    """ln cosh x, the integral of tanh."""

    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        return sympy.tanh(self.args[0])

    def _eval_rewrite_as_exp(self, x: sympy.Expr, **hints: Any) -> sympy.Expr:
        return sympy.log(sympy.cosh(x))


class remainder(sympy.Function):
    """r = a − b trunc(a/b), which has the sign of a; its derivatives are 1 and −trunc(a/b) = (r − a)/b."""

    @classmethod
    def eval(cls, a: sympy.Expr, b: sympy.Expr) -> sympy.Expr | None:
        return a - b * int(a / b) if (a / b).is_comparable else None

    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        a, b = self.args
        return sympy.S.One if argindex == 1 else (self - a) / b

    def _eval_is_extended_real(self) -> bool | None:
        return self.args[0].is_extended_real


_OURS = {"logistic": scipy.special.expit, "remainder": np.fmod, "step": lambda x: np.where(x > 0, 1.0, 0.0)}
NUMERIC = [_OURS, "scipy", "numpy"]  # where `sympy.lambdify` finds the functions


def indicator(condition: sympy.Basic) -> sympy.Expr:
    """1 where `condition` holds, else 0, as an expression in steps."""
    condition = to_nnf(condition, simplify=False)
    if isinstance(condition, BooleanAtom):
        return sympy.S.One if condition else sympy.S.Zero
    if isinstance(condition, sympy.And):
        return sympy.Mul(*map(indicator, condition.args))
    if isinstance(condition, sympy.Or):
        return 1 - sympy.Mul(*(1 - indicator(c) for c in condition.args))
    assert isinstance(condition, Relational)
    above, below = (step(d) for d in (condition.lhs - condition.rhs, condition.rhs - condition.lhs))
    cases = {">": above, "<": below, ">=": 1 - below, "<=": 1 - above, "==": (1 - above) * (1 - below)}
    return cases.get(condition.rel_op, above + below)


def case(condition: sympy.Basic, yes: sympy.Basic, no: sympy.Basic) -> sympy.Basic:
    """`yes` where `condition` holds, else `no`; what is not taken may be undefined."""
    if isinstance(yes, BooleanAtom | BooleanFunction | Relational):
        return (condition & yes) | (~condition & no)
    return sympy.Piecewise((yes, condition), (no, True))


def maximum(a: sympy.Expr, b: sympy.Expr) -> sympy.Expr:
    """The larger of two; the second one, with its derivative, where they are equal."""
    return case(a > b, a, b) if a.is_infinite or b.is_infinite else b + (a - b) * step(a - b)


def sign(x: sympy.Expr) -> sympy.Expr:
    """−1, 0 or 1."""
    return step(x) - step(-x)
