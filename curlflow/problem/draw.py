"""The arrays of a problem, drawn as its spec says: weights, inputs, feedback and flips.

Random streams depend on the seed, on a role and on the realization, never on the rule, the flips, a scale or the
dynamics (scales multiply the same unit draws). Rules are therefore compared on the same problems, and results do not
depend on the order in which they are computed.
"""

import functools
import hashlib
import math
import weakref
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from jaxtyping import Array, Float, Int

from ..constraints import AbstractConstraint, Free, FreeBiases, FrobeniusSpheres, Masked
from ..networks import Feedforward
from ..networks.architecture import Architecture
from ..networks.graph import from_graph
from ..networks.model import Model
from ..precision import random_key

if TYPE_CHECKING:
    from ..spec import Spec

TRAIN, TEST, TEACHER, START, BATCHES, FEEDBACK, FLIPS, NOISE = range(8)
"""Roles of the random streams."""
BIASES = 2**31
"""What is folded into the key of a network for its biases: more than there are layers."""

_inputs_in_use: weakref.WeakValueDictionary[tuple, np.ndarray] = weakref.WeakValueDictionary()


@jax.jit
def stream(seed: int | Int[Array, ""], role: int | Int[Array, ""], realization: int | Int[Array, ""]) -> Array:
    """The key of a role in a realization."""
    return jax.random.fold_in(jax.random.fold_in(random_key(seed), role), realization)


def _unit_draws(key: Array, law: str, shape: tuple[int, ...]) -> Float[np.ndarray, "..."]:
    """Draws of unit scale. One program serves all sizes up to a power of two: a draw depends on its place alone."""
    number = math.prod(shape)
    drawn = number if number > 2**16 else max(64, 1 << (number - 1).bit_length())
    return np.asarray(_drawn(key, law, drawn))[:number].reshape(shape)


@functools.partial(jax.jit, static_argnums=(1, 2))
def _drawn(key: Array, law: str, number: int) -> Float[Array, " number"]:
    if law == "uniform":
        return jax.random.uniform(key, (number,), minval=-1.0, maxval=1.0)
    return jax.random.normal(key, (number,))


def drawn_weights(widths: tuple[int, ...], law: str, scale: float, key: Array) -> list[Float[np.ndarray, "post pre"]]:
    """One matrix per layer, of scale s/√fan-in."""
    return [
        _unit_draws(jax.random.fold_in(key, layer), law, (post, pre)) * (scale / math.sqrt(pre))
        for layer, (pre, post) in enumerate(zip(widths, widths[1:], strict=False))
    ]


def drawn_biases(widths: tuple[int, ...], law: str, scale: float, key: Array) -> list[Float[np.ndarray, " post"]]:
    """One vector per layer, of the scale of the weights of its layer, from streams of their own."""
    key = jax.random.fold_in(key, BIASES)
    return [
        _unit_draws(jax.random.fold_in(key, layer), law, (post,)) * (scale / math.sqrt(pre))
        for layer, (pre, post) in enumerate(zip(widths, widths[1:], strict=False))
    ]


def drawn_inputs(spec: "Spec", role: int, samples: int) -> Float[np.ndarray, "inputs samples"]:
    """Inputs (inputs × samples), the same for all realizations: one array, read only, while any of them is in use."""
    drawn = spec.data.seed, role, spec.network.inputs, samples, spec.data.input_std
    inputs = _inputs_in_use.get(drawn)
    if inputs is None:
        key = stream(spec.data.seed, role, 0)
        inputs = spec.data.input_std * _unit_draws(key, "normal", (spec.network.inputs, samples))
        inputs.flags.writeable = False
        _inputs_in_use[drawn] = inputs
    return inputs


def drawn_samples(spec: "Spec", teacher: Feedforward) -> tuple[Any, Any, Any, Any]:
    """Training inputs and the teacher's targets, None for the population, and those of the test set."""
    n = spec.data.samples
    x = None if n == "population" else drawn_inputs(spec, TRAIN, n)
    x_test = drawn_inputs(spec, TEST, spec.data.test_samples)
    return x, None if x is None else targets(teacher, x), x_test, targets(teacher, x_test)


SAMPLED = 64
"""How many numbers of each array a fingerprint is made from."""
DIGITS = 1e6
"""One over how finely a fingerprint sees them: the last digits depend on the processor."""


def problem_fingerprint(
    spec: "Spec", realization: int, arrays: Iterable[Any], keys: Iterable[Array]
) -> dict[str, str]:
    """A short hash of the random streams of a realization, and one of what was made of them.

    The first depends on the seeds in the spec alone, so that problems of any size can be compared.

    **Returns:** `"STREAMS-ARRAYS"` by `"SEED/DATA_SEED/REALIZATION"`.
    """
    seeds = (spec.seed, START, realization), (spec.data.seed, TEST, 0)
    first = [_unit_draws(stream(*seed), law, (8, 8)) for seed in seeds for law in ("normal", "uniform")]
    hashes = _hash(first), _hash([*arrays, *(np.asarray(jax.random.key_data(key)) for key in keys)])
    return {f"{spec.seed}/{spec.data.seed}/{realization}": "-".join(hashes)}


def _hash(arrays: Iterable[np.ndarray]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        numbers = np.ravel(array)[:: max(1, array.size // SAMPLED)]
        if numbers.dtype.kind == "f":
            largest = float(np.abs(numbers).max(initial=0.0)) or 1.0
            digest.update(f"{largest:.6e}".encode())
            numbers = np.rint(numbers * (DIGITS / largest)).astype(np.int64)
        digest.update(f"{array.shape}{numbers.tolist()}".encode())
    return digest.hexdigest()[:8]


def checked_architecture(spec: "Spec", graph: Any) -> Architecture:
    """The architecture of `graph`, which must be that of the spec."""
    if spec.network is None:
        raise ValueError("graph: it goes with a network, but the experiment has a model; leave it out.")
    if spec.has_biases:
        raise ValueError("graph: a graph holds no biases; set network.biases to false, or leave the graph out.")
    architecture = graph if isinstance(graph, Architecture) else from_graph(graph)
    fields = {"inputs": slice(0, 1), "hidden": slice(1, -1), "outputs": slice(-1, None)}
    for name, part in fields.items():
        given, drawn = list(spec.widths[part]), list(architecture.widths[part])
        if given != drawn:
            raise ValueError(f"network.{name}: got {given} of the spec, but the graph has layers of {drawn} neurons.")
    for name in ("activation", "output_activation"):
        given, drawn = getattr(spec.network, name), getattr(architecture, name)
        if drawn not in (None, given):
            raise ValueError(f"network.{name}: got {given!r} of the spec, but the graph has {drawn!r}.")
    return architecture


def drawn_teacher(spec: "Spec", key: Array, architecture: Architecture | None) -> Feedforward:
    """The network that gives the targets."""
    weights = drawn_weights(spec.teacher_widths, spec.teacher.law, spec.teacher.scale, key)
    given = None if architecture is None or spec.start.kind != "teacher" else architecture.weights
    if architecture is not None and spec.teacher_widths == spec.widths:
        weights = architecture.masked(weights)
    if given is not None:
        weights = list(given)
    elif spec.teacher.rescaled:
        weights = [w * (math.sqrt(len(w)) / np.linalg.norm(w)) for w in weights]
    biases = drawn_biases(spec.teacher_widths, spec.teacher.law, spec.teacher.scale, key) if spec.has_biases else None
    return Feedforward(weights, spec.network.activation, spec.network.output_activation, biases)


def targets(teacher: Feedforward, x: Float[np.ndarray, "inputs samples"]) -> Float[np.ndarray, "outputs samples"]:
    """What the teacher says of the inputs `x`."""
    # The product of the layers takes a hundredth of the time, and no gigabytes of activities; only rounding differs.
    if teacher.is_linear and max(teacher.widths) * x.shape[1] > 10**7:
        return np.asarray(teacher.product()) @ x
    return np.asarray(teacher(x))


def drawn_student(
    spec: "Spec", teacher: Feedforward | None, key: Array, architecture: Architecture | None
) -> Feedforward:
    """The network that learns, at its start."""
    if spec.start.kind == "random":
        drawn = spec.widths, spec.start.law, spec.start.scale, key
        weights, biases = drawn_weights(*drawn), drawn_biases(*drawn) if spec.has_biases else None
        weights = weights if architecture is None or architecture.weights is None else architecture.weights
    else:
        weights, biases = [w.copy() for w in teacher.weights], teacher.biases
        if (biases is not None) != spec.has_biases:
            has = "no biases" if biases is None else "biases"
            raise ValueError(
                f'start.kind: got "teacher", but the teacher has {has} and network.biases is '
                f"{str(spec.has_biases).lower()}; both start from the same arrays."
            )
        if spec.start.offset is not None:
            weights[spec.start.offset.layer - 1] += spec.start.offset.value
    weights = weights if architecture is None else architecture.masked(weights)
    return Feedforward(weights, spec.network.activation, spec.network.output_activation, biases)


def drawn_constraint(
    spec: "Spec", student: Feedforward | Model, architecture: Architecture | None
) -> AbstractConstraint:
    """The constraint on the weights."""
    within = Free()
    if spec.constraint.kind != "none":
        within = FrobeniusSpheres(tuple(np.asarray(np.linalg.norm(w)) for w in student.weights))
        if not all(r > 0 for r in within.radii):
            raise ValueError('weight: got a layer of zeros, which has no sphere; set constraint.kind to "none".')
        within = FreeBiases(within) if spec.has_biases else within
    masked = architecture is not None and not architecture.is_fully_connected
    return Masked(architecture.masks, within) if masked else within
