"""Deviations from a solution: the same learning as in the weights, and exact where the weights would round."""

import equinox as eqx
import jax
import numpy as np
import pytest

from curlflow.constraints import Free, FrobeniusSpheres
from curlflow.networks import Feedforward
from curlflow.precision import double_precision
from curlflow.rules import FeedbackAlignment, Gradient, SignFlipped
from curlflow.solvers.integrate import Adaptive
from curlflow.systems import Map
from curlflow.systems.fast.deviations import (
    DeviationSpheres,
    NearSolution,
    applicable,
    deviation_flow,
    deviation_updates,
)
from curlflow.systems.fast.rank_one_deviations import RankOneDeviations
from curlflow.systems.learning import full_batch_updates, learning_flow
from curlflow.tasks import Samples, SecondMoments

NAMES = ["linear", "tanh", "relu", "sigmoid"]


def parts(activation, output="linear", widths=(4, 6, 2), seed=0):
    rng = np.random.default_rng(seed)
    teacher = Feedforward(
        [rng.normal(size=(b, a)) / np.sqrt(a) for a, b in zip(widths, widths[1:], strict=False)], activation, output
    )
    x = rng.normal(size=(widths[0], 15))
    return rng, teacher, Samples(x, np.asarray(teacher(x)))


def curl(teacher):
    return SignFlipped(Gradient(), [np.where(np.arange(w.shape[1]) < 2, -1.0, 1.0)[None] for w in teacher.weights])


def small(rng, teacher, size):
    return teacher.with_weights(size * rng.normal(size=w.shape) for w in teacher.weights)


def added(a, b):
    return a.with_weights(v + w for v, w in zip(a.weights, b.weights, strict=True))


@pytest.mark.parametrize("spheres", [False, True])
@pytest.mark.parametrize(("activation", "output"), [(a, b) for a in NAMES for b in ("linear", a)])
@double_precision
def test_large_deviations_move_as_the_weights_do(activation, output, spheres):
    rng, teacher, task = parts(activation, output, (4, 6, 5, 2))
    deviation = small(rng, teacher, 0.1)
    start = added(teacher, deviation)
    constraint = FrobeniusSpheres.through(start) if spheres else Free()
    arguments = curl(teacher), task, constraint
    flow, plain = deviation_flow(teacher, deviation, *arguments, Adaptive()), learning_flow(start, *arguments)
    for ours, theirs in zip(flow.velocity(0.0, deviation).weights, plain.velocity(0.0, start).weights, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-13)
    updates = deviation_updates(teacher, deviation, *arguments, 0.05)
    theirs = full_batch_updates(start, *arguments, 0.05)
    a = updates.advance(deviation, None, np.int64(200), updates.clock()).state
    b = theirs.advance(start, None, np.int64(200), theirs.clock()).state
    for u, v in zip(added(teacher, a).weights, b.weights, strict=True):
        np.testing.assert_allclose(u, v, atol=1e-11)


@double_precision
def test_second_moments_and_feedback_alignment():
    rng, teacher, samples = parts("linear", widths=(4, 6, 3, 2))
    task = SecondMoments(samples.x @ samples.x.T / samples.x.shape[1], np.asarray(teacher.product()))
    rule = FeedbackAlignment([rng.normal(size=w.shape) for w in teacher.weights[1:]])
    deviation = small(rng, teacher, 0.1)
    flows = [deviation_flow(teacher, deviation, rule, t, Free(), Adaptive()) for t in (task, samples)]
    start = added(teacher, deviation)
    plain = learning_flow(start, rule, task, Free()).velocity(0.0, start)
    for flow in flows:
        for ours, theirs in zip(flow.velocity(0.0, deviation).weights, plain.weights, strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-13)
    errors = [float(NearSolution(t, teacher, deviation).error(start)) for t in (task, samples)]
    np.testing.assert_allclose(errors, float(samples.error(start)), rtol=1e-12)


@pytest.mark.parametrize("activation", NAMES)
@double_precision
def test_tiny_deviations_keep_their_digits(activation):
    """The error is ½⟨|U δ|²⟩ with U = ∂ŷ/∂W to first order; in the weights nothing of it is left."""
    rng, teacher, task = parts(activation, activation)
    direction = small(rng, teacher, 1.0)
    _, change = jax.jvp(lambda network: network.forward(task.x).activities[-1], (teacher,), (direction,))
    expected = 0.5 * np.mean(np.sum(np.asarray(change) ** 2, axis=0))
    for size in (1e-15, 1e-40, 1e-120):
        deviation = direction.with_weights(size * w for w in direction.weights)
        error = float(NearSolution(task, teacher, deviation).error(teacher))
        np.testing.assert_allclose(error, expected * size**2, rtol=1e-9)
    deviation = direction.with_weights(1e-15 * w for w in direction.weights)
    plain = float(task.error(added(teacher, deviation)))
    assert abs(plain / (expected * 1e-30) - 1) > 1e-3


@double_precision
def test_growth_from_a_tiny_deviation_is_that_of_the_linearisation():
    rng, teacher, task = parts("tanh", "tanh")
    rate, rule = 0.3, curl(teacher)
    direction = small(rng, teacher, 1e-15)
    constraint = FrobeniusSpheres.through(added(teacher, direction))
    updates = deviation_updates(teacher, direction, rule, task, constraint, rate)
    plain = full_batch_updates(teacher, rule, task, FrobeniusSpheres.through(teacher), rate)

    def step(network):
        return plain.constraint.retract(plain.step(0, network, plain.args))

    # Tangent vectors of the spheres: 100 products with the Jacobian of one update.
    start = plain.constraint.tangent(teacher, direction)
    tangent = start
    for _ in range(100):
        tangent = jax.jvp(step, (teacher,), (tangent,))[1]
    around = DeviationSpheres.through(teacher, start)
    state = jax.tree.map(np.asarray, start)
    updates = deviation_updates(teacher, state, rule, task, constraint, rate)
    updates = updates.__class__(updates.step, state, rate, updates.args, constraint=around)
    grown = updates.advance(state, None, np.int64(100), updates.clock()).state
    scale = max(np.abs(np.asarray(w)).max() for w in tangent.weights)
    for ours, theirs in zip(grown.weights, tangent.weights, strict=True):
        np.testing.assert_allclose(np.asarray(ours) / scale, np.asarray(theirs) / scale, atol=1e-7)


def rank_one_case(widths, scale, gains=None):
    """A deviation of a linear network on spheres, its fast updates and the general ones."""
    rng, teacher, samples = parts("linear", widths=(*widths, 1))
    task = SecondMoments(samples.x @ samples.x.T / samples.x.shape[1], np.asarray(teacher.product()))
    rule = Gradient() if gains == "none" else curl(teacher)
    deviation = small(rng, teacher, scale)
    constraint = FrobeniusSpheres.through(added(teacher, deviation))
    fast = deviation_updates(teacher, deviation, rule, task, constraint, 0.1)
    assert isinstance(fast.iterate, RankOneDeviations)
    plain = Map(fast.step, deviation, 0.1, fast.args, constraint=fast.constraint)
    return teacher, deviation, fast, plain


@eqx.filter_jit
def _advanced(system, deviation, number):
    return system.advance(deviation, None, number, system.clock()).state


def after(system, deviation, number):
    return jax.tree.map(np.asarray, _advanced(system, deviation, np.int64(number)))


@pytest.mark.parametrize(("widths", "gains"), [((4, 6), None), ((7, 3), None), ((1, 1), None), ((5, 5), "none")])
@pytest.mark.parametrize("scale", [0.1, 1e-15, 1e-40])
@double_precision
def test_fast_updates_of_linear_networks_are_the_general_ones(widths, gains, scale):
    teacher, deviation, fast, plain = rank_one_case(widths, scale, gains)
    for number in (1, 9, 10, 57, 400):
        ours, theirs = (after(m, deviation, number) for m in (fast, plain))
        size = max(np.abs(np.asarray(w)).max() for w in theirs.weights)
        for a, b in zip(ours.weights, theirs.weights, strict=True):
            np.testing.assert_allclose(np.asarray(a) / size, np.asarray(b) / size, atol=1e-11)
    radii = [np.linalg.norm(w) for w in added(teacher, deviation).weights]
    found = [np.linalg.norm(w) for w in added(teacher, ours).weights]
    np.testing.assert_allclose(found, radii, rtol=1e-15)


@double_precision
def test_fast_updates_do_not_round_a_tiny_deviation():
    """A deviation of 1e-40 moves as one of 1e-20 does."""
    states = []
    for scale in (1e-40, 1e-20):
        _, deviation, fast, _ = rank_one_case((6, 8), scale)
        moved = after(fast, deviation, 300)
        states.append(np.concatenate([np.ravel(w) for w in moved.weights]) / scale)
    np.testing.assert_allclose(states[0], states[1], atol=1e-10 * np.abs(states[0]).max())


@double_precision
def test_retraction_keeps_the_radius_of_the_start():
    rng, teacher, _ = parts("linear")
    deviation = small(rng, teacher, 1e-3)
    around = DeviationSpheres.through(teacher, deviation)
    moved = small(np.random.default_rng(5), teacher, 0.2)
    radii = [np.linalg.norm(w) for w in added(teacher, deviation).weights]
    found = [np.linalg.norm(w) for w in added(teacher, around.retract(moved)).weights]
    np.testing.assert_allclose(found, radii, rtol=1e-15)
    assert around.codimension(moved) == 2


def test_other_rules_and_missing_synapses_are_stepped_in_their_weights():
    from curlflow.constraints import Masked
    from curlflow.rules import AbstractLearningRule

    class Decay(AbstractLearningRule):
        def velocity(self, network, task):
            return network.with_weights(-w for w in network.weights)

    _, teacher, task = parts("linear")
    masks = [np.ones(w.shape, bool) for w in teacher.weights]
    assert applicable(teacher, Gradient(), task, Free())
    assert not applicable(teacher, Decay(), task, Free())
    assert not applicable(teacher, Gradient(), task, Masked(masks, Free()))
