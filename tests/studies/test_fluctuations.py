"""Windows of runs: streamed sums against arrays in memory, and motions whose fluctuations are known."""

import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from reference import autoregressive

import curlflow
from curlflow import Spec, Status, systems
from curlflow.measures.autocorrelation import WindowStatus
from curlflow.measures.order_parameter import order_parameter
from curlflow.solvers.integrate import Adaptive

SPEC = Spec(
    network={"inputs": 6, "hidden": 5}, data={"samples": 40}, realizations=2,
    rule={"kind": "curl", "flipped": {"inputs": 0.5}}, constraint={"kind": "frobenius"},
    dynamics={"kind": "updates"}, start={"kind": "random"},
)  # fmt: skip


def rotation(omega, centre, radius):
    """A flow on circles: x = centre + radius (cos ωt, −sin ωt)."""
    field = lambda t, x, args: omega * jnp.stack([x[1] - centre[1], centre[0] - x[0]])  # noqa: E731
    return curlflow.Flow(field, [centre[0] + radius, centre[1]], integrator=curlflow.solvers.Adaptive(1e-10, 1e-12))


@pytest.mark.parametrize("kind", ["updates", "flow"])
def test_streamed_is_in_memory(kind):
    spec = SPEC.replace("dynamics.kind", kind)
    interval = 1 if kind == "updates" else 0.3
    streamed = curlflow.fluctuations(spec, window=(0, 300 * interval), interval=interval, weights=1000)
    times = interval * np.arange(301)
    memory = curlflow.fluctuations(curlflow.simulate(spec, times=times, weights="all"), window=(0, float(times[-1])))
    assert streamed.samples.to_numpy().tolist() == [300, 300] == memory.samples.to_numpy().tolist()
    for name in (
        "order_parameter", "autocorrelation", "autocorrelation_weighted", "autocorrelation_spread", "integrated_time",
        "decay_time", "explained_variance", "explained_variance_ratio", "participation_ratio", "projection",
        "records",
    ):  # fmt: skip
        np.testing.assert_allclose(streamed[name], memory[name], rtol=1e-7, atol=1e-9, err_msg=name)
    np.testing.assert_array_equal(streamed.window_status, memory.window_status)


def test_streamed_is_in_memory_for_an_order_parameter_of_1e_25():
    # Two states that alternate, 3e-13 about means of order one.
    means, apart = np.linspace(-1, 1, 50), 3e-13 * (1 + np.arange(50) / 50)
    step = lambda i, x, args: means + jnp.where(i % 2 == 0, apart, -apart)  # noqa: E731
    system = curlflow.Map(step, means)
    ds = curlflow.fluctuations(system, window=(10, 1010), weights=50)
    records = ds.records[0].to_numpy()
    expected = np.mean(np.var(records - records[0], axis=0)) / np.var(records.mean(axis=0))
    assert 1e-26 < expected < 1e-24
    np.testing.assert_allclose(ds.order_parameter, [expected], rtol=1e-10)


@pytest.mark.parametrize(("snapshots", "window"), [(1000, 999), (7, 999), (130, 1000), (2, 4096)])
def test_sums_do_not_depend_on_how_the_window_is_cut(snapshots, window):
    step = lambda i, x, args: 0.9 * x + jnp.stack([jnp.cos(0.37 * i), jnp.sin(i * i)])  # noqa: E731
    system = curlflow.Map(step, [0.0, 1.0])
    ds = curlflow.fluctuations(system, window=(100, 100 + window), snapshots=snapshots, components=1)
    x = curlflow.simulate(system, times=np.arange(100 + window + 1)).state[0].to_numpy()[101:]
    np.testing.assert_allclose(ds.records[0], x, atol=1e-12)
    np.testing.assert_allclose(ds.time_mean[0], x.mean(axis=0), rtol=1e-12, atol=1e-14)  # of numbers of order one
    np.testing.assert_allclose(ds.time_variance[0], x.var(axis=0), rtol=1e-12)
    every = -(-window // snapshots)
    known = np.flatnonzero(~np.isnan(ds.projection[0, :, 0].to_numpy()))
    np.testing.assert_array_equal(known // every, np.arange(-(-window // every)))
    seen = x[known] - x[known].mean(axis=0)
    first = ds.principal_component[0, 0].to_numpy()
    np.testing.assert_allclose(ds.projection[0, known, 0], seen @ first, atol=1e-9)


@pytest.mark.parametrize("rate", [3.2, 3.5, 4.0])
def test_the_variance_of_a_single_number_is_that_of_its_component(rate):
    # Periods of two and four, and chaos; a thousand snapshots of ten thousand samples.
    ds = curlflow.fluctuations(systems.logistic(rate))
    np.testing.assert_allclose(ds.explained_variance[0], ds.time_variance[0], rtol=1e-12)
    np.testing.assert_allclose(ds.explained_variance_ratio[0], [1.0], rtol=1e-12)
    x = ds.records[0, :, 0].to_numpy()
    np.testing.assert_allclose(ds.time_variance[0], [x.var()], rtol=1e-10)
    assert ds.projection.notnull().sum() == 1000
    assert ds.attrs["settings"].find('"snapshots": 1000') > 0


@pytest.mark.parametrize("period", [2, 3, 4, 5, 6, 8, 10, 12, 10 / 1.382])
def test_snapshots_see_all_states_of_a_cycle(period):
    # An ellipse with variances 2 and ½; of two states a line. The last period locks with the golden ratio.
    centre = jnp.asarray([3.0, -1.0])
    step = lambda i, x, args: centre + jnp.stack([2 * jnp.cos(args * (i + 1)), jnp.sin(args * (i + 1))])  # noqa: E731
    ds = curlflow.fluctuations(curlflow.Map(step, [5.0, -1.0], args=2 * np.pi / period), window=(0, 10_000))
    expected = [4.0, 0.0] if period == 2 else [2.0, 0.5]
    np.testing.assert_allclose(ds.explained_variance[0], expected, atol=0.1)
    np.testing.assert_allclose(ds.explained_variance[0].sum(), ds.time_variance[0].sum(), rtol=1e-12)


def test_streamed_snapshots_are_those_in_memory():
    step = lambda i, x, args: 0.9 * x + jnp.stack([jnp.cos(0.37 * i), jnp.sin(i * i)])  # noqa: E731
    system = curlflow.Map(step, [0.0, 1.0])
    streamed = curlflow.fluctuations(system, window=(1000, 6321), snapshots=700)
    memory = curlflow.fluctuations(curlflow.simulate(system, times=range(1001, 6322)), snapshots=700)
    for name in streamed.data_vars:
        np.testing.assert_allclose(streamed[name], memory[name], rtol=1e-10, atol=1e-13, err_msg=name)
    known = streamed.projection[0].notnull().all("component").to_numpy()
    rows = [known[first : first + 8].sum() for first in range(0, 5321, 8)]
    assert rows == [1] * 666  # also the last, which has one sample only


def test_a_window_of_too_many_iterations_wants_an_interval():
    with pytest.raises(ValueError, match="window: 2,000,000 iterations, of which at most 1,000,000 can be samples"):
        curlflow.fluctuations(systems.logistic(3.2), window=(1000, 2_001_000))
    # With three, which has no factor in common with two, both states are seen.
    ds = curlflow.fluctuations(systems.logistic(3.2), window=(1000, 2_001_000), interval=3)
    np.testing.assert_allclose(ds.time_variance.item(), 0.0205, atol=1e-4)


def test_a_circle():
    omega, centre, radius = 0.7, (3.0, -1.0), 0.5
    # 20 periods, to the end of which the window goes.
    when = {"window": (0, 20 * 2 * np.pi / omega), "interval": 2 * np.pi / omega / 100}
    ds = curlflow.fluctuations(rotation(omega, centre, radius), snapshots=2000, **when)
    q = radius**2 / 2 / np.var(centre)
    np.testing.assert_allclose(ds.order_parameter, [q], rtol=1e-6)
    np.testing.assert_allclose(ds.autocorrelation[0], np.cos(omega * ds.lag), atol=0.02)
    np.testing.assert_allclose(ds.decay_time, [np.arccos(np.exp(-1)) / omega], rtol=0.01)
    np.testing.assert_allclose(ds.explained_variance_ratio[0], [0.5, 0.5], atol=1e-6)
    np.testing.assert_allclose(ds.explained_variance[0], [radius**2 / 2] * 2, rtol=1e-6)
    np.testing.assert_allclose(ds.participation_ratio, [2], rtol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(ds.projection[0].dropna("time"), axis=1), radius, rtol=1e-6)
    half = curlflow.fluctuations(rotation(omega, centre, radius), **when)
    assert half.projection[0, :, 0].notnull().sum() == 1000
    np.testing.assert_allclose(half.explained_variance[0], [radius**2 / 2] * 2, rtol=2e-3)


def test_records_of_other_origin():
    # An AR(1) process: r(k) = φᵏ, integrated time (1 + φ)/(1 − φ)/2.
    series = autoregressive(0.8, 40_000, 8, np.random.default_rng(1))
    ds = xr.Dataset(
        {"state": (("realization", "time", "state_variable"), series[None]), "status": ("realization", [0])},
        {"time": 0.5 * np.arange(40_000)},
    )
    found = curlflow.fluctuations(ds, lags=60)
    np.testing.assert_allclose(found.autocorrelation[0, :20], 0.8 ** np.arange(20), atol=0.03)
    np.testing.assert_allclose(found.integrated_time, [0.5 * 1.8 / 0.2 / 2], rtol=0.1)
    np.testing.assert_allclose(found.decay_time, [0.5 / np.log(1 / 0.8)], rtol=0.05)
    np.testing.assert_allclose(found.lag, 0.5 * np.arange(60))
    assert found.window_status.item() == WindowStatus.long_enough


def test_order_parameters_of_layers():
    ds = curlflow.fluctuations(SPEC, window=(50, 150), weights=1000)
    for run in (ds.isel(realization=i) for i in range(2)):
        mean, variance = run.records.mean("epoch").to_numpy(), run.records.var("epoch").to_numpy()
        np.testing.assert_allclose(run.layer_order_parameter[0], order_parameter(mean[:30], variance[:30]), rtol=1e-9)
        np.testing.assert_allclose(run.layer_order_parameter[1], order_parameter(mean[30:], variance[30:]), rtol=1e-9)
    places = ds.isel(weight=33)
    assert (int(places.weight_layer), int(places.post), int(places.pre)) == (2, 0, 3)


def test_recorded_weights_are_some_of_all_and_alike_for_all_realizations():
    every = curlflow.fluctuations(SPEC, window=(20, 60), weights=35)
    some = curlflow.fluctuations(SPEC, window=(20, 60), weights=9, seed=3)
    assert some.sizes["recorded"] == 9
    np.testing.assert_array_equal(some.records, every.records.sel(recorded=some.recorded))
    other = curlflow.fluctuations(SPEC, window=(20, 60), weights=9, seed=4)
    assert set(other.recorded.values) != set(some.recorded.values)
    np.testing.assert_array_equal(some.time_variance, every.time_variance)


def test_compressed_up_to_the_window():
    spec = SPEC.replace({"network.hidden": 30, "teacher.width": 30, "dynamics.kind": "flow", "dynamics.rtol": 1e-10})
    narrow = curlflow.fluctuations(spec, window=(20, 60), weights=1000)
    wide = curlflow.fluctuations(spec, window=(20, 60), weights=1000, compress=False)
    assert "compression" in narrow.attrs
    assert "compression" not in wide.attrs
    np.testing.assert_allclose(narrow.records, wide.records, atol=1e-6)
    np.testing.assert_allclose(narrow.order_parameter, wide.order_parameter, rtol=1e-4)


def test_intervals_of_several_epochs_and_long_ones_of_flows():
    one = curlflow.fluctuations(SPEC, window=(50, 150), weights=35)
    five = curlflow.fluctuations(SPEC, window=(50, 150), interval=5, weights=35)
    np.testing.assert_allclose(five.records, one.records[:, 4::5], atol=1e-9)
    np.testing.assert_array_equal(five.epoch, np.arange(55, 151, 5))
    np.testing.assert_allclose(five.time, 0.1 * five.epoch)
    flow = SPEC.replace("dynamics.kind", "flow")
    ds = curlflow.fluctuations(flow, window=(0, 200), interval=25, weights=35)
    curve = curlflow.simulate(flow, times=np.arange(0, 201, 25), weights="all")
    np.testing.assert_allclose(ds.records, curve.weights[:, 1:], atol=1e-4)


def test_minibatches():
    spec = SPEC.replace("dynamics.batch", 10)
    ds = curlflow.fluctuations(spec, window=(30, 50), weights=35)
    curve = curlflow.simulate(spec, times=np.arange(31, 51), weights="all")
    np.testing.assert_allclose(ds.records, curve.weights, atol=1e-9)


def test_what_stands_still():
    ds = curlflow.fluctuations(curlflow.Map(lambda i, x, args: x, [1.0, 2.0, 4.0]), window=(0, 100))
    assert ds.window_status.item() == WindowStatus.still
    assert ds.order_parameter.item() == 0
    assert ds.moving.item() == 0
    for name in ("autocorrelation", "integrated_time", "decay_time", "participation_ratio", "principal_component"):
        assert ds[name].isnull().all(), name
    equal = curlflow.fluctuations(curlflow.Map(lambda i, x, args: x, [2.0, 2.0]), window=(0, 100))
    assert np.isnan(equal.order_parameter.item())


def test_some_stand_still():
    step = lambda i, x, args: jnp.stack([x[0], jnp.cos(0.1 * i), jnp.sin(0.1 * i)])  # noqa: E731
    ds = curlflow.fluctuations(curlflow.Map(step, [1.0, 0.0, 0.0]), window=(0, 1000))
    assert ds.moving.item() == 2
    np.testing.assert_allclose(ds.autocorrelation[0, :100], np.cos(0.1 * np.arange(100)), atol=0.02)


def test_short_windows_say_so():
    slow = rotation(0.001, (0.0, 0.0), 1.0)
    assert curlflow.fluctuations(slow, window=(0, 100)).window_status.item() == WindowStatus.lags_too_few
    noise = autoregressive(0.95, 400, 5, np.random.default_rng(0))
    ds = xr.Dataset(
        {"state": (("realization", "iteration", "state_variable"), noise[None]), "status": ("realization", [0])},
        {"iteration": np.arange(400), "time": ("iteration", np.arange(400.0))},
    )
    assert curlflow.fluctuations(ds).window_status.item() == WindowStatus.short


def test_runs_that_diverge_before_and_inside_the_window():
    grows = curlflow.Flow(lambda t, x, args: x * x, [0.1, -1.0])
    inside = curlflow.fluctuations(grows, window=(5, 20), interval=0.1)
    assert inside.status.item() == Status.diverged
    assert 40 < inside.samples.item() < 51
    assert np.isnan(inside.order_parameter.item())
    assert inside.records[0, :40].notnull().all()
    assert inside.records[0, 60:].isnull().all()
    before = curlflow.fluctuations(grows, window=(15, 20), interval=0.1)
    assert before.status.item() == Status.diverged
    assert before.samples.item() == 0
    assert before.window_status.item() == WindowStatus.not_seen


def test_an_interrupt_keeps_what_was_seen():
    def stop(realization, phase, fraction):
        if phase == "window":
            raise KeyboardInterrupt

    with pytest.raises(curlflow.Interrupted) as caught:
        curlflow.fluctuations(systems.henon(), window=(0, 500_000), progress=stop)
    ds = caught.value.dataset
    assert ds.status.item() == Status.interrupted
    seen = ds.samples.item()
    assert 0 < seen < 500_000
    np.testing.assert_allclose(ds.time_mean[0], ds.records[0, :seen].mean("iteration"), rtol=1e-10)


def test_it_is_saved_and_drawn(tmp_path):
    ds = curlflow.fluctuations(SPEC, window=(50, 150))
    curlflow.save(ds, tmp_path / "f.nc")
    loaded = curlflow.load(tmp_path / "f.nc")
    xr.testing.assert_identical(loaded, ds)
    figure = curlflow.plot.fluctuations(loaded, realization=1)
    assert len(figure.axes) == 3
    with pytest.raises(ValueError, match="realization: got 2, allowed are 0 to 1"):
        curlflow.plot.fluctuations(loaded, realization=2)


@pytest.mark.quick
@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"window": (10, 5)}, "window: got 10 to 5; its end"),
        ({"window": (0.5, 10)}, "window: got 0.5 to 10; for updates and maps"),
        ({"window": (-1, 10)}, "window"),
        ({"window": (0, 10), "interval": 1.5}, "interval: got 1.5; for updates"),
        ({"window": (0, 10), "interval": 7}, "window: 1 samples at an interval of 7, allowed are 2 to"),
        ({"window": (0, 10), "lags": 6}, "lags: got 6, allowed are 1 to 5, half of the 10 samples.*12 samples"),
        ({"window": (0, 10), "components": 10}, "components: got 10, allowed are whole numbers from 1 to 9, what 10"),
        ({"window": (0, 10), "snapshots": 1}, "snapshots: got 1"),
        ({"window": (0, 10), "weights": 0}, "weights: got 0"),
        ({"window": (0, 900_000), "snapshots": 10}, "snapshots: got 10 of 900,000 samples, required are 220"),
        ({"window": (0, 2_000_000), "interval": 1}, "window: 2000000 samples"),
        ({"compress": 1}, "compress: got 1"),
    ],
)
def test_bad_input(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        curlflow.fluctuations(SPEC, **options)


def test_bad_datasets():
    ds = curlflow.simulate(SPEC, times=np.arange(101), weights="all")
    with pytest.raises(ValueError, match="window: got 50 to 200, but the run was recorded from 0 to 100"):
        curlflow.fluctuations(ds, window=(50, 200))
    with pytest.raises(ValueError, match="window: 1 records are in it"):
        curlflow.fluctuations(ds, window=(50, 51))
    with pytest.raises(ValueError, match="interval: got 1; a dataset has its own"):
        curlflow.fluctuations(ds, interval=1)
    with pytest.raises(ValueError, match="dataset: required are weights or states along a run"):
        curlflow.fluctuations(curlflow.simulate(SPEC, times=[0, 1]))
    uneven = curlflow.simulate(SPEC, times=[0, 1, 2, 5], weights="all")
    with pytest.raises(ValueError, match="window: its records are 1 to 3 apart, required are equal intervals"):
        curlflow.fluctuations(uneven)


def test_states_that_alternate_are_named():
    step = lambda i, x, args: jnp.stack([-x[0], 0.9 * x[1]])  # noqa: E731
    ds = curlflow.fluctuations(curlflow.Map(step, [1.0, 1.0]), window=(500, 600))
    assert ds.status.item() == Status.period_two
    np.testing.assert_allclose(ds.autocorrelation_weighted[0, :4], [1, -1, 1, -1], atol=0.02)
    still = curlflow.fluctuations(curlflow.Map(step, [0.0, 1.0]), window=(500, 600))
    assert still.status.item() == Status.completed


def test_the_solver_takes_the_steps_of_the_window_before_it_begins():
    # x follows y, which is slow. Long steps leave an error in x, whose relaxation nobody should see in the window.
    system = curlflow.Flow(
        lambda t, s, args: jnp.array([[-3.0, 3.0], [0.0, -0.01]]) @ s, np.ones(2), integrator=Adaptive(1e-3, 1e-6)
    )
    ds = curlflow.fluctuations(system, window=(400, 410), interval=0.1, weights=2)
    x, y = ds.records[0].to_numpy().T
    np.testing.assert_allclose(x / y, 3 / 2.99, rtol=1e-7)


@pytest.mark.parametrize("window", [(0, 10), (0.35, 10.35), (12.3, 22.3), (1000, 1010)])
def test_samples_are_where_they_belong_whatever_comes_before(window):
    system = curlflow.Flow(lambda t, s, args: 1.0 + 0 * s, np.zeros(1))
    ds = curlflow.fluctuations(system, window=window, interval=0.5, weights=1)
    np.testing.assert_allclose(ds.records[0, :, 0], ds.time, rtol=1e-12)
    np.testing.assert_allclose(ds.time[-1], window[1])
