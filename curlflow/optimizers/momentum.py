"""Updates with momentum.

    heavy ball:  v → βv + ηF(W),    W → W + v,                                                          (28)
    Nesterov:    v → βv + ηF(W),    W → W + βv + ηF(W), with the new v.                                 (29)

In (29) F is taken where the weights are: it is Nesterov's method in the variables of Sutskever et al., after the look
ahead, as `nesterov=True` is in optax and PyTorch.

Near a fixed point, with an eigenvalue μ of the Jacobian of F and weight decay ω, a = 1 + ημ − ηω:

    heavy ball:  z² − (a + β) z + β(1 − ηω) = 0,        critical η = 2(1 + β)/λ for a real μ = −λ and ω = 0,
    Nesterov:    z² − (a + βημ + β) z + βa = 0.

For a complex μ = −p + iq and ω = 0 the heavy ball is stable up to η = 2p/(1 + β) / (p²/(1 + β)² + q²/(1 − β)²): the
rotation q of a rule with a curl is held against 1 − β, so that momentum makes it unstable at smaller learning rates.

Sources: Polyak, USSR Comput. Math. Math. Phys. 4 (1964) 1; Nesterov, Soviet Math. Dokl. 27 (1983) 372; Sutskever,
Martens, Dahl & Hinton, ICML 2013.
"""

from typing import Any

import jax
from jaxtyping import PyTree

from ..precision import Scalar
from .base import AbstractOptimizer, Memory, Multipliers, decayed, like, roots_of_quadratic


class Momentum(AbstractOptimizer):
    """Polyak's heavy ball: v → βv + ηF, W → W + v − ηωW.

    **Arguments:**

    - `momentum`: β, from 0 (plain updates) to below 1.
    - `weight_decay`: ω, decoupled.
    """

    momentum: Scalar = 0.9
    weight_decay: Scalar = 0.0

    def start(self, weights: PyTree) -> Memory:
        return Memory(like(weights))

    def step(
        self, velocity: PyTree, memory: Memory, weights: PyTree, learning_rate: Scalar
    ) -> tuple[PyTree, Memory]:
        v = jax.tree.map(lambda v, f: self.momentum * v + learning_rate * f, memory.momentum, velocity)
        return decayed(v, weights, learning_rate * self.weight_decay), Memory(v)

    def multipliers(self, eigenvalues: Any, learning_rate: Any) -> Multipliers:
        shrunk = 1 - learning_rate * self.weight_decay
        return roots_of_quadratic(shrunk + learning_rate * eigenvalues + self.momentum, self.momentum * shrunk)


class Nesterov(AbstractOptimizer):
    """Nesterov's momentum: v → βv + ηF, W → W + βv + ηF − ηωW, with the new v.

    **Arguments:**

    - `momentum`: β, from 0 (plain updates) to below 1.
    - `weight_decay`: ω, decoupled.
    """

    momentum: Scalar = 0.9
    weight_decay: Scalar = 0.0

    def start(self, weights: PyTree) -> Memory:
        return Memory(like(weights))

    def step(
        self, velocity: PyTree, memory: Memory, weights: PyTree, learning_rate: Scalar
    ) -> tuple[PyTree, Memory]:
        v = jax.tree.map(lambda v, f: self.momentum * v + learning_rate * f, memory.momentum, velocity)
        ahead = jax.tree.map(lambda v, f: self.momentum * v + learning_rate * f, v, velocity)
        return decayed(ahead, weights, learning_rate * self.weight_decay), Memory(v)

    def multipliers(self, eigenvalues: Any, learning_rate: Any) -> Multipliers:
        moved = learning_rate * eigenvalues
        plain = 1 + moved - learning_rate * self.weight_decay
        return roots_of_quadratic(plain + self.momentum * moved + self.momentum, self.momentum * plain)
