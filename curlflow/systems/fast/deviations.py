"""Learning near a known solution, stepped as the deviation from it, so that a growing 1e-15 is not rounded away.

Let W* be weights whose outputs are to be learned (the teacher's, for a student of its shape), and W = W* + δ. In
the weights themselves a deviation of 1e-15 moves by less than their rounding, and the errors ŷ(W) − ŷ(W*) cancel to
noise. Both are exact to relative precision in terms of δ. Through the layers, with δh₀ = 0,

    δaₗ = W*ₗ δhₗ₋₁ + δWₗ hₗ₋₁,    δhₗ = φ(a*ₗ + δaₗ) − φ(a*ₗ),    e = δh_L,

where the difference of activations is taken without cancellation, for tanh for example by
tanh(a + δ) − tanh a = tanh δ (1 − tanh a tanh(a + δ)). The retraction onto spheres is that of
`curlflow.systems.fast.deviation_spheres`.
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
        if isinstance(self.task, SecondMoments):
            difference = self._differences(jnp.eye(network.widths[0]))
            return Residuals(self.task.times_covariance(difference.T), jnp.eye(difference.shape[0]))
        assert isinstance(self.task, Samples), "what drives learning are samples or their second moments"
        return Residuals(self.task.x, self._differences(self.task.x) / self.task.x.shape[1])

    @double_precision
    def error(self, network: Feedforward) -> Float[Array, ""]:
        if isinstance(self.task, SecondMoments):
            difference = self._differences(jnp.eye(network.widths[0]))
            return 0.5 * jnp.sum(self.task.times_covariance(difference.T) * difference.T)
        x = self.task.x
        if isinstance(self.task, LinearSamples):
            differences = self._differences(jnp.eye(network.widths[0])) @ x
        else:
            differences = self._differences(x)
        return 0.5 * jnp.sum(differences**2) / x.shape[1]

    def _differences(self, x: Any) -> Float[Array, "outputs samples"]:
        """ŷ(W* + δ) − ŷ(W*) on the inputs `x` (inputs × samples)."""
        # With the identity as inputs the result is the product of a linear network; it is not multiplied by the
        # identity.
        product = isinstance(self.task, SecondMoments | LinearSamples)
        h, change = x, jnp.zeros_like(x)
        names = [self.reference.activation] * (len(self.reference.weights) - 1) + [self.reference.output_activation]
        for layer, (w, d, name) in enumerate(zip(self.reference.weights, self.deviation.weights, names, strict=True)):
            # h are the activities of the reference, and h + change those of the sum.
            moved = d if layer == 0 and product else d @ (h + change)
            a, step = (w if layer == 0 and product else w @ h), (moved if layer == 0 else w @ change + moved)
            h, change = _activities(name, a, step)
        return jnp.asarray(change)


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
    args = (rule, task, reference)
    return Flow(
        _velocity, deviation, args, constraint=_around(constraint, reference, deviation), integrator=integrator
    )


def _velocity(t, deviation, args):
    rule, task, reference = args
    network = jax.tree.map(jnp.add, reference, deviation)
    return rule.velocity(network, NearSolution(task, reference, deviation))


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
