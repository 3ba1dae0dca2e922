"""Checks of the arguments that functions of random matrices share; each raises `ValueError` for what it refuses.

The bounds of c and of the fractions keep the rates (1 − α_r)/c and α_r/c of equation (random.1), and their squares,
within floating-point numbers. Tiny fractions are refused rather than taken for 0: where an eigenvalue splits off, the
limit of small fractions differs from it.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float

LAYERS = ("inputs", "hidden")
SMALLEST, LARGEST = 1e-100, 1e100  # of c; the former is the smallest fraction that is not 0 as well


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
    return text if len(text) <= 80 else f"{text[:80]}..."


def check_real(
    name: str, value: Any, test: Callable = np.isfinite, allowed: str = "finite numbers"
) -> Float[np.ndarray, "..."]:
    """`value`, a finite real number or an array of them that pass `test`, not masked, as a float64 array."""
    try:
        array = np.asarray(value)
    except (ValueError, TypeError):
        array = np.asarray(None)
    if array.dtype.kind in "iuf" and not isinstance(value, np.ma.MaskedArray):
        with np.errstate(over="ignore"):
            array = array.astype(np.float64)
        if np.isfinite(array).all() and np.all(test(array)):
            return array
    raise ValueError(f"{name}: got {quoted(value)}, allowed are {allowed}.")


def check_ratio(c: Any) -> Float[np.ndarray, "..."]:
    """The compression ratio c = M/N as a float64 array."""
    check_real("c", c, lambda ratios: ratios > 0, "finite positive numbers")
    bounds = f"numbers from {SMALLEST:g} to {LARGEST:g}"
    return check_real("c", c, lambda ratios: (ratios >= SMALLEST) & (ratios <= LARGEST), bounds)


def check_fraction(name: str, value: Any) -> Float[np.ndarray, "..."]:
    """A fraction of flipped units as a float64 array."""
    check_real(name, value, lambda fractions: (fractions >= 0) & (fractions <= 1), "numbers from 0 to 1")
    bounds = f"0 and numbers from {SMALLEST:g} to 1"
    return check_real(name, value, lambda fractions: (fractions == 0) | (fractions >= SMALLEST), bounds)


def check_scalars(c: Any, inputs: Any, hidden: Any) -> tuple[float, float, float]:
    """One ratio and two fractions as floats."""
    checked = check_ratio(c), check_fraction("inputs", inputs), check_fraction("hidden", hidden)
    for name, array in zip(("c", *LAYERS), checked, strict=True):
        if array.ndim:
            raise ValueError(f"{name}: got an array of shape {array.shape}, allowed is one number.")
    return tuple(float(array) for array in checked)


def check_count(name: str, value: Any, most: int) -> int:
    """A positive whole number, at most `most`."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(f"{name}: got {quoted(value)}, allowed are positive whole numbers.")
    if value > most:
        raise ValueError(f"{name}: got {quoted(value)}, allowed are whole numbers from 1 to {most:,}.")
    return int(value)


def check_choice(name: str, value: Any, allowed: tuple[str, ...]) -> str:
    """One of the words in `allowed`."""
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{name}: got {quoted(value)}, allowed are {', '.join(allowed)}.")
    return value
