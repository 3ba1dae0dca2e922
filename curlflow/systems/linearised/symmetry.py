"""Symmetry orbits: the rotations of hidden units that leave a rule unchanged.

Linear hidden units that learn with the same gains on all their synapses (and have the same synapses) may be rotated
into each other, Wₗ → R Wₗ, Wₗ₊₁ → Wₗ₊₁ Rᵀ. Through every point there is an orbit of such rotations, along which the
Jacobian at a solution is zero. For one hidden layer whose groups s have N_s units with r_s independent rows of
[W1 | W2ᵀ] the orbit has

    Σ_s  N_s r_s − r_s (r_s + 1)/2

dimensions. With feedback alignment only the rotations that fix B count, which act on the complement of its columns.
Source: docs/model.md, (7).
"""

from typing import Any

import numpy as np
import scipy.linalg

from ...networks import Feedforward
from ...rules.signals import ErrorSignal


def orbit_dimension(network: Feedforward, signal: ErrorSignal, masks: tuple[Any, ...] | None = None) -> int | None:
    """The dimension of the orbit of rotations through the weights of `network`.

    **Returns:** the dimension, 0 for nonlinear hidden units; None for deep networks whose neighbouring layers can
    rotate together, where it is not counted.

    **Arguments:**

    - `signal`: feedback and gains of the rule. Feedback that equals the forward weights turns with them.
    - `masks`: for every layer which synapses exist, (post, pre); None: all.
    """
    if network.activation != "linear":
        return 0
    weights = [np.asarray(w) for w in network.weights]
    turning = all(np.array_equal(b, w) for b, w in zip(signal.feedback, weights[1:], strict=True))
    orbit, loose = 0, []
    for layer, groups in enumerate(groups_of_hidden_units(network, signal, masks)):
        for units in groups:
            incoming, outgoing = weights[layer][units], weights[layer + 1][:, units].T
            n = len(incoming)
            if not turning:
                fixed = [signal.feedback[layer][:, units].T]
                fixed += [signal.feedback[layer - 1][units]] if layer > 0 else []
                basis = scipy.linalg.orth(np.hstack(fixed))
                incoming, outgoing = (part - basis @ (basis.T @ part) for part in (incoming, outgoing))
                n -= basis.shape[1]
            r = min(n, _rank(np.hstack([incoming, outgoing])))
            orbit += n * r - r * (r + 1) // 2
            loose += [layer] if min(_rank(incoming), _rank(outgoing)) < n else []
    # A rotation that leaves the weights on one side unchanged could be undone by one of the next layer.
    return None if any(layer + 1 in loose for layer in loose) else orbit


def groups_of_hidden_units(
    network: Feedforward, signal: ErrorSignal, masks: tuple[Any, ...] | None = None
) -> list[list[np.ndarray]]:
    """For every hidden layer its groups: the units with the same gains, and the same synapses."""
    gains, groups = [np.broadcast_to(g, w.shape) for g, w in zip(signal.gains, network.weights, strict=True)], []
    if masks is not None:
        # Missing synapses are alike, and differ from all others.
        gains = [np.where(m, g, np.inf) for g, m in zip(gains, masks, strict=True)]
    for incoming, outgoing in zip(gains, gains[1:], strict=False):
        group = np.unique(np.hstack([incoming, outgoing.T]), axis=0, return_inverse=True)[1].ravel()
        groups.append([np.flatnonzero(group == index) for index in range(group.max() + 1)])
    return groups


def _rank(rows: np.ndarray) -> int:
    return int(np.linalg.matrix_rank(rows)) if rows.size else 0
