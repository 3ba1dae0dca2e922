"""A vector field in another metric than the Euclidean one.

In a constant metric G, ⟨a, b⟩ = aᵀ G b, with square root R = G^½, the coordinates u = R w are orthonormal. There

    F′(u) = R F(R⁻¹u),    J′ = R J R⁻¹,    E′(u) = E(R⁻¹u),

so that whatever is measured of F′ and E′ at u = R w, with the plain scalar product of u, is what the metric G says of
F and E at w, the same in all orthonormal coordinates. J′ is symmetric if and only if G J is; where it is everywhere,
F is −G⁻¹∇ of a function. ‖S′‖, ‖A′‖ and their ratio are those of the parts of J that are symmetric and antisymmetric
for ⟨·,·⟩. Metrics that are proportional differ in the unit of length only, so that det G may be 1.
"""

from collections.abc import Callable, Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ..outside import compiled
from .jacobian_parts import TOGETHER, Vector, at_once, derivatives

Numbers = Float[np.ndarray, " n"] | Float[np.ndarray, "n n"]
"""A metric: its diagonal, or the whole matrix."""
EXCHANGED = 1e-10
"""Vectors that differ by less than this share of their length are the same up to rounding."""


def normalised(numbers: Numbers) -> Numbers:
    """The metric with det G = 1 that is proportional to this one: a diagonal of geometric mean 1."""
    values = numbers if numbers.ndim == 1 else np.linalg.eigvalsh(numbers)
    return numbers / np.exp(np.log(values).mean())


class Linear(eqx.Module):
    """v ↦ R v, for a matrix, or a diagonal by its n numbers."""

    matrix: Float[Array | np.ndarray, "..."]

    def __call__(self, v: Vector) -> Vector:
        return self.matrix * v if self.matrix.ndim == 1 else self.matrix @ v


class Composed(eqx.Module):
    """x ↦ … f₂(f₁(x))."""

    functions: tuple[Callable, ...]

    def __call__(self, x: Any) -> Any:
        for function in self.functions:
            x = function(x)
        return x


class Metric(eqx.Module):
    """A metric by w ↦ u = R w and its inverse."""

    into: Linear
    back: Linear

    @classmethod
    def of(cls, numbers: Numbers) -> "Metric":
        """The metric with this diagonal of positive numbers, or this positive definite matrix."""
        if numbers.ndim == 1:
            return cls(Linear(np.sqrt(numbers)), Linear(1 / np.sqrt(numbers)))
        values, vectors = np.linalg.eigh(numbers)
        return cls(*(Linear((vectors * root) @ vectors.T) for root in (np.sqrt(values), 1 / np.sqrt(values))))


class Projected(eqx.Module):
    """A projection that commutes with a metric, as a function of (u, v): it is orthogonal in both metrics."""

    project: Callable
    metric: Metric

    def __call__(self, u: Vector, v: Vector) -> Vector:
        return self.project(self.metric.back(u), v)


class LayerSigns(eqx.Module):
    """Independent vectors of independent signs in layer 0, 1, …, `number` − 1, 0, … and zeros in all others.

    `layers` says in which layer each component is.
    """

    key: Array
    layers: Int[Array | np.ndarray, " n"]
    number: int = eqx.field(static=True)

    def __call__(self, i: Any, n: int) -> Vector:
        signs = jax.random.rademacher(jax.random.fold_in(self.key, i), (n,), dtype=float)
        return jnp.where(self.layers == i % self.number, signs, 0.0)


@compiled
def _images(field: Any, project: Any, x: Vector, vectors: Any, first: Any) -> Float[Array, "vectors 2 n"]:
    n, apply = x.shape[0], derivatives(field, project, x)
    return jax.lax.map(lambda i: jnp.stack(apply(vectors(i, n))), first + jnp.arange(at_once(n)), batch_size=TOGETHER)


def images(
    field: Any, project: Any, x: Vector, vectors: Any, number: int
) -> Iterator[tuple[Int[np.ndarray, " vectors"], Float[np.ndarray, "vectors 2 n"]]]:
    """P J P z and P Jᵀ P z of the first `number` vectors z, some at a time, with the places of these vectors."""
    for first in range(0, number, at_once(len(x))):
        found = np.asarray(_images(field, project, x, vectors, np.asarray(first)))[: number - first]
        yield first + np.arange(len(found)), found


def commute(project: Any, x: Vector, metric: Metric, vectors: Float[np.ndarray, "_ n"]) -> bool:
    """Whether the projection at `x` and the root of the metric can be exchanged on these vectors."""
    pairs = [(metric.into(project(x, v)), project(x, metric.into(v))) for v in vectors]
    return all(np.linalg.norm(a - b) <= EXCHANGED * (np.linalg.norm(a) + np.linalg.norm(b)) for a, b in pairs)
