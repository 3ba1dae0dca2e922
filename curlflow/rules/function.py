"""A rule that is a function of the user's."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ..networks import Feedforward
from ..precision import double_precision
from ..tasks import AbstractSampleTask
from .base import AbstractLearningRule


def as_rule(given: Any) -> AbstractLearningRule:
    """A rule as it is, or that of a function."""
    return given if isinstance(given, AbstractLearningRule) else FunctionRule(given)


class FunctionRule(AbstractLearningRule):
    """dW/dt = f(model, x, y): any update of weights from a batch of samples.

    ```python
    rule = curlflow.rules.FunctionRule(lambda model, x, y: jax.grad(loss)(model, x, y))
    ```

    **Arguments:**

    - `function`: takes a network or model, inputs and targets (both samples × …), and returns what the weights change
      by per unit of time: a tree like the model, or for a `Feedforward` one, or a list of arrays (post, pre), with
      biases behind them where it has any.

    **Raises:** `ValueError` for what is no function, and, on use, for an update of another structure or shape.
    """

    function: Callable = eqx.field(static=True)

    def __init__(self, function: Any):
        if not callable(function):
            raise ValueError(f"rule: got {function!r}, required is a function of (model, x, y).")
        self.function = function

    @double_precision
    def velocity(self, network: Any, task: AbstractSampleTask) -> Any:
        seen = network if isinstance(network, Feedforward) else network.seen
        update = self.function(seen, *(jnp.moveaxis(jnp.asarray(array), -1, 0) for array in (task.x, task.y)))
        given = [leaf for leaf in jax.tree.leaves(update) if eqx.is_inexact_array(leaf)]
        leaves, structure = jax.tree.flatten(network)
        shapes, required = ([np.shape(leaf) for leaf in arrays] for arrays in (given, leaves))
        if shapes != required:
            raise ValueError(
                f"rule: the update has arrays of shapes {shapes}, required are those of the weights: {required}."
            )
        if narrow := sorted({str(leaf.dtype) for leaf in given if leaf.dtype != np.float64}):
            raise ValueError(f"rule: the update has arrays of {' and '.join(narrow)}, required is float64.")
        return jax.tree.unflatten(structure, given)
