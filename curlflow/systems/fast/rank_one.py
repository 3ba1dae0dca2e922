"""Fast updates of two-layer linear networks with one output on Frobenius spheres.

With K = 1 and presynaptic signs the update of W1 is of rank one, W1 ← W1 − η w uᵀ with w = W2ᵀ and
u = D1 Σ (W2W1 − V)ᵀ, and its norm follows from products that the step needs anyway:

    ‖W1 − η w uᵀ‖² = ‖W1‖² − 2η (W2W1)·u + η² |w|² |u|².

This saves two passes over W1 out of five. On its own the closed form lets ‖W1‖ drift away from its sphere, so every
`ANCHOR` updates the norm is computed and rescaled exactly.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp

from ...constraints import AbstractConstraint, FrobeniusSpheres
from ...networks import Feedforward
from ...networks.model import Model
from ...precision import Scalar
from ...rules import AbstractLearningRule

ANCHOR = 10
"""Updates between two exact rescalings; even."""


class RankOneUpdates(eqx.Module):
    """Many updates of a network on spheres of `radii`, a function of (network, index, number, (rule, task, rate))."""

    radii: tuple[Scalar, ...]

    def __call__(self, network: Feedforward, index, number, args) -> Feedforward:
        rule, task, rate = args
        step = RankOneStep.of(network, rule, self.radii, rate)

        def update(w1, w):
            p = step.outputs(w1, w)
            return step(w1, w, p, _product(jnp.asarray(task.covariance), p - task.teacher[0]))

        return step.end(network, *updated(update, step.anchored, step.begin(network), number))


@jax.custom_batching.custom_vmap
def _product(covariance: Any, vector: Any) -> Any:
    """Σ v, or σ ∘ v for variances alone; for a batch with one Σ a product of matrices, which reads Σ once."""
    return covariance @ vector if covariance.ndim == 2 else covariance * vector


@_product.def_vmap
def _products(size: int, batched: Any, covariance: Any, vectors: Any) -> tuple[Any, bool]:
    if batched == [False, True] and covariance.ndim == 2:
        return vectors @ covariance, True
    axes = tuple(0 if b else None for b in batched)
    return jax.vmap(_product.fun, in_axes=axes, axis_size=size)(covariance, vectors), True


class RankOneMinibatches(eqx.Module):
    """Many epochs of updates from minibatches, a function of (network, epoch, number, (rule, task, rate, key)).

    In place of Σ(W2W1 − V)ᵀ a batch X of b samples with the targets y has X(XᵀW1ᵀw − y)/b. `batches` is a function of
    (key, epoch, samples, batch) that returns the samples in every batch.
    """

    radii: tuple[Scalar, ...]
    batches: Callable = eqx.field(static=True)
    batch: int = eqx.field(static=True)

    def __call__(self, network: Feedforward, index, number, args) -> Feedforward:
        rule, task, rate, key = args
        samples = task.x.shape[1]
        step = RankOneStep.of(network, rule, self.radii, rate * (self.batch / samples))
        inputs, targets = jnp.asarray(task.x).T, jnp.asarray(task.y)[0]

        def update(state, given):
            x, y, last = given
            w1, w = state
            p = step.outputs(w1, w)
            state = step(w1, w, p, (x @ p - y) @ x / self.batch)
            return jax.lax.cond(last, lambda s: step.anchored(*s), lambda s: s, state), None

        def epoch(i, state):
            slices = self.batches(key, index + i, samples, self.batch)
            number = slices.shape[0]
            last = (jnp.arange(number) % ANCHOR == ANCHOR - 1) | (jnp.arange(number) == number - 1)
            return jax.lax.scan(update, state, (inputs[slices], targets[slices], last))[0]

        return step.end(network, *jax.lax.fori_loop(0, number, epoch, step.begin(network)))


class RankOneStep(NamedTuple):
    """One update of (W1, w); W1 is stored with its longer side as rows, since long rows are read faster."""

    d1: Any
    d2: Any
    r1: Any
    r2: Any
    rate: Any
    tall: bool

    @classmethod
    def of(cls, network: Feedforward, rule: AbstractLearningRule, radii: Any, rate: Any) -> "RankOneStep":
        """One update of `network` by `rule` with the learning rate `rate`."""
        return cls(*gains_of(rule), *radii, rate, network.widths[0] > network.widths[1])

    def begin(self, network: Feedforward) -> tuple[Any, Any]:
        """W1 as it is stored here, and w."""
        w1, w2 = map(jnp.asarray, network.weights)
        return (w1.T if self.tall else w1), w2[0]

    def end(self, network: Feedforward, w1: Any, w: Any) -> Feedforward:
        """The inverse of `begin`."""
        return network.with_weights((w1.T if self.tall else w1, w[None]))

    def outputs(self, w1: Any, w: Any) -> Any:
        """p = W1ᵀw."""
        return w1 @ w if self.tall else w @ w1

    def __call__(self, w1: Any, w: Any, p: Any, x: Any) -> tuple[Any, Any]:
        """The update by x, which stands for Σ(p − v)."""
        rate, u = self.rate, self.d1 * x
        # One sum in place of three dot products: small operations cost as much as their launch.
        norm = self.r1 * self.r1 + jnp.sum(u * (rate * rate * self.r2 * self.r2 * u - 2 * rate * p))
        scale = self.r1 * jax.lax.rsqrt(norm)
        new = w - rate * self.d2 * (x @ w1 if self.tall else w1 @ x)
        outer = u[:, None] * (scale * rate * w) if self.tall else (scale * rate * w)[:, None] * u
        return w1 * scale - outer, new * (self.r2 * jax.lax.rsqrt(jnp.sum(new * new)))

    def anchored(self, w1: Any, w: Any) -> tuple[Any, Any]:
        """W1 put back onto its sphere exactly."""
        return w1 * (self.r1 * jax.lax.rsqrt(jnp.sum(w1 * w1))), w


def updated(update: Callable, anchored: Callable, state: tuple[Any, Any], number: Any) -> tuple[Any, Any]:
    """Both layers after `number` updates, anchored after every `ANCHOR` of them and after each remaining one."""

    def pairs(_, state):
        # XLA then saves a copy of the state at every update. More than two would only compile longer.
        return update(*update(*state))

    def block(_, state):
        return anchored(*jax.lax.fori_loop(0, ANCHOR // 2, pairs, state))

    state = jax.lax.fori_loop(0, number // ANCHOR, block, state)
    return jax.lax.fori_loop(0, number % ANCHOR, lambda _, state: anchored(*update(*state)), state)


def is_of_rank_one(network: Feedforward | Model, rule: AbstractLearningRule, constraint: AbstractConstraint) -> bool:
    """Whether the update of W1 is of rank one, on spheres: gradient descent of linear networks of two layers with one
    output, or its flips on the presynaptic side."""
    base, gains = rule.unflipped(most=1)
    presynaptic = gains is None or all(g.shape[0] == 1 for g in gains)
    two_layers = len(network.weights) == 2 and network.widths[-1] == 1 and network.is_linear
    return base.backpropagates and presynaptic and isinstance(constraint, FrobeniusSpheres) and two_layers


def gains_of(rule: AbstractLearningRule) -> tuple[Any, Any]:
    """The diagonals of D1 and D2; one number where nothing is flipped."""
    gains = rule.unflipped()[1] or (jnp.ones((1, 1)), jnp.ones((1, 1)))
    return gains[0][0], gains[1][0]
