"""Operations on one entry at a time: a table from the name of a JAX primitive to a function of SymPy expressions."""

from collections.abc import Callable
from typing import Any

import numpy as np
import sympy

from .exact import absolute, case, indicator, maximum, minimum, remainder, sign, step, towards_zero, whole_part
from .exact import logistic as logistic_function

SCALAR: dict[str, Callable[..., sympy.Basic]] = {
    "abs": absolute,
    "acos": sympy.acos,
    "acosh": sympy.acosh,
    "add": lambda a, b: a + b,
    "add_any": lambda a, b: a + b,
    "asin": sympy.asin,
    "asinh": sympy.asinh,
    "atan": sympy.atan,
    "atan2": sympy.atan2,
    "atanh": sympy.atanh,
    "cbrt": lambda x: sign(x) * absolute(x) ** sympy.Rational(1, 3),
    "ceil": lambda x: -whole_part(-x),
    "clamp": lambda low, x, high: minimum(maximum(x, low), high),
    "copy": lambda x: x,
    "copy_p": lambda x: x,
    "cos": sympy.cos,
    "cosh": sympy.cosh,
    "digamma": sympy.digamma,
    "erf": sympy.erf,
    "erf_inv": sympy.erfinv,
    "erfc": sympy.erfc,
    "exp": sympy.exp,
    "exp2": lambda x: sympy.Integer(2) ** x,
    "expm1": lambda x: sympy.exp(x) - 1,
    "floor": whole_part,
    "ge": lambda a, b: a >= b,
    "gt": lambda a, b: a > b,
    "is_finite": lambda x: sympy.true,
    "le": lambda a, b: a <= b,
    "lgamma": sympy.loggamma,
    "log": sympy.log,
    "log1p": lambda x: sympy.log(1 + x),
    "logistic": logistic_function,
    "lt": lambda a, b: a < b,
    "max": maximum,
    "min": minimum,
    "mul": lambda a, b: a * b,
    "neg": lambda a: -a,
    "pow": lambda a, b: a**b,
    "reduce_precision": lambda x: x,
    "rem": remainder,
    "rsqrt": lambda x: 1 / sympy.sqrt(x),
    "sign": sign,
    "sin": sympy.sin,
    "sinh": sympy.sinh,
    "sqrt": sympy.sqrt,
    "square": lambda x: x**2,
    "stop_gradient": lambda x: x,
    "sub": lambda a, b: a - b,
    "tan": sympy.tan,
    "tanh": sympy.tanh,
}


def each(function: Callable[..., Any], *arrays: np.ndarray) -> np.ndarray:
    """`function` on corresponding entries of arrays of objects; arrays without dimensions go with every entry."""
    arrays = np.broadcast_arrays(*arrays)
    result = np.empty(arrays[0].shape, dtype=object)
    result.flat = [function(*entries) for entries in zip(*(a.flat for a in arrays), strict=True)]
    return result


def _kind(equation: Any) -> str:
    return equation.invars[0].aval.dtype.kind


def _divide(equation: Any, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    whole = _kind(equation) in "iu"
    return each(lambda p, q: towards_zero(p / q) if whole else p / q, a, b)


def _power(equation: Any, a: np.ndarray) -> np.ndarray:
    return each(lambda p: p ** int(equation.params["y"]), a)


def _equal(equation: Any, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return each(lambda p, q: sympy.Equivalent(p, q) if _kind(equation) == "b" else sympy.Eq(p, q), a, b)


def _unequal(equation: Any, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return each(lambda p, q: sympy.Xor(p, q) if _kind(equation) == "b" else sympy.Ne(p, q), a, b)


def _logical(function: Callable[..., sympy.Basic]) -> Callable[..., np.ndarray]:
    def apply(equation: Any, *arrays: np.ndarray) -> np.ndarray:
        if _kind(equation) != "b":
            raise ValueError(
                f"system: the operation {equation.primitive.name} on the bits of integers that depend on the state "
                "has no symbolic form here."
            )
        return each(function, *arrays)

    return apply


def _convert(equation: Any, a: np.ndarray) -> np.ndarray:
    """Between booleans, whole and real numbers. Rounding to a shorter float is left out: the field is exact."""
    source, target = _kind(equation), np.dtype(equation.params["new_dtype"]).kind
    if source == "b" and target != "b":
        return each(indicator, a)
    if target == "b" and source != "b":
        return each(lambda p: sympy.Ne(p, 0), a)
    return each(towards_zero, a) if source == "f" and target in "iu" else a


def truth(number: sympy.Basic) -> sympy.Basic:
    """Whether `number`, which is 0 or 1, is 1; the condition itself where it was converted from one."""
    return number.args[0] > 0 if isinstance(number, step) else sympy.Eq(number, 1)


def _select(equation: Any, which: np.ndarray, *cases: np.ndarray) -> np.ndarray:
    def chosen(w: sympy.Basic, *values: sympy.Basic) -> sympy.Basic:
        if w.is_Integer:
            return values[int(w)]
        condition = w if _kind(equation) == "b" else None
        if condition is None and len(values) == 2:
            condition = truth(w)
        if condition is not None:
            return case(condition, values[1], values[0])
        return sympy.Piecewise(*((v, sympy.Eq(w, i)) for i, v in enumerate(values)), (sympy.nan, True))

    return each(chosen, which, *cases)


ENTRYWISE: dict[str, Callable[..., np.ndarray]] = {
    "and": _logical(sympy.And),
    "convert_element_type": _convert,
    "div": _divide,
    "eq": _equal,
    "integer_pow": _power,
    "ne": _unequal,
    "not": _logical(sympy.Not),
    "or": _logical(sympy.Or),
    "select_n": _select,
    "xor": _logical(sympy.Xor),
}
"""Those that need to know more than the entries: functions of the equation and its operands."""
