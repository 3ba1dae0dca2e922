"""What every learning rule must do; a new rule is added to RULES and nowhere else."""

import jax
import numpy as np
import pytest

from curlflow.networks import Feedforward
from curlflow.rules import (
    AbstractLearningRule,
    DirectFeedbackAlignment,
    ExponentiatedGradient,
    FeedbackAlignment,
    Gradient,
    Oja,
    PredictiveCoding,
    Sanger,
    SignFlipped,
)
from curlflow.tasks import Samples, SecondMoments

WIDTHS = (4, 5, 3, 2)
RNG = np.random.default_rng(1)
WEIGHTS = [RNG.normal(size=(post, pre)) / np.sqrt(pre) for pre, post in zip(WIDTHS, WIDTHS[1:], strict=False)]
TEACHER = [RNG.normal(size=w.shape) / np.sqrt(w.shape[1]) for w in WEIGHTS]
FEEDBACK = [RNG.normal(size=w.shape) for w in WEIGHTS[1:]]
PRESYNAPTIC = [RNG.choice([-1.0, 1.0], (1, w.shape[1])) for w in WEIGHTS]
SYNAPTIC = [RNG.choice([-1.0, 1.0], w.shape) for w in WEIGHTS]


class Hebbian(AbstractLearningRule):
    """A user's rule: not driven by errors, so it must always be given samples."""

    def velocity(self, network, task):
        x, _ = task.residuals(network)
        h = network.forward(x).activities
        return network.with_weights(after @ before.T / x.shape[1] for before, after in zip(h, h[1:], strict=False))


RULES = {
    "gradient": Gradient(),
    "feedback_alignment": FeedbackAlignment(FEEDBACK),
    "flipped gradient": SignFlipped(Gradient(), PRESYNAPTIC),
    "flipped synapses": SignFlipped(Gradient(), SYNAPTIC),
    "flipped feedback": SignFlipped(FeedbackAlignment(FEEDBACK), PRESYNAPTIC),
    "flipped twice": SignFlipped(SignFlipped(Gradient(), PRESYNAPTIC), PRESYNAPTIC),
    "direct feedback": DirectFeedbackAlignment([RNG.normal(size=(WIDTHS[-1], units)) for units in WIDTHS[1:-1]]),
    "exponentiated gradient": ExponentiatedGradient(),
    "predictive coding": PredictiveCoding(0.7, steps=20),
    "flipped predictive coding": SignFlipped(PredictiveCoding(), PRESYNAPTIC),
    "oja": Oja(),
    "sanger": Sanger(),
    "flipped sanger": SignFlipped(Sanger(), PRESYNAPTIC),
    "user's own": Hebbian(),
}


def samples(activation):
    x = np.random.default_rng(2).normal(size=(WIDTHS[0], 30))
    return Samples(x, np.asarray(Feedforward(TEACHER, activation, activation)(x)))


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("activation", ["linear", pytest.param("tanh", marks=pytest.mark.quick), "relu", "sigmoid"])
def test_contract(name, activation, x64):
    rule, task, network = RULES[name], samples(activation), Feedforward(WEIGHTS, activation, activation)
    before = [w.copy() for w in network.weights]
    velocity = rule.velocity(network, task)
    # Same type, shapes and precision as the network, and finite.
    assert jax.tree.structure(velocity) == jax.tree.structure(network)
    for f, w in zip(velocity.weights, network.weights, strict=True):
        assert f.shape == w.shape
        assert f.dtype == np.float64
        assert np.isfinite(f).all()
    # Pure: the same again, also compiled, and the network untouched.
    compiled = jax.jit(lambda n: rule.velocity(n, task))(network)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-13), compiled, velocity)
    assert all((a == b).all() for a, b in zip(network.weights, before, strict=True))
    # Differentiable forwards, as tangents need it: against central differences.
    direction = network.with_weights(np.random.default_rng(3).normal(size=w.shape) for w in WEIGHTS)
    _, derivative = jax.jvp(lambda n: rule.velocity(n, task), (network,), (direction,))
    h = 1e-6
    plus, minus = (
        rule.velocity(jax.tree.map(lambda w, d, s=s: w + s * h * d, network, direction), task) for s in (1, -1)
    )
    jax.tree.map(
        lambda d, p, m: np.testing.assert_allclose(d, (p - m) / (2 * h), rtol=1e-5, atol=1e-7),
        derivative,
        plus,
        minus,
    )


@pytest.mark.parametrize("name", [name for name in RULES if RULES[name].second_moments_suffice])
def test_second_moments_do_for_linear_networks_what_samples_do(name, x64):
    task, network = samples("linear"), Feedforward(WEIGHTS)
    moments = SecondMoments(task.x @ task.x.T / task.x.shape[1], np.asarray(Feedforward(TEACHER).product()))
    a, b = (RULES[name].velocity(network, t) for t in (task, moments))
    jax.tree.map(lambda u, v: np.testing.assert_allclose(u, v, rtol=1e-10, atol=1e-13), a, b)
    np.testing.assert_allclose(task.error(network), moments.error(network), rtol=1e-12)


def test_rules_that_do_not_say_so_get_samples():
    assert not Hebbian().second_moments_suffice
    assert not SignFlipped(Hebbian(), PRESYNAPTIC).second_moments_suffice
