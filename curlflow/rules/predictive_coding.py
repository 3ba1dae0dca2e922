"""Predictive coding: activities settle between inputs and targets, then every synapse learns locally; equation (19).

With inputs and targets clamped, hₗ of the hidden layers descend the energy

    F = ½ Σ_{l<L} |εₗ|² + π [Φ(a_L) − y·a_L],    εₗ = hₗ − φ(aₗ),  aₗ = Wₗ hₗ₋₁ + bₗ,  Φ′ = φ_out,
    dhₗ/ds = −εₗ + Wₗ₊₁ᵀ δₗ₊₁,    δₗ = εₗ ∘ φ′(aₗ) for l < L,    δ_L = π (y − φ_out(a_L)),

from the forward pass on, and then the weights do the same, dWₗ/dt = −(1/π) ∂F/∂Wₗ = ⟨δₗ hₗ₋₁ᵀ⟩/π.         (19)

Biases follow dbₗ/dt = −(1/π) ∂F/∂bₗ = ⟨δₗ⟩/π.

π is the precision of the outputs: with π → 0 this becomes gradient descent as in (2). In linear networks the
relaxation has a closed form (docs/model.md). With Mₗ = W_L…Wₗ₊₁, M_L = 1 and S = 1 + π Σ_{l<L} Mₗ Mₗᵀ,

    δ_L = −π S⁻¹ e,    δₗ = Mₗᵀ δ_L,    hₗ = Wₗ hₗ₋₁ + δₗ,                                              (20)

so that dWₗ/dt = Mₗᵀ Tₗ₋₁, with T₀ = −S⁻¹⟨e xᵀ⟩ and Tₗ = Tₗ₋₁ Wₗᵀ + π S⁻¹⟨e eᵀ⟩S⁻¹ Mₗ.

Sources: Rao & Ballard, Nat. Neurosci. 2 (1999) 79; Whittington & Bogacz, Neural Comput. 29 (2017) 1229; with φ
outside, hₗ = φ(Wₗ hₗ₋₁): Millidge, Tschantz & Buckley, Neural Comput. 34 (2022) 1329; S: Innocenti, Achour, Singh &
Buckley, Adv. Neural Inf. Process. Syst. 37 (2024), arXiv:2408.11979.
"""

import itertools
import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ..networks import Feedforward
from ..networks.activations import ACTIVATIONS
from ..precision import Scalar, double_precision
from .base import AbstractLearningRule


class PredictiveCoding(AbstractLearningRule):
    """Activities settle first, weights follow their prediction errors.

    **Arguments:**

    - `output_precision`: π, how strongly targets pull against the errors of hidden units; above 0.
    - `steps`, `rate`: the relaxation of nonlinear networks, `steps` times hₗ ← hₗ + rate · dhₗ/ds for all layers
      simultaneously; linear ones, which have no biases, are solved exactly.

    **Raises:** `ValueError` for arguments out of range.
    """

    second_moments_suffice = True
    needs_layers = True
    rotates_with_hidden_units = True

    output_precision: Scalar
    steps: int = eqx.field(static=True)
    rate: Scalar

    def __init__(self, output_precision: Any = 1.0, *, steps: Any = 50, rate: Any = 0.1):
        if isinstance(steps, bool) or not isinstance(steps, int | np.integer) or steps < 1:
            raise ValueError(f"steps: got {steps!r}, allowed are whole numbers from 1.")
        self.output_precision = _positive("output_precision", output_precision)
        self.steps = int(steps)
        self.rate = _positive("rate", rate)

    @double_precision
    def velocity(self, network: Feedforward, task: Any) -> Feedforward:
        return _exact(self, network, task) if network.is_linear else _relaxed(self, network, task)


def _positive(name: str, value: Any) -> Scalar:
    if isinstance(value, jax.core.Tracer):
        return value
    number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if not number or not 0 < value < math.inf:
        raise ValueError(f"{name}: got {value!r}, allowed are numbers above 0.")
    return np.asarray(float(value))


def _exact(rule: PredictiveCoding, network: Feedforward, task: Any) -> Feedforward:
    """The velocity of a linear network, by (20)."""
    x, e = task.residuals(network)
    precision, back = rule.output_precision, [jnp.eye(network.widths[-1])]
    for w in reversed(network.weights[1:]):
        back.insert(0, back[0] @ w)
    s = jnp.eye(network.widths[-1]) + precision * sum((m @ m.T for m in back[:-1]), jnp.zeros(()))
    spread = precision * _solved(s, _solved(s, task.error_covariance(network)).T)
    driven, velocities = -_solved(s, e @ x.T), []
    for w, m in zip(network.weights, back, strict=True):
        velocities.append(m.T @ driven)
        driven = driven @ w.T + spread @ m
    return network.with_weights(velocities)


def _solved(matrix: Any, right: Any) -> Any:
    """S⁻¹ R; one output needs no factorisation."""
    return right / matrix if matrix.shape == (1, 1) else jnp.linalg.solve(matrix, right)


def _relaxed(rule: PredictiveCoding, network: Feedforward, task: Any) -> Feedforward:
    """The velocity of any network, from a relaxation of a fixed number of steps."""
    x, e = task.residuals(network)
    samples, activities = x.shape[1], network.forward(x).activities
    targets = activities[-1] - samples * e

    def settle(_: Any, hidden: tuple[Any, ...]) -> tuple[Any, ...]:
        errors, signals = _errors(rule, network, (x, *hidden), targets)
        pulls = (w.T @ d for w, d in zip(network.weights[1:], signals[1:], strict=True))
        return tuple(h + rule.rate * (p - d) for h, p, d in zip(hidden, pulls, errors, strict=True))

    hidden = jax.lax.fori_loop(0, rule.steps, settle, activities[1:-1])
    signals = _errors(rule, network, (x, *hidden), targets)[1]
    scale = rule.output_precision * samples
    biases = None if network.biases is None else [d.sum(axis=1) / scale for d in signals]
    return network.with_weights((d @ h.T / scale for d, h in zip(signals, (x, *hidden), strict=True)), biases)


def _errors(rule: PredictiveCoding, network: Feedforward, activities: tuple, targets: Any) -> tuple[list, list]:
    """ε of the hidden layers, and δ of all layers."""
    phi, derivative = ACTIVATIONS[network.activation]
    errors, signals = [], []
    for layer, (before, h) in enumerate(itertools.pairwise(activities)):
        a = network.pre_activation(layer, before)
        predicted = phi(a)
        errors.append(h - predicted)
        signals.append(errors[-1] * derivative(a, predicted))
    last = network.pre_activation(len(network.weights) - 1, activities[-1])
    predicted = ACTIVATIONS[network.output_activation].function(last)
    return errors, [*signals, rule.output_precision * (targets - predicted)]
