"""Recurrent networks and their rules, against loops in NumPy over samples, times and synapses, and differences."""

import jax
import numpy as np
import pytest

import curlflow
from curlflow.networks import Feedforward, Recurrent
from curlflow.networks.model import Model
from curlflow.rules import RFLO, EProp, Gradient, RandomFeedback
from curlflow.tasks import LossSamples, Samples

SAMPLES, T, IN, N, OUT = 3, 7, 2, 6, 2
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(SAMPLES, T, IN)), RNG.normal(size=(SAMPLES, T, OUT))
B = RNG.normal(size=(OUT, N))
PARTS = RNG.normal(size=(N, IN)), 1.3 * RNG.normal(size=(N, N)) / np.sqrt(N), RNG.normal(size=(OUT, N)) / np.sqrt(N)
BIAS = 0.3 * RNG.normal(size=N)
LEAKY = {"tau": 2.5, "step": 0.5}
KINDS = {"discrete": {}, "continuous": LEAKY}

pytestmark = pytest.mark.usefixtures("x64")


def network(kind, weights=(*PARTS, BIAS)):
    return Recurrent(*weights, **KINDS[kind])


def task(x=X, y=Y):
    return Samples(np.moveaxis(x, 0, -1), np.moveaxis(y, 0, -1))


def outputs(weights, alpha, x):
    """One sample, step by step: outputs, potentials and rates of the step before."""
    w_in, w_rec, w_out, b = weights
    h, found = np.zeros(len(b)), []
    for now in x:
        before = np.tanh(h)
        h = (1 - alpha) * h + alpha * (w_rec @ before + w_in @ now + b)
        found.append((w_out @ np.tanh(h), h, before))
    return found


def error(weights, alpha):
    return sum(0.5 * np.sum((o[0] - y) ** 2) for x, ys in zip(X, Y, strict=True)
               for o, y in zip(outputs(weights, alpha, x), ys, strict=True)) / SAMPLES  # fmt: skip


def traced(weights, alpha, feedback):
    """The local rule, sample by sample, time by time, synapse by synapse."""
    w_in, w_rec, _, b = weights
    updates = [np.zeros_like(w) for w in weights]
    for x, targets in zip(X, Y, strict=True):
        p_in, p_rec, p_b = np.zeros_like(w_in), np.zeros_like(w_rec), np.zeros_like(b)
        for (y, h, before), now, target in zip(outputs(weights, alpha, x), x, targets, strict=True):
            e = (y - target) / SAMPLES
            for i in range(N):
                signal = sum(feedback[k, i] * e[k] for k in range(OUT)) * (1 - np.tanh(h[i]) ** 2)
                for j in range(IN):
                    p_in[i, j] = (1 - alpha) * p_in[i, j] + alpha * now[j]
                    updates[0][i, j] -= signal * p_in[i, j]
                for j in range(N):
                    p_rec[i, j] = (1 - alpha) * p_rec[i, j] + alpha * before[j]
                    updates[1][i, j] -= signal * p_rec[i, j]
                p_b[i] = (1 - alpha) * p_b[i] + alpha
                updates[3][i] -= signal * p_b[i]
            updates[2] -= np.outer(e, np.tanh(h))
    return updates


def slopes(weights, alpha, step=1e-5):
    """−∂E/∂W by central differences of the error, entry by entry."""
    found = []
    for k, w in enumerate(weights):
        slope = np.zeros_like(w)
        for at in np.ndindex(w.shape):
            ends = []
            for sign in (1, -1):
                moved = [v.copy() for v in weights]
                moved[k][at] += sign * step
                ends.append(error(moved, alpha))
            slope[at] = -(ends[0] - ends[1]) / (2 * step)
        found.append(slope)
    return found


def flat(arrays):
    return np.concatenate([np.ravel(a) for a in arrays])


def cosine(a, b):
    a, b = flat(a), flat(b)
    return a @ b / np.linalg.norm(a) / np.linalg.norm(b)


@pytest.mark.parametrize("kind", KINDS)
def test_outputs_are_those_of_a_loop(kind):
    one = network(kind)
    for x in X:
        expected = [o[0] for o in outputs((*PARTS, BIAS), one.alpha, x)]
        np.testing.assert_allclose(one(x), expected, atol=1e-13)


@pytest.mark.parametrize("kind", KINDS)
def test_updates_are_those_of_loops_and_differences(kind):
    one = network(kind)
    model = Model.of(one)
    alpha, weights = one.alpha, (*PARTS, BIAS)
    gradient = Gradient().velocity(model, task()).weights
    differences = slopes(weights, alpha)
    for a, b in zip(gradient, differences, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)
    for rule, feedback in ((RFLO(B), B), (EProp(B), B), (EProp(), PARTS[2])):
        update, loop = rule.velocity(model, task()).weights, traced(weights, alpha, feedback)
        for a, b in zip(update, loop, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(cosine(update, gradient), cosine(loop, differences), atol=1e-6)
        assert 0 < cosine(update, gradient) < 1
    # Random feedback is the gradient of an error that goes through B, but for the readout; with B = W_out all of it.
    symmetric = RandomFeedback(PARTS[2]).velocity(model, task()).weights
    for a, b in zip(symmetric, gradient, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)
    fixed = [(outputs(weights, alpha, x), y) for x, y in zip(X, Y, strict=True)]
    sent = [np.array([(o[0] - t) @ B for o, t in zip(found, y, strict=True)]) / SAMPLES for found, y in fixed]
    virtual = lambda w: sum(  # noqa: E731
        np.sum(s * np.array([np.tanh(o[1]) for o in outputs(w, alpha, x)])) for s, x in zip(sent, X, strict=True)
    )
    found, moved = RandomFeedback(B).velocity(model, task()).weights, RNG.normal(size=(N, N))
    ends = [virtual((PARTS[0], PARTS[1] + h * moved, *weights[2:])) for h in (1e-5, -1e-5)]
    np.testing.assert_allclose(np.sum(found[1] * moved), -(ends[0] - ends[1]) / 2e-5, rtol=1e-6)


def test_of_one_step_symmetric_e_prop_is_the_gradient():
    model, one = Model.of(network("continuous")), task(X[:, :1], Y[:, :1])
    for a, b in zip(EProp().velocity(model, one).weights, Gradient().velocity(model, one).weights, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-14)


def test_any_loss_is_learned_and_derivatives_are_right():
    """As the contract of rules: forward derivatives, which exponents follow, against differences."""
    loss = lambda outputs, targets: ((outputs[:, -1] - targets[:, -1]) ** 2).mean()  # noqa: E731
    last = LossSamples(np.moveaxis(X, 0, -1), np.moveaxis(Y, 0, -1), loss)
    model = Model.of(network("continuous", PARTS))
    along = model.with_weights([RNG.normal(size=np.shape(w)) for w in model.weights])
    for rule in (RFLO(B), EProp(), RandomFeedback(B)):
        _, derivative = jax.jvp(lambda m, rule=rule: rule.velocity(m, last), (model,), (along,))
        ends = [rule.velocity(jax.tree.map(lambda w, d, h=h: w + h * d, model, along), last) for h in (1e-6, -1e-6)]
        for d, plus, minus in zip(derivative.weights, *(end.weights for end in ends), strict=True):
            np.testing.assert_allclose(d, (plus - minus) / 2e-6, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("rule", [RFLO(B), EProp(), RandomFeedback(B)])
def test_what_has_no_time_or_no_recurrence_is_refused(rule):
    with pytest.raises(ValueError, match="rule: got a Feedforward, .* learns in a curlflow.networks.Recurrent alone"):
        rule.velocity(Feedforward([np.ones((2, 3))]), task())
    with pytest.raises(ValueError, match=r"rule: got a tuple"):
        rule.velocity(Model((PARTS[0],), lambda p, x: x), task())
    data = curlflow.Data(X[:, 0], Y[:, 0])
    with pytest.raises(ValueError, match=r"model: it cannot be applied to inputs of shape \(2,\)"):
        curlflow.Experiment(model=network("discrete"), data=data, rule=rule).build()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"w_in": np.ones((5, 2))}, r"w_in: got shape \(5, 2\), required is \(6, 2\)"),
        ({"activation": "sine"}, "activation: got 'sine', allowed are linear, tanh"),
        ({"step": 0.5}, "step: got 0.5, allowed is 1 in discrete time"),
        ({"tau": 1.0, "step": 2.0}, "step: got 2.0 with tau = 1.0, allowed is 0 < step ≤ tau"),
    ],
)
def test_networks_that_do_not_fit_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        Recurrent(**{**dict(zip(("w_in", "w_rec", "w_out"), PARTS, strict=True)), **given})


def test_feedback_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"feedback: got shape \(6, 2\), required is that of w_out: \(2, 6\)"):
        RFLO(B.T).velocity(Model.of(network("discrete")), task())
