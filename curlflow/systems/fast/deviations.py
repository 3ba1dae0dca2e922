"""Learning near a known solution, stepped as the deviation from it, so that a growing 1e-15 is not rounded away.

Let W* be weights whose outputs are to be learned, and W = W* + δ. The motion of δ and the errors ŷ(W) − ŷ(W*) are
exact to relative precision in terms of δ, and lost to rounding in terms of W. Through the layers, with δh₀ = 0,

    δaₗ = W*ₗ δhₗ₋₁ + δWₗ hₗ₋₁,    δhₗ = φ(a*ₗ + δaₗ) − φ(a*ₗ),    e = δh_L,

where the difference of activations is taken without cancellation, for tanh for example by
tanh(a + δ) − tanh a = tanh δ (1 − tanh a tanh(a + δ)).
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ...constraints import AbstractConstraint, Free, FrobeniusSpheres
from ...networks import Feedforward
from ...precision import Scalar, double_precision
from ...rules import AbstractLearningRule
from ...solvers.integrate import Adaptive
from ...tasks import AbstractTask, LinearSamples, Residuals, Samples, SecondMoments
from ..flow import Flow
from ..map import Map
from .deviation_spheres import DeviationSpheres
from .rank_one import is_of_rank_one
from .rank_one_deviations import RankOneDeviations


class NearSolution(AbstractTask):
    """`task`, whose targets are the outputs of `reference`, seen from `reference` + `deviation`.

    Its errors are those of these weights, whichever network is passed: a rule must be given their sum.
    """

    task: AbstractTask
    reference: Feedforward
    deviation: Feedforward

    def residuals(self, network: Feedforward) -> Residuals:
        difference = self._differences()
        if isinstance(self.task, SecondMoments):
            return Residuals(self.task.times_covariance(difference.T), jnp.eye(difference.shape[0]))
        return Residuals(self.task.x, difference / self.task.x.shape[1])

    @double_precision
    def error(self, network: Feedforward) -> Float[Array, ""]:
        difference = self._differences()
        if isinstance(self.task, SecondMoments):
            return 0.5 * jnp.sum(self.task.times_covariance(difference.T) * difference.T)
        return 0.5 * jnp.sum(difference**2) / self.task.x.shape[1]

    def _differences(self) -> Float[Array, "outputs _"]:
        """ŷ(W* + δ) − ŷ(W*) on every sample; for second moments on the identity."""
        product = isinstance(self.task, SecondMoments | LinearSamples)
        x = jnp.eye(self.reference.widths[0]) if product else self.task.x
        h, change = x, jnp.zeros_like(x)
        names = [self.reference.activation] * (len(self.reference.weights) - 1) + [self.reference.output_activation]
        for layer, (w, d, name) in enumerate(zip(self.reference.weights, self.deviation.weights, names, strict=True)):
            # h are the activities of the reference, and h + change those of the sum.
            # The product of a linear network is not multiplied by the identity.
            moved = d if layer == 0 and product else d @ (h + change)
            a, step = (w if layer == 0 and product else w @ h), (moved if layer == 0 else w @ change + moved)
            h, change = _activities(name, a, step)
        change = jnp.asarray(change)
        return change @ self.task.x if isinstance(self.task, LinearSamples) else change


def _activities(name: str, a: Any, step: Any) -> tuple[Any, Any]:
    """φ(a) and φ(a + step) − φ(a), the latter without cancellation."""
    if name == "linear":
        return a, step
    if name == "relu":
        h, moved = jax.nn.relu(a), jax.nn.relu(a + step)
        return h, jnp.where((a > 0) & (a + step > 0), step, moved - h)
    if name == "tanh":
        h = jnp.tanh(a)
        return h, jnp.tanh(step) * (1 - h * jnp.tanh(a + step))
    # The logistic function is (1 + tanh(a/2))/2.
    t = jnp.tanh(a / 2)
    return (1 + t) / 2, 0.5 * jnp.tanh(step / 2) * (1 - t * jnp.tanh((a + step) / 2))


def applicable(network: Feedforward, rule: AbstractLearningRule, task: Any, constraint: AbstractConstraint) -> bool:
    """Whether learning can be stepped as a deviation: rules driven by errors, without missing synapses."""
    driven = rule.signal(network) is not None
    return driven and isinstance(task, SecondMoments | Samples) and isinstance(constraint, Free | FrobeniusSpheres)


@double_precision
def deviation_flow(
    reference: Feedforward,
    deviation: Feedforward,
    rule: AbstractLearningRule,
    task: AbstractTask,
    constraint: AbstractConstraint,
    integrator: Adaptive,
) -> Flow:
    """The flow of `rule` as that of the deviation from `reference`, which solves `task`."""
    around = _around(constraint, reference, deviation)
    return Flow(_velocity, deviation, (rule, task, reference), constraint=around, integrator=integrator)


def _velocity(t, deviation, args):
    rule, task, reference = args
    return rule.velocity(jax.tree.map(jnp.add, reference, deviation), NearSolution(task, reference, deviation))


@double_precision
def deviation_updates(
    reference: Feedforward,
    deviation: Feedforward,
    rule: AbstractLearningRule,
    task: AbstractTask,
    constraint: AbstractConstraint,
    learning_rate: Scalar,
) -> Map:
    """Full-batch updates of `rule` as those of the deviation from `reference`, which solves `task`."""
    around = _around(constraint, reference, deviation)
    fast = isinstance(task, SecondMoments) and is_of_rank_one(reference, rule, constraint)
    iterate = RankOneDeviations(around) if fast else None
    args = (rule, task, reference, learning_rate)
    return Map(_update, deviation, learning_rate, args, constraint=around, iterate=iterate)


def _update(epoch, deviation, args):
    *rest, rate = args
    return jax.tree.map(lambda d, f: d + rate * f, deviation, _velocity(0.0, deviation, rest))


def _around(constraint: AbstractConstraint, reference: Feedforward, deviation: Feedforward) -> AbstractConstraint:
    spheres = isinstance(constraint, FrobeniusSpheres)
    return DeviationSpheres.through(reference, deviation) if spheres else constraint


class DeviationObserver(eqx.Module):
    """Training and test error of a deviation."""

    training: AbstractTask
    test: AbstractTask
    reference: Feedforward

    def __call__(self, deviation: Feedforward) -> Float[Array, " errors"]:
        tasks = (NearSolution(task, self.reference, deviation) for task in (self.training, self.test))
        return jnp.stack([task.error(deviation) for task in tasks])


__all__ = [
    "DeviationObserver",
    "DeviationSpheres",
    "NearSolution",
    "applicable",
    "deviation_flow",
    "deviation_updates",
]
