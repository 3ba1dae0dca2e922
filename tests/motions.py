"""Flows whose motion is known, as two functions: all in the plane, and all tori of a dimension, are one program."""

import jax.numpy as jnp
import numpy as np

from curlflow import Flow


def plane(t, x, a):
    """A linear motion, less a pull that grows with the distance, the forces of Duffing and of van der Pol."""
    force = a["drive"] * jnp.cos(1.2 * t) - a["cube"] * x[0] ** 3 - a["weak"] * x[0] ** 2 * x[1]
    return a["linear"] @ x - a["circle"] * jnp.sum(x**2) * x + jnp.stack([jnp.zeros(()), force])


def in_the_plane(start, linear, **others):
    """A flow in the plane with these coefficients, the others of which are zero."""
    zero = dict.fromkeys(("circle", "drive", "cube", "weak"), 0.0)
    assert set(others) <= set(zero)
    args = {name: np.asarray(value) for name, value in (zero | others | {"linear": linear}).items()}
    return Flow(plane, start, args=args)


def circle(frequency):
    """A circle of radius one that attracts."""
    return in_the_plane([1.0, 0.0], [[1.0, frequency], [-frequency, 1.0]], circle=1.0)


def duffing(drive):
    """The driven oscillator of Duffing, with two wells."""
    return in_the_plane([1.0, 0.0], [[0.0, 1.0], [1.0, -0.3]], cube=1.0, drive=drive)


def van_der_pol(start):
    """The oscillator of van der Pol, close to a harmonic one."""
    return in_the_plane(start, [[0.0, 1.0], [-1.0, 0.05]], weak=0.05)


def oscillator():
    """A harmonic oscillator."""
    return in_the_plane([1.0, 0.0], [[0.0, 1.0], [-1.0, 0.0]])


def circles(t, x, ω):
    x = x.reshape(-1, 2)
    grows = 1 - jnp.sum(x**2, axis=1)
    return jnp.stack([ω * x[:, 1] + x[:, 0] * grows, -ω * x[:, 0] + x[:, 1] * grows], axis=1).ravel()


def torus(frequencies):
    """Circles of radius one that attract, each with its own frequency."""
    return Flow(circles, [1.0, 0.0] * len(frequencies), args=np.array(frequencies))
