"""The origin of a network with one hidden layer: saddles and centres, unit by unit.

Near W = 0, for φ(0) = 0 and φ′(0) = 1, the errors are e = φ_out(0) − y up to second order, and every hidden unit i
has a linear system of its own. With G = −⟨e xᵀ⟩ (K × M) and the gains S1 of its incoming and S2 of its
outgoing synapses,

    dW1_i/dt = S1_i ∘ (Gᵀ w2_i),    dw2_i/dt = S2_i ∘ (G W1_i),

so that its eigenvalues are ±√λ with λ those of diag(S2_i) G diag(S1_i) Gᵀ; for K = 1 and presynaptic signs equation
(5) of docs/model.md. λ > 0 is a saddle, λ < 0 a centre of frequency √−λ.
"""

from enum import IntEnum
from typing import Any

import numpy as np
from jaxtyping import Complex, Float, Int

from ...networks import Feedforward
from ...precision import double_precision
from ...rules.signals import ErrorSignal
from ...tasks import AbstractTask
from ...variable import EXACT, Variable, flag_variable

ROUNDING = 1e-12
"""Squares below this fraction of their size for gains of one sign count as zero."""


class OriginType(IntEnum):
    """The type of the origin for one hidden unit."""

    saddle = 0
    centre = 1
    mixed = 2
    saddle_focus = 3
    degenerate = 4
    undefined = 5


_UNITS = ("realization", "hidden_unit")
VARIABLES = (
    Variable("growth_rate", _UNITS, "largest growth rate of a hidden unit at the origin", uncertainty=EXACT),
    Variable(
        "frequency",
        _UNITS,
        "largest angular frequency of a hidden unit at the origin, per unit of time",
        uncertainty=EXACT,
    ),
    flag_variable("origin_type", _UNITS, "what the origin is to a hidden unit", OriginType),
)


@double_precision
def origin_squares(
    network: Feedforward, signal: ErrorSignal, masks: tuple[Any, ...] | None, task: AbstractTask
) -> Complex[np.ndarray, "hidden outputs"]:
    """The squares λ of the eigenvalues at the origin, for every hidden unit and output.

    **Arguments:**

    - `network`: any weights of the right shapes; they are taken to be zero.
    - `signal`: gives the gains of the rule, which must send errors back through the weights themselves.
    - `masks`: for every layer which synapses exist, (post, pre); None: all.
    - `task`: what is learned.
    """
    g, s1, s2 = _parts(network, signal, masks, task)
    squares = np.linalg.eigvals(s2.T[:, :, None] * np.einsum("kj,ij,lj->ikl", g, s1, g)).astype(complex)
    scale = np.max(np.abs(s2)) * np.max(np.abs(s1)) * np.sum(g * g)
    squares[np.abs(squares) <= ROUNDING * scale] = 0.0
    squares.imag[np.abs(squares.imag) <= ROUNDING * scale] = 0.0
    return squares


@double_precision
def origin_abscissa(
    network: Feedforward, signal: ErrorSignal, masks: tuple[Any, ...] | None, task: AbstractTask
) -> float:
    """The numerical abscissa at the origin; arguments as for `origin_squares`.

    The Jacobian of a unit is (0 A; C 0) with A = diag(S1_i) Gᵀ and C = diag(S2_i) G, and the largest eigenvalue of
    its symmetric part the largest singular value of (A + Cᵀ)/2.
    """
    g, s1, s2 = _parts(network, signal, masks, task)
    blocks = (s1[:, :, None] * g.T + g.T * s2.T[:, None, :]) / 2
    return float(np.linalg.svd(blocks, compute_uv=False).max())


def _parts(network: Feedforward, signal: ErrorSignal, masks: Any, task: AbstractTask) -> tuple[Any, Any, Any]:
    """G = −⟨e xᵀ⟩ at zero weights, and the gains S1 and S2 of all synapses."""
    x, e = (np.asarray(v) for v in task.residuals(network.with_weights(np.zeros_like(w) for w in network.weights)))
    s1, s2 = (np.broadcast_to(s, w.shape) for s, w in zip(signal.gains, network.weights, strict=True))
    if masks is not None:
        s1, s2 = s1 * np.asarray(masks[0]), s2 * np.asarray(masks[1])
    return -e @ x.T, s1, s2


def origin_eigenvalues(squares: Complex[np.ndarray, "hidden outputs"]) -> Complex[np.ndarray, " nonzero"]:
    """±√λ for all nonzero λ."""
    roots = np.sqrt(squares[squares != 0])
    return np.concatenate([roots, -roots])


def origin_types(squares: Complex[np.ndarray, "hidden outputs"]) -> Int[np.ndarray, " hidden"]:
    """The `OriginType` of every hidden unit."""
    rotating = (squares.imag != 0).any(axis=1)
    up, down = (squares.real > 0).any(axis=1), (squares.real < 0).any(axis=1)
    plain = np.where(up & down, OriginType.mixed, np.where(up, OriginType.saddle, OriginType.centre))
    plain = np.where(up | down, plain, OriginType.degenerate)
    return np.where(rotating, OriginType.saddle_focus, plain).astype(np.int64)


def origin_rates(squares: Complex[np.ndarray, "hidden outputs"]) -> tuple[Float[np.ndarray, " hidden"], ...]:
    """The largest growth rate, and the largest angular frequency, of every hidden unit."""
    roots = np.sqrt(squares)
    return roots.real.max(axis=1), np.abs(roots.imag).max(axis=1)
