"""Curl descent: a rule some of whose synapses learn with another sign or gain, D₁ and D₂ of equation (2).

Source: Ninou, Kadmon & Cayco-Gajic, "Curl Descent", arXiv:2510.02765.
"""

from collections.abc import Iterable

from ..networks import Feedforward
from ..networks.feedforward import Matrix
from ..precision import double_precision, to_float64
from ..tasks import AbstractTask
from .base import AbstractLearningRule, second_moments_suffice


class SignFlipped(AbstractLearningRule):
    """dWₗ/dt = Gₗ ∘ Fₗ(W): the velocity of `rule`, multiplied synapse by synapse.

    **Arguments:**

    - `rule`: the rule that is flipped, for example `Gradient()`.
    - `gains`: one array per layer that broadcasts against (post, pre): (1, pre) for signs of presynaptic
      neurons, (post, 1) for postsynaptic ones, (post, pre) for single synapses.
    """

    rule: AbstractLearningRule
    gains: tuple[Matrix, ...]

    def __init__(self, rule: AbstractLearningRule, gains: Iterable[Matrix]):
        self.rule = rule
        self.gains = tuple(to_float64(list(gains), "gains"))

    @property
    def second_moments_suffice(self) -> bool:
        """As for the rule that is flipped: gains are fixed numbers."""
        return second_moments_suffice(self.rule)

    @double_precision
    def velocity(self, network: Feedforward, task: AbstractTask) -> Feedforward:
        velocity = self.rule.velocity(network, task)
        if len(self.gains) != len(velocity.weights):
            raise ValueError(f"gains: got {len(self.gains)} layers, the network has {len(velocity.weights)}.")
        return velocity.with_weights(
            _scaled(g, f, layer) for layer, (g, f) in enumerate(zip(self.gains, velocity.weights, strict=True), 1)
        )


def _scaled(gain: Matrix, velocity: Matrix, layer: int) -> Matrix:
    if any(g not in (1, f) for g, f in zip(gain.shape, velocity.shape, strict=True)):
        raise ValueError(
            f"gains: layer {layer} has shape {tuple(gain.shape)}, required is {tuple(velocity.shape)} "
            "or 1 in place of either number."
        )
    return gain * velocity
