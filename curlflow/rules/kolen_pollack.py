"""Kolen–Pollack learning: feedback weights learn with the same products and the same decay as forward weights.

    δ_L = e,    δₗ = (Bₗ₊₁ᵀ δₗ₊₁) ∘ φ′(aₗ),    dWₗ/dt = −⟨δₗ hₗ₋₁ᵀ⟩ − λ Wₗ,    dBₗ/dt = −⟨δₗ hₗ₋₁ᵀ⟩ − λ Bₗ (l ≥ 2).

Without a constraint d(Wₗ − Bₗ)/dt = −λ (Wₗ − Bₗ): feedback weights become those of gradient descent exponentially.
Biases follow −⟨δₗ⟩ and do not decay.

Sources: Kolen & Pollack, Proc. IEEE Int. Conf. Neural Netw. (1994) 1375; Akrout, Wilson, Humphreys, Lillicrap &
Tweed, Adv. Neural Inf. Process. Syst. 32 (2019), arXiv:1904.05391.
"""

from typing import Any

import jax
import jax.numpy as jnp

from ..networks import Feedforward
from ..networks.feedforward import Matrix
from ..precision import Scalar, double_precision
from ..tasks import AbstractTask
from .base import driven_by_errors
from .feedback_alignment import FeedbackAlignment
from .memory import AbstractRuleWithMemory, checked_rate


class KolenPollack(AbstractRuleWithMemory):
    """The error travels backwards through matrices that learn as the weights do.

    **Arguments:**

    - `matrices`: B₂, …, B_L at the start, of the shapes of W₂, …, W_L (post × pre).
    - `decay`: λ, per unit of time, from 0.

    **Raises:** `ValueError` for a decay out of range and, on use, for matrices of other shapes.
    """

    second_moments_suffice = True
    needs_layers = True

    start: FeedbackAlignment
    decay: Scalar

    def __init__(self, matrices: Any, decay: Any = 0.01):
        self.start = FeedbackAlignment(matrices)
        self.decay = checked_rate("decay", decay, zero=True)

    def memory0(self, network: Feedforward) -> tuple[Matrix, ...]:
        return self.start.feedback(network)

    @double_precision
    def velocity(
        self, network: Feedforward, task: AbstractTask, memory: tuple[Matrix, ...]
    ) -> tuple[Feedforward, tuple[Matrix, ...]]:
        driven = driven_by_errors(network, task, memory)

        def decaying(f: Any, w: Any) -> Any:
            return f - self.decay * jnp.asarray(w)

        weights = jax.tree.map(decaying, driven.weights, network.weights)
        return network.with_weights(weights, driven.biases), jax.tree.map(decaying, driven.weights[1:], memory)
