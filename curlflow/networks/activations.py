"""Activation functions with the derivatives that learning rules ask for."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


class Activation(NamedTuple):
    """φ and φ′. The derivative takes the pre-activation a and the value h = φ(a), whichever is cheaper."""

    function: Callable[[Float[Array, "..."]], Float[Array, "..."]]
    derivative: Callable[[Float[Array, "..."], Float[Array, "..."]], Float[Array, "..."]]


ACTIVATIONS = {
    "linear": Activation(lambda a: a, lambda a, h: jnp.ones_like(a)),
    "tanh": Activation(jnp.tanh, lambda a, h: 1 - h * h),
    "relu": Activation(jax.nn.relu, lambda a, h: (a > 0).astype(a.dtype)),
    "sigmoid": Activation(jax.nn.sigmoid, lambda a, h: h * (1 - h)),
}
