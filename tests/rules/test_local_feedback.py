"""Direct feedback alignment and the exponentiated gradient against loops and closed forms."""

import jax
import numpy as np
import pytest
import reference

import curlflow
from curlflow.networks import Feedforward
from curlflow.rules import DirectFeedbackAlignment, ExponentiatedGradient, FeedbackAlignment, Gradient
from curlflow.tasks import Samples

RNG = np.random.default_rng(0)
DEEP = [RNG.normal(size=shape) / 2 for shape in ((4, 3), (5, 4), (2, 5))]
MATRICES = [RNG.normal(size=(2, 4)), RNG.normal(size=(2, 5))]
X, Y = RNG.normal(size=(3, 7)), RNG.normal(size=(2, 7))


@pytest.mark.quick
def test_direct_feedback_sample_by_sample():
    biases = [RNG.normal(size=len(w)) for w in DEEP]
    found = DirectFeedbackAlignment(MATRICES).velocity(Feedforward(DEEP, "tanh", "sigmoid", biases), Samples(X, Y))
    weights, drifts = [np.zeros_like(w) for w in DEEP], [np.zeros_like(b) for b in biases]
    for x, y in zip(X.T, Y.T, strict=True):
        h1 = np.tanh(DEEP[0] @ x + biases[0])
        h2 = np.tanh(DEEP[1] @ h1 + biases[1])
        e = 1 / (1 + np.exp(-(DEEP[2] @ h2 + biases[2]))) - y
        signals = [(MATRICES[0].T @ e) * (1 - h1**2), (MATRICES[1].T @ e) * (1 - h2**2), e]
        for layer, (delta, h) in enumerate(zip(signals, (x, h1, h2), strict=True)):
            weights[layer] -= np.outer(delta, h) / 7
            drifts[layer] -= delta / 7
    for one, other in zip((*found.weights, *found.biases), (*weights, *drifts), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)


@pytest.mark.quick
def test_in_two_layers_direct_feedback_is_feedback_alignment():
    spec = curlflow.Spec(network={"inputs": 3, "hidden": 4, "outputs": 2}, data={"samples": 9})
    direct, chain = (
        spec.replace("rule", {"kind": kind, "scale": 0.7}).build()
        for kind in ("direct_feedback_alignment", "feedback_alignment")
    )
    assert isinstance(chain.rule, FeedbackAlignment)
    np.testing.assert_array_equal(direct.rule.matrices[0], chain.rule.matrices[0])
    one, other = (p.rule.velocity(p.student, p.task) for p in (direct, chain))
    for a, b in zip(one.weights, other.weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    deep = spec.replace({"rule": {"kind": "direct_feedback_alignment"}, "network.hidden": [4, 6, 5]}).build()
    assert [b.shape for b in deep.rule.matrices] == [(2, 4), (2, 6), (2, 5)]
    with pytest.raises(ValueError, match=r"matrices: got shapes \[\(2, 4\)\], required are .*\(2, 6\)"):
        DirectFeedbackAlignment(deep.rule.matrices[:1]).velocity(deep.student, deep.task)


@pytest.mark.quick
def test_exponentiated_gradients_are_gradients_times_strengths():
    network = Feedforward(DEEP, "tanh", "linear")
    gradient = reference.velocity(DEEP, X, Y, "tanh", "linear")
    found = ExponentiatedGradient().velocity(network, Samples(X, Y))
    for f, w, g in zip(found.weights, DEEP, gradient, strict=True):
        np.testing.assert_allclose(f, np.abs(w) * g, rtol=1e-12)


def test_one_weight_follows_a_logistic_curve_and_keeps_its_sign(x64):
    """For ⟨x²⟩ = 1 dw/dt = w (v − w): from w = 0.1 to v = 2, and with a target of the other sign to 0."""
    x = np.array([[1.0, -1.0]])
    for v, exact in (
        (2.0, lambda t: 2 / (1 + 19 * np.exp(-2 * t))),
        (-1.0, lambda t: 1 / (11 * np.exp(t) - 1)),
    ):
        problem = curlflow.Experiment(
            network=Feedforward([np.array([[0.1]])]),
            data=curlflow.Data(x.T, v * x.T),
            rule=ExponentiatedGradient(),
            dynamics={"kind": "flow", "rtol": 1e-10, "atol": 1e-14},
        )
        times = np.array([0.0, 1.0, 5.0])
        weights = curlflow.simulate(problem, times=times, weights="all").weights[0, :, 0]
        np.testing.assert_allclose(weights, exact(times), rtol=1e-7)


@pytest.mark.parametrize("kind", ["direct_feedback_alignment", "exponentiated_gradient"])
def test_in_specs(kind):
    spec = curlflow.Spec(
        network={"inputs": 3, "hidden": 4, "activation": "tanh"}, data={"samples": 9}, dynamics={"kind": "updates"},
        rule={"kind": kind, "flipped": {"hidden": 0.5}},
    )  # fmt: skip
    assert curlflow.Spec.from_toml_string(spec.to_toml()) == spec
    ds = curlflow.simulate(spec, times=[0, 50], weights="all")
    assert ds.train_error[0, 1] != ds.train_error[0, 0]
    if kind == "exponentiated_gradient":
        assert (np.sign(ds.weights[0, 1]) == np.sign(ds.weights[0, 0])).all()
        with pytest.raises(ValueError, match="ExponentiatedGradient has no equation for biases"):
            spec.replace("network.biases", True).build().updates()
    exponents = curlflow.lyapunov(spec, exponents=2, transient=5, alignment=5, duration=20, block=5)
    assert np.isfinite(exponents.lyapunov_exponent).all()


@pytest.mark.quick
def test_what_is_no_rule_is_refused():
    with pytest.raises(ValueError, match="rule: got 'gradient', required is a rule"):
        ExponentiatedGradient("gradient")
    assert ExponentiatedGradient().second_moments_suffice == Gradient().second_moments_suffice
    assert jax.tree.leaves(ExponentiatedGradient()) == []
