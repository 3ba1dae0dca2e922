"""Hebbian learning of principal components: Oja's and Sanger's rules; equation (18) of docs/model.md.

Every layer learns from its own inputs h = hₗ₋₁ alone. With its outputs y = φ(Wₗ h), for linear units y = Wₗ h,

    dWₗ/dt = ⟨y hᵀ⟩ − C Wₗ,    C = ⟨y yᵀ⟩ (Oja),    C = lower triangle of ⟨y yᵀ⟩ (Sanger).              (18)

No error enters, and targets are ignored. For linear networks ⟨x xᵀ⟩ is all that the rule needs of the data.

Sources: Oja, J. Math. Biol. 15 (1982) 267 (one unit); Oja, Int. J. Neural Syst. 1 (1989) 61 (subspace); Sanger,
Neural Netw. 2 (1989) 459; units that are not linear: Karhunen & Joutsensalo, Neural Netw. 8 (1995) 549.
"""

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..networks import Feedforward
from ..precision import double_precision
from .base import AbstractLearningRule


class AbstractHebbianRule(AbstractLearningRule):
    """A rule of the form (18).

    *For developers:* a new member supplies `competition`.
    """

    second_moments_suffice = True

    @abstractmethod
    def competition(self, covariance: Any) -> Any:
        """C, given ⟨y yᵀ⟩ (units × units)."""

    @double_precision
    def velocity(self, network: Feedforward, task: Any) -> Feedforward:
        moments = zip(network.weights, _moments(network, task), strict=True)
        return network.with_weights(driven - self.competition(outputs) @ w for w, (driven, outputs) in moments)


class Oja(AbstractHebbianRule):
    """dWₗ/dt = ⟨y hᵀ⟩ − ⟨y yᵀ⟩ Wₗ: the rows of Wₗ become an orthonormal basis of the principal subspace."""

    rotates_with_hidden_units = True

    def competition(self, covariance: Any) -> Any:
        return covariance


class Sanger(AbstractHebbianRule):
    """The generalized Hebbian algorithm: unit i of a layer finds the i-th principal component of its inputs.

    The units of a layer have an order: each learns from the part of the inputs that the units before it leave
    unexplained.
    """

    def competition(self, covariance: Any) -> Any:
        return np.tri(len(covariance)) * covariance


def _moments(network: Feedforward, task: Any) -> Iterator[tuple[Any, Any]]:
    """⟨hₗ hₗ₋₁ᵀ⟩ and ⟨hₗ hₗᵀ⟩ of every layer."""
    if network.is_linear:
        outputs = None
        for w in network.weights:
            driven = task.times_covariance(w.T).T if outputs is None else w @ outputs
            outputs = driven @ w.T
            yield driven, outputs
        return
    h = network.forward(task.x).activities
    for before, after in zip(h, h[1:], strict=False):
        yield after @ before.T / task.x.shape[1], after @ after.T / task.x.shape[1]
