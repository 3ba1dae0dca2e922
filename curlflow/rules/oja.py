"""Hebbian learning of principal components: Oja's and Sanger's rules; equation (18) of docs/model.md.

Every layer learns from its own inputs h = hₗ₋₁ and outputs y = φ(Wₗ h) alone, and targets are ignored:

    dWₗ/dt = ⟨y hᵀ⟩ − C Wₗ,    C = ⟨y yᵀ⟩ (Oja),    C = lower triangle of ⟨y yᵀ⟩ (Sanger).              (18)

Sources: Oja, J. Math. Biol. 15 (1982) 267 (one unit); Oja, Int. J. Neural Syst. 1 (1989) 61 (subspace); Sanger,
Neural Netw. 2 (1989) 459; units that are not linear: Karhunen & Joutsensalo, Neural Netw. 8 (1995) 549.
"""

from abc import abstractmethod
from typing import Any

import numpy as np

from ..networks import Feedforward
from ..precision import double_precision
from .base import AbstractLearningRule


class AbstractHebbianRule(AbstractLearningRule):
    """A rule of the form (18). *For developers:* a new member supplies `competition`."""

    second_moments_suffice = True
    needs_layers = True

    @abstractmethod
    def competition(self, covariance: Any) -> Any:
        """C, given ⟨y yᵀ⟩ (units × units)."""

    @double_precision
    def velocity(self, network: Feedforward, task: Any) -> Feedforward:
        if network.biases is not None:
            name = type(self).__name__
            raise ValueError(f"rule: {name} has no equation for biases; set network.biases to false.")
        velocities, h = [], None if network.is_linear else network.forward(task.x).activities
        for layer, w in enumerate(network.weights):
            # ⟨hₗ hₗ₋₁ᵀ⟩ and ⟨hₗ hₗᵀ⟩
            if network.is_linear:
                driven = w @ outputs if layer > 0 else task.times_covariance(w.T).T
                outputs = driven @ w.T
            else:
                driven, outputs = (h[layer + 1] @ part.T / task.x.shape[1] for part in h[layer : layer + 2])
            velocities.append(driven - self.competition(outputs) @ w)
        return network.with_weights(velocities)


class Oja(AbstractHebbianRule):
    """dWₗ/dt = ⟨y hᵀ⟩ − ⟨y yᵀ⟩ Wₗ: the rows of Wₗ become an orthonormal basis of the principal subspace."""

    rotates_with_hidden_units = True

    def competition(self, covariance: Any) -> Any:
        return covariance


class Sanger(AbstractHebbianRule):
    """The generalized Hebbian algorithm: unit i of a layer finds the i-th principal component of its inputs.

    Each unit learns from the part of the inputs that the units before it leave unexplained.
    """

    def competition(self, covariance: Any) -> Any:
        return np.tri(len(covariance)) * covariance
