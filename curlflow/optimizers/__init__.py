"""Optimizers: what an update makes of the velocity F of a learning rule, with a memory of earlier ones.

- a heavy ball is `Momentum(0.9)`; with a look ahead it is `Nesterov(0.9)`, or `Accelerated()`, whose momentum grows;
- steps that are divided by the root of a mean square are `RMSprop()`, with momentum and without bias `Adam()`;
- any gradient transformation of optax is `Optax(optax.lion(1e-3))`.

They take F in place of −∇loss and so go with every rule. Weights and memory together are the state of a map
(`curlflow.systems.optimized`). `Plain()` is a plain update, W + η F, and so is `Momentum(0.0)`.
"""

from .adaptive import Adam, RMSprop
from .base import AbstractOptimizer, Memory
from .given import Optax
from .momentum import Accelerated, Momentum, Nesterov
from .plain import Plain

__all__ = ["AbstractOptimizer", "Accelerated", "Adam", "Memory", "Momentum", "Nesterov", "Optax", "Plain", "RMSprop"]
