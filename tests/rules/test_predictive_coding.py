"""Predictive coding: a slow relaxation in NumPy, the energy that it descends, closed forms at solutions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from reference import FUNCTIONS

import curlflow
from curlflow.networks import Feedforward
from curlflow.rules import Gradient, PredictiveCoding, SignFlipped
from curlflow.tasks import GivenErrors, Samples

SPEC = curlflow.Spec(
    network={"inputs": 4, "hidden": 6},
    rule={"kind": "predictive_coding"},
    data={"samples": 30},
    start={"kind": "teacher"},
)


def setting(widths, seed=0, samples=9):
    rng = np.random.default_rng(seed)
    weights = [rng.normal(size=(post, pre)) / np.sqrt(pre) for pre, post in zip(widths, widths[1:], strict=False)]
    return weights, rng.normal(size=(widths[0], samples)), rng.normal(size=(widths[-1], samples))


def settled(weights, x, y, precision, activation="linear", output="linear", steps=4000, rate=0.05):
    """Equation (19), sample by sample: activities after a relaxation, then the local products."""
    (phi, slope), phi_out = FUNCTIONS[activation], FUNCTIONS[output][0]
    total = [np.zeros_like(w) for w in weights]
    for sample, target in zip(x.T, y.T, strict=True):
        h = [sample]
        for w in weights[:-1]:
            h.append(phi(w @ h[-1]))

        def signals(h, target=target):
            errors = [h[i + 1] - phi(w @ h[i]) for i, w in enumerate(weights[:-1])]
            last = precision * (target - phi_out(weights[-1] @ h[-1]))
            return errors, [e * slope(weights[i] @ h[i]) for i, e in enumerate(errors)] + [last]

        for _ in range(steps):
            errors, deltas = signals(h)
            moves = [weights[i + 1].T @ deltas[i + 1] - e for i, e in enumerate(errors)]
            h = [sample, *(a + rate * m for a, m in zip(h[1:], moves, strict=True))]
        for i, d in enumerate(signals(h)[1]):
            total[i] += np.outer(d, h[i]) / precision / x.shape[1]
    return total


@pytest.mark.parametrize("precision", [1.0, 0.3, 4.0])
@pytest.mark.parametrize("widths", [(3, 1), (4, 5, 1), (4, 5, 2), (3, 4, 3, 2)])
def test_closed_form_is_where_a_slow_relaxation_ends(widths, precision, x64):
    weights, x, y = setting(widths)
    got = PredictiveCoding(precision).velocity(Feedforward(weights), Samples(x, y)).weights
    for a, b in zip(got, settled(weights, x, y, precision), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-10)


@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid"])
@pytest.mark.parametrize("output", ["linear", "same"])
def test_fixed_steps_are_those_of_a_loop(activation, output, x64):
    weights, x, y = setting((4, 5, 3, 2))
    output = activation if output == "same" else output
    rule = PredictiveCoding(0.5, steps=7, rate=0.2)
    got = rule.velocity(Feedforward(weights, activation, output), Samples(x, y)).weights
    expected = settled(weights, x, y, 0.5, activation, output, steps=7, rate=0.2)
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("widths", [(4, 5, 1), (3, 4, 3, 2)])
def test_linear_networks_descend_a_rescaled_error(widths, x64):
    # Not ½⟨|e|²⟩ but ½⟨eᵀ S⁻¹ e⟩, S = 1 + π Σ Mₗ Mₗᵀ: the energy at its minimum over the activities.
    weights, x, y = setting(widths)
    precision = 0.7

    def energy(network):
        e = network(x) - y
        s, m = jnp.eye(len(e)), jnp.eye(len(e))
        for w in network.weights[:0:-1]:
            m = m @ w
            s = s + precision * m @ m.T
        return 0.5 * jnp.sum(e * jnp.linalg.solve(s, e)) / x.shape[1]

    network, task = Feedforward(weights), Samples(x, y)
    got = PredictiveCoding(precision).velocity(network, task)
    jax.tree.map(lambda f, g: np.testing.assert_allclose(f, -g, atol=1e-13), got, jax.grad(energy)(network))
    other = Gradient().velocity(network, task)
    assert max(np.abs(a - b).max() for a, b in zip(got.weights, other.weights, strict=True)) > 0.1


@pytest.mark.parametrize("activation", ["linear", "tanh"])
def test_low_precision_is_gradient_descent_to_first_order(activation, x64):
    weights, x, y = setting((4, 5, 3, 2))
    network, task = Feedforward(weights, activation, activation), Samples(x, y)
    gradient = Gradient().velocity(network, task).weights

    def distance(precision):
        # For |W| of order 1 three hundred steps of 0.1 leave e^-30 of the relaxation.
        got = PredictiveCoding(precision, steps=300).velocity(network, task).weights
        return max(np.abs(a - b).max() for a, b in zip(got, gradient, strict=True))

    assert distance(1e-4) < 1e-3
    assert abs(distance(1e-3) / distance(1e-4) - 10) < 0.1


@pytest.mark.parametrize("activation", ["linear", "tanh"])
def test_small_errors_change_weights_as_a_linear_map_of_them(activation, x64):
    # In the last layer the gradient times S⁻¹, exactly so in the limit e → 0; at e = 0 it stands still.
    weights, x, y = setting((4, 5, 2))
    network = Feedforward(weights, activation)
    outputs = np.asarray(network(x))
    rule = PredictiveCoding(steps=500)
    still = rule.velocity(network, Samples(x, outputs))
    assert all(np.abs(f).max() < 1e-14 for f in still.weights)
    small, smaller = (rule.velocity(network, Samples(x, outputs + s * y)).weights for s in (1e-4, 1e-5))
    for a, b in zip(small, smaller, strict=True):
        np.testing.assert_allclose(a / 1e-4, b / 1e-5, atol=1e-3)
    if activation == "linear":
        w = weights[1]
        s = np.eye(2) + w @ w.T
        gradient = Gradient().velocity(network, Samples(x, outputs + 1e-5 * y)).weights
        np.testing.assert_allclose(smaller[1] / 1e-5, np.linalg.solve(s, gradient[1]) / 1e-5, atol=1e-3)


def nonzero(ds):
    values = ds.eigenvalue_real[0].values + 1j * ds.eigenvalue_imag[0].values
    return np.sort(values[np.isfinite(values)].real)


@pytest.mark.parametrize("precision", [1.0, 0.2])
@pytest.mark.parametrize("flipped", [0.0, 0.5])
def test_one_output_relaxes_as_gradient_descent_but_slower(precision, flipped):
    # (21): −H Σ / (1 + π|w2|²), with the signs in H as in (4).
    changes = {"rule.output_precision": precision, "rule.flipped.inputs": flipped}
    spec = SPEC.replace(changes)
    problem = spec.build()
    w1, w2 = problem.teacher.weights
    d1 = np.where(np.arange(4) < 4 * flipped, -1.0, 1.0)
    h = w1.T @ w1 + np.sum(w2**2) * np.diag(d1)
    expected = np.linalg.eigvals(-h @ problem.covariance) / (1 + precision * np.sum(w2**2))
    ds = curlflow.stability(spec)
    assert ds.method[0] == 0  # the kernel of products, of size outputs · inputs
    np.testing.assert_allclose(nonzero(ds), np.sort(expected.real), rtol=1e-7)
    jacobian = curlflow.stability(spec, at=[w + 1e-12 for w in problem.teacher.weights], tolerance=1e-30)
    np.testing.assert_allclose(nonzero(jacobian), np.sort(expected.real), rtol=1e-7)


def test_several_outputs_and_layers_have_their_kernel():
    # dE/dt = −Σₗ Mₗ Mₗᵀ S⁻¹ E Σ Pᵀ P with P = Wₗ₋₁…W_1, as a matrix on E.
    spec = SPEC.replace({"network.hidden": [5, 4], "network.outputs": 2})
    problem = spec.build()
    w1, w2, w3 = problem.teacher.weights
    ms, ps = [w3 @ w2, w3, np.eye(2)], [np.eye(4), w1, w2 @ w1]
    s = np.linalg.inv(sum(m @ m.T for m in ms))
    kernel = -sum(np.kron(m @ m.T @ s, p.T @ p @ problem.covariance) for m, p in zip(ms, ps, strict=True))
    expected = np.sort(np.linalg.eigvals(kernel).real)
    np.testing.assert_allclose(nonzero(curlflow.stability(spec)), expected, rtol=1e-7)


@pytest.mark.parametrize("constraint", ["none", "frobenius"])
def test_kernels_are_the_jacobian_of_nonlinear_networks(constraint):
    spec = SPEC.replace({"network.activation": "tanh", "constraint.kind": constraint, "data.samples": 8})
    spec = spec.replace({"network.hidden": 4, "rule.flipped.hidden": 0.5, "rule.steps": 10})
    ds = curlflow.stability(spec)
    assert ds.method[0] == 1
    jacobian = curlflow.stability(spec.build().flow(), at="start")
    np.testing.assert_allclose(nonzero(ds)[:5], nonzero(jacobian)[:5], rtol=1e-6)


def test_exponents_at_a_solution_are_its_eigenvalues():
    spec = SPEC.replace({"network.inputs": 2, "network.hidden": 2})
    ds = curlflow.lyapunov(spec, exponents=6, duration=40, transient=0, alignment=60)
    expected = np.zeros(6)
    expected[4:] = nonzero(curlflow.stability(spec))[::-1]
    np.testing.assert_allclose(ds.lyapunov_exponent[0], expected, atol=2e-3)


@pytest.mark.slow
def test_it_has_a_potential_when_settled_and_none_before():
    spec = SPEC.replace({"start.kind": "random", "network.hidden": 3})
    ds = curlflow.decomposition(spec)
    assert float(ds.curl_ratio[0]) < 1e-9
    assert float(ds.gradient_angle[0]) > 0.05  # not the gradient of the squared error
    ratios = []
    for steps in (3, 300):
        nonlinear = spec.replace({"network.activation": "tanh", "rule.steps": steps})
        ratios.append(float(curlflow.decomposition(nonlinear).curl_ratio[0]))
    assert ratios[0] > 1e-3
    assert ratios[1] < 1e-9
    assert float(curlflow.decomposition(spec.replace("rule.flipped.inputs", 0.5)).curl_ratio[0]) > 0.1


@pytest.mark.parametrize("constraint", ["none", "frobenius"])
@pytest.mark.parametrize("flipped", [0.0, 0.5])
def test_wide_linear_layers_compress_exactly(constraint, flipped):
    spec = curlflow.Spec(
        network={"inputs": 3, "hidden": 14, "outputs": 2},
        rule={"kind": "predictive_coding", "flipped": {"hidden": flipped}},
        data={"samples": 30},
        constraint={"kind": constraint},
    )
    wide = spec.build()
    narrow = wide.compressed()
    assert narrow.student.widths[1] == 5 * (1 + (flipped > 0))
    a, b = (p.updates(learning_rate=0.05) for p in (wide, narrow))
    a, b = (s.advance(s.state, None, 200, s.clock()).state for s in (a, b))
    for u, v in zip(a.weights, narrow.compression.expand(b).weights, strict=True):
        np.testing.assert_allclose(u, v, atol=1e-11)


class Unrotated(curlflow.rules.AbstractLearningRule):
    """Predictive coding, which says nothing of its symmetries."""

    def velocity(self, network, task):
        return PredictiveCoding().velocity(network, task)


@pytest.mark.slow
def test_compressed_exponents_are_those_of_the_wide_network():
    spec = SPEC.replace({"network.inputs": 2, "network.hidden": 5})
    options = {"exponents": 15, "duration": 20, "transient": 0, "alignment": 60}
    a, b = curlflow.lyapunov(spec, **options), curlflow.lyapunov(spec, rule=Unrotated(), **options)
    assert "compression" in a.attrs
    assert "compression" not in b.attrs
    np.testing.assert_allclose(a.lyapunov_exponent, b.lyapunov_exponent, atol=2e-3)


def test_linear_hidden_units_below_squashed_outputs_compress_too(x64):
    spec = curlflow.Spec(
        network={"inputs": 3, "hidden": 10, "output_activation": "tanh"},
        rule={"kind": "predictive_coding", "steps": 5},
        data={"samples": 20},
    )
    wide = spec.build()
    narrow = wide.compressed()
    assert narrow.student.widths[1] == 4
    a, b = (p.rule.velocity(p.student, p.task) for p in (wide, narrow))
    for u, v in zip(a.weights, narrow.compression.expand(b).weights, strict=True):
        np.testing.assert_allclose(u, v, atol=1e-13)


@pytest.mark.parametrize("activation", ["linear", "tanh"])
@pytest.mark.parametrize("batch", ["full", 10])
@pytest.mark.parametrize("constraint", ["none", "frobenius"])
def test_studies(activation, batch, constraint):
    spec = curlflow.Spec(
        network={"inputs": 4, "hidden": [5, 3], "outputs": 2, "activation": activation},
        rule={"kind": "predictive_coding", "flipped": {"inputs": 0.25}, "steps": 10},
        data={"samples": 30},
        constraint={"kind": constraint},
        dynamics={"kind": "updates", "batch": batch},
    )
    ds = curlflow.simulate(spec, times=[0, 5, 20])
    trained = curlflow.train(spec, epochs=20)
    np.testing.assert_allclose(trained.test_error, ds.test_error[:, -1], rtol=1e-9)


def test_sweeps():
    spec = SPEC.replace({"network.activation": "tanh", "data.samples": 8})
    over = {"precision": curlflow.Axis("rule.output_precision", [0.1, 1.0]), "rule.steps": [1, 4]}
    ds = curlflow.sweep(spec, over, "stability", engine="serial")
    assert dict(ds.leading_real_part.sizes)["precision"] == 2
    single = curlflow.stability(spec.replace({"rule.output_precision": 0.1, "rule.steps": 4}))
    found = ds.leading_real_part.isel(precision=0).to_numpy().ravel()[1]
    np.testing.assert_allclose(found, single.leading_real_part[0], rtol=1e-12)


def test_it_learns():
    spec = SPEC.replace({"start.kind": "random", "dynamics.kind": "flow"})
    ds = curlflow.train(spec, epochs=5000)
    assert float(ds.test_error[0]) < 1e-10


def test_given_errors_are_those_of_samples_to_first_order(x64):
    weights, x, y = setting((4, 5, 2))
    for activation in ("linear", "tanh"):
        network, rule = Feedforward(weights, activation), PredictiveCoding()
        y = np.asarray(network(x)) + 0.1
        task = Samples(x, y)
        a, b = rule.velocity(network, task), rule.velocity(network, GivenErrors(*task.residuals(network)))
        jax.tree.map(lambda u, v: np.testing.assert_allclose(u, v, atol=1e-12), a, b)


def test_specs_and_arguments():
    text = (
        '[network]\ninputs = 3\nhidden = 4\n[rule]\nkind = "predictive_coding"\noutput_precision = 0.5\nsteps = 9\n'
    )
    spec = curlflow.Spec.from_toml_string(text)
    assert curlflow.Spec.from_toml_string(spec.to_toml()) == spec
    rule = spec.build().rule
    assert isinstance(rule, PredictiveCoding)
    assert (float(rule.output_precision), rule.steps, float(rule.rate)) == (0.5, 9, 0.1)
    assert isinstance(spec.replace("rule.flipped.hidden", 0.5).build().rule, SignFlipped)
    for field, value, message in [
        ("steps", 0, "rule.steps: got 0; input should be greater than or equal to 1"),
        ("steps", 2.5, "rule.steps: got 2.5; input should be a valid integer"),
        ("rate", 0.0, "rule.rate: got 0.0; input should be greater than 0"),
        ("output_precision", -1.0, "rule.output_precision: got -1.0; input should be greater than 0"),
    ]:
        with pytest.raises(ValueError, match=message):
            spec.replace(f"rule.{field}", value)
    with pytest.raises(ValueError, match="rule.steps: got 3, but the kind of rule that was chosen has no use for it"):
        spec.replace("rule", {"kind": "oja", "steps": 3})
    for arguments, message in [
        ({"output_precision": 0}, "output_precision: got 0, allowed are numbers above 0"),
        ({"output_precision": np.inf}, "output_precision: got inf, allowed"),
        ({"rate": "fast"}, "rate: got 'fast', allowed are numbers above 0"),
        ({"rate": True}, "rate: got True, allowed"),
        ({"steps": 0}, "steps: got 0, allowed are whole numbers from 1"),
        ({"steps": 2.5}, "steps: got 2.5, allowed"),
    ]:
        with pytest.raises(ValueError, match=message):
            PredictiveCoding(**arguments)


def test_precision_and_rate_are_data(compilations, x64):
    weights, x, y = setting((4, 5, 2))
    velocity = jax.jit(lambda rule, network, task: rule.velocity(network, task))
    network, task = Feedforward(weights, "tanh"), Samples(x, y)
    velocity(PredictiveCoding(), network, task)
    assert compilations(lambda: velocity(PredictiveCoding(0.3, rate=0.05), network, task)) == 0
