"""Double precision without touching the user's program.

Public objects hold NumPy float64 arrays. Everything that computes enters `jax.enable_x64` in its own thread; outside
it JAX would quietly turn the same arrays into float32.
"""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import numpy as np
from jaxtyping import Array, Float

F = TypeVar("F", bound=Callable[..., Any])

Scalar = Float[Array | np.ndarray, ""] | float
"""A real number: traced, an array without dimensions, or plain."""


def double_precision(function: F) -> F:
    """Decorate `function` so that JAX computes in float64 while it runs, in this thread only."""

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        with jax.enable_x64(True):
            return function(*args, **kwargs)

    return wrapped  # type: ignore[return-value]


def to_float64(tree: Any, field: str) -> Any:
    """Any pytree with its real numbers as NumPy arrays of float64 or int64; other leaves are left unchanged.

    **Raises:** `ValueError`, which calls the tree `field`, for complex numbers, and for those in single or half
    precision: they are refused rather than widened, because their digits are lost already.
    """
    return jax.tree_util.tree_map_with_path(lambda path, leaf: _leaf(path, leaf, field), tree)


def _leaf(path: Any, leaf: Any, field: str) -> Any:
    numeric = isinstance(leaf, bool | int | float | complex | np.generic | np.ndarray | jax.Array)
    if isinstance(leaf, jax.core.Tracer) or not numeric:
        return leaf
    if isinstance(leaf, jax.Array) and jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return leaf
    array = np.asarray(leaf)
    if array.dtype == np.float64 or array.dtype.kind in "iub":
        return array
    where = field + jax.tree_util.keystr(path)
    if array.dtype.kind == "c":
        raise ValueError(f"{where}: real numbers are required, got {array.dtype}; pass real and imaginary parts.")
    raise ValueError(
        f"{where}: double precision is required, got {array.dtype}. Pass a NumPy float64 array "
        "(np.asarray(x, dtype=np.float64)), or make JAX arrays inside `with jax.enable_x64(True):`."
    )
