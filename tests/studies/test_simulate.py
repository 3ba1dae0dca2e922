"""Learning curves against the systems they come from and against closed forms."""

import numpy as np
import pytest
from reference import two_layer_updates

import curlflow
from curlflow import Spec, Status, systems

SPEC = Spec(
    network={"inputs": 6, "hidden": 5}, data={"samples": 40}, realizations=2,
    rule={"kind": "curl", "flipped": {"inputs": 0.2}}, constraint={"kind": "frobenius"},
)  # fmt: skip


def test_epochs_are_complete_passes():
    spec = SPEC.replace({"dynamics.kind": "updates", "dynamics.batch": 10})
    ds = curlflow.simulate(spec, times=[0, 1, 7, 100], weights="all")
    assert ds.train_error.dims == ("realization", "epoch")
    np.testing.assert_allclose(ds.time, [0, 0.1, 0.7, 10.0])
    problem = spec.build(realization=1)
    d1, d2 = problem.rule.gains
    for position, epochs in enumerate([0, 1, 7, 100]):
        slices = [b for epoch in range(epochs) for b in problem.batches(epoch)]
        w1, w2 = two_layer_updates(
            *problem.student.weights, slices, problem.x_train, problem.y_train, d1, d2, 0.1 * 10 / 40, True
        )
        run = ds.isel(realization=1, epoch=position)
        flat = np.concatenate([w1.ravel(), w2.ravel()])
        np.testing.assert_allclose(run.weights, flat, atol=1e-10)
        for name, x, y in (("train", problem.x_train, problem.y_train), ("test", problem.x_test, problem.y_test)):
            error = 0.5 * np.mean((w2 @ w1 @ x - y) ** 2)
            np.testing.assert_allclose(run[f"{name}_error"], error, rtol=1e-8)
        np.testing.assert_allclose(run.layer_norm, [np.linalg.norm(w1), np.linalg.norm(w2)])


def test_coordinates_say_where_each_weight_stands():
    ds = curlflow.simulate(SPEC, times=[0.0], weights=7)
    weights = SPEC.build().student.weights
    assert ds.sizes["weight"] == 7
    for k in range(7):
        w = ds.weights.isel(realization=0, time=0, weight=k)
        assert float(w) == weights[int(w.weight_layer) - 1][int(w.post), int(w.pre)]


def test_a_flow_does_not_depend_on_when_it_is_recorded():
    few = curlflow.simulate(SPEC.replace("dynamics.rtol", 1e-9), times=[25.0])
    many = curlflow.simulate(SPEC.replace("dynamics.rtol", 1e-9), times=np.linspace(0.1, 25.0, 150))
    np.testing.assert_allclose(few.test_error[:, 0], many.test_error[:, -1], rtol=1e-5)
    np.testing.assert_allclose(many.layer_norm.std("time"), 0, atol=1e-13)
    assert "weights" not in few


@pytest.mark.quick
def test_one_linear_unit_relaxes_exponentially():
    # N = 0 hidden layers would be linear regression; with W1 unflipped and W2 frozen by gain 0 it is that too.
    rule = {"kind": "curl", "gain": 0.0, "flipped": {"hidden": 1.0}}
    spec = Spec(
        network={"inputs": 1, "hidden": 1},
        data={"samples": "population"},
        rule=rule,
        dynamics={"rtol": 1e-10, "kind": "flow"},
    )
    times = np.array([0.0, 0.5, 2.0, 5.0])
    ds = curlflow.simulate(spec, times=times)
    problem = spec.build()
    rate = problem.student.weights[1].item() ** 2 * 0.5
    np.testing.assert_allclose(ds.train_error[0] / ds.train_error[0, 0], np.exp(-2 * rate * times), rtol=1e-6)


def test_defaults_and_deep_networks():
    spec = Spec(network={"inputs": 4, "hidden": [5, 3], "outputs": 2, "activation": "tanh"}, data={"samples": 20})
    ds = curlflow.simulate(spec)
    assert ds.time[0] == 0
    assert ds.time[-1] == 1000
    assert ds.sizes["layer"] == 3
    assert float(ds.train_error[0, -1]) < float(ds.train_error[0, 0])
    updates = curlflow.simulate(spec.replace("dynamics.kind", "updates"), times=[0, 5])
    assert updates.epoch.dtype == np.int64


def test_divergence_is_a_status_and_leaves_the_record_before():
    spec = SPEC.replace(
        {"constraint.kind": "none", "rule.flipped.inputs": 1.0, "rule.flipped.hidden": 1.0, "start.scale": 3.0}
    )
    ds = curlflow.simulate(spec, times=np.linspace(0, 200, 50))
    assert (ds.status == Status.diverged).all()
    assert np.isfinite(ds.train_error[:, 0]).all()
    assert np.isnan(ds.train_error[:, -1]).all()


def test_interrupts_keep_what_was_finished():
    def progress(realization, phase, fraction):
        if fraction > 0.2:
            raise KeyboardInterrupt

    with pytest.raises(curlflow.Interrupted) as caught:
        curlflow.simulate(SPEC, times=np.linspace(0, 50, 400), progress=progress)
    partial = caught.value.dataset
    assert Status.interrupted in partial.status.to_numpy()
    assert np.isfinite(partial.train_error.to_numpy()[:, 0]).any()


@pytest.mark.quick
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"times": [1.0, 0.5]}, "times: got .*, allowed are finite increasing numbers from 0"),
        ({"times": [-1.0]}, "times: got"),
        ({"times": []}, "times: got"),
        ({"weights": "some"}, "weights: got 'some', allowed are"),
        ({"weights": 36}, "weights: got 36, allowed are whole numbers from 0 to 35, the number of weights"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        curlflow.simulate(SPEC, **arguments)


def test_epochs_are_whole():
    with pytest.raises(ValueError, match=r"times: got .*; for updates they are epochs, whole numbers"):
        curlflow.simulate(SPEC.replace("dynamics.kind", "updates"), times=[0.5])


def test_systems_record_their_states():
    oscillator = systems.linear([[0.0, 1.0], [-1.0, 0.0]], state=[1.0, 0.0])
    times = np.linspace(0, 30, 7)
    ds = curlflow.simulate(oscillator, times=times)
    assert ds.state.dims == ("realization", "time", "state_variable")
    np.testing.assert_allclose(ds.state[0], np.stack([np.cos(times), -np.sin(times)], axis=1), atol=2e-5)
    halving = curlflow.simulate(curlflow.Map(lambda i, x, args: x / 2, np.ones(2), 0.25), times=[0, 1, 4])
    assert halving.state.dims == ("realization", "iteration", "state_variable")
    np.testing.assert_array_equal(halving.state[0, :, 1], [1, 0.5, 1 / 16])
    np.testing.assert_array_equal(halving.time, [0, 0.25, 1.0])
    with pytest.raises(ValueError, match="for maps they are iterations, whole numbers"):
        curlflow.simulate(systems.henon(), times=[0.5])
    with pytest.raises(ValueError, match="weights: got 'all'; a system's whole state is recorded"):
        curlflow.simulate(systems.henon(), weights="all")
