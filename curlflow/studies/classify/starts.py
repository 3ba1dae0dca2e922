"""What verdicts are about, before it runs: the subject, and numbers to look at that symmetry leaves as they are.

Weights of linear networks drift along orbits of rotations even where nothing else happens. Training error, outputs
and the Gram matrix W1ᵀW1 of the first layer do not see that. Of other systems up to `MOST` variables are looked at.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from ...measures.observed import Observed
from ...networks import Feedforward
from ...outside import rely_on
from ...problem import Problem
from ...spec import Spec
from ...systems import Flow, Map
from ...systems.flat import Entries
from ...systems.linearised.kernels import geometry
from ...systems.optimized import Learner, network_of
from ...tangents import size
from ...tasks import AbstractTask
from ..subject import Subject
from .options import ClassifyOptions
from .runs import Classified

MOST = 8
"""The most observables."""
OUTPUTS, PRODUCTS = 3, 4
"""Numbers of outputs, and of entries of the Gram matrix of the first layer."""
WHY = "verdicts are about motion without noise, which the 0-1 test and returns cannot tell from chaos"
INSTEAD = 'curlflow.lyapunov gives its exponents; or set dynamics.batch to "full", or dynamics.kind to "flow".'


class Invariants(eqx.Module):
    """The training error, some outputs, and some entries of W1ᵀW1, as one vector."""

    training: AbstractTask
    inputs: Float[np.ndarray, "inputs samples"] | Float[Array, "inputs samples"]
    first: Int[np.ndarray, " products"] | Int[Array, " products"]
    second: Int[np.ndarray, " products"] | Int[Array, " products"]

    def __call__(self, state: Feedforward | Learner) -> Float[Array, " observables"]:
        network = network_of(state)
        w1 = network.weights[0]
        products = jnp.sum(w1[:, self.first] * w1[:, self.second], axis=0)
        outputs = network(self.inputs)[0]
        return jnp.concatenate([self.training.error(network)[None], outputs, products])


class Started(NamedTuple):
    """What a study of verdicts begins with; `names` are those of the observables."""

    subject: Subject
    options: ClassifyOptions
    runs: list[Classified]
    names: list[str]


def started(
    spec_or_system: Any, given: dict[str, Any], observables: Any = None, rule: Any = None, graph: Any = None
) -> Started:
    """The runs of all realizations, with options from what was `given`.

    **Raises:** `ValueError` for arguments out of range.
    """
    subject = Subject.of(
        spec_or_system, rule=rule, graph=graph, tangents=True, systems=(Flow, Map), others=f"and {WHY}"
    )
    dynamics = subject.given.dynamics if subject.learning else None
    if getattr(dynamics, "batch", "full") != "full":
        what = f'dynamics.kind: got "{dynamics.kind}" with batches of {dynamics.batch}'
        raise ValueError(f"{what}; {WHY}. {INSTEAD}")
    rotates = subject.learning and _rotates(subject.build())
    subject = dataclasses.replace(subject, compress=rotates, transverse=rotates)
    options = ClassifyOptions.of(given, subject)
    observers, names = _observers(subject, observables, options.seed)
    runs = []
    for i, (system, space, observe) in enumerate(zip(subject.systems, subject.spaces, observers, strict=True)):
        scale = np.zeros(len(names))
        if names[0] == "train_error":
            # An error that is tiny against that of no output at all does not move.
            scale[0] = 0.5 * float(np.mean(np.sum(subject.problems[i].y_test ** 2, axis=0)))
        seen = Observed(scale, system.continuous, system.tolerances.get("rtol", 0.0))
        runs.append(Classified.fresh(i, system, options.averaging, space, observe=observe, seen=seen))
    return Started(subject, options, runs, names)


def _observers(subject: Subject, observables: Any, seed: int) -> tuple[list[Callable], list[str]]:
    """What is looked at in every realization, and its names."""
    if subject.learning and observables is None:
        entries = _entries(subject.given.network.inputs, seed)
        seen = [Invariants(p.training_error, np.asarray(p.x_test)[:, :OUTPUTS], *entries) for p in subject.problems]
        return seen, names_of(subject.given, seed=seed)
    state = subject.systems[0].state
    if observables is not None:
        observe, names = own_observables(observables, state)
    else:
        places = np.arange(size(state))
        if places.size > MOST:
            places = np.sort(np.random.default_rng(seed).choice(places.size, MOST, replace=False))
        observe, names = Entries.of(places, state), [f"state_{i}" for i in places]
    return [observe] * subject.realizations, names


def _rotates(problem: Problem) -> bool:
    """Whether the rotations of hidden units are known that leave the dynamics alone."""
    if problem.optimizer is not None:
        return False
    network, signal = problem.student, problem.rule.signal(problem.student)
    if signal is None or geometry(problem.constraint) is None:
        return False
    linear = network.activation == "linear" and len(network.weights) == 2
    return linear and np.array_equal(signal.feedback[0], network.weights[1])


def own_observables(function: Any, state: PyTree, argument: str = "observables") -> tuple[Callable, list[str]]:
    """Observables of the caller's own, which were given as `argument`, and their names.

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
    rely_on(function, state)
    names = [f"observable_{i + 1}" for i in range(values.size)]
    return lambda state: jnp.reshape(jnp.asarray(function(state), dtype=float), (-1,)), names


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
