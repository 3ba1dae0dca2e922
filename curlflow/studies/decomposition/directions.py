"""Two orthonormal directions that span a plane through a point of weight space."""

import numbers
import reprlib
from collections.abc import Sequence
from typing import Any, Literal

import jax
import numpy as np
import xarray as xr
from jaxtyping import Float

from ...measures.jacobian_parts import Plane, orthonormal, rotation_plane, trajectory_plane
from ...networks import Feedforward
from ...systems.flat import flattened
from ..arguments import Positive, check, plain
from .flat_fields import FlatField

WORDS = ("rotation", "trajectory")
Directions = Literal["rotation", "trajectory"] | Sequence[Any] | np.ndarray | jax.Array | xr.DataArray
SHORTEST, LONGEST = 1e-100, 1e100
"""Bounds of lengths in weight space, whose squares and cubes are still numbers."""
RESOLVED = 1e-12
"""A length below this share of the largest weight is not resolved by the weights' digits."""


def length(name: str, value: Any) -> float:
    """A length in weight space that the argument `name` gives; `ValueError` for any other value."""
    value = check(name, value, Positive)
    if not SHORTEST <= value <= LONGEST:
        raise ValueError(f"{name}: got {value}, allowed are lengths from {SHORTEST:g} to {LONGEST:g}.")
    return value


def check_directions(directions: Any, field: FlatField) -> None:
    """Refuse what cannot span a plane, before anything is computed."""
    if directions is not None and not (isinstance(directions, str) and directions in WORDS):
        given_plane(directions, field)


def plane(directions: Any, field: FlatField, x: Float[np.ndarray, " n"], time: float = 0.0) -> Plane:
    """Orthonormal directions u and v at the point `x`: those that are given, or those that a word means.

    None means the plane itself where there are two weights, else "rotation", the plane of the largest curl, which is
    positive in it. A field without curl has the plane of the trajectory instead, spanned by velocity F and
    acceleration J F, and where those span none (at a fixed point, on a straight line) that of the first two weights.
    """
    if directions is not None and not isinstance(directions, str):
        return field.plane(given_plane(directions, field))
    if directions is None and field.size == 2:
        return field.plane(np.eye(2))
    where, scale = (field.velocity(time), field.projection, x), field.scales(x, time)
    found = None if directions == "trajectory" else rotation_plane(*where, float(scale.derivative))
    found = trajectory_plane(*where, scale) if found is None else found
    return field.plane(np.eye(2, field.size)) if found is None else found


def given_plane(directions: Any, field: FlatField) -> Plane:
    """Orthonormal directions from a pair of indices or vectors; `ValueError` for others and for parallel ones."""
    listed = hasattr(directions, "__len__") and not isinstance(directions, str) and getattr(directions, "ndim", 1) > 0
    if not listed or len(directions) != 2:
        raise ValueError(
            f"directions: got {directions!r}, allowed are {', '.join(WORDS)}, two indices of weights, or two vectors."
        )
    first, second = (_vector(d, field, name) for d, name in zip(directions, ("first", "second"), strict=True))
    found = orthonormal(first, second)
    if found is None:
        raise ValueError("directions: the two are parallel or zero; required are two that span a plane.")
    return found


def _vector(direction: Any, field: FlatField, name: str) -> Float[np.ndarray, " n"]:
    n = field.size
    direction = plain(direction)
    if isinstance(direction, numbers.Number) and (isinstance(direction, bool) or not isinstance(direction, int)):
        raise ValueError(f"directions: got {direction!r}, allowed are vectors, and whole numbers as indices.")
    if isinstance(direction, int):
        if not 0 <= direction < n:
            raise ValueError(f"directions: got the index {direction}, allowed are 0 to {n - 1}.")
        return np.eye(1, n, int(direction))[0]
    try:
        if isinstance(direction, Feedforward) or (isinstance(direction, list | tuple) and np.ndim(direction[0]) > 0):
            direction = flattened(direction)
        vector = np.asarray(jax.device_get(getattr(direction, "values", direction)), dtype=float)
    except (TypeError, ValueError, IndexError):
        raise ValueError(f"directions: the {name} is no vector of {n} numbers: {reprlib.repr(direction)}.") from None
    if vector.shape != (n,):
        raise ValueError(f"directions: the {name} has shape {vector.shape}, required are {n} finite numbers.")
    bad = int(np.sum(~np.isfinite(vector)))
    if bad:
        raise ValueError(f"directions: the {name} has {bad} of {n} numbers that are not finite; all must be.")
    return vector


def described(directions: Any) -> str:
    """What a dataset says of the argument `directions`: a word, two indices, or "given" for vectors."""
    if directions is None or isinstance(directions, str):
        return directions or "default"
    indices = [plain(d) for d in directions]
    return ", ".join(str(d) for d in indices) if all(isinstance(d, int) for d in indices) else "given"
