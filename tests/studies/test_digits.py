"""Handwritten digits, learned by Adam."""

import numpy as np

import curlflow


def test_a_small_network_learns_digits():
    experiment = curlflow.Experiment(
        network={"hidden": 32, "activation": "tanh"},
        data=curlflow.Data.of("digits"),
        loss="softmax",
        dynamics={"kind": "updates", "learning_rate": 0.01},
        optimizer={"kind": "adam"},
    )
    assert experiment.widths == (64, 32, 10)
    ds = curlflow.simulate(experiment, times=[0, 150])
    assert np.all(ds.test_accuracy.values[:, 0] < 0.3)
    assert np.all(ds.test_accuracy.values[:, -1] >= 0.95)
    assert np.all(ds.train_error.values[:, -1] < 0.1)
