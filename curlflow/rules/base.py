"""What a learning rule is.

A *learning rule* is a vector field F on the weights of a network: dW/dt = F(W), where F may look at the
network W and at the task T that it learns. Everything else (constraints, integration, exponents) is the
same for all rules.

Most rules of interest are *driven by errors*: a signal δ travels backwards through matrices B₂, …, B_L,

    δ_L = e,    δₗ = (Bₗ₊₁ᵀ δₗ₊₁) ∘ φ′(aₗ),    dWₗ/dt = −⟨δₗ hₗ₋₁ᵀ⟩,                                (2)

and a rule of this family is nothing but its choice of B. (No φ_out′ enters: for nonlinear outputs the rule
with B = W is the gradient of the matching loss, see docs/model.md.)
"""

from abc import abstractmethod

import equinox as eqx

from ..networks import Feedforward
from ..networks.activations import ACTIVATIONS
from ..networks.feedforward import Matrix
from ..precision import double_precision
from ..tasks import AbstractTask


class AbstractLearningRule(eqx.Module):
    """A vector field on the weights of a network.

    *For developers:* a new rule supplies `velocity`. It may also set the class attribute
    `second_moments_suffice = True` if its velocity, for a linear network, depends on the data through second
    moments alone: through `residuals`, if it is linear in ⟨e xᵀ⟩, or through `times_covariance` and
    `error_covariance` of the task. It is then given `curlflow.tasks.SecondMoments` in place of samples
    and runs at a cost that does not depend on their number. Without that it always gets all samples.

    It may likewise set `rotates_with_hidden_units = True` if, for linear hidden units, its velocity turns with every
    rotation of the hidden units of a layer (Wₗ → Q Wₗ, Wₗ₊₁ → Wₗ₊₁ Qᵀ gives Fₗ → Q Fₗ, Fₗ₊₁ → Fₗ₊₁ Qᵀ) and does not
    change where units without weights are added. It may then hold no arrays over hidden units, nor depend on their
    number. Wide networks then run as narrow ones; docs/compression.md.
    """

    @abstractmethod
    def velocity(self, network: Feedforward, task: AbstractTask) -> Feedforward:
        """dW/dt at the weights of `network`, as a network of the same shapes."""


class AbstractErrorDrivenRule(AbstractLearningRule):
    """A rule of the form (2).

    *For developers:* a new member supplies `feedback`.
    """

    second_moments_suffice = True

    @abstractmethod
    def feedback(self, network: Feedforward) -> tuple[Matrix, ...]:
        """The matrices B₂, …, B_L, each of the shape of W₂, …, W_L."""

    @double_precision
    def velocity(self, network: Feedforward, task: AbstractTask) -> Feedforward:
        x, delta = task.residuals(network)
        a, h = network.forward(x)
        feedback = self.feedback(network)
        derivative = ACTIVATIONS[network.activation].derivative
        velocities = []
        for layer in reversed(range(len(network.weights))):
            velocities.append(-(delta @ (h[layer].T if layer > 0 else task.transposed(x))))
            if layer > 0:
                delta = feedback[layer - 1].T @ delta
                if network.activation != "linear":
                    delta = delta * derivative(a[layer - 1], h[layer])
        return network.with_weights(reversed(velocities))


def second_moments_suffice(rule: AbstractLearningRule) -> bool:
    """Whether `rule` may be given the second moments of the data in place of the samples."""
    return bool(getattr(rule, "second_moments_suffice", False))


def rotates_with_hidden_units(rule: AbstractLearningRule) -> bool:
    """Whether the velocity of `rule` is known to turn with every rotation of linear hidden units."""
    return bool(getattr(rule, "rotates_with_hidden_units", False))
