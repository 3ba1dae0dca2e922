"""Rules with a memory of their own: the state of learning, the studies, and each rule against a closed form."""

import dataclasses

import numpy as np
import pytest

import curlflow
from curlflow.constraints import Free
from curlflow.networks import Feedforward
from curlflow.optimizers import Memory, Plain
from curlflow.precision import jax_settings
from curlflow.rules import BCM, AbstractRuleWithMemory, EligibilityTrace, Gradient, KolenPollack
from curlflow.systems.optimized import Learner, optimized_flow
from curlflow.tasks import Samples

SPEC = curlflow.Spec(
    network={"inputs": 3, "hidden": 2, "activation": "tanh"},
    data={"samples": 4, "test_samples": 2},
    rule={"kind": "kolen_pollack", "decay": 0.3},
    dynamics={"kind": "updates", "learning_rate": 0.05},
)
TRACE = SPEC.replace("rule", {"kind": "eligibility_trace", "time_constant": 0.5})
KINDS = {"kolen_pollack": SPEC, "eligibility_trace": TRACE}


def after(system, span):
    with jax_settings():
        return system.advance(system.state, None, np.asarray(span), system.clock()).state


def difference(state):
    return np.asarray(state.network.weights[1]) - np.asarray(state.rule_memory[0])


def slow_updates(problem, epochs):
    """Kolen–Pollack and the trace of gradient descent, sample by sample."""
    (w1, w2), rate = (np.array(w) for w in problem.student.weights), problem.step
    memory = problem.rule.memory0(problem.student)
    trace = problem.spec.rule.kind == "eligibility_trace"
    b = w2 if trace else np.array(memory[0])
    e1, e2 = np.zeros_like(w1), np.zeros_like(w2)
    for epoch in range(epochs):
        for batch in problem.batches(epoch):
            step, f1, f2 = rate, np.zeros_like(w1), np.zeros_like(w2)
            for s in batch:
                x, y = problem.x_train[:, s], problem.y_train[:, s]
                h = np.tanh(w1 @ x)
                error = w2 @ h - y
                f2 -= np.outer(error, h) / len(batch)
                f1 -= np.outer((w2 if trace else b).T @ error * (1 - h**2), x) / len(batch)
            if trace:
                tau = problem.spec.rule.time_constant
                w1, w2, e1, e2 = (
                    w1 + step * e1,
                    w2 + step * e2,
                    e1 + step / tau * (f1 - e1),
                    e2 + step / tau * (f2 - e2),
                )
            else:
                decay = problem.spec.rule.decay
                w1, w2, b = w1 + step * (f1 - decay * w1), w2 + step * (f2 - decay * w2), b + step * (f2 - decay * b)
    return w1, w2


@pytest.mark.parametrize("batch", ["full", 2])
@pytest.mark.parametrize("kind", KINDS)
def test_updates_are_those_of_a_loop(kind, batch):
    problem = KINDS[kind].replace("dynamics.batch", batch).build()
    state = after(problem.system(), 40)
    assert isinstance(state, Learner)
    for found, expected in zip(state.network.weights, slow_updates(problem, 40), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-12)


def test_feedback_becomes_the_weights_exactly_at_the_rate_of_the_decay():
    problem = SPEC.build()
    updates = problem.updates()
    start = difference(updates.state)
    np.testing.assert_allclose(difference(after(updates, 60)), (1 - 0.05 * 0.3) ** 60 * start, atol=1e-12)
    flow = problem.flow(rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(difference(after(flow, 3.0)), np.exp(-0.3 * 3.0) * start, atol=1e-8)


def test_a_fast_trace_is_the_rule_itself():
    # From e = 0 the weights lag behind by τ F to first order.
    plain = SPEC.replace("rule", {"kind": "gradient"}).build().flow(rtol=1e-10, atol=1e-12)
    end = after(plain, 2.0).weights[0]

    def apart(tau):
        flow = TRACE.replace("rule.time_constant", tau).build().flow(rtol=1e-10, atol=1e-12)
        return np.abs(np.asarray(after(flow, 2.0).network.weights[0]) - np.asarray(end)).max()

    assert 0.45 < apart(0.01) / apart(0.02) < 0.55


@pytest.mark.parametrize("kind", KINDS)
def test_studies(kind):
    spec = KINDS[kind].replace("constraint", {"kind": "frobenius"})
    assert curlflow.Spec.from_toml_string(spec.to_toml()) == spec
    ds = curlflow.simulate(spec, times=[0, 5], weights="all")
    end = after(spec.build().system(), 5)
    np.testing.assert_allclose(ds.weights[0, 1], np.concatenate([np.ravel(w) for w in end.network.weights]))
    trained = curlflow.train(spec, epochs=5, records=2)
    np.testing.assert_allclose(trained.train_error[0], ds.train_error[0, 1], rtol=1e-10)
    exponents = curlflow.lyapunov(spec, exponents=2, transient=0.2, alignment=0.2, duration=1)
    assert np.isfinite(exponents.lyapunov_exponent).all()
    wide = spec.replace("network.activation", "linear").replace("network.hidden", 30).build()
    assert wide.compressed() is wide


def test_flips_rates_momentum_and_spheres_act_on_the_weights_alone():
    """Kolen–Pollack learning with heavy-ball momentum, v ← 0.9 v + η G F, against a loop over full batches."""
    spec = SPEC.replace(
        {
            "rule.flipped": {"inputs": {"count": 1}, "hidden": {"count": 1}},
            "dynamics.layer_rates": [0.5, 2.0],
            "optimizer": {"kind": "momentum", "momentum": 0.9},
            "constraint": {"kind": "frobenius"},
        }
    )
    problem = spec.build()
    state = after(problem.system(), 15)
    (w1, w2), x, y = (np.array(w) for w in problem.student.weights), problem.x_train, problem.y_train
    b, v1, v2 = np.array(problem.rule.memory0(problem.student)[0]), np.zeros_like(w1), np.zeros_like(w2)
    radii, signs = [np.linalg.norm(w) for w in (w1, w2)], (np.array([-1, 1, 1]), np.array([-1, 1]))
    for _ in range(15):
        h = np.tanh(w1 @ x)
        error = (w2 @ h - y) / x.shape[1]
        f1, f2 = -(((b.T @ error) * (1 - h**2)) @ x.T), -(error @ h.T)
        v1 = 0.9 * v1 + 0.05 * 0.5 * signs[0] * (f1 - 0.3 * w1)
        v2 = 0.9 * v2 + 0.05 * 2.0 * signs[1] * (f2 - 0.3 * w2)
        w1, w2, b = w1 + v1, w2 + v2, b + 0.05 * (f2 - 0.3 * b)
        w1, w2 = (r * w / np.linalg.norm(w) for r, w in zip(radii, (w1, w2), strict=True))
        v1, v2 = (v - w * np.sum(v * w) / np.sum(w * w) for v, w in ((v1, w1), (v2, w2)))
    for found, expected in zip((*state.network.weights, state.rule_memory[0]), (w1, w2, b), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-12)


def test_a_rule_object_is_that_of_the_table():
    fields = {name: value for name, value in SPEC.model_dump().items() if name != "rule"}
    experiment = curlflow.Experiment(**fields, rule=SPEC.build().rule)
    one, other = (curlflow.simulate(given, times=[0, 7], weights="all") for given in (SPEC, experiment))
    np.testing.assert_array_equal(one.weights, other.weights)


def test_realizations_together_and_crossings():
    spec = SPEC.replace({"realizations": 2, "dynamics": {"kind": "flow"}})
    apart, together = (
        curlflow.lyapunov(spec, exponents=2, transient=1, alignment=1, duration=3, block=0.5, batching=how)
        for how in ("apart", "together")
    )
    np.testing.assert_allclose(together.lyapunov_exponent, apart.lyapunov_exponent, atol=1e-7)
    curve = curlflow.simulate(spec, times=[0, 1, 2, 3]).train_error
    level = float(np.sqrt(curve[0, 1] * curve[0, 2]))
    ds = curlflow.convergence(spec.replace("realizations", 1), threshold=level, error="train", epochs=100)
    time = float(ds.convergence_time.sel(rule="kolen_pollack")[0])
    at = curlflow.simulate(spec.replace("realizations", 1), times=[0, time]).train_error[0, 1]
    np.testing.assert_allclose(at, level, rtol=1e-4)


@pytest.mark.parametrize("kind", ["weight_mirror", "bcm"])
def test_further_kinds_in_specs(kind):
    spec = SPEC.replace("rule", {"kind": kind, "flipped": {"hidden": 0.5}})
    assert curlflow.Spec.from_toml_string(spec.to_toml()) == spec
    assert np.isfinite(curlflow.simulate(spec, times=[0, 5]).train_error).all()
    exponents = curlflow.lyapunov(spec, exponents=2, transient=1, alignment=1, duration=2)
    assert np.isfinite(exponents.lyapunov_exponent).all()


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: curlflow.stability(SPEC), "rule: KolenPollack has a memory of its own, which a point does not tell"),
        (lambda: curlflow.decomposition(SPEC), "rule: KolenPollack has a memory of its own, so that its velocity"),
        (lambda: curlflow.lyapunov(SPEC, transverse=True), "rule: KolenPollack has a memory of its own, which turns"),
        (lambda: SPEC.build().diffusion(batch=2), "rule: KolenPollack has a memory of its own, whose noise"),
        (lambda: KolenPollack([], -1), "decay: got -1, allowed are finite numbers from 0"),
        (lambda: EligibilityTrace(Gradient(), 0), "time_constant: got 0, allowed are finite numbers above 0"),
        (lambda: EligibilityTrace("gradient"), "rule: got 'gradient', required is a rule"),
    ],
)
def test_what_does_not_go_is_refused(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()


class Wrong(AbstractRuleWithMemory):
    def memory0(self, network):
        return {"a": np.zeros(2)}

    def velocity(self, network, task, memory):
        return Gradient().velocity(network, task), {"a": np.zeros(3)}


def test_a_memory_of_another_structure_is_refused():
    problem = dataclasses.replace(SPEC.build(), rule=Wrong())
    for make in (problem.flow, problem.updates):
        with pytest.raises(ValueError, match="rule: Wrong changes its memory by"):
            make()


def test_weight_mirrors_turn_as_in_a_loop():
    problem = SPEC.replace("rule", {"kind": "weight_mirror", "rate": 0.7, "decay": 0.4}).build()
    (w1, w2), b = (np.array(w) for w in problem.student.weights), np.array(problem.rule.memory0(problem.student)[0])
    n = problem.x_train.shape[1]
    for _ in range(30):
        f1, f2 = np.zeros_like(w1), np.zeros_like(w2)
        for x, y in zip(problem.x_train.T, problem.y_train.T, strict=True):
            h = np.tanh(w1 @ x)
            error = w2 @ h - y
            f2 -= np.outer(error, h) / n
            f1 -= np.outer(b.T @ error * (1 - h**2), x) / n
        w1, w2, b = w1 + 0.05 * f1, w2 + 0.05 * f2, b + 0.05 * (0.7 * w2 - 0.4 * b)
    state = after(problem.updates(), 30)

    def cosine(a, b):
        return np.sum(a * b) / np.linalg.norm(a) / np.linalg.norm(b)

    found = cosine(np.asarray(state.rule_memory[0]), np.asarray(state.network.weights[1]))
    np.testing.assert_allclose(found, cosine(b, w2), atol=1e-9)
    np.testing.assert_allclose(state.network.weights[0], w1, atol=1e-12)


def bcm_flow(tau, inputs):
    """One linear unit with two inputs of equal probability."""
    task = Samples(inputs, np.zeros((1, 2)))
    parts = Feedforward([np.array([[0.7, 0.2]])]), BCM(tau), task, Free(), 0.1, Plain()
    return optimized_flow(*parts)


def test_a_bcm_unit_becomes_selective():
    inputs = np.array([[1.0, 0.3], [0.2, 1.0]])
    end = after(bcm_flow(0.05, inputs), 200.0)
    np.testing.assert_allclose(np.asarray(end.network.weights[0]) @ inputs, [[2.0, 0.0]], atol=1e-5)
    np.testing.assert_allclose(end.rule_memory[0], [2.0], atol=1e-5)


def test_slow_thresholds_oscillate_beyond_a_hopf_bifurcation():
    # Orthogonal inputs of squared length g: trace g − 1/τ, determinant g/τ; the other direction decays at g.
    g = 1.5
    inputs = np.sqrt(g) * np.eye(2)
    for ratio in (0.95, 1.05):
        flow = bcm_flow(ratio / g, inputs)
        at = Learner(
            flow.state.network.with_weights([np.array([[2 / np.sqrt(g), 0.0]])]), Memory(), (np.array([2.0]),)
        )
        ds = curlflow.stability(flow, at=at)
        trace, determinant = g - g / ratio, g**2 / ratio
        np.testing.assert_allclose(ds.eigenvalue_real[0], [trace / 2, trace / 2, -g], atol=1e-9)
        frequency = np.sqrt(determinant - trace**2 / 4)
        np.testing.assert_allclose(np.abs(ds.eigenvalue_imag[0]), [frequency, frequency, 0], atol=1e-9)
        assert bool(ds.stable[0]) == (ratio < 1)


def test_bcm_is_that_of_a_loop():
    problem = SPEC.replace("rule", {"kind": "bcm", "time_constant": 0.3}).build()
    weights, thetas = [np.array(w) for w in problem.student.weights], [np.ones(2), np.ones(1)]
    n = problem.x_train.shape[1]
    for _ in range(20):
        moved, means = [np.zeros_like(w) for w in weights], [np.zeros_like(t) for t in thetas]
        for x in problem.x_train.T:
            h = x
            for layer, (w, theta) in enumerate(zip(weights, thetas, strict=True)):
                y = np.tanh(w @ h) if layer == 0 else w @ h
                moved[layer] += np.outer(y * (y - theta), h) / n
                means[layer] += y**2 / n
                h = y
        weights = [w + 0.05 * f for w, f in zip(weights, moved, strict=True)]
        thetas = [t + 0.05 / 0.3 * (m - t) for t, m in zip(thetas, means, strict=True)]
    state = after(problem.updates(), 20)
    for a, b in zip((*state.network.weights, *state.rule_memory), (*weights, *thetas), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)
