"""Two orthonormal directions that span a plane through a point of weight space."""

import numbers
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from ..measures.jacobian_parts import both_products, rotation_plane
from ..networks import Feedforward
from .flat_fields import Subject, flattened

WORDS = ("rotation", "trajectory")
PARALLEL = 1e-8
"""Directions whose sine is smaller than this do not span a plane that rounding leaves alone."""

Plane = Float[np.ndarray, "2 n"]


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
    found = rotation_plane(field, project, x) if directions in (None, "rotation") else None
    found = trajectory_plane(field, project, x) if found is None else found
    return np.eye(2, n) if found is None else found


def trajectory_plane(field: Any, project: Any, x: Float[np.ndarray, " n"]) -> Plane | None:
    """The plane of velocity and acceleration, or None where they do not span one."""
    velocity = np.asarray(field(x))
    if not np.linalg.norm(velocity) > 0:
        return None
    unit = velocity / np.linalg.norm(velocity)
    acceleration = np.asarray(both_products(field, project, x, unit)[0])
    return _orthonormal(unit, acceleration)


def given_plane(directions: Any, subject: Subject) -> Plane:
    """Orthonormal directions from a pair of indices or vectors.

    **Raises:** `ValueError` for anything else, and for directions that are parallel.
    """
    if isinstance(directions, str) or not hasattr(directions, "__len__") or len(directions) != 2:
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
    if isinstance(direction, numbers.Integral) and not isinstance(direction, bool):
        if not 0 <= direction < n:
            raise ValueError(f"directions: got the index {direction}, allowed are 0 to {n - 1}.")
        return np.eye(1, n, int(direction))[0]
    if isinstance(direction, Feedforward) or (isinstance(direction, list | tuple) and np.ndim(direction[0]) > 0):
        direction = flattened(direction)
    try:
        vector = np.asarray(jax.device_get(getattr(direction, "values", direction)), dtype=float)
    except (TypeError, ValueError):
        raise ValueError(f"directions: the {name} is no vector of {n} numbers: {direction!r}.") from None
    if vector.shape != (n,) or not np.isfinite(vector).all():
        raise ValueError(f"directions: the {name} has shape {vector.shape}, required are {n} finite numbers.")
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
