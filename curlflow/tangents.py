"""Tangent vectors along a trajectory, matrix-free.

Tangents are a pytree like the state whose leaves carry a leading axis, one entry per vector.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

ONE_BY_ONE = 2000
"""On a CPU, the tangents of larger states are pushed forward one after the other: a vector then stays in the cache (5
vectors of 12,078 weights: 0.74 ms a Runge–Kutta step, against 1.9 ms under vmap; benchmarks/)."""


def push_forward(function: Callable[[PyTree], PyTree], state: PyTree, tangents: PyTree):
    """f(x) and the images Df(x) v of all tangent vectors v."""
    if jax.default_backend() == "cpu" and size(state) >= ONE_BY_ONE:
        image = function(state)
        return image, jax.lax.map(lambda v: jax.jvp(function, (state,), (v,))[1], tangents)
    image, derivative = jax.linearize(function, state)
    return image, jax.vmap(derivative)(tangents)


def size(state: PyTree) -> int:
    """The number of degrees of freedom."""
    return sum(leaf.size for leaf in jax.tree.leaves(state))


def count(tangents: PyTree) -> int:
    """How many tangent vectors there are."""
    return jax.tree.leaves(tangents)[0].shape[0]


def as_rows(tangents: PyTree) -> Float[Array, "vectors n"]:
    """Tangents as the rows of a matrix."""
    return jnp.concatenate([leaf.reshape(leaf.shape[0], -1) for leaf in jax.tree.leaves(tangents)], axis=1)


def from_rows(rows: Float[Array | np.ndarray, "vectors n"], state: PyTree) -> PyTree:
    """The inverse of `as_rows`, for vectors tangent to states like `state`."""
    leaves, structure = jax.tree.flatten(state)
    parts, start = [], 0
    for leaf in leaves:
        parts.append(rows[:, start : start + leaf.size].reshape(rows.shape[0], *leaf.shape))
        start += leaf.size
    return jax.tree.unflatten(structure, parts)
