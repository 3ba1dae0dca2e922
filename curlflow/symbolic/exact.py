"""Numbers and functions of the symbolic fields: exact, real and differentiable as automatic differentiation has it.

A float64 is a fraction m/2^k. It becomes that fraction and nothing else, so that symbolic arithmetic has no rounding
and an identity holds or does not: 0.5 is 1/2, and 0.1 is 3602879701896397/36028797018963968.

Kinks and jumps (max, |x|, sign, comparisons that are counted as 0 and 1) are written with `step`, whose derivative
is 0: max(a, b) = b + (a − b) step(a − b). Selections (`jnp.where`) are case distinctions; what is not taken may be
undefined.
"""

from typing import Any

import numpy as np
import scipy.special
import sympy
from mpmath.libmp import prec_to_dps
from sympy.core.relational import Relational
from sympy.logic.boolalg import BooleanAtom, BooleanFunction, to_nnf


def exact(value: Any) -> sympy.Basic:
    """A boolean, integer or floating-point number as the SymPy object of exactly the same value."""
    if isinstance(value, sympy.Basic):
        return value
    if isinstance(value, bool | np.bool_):
        return sympy.true if value else sympy.false
    if isinstance(value, int | np.integer):
        return sympy.Integer(int(value))
    if isinstance(value, complex | np.complexfloating):
        raise ValueError(f"system: got the constant {complex(value)}; complex numbers have no symbolic form here.")
    value = float(value)
    if np.isnan(value):
        return sympy.nan
    if np.isinf(value):
        return sympy.oo if value > 0 else -sympy.oo
    return sympy.Rational(*value.as_integer_ratio())


def as_objects(array: Any) -> np.ndarray:
    """An array of numbers as an array of SymPy objects."""
    array = np.asarray(array)
    objects = np.empty(array.shape, dtype=object)
    objects.flat = [exact(value) for value in array.flat]
    return objects


def settled(objects: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """`objects` as plain integers or booleans, where they are that and all are known; else unchanged."""
    if dtype.kind not in "biu" or not all(value.is_Integer or value in (True, False) for value in objects.flat):
        return objects
    numbers = [bool(value) if dtype.kind == "b" else int(value) for value in objects.flat]
    return np.array(numbers, dtype=dtype).reshape(objects.shape)


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


class softplus(sympy.Function):
    """ln(1 + eˣ), the integral of `logistic`; its derivative is that function, so that potentials can be proved."""

    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        return logistic(self.args[0])

    def _eval_rewrite_as_exp(self, x: sympy.Expr, **hints: Any) -> sympy.Expr:
        return sympy.log(1 + sympy.exp(x))

    def _eval_evalf(self, precision: int) -> sympy.Expr:
        return self.rewrite(sympy.exp)._eval_evalf(precision)


class log_cosh(sympy.Function):
    """ln cosh x, the integral of tanh."""

    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        return sympy.tanh(self.args[0])

    def _eval_rewrite_as_exp(self, x: sympy.Expr, **hints: Any) -> sympy.Expr:
        return sympy.log(sympy.cosh(x))

    def _eval_evalf(self, precision: int) -> sympy.Expr:
        return self.rewrite(sympy.exp)._eval_evalf(precision)


def _step(x):
    return np.where(np.asarray(x) > 0, 1.0, 0.0)


class logistic(sympy.Function):
    """1/(1 + e⁻ˣ), kept as one function so that its derivative s(1 − s) is a polynomial in it."""

    @classmethod
    def eval(cls, x: sympy.Expr) -> sympy.Expr | None:
        return sympy.Rational(1, 2) if x.is_zero else None

    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        return self * (1 - self)

    def _eval_rewrite_as_exp(self, x: sympy.Expr, **hints: Any) -> sympy.Expr:
        return 1 / (1 + sympy.exp(-x))

    def _eval_evalf(self, precision: int) -> sympy.Expr:
        return self.rewrite(sympy.exp)._eval_evalf(precision)

    def _eval_is_extended_real(self) -> bool | None:
        return self.args[0].is_extended_real


class whole_part(sympy.Function):
    """The largest integer not above x. Its derivative is 0, at the jumps too."""

    @classmethod
    def eval(cls, x: sympy.Expr) -> sympy.Expr | None:
        return sympy.floor(x) if x.is_number else x if x.is_integer else None

    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        return sympy.S.Zero

    def _eval_evalf(self, precision: int) -> sympy.Expr:
        return sympy.floor(self.args[0])._eval_evalf(precision)

    def _eval_is_integer(self) -> bool:
        return True


class remainder(sympy.Function):
    """a − b trunc(a/b), which has the sign of a."""

    @classmethod
    def eval(cls, a: sympy.Expr, b: sympy.Expr) -> sympy.Expr | None:
        return a - b * towards_zero(a / b) if a.is_number and b.is_number else None

    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        return sympy.S.One if argindex == 1 else -towards_zero(self.args[0] / self.args[1])

    def _eval_evalf(self, precision: int) -> sympy.Expr:
        a, b = self.args
        return (a - b * towards_zero(a / b))._eval_evalf(precision)

    def _eval_is_extended_real(self) -> bool | None:
        return self.args[0].is_extended_real


NUMERIC = [
    {"logistic": scipy.special.expit, "remainder": np.fmod, "step": _step, "whole_part": np.floor},
    "scipy",
    "numpy",
]
"""Where `sympy.lambdify` finds the functions."""


def indicator(condition: sympy.Basic) -> sympy.Expr:
    """1 where `condition` holds, else 0, as an expression in steps."""
    if isinstance(condition, BooleanAtom):
        return sympy.S.One if condition else sympy.S.Zero
    if isinstance(condition, sympy.And):
        return sympy.Mul(*map(indicator, condition.args))
    if isinstance(condition, sympy.Not):
        return 1 - indicator(condition.args[0])
    if isinstance(condition, Relational):
        above, below = (step(d) for d in (condition.lhs - condition.rhs, condition.rhs - condition.lhs))
        return {">": above, "<": below, ">=": 1 - below, "<=": 1 - above, "==": (1 - above) * (1 - below)}.get(
            condition.rel_op, above + below
        )
    if isinstance(condition, sympy.Or):
        return 1 - sympy.Mul(*(1 - indicator(c) for c in condition.args))
    return indicator(to_nnf(condition, simplify=False))


def case(condition: sympy.Basic, yes: sympy.Basic, no: sympy.Basic) -> sympy.Basic:
    """`yes` where `condition` holds, else `no`; what is not taken may be undefined."""
    if condition == sympy.true or yes == no:
        return yes
    if condition == sympy.false:
        return no
    if isinstance(yes, BooleanAtom | BooleanFunction | Relational):
        return sympy.Or(sympy.And(condition, yes), sympy.And(sympy.Not(condition), no))
    return sympy.Piecewise((yes, condition), (no, True))


def maximum(a: sympy.Expr, b: sympy.Expr) -> sympy.Expr:
    """The larger of two; the second one, with its derivative, where they are equal."""
    return case(a > b, a, b) if a.is_infinite or b.is_infinite else b + (a - b) * step(a - b)


def minimum(a: sympy.Expr, b: sympy.Expr) -> sympy.Expr:
    """The smaller of two."""
    return case(a < b, a, b) if a.is_infinite or b.is_infinite else b + (a - b) * step(b - a)


def sign(x: sympy.Expr) -> sympy.Expr:
    """−1, 0 or 1."""
    return step(x) - step(-x)


def absolute(x: sympy.Expr) -> sympy.Expr:
    """|x|."""
    return x * sign(x)


def towards_zero(x: sympy.Expr) -> sympy.Expr:
    """x without what stands behind the point."""
    return step(x) * whole_part(x) - step(-x) * whole_part(-x)
