"""What verdicts are about, before it runs: the subject, and numbers to look at that symmetry leaves as they are.

Weights of linear networks drift along orbits of rotations even where nothing else happens. Training error, outputs
and the Gram matrix W1ᵀW1 of the first layer do not see that. Of other systems up to `MOST` variables are looked at.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Num

from ...measures.observed import Observed
from ...networks import Feedforward
from ...networks.model import Model
from ...problem import Problem
from ...spec import Spec
from ...systems import Flow, Map
from ...systems.flat import Entries
from ...systems.linearised.kernels import geometry
from ...systems.optimized import Learner, network_of
from ...tangents import size
from ...tasks import AbstractTask
from ..observables import own_observables
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
    """The training error, some outputs, and some entries of W1ᵀW1, as one vector; of models without the entries."""

    training: AbstractTask
    inputs: Num[np.ndarray, "*inputs samples"] | Num[Array, "*inputs samples"]
    first: Int[np.ndarray, " products"] | Int[Array, " products"]
    second: Int[np.ndarray, " products"] | Int[Array, " products"]

    def __call__(self, state: Feedforward | Model | Learner) -> Float[Array, " observables"]:
        network = network_of(state)
        first = jnp.reshape(network(self.inputs), (-1, self.inputs.shape[-1]))[0]
        seen = [self.training.error(network)[None], first]
        if self.first.size:
            w1 = network.weights[0]
            seen.append(jnp.sum(w1[:, self.first] * w1[:, self.second], axis=0))
        return jnp.concatenate(seen)


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
            scale[0] = _silent_error(subject.problems[i])
        seen = Observed(scale, system.continuous, system.tolerances.get("rtol", 0.0))
        runs.append(Classified.fresh(i, system, options.averaging, space, observe=observe, seen=seen))
    return Started(subject, options, runs, names)


def _observers(subject: Subject, observables: Any, seed: int) -> tuple[list[Callable], list[str]]:
    """What is looked at in every realization, and its names."""
    if subject.learning and observables is None:
        entries = _entries(subject.given, seed)
        seen = [Invariants(p.training_error, _looked_at(p), *entries) for p in subject.problems]
        return seen, names_of(subject.given, seed=seed, outputs=seen[0].inputs.shape[-1])
    state = subject.systems[0].state
    if observables is not None:
        own = own_observables(observables, state)
        observe, names = own.observe, own.names
    else:
        places = np.arange(size(state))
        if places.size > MOST:
            places = np.sort(np.random.default_rng(seed).choice(places.size, MOST, replace=False))
        observe, names = Entries.of(places, state), [f"state_{i}" for i in places]
    return [observe] * subject.realizations, names


def _silent_error(problem: Problem) -> float:
    """The error of the output zero over the samples that are looked at."""
    y = problem.y_test if problem.y_test.shape[-1] else problem.y_train
    return 0.5 * float(np.mean(np.sum(y.reshape(-1, y.shape[-1]) ** 2, axis=0)))


def _rotates(problem: Problem) -> bool:
    """Whether the rotations of hidden units are known that leave the dynamics alone."""
    if problem.remembers:
        return False
    network, signal = problem.student, problem.signal(problem.student)
    if signal is None or geometry(problem.constraint) is None:
        return False
    linear = network.activation == "linear" and len(network.weights) == 2
    return linear and np.array_equal(signal.feedback[0], network.weights[1])


def names_of(spec: Spec, *, seed: int = 0, outputs: int | None = None) -> list[str]:
    """The names of the observables of learning; `outputs` is how many samples are looked at."""
    number = min(OUTPUTS, spec.data.test_samples) if outputs is None else outputs
    names = [f"output_{i + 1}" for i in range(number)]
    return ["train_error", *names, *(f"gram_{i}_{j}" for i, j in _entries(spec, seed).T)]


def _looked_at(problem: Problem) -> Num[np.ndarray, "*inputs samples"]:
    """The inputs whose outputs are looked at: the first of the test set, or of the training set where it is empty."""
    x = np.asarray(problem.x_test if problem.x_test.shape[-1] else problem.x_train)
    return x[..., :OUTPUTS]


def _entries(spec: Spec, seed: int) -> Int[np.ndarray, "2 products"]:
    """Rows and columns of different entries of W1ᵀW1, drawn at random; of a small matrix all, of a model none."""
    if spec.network is None:
        return np.zeros((2, 0), dtype=int)
    inputs, rng, chosen = spec.network.inputs, np.random.default_rng(seed), []
    while len(chosen) < min(PRODUCTS, inputs * (inputs + 1) // 2):
        pair = sorted(rng.integers(0, inputs, 2).tolist())
        if pair not in chosen:
            chosen.append(pair)
    return np.array(chosen).T
