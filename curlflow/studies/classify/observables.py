"""What is looked at where symmetry must not matter: numbers that rotations of hidden units leave as they are.

Weights of a linear network drift along the orbit of its rotations even where nothing else happens. Training error,
outputs and the Gram matrix W1ᵀW1 of the first layer do not see that. Of other systems it is the state itself, up to
`MOST` of its variables.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from ...networks import Feedforward
from ...problem import Problem
from ...spec import Spec
from ...tangents import size
from ...tasks import AbstractTask

MOST = 8
"""The most observables."""
OUTPUTS, PRODUCTS = 3, 4
"""Numbers of outputs, and of entries of the Gram matrix of the first layer."""


class Invariants(eqx.Module):
    """The training error, some outputs, and some entries of W1ᵀW1, as one vector."""

    training: AbstractTask
    inputs: Float[np.ndarray, "inputs samples"] | Float[Array, "inputs samples"]
    first: Int[np.ndarray, " products"] | Int[Array, " products"]
    second: Int[np.ndarray, " products"] | Int[Array, " products"]

    def __call__(self, network: Feedforward) -> Float[Array, " observables"]:
        w1 = network.weights[0]
        products = jnp.sum(w1[:, self.first] * w1[:, self.second], axis=0)
        outputs = network(self.inputs)[0]
        return jnp.concatenate([self.training.error(network)[None], outputs, products])


class Variables(eqx.Module):
    """Some state variables of any system, as one vector."""

    places: Int[np.ndarray, " places"] | Int[Array, " places"]

    def __call__(self, state: PyTree) -> Float[Array, " places"]:
        return jnp.concatenate([jnp.ravel(leaf) for leaf in jax.tree.leaves(state)])[self.places]


def given(function: Any, state: PyTree, argument: str = "observables") -> tuple[Callable, list[str]]:
    """Observables of the caller's own, and their names.

    **Arguments:**

    - `argument`: what the function was given as.

    **Raises:** `ValueError` for anything but a function from such a state to a number or a vector.
    """
    if not callable(function):
        raise ValueError(f"{argument}: got {function!r}, required is a function of the state.")
    try:
        values = np.asarray(jnp.asarray(function(jax.tree.map(jnp.asarray, state))))
        jax.eval_shape(lambda s: jnp.asarray(function(s)), state)
    except (TypeError, IndexError, ValueError, jax.errors.JAXTypeError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"{argument}: the function cannot be applied to the state by JAX ({reason}).") from error
    if values.ndim > 1 or values.size == 0 or values.dtype.kind not in "fiub":
        raise ValueError(
            f"{argument}: got an array of shape {values.shape} and type {values.dtype}, required are real numbers "
            "along one axis that is not empty."
        )
    if not np.isfinite(values).all():
        raise ValueError(f"{argument}: got {values.tolist()} at the start, required are finite numbers.")
    names = [f"observable_{i + 1}" for i in range(values.size)]
    return lambda state: jnp.reshape(jnp.asarray(function(state), dtype=float), (-1,)), names


def of_problem(problem: Problem, *, seed: int = 0) -> tuple[Invariants, list[str]]:
    """The observables of learning, and their names."""
    first, second = _entries(problem.student.widths[0], seed)
    inputs = np.asarray(problem.x_test)[:, :OUTPUTS]
    return Invariants(problem.training_error, inputs, first, second), names_of(problem.spec, seed=seed)


def names_of(spec: Spec, *, seed: int = 0) -> list[str]:
    """The names of the observables of learning."""
    outputs = [f"output_{i + 1}" for i in range(min(OUTPUTS, spec.data.test_samples))]
    return ["train_error", *outputs, *(f"gram_{i}_{j}" for i, j in _entries(spec.network.inputs, seed).T)]


def _entries(inputs: int, seed: int) -> Int[np.ndarray, "2 products"]:
    """Rows and columns of different entries of a symmetric matrix, drawn at random; of a small one all of them."""
    rng, chosen = np.random.default_rng(seed), []
    while len(chosen) < min(PRODUCTS, inputs * (inputs + 1) // 2):
        pair = sorted(rng.integers(0, inputs, 2).tolist())
        if pair not in chosen:
            chosen.append(pair)
    return np.array(chosen).T


def of_system(state: PyTree, *, seed: int = 0) -> tuple[Variables, list[str]]:
    """The observables of any other system, and their names."""
    number = size(state)
    places = np.arange(number)
    if number > MOST:
        places = np.sort(np.random.default_rng(seed).choice(number, MOST, replace=False))
    return Variables(places), [f"state_{i}" for i in places]
