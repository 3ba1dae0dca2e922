"""The exponentiated gradient: synapses move in proportion to their strength, and keep their signs,

    dWₗ/dt = |Wₗ| ∘ Fₗ(W),                                                                              (50)

with F the velocity of another rule, by default gradient descent: d ln|w|/dt = sign(w) F. Neurons whose synapses begin
with one sign obey Dale's law for ever. Weights that are 0 stay 0.

Sources: Kivinen and Warmuth, Inf. Comput. 132 (1997) 1; in networks that obey Dale's law: Cornford, Pogodin, Ghosh,
Sheng, Bicknell, Codol, Clark, Lajoie and Richards, "Brain-like learning with exponentiated gradients" (2024).
"""

from typing import Any

import jax.numpy as jnp

from ..networks import Feedforward
from ..precision import double_precision
from ..tasks import AbstractTask
from .base import AbstractLearningRule, checked_rule
from .gradient import Gradient


class ExponentiatedGradient(AbstractLearningRule):
    """The velocity of `rule`, multiplied by the absolute values of the weights.

    A flow never changes a sign. Updates take the step W + η |W| ∘ F, which keeps all signs while η |F| < 1.

    **Arguments:**

    - `rule`: a rule without a memory. Default: `Gradient()`.

    **Raises:** `ValueError` for anything else, and, on use, for networks with biases, which would have to begin at
    other values than 0.
    """

    needs_layers = True

    rule: AbstractLearningRule

    def __init__(self, rule: Any = None):
        self.rule = Gradient() if rule is None else checked_rule(rule)

    @property
    def second_moments_suffice(self) -> bool:
        """As for the rule within: the weights are known."""
        return self.rule.second_moments_suffice

    @double_precision
    def velocity(self, network: Feedforward, task: AbstractTask) -> Feedforward:
        if network.biases is not None:
            raise ValueError("rule: ExponentiatedGradient has no equation for biases; set network.biases to false.")
        if self.rule.memory0(network) is not None:
            raise ValueError("rule: ExponentiatedGradient takes the velocity of a rule without a memory of its own.")
        inner = self.rule.velocity(network, task)
        return network.with_weights(jnp.abs(w) * f for w, f in zip(network.weights, inner.weights, strict=True))
