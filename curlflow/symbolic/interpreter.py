"""A jaxpr on SymPy objects: JAX traces a function, and each operation of the trace is done on expressions.

Values are of two kinds. Integers, booleans and keys that are known are computed by JAX itself; real numbers, and
whatever depends on the state or on symbols, are arrays of SymPy objects. An operation that has no symbolic form is
refused by its name where it meets the state or a symbol, and done by JAX, in float64, where it meets numbers alone.
"""

import operator
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import sympy
from jax.extend import core

from .exact import Logistic, as_objects, case, each, indicator, maximum, remainder, sign

LARGEST_ARRAY, MOST_TURNS = 20_000, 1000  # entries of an array, and turns of a loop, that are written out
CALLS = {"custom_jvp_call": "call_jaxpr", "jit": "jaxpr"}  # functions called inside: a primitive, its parameter


def interpret(closed: core.ClosedJaxpr, inputs: list[Any]) -> list[Any]:
    """The results of a jaxpr for `inputs`: arrays of SymPy objects, or known integers, booleans and keys."""
    values = dict(zip(closed.jaxpr.constvars, map(_constant, closed.consts), strict=True))
    values.update(zip(closed.jaxpr.invars, inputs, strict=True))

    def read(variable: Any) -> Any:
        if isinstance(variable, core.Literal):
            return _constant(np.asarray(variable.val, dtype=variable.aval.dtype))
        return values[variable]

    for equation in closed.jaxpr.eqns:
        results = _applied(equation, [read(v) for v in equation.invars])
        values.update(zip(equation.outvars, results, strict=True))
    return [read(v) for v in closed.jaxpr.outvars]


def _constant(value: Any) -> Any:
    """A constant of a trace as one of the two kinds of values."""
    if isinstance(value, jax.Array) and jax.dtypes.issubdtype(value.dtype, jax.dtypes.prng_key):
        return value
    array = np.asarray(value)
    return array if array.dtype.kind in "biu" else as_objects(array)


def _applied(equation: Any, operands: list[Any]) -> list[Any]:
    name = equation.primitive.name
    if name in CALLS:
        return interpret(equation.params[CALLS[name]], operands)
    if name == "scan":
        return _scan(equation, operands)
    known = all(operand.dtype != object for operand in operands)
    listed = name in SCALAR or name in ARRAYS
    if not known and listed and not _is_of_integers(equation):
        size = equation.outvars[0].aval.size
        if size > LARGEST_ARRAY:
            written = f"an array of {size} expressions would be written out, allowed are {LARGEST_ARRAY}"
            raise ValueError(f"system: {written}; take fewer samples.")
        arrays = list(map(as_objects, operands))
        return [each(SCALAR[name], *arrays) if name in SCALAR else ARRAYS[name](equation, *arrays)]
    if any(operand.dtype == object and any(e.free_symbols for e in operand.flat) for operand in operands):
        raise ValueError(
            f"system: the operation {name} has no symbolic form here"
            f"{' for integers that depend on the state' if listed else ''}; known are "
            f"{', '.join(sorted({*SCALAR, *ARRAYS, *CALLS, 'scan'}))}. Write the system with these, branches with "
            "jax.numpy.where and loops of a known number of turns with jax.lax.scan, or study it without symbols."
        )
    dtypes = [variable.aval.dtype for variable in equation.invars]
    numbers = [o.astype(d) if o.dtype == object else o for o, d in zip(operands, dtypes, strict=True)]
    results = equation.primitive.bind(*numbers, **equation.params)
    return [_constant(r) for r in (results if equation.primitive.multiple_results else [results])]


def _is_of_integers(equation: Any) -> bool:
    """Whether it divides integers, joins or selects by their bits, or makes them of real numbers."""
    name, kind = equation.primitive.name, _kind(equation)
    if name == "convert_element_type":
        return kind == "f" and np.dtype(equation.params["new_dtype"]).kind in "iu"
    return kind in "iu" and name in ("and", "div", "not", "or", "select_n")


def _kind(equation: Any) -> str:
    return equation.invars[0].aval.dtype.kind


def _scan(equation: Any, operands: list[Any]) -> list[Any]:
    """Every turn of a loop of known length, one after the other."""
    params = equation.params
    length, constants, carried = params["length"], params["num_consts"], params["num_carry"]
    if length > MOST_TURNS:
        raise ValueError(f"system: a loop of {length} turns would be written out, allowed are {MOST_TURNS}.")
    fixed, carry, rows = operands[:constants], operands[constants:][:carried], operands[constants + carried :]
    stacked = [np.empty(v.aval.shape, dtype=object) for v in equation.outvars[carried:]]
    for turn in range(length)[:: -1 if params["reverse"] else 1]:
        results = interpret(params["jaxpr"], [*fixed, *carry, *(row[turn, ...] for row in rows)])
        carry = results[:carried]
        for column, result in zip(stacked, results[carried:], strict=True):
            column[turn] = as_objects(result)
    return [*carry, *stacked]


def _filled(equation: Any, entries: Any) -> np.ndarray:
    """`entries`, row by row, in the shape of the result."""
    result = np.empty(equation.outvars[0].aval.shape, dtype=object)
    result.flat = list(entries)
    return result


def _moved(equation: Any, *operands: np.ndarray) -> np.ndarray:
    """Entries where JAX puts them, whatever its conventions are: it moves the numbers of their places."""
    pool = [entry for operand in operands for entry in operand.flat]
    starts = np.cumsum([0, *(operand.size for operand in operands)])
    numbered = [s + np.arange(o.size).reshape(o.shape) for s, o in zip(starts, operands, strict=False)]
    places = equation.primitive.bind(*numbered, **equation.params)
    return _filled(equation, (pool[place] for place in np.asarray(places).flat))


def _flattened(array: np.ndarray, *groups: tuple[int, ...]) -> np.ndarray:
    """`array` with each group of axes made one."""
    shape = [int(np.prod([array.shape[a] for a in group], dtype=int)) for group in groups]
    return array.transpose([a for group in groups for a in group]).reshape(shape)


def _dot(equation: Any, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Sums of products over the contracted axes: (batch, rest of a, rest of b)."""
    (contracted_a, contracted_b), (batch_a, batch_b) = equation.params["dimension_numbers"]
    free_a = tuple(i for i in range(a.ndim) if i not in (*contracted_a, *batch_a))
    free_b = tuple(i for i in range(b.ndim) if i not in (*contracted_b, *batch_b))
    left, right = _flattened(a, batch_a, free_a, contracted_a), _flattened(b, batch_b, free_b, contracted_b)
    pairs = ((p, q) for rows, columns in zip(left, right, strict=True) for p in rows for q in columns)
    return _filled(equation, (sympy.Add(*(x * y for x, y in zip(p, q, strict=True))) for p, q in pairs))


def _sum(equation: Any, a: np.ndarray) -> np.ndarray:
    axes = tuple(equation.params["axes"])
    rows = _flattened(a, tuple(i for i in range(a.ndim) if i not in axes), axes)
    return _filled(equation, (sympy.Add(*row) for row in rows))


def _converted(equation: Any, a: np.ndarray) -> np.ndarray:
    """Between booleans and numbers. Rounding to a shorter float is left out: the field is exact."""
    source, target = _kind(equation), np.dtype(equation.params["new_dtype"]).kind
    if target == "c":
        raise ValueError("system: it makes real numbers complex; complex numbers have no symbolic form here.")
    if source == target or "b" not in (source, target):
        return a
    return each(indicator, a) if source == "b" else each(lambda p: sympy.Ne(p, 0), a)


SCALAR: dict[str, Callable[..., sympy.Basic]] = {
    **{name: getattr(operator, name) for name in ("add", "ge", "gt", "le", "lt", "mul", "neg", "sub")},
    **{name: getattr(sympy, name) for name in ("cos", "exp", "log", "sin", "sqrt", "tanh")},
    "abs": lambda x: x * sign(x),
    "add_any": operator.add,
    "and": sympy.And,
    "div": operator.truediv,
    "logistic": Logistic,
    "max": maximum,
    "not": sympy.Not,
    "or": sympy.Or,
    "rem": remainder,
    "select_n": lambda which, no, yes: case(which, yes, no),
    "sign": sign,
    "square": lambda x: x**2,
    "stop_gradient": lambda x: x,
}
"""Functions of single entries, by the name of the primitive."""
ARRAYS: dict[str, Callable[..., np.ndarray]] = {
    "convert_element_type": _converted,
    "dot_general": _dot,
    "eq": lambda equation, *pair: each(sympy.Equivalent if _kind(equation) == "b" else sympy.Eq, *pair),
    "integer_pow": lambda equation, a: each(lambda p: p ** equation.params["y"], a),
    "ne": lambda equation, *pair: each(sympy.Xor if _kind(equation) == "b" else sympy.Ne, *pair),
    "reduce_sum": _sum,
    **dict.fromkeys(("broadcast_in_dim", "concatenate", "pad", "reshape", "rev"), _moved),
    **dict.fromkeys(("slice", "squeeze", "stack", "transpose"), _moved),
}
"""Functions of an equation and its operands, by the name of the primitive."""
