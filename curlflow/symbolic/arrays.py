"""Operations on arrays: products, sums along axes, and those that only move entries from one place to another.

What moves entries (slices, transposes, gathers, ...) is done by JAX itself, on an array of the numbers 0, 1, 2, ...
that stand for the places; whatever its conventions are, the entries end where JAX puts them.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import sympy

from .exact import as_objects, maximum, minimum

MOVED: dict[str, tuple[int, ...] | None] = {
    "broadcast_in_dim": (0,),
    "concatenate": None,
    "dynamic_slice": (0,),
    "dynamic_update_slice": (0, 1),
    "expand_dims": (0,),
    "gather": (0,),
    "pad": None,
    "reshape": (0,),
    "rev": (0,),
    "scatter": (0, 2),
    "slice": (0,),
    "split": (0,),
    "squeeze": (0,),
    "stack": None,
    "tile": (0,),
    "transpose": (0,),
    "unstack": (0,),
}
"""Which operands are moved (None: all). The others say where to, and must be known numbers."""


def _places(equation: Any, operands: list[Any], which: tuple[int, ...]) -> None:
    """Refuse indices that are not known."""
    if any(operands[i].dtype == object for i in range(len(operands)) if i not in which):
        raise ValueError(
            f"system: the operation {equation.primitive.name} uses indices that depend on the state or on symbols; "
            "a symbolic field needs indices that are known numbers."
        )


def move(equation: Any, operands: list[Any]) -> list[np.ndarray]:
    """Move entries as JAX would; a place outside of the array is filled with NaN."""
    which = MOVED[equation.primitive.name] or tuple(range(len(operands)))
    _places(equation, operands, which)
    pool, inputs = [], list(operands)
    for i in which:
        inputs[i] = (len(pool) + np.arange(operands[i].size, dtype=np.int64)).reshape(operands[i].shape)
        pool.extend(as_objects(operands[i]).flat)
    params = {**equation.params, **({"fill_value": -1} if "fill_value" in equation.params else {})}
    places = equation.primitive.bind(*inputs, **params)
    pool.append(sympy.nan)  # index −1
    results = []
    for place in places if equation.primitive.multiple_results else [places]:
        result = np.empty(place.shape, dtype=object)
        result.flat = [pool[p] for p in np.asarray(place).flat]
        results.append(result)
    return results


def scatter_add(equation: Any, operands: list[Any]) -> list[np.ndarray]:
    """x plus the updates, each added where JAX adds a one in its place."""
    _places(equation, operands, (0, 2))
    x, indices, updates = operands
    result = as_objects(x).copy()
    for entry, update in zip(np.eye(updates.size), as_objects(updates).flat, strict=True):
        one = entry.reshape(updates.shape).astype(equation.invars[0].aval.dtype)
        landed = np.asarray(equation.primitive.bind(np.zeros(x.shape, one.dtype), indices, one, **equation.params))
        for place in np.argwhere(landed):
            result[tuple(place)] += update
    return [result]


def _flattened(array: np.ndarray, groups: tuple[tuple[int, ...], ...]) -> np.ndarray:
    """`array` with each group of axes made one."""
    shape = [int(np.prod([array.shape[a] for a in group], dtype=int)) for group in groups]
    return array.transpose([a for group in groups for a in group]).reshape(shape)


def dot_general(equation: Any, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Sums of products over the contracted axes: (batch, rest of a, rest of b)."""
    (contracted_a, contracted_b), (batch_a, batch_b) = equation.params["dimension_numbers"]
    free_a = tuple(i for i in range(a.ndim) if i not in (*contracted_a, *batch_a))
    free_b = tuple(i for i in range(b.ndim) if i not in (*contracted_b, *batch_b))
    left, right = _flattened(a, (batch_a, free_a, contracted_a)), _flattened(b, (batch_b, free_b, contracted_b))
    result = np.empty((left.shape[0], left.shape[1], right.shape[1]), dtype=object)
    for k, i, j in np.ndindex(result.shape):
        result[k, i, j] = sympy.Add(*(p * q for p, q in zip(left[k, i], right[k, j], strict=True)))
    axes = [(a, batch_a), (a, free_a), (b, free_b)]
    return result.reshape([array.shape[i] for array, group in axes for i in group])


def _along(function: Callable[[list], sympy.Basic]) -> Callable[..., np.ndarray]:
    def reduced(equation: Any, a: np.ndarray) -> np.ndarray:
        axes = tuple(equation.params["axes"])
        kept = tuple(i for i in range(a.ndim) if i not in axes)
        rows = _flattened(a, (kept, axes))
        result = np.empty(len(rows), dtype=object)
        result[:] = [function(list(row)) for row in rows]
        return result.reshape([a.shape[i] for i in kept])

    return reduced


def _running(function: Callable[[Any, Any], Any]) -> Callable[..., np.ndarray]:
    def accumulated(equation: Any, a: np.ndarray) -> np.ndarray:
        axis, backwards = equation.params["axis"], equation.params["reverse"]
        a = np.flip(a, axis) if backwards else a
        result = np.frompyfunc(function, 2, 1).accumulate(a, axis=axis)
        return np.flip(result, axis) if backwards else result

    return accumulated


ARRAYS: dict[str, Callable[..., np.ndarray]] = {
    "cummax": _running(maximum),
    "cummin": _running(minimum),
    "cumprod": _running(lambda a, b: a * b),
    "cumsum": _running(lambda a, b: a + b),
    "dot_general": dot_general,
    "reduce_and": _along(lambda row: sympy.And(*row)),
    "reduce_max": _along(lambda row: functools.reduce(maximum, row)),
    "reduce_min": _along(lambda row: functools.reduce(minimum, row)),
    "reduce_or": _along(lambda row: sympy.Or(*row)),
    "reduce_prod": _along(lambda row: sympy.Mul(*row)),
    "reduce_sum": _along(lambda row: sympy.Add(*row)),
}
