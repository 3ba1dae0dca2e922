"""Windows of datasets of any origin: what may be left out, and what is refused by a sentence."""

import networkx as nx
import numpy as np
import pytest
import xarray as xr

import curlflow
from curlflow import Spec, Status, systems
from curlflow.measures.autocorrelation import WindowStatus


def henon_states():
    """What `curlflow.simulate` gives for a map, as others might keep it."""
    return curlflow.simulate(systems.henon(), times=range(1000, 1200))


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.drop_vars("status"),
        lambda d: d.drop_vars("time"),
        lambda d: d.isel(realization=0),
        lambda d: d.isel(realization=0, drop=True),
        lambda d: d.isel(realization=0, drop=True).drop_vars("status"),
        lambda d: d.rename(state_variable="neuron"),
        lambda d: d.rename(state_variable="neuron").assign_coords(neuron=["x", "y"]),
        lambda d: d.transpose(),
        lambda d: d[["state"]],
    ],
)
def test_datasets_that_say_less_mean_the_same(change):
    known = curlflow.fluctuations(henon_states())
    found = curlflow.fluctuations(change(henon_states()))
    for name in known.data_vars:
        np.testing.assert_array_equal(found[name], known[name], err_msg=name)
    np.testing.assert_array_equal(found.time, known.time)
    np.testing.assert_array_equal(found.recorded, [0, 1])


def test_a_single_series_and_whole_numbers():
    both = curlflow.fluctuations(henon_states())
    one = curlflow.fluctuations(henon_states().isel(state_variable=1, realization=0, drop=True))
    np.testing.assert_allclose(one.time_variance[0], both.time_variance[0, 1:])
    coins = xr.Dataset({"state": ("time", np.random.default_rng(0).integers(0, 2, 1000))})
    np.testing.assert_allclose(curlflow.fluctuations(coins).time_variance, 0.25, rtol=0.01)


def test_time_of_a_dataset_is_a_unit_an_iteration_or_what_it_says():
    halved = henon_states().assign_coords(time=("iteration", 0.5 * np.arange(200)))
    whole, half = curlflow.fluctuations(henon_states().drop_vars("time")), curlflow.fluctuations(halved)
    np.testing.assert_allclose(half.integrated_time, 0.5 * whole.integrated_time)


def test_weights_of_a_dataset_that_are_recorded():
    spec = Spec(network={"inputs": 6, "hidden": 5}, data={"samples": 40}, realizations=2)
    curves = curlflow.simulate(spec, times=range(101), weights=12)
    every = curlflow.fluctuations(curves)
    assert every.sizes["recorded"] == 12
    some = curlflow.fluctuations(curves, weights=4, seed=3)
    assert some.sizes["recorded"] == 4
    np.testing.assert_array_equal(some.records, every.records.sel(recorded=some.recorded))
    assert set(some.recorded.values) <= set(curves.weight.values)
    np.testing.assert_array_equal(some.time_variance, every.time_variance)
    other = curlflow.fluctuations(curves, weights=4, seed=4)
    assert set(other.recorded.values) != set(some.recorded.values)


def numbers_not_finite(value, status):
    ds = xr.concat([henon_states()] * 2, "realization").assign(status=("realization", [0, status]))
    ds["state"] = ds.state.copy()
    ds.state[1, 50:, 0] = value
    return ds


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_runs_of_datasets_that_failed(value):
    found = curlflow.fluctuations(numbers_not_finite(value, Status.diverged))
    assert found.window_status.to_numpy().tolist() == [WindowStatus.long_enough, WindowStatus.not_seen]
    assert found.status.to_numpy().tolist() == [Status.completed, Status.diverged]
    assert found.order_parameter.isnull().to_numpy().tolist() == [False, True]
    before = curlflow.fluctuations(numbers_not_finite(value, Status.diverged), window=(1000, 1040))
    assert before.records.notnull().all()
    sentence = "state: 150 of 400 values in the window, in 1 of 2 columns, are not finite in realization 1"
    for wrong in (numbers_not_finite(value, 0), numbers_not_finite(value, 3).drop_vars("status")):
        with pytest.raises(ValueError, match=sentence):
            curlflow.fluctuations(wrong)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda d: d.state, "spec_or_system_or_dataset: got DataArray.*xarray.Dataset.*to_dataset"),
        (lambda d: "fig3cd", "spec_or_system_or_dataset: got str, required is a curlflow.Spec.*xarray.Dataset"),
        (lambda d: d * 1j, "state: got complex128, required are real numbers; give real and imaginary parts"),
        (lambda d: d.astype(str), "state: got <U.*, required are real numbers"),
        (lambda d: d.expand_dims("trial"), r"state: got \{'trial': 1.*at most one dimension of weights or states"),
        (lambda d: d.isel(state_variable=[]), "state: got .*none of them empty"),
        (
            lambda d: d.rename(iteration="step"),
            "dataset: required are weights or states.*over epoch, iteration or time",
        ),
        (lambda d: d.assign(status=("realization", [np.nan])), r"status: got \[nan\] over .*, required is one of"),
        (lambda d: d.assign(status=("realization", [99])), r"status: got \[99\] .*0 to 14"),
        (
            lambda d: d.assign_coords(time=7.0 * (d.time > 1e9)),
            "time: got 0 and then 0, required are values that incr",
        ),
        (lambda d: d.assign_coords(time=d.time.where(d.time > 1003)), "time: 4 of its 200 values are not finite"),
        (lambda d: d.assign_coords(time=("realization", [1.0])), r"time: got float64 over \('realization',\)"),
        (lambda d: d.assign_coords(iteration=d.iteration / 2), "iteration: got 500.5, required are whole numbers"),
        (lambda d: d.isel(iteration=slice(None, None, -1)), "iteration: got 1199 and then 1198"),
        (
            lambda d: d.assign_coords(iteration=d.iteration.where(d.iteration > 1003)),
            "iteration: 4 of its 200 values",
        ),
    ],
)
def test_what_a_dataset_must_not_be(change, sentence):
    with pytest.raises(ValueError, match=sentence):
        curlflow.fluctuations(change(henon_states()))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"interval": 2}, "interval: got 2; a dataset has its own"),
        ({"rule": curlflow.rules.Gradient()}, r"rule: got Gradient\(\); the run of a dataset is over, leave it out"),
        ({"graph": nx.DiGraph()}, "graph: got <networkx.*>; the run"),
        ({"progress": print}, "progress: got <built-in function print>; a dataset is looked at in one go"),
        ({"progress": True}, "progress: got True"),
        ({"compress": False}, "compress: got False; the run"),
        ({"compress": 1}, "compress: got 1, allowed are True and False"),
        ({"weights": 0}, "weights: got 0"),
    ],
)
def test_arguments_without_meaning_for_datasets(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        curlflow.fluctuations(henon_states(), **options)
    curlflow.fluctuations(henon_states(), progress=False, compress=True)
