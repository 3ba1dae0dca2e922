"""The signed tangent kernel: how outputs at a solution relax, for any depth, width and sign pattern.

At a solution every error-driven rule reads F = −G e, with G (n × m) the velocities that single errors cause, and
a small change of the weights makes the errors e = U dθ, U = ∂ŷ/∂θ (m × n). The nonzero eigenvalues of the Jacobian
−G U are those of the m × m matrix

    K = −U Π G,    m = outputs · samples,

where Π projects onto the tangent space of the constraint. For a linear network any samples with the second moments Σ
will do, for example the columns of Σ^½: with one output K = −Σ^½ H Σ^½ with H of equation (4) of docs/model.md, (4′)
on the spheres. Rows of U and columns of G are outer products of backward signals β, δ with activities h, one per
layer, so that nothing of the size m × n is ever formed:

    U G = Σₗ (βₗᵀ g_post δₗ) ∘ (hₗ₋₁ᵀ g_pre hₗ₋₁).

For nonlinear outputs the coordinates are the output's pre-activations times √φ_out′, in which gradient descent has
a symmetric K.
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from ...constraints import AbstractConstraint, Free, FreeBiases, FrobeniusSpheres, Masked
from ...networks import Feedforward
from ...networks.activations import ACTIVATIONS
from ...precision import double_precision
from ...rules.signals import ErrorSignal
from ...tasks import AbstractTask, SecondMoments

BLOCK = 4_000_000
"""Numbers in a block of products where every synapse has a gain of its own."""

Square = Float[np.ndarray, "m m"]


class TangentKernel(NamedTuple):
    """K = −U Π G and the Gram matrices U Π Uᵀ and Gᵀ Π G of its factors, all m × m.

    `scale` is ‖U‖ ‖G‖ (Frobenius) without Π: what is below its rounding is zero, however much Π removes.
    """

    kernel: Square
    outputs: Square
    velocities: Square
    scale: float


class VirtualSamples(NamedTuple):
    """Inputs (inputs × samples), each with the same weight in the mean."""

    inputs: Float[np.ndarray, "inputs samples"]
    weight: float


class Geometry(NamedTuple):
    """A constraint as the kernel uses it: which synapses exist (None: all), and whether layers keep their norms."""

    masks: tuple[Any, ...] | None
    spheres: bool


def virtual_samples(network: Feedforward, task: AbstractTask) -> VirtualSamples:
    """The fewest samples with those moments of `task` on which the network depends."""
    if isinstance(task, SecondMoments):
        covariance = np.asarray(task.covariance)
        values, vectors = np.linalg.eigh(np.diag(covariance) if covariance.ndim == 1 else covariance)
        scaled = vectors * np.sqrt(np.clip(values, 0.0, None))
        resolved = values > values[-1] * len(values) * np.finfo(float).eps
        # At full rank the symmetric root; otherwise one sample for each direction that has any variance.
        return VirtualSamples(scaled @ vectors.T if resolved.all() else scaled[:, resolved], 1.0)
    return VirtualSamples(np.asarray(task.x), 1.0 / task.x.shape[1])


def geometry(constraint: AbstractConstraint) -> Geometry | None:
    """The constraint as masks and spheres; None for any other kind of constraint."""
    if isinstance(constraint, Masked):
        within = geometry(constraint.within)
        return None if within is None else within._replace(masks=constraint.masks)
    if isinstance(constraint, FreeBiases):
        return geometry(constraint.within)
    spheres = isinstance(constraint, FrobeniusSpheres)
    return Geometry(None, spheres) if spheres or isinstance(constraint, Free) else None


@double_precision
def tangent_kernel(
    network: Feedforward, signal: ErrorSignal, samples: VirtualSamples, geometry: Geometry
) -> TangentKernel:
    """The signed tangent kernel at a solution.

    **Returns:** `TangentKernel`; rows and columns count the outputs, and within each output the samples.

    **Arguments:**

    - `network`: the weights. That they are a solution is not checked here.
    - `signal`: feedback and gains of the rule, from `rule.signal(network)`.
    - `samples`: from `virtual_samples`.
    """
    a, h = ([np.tile(v, network.widths[-1]) for v in part] for part in network.forward(samples.inputs))
    beta = _backward(network, network.weights[1:], a, h, samples.weight)
    delta = _backward(network, signal.feedback, a, h, samples.weight)
    total, norms = np.zeros((3, h[0].shape[1], h[0].shape[1])), np.zeros(2)
    for layer, w in enumerate(np.asarray(w) for w in network.weights):
        mask = np.ones((1, 1)) if geometry.masks is None else np.asarray(geometry.masks[layer], dtype=float)
        gains, x, b, d = signal.gains[layer] * mask, h[layer], beta[layer], delta[layer]
        parts = np.stack([-_gram(b, d, x, gains), _gram(b, b, x, mask), _gram(d, d, x, gains**2)])
        norms += np.trace(parts[1]), np.trace(parts[2])
        if geometry.spheres:
            # The radial direction of the layer is taken off.
            along_u, along_g = np.sum(b * a[layer], axis=0), np.sum(d * ((w * gains) @ x), axis=0)
            pairs = (-along_u, along_g), (along_u, along_u), (along_g, along_g)
            parts = parts - np.stack([np.outer(*pair) for pair in pairs]) / np.sum(w * w)
        total += parts
    return TangentKernel(*total, float(np.sqrt(norms.prod())))


def _backward(network: Feedforward, matrices: Any, a: list, h: list, weight: float) -> list[np.ndarray]:
    """Signals (units × m) of a unit error in every output and sample, from the last layer to the first."""
    outputs, m = network.widths[-1], h[0].shape[1]
    unit = np.repeat(np.eye(outputs), m // outputs, axis=1)
    slope = np.asarray(ACTIVATIONS[network.output_activation].derivative(a[-1], h[-1]))
    signals = [unit * np.sqrt(slope * weight)]
    derivative = ACTIVATIONS[network.activation].derivative
    for layer in reversed(range(len(network.weights) - 1)):
        back = np.asarray(matrices[layer]).T @ signals[0]
        signals.insert(0, back * np.asarray(derivative(a[layer], h[layer + 1])))
    return signals


def _gram(left: np.ndarray, right: np.ndarray, h: np.ndarray, gains: np.ndarray) -> Square:
    """Σᵢⱼ (left_iq h_jq) gains_ij (right_ip h_jp) for all q, p."""
    if gains.shape[0] == 1:
        return (left.T @ right) * (h.T @ (gains.T * h))
    if gains.shape[1] == 1:
        return (left.T @ (gains * right)) * (h.T @ h)
    rows = max(1, BLOCK // h.size)
    total = np.zeros((h.shape[1], h.shape[1]))
    for start in range(0, len(gains), rows):
        part = slice(start, start + rows)
        one = (left[part, None] * h).reshape(-1, h.shape[1])
        other = (gains[part, :, None] * right[part, None] * h).reshape(-1, h.shape[1])
        total += one.T @ other
    return total
