"""Checks of the arguments that all functions of random matrices share."""

from typing import Any

import numpy as np
from jaxtyping import Float

LAYERS = ("inputs", "hidden")


def check_real(name: str, value: Any) -> Float[np.ndarray, "..."]:
    """`value` as a float64 array.

    **Raises:** `ValueError` where it is no real number or array of finite real numbers.
    """
    try:
        array = np.asarray(value)
    except ValueError:
        array = np.asarray(None)
    if array.dtype.kind not in "iuf" or not np.isfinite(array).all():
        raise ValueError(f"{name}: got {value!r}, allowed are finite numbers.")
    return array.astype(np.float64)


def check_ratio(c: Any) -> Float[np.ndarray, "..."]:
    """The compression ratio c = M/N as a float64 array.

    **Raises:** `ValueError` where it is not finite and positive.
    """
    try:
        array = check_real("c", c)
    except ValueError:
        array = np.asarray(-1.0)
    if not (array > 0).all():
        raise ValueError(f"c: got {c!r}, allowed are finite positive numbers.")
    return array


def check_fraction(name: str, value: Any) -> Float[np.ndarray, "..."]:
    """A fraction of flipped units as a float64 array.

    **Raises:** `ValueError` where it is not between 0 and 1.
    """
    try:
        array = check_real(name, value)
    except ValueError:
        array = np.asarray(-1.0)
    if not ((array >= 0) & (array <= 1)).all():
        raise ValueError(f"{name}: got {value!r}, allowed are numbers from 0 to 1.")
    return array


def check_scalars(c: Any, inputs: Any, hidden: Any) -> tuple[float, float, float]:
    """One ratio and two fractions as floats.

    **Raises:** `ValueError` where one is out of range, or an array.
    """
    checked = check_ratio(c), check_fraction("inputs", inputs), check_fraction("hidden", hidden)
    for name, array in zip(("c", *LAYERS), checked, strict=True):
        if array.ndim:
            raise ValueError(f"{name}: got an array of shape {array.shape}, allowed is one number.")
    return tuple(float(array) for array in checked)


def check_count(name: str, value: Any) -> int:
    """A positive whole number.

    **Raises:** `ValueError` where it is anything else.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(f"{name}: got {value!r}, allowed are positive whole numbers.")
    return int(value)


def check_choice(name: str, value: Any, allowed: tuple[str, ...]) -> str:
    """One of the words in `allowed`.

    **Raises:** `ValueError` where it is none of them.
    """
    if value not in allowed:
        raise ValueError(f"{name}: got {value!r}, allowed are {', '.join(allowed)}.")
    return value
