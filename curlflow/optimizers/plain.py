"""Plain updates, W → W + η F, and the flow dW/dt = F: no memory of earlier velocities."""

from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree

from ..precision import Scalar
from .base import AbstractOptimizer, Memory, Multipliers


class Plain(AbstractOptimizer):
    """No optimizer: what the weights follow where only the rule has a memory."""

    def start(self, weights: PyTree) -> Memory:
        return Memory()

    def step(self, velocity: PyTree, memory: Memory, weights: PyTree, learning_rate: Scalar) -> tuple[PyTree, Memory]:
        return jax.tree.map(lambda f: learning_rate * f, velocity), memory

    def field(
        self, velocity: PyTree, memory: Memory, weights: PyTree, learning_rate: Scalar
    ) -> tuple[PyTree, Memory]:
        return velocity, memory

    def rates_of_flow(self, eigenvalues: Any, learning_rate: Scalar) -> Multipliers:
        return np.asarray(eigenvalues, dtype=complex)[None]

    def multipliers(self, eigenvalues: Any, learning_rate: Any) -> Multipliers:
        return (1 + learning_rate * np.asarray(eigenvalues, dtype=complex))[None]
