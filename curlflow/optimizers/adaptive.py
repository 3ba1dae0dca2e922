"""Updates whose steps are divided, weight by weight, by the root of a mean square of the velocity.

    Adam:     m → β₁m + (1 − β₁)F,    s → β₂s + (1 − β₂)F²,    W → W + η m̂/(√ŝ + ε),                    (43)
    RMSprop:  s → β₂s + (1 − β₂)F²,    W → W + η F/(√s + ε),                                            (44)

with m̂ = m/(1 − β₁ᵗ) and ŝ = s/(1 − β₂ᵗ) after t updates. The powers β₁ᵗ and β₂ᵗ belong to the memory, where every
update multiplies them by β: the map is autonomous. They are two directions of their own, with the exponents ln β/η
per unit of time.

At a fixed point F and both moments vanish, and F² does so to second order. There the update is that of a heavy ball,
with the preconditioner P = 1/ε in place of one, for the eigenvalue μ of the Jacobian of F and weight decay ω:

    Adam:     z² − (1 − ηω + (1 − β₁)ηPμ + β₁) z + β₁(1 − ηω) = 0,    RMSprop:  z = 1 − ηω + ηPμ.

While second moments hold a common root mean square r, P = 1/(r + ε): r + ε in place of ε gives the multipliers there
(Cohen et al., arXiv:2207.14484: training goes to where they are near the unit circle). The derivative of √s at s = 0,
where F² changes to second order only, is taken as 0.

With γᵢ = (1 − βᵢ)/η held, updates differ by O(η) from the flow, in which an update takes η units of time,

    dm/dt = γ₁(F − m),    ds/dt = γ₂(F² − s),    dW/dt = m̂/(√ŝ + ε) − ωW,    d(powers)/dt = −γᵢ · powers,    (47)

and for RMSprop dW/dt = F/(√s + ε) − ωW. It begins with the memory that the first update leaves: m̂ = F and ŝ = F².

Sources: Kingma & Ba, ICLR 2015, arXiv:1412.6980; Tieleman & Hinton, Coursera lecture 6.5 (2012), ε outside the root;
for (47) Barakat & Bianchi, SIAM J. Optim. 31 (2021) 244, and da Silva & Gazeau, J. Mach. Learn. Res. 21 (2020) 97.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from ..precision import Scalar
from .base import AbstractOptimizer, Memory, Multipliers, check_numbers, decayed, like, roots_of_quadratic

TINY = np.finfo(float).tiny


class Adam(AbstractOptimizer):
    """Adam with bias correction, and with decoupled weight decay AdamW: (43), W → … − ηωW.

    **Arguments:**

    - `beta1`, `beta2`: β₁ and β₂, how much of either moment is kept at an update.
    - `epsilon`: ε, what is added to the root.
    - `weight_decay`: ω, decoupled.
    """

    beta1: Scalar = 0.9
    beta2: Scalar = 0.999
    epsilon: Scalar = 1e-8
    weight_decay: Scalar = 0.0

    def __check_init__(self):
        check_numbers(self, beta1=(0, 1), beta2=(0, 1), epsilon=(TINY, np.inf), weight_decay=(0, np.inf))

    def start(self, weights: PyTree) -> Memory:
        return Memory(like(weights), like(weights), (np.ones(()), np.ones(())))

    def step(self, velocity: PyTree, memory: Memory, weights: PyTree, learning_rate: Scalar) -> tuple[PyTree, Memory]:
        m = _averaged(self.beta1, memory.momentum, velocity)
        s = _averaged(self.beta2, memory.squares, jax.tree.map(jnp.square, velocity))
        power1, power2 = self.beta1 * memory.rest[0], self.beta2 * memory.rest[1]
        rate = learning_rate / (1 - power1)
        increment = jax.tree.map(lambda m, s: rate * m / (_root(s / (1 - power2)) + self.epsilon), m, s)
        return decayed(increment, weights, learning_rate * self.weight_decay), Memory(m, s, (power1, power2))

    def field(
        self, velocity: PyTree, memory: Memory, weights: PyTree, learning_rate: Scalar
    ) -> tuple[PyTree, Memory]:
        gain1, gain2 = (1 - self.beta1) / learning_rate, (1 - self.beta2) / learning_rate
        power1, power2 = memory.rest
        moved = jax.tree.map(
            lambda m, s: m / (1 - power1) / (_root(s / (1 - power2)) + self.epsilon), memory.momentum, memory.squares
        )
        m = jax.tree.map(lambda m, f: gain1 * (f - m), memory.momentum, velocity)
        s = jax.tree.map(lambda s, f: gain2 * (f * f - s), memory.squares, velocity)
        return decayed(moved, weights, self.weight_decay), Memory(m, s, (-gain1 * power1, -gain2 * power2))

    def rates_of_flow(self, eigenvalues: Any, learning_rate: Scalar) -> Multipliers:
        gain, decay = (1 - self.beta1) / learning_rate, self.weight_decay
        return roots_of_quadratic(-gain - decay, gain * (decay - np.asarray(eigenvalues) / self.epsilon))

    def multipliers(self, eigenvalues: Any, learning_rate: Any) -> Multipliers:
        """As for `AbstractOptimizer`, after bias correction; besides them there are β₁ and β₂, and β₂ per weight."""
        moved = (1 - self.beta1) * learning_rate * eigenvalues / self.epsilon
        shrunk = 1 - learning_rate * self.weight_decay
        return roots_of_quadratic(shrunk + moved + self.beta1, self.beta1 * shrunk)

    def sharpest(self, curvature: float) -> float:
        return curvature / self.epsilon


class RMSprop(AbstractOptimizer):
    """RMSprop: (44), W → … − ηωW.

    **Arguments:**

    - `beta2`: β₂, how much of the second moment is kept at an update.
    - `epsilon`: ε, what is added to the root.
    - `weight_decay`: ω, decoupled.
    """

    beta2: Scalar = 0.9
    epsilon: Scalar = 1e-8
    weight_decay: Scalar = 0.0

    def __check_init__(self):
        check_numbers(self, beta2=(0, 1), epsilon=(TINY, np.inf), weight_decay=(0, np.inf))

    def start(self, weights: PyTree) -> Memory:
        return Memory(squares=like(weights))

    def step(self, velocity: PyTree, memory: Memory, weights: PyTree, learning_rate: Scalar) -> tuple[PyTree, Memory]:
        s = _averaged(self.beta2, memory.squares, jax.tree.map(jnp.square, velocity))
        increment = jax.tree.map(lambda f, s: learning_rate * f / (_root(s) + self.epsilon), velocity, s)
        return decayed(increment, weights, learning_rate * self.weight_decay), Memory(squares=s)

    def field(
        self, velocity: PyTree, memory: Memory, weights: PyTree, learning_rate: Scalar
    ) -> tuple[PyTree, Memory]:
        gain = (1 - self.beta2) / learning_rate
        moved = jax.tree.map(lambda f, s: f / (_root(s) + self.epsilon), velocity, memory.squares)
        s = jax.tree.map(lambda s, f: gain * (f * f - s), memory.squares, velocity)
        return decayed(moved, weights, self.weight_decay), Memory(squares=s)

    def rates_of_flow(self, eigenvalues: Any, learning_rate: Scalar) -> Multipliers:
        return (np.asarray(eigenvalues, dtype=complex) / self.epsilon - self.weight_decay)[None]

    def multipliers(self, eigenvalues: Any, learning_rate: Any) -> Multipliers:
        """As for `AbstractOptimizer`; besides them there is β₂ for every weight."""
        moved = learning_rate * np.asarray(eigenvalues, dtype=complex) / self.epsilon
        return (1 - learning_rate * self.weight_decay + moved)[None]

    def sharpest(self, curvature: float) -> float:
        return curvature / self.epsilon


def _averaged(kept: Scalar, mean: PyTree, new: PyTree) -> PyTree:
    return jax.tree.map(lambda m, f: kept * m + (1 - kept) * f, mean, new)


def _root(squares: Float[Array, "..."]) -> Float[Array, "..."]:
    """√s, with the derivative 0 at s = 0."""
    positive = squares > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, squares, 1.0)), 0.0)
