"""Oja's and Sanger's rules: principal components by NumPy, known rates at fixed points, a loop over samples."""

import numpy as np
import pytest
from reference import FUNCTIONS

import curlflow
from curlflow.constraints import Free
from curlflow.networks import Feedforward
from curlflow.rules import Oja, Sanger, SignFlipped
from curlflow.systems.learning import learning_flow
from curlflow.tasks import GivenErrors, LinearSamples, Samples, SecondMoments

SPEC = curlflow.Spec(
    network={"inputs": 4, "hidden": [], "outputs": 1},
    rule={"kind": "oja"},
    data={"samples": 12, "input_std": 1.0, "seed": 3},
)
WIDE = curlflow.Spec(
    network={"inputs": 3, "hidden": 12, "outputs": 2}, data={"samples": 30}, start={"kind": "random", "law": "normal"}
)
KINDS = {"oja": Oja(), "sanger": Sanger()}


def components(problem):
    """Variances in decreasing order, and the principal directions as rows."""
    values, vectors = np.linalg.eigh(problem.covariance)
    return values[::-1], vectors.T[::-1]


def fixed_rates(kind, variances, units):
    """Eigenvalues at the principal components, by hand: for the matrices C of δW = C V (see docs/model.md)."""
    outside = [variances[j] - variances[i] for i in range(units) for j in range(units, len(variances))]
    if kind == "oja":
        inside = [-(variances[i] + variances[j]) for i in range(units) for j in range(i, units)]
        return np.array(outside + inside + [0.0] * (units * (units - 1) // 2))
    before = [-variances[i] for i in range(units) for _ in range(i)]
    own = [-2 * variances[i] for i in range(units)]
    return np.array(
        outside + before + own + [variances[j] - variances[i] for i in range(units) for j in range(i + 1, units)]
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("activation", ["linear", "tanh"])
def test_velocity_is_its_sum_over_samples(kind, activation, x64):
    rng = np.random.default_rng(0)
    widths = (4, 5, 3, 2)
    weights = [rng.normal(size=(post, pre)) for pre, post in zip(widths, widths[1:], strict=False)]
    x, y = rng.normal(size=(4, 9)), rng.normal(size=(2, 9))
    phi = FUNCTIONS[activation][0]
    expected = [np.zeros_like(w) for w in weights]
    for sample in x.T:
        h = sample
        for layer, w in enumerate(weights):
            out = phi(w @ h)
            for i, k in np.ndindex(w.shape):
                before = range(i + 1) if kind == "sanger" else range(len(out))
                expected[layer][i, k] += out[i] * (h[k] - sum(out[j] * w[j, k] for j in before)) / x.shape[1]
            h = out
    network = Feedforward(weights, activation, activation)
    got = KINDS[kind].velocity(network, Samples(x, y)).weights
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    # Targets are ignored.
    other = KINDS[kind].velocity(network, Samples(x, 0 * y)).weights
    assert all((a == b).all() for a, b in zip(got, other, strict=True))


def test_every_task_with_data_has_its_second_moments(x64):
    rng = np.random.default_rng(1)
    x, v, w = rng.normal(size=(4, 9)), rng.normal(size=(2, 4)), rng.normal(size=(2, 4))
    network, e = Feedforward([w]), (w - v) @ x
    tasks = Samples(x, v @ x), LinearSamples(x, v), SecondMoments(x @ x.T / 9, v)
    for task in tasks:
        np.testing.assert_allclose(task.times_covariance(np.eye(4)), x @ x.T / 9, rtol=1e-12)
        np.testing.assert_allclose(task.times_covariance(np.arange(4.0)), x @ x.T @ np.arange(4.0) / 9, rtol=1e-12)
        np.testing.assert_allclose(task.error_covariance(network), e @ e.T / 9, rtol=1e-12)
        np.testing.assert_allclose(np.trace(task.error_covariance(network)) / 2, task.error(network), rtol=1e-12)
    variances = SecondMoments(np.arange(1.0, 5.0), v)
    np.testing.assert_allclose(variances.error_covariance(network), (w - v) * np.arange(1, 5) @ (w - v).T, rtol=1e-12)


@pytest.mark.parametrize("dynamics", [{"kind": "flow"}, {"kind": "updates", "batch": "full", "learning_rate": 0.05}])
def test_one_unit_finds_the_first_component(dynamics):
    spec = SPEC.replace("dynamics", dynamics)
    ds = curlflow.simulate(spec, times=[0, 2000] if dynamics["kind"] == "updates" else [0, 100], weights="all")
    w = ds.weights[0, -1].values
    _, vectors = components(spec.build())
    assert abs(np.linalg.norm(w) - 1) < 1e-6
    assert abs(abs(vectors[0] @ w) - 1) < 1e-6


def test_sanger_finds_the_components_in_their_order_and_oja_their_span():
    for kind in KINDS:
        spec = SPEC.replace({"rule.kind": kind, "network.outputs": 3})
        ds = curlflow.simulate(spec, times=[0, 300], weights="all")
        w = ds.weights[0, -1].values.reshape(3, 4)
        _, vectors = components(spec.build())
        np.testing.assert_allclose(w @ w.T, np.eye(3), atol=1e-5)
        overlap = np.abs(w @ vectors[:3].T)
        if kind == "sanger":
            np.testing.assert_allclose(overlap, np.eye(3), atol=1e-5)
        else:
            np.testing.assert_allclose(w.T @ w, vectors[:3].T @ vectors[:3], atol=1e-5)
            assert np.abs(overlap - np.eye(3)).max() > 0.1


@pytest.mark.parametrize("units", [1, 2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_rates_at_the_components(kind, units):
    spec = SPEC.replace({"rule.kind": kind, "network.outputs": units})
    variances, vectors = components(spec.build())
    ds = curlflow.stability(spec, at=[vectors[:units]])
    expected = np.sort(fixed_rates(kind, variances, units))
    found = np.zeros(expected.size)
    values = ds.eigenvalue_real[0].values
    values = values[np.isfinite(values)]
    found[: values.size] = values
    np.testing.assert_allclose(np.sort(found), expected, atol=1e-9)
    assert bool(ds.stable[0])
    # Components in another order are a fixed point too, and unstable.
    other = curlflow.stability(spec, at=[vectors[1 : units + 1]])
    assert not bool(other.stable[0])


@pytest.mark.parametrize(("kind", "units"), [("oja", 1), ("sanger", 2)])
def test_exponents_of_a_settled_run_are_those_rates(kind, units):
    spec = SPEC.replace({"rule.kind": kind, "network.outputs": units})
    variances, _ = components(spec.build())
    ds = curlflow.lyapunov(spec, exponents=4 * units, duration=60, transient=150, alignment=60)
    expected = np.sort(fixed_rates(kind, variances, units))[::-1]
    np.testing.assert_allclose(ds.lyapunov_exponent[0], expected, atol=2e-3)


def test_several_units_are_no_gradient():
    # At a fixed point one unit has a symmetric Jacobian; two units of either rule do not.
    for kind in KINDS:
        for units in (1, 2):
            spec = SPEC.replace({"rule.kind": kind, "network.outputs": units})
            _, vectors = components(spec.build())
            ds = curlflow.decomposition(spec, at=Feedforward([vectors[:units]]))
            ratio = float(ds.curl_ratio[0])
            assert (ratio < 1e-9) == (units == 1), (kind, units, ratio)


def test_flips_decide_which_component_is_stable():
    # Σ diagonal, the input of largest variance flipped: rates d_j (λ_j − λ_i) and −2 d_i λ_i at component i.
    variances, signs = np.array([3.0, 2.0, 1.0]), np.array([-1.0, 1.0, 1.0])
    rule = SignFlipped(Oja(), [signs[None]])
    for i in range(3):
        w = np.eye(3)[i : i + 1]
        flow = learning_flow(Feedforward([w]), rule, SecondMoments(variances, np.ones((1, 3))), Free())
        ds = curlflow.stability(flow)
        expected = signs * (variances - variances[i])
        expected[i] = -2 * signs[i] * variances[i]
        np.testing.assert_allclose(np.sort(ds.eigenvalue_real[0]), np.sort(expected), atol=1e-12)
        assert bool(ds.stable[0]) == (i == 1)


@pytest.mark.parametrize("constraint", ["none", "frobenius"])
@pytest.mark.parametrize("flipped", [0.0, 0.5])
def test_wide_layers_of_oja_compress_exactly(constraint, flipped):
    spec = WIDE.replace({"rule.kind": "oja", "rule.flipped.hidden": flipped, "constraint.kind": constraint})
    wide = spec.build()
    narrow = wide.compressed()
    assert narrow.student.widths[1] == 5 * (1 + (flipped > 0))
    a, b = (p.updates(learning_rate=0.02) for p in (wide, narrow))
    a, b = (s.advance(s.state, None, 200, s.clock()).state for s in (a, b))
    for u, v in zip(a.weights, narrow.compression.expand(b).weights, strict=True):
        assert np.isfinite(u).all()
        np.testing.assert_allclose(u, v, atol=1e-11)
    assert SPEC.replace({"rule.kind": "sanger", "network.hidden": 30}).build().compressed().compression is None


@pytest.mark.slow
def test_compressed_exponents_are_those_of_the_wide_network():
    spec = WIDE.replace({"rule.kind": "oja", "network.inputs": 2, "network.hidden": 4, "network.outputs": 1})
    options = {"exponents": 12, "duration": 20, "transient": 60, "alignment": 150}
    a, b = curlflow.lyapunov(spec, **options), curlflow.lyapunov(spec, rule=Unrotated(), **options)
    assert "compression" in a.attrs
    assert "compression" not in b.attrs
    np.testing.assert_allclose(a.lyapunov_exponent, b.lyapunov_exponent, atol=4e-3)


class Unrotated(curlflow.rules.AbstractLearningRule):
    """Oja's rule, which says nothing of its symmetries."""

    def velocity(self, network, task):
        return Oja().velocity(network, task)


def test_teachers_weights_are_no_fixed_point():
    with pytest.warns(UserWarning, match="a solution, but no fixed point of this rule"):
        ds = curlflow.stability(SPEC)
    assert ds.status[0] == curlflow.Status.not_a_fixed_point


def test_the_errors_alone_do_not_drive_it(x64):
    with pytest.raises(AttributeError, match="times_covariance"):
        Oja().velocity(Feedforward([np.ones((1, 3))]), GivenErrors(np.ones((3, 2)), np.ones((1, 2))))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch", ["full", 10])
@pytest.mark.parametrize("constraint", ["none", "frobenius"])
def test_studies(kind, batch, constraint):
    spec = curlflow.Spec(
        network={"inputs": 4, "hidden": [5, 3], "outputs": 2, "activation": "tanh"},
        rule={"kind": kind, "flipped": {"inputs": 0.25}},
        data={"samples": 30},
        constraint={"kind": constraint},
        dynamics={"kind": "updates", "batch": batch},
    )
    ds = curlflow.simulate(spec, times=[0, 5, 20])
    assert np.isfinite(ds.test_error).all()
    trained = curlflow.train(spec, epochs=20)
    np.testing.assert_allclose(trained.test_error, ds.test_error[:, -1], rtol=1e-9)


def test_specs_and_sweeps():
    text = '[network]\ninputs = 3\nhidden = 4\n[rule]\nkind = "sanger"\nflipped = { inputs = { count = 1 } }\n'
    spec = curlflow.Spec.from_toml_string(text)
    assert curlflow.Spec.from_toml_string(spec.to_toml()) == spec
    rule = spec.build().rule
    assert isinstance(rule, SignFlipped)
    assert isinstance(rule.rule, Sanger)
    assert rule.gains[0].tolist() == [[-1, 1, 1]]
    assert isinstance(spec.replace("rule", {"kind": "oja"}).build().rule, Oja)
    with pytest.raises(
        ValueError, match="rule.scale: got 2.0, but the kind of rule that was chosen has no use for it"
    ):
        spec.replace("rule", {"kind": "oja", "scale": 2.0})
