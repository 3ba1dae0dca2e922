"""What a linearisation at a solution needs from a rule: how errors travel back, and how fast each synapse follows.

A rule that is built from the error-driven rules and from sign flips has the velocity

    dWₗ/dt = −Gₗ ∘ ⟨δₗ hₗ₋₁ᵀ⟩,    δ_L = e,    δₗ = (Bₗ₊₁ᵀ δₗ₊₁) ∘ φ′(aₗ),

equation (2) of docs/model.md, and is known by its feedback matrices B and gains G at the weights in question. (At a
solution e = 0, so that derivatives of B and G do not matter there.)
"""

import warnings
from typing import Any, NamedTuple

from ..networks import Feedforward
from ..networks.feedforward import Matrix


class ErrorSignal(NamedTuple):
    """Feedback matrices B₂, …, B_L (post × pre) and one array of gains per layer that broadcasts against it."""

    feedback: tuple[Matrix, ...]
    gains: tuple[Matrix, ...]


def error_signal(rule: Any, network: Feedforward) -> ErrorSignal | None:
    """The former name of `rule.signal(network)`."""
    warnings.warn(
        "curlflow.rules.signals.error_signal(rule, network) is now rule.signal(network).",
        DeprecationWarning,
        stacklevel=2,
    )
    return rule.signal(network)
