"""Learning as a dynamical system: a rule and a task make a flow, or a map with one epoch per iteration."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from ..constraints import AbstractConstraint
from ..networks import Feedforward
from ..networks.model import Model
from ..precision import Scalar
from ..rules import AbstractLearningRule
from ..solvers.integrate import IMPLICIT, Adaptive, FixedSteps
from ..tasks import AbstractTask, LossSamples, Samples, SecondMoments
from .fast.rank_one import RankOneMinibatches, RankOneUpdates, is_of_rank_one
from .fast.rank_one_flow import RankOneFlow
from .flow import Flow
from .map import Map

MOST_KINKS = 1000
"""With more pre-activations of rectified units than this, crossings of kinks are not located."""

Epoch = int | Int[Array, ""]


def learning_flow(
    student: Feedforward | Model,
    rule: AbstractLearningRule,
    task: AbstractTask,
    constraint: AbstractConstraint,
    integrator: Adaptive | FixedSteps | None = None,
) -> Flow:
    """dW/dt = F(W), projected onto the constraint."""
    integrator = Adaptive() if integrator is None else integrator
    has_tableau = isinstance(integrator, Adaptive) and integrator.solver not in (*IMPLICIT, "rkc2")
    fast = has_tableau and isinstance(task, SecondMoments) and is_of_rank_one(student, rule, constraint)
    integrate = RankOneFlow(constraint.radii) if fast else None
    switching = pre_activations if locates_kinks(student, task, integrator) else None
    ways = {"constraint": constraint, "integrator": integrator, "integrate": integrate, "switching": switching}
    return Flow(learning_velocity, student, (rule, task), **ways)


def locates_kinks(student: Feedforward | Model, task: AbstractTask, integrator: Adaptive | FixedSteps) -> bool:
    """Whether steps are adaptive, and the velocity jumps where one of a few pre-activations changes its sign."""
    layered = isinstance(task, Samples | LossSamples) and isinstance(student, Feedforward)
    if not layered or not isinstance(integrator, Adaptive):
        return False
    names = [student.activation] * (len(student.weights) - 1) + [student.output_activation]
    units = sum(w.shape[0] for w, name in zip(student.weights, names, strict=True) if name == "relu")
    return 0 < units * task.x.shape[-1] <= MOST_KINKS


def pre_activations(t, network, args):
    """Those of all rectified units and samples, which are the switching functions of learning."""
    names = [network.activation] * (len(network.weights) - 1) + [network.output_activation]
    found = network.forward(args[1].x).pre_activations
    return jnp.concatenate([jnp.ravel(a) for a, name in zip(found, names, strict=True) if name == "relu"])


def learning_velocity(t, network, args):
    """The velocity of the rule on the task with which `args` begin."""
    rule, task = args[:2]
    return rule.velocity(network, task)


def full_batch_updates(
    student: Feedforward | Model,
    rule: AbstractLearningRule,
    task: AbstractTask,
    constraint: AbstractConstraint,
    learning_rate: Scalar,
) -> Map:
    """W → retract(W + η F(W)), one update per epoch; an epoch is η units of time."""
    fast = isinstance(task, SecondMoments) and is_of_rank_one(student, rule, constraint)
    iterate = RankOneUpdates(constraint.radii) if fast else None
    args = (rule, task, learning_rate)
    return Map(_full_batch, student, learning_rate, args, constraint=constraint, iterate=iterate)


def _full_batch(epoch, network, args):
    return _stepped(network, *args)


def minibatch_updates(
    student: Feedforward | Model,
    rule: AbstractLearningRule,
    task: Samples | LossSamples,
    constraint: AbstractConstraint,
    learning_rate: Scalar,
    batch: int,
    key: Array,
    drawing: str = "reshuffled",
) -> Map:
    """An epoch of updates W → retract(W + (η b/n) F_batch(W)) over n/b batches; an epoch is η units of time.

    **Arguments:**

    - `drawing`: how batches are drawn, a name in `DRAWINGS`. The batches of an epoch depend on `key` and the number
      of the epoch alone: they are the same for a state and its tangents, and however a run is divided.
    """
    drawn = DRAWINGS[drawing]
    epoch, args = _MinibatchEpoch(batch, drawn, constraint), (rule, task, learning_rate, key)
    fast = isinstance(task, Samples) and is_of_rank_one(student, rule, constraint)
    iterate = RankOneMinibatches(constraint.radii, drawn, batch) if fast else None
    return Map(epoch, student, learning_rate, args, constraint=constraint, iterate=iterate)


class _MinibatchEpoch(eqx.Module):
    batch: int = eqx.field(static=True)
    batches: Callable = eqx.field(static=True)
    constraint: AbstractConstraint

    def __call__(self, epoch, network, args):
        rule, task, rate, key = args
        indices = self.batches(key, epoch, task.x.shape[-1], self.batch)

        def update(network, batch):
            return self.constraint.retract(_stepped(network, rule, task.batch(batch), rate / indices.shape[0])), None

        return jax.lax.scan(update, network, indices)[0]


def reshuffled_batches(key: Array, epoch: Epoch, samples: int, batch: int) -> Int[Array, "slices batch"]:
    """The batches of an epoch: consecutive slices of a permutation that depends on the key and the epoch."""
    permutation = jax.random.permutation(jax.random.fold_in(key, epoch), samples)
    return permutation.reshape(samples // batch, batch)


def independent_batches(key: Array, epoch: Epoch, samples: int, batch: int) -> Int[Array, "slices batch"]:
    """As many batches as `reshuffled_batches` gives, each drawn without replacement and independently of all others.

    By Floyd's algorithm (Bentley and Floyd, Commun. ACM 30 (1987) 754): the i-th index is drawn from the first
    n − b + i + 1, and if that one has been taken, it is n − b + i. Every subset is equally likely.
    """
    lasts, shape = jnp.arange(samples - batch, samples), (batch, samples // batch)
    drawn = jax.random.randint(jax.random.fold_in(key, epoch), shape, 0, lasts[:, None] + 1)

    def choose(i, chosen):
        taken = jnp.any(chosen == drawn[i], axis=0)
        return chosen.at[i].set(jnp.where(taken, lasts[i], drawn[i]))

    return jax.lax.fori_loop(0, batch, choose, jnp.full(shape, -1)).T


DRAWINGS = {"reshuffled": reshuffled_batches, "independent": independent_batches}
"""How the batches of an epoch are drawn: `dynamics.drawing` of a spec."""


def _stepped(network: Feedforward | Model, rule, task, rate: Scalar) -> Feedforward | Model:
    velocity = rule.velocity(network, task)
    return jax.tree.map(lambda w, f: jnp.asarray(w) + rate * f, network, velocity)
