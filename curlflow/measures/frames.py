"""Frames of tangent vectors along a run: the factors Q and R of every block, and what follows from R alone.

With Φ Q_t = Q_{t+1} R_{t+1} as in equation (8), k tangent vectors that start as the columns of Q₀ are the columns of
Q_t P_t after t blocks, where P_t = R_t ⋯ R₁. Their generalized alignment index is the volume that j of them span once
each has unit length,

    GALI_j(t) = Π_{i≤j} (P_t)ᵢᵢ / |(P_t)·ᵢ|,                                                          (14)

and covariant vectors are V_t = Q_t C_t with C_t upper triangular and of unit columns, where

    C_t D_t = R_{t+1}⁻¹ C_{t+1},    D_t diagonal,                                                     (15)

from an arbitrary C at the end: as the iteration runs backwards, every column turns into the direction that grows at
one rate. Angles between covariant vectors are those between columns of C, and the logarithms of their growth over a
block are −ln D.

Sources: Skokos, Bountis & Antonopoulos, Physica D 231 (2007) 30 (GALI); Ginelli et al., Phys. Rev. Lett. 99 (2007)
130601, and J. Phys. A 46 (2013) 254005 (covariant vectors).
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.linalg import solve_triangular

from ..outside import compiled
from ..status import Status
from ..tangents import as_rows
from ..variable import EXACT, Variable
from .lyapunov import TangentState, factored_block, while_completed

CAPACITY = 16
"""The most blocks in one compiled call: each keeps a frame of the size of the tangents."""
NOTHING = 1e-100
"""The number that replaces a factor of zero."""
VARIABLES = (
    Variable(
        "log_gali",
        ("realization", "tangents"),
        "ln of the generalized alignment index after gali_time",
        uncertainty="of one set of random tangents; no error is known",
    ),
    Variable(
        "gali_time", ("realization",), "how long tangents were followed for the alignment index", uncertainty=EXACT
    ),
)


class Frames(NamedTuple):
    """The factors of a `number` of blocks, then zeros: orthonormal rows at the end of each, and upper triangles."""

    run: TangentState
    q: Float[Array, "capacity vectors n"]
    r: Float[Array, "capacity vectors vectors"]
    number: Array


@compiled
def frames(system: Any, run: TangentState, span: Any, number: Any) -> Frames:
    """Advance `run` by up to `number` ≤ `CAPACITY` blocks, as `lyapunov_blocks` does, and keep the factors."""

    def block(carry):
        run, q, r, done = carry
        run, triangle, _ = factored_block(system, run, span)
        q, r = q.at[done].set(as_rows(run.tangents)), r.at[done].set(triangle)
        return run, q, r, done + (run.status == Status.completed)

    rows = as_rows(run.tangents)
    empty = jnp.zeros((CAPACITY, *rows.shape)), jnp.zeros((CAPACITY, len(rows), len(rows)))
    return Frames(*while_completed(block, run, number, *empty))


def log_alignment(r: Float[np.ndarray, "blocks vectors vectors"]) -> Float[np.ndarray, "blocks vectors"]:
    """ln GALI_j after every block, equation (14), for j = 1 (always 0) to the number of vectors.

    In chaotic motion GALI_j falls as e^{−((λ₁ − λ₂) + … + (λ₁ − λ_j))t}. In regular motion of volume-preserving
    systems it stays above zero up to the dimension of the torus, and falls as a power of time beyond.
    """
    blocks, vectors, _ = np.shape(r)
    found = np.empty((blocks, vectors))
    columns, lengths, diagonal = np.eye(vectors), np.zeros(vectors), np.zeros(vectors)
    for t, triangle in enumerate(np.asarray(r)):
        columns = triangle @ columns
        norms = np.linalg.norm(columns, axis=0)
        columns, lengths = columns / norms, lengths + np.log(norms)
        diagonal = diagonal + np.log(np.abs(np.diagonal(triangle)))
        found[t] = np.cumsum(diagonal - lengths)
    return np.minimum(found, 0.0)


class Covariant(NamedTuple):
    """Covariant vectors in the frames of a run: the columns of C at the end of every block, and ln of their growth
    over it."""

    coefficients: Float[np.ndarray, "blocks vectors vectors"]
    log_stretch: Float[np.ndarray, "blocks vectors"]


def covariant(r: Float[np.ndarray, "blocks vectors vectors"], *, seed: int = 0) -> Covariant:
    """Covariant vectors by the backward iteration (15), from an arbitrary C that is drawn with this `seed`.

    They converge backwards in time at rates λᵢ − λᵢ₊₁: do not use those of the last blocks.
    """
    r = np.array(r)
    blocks, vectors, _ = r.shape
    # A direction that is squeezed to nothing: the backward iteration turns into it immediately.
    places = np.arange(vectors)
    r[:, places, places] = np.where(r[:, places, places] == 0, NOTHING, r[:, places, places])
    c = np.triu(np.random.default_rng(seed).normal(size=(vectors, vectors)))
    c /= np.linalg.norm(c, axis=0)
    coefficients, log_stretch = np.empty_like(r), np.empty((blocks, vectors))
    for t in range(blocks - 1, -1, -1):
        coefficients[t] = c
        before = solve_triangular(r[t], c)
        norms = np.linalg.norm(before, axis=0)
        c, log_stretch[t] = before / norms, -np.log(norms)
    return Covariant(coefficients, np.where(log_stretch < np.log(NOTHING) / 2, -np.inf, log_stretch))


def angles(coefficients: Float[np.ndarray, "blocks vectors vectors"]) -> Float[np.ndarray, "blocks vectors vectors"]:
    """The angle between every two covariant vectors, taken as lines, from 0 to π/2."""
    cosines = np.abs(np.swapaxes(coefficients, 1, 2) @ coefficients)
    return np.arccos(np.minimum(cosines, 1.0))


def vectors_in(
    q: Float[np.ndarray, "vectors n"], coefficients: Float[np.ndarray, "vectors vectors"]
) -> Float[np.ndarray, "vectors n"]:
    """The covariant vectors themselves, as unit rows, from the frame and the coefficients at the end of a block."""
    return np.asarray(coefficients).T @ np.asarray(q)
