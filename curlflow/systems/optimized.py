"""Learning with a memory: maps and flows whose state is a network with what its optimizer and its rule remember.

The memory of a rule (`curlflow.rules.memory`) follows plain updates W → W + η F, or the flow, beside the weights, and
is under no constraint. What follows is about the memory of an optimizer.

Under a constraint weights take a free step and are retracted, as without an optimizer, W → R(W + Δ). The momentum v
is projected onto the tangent space at the new weights with them, so that the pair stays on the tangent bundle

    ⟨Wₗ, Wₗ⟩ = rₗ²,    ⟨Wₗ, vₗ⟩ = 0    for every layer,

which removes two dimensions for every sphere. Its normals at (W, v), (Wₗ, 0) and (vₗ, Wₗ), are perpendicular to each
other. Missing synapses have no momentum and no second moment either. Second moments and whatever else is remembered
are no vectors of the tangent space, and are left as they are. In a flow T, the projection at the weights, turns with
them: for a momentum with dv/dt = a without a constraint, dv/dt = T a + (dT/dt) v.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from ..constraints import AbstractConstraint, Free, FrobeniusSpheres, Masked
from ..networks import Feedforward
from ..networks.model import Model
from ..optimizers import AbstractOptimizer, Memory
from ..precision import Scalar, double_precision, to_float64
from ..rules import AbstractLearningRule
from ..rules.memory import velocities
from ..solvers.integrate import Adaptive, FixedSteps
from ..tasks import AbstractTask, LossSamples, Samples
from .flow import Flow
from .learning import DRAWINGS, locates_kinks, pre_activations
from .map import Map

Rate = Scalar | Callable[[Any], Any]
"""A learning rate, or a function of the epoch, counted from 0, to one."""


class Learner(eqx.Module):
    """A network, what its optimizer remembers and what its rule does: the state of learning with a memory.

    `rule_memory` is a tree like the `memory0` of the rule; None for a rule without a memory.
    """

    network: Feedforward | Model
    memory: Memory
    rule_memory: PyTree = None


def network_of(state: PyTree) -> Any:
    """The network of a `Learner`; any other state as it is."""
    return state.network if isinstance(state, Learner) else state


def as_given(state: PyTree) -> Any:
    """What a function of the user's takes of a state: the network, a model as it was given, or the state itself."""
    network = network_of(state)
    return network.seen if isinstance(network, Model) else network


class TangentBundle(AbstractConstraint):
    """A constraint on the weights of a `Learner`, with its momentum in the tangent space.

    **Arguments:**

    - `weights`: the constraint on the weights: `Free()`, `FrobeniusSpheres(radii)`, or either within `Masked`. The
      part of it that says which synapses exist is `synapses`.

    **Raises:** `ValueError` for constraints of one's own, of which no tangent bundle is known.
    """

    weights: AbstractConstraint
    synapses: AbstractConstraint

    def __init__(self, weights: AbstractConstraint):
        within = weights.within if isinstance(weights, Masked) else weights
        if not isinstance(within, Free | FrobeniusSpheres):
            raise ValueError(
                f"constraint: got {type(within).__name__}; with an optimizer it must be none, or keep the norms of "
                "layers."
            )
        self.weights = weights
        self.synapses = Masked(weights.masks) if isinstance(weights, Masked) else Free()

    def codimension(self, state: Learner) -> int:
        own, missing = (c.codimension(state.network) for c in (self.weights, self.synapses))
        return own + own * _has(state.memory.momentum) + missing * _has(state.memory.squares)

    def tangent(self, state: Learner, velocity: Learner) -> Learner:
        network, memory = state.network, state.memory
        moved = self.weights.tangent(network, velocity.network)
        momentum, squares = velocity.memory.momentum, velocity.memory.squares
        if _has(squares):
            squares = self.synapses.tangent(network, squares)
        if _has(momentum):
            momentum = self.synapses.tangent(network, momentum)
        if _has(momentum) and self.weights.codimension(network) > self.synapses.codimension(network):
            parts = memory.momentum, network, moved, momentum
            share = jax.tree.map(_along_normal, *parts)
            moved = jax.tree.map(lambda f, k, v: f - k * v, moved, share, memory.momentum)
            momentum = jax.tree.map(lambda f, k, w: f - k * w, momentum, share, network)
        return Learner(moved, Memory(momentum, squares, velocity.memory.rest), velocity.rule_memory)

    def retract(self, state: Learner) -> Learner:
        network, momentum, squares = self.weights.retract(state.network), state.memory.momentum, state.memory.squares
        if _has(momentum):
            momentum = self.weights.tangent(network, momentum)
        if _has(squares):
            squares = self.synapses.retract(squares)
        return Learner(network, Memory(momentum, squares, state.memory.rest), state.rule_memory)


class OnNetwork(AbstractConstraint):
    """Any constraint on the weights of a `Learner` without momentum and second moments."""

    weights: AbstractConstraint

    def codimension(self, state: Learner) -> int:
        return self.weights.codimension(state.network)

    def tangent(self, state: Learner, velocity: Learner) -> Learner:
        moved = self.weights.tangent(state.network, velocity.network)
        return Learner(moved, velocity.memory, velocity.rule_memory)

    def retract(self, state: Learner) -> Learner:
        return Learner(self.weights.retract(state.network), state.memory, state.rule_memory)


def _along_normal(v: Array, w: Array, moved: Array, turned: Array) -> Array:
    """How much of the normal (v, W) is in the velocity (moved, turned) of one layer."""
    return (jnp.sum(v * moved) + jnp.sum(w * turned)) / (jnp.sum(v * v) + jnp.sum(w * w))


def _has(part: PyTree) -> bool:
    return bool(jax.tree.leaves(part))


def _begun(student: Any, rule: AbstractLearningRule, task: AbstractTask, memory: Memory) -> Learner:
    """The state with which learning begins, with a memory of the rule that fits its velocity."""
    remembered = to_float64(rule.memory0(student), "memory0")
    if remembered is not None:
        eqx.filter_eval_shape(velocities, rule, student, task, remembered)
    return Learner(student, memory, remembered)


def _constrained(constraint: AbstractConstraint, memory: Memory) -> AbstractConstraint:
    return TangentBundle(constraint) if _has(memory) else OnNetwork(constraint)


@double_precision
def optimized_updates(
    student: Feedforward | Model,
    rule: AbstractLearningRule,
    task: AbstractTask,
    constraint: AbstractConstraint,
    learning_rate: Rate,
    optimizer: AbstractOptimizer,
) -> Map:
    """Updates by full batches with an optimizer, one per epoch; an epoch is η units of time.

    A learning rate that is a function of the epoch makes the map non-autonomous. An epoch is then as many units of
    time as the learning rate of epoch 0 says, all along.
    """
    args, memory = (rule, task, learning_rate, optimizer), optimizer.start(student)
    start, within = _begun(student, rule, task, memory), _constrained(constraint, memory)
    return Map(_full_batch_update, start, _rate_at(learning_rate, 0), args, constraint=within)


def _full_batch_update(epoch, learner, args):
    rule, task, rate, optimizer = args
    return _updated(learner, rule, task, _rate_at(rate, epoch), optimizer)


@double_precision
def optimized_minibatch_updates(
    student: Feedforward | Model,
    rule: AbstractLearningRule,
    task: Samples | LossSamples,
    constraint: AbstractConstraint,
    learning_rate: Rate,
    batch: int,
    key: Array,
    optimizer: AbstractOptimizer,
    drawing: str = "reshuffled",
) -> Map:
    """An epoch of updates with an optimizer, each with the learning rate η b/n; an epoch is η units of time.

    Arguments are as for `curlflow.systems.learning.minibatch_updates`, learning rates as for `optimized_updates`.
    """
    memory = optimizer.start(student)
    start, within = _begun(student, rule, task, memory), _constrained(constraint, memory)
    epoch, args = _OptimizedEpoch(batch, DRAWINGS[drawing], within), (rule, task, learning_rate, key, optimizer)
    return Map(epoch, start, _rate_at(learning_rate, 0), args, constraint=within)


class _OptimizedEpoch(eqx.Module):
    batch: int = eqx.field(static=True)
    batches: Callable = eqx.field(static=True)
    constraint: AbstractConstraint

    def __call__(self, epoch, learner, args):
        rule, task, rate, key, optimizer = args
        indices = self.batches(key, epoch, task.x.shape[-1], self.batch)
        step = _rate_at(rate, epoch) / indices.shape[0]

        def update(learner, batch):
            return self.constraint.retract(_updated(learner, rule, task.batch(batch), step, optimizer)), None

        return jax.lax.scan(update, jax.tree.map(jnp.asarray, learner), indices)[0]


def _updated(learner: Learner, rule, task, rate: Any, optimizer: AbstractOptimizer) -> Learner:
    network = learner.network
    velocity, change = velocities(rule, network, task, learner.rule_memory)
    increment, memory = optimizer.step(velocity, learner.memory, network, rate)
    remembered = jax.tree.map(lambda m, g: jnp.asarray(m) + rate * g, learner.rule_memory, change)
    return Learner(jax.tree.map(lambda w, d: jnp.asarray(w) + d, network, increment), memory, remembered)


def _rate_at(rate: Rate, epoch: Any) -> Any:
    return rate(epoch) if callable(rate) else rate


@double_precision
def optimized_flow(
    student: Feedforward | Model,
    rule: AbstractLearningRule,
    task: AbstractTask,
    constraint: AbstractConstraint,
    learning_rate: Scalar,
    optimizer: AbstractOptimizer,
    integrator: Adaptive | FixedSteps | None = None,
) -> Flow:
    """The flow that updates with an optimizer and a small η follow; an update takes η units of time.

    **Raises:** `ValueError` for an optimizer of which no flow is known.
    """
    integrator = Adaptive() if integrator is None else integrator
    start = _begun(student, rule, task, Memory())
    velocity, _ = velocities(rule, student, task, start.rule_memory)
    memory = optimizer.start_of_flow(velocity, student, learning_rate)
    within, args = _constrained(constraint, memory), (rule, task, learning_rate, optimizer, constraint)
    start = within.retract(Learner(student, memory, start.rule_memory))
    # Flows of optimizers alone are as they were before crossings were located.
    jumps = start.rule_memory is not None and locates_kinks(student, task, integrator)
    ways = {"integrator": integrator, "switching": _kinks if jumps else None}
    return Flow(_optimized_field, start, args, constraint=within, **ways)


def _kinks(t, learner, args):
    return pre_activations(t, learner.network, args)


def _optimized_field(t, learner, args):
    rule, task, rate, optimizer, constraint = args
    network, memory = jax.tree.map(jnp.asarray, learner.network), learner.memory
    velocity, remembered = velocities(rule, network, task, learner.rule_memory)
    moved, changed = optimizer.field(velocity, memory, network, rate)
    moved = constraint.tangent(network, moved)
    if not _has(memory.momentum):
        return Learner(moved, changed, remembered)
    _, turned = jax.jvp(lambda w: constraint.tangent(w, memory.momentum), (network,), (moved,))
    momentum = jax.tree.map(jnp.add, constraint.tangent(network, changed.momentum), turned)
    return Learner(moved, Memory(momentum, changed.squares, changed.rest), remembered)
