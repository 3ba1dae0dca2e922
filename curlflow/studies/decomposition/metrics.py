"""The argument `metric` of `decomposition`: which metric is taken at a point, given or found there."""

import reprlib
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import jax
import numpy as np
from jaxtyping import Float

from ...measures.balancing import balancing
from ...measures.jacobian_parts import PROBES, Basis
from ...measures.metrics import LayerSigns, Metric, Numbers, commute, images, normalised
from ...precision import random_key
from ...systems.flat import unflattened
from ..arguments import check
from .flat_fields import FlatField

Words = Literal["euclidean", "diagonal", "layerwise"]
LARGEST = 3_000
"""The most weights for which a diagonal metric is sought, which takes the matrix J, or stored."""
SYMMETRIC = 1e-12
"""A matrix is symmetric if it is so up to this share of its largest number."""
GIVEN = {
    "metric": "given, one number for each weight",
    "layer_metric": "given, one number for each layer",
    "matrix": "given, a matrix",
}
"""What a dataset says of metrics that are given, by what they are."""

Search = Generator[None, None, Numbers]


@dataclass(frozen=True)
class Given:
    """A metric that is a `function` of the state; `name` says what it gives."""

    function: Callable
    name: str

    @property
    def label(self) -> str:
        """What a dataset says of it."""
        return GIVEN[self.name]

    def at(self, field: FlatField, x: Float[np.ndarray, " n"], time: float, probes: int | None, seed: int) -> Search:
        """The metric at the point `x`; nothing is to be waited for.

        **Raises:** `ValueError` for what is no metric, or one of another kind than `name`.
        """
        yield from ()
        name, numbers = read_metric(self.function(jax.tree.map(np.asarray, unflattened(x, field.flow.state))), field)
        if name != self.name:
            raise ValueError(
                f"metric: the function gives different things at different states: {self.label}, and {GIVEN[name]}."
            )
        check_constraint(numbers, field, x)
        return numbers


@dataclass(frozen=True)
class Diagonal:
    """The diagonal metric in which the Jacobian is closest to symmetric."""

    name: ClassVar = "metric"
    label: ClassVar = "diagonal"

    def at(self, field: FlatField, x: Float[np.ndarray, " n"], time: float, probes: int | None, seed: int) -> Search:
        """The metric at the point `x`, from the whole Jacobian."""
        columns = []
        for _, found in images(field.velocity(time), field.projection, x, Basis(), field.size):
            columns.append(found[:, 0])
            yield
        return np.exp(balancing(np.concatenate(columns).T ** 2))


@dataclass(frozen=True)
class Layerwise:
    """The metric of one number for each layer in which the Jacobian is closest to symmetric."""

    name: ClassVar = "layer_metric"
    label: ClassVar = "layerwise"

    def at(self, field: FlatField, x: Float[np.ndarray, " n"], time: float, probes: int | None, seed: int) -> Search:
        """The metric at the point `x`, from the sums of J_ij² over pairs of layers.

        With z in layer m the squares of J z in layer l are those of the block (l, m), those of Jᵀ z that of (m, l):
        all of the layer's unit vectors, or `probes` random signs in each layer. That both come from the same vectors
        makes estimates exact where the blocks of J are transposed to each other but for their rates.
        """
        sizes, number = field.sizes, len(field.sizes)
        layers = np.repeat(np.arange(number), sizes)
        if probes is None:
            vectors, of_vector = Basis(), layers
        else:
            vectors, of_vector = LayerSigns(random_key(seed), layers, number), np.arange(number * probes) % number
        squares = np.zeros((number, number))
        for i, found in images(field.velocity(time), field.projection, x, vectors, len(of_vector)):
            forward, backward = np.add.reduceat(found**2, np.cumsum([0, *sizes[:-1]]), axis=2).swapaxes(0, 1)
            np.add.at(squares.T, of_vector[i], forward)
            np.add.at(squares, of_vector[i], backward)
            yield
        return np.repeat(np.exp(balancing(squares)), sizes)


Choice = Given | Diagonal | Layerwise


def chosen_metric(metric: Any, field: FlatField) -> Choice | None:
    """What the argument `metric` means; None for the Euclidean metric.

    **Raises:** `ValueError` for what is no metric, networks too large for it, and constraints that it does not go
    with.
    """
    x = field.flat(field.flow.state)
    if not isinstance(metric, str):
        own = isinstance(metric, type(field.flow.state))  # a network can be called as well
        function = metric if callable(metric) and not own else lambda state: metric
        name, numbers = read_metric(function(field.flow.state), field)
        check_constraint(numbers, field, x)
        return Given(function, name)
    if check("metric", metric, Words) == "diagonal":
        if field.size > LARGEST:
            raise ValueError(
                f'metric: got "diagonal" for {field.size:,} weights, allowed are {LARGEST:,} at most, since it takes '
                'the whole Jacobian; "layerwise" goes for any number.'
            )
        check_constraint(1.0 + np.arange(field.size), field, x)
        return Diagonal()
    if metric == "layerwise":
        check_constraint(np.repeat(1.0 + np.arange(len(field.sizes)), field.sizes), field, x)
        return Layerwise()
    return None


def read_metric(metric: Any, field: FlatField) -> tuple[str, Numbers]:
    """What a metric is, a word of `GIVEN`, and its diagonal for all weights or its matrix.

    **Raises:** `ValueError` for other shapes, and numbers that are not positive or a matrix that is not.
    """
    n, sizes = field.size, field.sizes
    shapes = [np.shape(leaf) for leaf in jax.tree.leaves(field.flow.state)]
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(metric)]
    given = [leaf.shape for leaf in leaves]
    if not leaves or any(leaf.dtype.kind not in "iuf" for leaf in leaves):
        raise ValueError(
            f"metric: got {reprlib.repr(metric)}, allowed are {', '.join(get_args(Words))}, positive numbers, a "
            "positive definite matrix, and a function of the state that gives any of these."
        )
    if given == shapes:
        metric = np.concatenate([np.ravel(leaf) for leaf in leaves])
    shape: Any = np.shape(metric) if given == shapes or len({*given}) == 1 else str(given)
    names = {(n, n): "matrix", (len(sizes),): "layer_metric", (n,): "metric"}
    if shape not in names:
        raise ValueError(
            f"metric: got numbers of shape {shape}, required is one for each of {n} weights or {len(sizes)} "
            f"layers, arrays of the shapes {shapes}, or a matrix {(n, n)}."
        )
    numbers = np.asarray(metric, dtype=float)
    bad = int(np.sum(~(np.isfinite(numbers) & (numbers > (0 if numbers.ndim == 1 else -np.inf)))))
    if bad:
        kind = "positive and finite" if numbers.ndim == 1 else "finite"
        raise ValueError(f"metric: got {bad} of {numbers.size} numbers that are not {kind}; all must be.")
    if numbers.ndim == 2:
        symmetric = np.abs(numbers - numbers.T).max() <= SYMMETRIC * np.abs(numbers).max()
        if not symmetric or not np.linalg.eigvalsh(numbers)[0] > 0:
            raise ValueError("metric: the matrix is not symmetric and positive definite; it must be.")
    name = names[numbers.shape]
    return name, np.repeat(numbers, sizes) if name == "layer_metric" else numbers


def check_constraint(numbers: Numbers, field: FlatField, x: Float[np.ndarray, " n"]) -> None:
    """Refuse a metric in which the projection onto the tangent space at `x` is not orthogonal."""
    signs = np.random.default_rng(0).choice([-1.0, 1.0], (PROBES, field.size))
    if not commute(field.projection, x, Metric.of(normalised(numbers)), signs):
        raise ValueError(
            "metric: it does not commute with the projection onto the constraint, so that what is orthogonal to the "
            "constraint differs from metric to metric; allowed are numbers that are the same within each layer, such "
            'as "layerwise", or set constraint.kind to "none".'
        )
