"""What a linearisation at a solution needs of a rule: how errors travel back, and how fast each synapse follows.

A rule that is built from the error-driven rules and from sign flips has the velocity

    dWₗ/dt = −Gₗ ∘ ⟨δₗ hₗ₋₁ᵀ⟩,    δ_L = e,    δₗ = (Bₗ₊₁ᵀ δₗ₊₁) ∘ φ′(aₗ),

equation (2) of docs/model.md, and is known by its feedback matrices B and gains G at the weights in question. (At a
solution e = 0, so that derivatives of B and G do not matter there.)
"""

from typing import Any, NamedTuple

import numpy as np

from ..networks import Feedforward
from ..networks.feedforward import Matrix
from .base import AbstractErrorDrivenRule
from .sign_flipped import SignFlipped


class ErrorSignal(NamedTuple):
    """Feedback matrices B₂, …, B_L (post × pre) and one array of gains per layer that broadcasts against it."""

    feedback: tuple[Matrix, ...]
    gains: tuple[Matrix, ...]


def error_signal(rule: Any, network: Feedforward) -> ErrorSignal | None:
    """The signal and gains of `rule` at the weights of `network`; None for a rule of another make."""
    if isinstance(rule, AbstractErrorDrivenRule):
        feedback = tuple(np.asarray(b) for b in rule.feedback(network))
        return ErrorSignal(feedback, tuple(np.ones((1, 1)) for _ in network.weights))
    if isinstance(rule, SignFlipped):
        inner = error_signal(rule.rule, network)
        if inner is None:
            return None
        gains = tuple(np.asarray(g) * h for g, h in zip(rule.gains, inner.gains, strict=True))
        return inner._replace(gains=gains)
    return None
