"""Weight mirrors: feedback weights B are driven towards the weights by the correlations of noise.

In mirror mode the activities before a layer are noise ξ of variance σ², its units are linear, and the feedback
weights learn from ⟨(Wₗ ξ) ξᵀ⟩ = σ² Wₗ, with decay. In engaged mode weights learn by the errors that B carries. With
both modes at once, on average over the noise, and with the rate ρ = (learning rate of the mirror) · σ²,

    δ_L = e,    δₗ = (Bₗ₊₁ᵀ δₗ₊₁) ∘ φ′(aₗ),    dWₗ/dt = −⟨δₗ hₗ₋₁ᵀ⟩,    dBₗ/dt = ρ Wₗ − λ Bₗ (l ≥ 2).

Where the weights rest, B becomes (ρ/λ) W. That units are linear in mirror mode is the limit of small noise, and
the slope φ′(0) belongs to ρ.

Source: Akrout, Wilson, Humphreys, Lillicrap & Tweed, Adv. Neural Inf. Process. Syst. 32 (2019), arXiv:1904.05391.
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


class WeightMirror(AbstractRuleWithMemory):
    """The error travels backwards through matrices that mirror the weights.

    **Arguments:**

    - `matrices`: B₂, …, B_L at the start, of the shapes of W₂, …, W_L (post × pre).
    - `rate`, `decay`: ρ and λ, per unit of time, from 0.

    **Raises:** `ValueError` for numbers out of range and, on use, for matrices of other shapes.
    """

    second_moments_suffice = True
    needs_layers = True

    start: FeedbackAlignment
    rate: Scalar
    decay: Scalar

    def __init__(self, matrices: Any, rate: Any = 1.0, decay: Any = 1.0):
        self.start = FeedbackAlignment(matrices)
        self.rate = checked_rate("rate", rate, zero=True)
        self.decay = checked_rate("decay", decay, zero=True)

    def memory0(self, network: Feedforward) -> tuple[Matrix, ...]:
        return self.start.feedback(network)

    @double_precision
    def velocity(
        self, network: Feedforward, task: AbstractTask, memory: tuple[Matrix, ...]
    ) -> tuple[Feedforward, tuple[Matrix, ...]]:
        def mirrored(w: Any, b: Any) -> Any:
            return self.rate * jnp.asarray(w) - self.decay * b

        return driven_by_errors(network, task, memory), jax.tree.map(mirrored, network.weights[1:], memory)
