"""Updates with momentum.

    heavy ball:  v → βv + ηF(W),    W → W + v,                                                          (41)
    Nesterov:    v → βv + ηF(W),    W → W + βv + ηF(W), with the new v.                                 (42)

In (42) F is taken where the weights are: it is Nesterov's method in the variables of Sutskever et al., after the look
ahead, as `nesterov=True` is in optax and PyTorch.

Near a fixed point, with an eigenvalue μ of the Jacobian of F and weight decay ω, a = 1 + ημ − ηω:

    heavy ball:  z² − (a + β) z + β(1 − ηω) = 0,        critical η = 2(1 + β)/λ for a real μ = −λ and ω = 0,
    Nesterov:    z² − (a + βημ + β) z + βa = 0.

For a complex μ = −p + iq and ω = 0 the heavy ball is stable up to η = 2p/(1 + β) / (p²/(1 + β)² + q²/(1 − β)²): the
rotation q of a rule with a curl is held against 1 − β, so that momentum makes it unstable at smaller learning rates.

A flow has the same second differences, with the velocity V = dW/dt per unit of time t = kη after k updates:

    heavy ball:   η(1 + β)/2 W″ + (1 − β) W′ = F,                                                       (45)
    accelerated:  η (W″ + (3/t) W′) = F.                                                                (46)

In the time τ = t √(2/(η(1 + β))) the first is W″ + γW′ = F with the friction γ = (1 − β) √(2/(η(1 + β))), about
(1 − β)/√η. Updates with this γ held differ from it by O(η), and with β held by O(η²), if the flow begins with
V = F/(1 + β), where it goes as far as they do while the momentum builds up. (On spheres, where every update shortens
the momentum by a projection, they differ by O(√η) and O(η).) In the time τ = t/√η the second is that of Su, Boyd and
Candès, W″ + (3/τ) W′ = F, for Nesterov's method with β = k/(k + 3) in place of a constant; updates differ from it by
O(√η). With decay dW/dt = V − ωW.

Sources: Polyak, USSR Comput. Math. Math. Phys. 4 (1964) 1; Nesterov, Soviet Math. Dokl. 27 (1983) 372; Sutskever,
Martens, Dahl & Hinton, ICML 2013; Su, Boyd & Candès, J. Mach. Learn. Res. 17 (2016) 153; for (45) Kovachki & Stuart,
J. Mach. Learn. Res. 22 (2021) 17.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from ..precision import Scalar
from .base import AbstractOptimizer, Memory, Multipliers, check_numbers, decayed, like, roots_of_quadratic


class AbstractMomentum(AbstractOptimizer):
    """An optimizer with the momentum v → βv + ηF. *For developers:* a member supplies `step`."""

    momentum: Scalar = 0.9
    weight_decay: Scalar = 0.0

    def __check_init__(self):
        check_numbers(self, momentum=(0, 1), weight_decay=(0, np.inf))

    def start(self, weights: PyTree) -> Memory:
        return Memory(like(weights))

    def pushed(self, v: PyTree, velocity: PyTree, learning_rate: Scalar) -> PyTree:
        """βv + ηF."""
        return jax.tree.map(lambda v, f: self.momentum * v + learning_rate * f, v, velocity)


class Momentum(AbstractMomentum):
    """Polyak's heavy ball: v → βv + ηF, W → W + v − ηωW.

    **Arguments:**

    - `momentum`: β, from 0 (plain updates) to below 1.
    - `weight_decay`: ω, decoupled.
    """

    def step(self, velocity: PyTree, memory: Memory, weights: PyTree, learning_rate: Scalar) -> tuple[PyTree, Memory]:
        v = self.pushed(memory.momentum, velocity, learning_rate)
        return decayed(v, weights, learning_rate * self.weight_decay), Memory(v)

    def start_of_flow(self, velocity: PyTree, weights: PyTree, learning_rate: Scalar) -> Memory:
        return Memory(jax.tree.map(lambda f: f / (1 + self.momentum), velocity))

    def field(
        self, velocity: PyTree, memory: Memory, weights: PyTree, learning_rate: Scalar
    ) -> tuple[PyTree, Memory]:
        mass = learning_rate * (1 + self.momentum) / 2
        change = jax.tree.map(lambda f, v: (f - (1 - self.momentum) * v) / mass, velocity, memory.momentum)
        return decayed(memory.momentum, weights, self.weight_decay), Memory(change)

    def rates_of_flow(self, eigenvalues: Any, learning_rate: Scalar) -> Multipliers:
        mass = learning_rate * (1 + self.momentum) / 2
        friction, decay = (1 - self.momentum) / mass, self.weight_decay
        return roots_of_quadratic(-friction - decay, friction * decay - np.asarray(eigenvalues) / mass)

    def multipliers(self, eigenvalues: Any, learning_rate: Any) -> Multipliers:
        shrunk = 1 - learning_rate * self.weight_decay
        return roots_of_quadratic(shrunk + learning_rate * eigenvalues + self.momentum, self.momentum * shrunk)


class Nesterov(AbstractMomentum):
    """Nesterov's momentum: v → βv + ηF, W → W + βv + ηF − ηωW, with the new v.

    **Arguments:**

    - `momentum`: β, from 0 (plain updates) to below 1.
    - `weight_decay`: ω, decoupled.
    """

    def step(self, velocity: PyTree, memory: Memory, weights: PyTree, learning_rate: Scalar) -> tuple[PyTree, Memory]:
        v = self.pushed(memory.momentum, velocity, learning_rate)
        ahead = self.pushed(v, velocity, learning_rate)
        return decayed(ahead, weights, learning_rate * self.weight_decay), Memory(v)

    def multipliers(self, eigenvalues: Any, learning_rate: Any) -> Multipliers:
        moved = learning_rate * eigenvalues
        plain = 1 + moved - learning_rate * self.weight_decay
        return roots_of_quadratic(plain + self.momentum * moved + self.momentum, self.momentum * plain)


class Accelerated(AbstractOptimizer):
    """Nesterov's method with a momentum that grows, β = k/(k + 3) after k + 1 updates: (42), and the flow (46).

    The number of updates, or the time of the flow, belongs to the memory: one direction is neutral.

    **Arguments:**

    - `weight_decay`: ω, decoupled.
    """

    weight_decay: Scalar = 0.0

    def __check_init__(self):
        check_numbers(self, weight_decay=(0, np.inf))

    def start(self, weights: PyTree) -> Memory:
        return Memory(like(weights), rest=np.zeros(()))

    def step(self, velocity: PyTree, memory: Memory, weights: PyTree, learning_rate: Scalar) -> tuple[PyTree, Memory]:
        k = memory.rest
        v = jax.tree.map(lambda v, f: (k - 1) / (k + 2) * v + learning_rate * f, memory.momentum, velocity)
        ahead = jax.tree.map(lambda v, f: k / (k + 3) * v + learning_rate * f, v, velocity)
        return decayed(ahead, weights, learning_rate * self.weight_decay), Memory(v, rest=k + 1)

    def start_of_flow(self, velocity: PyTree, weights: PyTree, learning_rate: Scalar) -> Memory:
        return self.start(weights)

    def field(
        self, velocity: PyTree, memory: Memory, weights: PyTree, learning_rate: Scalar
    ) -> tuple[PyTree, Memory]:
        t, begun = memory.rest, memory.rest > 0

        def change(f: Any, v: Any) -> Any:
            # V/t begins with W″ = F/(4η).
            return f / learning_rate - 3 * jnp.where(begun, v / jnp.where(begun, t, 1.0), f / (4 * learning_rate))

        changed = jax.tree.map(change, velocity, memory.momentum)
        return decayed(memory.momentum, weights, self.weight_decay), Memory(changed, rest=jnp.ones(()))
