"""A jaxpr on SymPy objects: JAX traces a function, and each operation of the trace is done on expressions.

Values are of two kinds. Integers, booleans and keys that are known are computed by JAX itself; real numbers, and
whatever depends on the state or on symbols, are arrays of SymPy objects. Loops are written out, so that their number
of turns must be known.
"""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import sympy
from jax.extend import core

from .arrays import ARRAYS, MOVED, move, scatter_add
from .elementwise import ENTRYWISE, SCALAR, each, truth
from .exact import as_objects, case, settled

LARGEST_ARRAY = 20_000
"""Entries of the largest array of expressions that is written out."""
MOST_TURNS = 1000
"""Turns of a loop that are written out."""
CALLS = {
    "checkpoint": "jaxpr",
    "closed_call": "call_jaxpr",
    "core_call": "call_jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
    "custom_vjp_call_jaxpr": "fun_jaxpr",
    "jit": "jaxpr",
    "pjit": "jaxpr",
    "remat": "jaxpr",
    "remat2": "jaxpr",
}
"""Functions called inside: the name of the primitive and of its parameter."""


def interpret(jaxpr: core.ClosedJaxpr | core.Jaxpr, inputs: list[Any]) -> list[Any]:
    """The results of `jaxpr` for `inputs`: arrays of SymPy objects, or known integers, booleans and keys.

    **Raises:** `ValueError` for an operation without a symbolic form, by its name.
    """
    closed = isinstance(jaxpr, core.ClosedJaxpr)
    inner = jaxpr.jaxpr if closed else jaxpr
    values = dict(zip(inner.constvars, map(constant, jaxpr.consts if closed else ()), strict=True))
    values.update(zip(inner.invars, inputs, strict=True))

    def read(variable: Any) -> Any:
        if isinstance(variable, core.Literal):
            return constant(np.asarray(variable.val, dtype=variable.aval.dtype))
        return values[variable]

    for equation in inner.eqns:
        results = _applied(equation, [read(v) for v in equation.invars])
        values.update(zip(equation.outvars, results, strict=True))
    return [read(v) for v in inner.outvars]


def constant(value: Any) -> Any:
    """A constant of a trace as one of the two kinds of values."""
    if isinstance(value, jax.Array) and jax.dtypes.issubdtype(value.dtype, jax.dtypes.prng_key):
        return value
    array = np.asarray(value)
    return array if array.dtype.kind in "biu" else as_objects(array)


def _applied(equation: Any, operands: list[Any]) -> list[Any]:
    name = equation.primitive.name
    if name in CALLS:
        return interpret(equation.params[CALLS[name]], operands)
    if name in CONTROL:
        return CONTROL[name](equation, operands)
    if all(operand.dtype != object for operand in operands):
        results = equation.primitive.bind(*operands, **equation.params)
        return [constant(r) for r in (results if equation.primitive.multiple_results else [results])]
    if name in MOVED or name == "scatter-add" or name in TABLE:
        _check_real(equation)
        _check_size(equation)
    if name in MOVED:
        results = move(equation, operands)
    elif name == "scatter-add":
        results = scatter_add(equation, operands)
    elif name in TABLE:
        results = [TABLE[name](equation, *map(as_objects, operands))]
    else:
        raise ValueError(
            f"system: the operation {name} has no symbolic form here; known are "
            f"{', '.join(sorted({*TABLE, *MOVED, *CALLS, *CONTROL, 'scatter-add'}))}."
        )
    return [settled(r, v.aval.dtype) for r, v in zip(results, equation.outvars, strict=True)]


def _check_real(equation: Any) -> None:
    for variable in (*equation.invars, *equation.outvars):
        dtype = getattr(variable.aval, "dtype", None)
        if dtype is not None and jax.dtypes.issubdtype(dtype, np.complexfloating):
            raise ValueError(
                f"system: the operation {equation.primitive.name} has values of type {dtype}; "
                "complex numbers have no symbolic form here."
            )


def _check_size(equation: Any) -> None:
    for variable in equation.outvars:
        if variable.aval.size > LARGEST_ARRAY:
            raise ValueError(
                f"system: an array of {variable.aval.size} expressions would be written out, allowed are "
                f"{LARGEST_ARRAY}; take fewer samples."
            )


def _entrywise(function: Callable[..., sympy.Basic]) -> Callable[..., np.ndarray]:
    return lambda equation, *arrays: each(function, *arrays)


TABLE = {**{name: _entrywise(function) for name, function in SCALAR.items()}, **ENTRYWISE, **ARRAYS}
"""Functions of an equation and its operands, by the name of the primitive."""


def _cond(equation: Any, operands: list[Any]) -> list[Any]:
    """The branch that is taken; where that depends on the state, both of two, as a case distinction."""
    index, *rest = operands
    branches = equation.params["branches"]
    if index.dtype != object:
        return interpret(branches[min(max(int(index), 0), len(branches) - 1)], rest)
    if len(branches) != 2:
        raise ValueError(f"system: a switch between {len(branches)} branches depends on the state; allowed are 2.")
    condition = truth(index.item()) if equation.invars[0].aval.dtype.kind != "b" else index.item()
    no, yes = (interpret(branch, rest) for branch in branches)
    return [
        each(lambda y, n: case(condition, y, n), as_objects(y), as_objects(n)) for y, n in zip(yes, no, strict=True)
    ]


def _scan(equation: Any, operands: list[Any]) -> list[Any]:
    """Every turn of a loop of known length, one after the other."""
    params = equation.params
    length, constants, carried = params["length"], params["num_consts"], params["num_carry"]
    _check_turns(length)
    fixed, carry = operands[:constants], operands[constants : constants + carried]
    rows, stacked = operands[constants + carried :], []
    for turn in reversed(range(length)) if params["reverse"] else range(length):
        results = interpret(params["jaxpr"], [*fixed, *carry, *(row[turn] for row in map(_rows, rows))])
        carry = results[:carried]
        stacked.append(results[carried:])
    stacked = stacked[::-1] if params["reverse"] else stacked
    if not stacked:
        return [*carry, *(constant(np.zeros(v.aval.shape, v.aval.dtype)) for v in equation.outvars[carried:])]
    return [*carry, *(_stack(column) for column in zip(*stacked, strict=True))]


def _rows(array: Any) -> list[Any]:
    """The entries of `array` along its first axis, each an array."""
    return [array[i : i + 1].reshape(array.shape[1:]) for i in range(array.shape[0])]


def _stack(column: tuple[Any, ...]) -> Any:
    if all(value.dtype != object for value in column):
        return jax.numpy.stack(column) if isinstance(column[0], jax.Array) else np.stack(column)
    return np.stack([as_objects(value) for value in column])


def _while(equation: Any, operands: list[Any]) -> list[Any]:
    """Turns of a loop until its condition, which must be known, is false."""
    params = equation.params
    first, second = params["cond_nconsts"], params["body_nconsts"]
    in_condition, in_body, carry = operands[:first], operands[first : first + second], operands[first + second :]
    turns = 0
    while True:
        (going,) = interpret(params["cond_jaxpr"], [*in_condition, *carry])
        if going.dtype == object:
            raise ValueError("system: how often a while loop turns depends on the state or on symbols; refused.")
        if not going:
            return carry
        turns += 1
        _check_turns(turns)
        carry = interpret(params["body_jaxpr"], [*in_body, *carry])


def _check_turns(turns: int) -> None:
    if turns > MOST_TURNS:
        raise ValueError(f"system: a loop of more than {MOST_TURNS} turns cannot be written out.")


CONTROL = {"cond": _cond, "scan": _scan, "while": _while}
