"""Experiments: parts of the user's own in every study, against specs, closed forms and models made by other means."""

import dataclasses
import json
import subprocess
import sys
import warnings

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import sweep_cells
import xarray as xr

import curlflow
from curlflow import Data, Experiment, Spec
from curlflow.constraints import FrobeniusSpheres
from curlflow.networks import Feedforward
from curlflow.networks.model import in_double_precision
from curlflow.precision import double_precision
from curlflow.rules import FunctionRule, Gradient, SignFlipped

SPEC = Spec(
    seed=3,
    network={"inputs": 4, "hidden": 3, "activation": "tanh"},
    data={"samples": 30, "test_samples": 20},
    rule={"kind": "curl", "flipped": {"inputs": 0.5}},
    constraint={"kind": "frobenius"},
)
SHORT = {"duration": 5, "transient": 5, "alignment": 5, "exponents": 2, "block": 1.0}
RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
LABELS = (X @ [1.0, -2.0, 0.5] + RNG.normal(size=60) > 0).astype(int)


def data_of(problem):
    return Data(problem.x_train.T, problem.y_train.T, problem.x_test.T, problem.y_test.T)


def same_as(spec, **parts):
    tables = spec.model_dump()
    return Experiment(**{**tables, "data": data_of(spec.build()), **parts})


def numbers(dataset):
    return {name: v for name, v in dataset.data_vars.items() if v.dtype.kind in "fiub"}


def assert_same(one, other):
    assert set(one) == set(other)
    for name, values in numbers(one).items():
        np.testing.assert_array_equal(other[name], values, err_msg=name)


STUDIES = {
    "lyapunov": lambda s: curlflow.lyapunov(s, **SHORT),
    "simulate": lambda s: curlflow.simulate(s, times=[0, 5, 20]),
    "train": lambda s: curlflow.train(s, epochs=100),
    "convergence": lambda s: curlflow.convergence(s, epochs=100, threshold=1e-2),
    "fluctuations": lambda s: curlflow.fluctuations(s, window=(5, 20)),
    "decomposition": lambda s: curlflow.decomposition(s),
}


@pytest.mark.parametrize("study", STUDIES)
def test_the_draw_of_a_spec_given_as_arrays_has_the_same_numbers(study):
    assert_same(STUDIES[study](SPEC), STUDIES[study](same_as(SPEC)))


@pytest.mark.parametrize("dynamics", [{"kind": "flow"}, {"kind": "updates"}, {"kind": "updates", "batch": 10}])
def test_linear_networks_with_their_teacher_are_the_same(dynamics):
    spec = SPEC.replace({"network.activation": "linear", "dynamics": dynamics})
    own = same_as(spec, teacher=spec.build().teacher)
    assert_same(curlflow.train(spec, epochs=50), curlflow.train(own, epochs=50))
    assert_same(curlflow.stability(spec), curlflow.stability(own))


@pytest.mark.quick
def test_fields_of_objects_are_used_or_refused():
    teacher = Feedforward([np.ones((2, 3)), np.ones((1, 2))])
    parts = {"data": Data(X, X @ np.full((3, 1), 2.0)), "teacher": teacher, "rule": Gradient()}
    own = Experiment(network={"hidden": 2}, **parts)
    own = own.replace("start", own.build().student)
    first = own.replace("data.samples", 7)
    np.testing.assert_array_equal(first.build().x_train, X[:7].T)
    np.testing.assert_array_equal(first.replace("seed", 5).restored(first.to_json()).build().x_train, X[:7].T)
    assert own.restored(own.to_json()).parts.keys() == own.parts.keys()
    assert first.sealed().definition != own.sealed().definition
    with pytest.raises(ValueError, match="data.samples: got 61, but there are 60"):
        own.replace("data.samples", 61).build()
    for field in ("data.digest", "data.file", "data.test_samples", "teacher.width", "rule.name", "start.digest"):
        with pytest.raises(
            ValueError, match=rf"{field}: (\w+) is an object of the experiment; replace \1 as a whole"
        ):
            own.replace(field, 3)
    assert "rule" not in own.replace({"rule.kind": "curl", "rule.flipped.inputs": 0.5}).parts
    assert own.replace("start.kind", "random").parts.keys() == {"data", "teacher", "rule"}


def test_an_experiment_without_objects_is_its_spec():
    same = Experiment(**SPEC.model_dump())
    assert same.to_json() == SPEC.to_json()
    one, other = (curlflow.simulate(s, times=[0, 1]) for s in (SPEC, same))
    assert one.attrs["spec"] == other.attrs["spec"]
    assert_same(one, other)


def test_linear_networks_on_noisy_targets_against_every_sample():
    """Second moments, with what the best linear map leaves, and the loss of all samples, written by hand."""
    targets = X @ [0.5, 1.0, -1.0] + 0.3 * RNG.normal(size=60)
    network = {"hidden": 4}

    def loss(outputs, targets):
        return 0.5 * jnp.mean((outputs - targets) ** 2)

    moments = Experiment(network=network, data=Data(X, targets, X, targets))
    samples = Experiment(network=network, data=Data(X, targets[:, None], X, targets[:, None]), loss=loss)
    one, other = (curlflow.simulate(s, times=[0, 3, 30]) for s in (moments, samples))
    for name in ("train_error", "test_error", "layer_norm"):
        np.testing.assert_allclose(one[name], other[name], rtol=1e-5)
    best = np.linalg.lstsq(X, targets)[0]
    np.testing.assert_allclose(one.train_error[0, -1], 0.5 * np.mean((X @ best - targets) ** 2), rtol=1e-4)


@double_precision
def minimum_of_logistic_regression():
    w = jnp.zeros(3)
    error = lambda w: jnp.mean(jnp.logaddexp(0.0, X @ w) - LABELS * (X @ w))  # noqa: E731
    for _ in range(20):
        w = w - jnp.linalg.solve(jax.hessian(error)(w), jax.grad(error)(w))
    return np.asarray(w), np.linalg.eigvalsh(jax.hessian(error)(w))


def test_exponents_of_logistic_regression_at_its_minimum_are_those_of_the_hessian():
    w, eigenvalues = minimum_of_logistic_regression()
    experiment = Experiment(network={"hidden": []}, data=Data(X, LABELS), loss="logistic", start=[w[None]])
    found = curlflow.lyapunov(experiment, duration=20, transient=0, alignment=200, block=1.0)
    np.testing.assert_allclose(found.lyapunov_exponent[0], np.sort(-eigenvalues)[::-1], atol=1e-6)
    at = curlflow.stability(experiment, at="start")
    np.testing.assert_allclose(np.sort(at.eigenvalue_real[0]), np.sort(-eigenvalues), atol=1e-9)
    assert at.verdict[0] == 0
    np.testing.assert_allclose(at.critical_learning_rate, 2 / eigenvalues.max(), rtol=1e-9)


def perceptron(parameters, inputs):
    return jnp.tanh(inputs @ parameters["w1"].T) @ parameters["w2"].T


def test_a_network_a_module_and_a_pair_learn_alike():
    weights = [RNG.normal(size=(5, 3)), RNG.normal(size=(2, 5))]
    with jax.enable_x64(True):
        mlp = eqx.nn.MLP(3, 2, 5, 1, activation=jnp.tanh, use_bias=False, use_final_bias=False, key=jax.random.key(0))
        mlp = eqx.tree_at(lambda m: [layer.weight for layer in m.layers], mlp, [jnp.asarray(w) for w in weights])
    parts = [
        {"network": Feedforward(weights, "tanh")},
        {"model": mlp},
        {"model": (perceptron, dict(zip(("w1", "w2"), weights, strict=True)))},
    ]
    made = {"data": Data(X, LABELS, X[:10], LABELS[:10]), "loss": "softmax"}
    curves = [curlflow.simulate(Experiment(**made, **part), times=[0, 1, 10], weights="all") for part in parts]
    logits = np.tanh(X @ weights[0].T) @ weights[1].T
    log_probability = logits[np.arange(60), LABELS] - np.log(np.exp(logits).sum(axis=1))
    np.testing.assert_allclose(curves[0].train_error[0, 0], -log_probability.mean(), rtol=1e-12)
    np.testing.assert_allclose(curves[0].train_accuracy[0, 0], np.mean(logits.argmax(axis=1) == LABELS), rtol=1e-12)
    for other in curves[1:]:
        for name in ("train_error", "test_error", "train_accuracy", "weights"):
            np.testing.assert_allclose(other[name], curves[0][name], rtol=1e-6, atol=1e-9)


def module(key):
    return eqx.nn.MLP(3, 2, 4, 1, activation=jnp.tanh, key=key)


@pytest.fixture(scope="module")
def of_modules():
    return Experiment(model=module, data=Data(X, LABELS, X, LABELS), loss="softmax", realizations=2)


@pytest.mark.filterwarnings("ignore:at. these weights")
def test_every_study_takes_a_model(of_modules):
    updates = of_modules.replace("dynamics", {"kind": "updates"})
    for ds in (
        curlflow.lyapunov(of_modules, **SHORT),
        curlflow.covariant_vectors(updates, **SHORT),
        curlflow.train(updates, epochs=20),
        curlflow.convergence(of_modules, epochs=50, threshold=0.5),
        curlflow.fluctuations(updates, window=(5, 20)),
        curlflow.classify(updates, duration=60, transient=5),
        curlflow.stability(of_modules, at="start"),
        curlflow.decomposition(of_modules),
        curlflow.simulate(updates, times=[0, 1]),
    ):
        assert ds.sizes["realization"] == 2
        assert (ds.status.isin([0, 9, 10, 13]) | (ds.study == "stability")).all()
        assert json.loads(ds.attrs["spec"])["model"]["parameters"] == 26


@pytest.mark.filterwarnings("ignore:at. these weights")
def test_accuracies_are_those_of_the_weights_at_the_end(of_modules):
    updates = of_modules.replace("dynamics", {"kind": "updates"})
    ends = curlflow.train(updates, epochs=20, weights="all")
    w1, b1, w2, b2 = (w[:, 0] for w in np.split(ends.weights.to_numpy()[:, None], [12, 16, 24], axis=-1))
    logits = [
        np.tanh(X @ a.reshape(4, 3).T + b) @ c.reshape(2, 4).T + d for a, b, c, d in zip(w1, b1, w2, b2, strict=True)
    ]
    right = [np.mean(outputs.argmax(axis=1) == LABELS) for outputs in logits]
    np.testing.assert_allclose(ends.train_accuracy, right, rtol=1e-12)
    # The same run, which does not get to its threshold within as many epochs.
    run = curlflow.convergence(updates, epochs=20, threshold=1e-9, rules=["gradient"])
    np.testing.assert_allclose(run.train_accuracy[0], right, rtol=1e-12)
    np.testing.assert_allclose(run.test_accuracy[0], right, rtol=1e-12)
    at = curlflow.stability(updates, at=ends)
    np.testing.assert_allclose(at.train_accuracy, right, rtol=1e-12)


def test_realizations_and_calls_share_what_is_compiled_for_modules(of_modules, compilations):
    curlflow.simulate(of_modules, times=[0, 1])
    assert compilations(lambda: curlflow.simulate(of_modules.replace("realizations", 3), times=[0, 1])) == 0
    other = of_modules.replace("model", lambda key: eqx.nn.MLP(3, 2, 4, 1, activation=jnp.sin, key=key))
    errors = curlflow.simulate(other, times=[0]).train_error
    assert not np.allclose(errors, curlflow.simulate(of_modules, times=[0]).train_error)


def test_every_realization_has_a_model_of_its_own_that_its_seed_determines(of_modules):
    first, second = (of_modules.build(realization=i).student.weights for i in range(2))
    assert not np.allclose(first[0], second[0])
    again = of_modules.replace("dynamics", {"kind": "updates"}).build(realization=1).student.weights
    np.testing.assert_array_equal(second[0], again[0])


@pytest.mark.filterwarnings("ignore:at. these weights")
def test_a_run_goes_on_from_the_end_of_another(of_modules):
    trained = curlflow.train(of_modules, epochs=50, weights="all")
    on = curlflow.simulate(of_modules.replace("start", trained), times=[0])
    np.testing.assert_allclose(on.train_error[:, 0], trained.train_error, rtol=1e-9)
    np.testing.assert_allclose(on.train_accuracy[:, 0], trained.train_accuracy)
    at = curlflow.stability(of_modules, at=trained)
    np.testing.assert_allclose(at.training_error, trained.train_error, rtol=1e-9)
    linear = SPEC.replace("network.activation", "linear")
    ends = curlflow.train(linear, epochs=50, weights="all")
    np.testing.assert_allclose(ends.train_error, curlflow.train(linear, epochs=50).train_error, rtol=1e-6)
    there = curlflow.simulate(Experiment(**{**linear.model_dump(), "start": ends}), times=[0]).train_error
    np.testing.assert_allclose(there[:, 0], ends.train_error, rtol=1e-9)


def test_rules_that_are_functions():
    def backwards(model, x, y):
        def error(weights):
            network = model.with_weights(weights)
            return 0.5 * jnp.mean((network(x.T) - y.T) ** 2)

        return [-g for g in jax.grad(error)(model.weights)]

    own = same_as(SPEC.replace("rule", {"kind": "gradient"}))
    one, other = (curlflow.simulate(own.replace("rule", r), times=[0, 3]) for r in (Gradient(), backwards))
    np.testing.assert_allclose(one.train_error, other.train_error, rtol=1e-6)
    assert json.loads(other.attrs["spec"])["rule"]["name"].endswith("backwards")
    updates = own.replace("dynamics", {"kind": "updates"})
    sped = curlflow.convergence(updates, epochs=20, threshold=1e-9, rules=["gradient", backwards])
    np.testing.assert_array_equal(sped.rule, ["gradient", "backwards"])
    np.testing.assert_allclose(sped.train_error[1], sped.train_error[0], rtol=1e-9)
    with pytest.raises(ValueError, match="rules: got 3 for"):
        curlflow.convergence(own, rules={"three": 3})


def test_curl_descent_in_a_model(of_modules):
    gains = [np.ones((4, 3)), np.ones((4, 1)), np.array([[-1.0, 1, 1, 1]]), np.ones((2, 1))]
    with pytest.raises(ValueError, match=r"gains: layer 2 has shape \(4, 1\), required is \(4,\)"):
        curlflow.simulate(of_modules.replace("rule", SignFlipped(Gradient(), gains)), times=[0, 1])
    gains = [np.ones((4, 3)), np.ones(4), np.array([[-1.0, 1, 1, 1]]), np.ones(2)]
    flipped = of_modules.replace("rule", SignFlipped(Gradient(), gains))
    curl = curlflow.decomposition(flipped).curl_ratio
    assert (curl > 1e-2).all()
    assert (curlflow.decomposition(of_modules).curl_ratio < 1e-12).all()


def test_constraints_and_losses_of_ones_own():
    own = same_as(SPEC.replace("constraint", {"kind": "none"}))
    bound = own.replace("constraint", FrobeniusSpheres.through(own.build().student))
    one, other = (curlflow.simulate(s, times=[0, 5]).train_error for s in (SPEC, bound))
    np.testing.assert_allclose(one, other, rtol=1e-5)
    half = own.replace("loss", lambda outputs, targets: 0.25 * jnp.mean(jnp.sum((outputs - targets) ** 2, axis=1)))
    slow, fast = curlflow.simulate(half, times=[0, 10]), curlflow.simulate(own, times=[0, 5])
    np.testing.assert_allclose(2 * slow.train_error, fast.train_error, rtol=1e-5)


def test_adam_with_a_schedule_is_that_of_a_loop_by_hand():
    """Weights, and the sum of the exponents: the mean of ln |det J| over the window, with J by complex steps."""
    x, start = X[:20, :1], np.array([0.3, 0.0, 0.0])
    targets = np.tanh(1.5 * x) + 0.1 * RNG.normal(size=x.shape)

    def update(t, state):
        w, m, s = state
        h = np.tanh(x * w)
        gradient = np.mean((h - targets) * (1 - h**2) * x)
        m, s = 0.9 * m + 0.1 * gradient, 0.999 * s + 0.001 * gradient**2
        rate = 0.2 * (0.9 * 0.5 * (1 + np.cos(np.pi * t / 60)) + 0.1)
        return np.array([w - rate * m / (1 - 0.9 ** (t + 1)) / (np.sqrt(s / (1 - 0.999 ** (t + 1))) + 1e-8), m, s])

    states, volumes = [start], []
    for t in range(40):
        jacobian = [update(t, states[-1] + 1e-30j * e).imag / 1e-30 for e in np.eye(3)]
        volumes.append(np.log(np.abs(np.linalg.det(jacobian))))
        states.append(update(t, states[-1]))
    experiment = Experiment(
        model=(lambda w, inputs: jnp.tanh(inputs @ w), start[:1, None]),
        data=Data(x, targets),
        dynamics={"kind": "updates", "learning_rate": 1.0},
        optimizer=optax.adam(optax.cosine_decay_schedule(0.2, 60, alpha=0.1)),
    )
    ds = curlflow.simulate(experiment, times=range(41), weights="all")
    np.testing.assert_allclose(ds.weights[0, :, 0], [state[0] for state in states], rtol=1e-12)
    np.testing.assert_allclose(curlflow.train(experiment, epochs=40).train_error, ds.train_error[:, -1], rtol=1e-12)
    # One epoch takes the counts out of the tangents, along which there are none.
    how = {"transient": 9, "alignment": 1, "duration": 30, "exponents": 3, "block": 1.0}
    exponents = curlflow.lyapunov(experiment, **how).lyapunov_exponent
    np.testing.assert_allclose(exponents.sum(), np.mean(volumes[10:]), rtol=1e-9)


SCALE = 1.0


def scaled(outputs, targets):
    return SCALE * jnp.mean((outputs - targets) ** 2)


def test_a_loss_that_reads_a_global_is_looked_at_again(monkeypatch):
    own = same_as(SPEC, loss=scaled)
    before = curlflow.simulate(own, times=[0]).train_error
    monkeypatch.setattr(sys.modules[__name__], "SCALE", 3.0)
    np.testing.assert_allclose(curlflow.simulate(own, times=[0]).train_error, 3 * before)


def test_observables(of_modules):
    seen = {"bias": lambda m: m.layers[0].bias, "norm": lambda m: jnp.linalg.norm(m.layers[1].weight)}
    ds = curlflow.simulate(of_modules, times=[0, 2], observables=seen, weights="all")
    np.testing.assert_array_equal(ds.bias, ds.weights[..., 12:16])
    np.testing.assert_allclose(ds.norm, np.linalg.norm(ds.weights[..., 16:24], axis=-1))
    momentum = of_modules.replace({"dynamics": {"kind": "updates"}, "optimizer": {"kind": "momentum"}})
    ds = curlflow.fluctuations(momentum, window=(5, 25), observables={"last": lambda m: m.layers[1].bias})
    np.testing.assert_array_equal(ds["last"], ds.records[..., 24:26])
    assert np.isfinite(
        curlflow.classify(of_modules, transient=2, duration=5, observables=seen).lyapunov_exponent
    ).all()
    lorenz = curlflow.simulate(curlflow.systems.lorenz63(), times=[0, 1], observables={"x": lambda s: s[0]})
    np.testing.assert_array_equal(lorenz.x, lorenz.state[..., 0])
    for bad, said in {
        "weights": "observables: got the name 'weights'",
        "1x": "observables: got the name '1x'",
    }.items():
        with pytest.raises(ValueError, match=said):
            curlflow.simulate(of_modules, observables={bad: lambda m: 1.0})


def test_samples_in_files(tmp_path):
    problem = SPEC.build()
    arrays = {"a": problem.x_train.T, "b": problem.y_train[0], "c": problem.x_test.T, "d": problem.y_test[0]}
    np.savez(tmp_path / "my.npz", **arrays)
    xr.Dataset({n: ((f"{n}0", f"{n}1")[: v.ndim], v) for n, v in arrays.items()}).to_netcdf(tmp_path / "my.nc")
    names = {"x": "a", "y": "b", "x_test": "c", "y_test": "d"}
    for file in ("my.npz", "my.nc"):
        spec = SPEC.replace("data", {"file": str(tmp_path / file), **names})
        assert Spec.from_toml_string(spec.to_toml()) == spec
        assert_same(curlflow.simulate(SPEC, times=[0, 1]), curlflow.simulate(spec, times=[0, 1]))
    sealed = json.loads(curlflow.simulate(spec, times=[0]).attrs["spec"])["data"]["digest"]
    assert sealed == Data(*arrays.values()).digest == spec.sealed().data.digest
    with pytest.raises(ValueError, match="data.file: .* has the checksum .*: it has changed"):
        spec.replace("data.digest", "0" * 16).build()
    first = spec.replace("data.samples", 7)
    assert first.build().x_train.shape == (4, 7)
    for change, said in {
        ("data.x", "z"): r"data.x: got 'z', which is not in",
        ("data.file", "none.npz"): r"data.file: none.npz cannot be read",
        ("data.samples", 31): r"data.samples: got 31, but there are 30",
    }.items():
        with pytest.raises(ValueError, match=said):
            spec.replace(*change).build()


def test_what_is_replaced_in_a_problem_is_used_or_refused():
    problem = SPEC.replace("network.activation", "linear").build()
    x, y = RNG.normal(size=(4, 12)), RNG.normal(size=(1, 12))
    other = dataclasses.replace(problem, x_train=x, y_train=y)
    error = 0.5 * np.mean((np.asarray(problem.student(x)) - y) ** 2)
    np.testing.assert_allclose(other.task.error(other.student), error)
    np.testing.assert_allclose(other.training_error.error(other.student), error)
    np.testing.assert_allclose(other.covariance, x @ x.T / 12)
    tested = dataclasses.replace(problem, y_test=problem.y_test + 1)
    right = 0.5 * np.mean((np.asarray(problem.student(problem.x_test)) - problem.y_test - 1) ** 2)
    np.testing.assert_allclose(tested.test_error.error(tested.student), right)
    slower = dataclasses.replace(problem, spec=problem.spec.replace("dynamics", {"kind": "updates"}))
    assert isinstance(slower.system(), curlflow.Map)
    for changes, said in (
        ({"covariance": np.eye(4)}, "covariance: it is not that of x_train"),
        ({"teacher": problem.student}, "teacher: y_train are not its outputs"),
        ({"spec": problem.spec.replace("seed", 8)}, "spec: its seed differs"),
    ):
        with pytest.raises(ValueError, match=said):
            dataclasses.replace(problem, **changes)


def test_sweeps_of_experiments_are_the_same_in_other_processes(tmp_path):
    own = Experiment(model=sweep_cells.module, data=Data(X, LABELS), loss="softmax", dynamics={"kind": "updates"})
    over = {"dynamics.learning_rate": [0.1, 0.5], "seed": [0, 1]}
    here = curlflow.sweep(own, over, "train", {"epochs": 20}, engine="serial")
    there = curlflow.sweep(own, over, "train", {"epochs": 20}, workers=1, directory=tmp_path)
    assert_same(here, there)
    alone = curlflow.train(own.replace({"dynamics.learning_rate": 0.5, "seed": 1}), epochs=20)
    np.testing.assert_array_equal(there.train_error[1, 1], alone.train_error)
    with pytest.raises(ValueError, match="directory: it is a sweep of an Experiment"):
        curlflow.sweeping.resume(tmp_path)
    other = own.replace("loss", lambda outputs, targets: jnp.mean(outputs**2))
    with pytest.raises(ValueError, match="is of another sweep: definition is"):
        curlflow.sweep(other, over, "train", {"epochs": 20}, directory=tmp_path, engine="serial")
    with pytest.raises(ValueError, match="spec: an object of the experiment cannot be sent to other processes"):
        curlflow.sweep(own.replace("model", lambda key: module(key)), over, "train", {"epochs": 20})


def test_observables_in_a_sweep_are_known_by_what_they_compute(tmp_path):
    own = Spec(network={"inputs": 3, "hidden": 3}, data={"samples": 9}, dynamics={"kind": "updates"})
    over, options = {"seed": [0, 1]}, {"times": [0, 3], "observables": {"first": sweep_cells.first_weights}}
    here = curlflow.sweep(own, over, "simulate", options, engine="serial")
    there = curlflow.sweep(own, over, "simulate", options, workers=1, directory=tmp_path)
    assert_same(here, there)
    whole = curlflow.simulate(own.replace("seed", 1), times=[0, 3], weights="all").weights.to_numpy()
    np.testing.assert_allclose(here["first"][1], whole[..., :9].reshape(1, 2, 3, 3), rtol=1e-12)

    def swept(function, **how):
        return curlflow.sweep(own, over, "simulate", options | {"observables": function}, **how)

    doubled = {"first": lambda network: 1.0 * sweep_cells.first_weights(network)}
    for refused, said in (
        (lambda: swept(doubled, directory=tmp_path, engine="serial"), "of another sweep: options.observables.first"),
        (lambda: swept(doubled), "options: a function cannot be sent to other processes"),
        (lambda: swept({"first": 3, "second": sum}, engine="serial"), "options.observables.first: got 3"),
        (lambda: swept({"none": lambda w: w.none}, engine="serial"), "options.observables.none: .* be applied"),
        (lambda: curlflow.sweeping.resume(tmp_path), "directory: observables of its options are functions"),
    ):
        with pytest.raises(ValueError, match=said):
            refused()
    assert_same(there, swept({"first": lambda network: network.weights[0]}, directory=tmp_path, engine="serial"))


def test_the_spec_of_a_dataset_says_what_it_lacks():
    written = curlflow.simulate(same_as(SPEC), times=[0]).attrs["spec"]
    with pytest.raises(ValueError, match="data: this spec was written by an Experiment, which had an object there"):
        Spec.from_json(written).build()


MADE = {"network": {"hidden": 3}, "data": Data(X, LABELS)}
BAD = [
    ({"data": Data(X, LABELS), "network": {"inputs": 4, "hidden": 3}}, r"data.x: got samples of shape \(3,\)"),
    ({**MADE, "network": {"hidden": 3, "outputs": 2}}, r"data.y: got targets of shape \(1,\)"),
    ({**MADE, "network": {"hidden": 3, "outputs": 1}, "loss": "softmax"}, "data.y: got labels from 0 to 1"),
    ({"data": Data(X, LABELS - 3), "network": {"hidden": 3}, "loss": "logistic"}, "data.y: got targets from -3 to"),
    ({**MADE, "loss": lambda o, t: o - t}, "loss: got float64 of shape .*, required is one real number"),
    ({**MADE, "loss": lambda o: 1.0}, "loss: it cannot be applied to outputs and targets"),
    ({**MADE, "rule": lambda m, x, y: m.weights[:1]}, r"rule: the update has arrays of shapes \[\(3, 3\)\]"),
    ({**MADE, "rule": 3}, "rule: got 3, required is a function"),
    ({**MADE, "loss": 3}, "loss: got 3, required is squared"),
    ({**MADE, "loss": "squred"}, "loss: got 'squred'; input should be .*, or a function in an Experiment"),
    ({**MADE, "start": [np.ones((2, 3)), np.ones((1, 3))]}, r"start: got weights of shapes \[\(2, 3\), \(1, 3\)\]"),
    ({**MADE, "start": [np.full((3, 3), np.nan), np.ones((1, 3))]}, "start: got 9 weights that are not finite"),
    ({**MADE, "start": "missing.nc"}, "start: missing.nc: no such file"),
    ({**MADE, "constraint": Gradient()}, "constraint: got Gradient"),
    ({**MADE, "data": X}, "data: got ndarray, required is a curlflow.Data"),
    ({**MADE, "model": (perceptron, {})}, "model: an experiment has a network or a model"),
    ({"data": Data(X, LABELS), "model": (perceptron, {})}, "model: got one without parameters"),
    ({"data": Data(X, LABELS), "model": 3}, "model: got int; required is an Equinox module"),
    ({"data": Data(X, LABELS), "model": (lambda p, x: x @ p, np.ones((4, 1)))}, "model: it cannot be applied to"),
    ({**MADE, "optimizer": 3}, "optimizer: got 3"),
    ({**MADE, "teacher": 3}, "teacher: got int"),
    ({**MADE, "start": {"kind": "teacher"}}, "start.kind: got \"teacher\", but samples of your own have none"),
    ({"data": Data(X, LABELS)}, "network: required, but not given"),
    ({**MADE, "dynamics": {"kind": "updates", "batch": 7}}, "dynamics.batch: got 7, allowed is a divisor"),
    ({**MADE, "rul": 3}, "rul: unknown field; did you mean rule?"),
]  # fmt: skip


@pytest.mark.quick
@pytest.mark.parametrize(("parts", "said"), BAD)
def test_what_does_not_fit_is_said(parts, said):
    with pytest.raises(ValueError, match=said):
        curlflow.simulate(Experiment(**parts), times=[0])


@pytest.mark.quick
@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ((X, LABELS[:5]), "data.y: got 5 samples, but data.x has 60; a sample is a row"),
        ((np.where(X > 2, np.nan, X), LABELS), r"data.x: got \d+ of 180 numbers that are not finite"),
        ((X, LABELS, X), "data.y_test: required with data.x_test"),
        ((X, LABELS, X[:, :2], LABELS), r"data.x_test: got samples of shape \(2,\), those of data.x are \(3,\)"),
        ((["a"], [1]), "data.x: got list, required is an array of real numbers"),
        ((X[:0], LABELS[:0]), "data.x: got no samples"),
    ],
)
def test_arrays_that_are_no_data(arrays, said):
    with pytest.raises(ValueError, match=said):
        Data(*arrays)


@pytest.mark.quick
def test_without_test_samples_there_is_no_test_error():
    own = Experiment(**MADE)
    ds = curlflow.simulate(own, times=[0, 1])
    assert np.isnan(ds.test_error).all()
    assert np.isfinite(ds.train_error).all()
    with pytest.raises(ValueError, match="error: it is about the test error, but the data have no test samples"):
        curlflow.convergence(own, epochs=10)
    with pytest.raises(ValueError, match="threshold: it is about the test error"):
        curlflow.train(own, epochs=10, threshold=0.1)
    assert (curlflow.train(own, epochs=10).status == 0).all()
    with pytest.raises(ValueError, match='at: "solution" means the teacher\'s weights, but there is none'):
        curlflow.stability(own)


@pytest.mark.quick
def test_single_precision_is_converted_aloud():
    tree = {"a": np.ones(3, np.float32), "b": np.ones(2), "c": jnp.tanh}
    with pytest.warns(UserWarning, match=r"w: 1 arrays of float32 \(3 numbers\) were converted to float64"):
        wide = in_double_precision(tree, "w")
    assert wide["a"].dtype == float
    assert wide["c"] is jnp.tanh
    pair = perceptron, {"w1": np.ones((2, 3)), "w2": np.ones((1, 2), np.float32)}
    with pytest.warns(UserWarning, match="model: 1 arrays of float32") as said:
        own = Experiment(model=pair, data=Data(X, X[:, :1]))
    assert len(said) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        own.replace("seed", 2).replace("data", Data(X, X[:, 1:2])).sealed()


@pytest.mark.quick
def test_functions_that_are_none():
    with pytest.raises(ValueError, match="rule: got 3, required is a function"):
        FunctionRule(3)


def test_an_experiment_is_made_in_a_fresh_process_with_the_same_seal():
    code = (
        "import sys; sys.path.insert(0, 'tests'); import numpy as np, curlflow, sweep_cells, warnings;"
        "warnings.simplefilter('ignore'); x = np.arange(6.0).reshape(3, 2) @ np.ones((2, 3));"
        "e = curlflow.Experiment(model=sweep_cells.module, data=curlflow.Data(x, [0, 1, 1]), loss='softmax');"
        "print(e.sealed().definition)"
    )
    seals = {subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout for _ in range(2)}
    assert len(seals) == 1
    assert len(seals.pop().strip()) == 50
