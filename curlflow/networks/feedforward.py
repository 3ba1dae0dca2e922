"""Feedforward networks: h₀ = x, hₗ = φ(Wₗ hₗ₋₁), ŷ = φ_out(W_L h_{L−1}); equation (1) of docs/model.md."""

import functools
import operator
from collections.abc import Iterable
from typing import NamedTuple

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float

from ..precision import double_precision, to_float64
from .activations import ACTIVATIONS

Matrix = Float[Array | np.ndarray, "_ _"]
"""Weights of one layer, post × pre. (The anonymous axes let one call take layers of different shapes.)"""


class Activities(NamedTuple):
    """A forward pass: the pre-activations aₗ = Wₗ hₗ₋₁ and the activities hₗ, with h₀ = x."""

    pre_activations: tuple[Float[Array, "units samples"], ...]
    activities: tuple[Float[Array | np.ndarray, "units samples"], ...]


class Feedforward(eqx.Module):
    """A stack of dense layers without biases.

    The network is the state of the learning dynamics, and a velocity of the weights has the same type.

    **Arguments:**

    - `weights`: matrices W1, …, WL in the order of the forward pass, each of shape (post, pre).
    - `activation`: φ of the hidden units: `"linear"`, `"tanh"`, `"relu"` or `"sigmoid"`.
    - `output_activation`: φ_out, likewise.

    **Raises:** `ValueError` for shapes that do not chain, unknown activations and weights not in double precision.
    """

    weights: tuple[Matrix, ...]
    activation: str = eqx.field(static=True)
    output_activation: str = eqx.field(static=True)

    def __init__(self, weights: Iterable[Matrix], activation: str = "linear", output_activation: str = "linear"):
        self.weights = tuple(to_float64(list(weights), "weights"))
        self.activation = activation
        self.output_activation = output_activation

    def __check_init__(self):
        for field in ("activation", "output_activation"):
            if getattr(self, field) not in ACTIVATIONS:
                raise ValueError(f"{field}: got {getattr(self, field)!r}, allowed are {', '.join(ACTIVATIONS)}.")
        shapes = [tuple(np.shape(w)) for w in self.weights]
        if not shapes or any(len(shape) != 2 or 0 in shape for shape in shapes):
            raise ValueError(f"weights: one or more non-empty matrices (post, pre) are required, got {shapes}.")
        for layer, (before, after) in enumerate(zip(shapes, shapes[1:], strict=False), start=1):
            if after[1] != before[0]:
                raise ValueError(
                    f"weights: layer {layer} has {before[0]} outputs but layer {layer + 1} takes {after[1]} "
                    f"inputs (shapes {before} and {after}); shapes (post, pre) must chain."
                )

    @property
    def widths(self) -> tuple[int, ...]:
        """Numbers of units from the inputs to the outputs."""
        return (self.weights[0].shape[1], *(w.shape[0] for w in self.weights))

    @property
    def is_linear(self) -> bool:
        """Whether ŷ is a linear function of x."""
        return self.output_activation == "linear" and (self.activation == "linear" or len(self.weights) == 1)

    def with_weights(self, weights: Iterable[Matrix]) -> "Feedforward":
        """The same architecture with other weights, or a velocity of the weights."""
        return Feedforward(weights, self.activation, self.output_activation)

    def forward(self, x: Float[Array | np.ndarray, "inputs samples"]) -> Activities:
        """All pre-activations and activities for the inputs `x` (inputs × samples)."""
        pre_activations, activities = [], [x]
        for layer, w in enumerate(self.weights, start=1):
            name = self.output_activation if layer == len(self.weights) else self.activation
            pre_activations.append(w @ activities[-1])
            activities.append(ACTIVATIONS[name].function(pre_activations[-1]))
        return Activities(tuple(pre_activations), tuple(activities))

    @double_precision
    def __call__(self, x: Float[Array | np.ndarray, "inputs samples"]):
        """The outputs ŷ (outputs × samples) for the inputs `x` (inputs × samples)."""
        return self.forward(x).activities[-1]

    def product(self) -> Matrix:
        """W_L … W_1 (outputs × inputs), the whole map of a linear network."""
        return functools.reduce(operator.matmul, reversed(self.weights))
