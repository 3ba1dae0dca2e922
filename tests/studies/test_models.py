"""A model that computes what a layered network does learns as the network does."""

import jax.numpy as jnp
import numpy as np
import pytest

import curlflow

RNG = np.random.default_rng(0)
X = RNG.normal(size=(12, 3))
LABELS = np.arange(12) % 3
DYNAMICS = {
    "flow": {},
    "batches": {"dynamics": {"kind": "updates", "batch": 4}},
    "adam": {"dynamics": {"kind": "updates", "learning_rate": 0.01}, "optimizer": {"kind": "adam"}},
    "spheres": {"constraint": {"kind": "frobenius"}},
}


def apply(weights, inputs):
    return jnp.tanh(inputs @ weights[0].T) @ weights[1].T


@pytest.mark.parametrize("name", DYNAMICS)
def test_models_learn_as_networks_do(name):
    parts = {"data": curlflow.Data(X, LABELS, X[:4], LABELS[:4]), "loss": "softmax", **DYNAMICS[name]}
    network = curlflow.Experiment(network={"hidden": 4, "activation": "tanh"}, **parts)
    model = curlflow.Experiment(model=(apply, list(network.build().student.weights)), **parts)
    ours, same = (curlflow.simulate(e, times=[0, 1, 5], weights="all") for e in (model, network))
    for variable in ("train_error", "test_error", "test_accuracy", "layer_norm", "weights"):
        np.testing.assert_allclose(ours[variable], same[variable], rtol=1e-6, atol=1e-8)
    assert ours.train_error[0, -1] < ours.train_error[0, 0]
