"""Feedforward networks: h₀ = x, hₗ = φ(Wₗ hₗ₋₁ + bₗ), ŷ = φ_out(W_L h_{L−1} + b_L); equation (1) of docs/model.md."""

import functools
import operator
from collections.abc import Iterable
from typing import Any, NamedTuple

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float

from ..precision import double_precision, to_float64
from .activations import ACTIVATIONS

Matrix = Float[Array | np.ndarray, "_ _"]
"""Weights of one layer, post × pre. (The anonymous axes let one call take layers of different shapes.)"""
Vector = Float[Array | np.ndarray, " _"]
"""Biases of one layer, one for each postsynaptic unit."""


class Activities(NamedTuple):
    """A forward pass: the pre-activations aₗ = Wₗ hₗ₋₁ + bₗ and the activities hₗ, with h₀ = x."""

    pre_activations: tuple[Float[Array, "units samples"], ...]
    activities: tuple[Float[Array | np.ndarray, "units samples"], ...]


class Feedforward(eqx.Module):
    """A stack of dense layers, with or without biases.

    The network is the state of the learning dynamics, and a velocity of the weights and biases has the same type. Its
    arrays, in the order of `jax.tree.leaves`, are the weights of all layers and then, where it has any, their biases.

    **Arguments:**

    - `weights`: matrices W1, …, WL in the order of the forward pass, each of shape (post, pre).
    - `activation`: φ of the hidden units: `"linear"`, `"tanh"`, `"relu"` or `"sigmoid"`.
    - `output_activation`: φ_out, likewise.
    - `biases`: vectors b1, …, bL, each of shape (post,). Default: None, a network without biases.

    **Raises:** `ValueError` for shapes that do not chain or fit, unknown activations, and weights or biases not in
    double precision.
    """

    weights: tuple[Matrix, ...]
    activation: str = eqx.field(static=True)
    output_activation: str = eqx.field(static=True)
    biases: tuple[Vector, ...] | None

    def __init__(
        self,
        weights: Iterable[Matrix],
        activation: str = "linear",
        output_activation: str = "linear",
        biases: Iterable[Vector] | None = None,
    ):
        self.weights = tuple(to_float64(list(weights), "weights"))
        self.activation = activation
        self.output_activation = output_activation
        self.biases = None if biases is None else tuple(to_float64(list(biases), "biases"))

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
        if self.biases is not None:
            given, required = [np.shape(b) for b in self.biases], [shape[:1] for shape in shapes]
            if given != required:
                raise ValueError(
                    f"biases: got shapes {given}, required is one vector (post,) for each layer: {required}."
                )

    @property
    def widths(self) -> tuple[int, ...]:
        """Numbers of units from the inputs to the outputs."""
        return (self.weights[0].shape[1], *(w.shape[0] for w in self.weights))

    @property
    def is_linear(self) -> bool:
        """Whether ŷ is a linear function of x; with biases it never is."""
        linear = self.output_activation == "linear" and (self.activation == "linear" or len(self.weights) == 1)
        return linear and self.biases is None

    def with_weights(self, weights: Iterable[Matrix], biases: Iterable[Vector] | None = None) -> "Feedforward":
        """The same architecture with other weights and biases, or a velocity of them.

        **Raises:** `ValueError` for a network with biases where these are not given, and for one without where they
        are.
        """
        if (biases is None) != (self.biases is None):
            has = "no biases" if self.biases is None else "biases (network.biases)"
            required = (
                "leave them out" if self.biases is None else "give one vector for each layer besides the weights"
            )
            raise ValueError(f"biases: the network has {has}; {required}.")
        return Feedforward(weights, self.activation, self.output_activation, biases)

    def pre_activation(self, layer: int, h: Any) -> Any:
        """Wₗ hₗ₋₁ + bₗ (units × samples) of a layer, counted from 0, for the activities before it."""
        a = self.weights[layer] @ h
        return a if self.biases is None else a + self.biases[layer][:, None]

    def forward(self, x: Float[Array | np.ndarray, "inputs samples"]) -> Activities:
        """All pre-activations and activities for the inputs `x` (inputs × samples)."""
        pre_activations, activities = [], [x]
        for layer in range(len(self.weights)):
            name = self.output_activation if layer == len(self.weights) - 1 else self.activation
            pre_activations.append(self.pre_activation(layer, activities[-1]))
            activities.append(ACTIVATIONS[name].function(pre_activations[-1]))
        return Activities(tuple(pre_activations), tuple(activities))

    @double_precision
    def __call__(self, x: Float[Array | np.ndarray, "inputs samples"]):
        """The outputs ŷ (outputs × samples) for the inputs `x` (inputs × samples)."""
        return self.forward(x).activities[-1]

    def product(self) -> Matrix:
        """W_L … W_1 (outputs × inputs), the whole map of a linear network.

        **Raises:** `ValueError` for a network with biases, whose map is more than that.
        """
        if self.biases is not None:
            raise ValueError("product: the network has biases (network.biases), so that no matrix is its whole map.")
        return functools.reduce(operator.matmul, reversed(self.weights))
