"""Gradient descent: B = W in equation (2), Rumelhart, Hinton & Williams, Nature 323 (1986) 533."""

from typing import Any

import jax
import jax.numpy as jnp

from ..networks import Feedforward
from ..networks.feedforward import Matrix
from ..precision import double_precision
from ..tasks import AbstractTask
from .base import AbstractErrorDrivenRule


class Gradient(AbstractErrorDrivenRule):
    """dW/dt = −∂E/∂W for linear outputs; for φ_out ≠ linear the gradient of the matching loss.

    For models of your own it is −∂E/∂W whatever their outputs are.
    """

    rotates_with_hidden_units = True
    backpropagates = True
    needs_layers = False

    def feedback(self, network: Feedforward) -> tuple[Matrix, ...]:
        return network.weights[1:]

    @double_precision
    def velocity(self, network: Any, task: AbstractTask) -> Any:
        if isinstance(network, Feedforward):
            return super().velocity(network, task)
        return jax.tree.map(jnp.negative, jax.grad(task.error)(network))
