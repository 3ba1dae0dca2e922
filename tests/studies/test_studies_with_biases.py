"""Every study on a network with biases, against an independent integration, loops and identities."""

import contextlib
import dataclasses

import jax
import numpy as np
import pytest
from reference import biased_velocity
from scipy.integrate import solve_ivp

import curlflow
from curlflow import Spec
from curlflow.networks import Feedforward
from curlflow.studies.stability.linearised import Method
from curlflow.symbolic import symbolic_field

SPEC = Spec(
    network={"inputs": 2, "hidden": 2, "activation": "tanh", "biases": True},
    data={"samples": 8, "test_samples": 4},
    rule={"kind": "curl", "side": "postsynaptic", "flipped": {"hidden": {"count": 1}}},
    dynamics={"kind": "flow", "rtol": 1e-10, "atol": 1e-12},
)
UPDATES = SPEC.replace({"dynamics": {"kind": "updates", "learning_rate": 0.5}, "rule": {"kind": "gradient"}})
SIZE, WEIGHTS, TIMES = 9, 6, [0.0, 1.0, 5.0, 20.0]


@pytest.fixture(scope="module")
def problem():
    return SPEC.build()


@pytest.fixture(scope="module")
def curves():
    return curlflow.simulate(SPEC, times=TIMES, weights="all")


def velocity(problem, flat):
    """That of the rule of `SPEC`, by a loop."""
    w1, w2, b1, b2 = np.split(flat, [4, 6, 8])
    parts = [w1.reshape(2, 2), w2.reshape(1, 2)], [b1, b2]
    signs = np.array([-1.0, 1.0])
    options = {"gains": [signs[:, None], np.ones((1, 1))], "of_biases": [signs, np.ones(1)]}
    found = biased_velocity(*parts, problem.x_train, problem.y_train, "tanh", "linear", **options)
    return np.concatenate([np.ravel(f) for f in found])


def flat(network):
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(network)])


def test_simulate_is_an_independent_integration(problem, curves):
    options = {"t_eval": TIMES, "rtol": 1e-11, "atol": 1e-13}
    expected = solve_ivp(lambda t, x: velocity(problem, x), (0, TIMES[-1]), flat(problem.student), **options).y.T
    np.testing.assert_allclose(curves.weights[0], expected, atol=1e-6)
    assert np.abs(expected[-1] - expected[0])[WEIGHTS:].min() > 1e-3
    norms = [np.linalg.norm(part) for part in np.split(expected[-1], [4, 6, 8])]
    np.testing.assert_allclose(curves.layer_norm[0, -1], norms, rtol=1e-6)
    assert curves.weight_layer.values.tolist() == [1] * 4 + [2] * 2 + [3] * 2 + [4]


def test_minibatches_are_a_loop():
    spec = SPEC.replace("dynamics", {"kind": "updates", "batch": 4, "learning_rate": 0.5})
    p = spec.build()
    found = curlflow.simulate(spec, times=[3], weights="all").weights.to_numpy()[0, 0]
    x = flat(p.student)
    for epoch in range(3):
        for batch in p.batches(epoch):
            part = dataclasses.replace(p, x_train=p.x_train[:, batch], y_train=p.y_train[:, batch])
            x = x + 0.25 * velocity(part, x)
    np.testing.assert_allclose(found, x, rtol=1e-10)


def test_spheres_are_those_of_weights():
    found = curlflow.simulate(SPEC.replace("constraint.kind", "frobenius"), times=TIMES).layer_norm[0]
    np.testing.assert_allclose(found[:, :2] / found[0, :2], 1, rtol=1e-9)
    assert np.abs(found[-1, 2:] / found[0, 2:] - 1).min() > 1e-3


def test_exponents_and_covariant_vectors():
    framed = UPDATES.replace("constraint.kind", "frobenius")
    assert framed.build().system().dimension == SIZE - 2
    options = {"transient": 5, "alignment": 20, "duration": 40, "block": 1}
    ds = curlflow.lyapunov(framed, exponents=SIZE - 2, **options)
    np.testing.assert_allclose(ds.lyapunov_exponent.sum(), ds.mean_divergence[0], rtol=1e-6)
    vectors = curlflow.covariant_vectors(framed, exponents=2, **options)
    assert vectors.covariant_vector.shape == (1, 2, SIZE)
    np.testing.assert_allclose(vectors.covariant_exponent, vectors.lyapunov_exponent, atol=0.02)
    assert "unit_share" not in vectors


def test_eigenvalues_are_those_of_differences(problem):
    for at, x in (("start", flat(problem.student)), ("solution", flat(problem.teacher)), ("origin", np.zeros(SIZE))):
        steps = 1e-6 * np.eye(SIZE)
        jacobian = np.array([(velocity(problem, x + h) - velocity(problem, x - h)) / 2e-6 for h in steps]).T
        expected = np.sort(np.linalg.eigvals(jacobian).real)[::-1]
        with contextlib.nullcontext() if at == "solution" else pytest.warns(UserWarning, match="neither a solution"):
            ds = curlflow.stability(SPEC, at=at, eigenvalues=SIZE)
        assert int(ds.method[0]) == Method.jacobian
        assert float(ds.leading_real_part[0]) == pytest.approx(expected[0], abs=1e-7)
        parts = curlflow.decomposition(SPEC, at=at)
        asymmetry = np.linalg.norm(jacobian - jacobian.T) / 2
        np.testing.assert_allclose(parts.antisymmetric_norm, asymmetry, atol=1e-6)


def test_the_ends_of_learning_agree():
    errors = curlflow.simulate(UPDATES, times=range(101)).train_error.to_numpy()[0]
    trained = curlflow.train(UPDATES, epochs=100, records=10)
    np.testing.assert_allclose(trained.train_error, errors[-1], rtol=1e-10)
    threshold = float(errors[30] + errors[31]) / 2
    options = {"rules": ["gradient"], "threshold": threshold, "error": "train", "epochs": 100}
    ds = curlflow.convergence(UPDATES, **options)
    assert float(ds.convergence_time[0, 0]) == 0.5 * int(np.argmax(errors <= threshold))


def test_fluctuations_and_verdicts():
    ds = curlflow.fluctuations(SPEC, window=(0, 20), interval=0.5, lags=5, weights=SIZE)
    times = 0.5 * np.arange(1 + 40)
    runs = curlflow.simulate(SPEC, times=times[-ds.records.sizes["time"] :], weights="all").weights[0]
    np.testing.assert_allclose(ds.time_mean[0], runs.mean("time"), atol=1e-8)
    assert ds.sizes["layer"] == 4
    verdict = curlflow.classify(UPDATES, exponents=1, transient=20, duration=300)
    assert float(verdict.lyapunov_exponent[0, 0]) < 0.05
    assert verdict.sizes["layer"] == 2


def test_points_are_named_by_their_arrays(problem):
    arrays = [np.ones((2, 2)), np.ones((1, 2)), np.ones(2), np.ones(1)]
    for at, message in [
        (arrays[:2], r"at: got 2 layers of weights and biases \(network.biases\), required are 4"),
        (Feedforward(arrays[:2], "tanh"), r"at: got 2 layers of weights and biases"),
        ([*arrays[:3], np.ones(2)], r"at: the bias of layer 2 has shape \(2,\), required is \(post,\) = \(1,\)"),
        ([*arrays[:3], np.array([np.nan])], r"at: the bias of layer 2 has 1 of 1 weights that are not finite"),
        ([*arrays[:3], np.ones(1, np.float32)], r"at: the bias of layer 2: double precision is required"),
    ]:
        with pytest.raises(ValueError, match=message):
            curlflow.stability(SPEC, at=at)
    with pytest.raises(ValueError, match=r"transverse: symmetries are known for .* without network.biases"):
        curlflow.lyapunov(SPEC.replace("network.activation", "linear"), transverse=True)


def test_experiments_start_from_biases_and_go_on_with_them(problem, curves, tmp_path):
    teacher = Feedforward(problem.teacher.weights, "tanh")
    data = curlflow.Data(problem.x_train.T, problem.y_train.T)
    parts = {"data": data, "rule": SPEC.rule.model_dump(), "dynamics": SPEC.dynamics.model_dump()}
    ds = curlflow.simulate(curlflow.Experiment(network=problem.student, **parts), times=TIMES, weights="all")
    np.testing.assert_allclose(ds.weights, curves.weights, rtol=1e-12)
    network = SPEC.network.model_dump()
    path = str(curlflow.save(curves, tmp_path / "run.nc") or tmp_path / "run.nc")
    further = curlflow.Experiment(network=network, start=path, **parts).build().student
    np.testing.assert_array_equal(flat(further), curves.weights[0, -1])
    data = curlflow.Data(problem.x_train.T, np.asarray(teacher(problem.x_train)).T)
    parts |= {"data": data, "teacher": teacher, "start": {"kind": "teacher"}}
    with pytest.raises(ValueError, match='start.kind: got "teacher", but the teacher has no biases'):
        curlflow.Experiment(network=network, **parts).build()


def test_a_linear_student_learns_the_outputs_of_any_teacher(problem, x64):
    linear = {"inputs": 2, "hidden": 2}
    for teacher in (problem.teacher, Feedforward([np.eye(2), np.ones((1, 2))], biases=[np.ones(2), np.ones(1)])):
        y = np.asarray(teacher(problem.x_train)).T
        p = curlflow.Experiment(network=linear, data=curlflow.Data(problem.x_train.T, y), teacher=teacher).build()
        found, expected = (p.rule.velocity(p.student, task) for task in (p.task, p.samples))
        np.testing.assert_allclose(flat(found), flat(expected), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(p.training_error.error(p.student), p.samples.error(p.student), rtol=1e-9)


def test_a_symbolic_field_knows_biases(problem):
    field = symbolic_field(SPEC)
    assert [str(s) for s in field.states][WEIGHTS:] == ["b1_0", "b1_1", "b2"]
    x = flat(problem.student)
    np.testing.assert_allclose(field.lambdify()(0.0, x), velocity(problem, x), rtol=1e-9)
