"""What is learned to be small: functions of outputs and targets (samples × outputs), means over the samples.

    squared     ½ |ŷ − y|², summed over the outputs
    logistic    −y ln σ(ŷ) − (1 − y) ln(1 − σ(ŷ)), summed over the outputs, with targets from 0 to 1
    softmax     −Σ y ln softmax(ŷ), with labels from 0, or with the probabilities of all classes

In the last two outputs are logits. Source: Goodfellow, Bengio & Courville, Deep Learning (2016), section 6.2.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

Outputs = Float[Array | np.ndarray, "samples *outputs"]


def squared_error(outputs: Outputs, targets: Any) -> Float[Array, ""]:
    """Half the squared distance."""
    return 0.5 * jnp.sum((outputs - targets) ** 2) / outputs.shape[0]


def logistic_loss(outputs: Outputs, targets: Any) -> Float[Array, ""]:
    """The cross-entropy of independent yes and no."""
    return jnp.sum(optax.sigmoid_binary_cross_entropy(outputs, targets)) / outputs.shape[0]


def softmax_loss(outputs: Outputs, targets: Any) -> Float[Array, ""]:
    """The cross-entropy of one class in many."""
    if jnp.issubdtype(targets.dtype, jnp.integer):
        return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(outputs, targets))
    return jnp.mean(optax.softmax_cross_entropy(outputs, targets))


LOSSES = {"squared": squared_error, "logistic": logistic_loss, "softmax": softmax_loss}
"""The losses of a spec, by name."""


def _right_answers(outputs: Outputs, targets: Any) -> Float[Array, ""]:
    return jnp.mean((outputs > 0) == (targets > 0.5), dtype=float)


def _right_classes(outputs: Outputs, targets: Any) -> Float[Array, ""]:
    labels = targets if jnp.issubdtype(targets.dtype, jnp.integer) else jnp.argmax(targets, axis=-1)
    return jnp.mean(jnp.argmax(outputs, axis=-1) == labels, dtype=float)


ACCURACIES = {logistic_loss: _right_answers, softmax_loss: _right_classes}
"""From a loss that knows classes to the share of samples that are put into the right one."""
