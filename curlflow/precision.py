"""Double precision and settings of JAX that are always the same, without touching the user's program.

Public objects hold NumPy float64 arrays. Everything that computes enters `jax_settings` in its own thread; outside it
JAX would quietly turn the same arrays into float32, and draw and multiply as the user has set.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import jax
import numpy as np
from jaxtyping import Array, Float

F = TypeVar("F", bound=Callable[..., Any])

Scalar = Float[Array | np.ndarray, ""] | float
"""A real number: traced, an array without dimensions, or plain."""


SETTINGS = (
    # what is computed
    (jax.threefry_partitionable, True),
    (jax.default_prng_impl, "threefry2x32"),
    (jax.numpy_dtype_promotion, "standard"),
    (jax.default_matmul_precision, None),
    # what is refused: NaN in branches that are masked, arrays of two ranks, a key that stands for one frozen path
    (jax.numpy_rank_promotion, "allow"),
    (jax.debug_nans, False),
    (jax.debug_infs, False),
    (jax.debug_key_reuse, False),
    (jax.check_tracer_leaks, False),
    (jax.transfer_guard_host_to_device, "allow"),
    (jax.transfer_guard_device_to_device, "allow"),
    (jax.transfer_guard_device_to_host, "allow"),
)
"""Settings that change numbers or stop a study, with JAX's own defaults, which hold wherever curlflow computes."""


@contextlib.contextmanager
def jax_settings() -> Iterator[None]:
    """JAX in float64 and with `SETTINGS`, in this thread only; devices, logs and caches are the user's."""
    # What is as it should be is not entered, which takes longer than looking. (A guard that nobody set is None.)
    others = [state(value) for state, value in SETTINGS if state.value != value and (state.value, value) != _UNSET]
    if jax.config.jax_disable_jit:
        others.append(jax.disable_jit(False))
    with contextlib.ExitStack() if others else _NOTHING as stack, jax.enable_x64(True):
        for setting in others:
            stack.enter_context(setting)
        yield


_UNSET = None, "allow"
_NOTHING = contextlib.nullcontext()


def random_key(seed: Any) -> Array:
    """The key of a seed: of Threefry, whatever implementation and offset of seeds the user has set."""
    return jax.random.key(seed - jax.config.jax_random_seed_offset, impl="threefry2x32")


def double_precision(function: F) -> F:
    """Decorate `function` so that JAX computes in float64 and with `jax_settings` while it runs."""

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        with jax_settings():
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
