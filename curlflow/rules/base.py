"""What a learning rule is.

A *learning rule* is a vector field F on the weights of a network: dW/dt = F(W), where F may depend on the task too.
Most rules of interest are *driven by errors*: a signal δ travels backwards through matrices B₂, …, B_L,

    δ_L = e,    δₗ = (Bₗ₊₁ᵀ δₗ₊₁) ∘ φ′(aₗ),    dWₗ/dt = −⟨δₗ hₗ₋₁ᵀ⟩,    dbₗ/dt = −⟨δₗ⟩,                (2)

and a rule of this family is determined by its choice of B. (No φ_out′ enters; see docs/model.md. Biases bₗ are there
in networks that have them.)
"""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import equinox as eqx
import numpy as np
from jaxtyping import PyTree

from ..networks import Feedforward
from ..networks.activations import ACTIVATIONS
from ..networks.feedforward import Matrix
from ..precision import double_precision
from ..tasks import AbstractTask
from .signals import ErrorSignal


class AbstractLearningRule(eqx.Module):
    """A vector field on the weights of a network.

    *For developers:* a new rule supplies `velocity`. Everything else has a default here that holds for every rule. A
    new rule may override these defaults one by one, and then runs faster or with more studies:

    - `signal`, if its velocity has the form of (2) up to fixed gains. `curlflow.stability` then takes the tangent
      kernel, exponents can be taken modulo symmetries (for B = W), runs start close to a solution without loss of
      digits, and the noise of batches needs no check. Subclasses of `AbstractErrorDrivenRule` have it.
    - `second_moments_suffice = True`, if its velocity, for a linear network, depends on the data through second
      moments alone: through `residuals`, if it is linear in ⟨e xᵀ⟩, or through `times_covariance` and
      `error_covariance` of the task. It is then given `curlflow.tasks.SecondMoments` in place of samples and runs at
      a cost that does not depend on their number. Otherwise it always gets all samples.
    - `rotates_with_hidden_units = True`, if, for linear hidden units, its velocity turns with every rotation of the
      hidden units of a layer (Wₗ → Q Wₗ, Wₗ₊₁ → Wₗ₊₁ Qᵀ gives Fₗ → Q Fₗ, Fₗ₊₁ → Fₗ₊₁ Qᵀ) and does not change where
      units without weights are added. It may not depend on their number. Wide networks then run as narrow ones
      (docs/compression.md). A rule that holds arrays over hidden units also supplies `kept_columns` and `narrowed`,
      and its velocity turns if these arrays are turned as well.
    - `backpropagates = True`, if its velocity is (2) with B = W: gradient descent, computed in another way. Its
      updates may then be replaced by faster ones, and the eigenvalues at zero weights are known in closed form.
    - `needs_layers = True`, if it learns in a `Feedforward` alone, and in no other model.
    - `unflipped`, for a rule that multiplies the velocity of another by gains. `SignFlipped` does so for all.

    Rules with a memory of their own are subclasses of `curlflow.rules.AbstractRuleWithMemory`.
    """

    second_moments_suffice: ClassVar[bool] = False
    needs_layers: ClassVar[bool] = False
    rotates_with_hidden_units: ClassVar[bool] = False
    backpropagates: ClassVar[bool] = False

    @abstractmethod
    def velocity(self, network: Feedforward, task: AbstractTask) -> Feedforward:
        """dW/dt, and db/dt where it has biases, at the weights of `network`, as a network of the same shapes."""

    def memory0(self, network: Any) -> PyTree:
        """The memory with which learning begins; None for a rule without one."""
        return None

    def signal(self, network: Feedforward) -> ErrorSignal | None:
        """The feedback matrices and gains at the weights of `network`.

        None for a rule not of the form (2), and for networks with biases: what is computed from it is about weights.
        """
        return None

    def unflipped(self, most: int | None = None) -> tuple["AbstractLearningRule", tuple[Any, ...] | None]:
        """The rule within all flips, or within `most` of them, and the product of their gains; None without flips."""
        return self, None

    def kept_columns(self, network: Feedforward, layer: int) -> list[Any]:
        """For a hidden layer, counted from 0, the arrays of the rule (units × k) whose span its velocity needs."""
        return []

    def narrowed(self, turned: Callable, chosen: Callable) -> "AbstractLearningRule":
        """The rule for a network with fewer hidden units.

        **Arguments:**

        - `turned`: a function of one matrix per layer, (post, pre), or None; gives those for the units that are left.
        - `chosen`: a function of the gains, one array per layer that broadcasts against (post, pre); likewise.
        """
        return self


def checked_rule(given: Any) -> AbstractLearningRule:
    """A rule that another one wraps. **Raises:** `ValueError` for anything else."""
    if not isinstance(given, AbstractLearningRule):
        raise ValueError(f"rule: got {given!r}, required is a rule, for example curlflow.rules.Gradient().")
    return given


class AbstractErrorDrivenRule(AbstractLearningRule):
    """A rule of the form (2). *For developers:* a new member supplies `feedback`."""

    second_moments_suffice = True
    needs_layers = True

    @abstractmethod
    def feedback(self, network: Feedforward) -> tuple[Matrix, ...]:
        """The matrices B₂, …, B_L, each of the shape of W₂, …, W_L."""

    def signal(self, network: Any) -> ErrorSignal | None:
        if not isinstance(network, Feedforward) or network.biases is not None:
            return None
        feedback = tuple(np.asarray(b) for b in self.feedback(network))
        return ErrorSignal(feedback, tuple(np.ones((1, 1)) for _ in network.weights))

    @double_precision
    def velocity(self, network: Feedforward, task: AbstractTask) -> Feedforward:
        return driven_by_errors(network, task, self.feedback(network))


def driven_by_errors(network: Feedforward, task: AbstractTask, feedback: tuple[Matrix, ...]) -> Feedforward:
    """The velocity (2) with the matrices B₂, …, B_L."""
    x, delta = task.residuals(network)
    a, h = network.forward(x)
    derivative = ACTIVATIONS[network.activation].derivative
    velocities, drifts = [], []
    for layer in reversed(range(len(network.weights))):
        velocities.append(-(delta @ (h[layer].T if layer > 0 else task.transposed(x))))
        if network.biases is not None:
            drifts.append(-delta.sum(axis=1))
        if layer > 0:
            delta = feedback[layer - 1].T @ delta
            if network.activation != "linear":
                delta = delta * derivative(a[layer - 1], h[layer])
    return network.with_weights(reversed(velocities), reversed(drifts) if drifts else None)
