"""Rules against autodiff, closed forms and a sample-by-sample loop."""

import jax
import numpy as np
import pytest
from reference import velocity

from curlflow.networks import Feedforward
from curlflow.rules import FeedbackAlignment, Gradient, SignFlipped
from curlflow.tasks import Samples

pytestmark = pytest.mark.quick

ACTIVATIONS = ["linear", "tanh", "relu", "sigmoid"]


def setting(widths, seed=0):
    rng = np.random.default_rng(seed)
    weights = [rng.normal(size=(post, pre)) / np.sqrt(pre) for pre, post in zip(widths, widths[1:], strict=False)]
    x, y = rng.normal(size=(widths[0], 12)), rng.normal(size=(widths[-1], 12))
    return weights, x, y


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("widths", [(3, 1), (4, 6, 1), (4, 6, 3), (3, 5, 4, 2), (3, 4, 4, 4, 1)])
def test_unflipped_rule_is_minus_the_autodiff_gradient(activation, widths, x64):
    weights, x, y = setting(widths)
    network, task = Feedforward(weights, activation, "linear"), Samples(x, y)
    gradient = jax.grad(lambda n: task.error(n))(network)
    jax.tree.map(
        lambda f, g: np.testing.assert_allclose(f, -g, rtol=1e-10, atol=1e-14),
        Gradient().velocity(network, task),
        gradient,
    )


def test_squashed_outputs_follow_the_matching_loss(x64):
    # Φ(a) − y a with Φ′ = tanh, that is Φ = ln cosh; no φ_out′ in the rule.
    weights, x, y = setting((4, 5, 2))
    network = Feedforward(weights, "tanh", "tanh")

    def matching(n):
        a = n.forward(x).pre_activations[-1]
        return jax.numpy.sum(jax.numpy.log(jax.numpy.cosh(a)) - y * a) / x.shape[1]

    gradient = jax.grad(matching)(network)
    jax.tree.map(
        lambda f, g: np.testing.assert_allclose(f, -g, rtol=1e-10, atol=1e-14),
        Gradient().velocity(network, Samples(x, y)), gradient,
    )  # fmt: skip


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("kind", ["plain", "presynaptic", "postsynaptic", "synapse", "feedback", "both"])
def test_every_rule_is_its_sum_over_samples(activation, kind, x64):
    weights, x, y = setting((4, 5, 3, 2))
    rng = np.random.default_rng(5)
    shapes = {
        "presynaptic": lambda w: (1, w.shape[1]),
        "postsynaptic": lambda w: (len(w), 1),
        "synapse": lambda w: w.shape,
    }
    gains = [rng.choice([-1.0, 0.3, 1.0], shapes.get(kind, shapes["presynaptic"])(w)) for w in weights]
    feedback = [rng.normal(size=w.shape) for w in weights[1:]]
    rule = FeedbackAlignment(feedback) if kind in ("feedback", "both") else Gradient()
    rule = rule if kind in ("plain", "feedback") else SignFlipped(rule, gains)
    expected = velocity(
        weights, x, y, activation, activation,
        gains=None if kind in ("plain", "feedback") else gains,
        feedback=feedback if kind in ("feedback", "both") else None,
    )  # fmt: skip
    for task in (Samples(x, y), Samples(x, y, jax.numpy.asarray(x.T))):
        got = rule.velocity(Feedforward(weights, activation, activation), task).weights
        for a, b in zip(got, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-14)


def test_two_weight_model_conserves_what_it_should():
    # M = N = 1: gradient flow conserves w1² − w2²; with one of the two flipped w1² + w2² (equation 6).
    task = Samples(np.array([[1.0, -2.0]]), np.array([[0.5, -1.0]]))
    network = Feedforward([np.array([[0.7]]), np.array([[-1.3]])])
    w1, w2 = 0.7, -1.3
    f1, f2 = (float(f[0, 0]) for f in Gradient().velocity(network, task).weights)
    assert abs(w1 * f1 - w2 * f2) < 1e-14
    flipped = SignFlipped(Gradient(), [np.array([[1.0]]), np.array([[-1.0]])])
    g1, g2 = (float(f[0, 0]) for f in flipped.velocity(network, task).weights)
    assert abs(w1 * g1 + w2 * g2) < 1e-14


def test_what_is_no_rule_or_no_gains_is_refused():
    for rule, gains, message in [
        (3, [np.ones((1, 3))], "rule: got 3, required is a rule"),
        (Gradient(), 3, "gains: got 3, required is one matrix"),
        (Gradient(), np.array(3.0), "gains: got array"),
        (Gradient(), [1.0, 1.0], "gains: got 1.0 for layer 1, required is a matrix"),
        (Gradient(), [np.ones((1, 3)), [[1.0], [1.0, 2.0]]], "gains: got .* for layer 2, required is a matrix"),
        (Gradient(), [np.full((1, 3), np.nan)], "gains: layer 1 has values that are not finite"),
        (Gradient(), [np.ones((1, 3), np.float32)], "gains: layer 1: double precision is required"),
    ]:
        with pytest.raises(ValueError, match=message):
            SignFlipped(rule, gains)


def test_gains_and_feedback_of_wrong_shape_are_refused():
    weights, x, y = setting((4, 5, 2))
    network, task = Feedforward(weights), Samples(x, y)
    with pytest.raises(ValueError, match=r"gains: layer 1 has shape \(1, 3\), required is \(5, 4\)"):
        SignFlipped(Gradient(), [np.ones((1, 3)), np.ones((1, 5))]).velocity(network, task)
    with pytest.raises(ValueError, match="gains: got 1 layers, the network has 2"):
        SignFlipped(Gradient(), [np.ones((1, 4))]).velocity(network, task)
    with pytest.raises(ValueError, match="matrices: got shapes"):
        FeedbackAlignment([np.ones((5, 2))]).velocity(network, task)
