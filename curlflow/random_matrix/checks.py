"""Checks of the arguments that all functions of random matrices share.

The ratio c and the fractions α_h and α_r are bounded such that the rates (1 − α_r)/c and α_r/c of equation (random.1)
and their squares are floating-point numbers. A fraction of 0 is a separate case: where an eigenvalue splits off, the
limit of small fractions differs from it. Tiny fractions are therefore refused rather than taken for 0.
"""

from typing import Any

import numpy as np
from jaxtyping import Float

LAYERS = ("inputs", "hidden")
SMALLEST, LARGEST = 1e-100, 1e100
"""Bounds of c, and the smallest fraction that is not 0."""
LONGEST = 80
"""Characters of a value that a message quotes."""


def quoted(value: Any) -> str:
    """`value` as text for a message: an array as its numbers, a single one as that number, long texts cut."""
    if isinstance(value, np.ma.MaskedArray):
        return "a masked array"
    try:
        if hasattr(value, "__array__"):
            array = np.asarray(value)
            value = array.item() if array.size == 1 else array.tolist()
        text = repr(value)
    except ValueError:  # Python does not print integers of thousands of digits
        return "a very long number"
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def check_real(name: str, value: Any) -> Float[np.ndarray, "..."]:
    """`value` as a float64 array.

    **Raises:** `ValueError` where it is neither a finite real number nor an array of them, or is a masked array.
    """
    array = _real(value)
    if array is None:
        raise ValueError(f"{name}: got {quoted(value)}, allowed are finite numbers.")
    return array


def _real(value: Any) -> np.ndarray | None:
    """`value` as finite float64, or None."""
    if isinstance(value, np.ma.MaskedArray):
        return None
    try:
        array = np.asarray(value)
    except (ValueError, TypeError):
        return None
    if array.dtype.kind not in "iuf":
        return None
    with np.errstate(over="ignore"):
        array = array.astype(np.float64)
    return array if np.isfinite(array).all() else None


def check_ratio(c: Any) -> Float[np.ndarray, "..."]:
    """The compression ratio c = M/N as a float64 array.

    **Raises:** `ValueError` where it is not between 1e-100 and 1e100.
    """
    array = _real(c)
    if array is None or not (array > 0).all():
        raise ValueError(f"c: got {quoted(c)}, allowed are finite positive numbers.")
    if not ((array >= SMALLEST) & (array <= LARGEST)).all():
        raise ValueError(f"c: got {quoted(c)}, allowed are numbers from {SMALLEST:g} to {LARGEST:g}.")
    return array


def check_fraction(name: str, value: Any) -> Float[np.ndarray, "..."]:
    """A fraction of flipped units as a float64 array.

    **Raises:** `ValueError` where it is not between 0 and 1, or positive but below 1e-100.
    """
    array = _real(value)
    if array is None or not ((array >= 0) & (array <= 1)).all():
        raise ValueError(f"{name}: got {quoted(value)}, allowed are numbers from 0 to 1.")
    if not ((array == 0) | (array >= SMALLEST)).all():
        raise ValueError(f"{name}: got {quoted(value)}, allowed are 0 and numbers from {SMALLEST:g} to 1.")
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


def check_count(name: str, value: Any, most: int) -> int:
    """A positive whole number, at most `most`.

    **Raises:** `ValueError` where it is anything else.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(f"{name}: got {quoted(value)}, allowed are positive whole numbers.")
    if value > most:
        raise ValueError(f"{name}: got {quoted(value)}, allowed are whole numbers from 1 to {most:,}.")
    return int(value)


def check_counts(name: str, values: Any, most: int) -> list[int]:
    """A list, tuple, range or array of positive whole numbers, not empty.

    **Raises:** `ValueError` where it is anything else.
    """
    listed = isinstance(values, list | tuple | range)
    if isinstance(values, np.ndarray) and not isinstance(values, np.ma.MaskedArray):
        listed = values.ndim == 1
    if not listed or len(values) == 0:
        raise ValueError(f"{name}: got {quoted(values)}, required is a list of positive whole numbers.")
    return [check_count(name, value, most) for value in values]


def check_choice(name: str, value: Any, allowed: tuple[str, ...]) -> str:
    """One of the words in `allowed`.

    **Raises:** `ValueError` where it is none of them.
    """
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{name}: got {quoted(value)}, allowed are {', '.join(allowed)}.")
    return value
