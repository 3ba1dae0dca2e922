"""The rule of Bienenstock, Cooper and Munro: synapses grow or shrink on either side of a threshold that slides.

Every layer learns from its own inputs h = hₗ₋₁ and outputs y = φ(Wₗ h), every unit with a threshold θ of its own, and
targets are ignored:

    dWₗ/dt = ⟨y (y − θ) hᵀ⟩,    τ dθ/dt = ⟨y²⟩ − θ.

A linear unit with two linearly independent inputs of equal probability has the fixed points y = (2, 0) and (0, 2),
which are selective, (1, 1) and (0, 0). For orthogonal inputs of squared length g the linearisation at (2, 0) in y₁
and θ has the trace g − 1/τ and the determinant g/τ: a Hopf bifurcation at τ = 1/g, beyond which thresholds are
too slow.

Sources: Bienenstock, Cooper & Munro, J. Neurosci. 2 (1982) 32; the threshold ⟨y²⟩: Intrator & Cooper, Neural Netw. 5
(1992) 3; the bifurcation: Udeigwe, Munro & Ermentrout, J. Math. Neurosci. 7 (2017) 2.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..networks import Feedforward
from ..precision import Scalar, double_precision
from ..tasks import AbstractSampleTask
from .memory import AbstractRuleWithMemory, checked_rate

Thresholds = tuple[Float[Array | np.ndarray, " _"], ...]


class BCM(AbstractRuleWithMemory):
    """Hebbian growth above a sliding threshold, and decline below it.

    **Arguments:**

    - `time_constant`: τ of the thresholds, in units of time, above 0.
    - `threshold`: θ of all units at the start, from 0.

    **Raises:** `ValueError` for numbers out of range and, on use, for networks with biases.
    """

    needs_layers = True

    time_constant: Scalar
    threshold: Scalar

    def __init__(self, time_constant: Any = 0.1, threshold: Any = 1.0):
        self.time_constant = checked_rate("time_constant", time_constant)
        self.threshold = checked_rate("threshold", threshold, zero=True)

    def memory0(self, network: Feedforward) -> Thresholds:
        if network.biases is not None:
            raise ValueError("rule: BCM has no equation for biases; set network.biases to false.")
        return tuple(np.full(len(w), self.threshold) for w in network.weights)

    @double_precision
    def velocity(
        self, network: Feedforward, task: AbstractSampleTask, memory: Thresholds
    ) -> tuple[Feedforward, Thresholds]:
        h, velocities, changes = network.forward(task.x).activities, [], []
        for before, y, theta in zip(h, h[1:], memory, strict=False):
            velocities.append((y * (y - theta[:, None])) @ before.T / task.x.shape[1])
            changes.append((jnp.mean(y * y, axis=1) - theta) / self.time_constant)
        return network.with_weights(velocities), tuple(changes)
