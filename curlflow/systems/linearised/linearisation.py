"""Linearisation of a system at one point: the velocity, and the Jacobian as products or as a matrix.

On a constraint the Jacobian is Π DF Π, with F the projected velocity and Π the projection onto the tangent space; the
directions that the constraint removes then count as zeros. A map's Jacobian is that of one iteration.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PyTree

from ...constraints import AbstractConstraint
from ...networks import Feedforward
from ...networks.activations import ACTIVATIONS
from ...outside import compiled
from ...precision import double_precision
from ...rules import AbstractLearningRule
from ...tangents import as_rows, from_rows, size
from ...tasks import GivenErrors
from ..base import AbstractSystem
from ..flow import Flow

Vector = Float[np.ndarray, " n"]


class Products(NamedTuple):
    """v → J v and v → Jᵀ v on flat NumPy vectors."""

    forward: Callable[[Vector], Vector]
    transposed: Callable[[Vector], Vector]


@double_precision
def _as_numpy(function: Callable, *arguments: Any, **options: Any) -> Float[np.ndarray, "..."]:
    return np.asarray(function(*arguments, **options))


def velocity(system: AbstractSystem, state: PyTree) -> Vector:
    """The velocity of a flow at `state`, or the change of `state` over one iteration of a map, as one flat vector."""
    return _as_numpy(_velocity, system, state)


def jacobian(system: AbstractSystem, state: PyTree) -> Float[np.ndarray, "n n"]:
    """The Jacobian at `state` as a matrix."""
    return _as_numpy(_jacobian, system, state)


@double_precision
def normal_projector(system: AbstractSystem, state: PyTree) -> Float[np.ndarray, "n n"]:
    """The orthogonal projector onto the directions that the constraint removes."""
    n = size(state)
    return np.eye(n) - np.asarray(as_rows(system.project(state, from_rows(np.eye(n), state))))


def normal_part(system: AbstractSystem, state: PyTree) -> Callable[[Vector], Vector]:
    """v → v − Π v, the part of a flat vector that the constraint removes."""

    @double_precision
    def normal(v: Vector) -> Vector:
        return v - np.asarray(as_rows(system.project(state, from_rows(v[None], state))))[0]

    return normal


@double_precision
def unprojected_norm(system: AbstractSystem, state: PyTree) -> float:
    """‖DF‖ (Frobenius) of the field before projection, to a factor of about two, from four random directions."""
    directions = np.random.default_rng(0).choice([-1.0, 1.0], (4, size(state)))
    return float(max(np.linalg.norm(_unprojected(system, state, v)) for v in directions))


def jacobian_products(system: AbstractSystem, state: PyTree) -> Products:
    """The Jacobian at `state` as products with it and with its transpose."""
    forward = functools.partial(_as_numpy, _product, system, state)
    return Products(forward, functools.partial(forward, transposed=True))


def kernel_product(
    network: Feedforward,
    rule: AbstractLearningRule,
    constraint: AbstractConstraint,
    inputs: Float[np.ndarray, "inputs samples"],
    weight: float,
) -> Callable[[Float[np.ndarray, " m"]], Float[np.ndarray, " m"]]:
    """Products with the signed tangent kernel of `curlflow.systems.linearised.kernels`, for any learning rule."""
    return functools.partial(_as_numpy, _kernel_product, network, rule, constraint, inputs, np.asarray(weight))


@double_precision
def is_driven_by_errors(
    network: Feedforward,
    rule: AbstractLearningRule,
    constraint: AbstractConstraint,
    system: Flow,
    inputs: Float[np.ndarray, "inputs samples"],
    weight: float,
) -> bool:
    """Whether the Jacobian at a solution is −G U, tested on two random vectors to 10⁻⁸ of the image.

    G is the derivative of the velocity with respect to the errors at e = 0. A rule that needs more of its task than
    `GivenErrors` provides counts as not driven by errors.
    """
    for seed in range(2):
        v = np.random.default_rng(seed).standard_normal(size(network))
        try:
            factored = np.asarray(_factored(network, rule, constraint, inputs, np.asarray(weight), v))
        except AttributeError:
            return False
        exact = np.asarray(_product(system, network, v))
        if not np.linalg.norm(factored - exact) <= 1e-8 * np.linalg.norm(exact):
            return False
    return True


def _field(system: AbstractSystem) -> Callable[[PyTree], PyTree]:
    if isinstance(system, Flow):
        return lambda x: system.velocity(0.0, x)
    return lambda x: system.constraint.retract(system.step(0, x, system.args))


@compiled
def _unprojected(system: AbstractSystem, state: PyTree, v: Float[Array, " n"]) -> Float[Array, " n"]:
    flat, unravel = ravel_pytree(state)
    field, start = (system.vector_field, 0.0) if isinstance(system, Flow) else (system.step, 0)
    image = jax.jvp(lambda x: field(start, x, system.args), (unravel(flat),), (unravel(jnp.asarray(v)),))[1]
    return ravel_pytree(image)[0]


@compiled
def _velocity(system: AbstractSystem, state: PyTree) -> Float[Array, " n"]:
    image = ravel_pytree(_field(system)(state))[0]
    return image if isinstance(system, Flow) else image - ravel_pytree(state)[0]


@compiled
def _product(system: AbstractSystem, state: PyTree, v: Any, transposed: bool = False) -> Float[Array, " n"]:
    flat, unravel = ravel_pytree(state)
    start, tangent = unravel(flat), system.constraint.tangent(state, unravel(jnp.asarray(v)))
    if transposed:
        (image,) = jax.vjp(_field(system), start)[1](tangent)
    else:
        image = jax.jvp(_field(system), (start,), (tangent,))[1]
    return ravel_pytree(system.constraint.tangent(state, image))[0]


@compiled
def _jacobian(system: AbstractSystem, state: PyTree) -> Float[Array, "n n"]:
    return jax.lax.map(lambda v: _product(system, state, v), jnp.eye(size(state)), batch_size=64).T


def _caused(network, rule, constraint, inputs, errors):
    """−Π G e: the velocity that small `errors` cause, to first order."""
    velocity = lambda e: rule.velocity(network, GivenErrors(inputs, e))  # noqa: E731
    return constraint.tangent(network, jax.jvp(velocity, (jnp.zeros_like(errors),), (errors,))[1])


@compiled
def _kernel_product(network, rule, constraint, inputs, weight, z) -> Float[Array, " m"]:
    network = jax.tree.map(jnp.asarray, network)
    a, h = network.forward(inputs)
    scale = jnp.sqrt(ACTIVATIONS[network.output_activation].derivative(a[-1], h[-1])) * jnp.sqrt(weight)
    caused = _caused(network, rule, constraint, inputs, scale * z.reshape(a[-1].shape))
    change = jax.jvp(lambda w: w.forward(inputs).pre_activations[-1], (network,), (caused,))[1]
    return (scale * change).ravel()


@compiled
def _factored(network, rule, constraint, inputs, weight, v) -> Float[Array, " n"]:
    flat, unravel = ravel_pytree(jax.tree.map(jnp.asarray, network))
    network = unravel(flat)
    tangent = constraint.tangent(network, unravel(jnp.asarray(v)))
    errors = jax.jvp(lambda w: w.forward(inputs).activities[-1], (network,), (tangent,))[1]
    return ravel_pytree(_caused(network, rule, constraint, inputs, weight * errors))[0]
