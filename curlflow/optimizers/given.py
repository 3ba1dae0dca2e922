"""Any gradient transformation of optax as an optimizer."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from ..precision import Scalar
from .base import AbstractOptimizer, Memory


class Optax(AbstractOptimizer):
    """A gradient transformation of optax: it is given −F as the gradient, and W → W + what it returns.

    ```python
    problem.updates(optimizer=curlflow.optimizers.Optax(optax.adam(0.1)))
    ```

    **Arguments:**

    - `transformation`: an `optax.GradientTransformation`, or anything with its `init` and `update`.

    **Description:** the transformation has a learning rate of its own; that of the system is the time of an epoch and
    nothing else. Its whole state is in `Memory.rest`, as float64: under a constraint nothing of it is projected.
    Counts and keys become whole numbers again before the transformation sees them; they are a clock, along which no
    tangent goes.

    **Raises:** `ValueError` for anything without `init` and `update`.
    """

    transformation: Any = eqx.field(static=True)

    def __check_init__(self):
        if not all(callable(getattr(self.transformation, name, None)) for name in ("init", "update")):
            raise ValueError(
                f"transformation: got {self.transformation!r}, required is a gradient transformation, as optax.adam "
                "gives."
            )

    def start(self, weights: PyTree) -> Memory:
        state = self.transformation.init(jax.tree.map(jnp.asarray, weights))
        return Memory(rest=jax.tree.map(lambda leaf: np.asarray(leaf, dtype=float), state))

    def step(self, velocity: PyTree, memory: Memory, weights: PyTree, learning_rate: Scalar) -> tuple[PyTree, Memory]:
        weights, gradient = jax.tree.map(jnp.asarray, weights), jax.tree.map(jnp.negative, velocity)
        kinds = jax.eval_shape(self.transformation.init, weights)
        state = jax.tree.map(lambda leaf, kind: jnp.asarray(leaf).astype(kind.dtype), memory.rest, kinds)
        increment, state = self.transformation.update(gradient, state, weights)
        return increment, Memory(rest=jax.tree.map(lambda leaf: jnp.asarray(leaf).astype(float), state))
