"""Two orthonormal directions that span a plane through a point of weight space."""

import numbers
import reprlib
from collections.abc import Sequence
from typing import Any, Literal

import jax
import numpy as np
import xarray as xr
from jaxtyping import Float

from ...measures.jacobian_parts import NOISE, Scales, both_products, rotation_plane
from ...networks import Feedforward
from ..arguments import Positive, check, plain
from .flat_fields import Subject, flattened

WORDS = ("rotation", "trajectory")
Directions = Literal["rotation", "trajectory"] | Sequence[Any] | np.ndarray | jax.Array | xr.DataArray
PARALLEL = 1e-8
"""Directions whose sine is smaller than this do not span a plane that rounding leaves alone."""

SHORTEST, LONGEST = 1e-100, 1e100
"""Bounds of lengths in weight space, whose squares and cubes are still numbers."""
RESOLVED = 1e-12
"""A length below this share of the largest weight is not resolved by the weights' digits."""

Plane = Float[np.ndarray, "2 n"]


def length(name: str, value: Any) -> float:
    """A length in weight space."""
    value = check(name, value, Positive)
    if not SHORTEST <= value <= LONGEST:
        raise ValueError(f"{name}: got {value}, allowed are lengths from {SHORTEST:g} to {LONGEST:g}.")
    return value


def check_directions(directions: Any, subject: Subject) -> None:
    """Refuse what cannot span a plane, before anything is computed."""
    if directions is not None and not (isinstance(directions, str) and directions in WORDS):
        given_plane(directions, subject)


def plane(directions: Any, subject: Subject, x: Float[np.ndarray, " n"], time: float = 0.0) -> Plane:
    """Orthonormal directions u and v at the point `x`.

    **Arguments:**

    - `directions`: "rotation", "trajectory", a pair of indices of weights, or a pair of vectors. None means the plane
      itself where there are two weights, else "rotation".

    **Description:** "rotation" is the plane of the largest curl, oriented such that it is positive. Where the field
    has none, it is the plane of the trajectory, spanned by the velocity F and the acceleration J F. Where those span
    none (at a fixed point, or on a straight line), it is that of the first two weights.
    """
    n = subject.size
    if directions is not None and not isinstance(directions, str):
        return given_plane(directions, subject)
    if directions is None and n == 2:
        return np.eye(2)
    field, project = subject.velocity(time), subject.projection
    scale = subject.scales(x, time)
    rotates = directions in (None, "rotation")
    found = rotation_plane(field, project, x, float(scale.derivative)) if rotates else None
    found = trajectory_plane(field, project, x, scale) if found is None else found
    return np.eye(2, n) if found is None else found


def trajectory_plane(field: Any, project: Any, x: Float[np.ndarray, " n"], scale: Scales) -> Plane | None:
    """The plane of velocity and acceleration, or None where they do not span one (up to rounding)."""
    velocity = np.asarray(field(x))
    if not np.linalg.norm(velocity) > NOISE * scale.speed:
        return None
    unit = velocity / np.linalg.norm(velocity)
    acceleration = np.asarray(both_products(field, project, x, unit)[0])
    if not np.linalg.norm(acceleration) > NOISE * scale.derivative:
        return None
    return _orthonormal(unit, acceleration)


def given_plane(directions: Any, subject: Subject) -> Plane:
    """Orthonormal directions from a pair of indices or vectors.

    **Raises:** `ValueError` for anything else, and for directions that are parallel.
    """
    listed = hasattr(directions, "__len__") and not isinstance(directions, str) and getattr(directions, "ndim", 1) > 0
    if not listed or len(directions) != 2:
        raise ValueError(
            f"directions: got {directions!r}, allowed are {', '.join(WORDS)}, two indices of weights, or two vectors."
        )
    first, second = (_vector(d, subject, name) for d, name in zip(directions, ("first", "second"), strict=True))
    found = _orthonormal(first, second)
    if found is None:
        raise ValueError("directions: the two are parallel or zero; required are two that span a plane.")
    return found


def _vector(direction: Any, subject: Subject, name: str) -> Float[np.ndarray, " n"]:
    n = subject.size
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


def _orthonormal(first: np.ndarray, second: np.ndarray) -> Plane | None:
    """Gram and Schmidt for two vectors, twice against rounding; None where they are parallel or zero."""
    lengths = np.linalg.norm(first), np.linalg.norm(second)
    if not min(lengths) > 0:
        return None
    u, rest = first / lengths[0], second / lengths[1]
    rest = rest - u * (u @ rest)
    if not np.linalg.norm(rest) > PARALLEL:
        return None
    v = rest / np.linalg.norm(rest)
    v = v - u * (u @ v)
    return np.stack([u, v / np.linalg.norm(v)])
