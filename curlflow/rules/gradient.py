"""Gradient descent: B = W in equation (2), Rumelhart, Hinton & Williams, Nature 323 (1986) 533."""

from ..networks import Feedforward
from ..networks.feedforward import Matrix
from .base import AbstractErrorDrivenRule


class Gradient(AbstractErrorDrivenRule):
    """dW/dt = −∂E/∂W for linear outputs; for φ_out ≠ linear the gradient of the matching loss."""

    rotates_with_hidden_units = True
    backpropagates = True

    def feedback(self, network: Feedforward) -> tuple[Matrix, ...]:
        return network.weights[1:]
