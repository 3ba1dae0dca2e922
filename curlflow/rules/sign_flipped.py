"""Curl descent: a rule in which some synapses learn with another sign or gain, D₁ and D₂ of equation (2).

Source: Ninou, Kadmon & Cayco-Gajic, "Curl Descent", arXiv:2510.02765.
"""

import reprlib
from collections.abc import Callable, Iterable
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Num, PyTree

from ..networks import Feedforward
from ..precision import double_precision, to_float64
from ..tasks import AbstractTask
from .base import AbstractLearningRule, checked_rule
from .memory import velocities
from .signals import ErrorSignal


class SignFlipped(AbstractLearningRule):
    """dWₗ/dt = Gₗ ∘ Fₗ(W): the velocity of `rule`, multiplied synapse by synapse.

    **Arguments:**

    - `rule`: the rule that is flipped, for example `Gradient()`.
    - `gains`: one array per layer that broadcasts against (post, pre): (1, pre) for signs of presynaptic
      neurons, (post, 1) for postsynaptic ones, (post, pre) for single synapses; of a model of your own one for each
      of its arrays, with as many axes.
    - `biases`: whether the gains are those of postsynaptic neurons and multiply their biases as well. By default
      biases, which no neuron is before, learn with gain 1.

    **Raises:** `ValueError` for anything that is not a learning rule, for gains that are not matrices of finite
    numbers, and with `biases` for gains of more than one column.
    """

    rule: AbstractLearningRule
    gains: tuple[Num[Array | np.ndarray, "..."], ...]
    biases: bool = eqx.field(static=True)

    def __init__(self, rule: Any, gains: Any, biases: bool = False):
        if isinstance(gains, str) or not isinstance(gains, Iterable) or getattr(gains, "ndim", 1) == 0:
            raise ValueError(f"gains: got {gains!r}, required is one matrix (post or 1, pre or 1) for every layer.")
        self.rule = checked_rule(rule)
        self.gains = tuple(_checked(gain, layer) for layer, gain in enumerate(gains, start=1))
        self.biases = biases
        if biases and any(gain.shape[1] > 1 for gain in self.gains):
            shapes = [tuple(gain.shape) for gain in self.gains]
            raise ValueError(f"gains: got shapes {shapes}, required are (post, 1), for gains of biases as well.")

    @property
    def second_moments_suffice(self) -> bool:
        """As for the rule that is flipped: gains are fixed numbers."""
        return self.rule.second_moments_suffice

    @property
    def needs_layers(self) -> bool:
        """As for the rule that is flipped."""
        return self.rule.needs_layers

    def signal(self, network: Any) -> ErrorSignal | None:
        inner = self.rule.signal(network)
        if inner is None:
            return None
        return inner._replace(gains=tuple(np.asarray(g) * h for g, h in zip(self.gains, inner.gains, strict=True)))

    def unflipped(self, most: int | None = None) -> tuple[AbstractLearningRule, tuple[Any, ...] | None]:
        rule, product, flips = self.rule, self.gains, 1
        while isinstance(rule, SignFlipped) and flips != most:
            product = tuple(a * b for a, b in zip(product, rule.gains, strict=True))
            rule, flips = rule.rule, flips + 1
        return rule, product

    def narrowed(self, turned: Callable, chosen: Callable) -> "SignFlipped":
        return SignFlipped(self.rule.narrowed(turned, chosen), chosen(self.gains), self.biases)

    def memory0(self, network: Any) -> PyTree:
        return self.rule.memory0(network)

    @double_precision
    def velocity(self, network: Any, task: AbstractTask, memory: PyTree = None) -> Any:
        """As for the rule that is flipped; gains multiply the velocity of the weights, not that of a memory."""
        velocity, change = velocities(self.rule, network, task, memory)
        return self._multiplied(velocity) if memory is None else (self._multiplied(velocity), change)

    def _multiplied(self, velocity: Any) -> Any:
        if len(self.gains) != len(velocity.weights):
            raise ValueError(f"gains: got {len(self.gains)} layers, the network has {len(velocity.weights)}.")
        for layer, (gain, weights) in enumerate(zip(self.gains, velocity.weights, strict=True), start=1):
            pairs = zip(gain.shape, weights.shape, strict=False)
            if gain.ndim != weights.ndim or any(got not in (1, needed) for got, needed in pairs):
                raise ValueError(
                    f"gains: layer {layer} has shape {tuple(gain.shape)}, required is {tuple(weights.shape)} "
                    "or 1 in place of either number."
                )
        of_biases = (gain[:, 0] if self.biases else 1.0 for gain in self.gains)
        leaves, structure = jax.tree.flatten(velocity)
        return jax.tree.unflatten(structure, [g * f for g, f in zip((*self.gains, *of_biases), leaves, strict=False)])


def with_gains(rule: AbstractLearningRule, network: Feedforward) -> AbstractLearningRule:
    """`rule` with gains of one on the presynaptic side where it has no flips: the same learning."""
    if rule.unflipped()[1] is not None:
        return rule
    return SignFlipped(rule, [np.ones((1, w.shape[1])) for w in network.weights])


def with_layer_rates(rule: AbstractLearningRule, network: Feedforward, rates: Iterable[float]) -> SignFlipped:
    """`rule` with the velocity of every layer multiplied by its rate, beside whatever gains it has."""
    if network.biases is not None:
        pairs = zip(network.weights, rates, strict=True)
        return SignFlipped(rule, [np.full((len(w), 1), float(rate)) for w, rate in pairs], biases=True)
    base, gains = with_gains(rule, network).unflipped()
    return SignFlipped(base, [rate * np.asarray(gain) for rate, gain in zip(rates, gains, strict=True)])


def _checked(gain: Any, layer: int) -> Any:
    """An array of finite numbers in double precision (those of a traced one are not known yet)."""
    if isinstance(gain, jax.core.Tracer):
        return gain
    try:
        array = np.asarray(gain)
    except ValueError:
        array = np.asarray(None)
    if array.ndim == 0 or array.dtype.kind not in "biufc":
        raise ValueError(
            f"gains: got {reprlib.repr(gain)} for layer {layer}, required is a matrix (post or 1, pre or 1)."
        )
    array = np.asarray(to_float64(array, f"gains: layer {layer}"), dtype=float)
    if not np.isfinite(array).all():
        raise ValueError(f"gains: layer {layer} has values that are not finite; all must be.")
    return array
