"""The small systems in JAX, as lyapax and chaotax take them: functions of the state alone."""

import jax.numpy as jnp


def lorenz63(x):
    return jnp.array([10.0 * (x[1] - x[0]), x[0] * (28.0 - x[2]) - x[1], x[0] * x[1] - 8.0 / 3.0 * x[2]])


def lorenz96(x):
    return (jnp.roll(x, -1) - jnp.roll(x, 2)) * jnp.roll(x, 1) - x + 8.0


def henon(x):
    return jnp.array([1 - 1.4 * x[0] ** 2 + x[1], 0.3 * x[0]])


def logistic(x):
    return 4 * x * (1 - x)
