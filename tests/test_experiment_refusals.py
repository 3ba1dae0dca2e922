"""What an `Experiment` refuses: one sentence that names the part, what was given and what is allowed."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import curlflow
from curlflow import Data, Experiment
from curlflow.diagrams import critical_value
from curlflow.networks import Feedforward
from curlflow.studies.classify.at_value import at_value

RNG = np.random.default_rng(0)
X = RNG.normal(size=(12, 3))
Y = np.sin(X[:, :1])
LABELS = np.arange(12) % 3
NETWORK = {"hidden": 4, "activation": "tanh"}
MODEL = {"network": None, "model": lambda key: eqx.nn.MLP(3, 1, 4, 1, key=key)}


def pair(**parameters):
    return {"network": None, "model": (lambda p, x: x @ p["w"], parameters)}


REFUSED = {
    "data, no object": ({"data": (X, Y)}, "data: got tuple, required is a curlflow.Data"),
    "data, another width": (
        {"network": {"inputs": 5, **NETWORK}},
        r"data.x: got samples of shape \(3,\).* 5 features",
    ),
    "data, none for a model": ({**MODEL, "data": None}, "data: required with a model"),
    "data, labels": ({"data": Data(X, LABELS.astype(float)), "loss": "softmax"}, r"data.y: got labels .*\(float64\)"),
    "data, test labels": ({"data": Data(X, LABELS, X[:2], [9, 1]), "loss": "softmax"}, "from 0 to 9 .* 3 outputs"),
    "data, below 0": ({"data": Data(X, Y), "loss": "softmax"}, "data.y: got targets from -0.9.* 0 to 1"),
    "data, sums": ({"data": Data(X, [[0.5, 0.6]] * 12), "loss": "softmax"}, "data.y: got targets that do not sum"),
    "data, test above 1": ({"data": Data(X, Y > 0, X[:1], [[5.0]]), "loss": "logistic"}, "data.y_test: .* to 5,"),
    "model and network": ({**MODEL, "network": NETWORK}, "model: an experiment has a network or a model"),
    "model, no function": ({**MODEL, "model": 3}, "model: got int; required"),
    "model, no key": ({**MODEL, "model": lambda: 3}, r"model: .* random key \(TypeError: .*0 positional arguments"),
    "model, whole numbers": (pair(w=np.ones((3, 1)), n=2), "model: got parameters of int64, allowed are real"),
    "model, not finite": (pair(w=np.full((3, 1), np.nan)), "model: got 3 parameters that are not finite"),
    "model, inputs": (pair(w=np.ones((5, 1))), r"model: it cannot be applied to inputs of shape \(3,\) \(TypeError"),
    "model, outputs": (pair(w=np.ones((3, 2))), r"data.y: got targets of shape \(1,\), .* \(2,\)"),
    "model, flips": ({**MODEL, "rule": {"kind": "curl"}}, 'rule.kind: got "curl", a rule of layered networks'),
    "loss, nothing": ({"loss": lambda outputs, targets: None}, "loss: it cannot be applied"),
    "loss, a vector": ({"loss": lambda o, t: jnp.mean(o - t, axis=0)}, "loss: (got float64|it cannot be applied)"),
    "rule, raises": ({"rule": lambda model, x, y: x @ y}, r"rule: it cannot be applied .*\(TypeError: dot_general"),
    "rule, one layer": (
        {"rule": lambda model, x, y: [model.weights[0]]},
        r"rule: .*\[\(4, 3\)\], required",
    ),
    "rule, single precision": (
        {"rule": lambda model, x, y: [jnp.asarray(w, dtype=np.float32) for w in model.weights]},
        "rule: the update has arrays of float32",
    ),
    "rule, a word": ({"rule": "gradient"}, "rule: got 'gradient', required is a table"),
    "teacher, other outputs": ({"teacher": Feedforward([np.ones((1, 3))])}, "teacher: data.y are not its outputs"),
    "teacher, other inputs": (
        {"network": {"inputs": 3, "hidden": 4}, "data": None, "teacher": Feedforward([np.ones((1, 5))])},
        "teacher: got a network from 5 inputs to 1 outputs, required is one from 3 to 1",
    ),
    "start, two for three": (
        {"realizations": 3, "start": [[np.ones((4, 3)), np.ones((1, 4))]] * 2},
        "start: got 2 sets of weights, .* each of 3 realizations",
    ),
}


@pytest.mark.quick
@pytest.mark.parametrize(("parts", "sentence"), REFUSED.values(), ids=REFUSED)
def test_parts_that_do_not_fit(parts, sentence):
    with pytest.raises(ValueError, match=sentence):
        Experiment(**{"network": NETWORK, "data": Data(X, Y), **parts}).build()


def test_what_studies_need_of_a_network():
    experiment = Experiment(**MODEL, data=Data(X, Y))
    with pytest.raises(ValueError, match='at: "solution" .* there is none'):
        curlflow.stability(experiment)
    with pytest.raises(ValueError, match="graph: it goes with a network"):
        experiment.build(graph=Experiment(network=NETWORK, data=Data(X, Y)).build().graph())
    with pytest.raises(ValueError, match="transverse: symmetries are known for rules of equation"):
        curlflow.lyapunov(experiment, transverse=True)
    with pytest.raises(ValueError, match=r"observables.a: .* \(AttributeError"):
        curlflow.simulate(experiment, observables={"a": lambda model: model.nothing})
    spheres = curlflow.constraints.FrobeniusSpheres([1.0])
    with pytest.raises(ValueError, match="radii: got 1, required is one for each of 2 layers"):
        curlflow.simulate(Experiment(network=NETWORK, data=Data(X, Y), constraint=spheres), times=[0, 1])


def test_no_theory_for_samples_of_ones_own():
    own = Experiment(network={"hidden": 4}, data=Data(X, Y), rule={"kind": "curl", "flipped": {"inputs": 0.5}})
    drawn = Experiment(**{name: own.model_dump()[name] for name in ("network", "rule")})
    assert critical_value(own, "rule.gain") is None
    assert critical_value(drawn, "rule.gain") is not None
    at = at_value(own, duration=20.0, transient=5.0)
    assert np.isnan(at.solution_rate.values).all()


def test_starts_from_a_dataset():
    experiment = Experiment(network=NETWORK, data=Data(X, Y))
    before = curlflow.simulate(experiment, times=[0, 1], weights="all")
    after = experiment.replace("start", before).build().student
    np.testing.assert_array_equal(np.concatenate([w.ravel() for w in after.weights]), before.weights.values[0, -1])
    with pytest.raises(ValueError, match="start: got a dataset of 16 weights, required are 20"):
        experiment.replace({"network.hidden": 5, "start": before}).build()


def test_a_rule_that_is_a_function_learns_as_the_gradient_does():
    def descent(model, x, y):
        return jax.tree.map(jnp.negative, jax.grad(lambda m: 0.5 * jnp.mean(jnp.sum((m(x.T).T - y) ** 2, 1)))(model))

    plain = Experiment(network=NETWORK, data=Data(X, Y)).build()
    own = Experiment(network=NETWORK, data=Data(X, Y), rule=descent).build()
    velocities = [problem.rule.velocity(problem.student, problem.samples).weights for problem in (plain, own)]
    for w, v in zip(*velocities, strict=True):
        np.testing.assert_allclose(v, w, rtol=1e-12)
