"""Autocorrelations, moments, order parameter and principal components: closed forms and slow sums beside each."""

import jax.numpy as jnp
import numpy as np
import pytest
from reference import autoregressive

from curlflow import systems
from curlflow.measures import lyapunov, moments, power_spectrum, window
from curlflow.measures.autocorrelation import (
    autocorrelation,
    autocovariance,
    averages,
    decay_time,
    deviations,
    integrated_time,
    moving,
    of_records,
)
from curlflow.measures.order_parameter import (
    layer_order_parameter_errors,
    layer_order_parameters,
    order_parameter,
    order_parameter_error,
)
from curlflow.measures.pca import of_snapshots, principal_components
from curlflow.measures.standard_error import BATCHES
from curlflow.measures.window import SLOTS, Schedule, places_ahead, snapshot_places
from curlflow.precision import jax_settings
from curlflow.systems.linearised import kernels

pytestmark = pytest.mark.quick

# Autocorrelation


def test_covariances_are_those_of_the_plain_sums():
    series = np.random.default_rng(0).normal(size=(37, 5)) + 3.0
    centred = series - series.mean(axis=0)
    expected = [np.sum(centred[: 37 - k] * centred[k:], axis=0) / (37 - k) for k in range(37)]
    np.testing.assert_allclose(autocovariance(series, 37), expected, atol=1e-13)
    np.testing.assert_allclose(autocovariance(series, 4), expected[:4], atol=1e-13)
    biased = autocovariance(series, 37) * (37 - np.arange(37))[:, None] / 37
    # The sum over all lags but zero of the estimate that divides by T is −½ of the variance.
    np.testing.assert_allclose(biased[1:].sum(axis=0), -biased[0] / 2, atol=1e-12)


def test_white_noise_autoregressive_noise_and_a_sine():
    white = averages(np.random.default_rng(1).normal(size=(2000, 300)), 50)
    np.testing.assert_allclose(white.mean_of_ratios, np.arange(50) == 0, atol=6e-3)
    np.testing.assert_allclose(white.spread[1:], 1 / np.sqrt(2000), rtol=0.2)
    for a in (0.9, -0.5):
        found = averages(autoregressive(a, 20_000, 100, np.random.default_rng(0)), 60)
        for estimate in (found.mean_of_ratios, found.ratio_of_means):
            np.testing.assert_allclose(estimate, a ** np.arange(60), atol=0.01)
    t = np.arange(10_000)
    sine = autocorrelation(np.sin(2 * np.pi * t / 100)[:, None], 500)[:, 0]
    np.testing.assert_allclose(sine, np.cos(2 * np.pi * np.arange(500) / 100), atol=2e-3)


def test_frozen_series_have_none_and_are_left_out():
    series = autoregressive(0.8, 5000, 4, np.random.default_rng(0))
    frozen = np.stack([np.full(5000, 0.3), np.zeros(5000), 1e3 + 1e-13 * series[:, 0]], axis=1)
    both = np.concatenate([frozen, series], axis=1)
    assert moving(both).tolist() == [False] * 3 + [True] * 4
    assert np.isnan(autocorrelation(both, 5)[:, :3]).all()
    alone, beside = averages(series, 30), averages(both, 30)
    np.testing.assert_array_equal(beside.mean_of_ratios, alone.mean_of_ratios)
    assert np.isnan(averages(frozen, 3).mean_of_ratios).all()
    # Tiny fluctuations about a large mean that are not rounding.
    tiny = averages(1.0 + 1e-9 * series, 30)
    np.testing.assert_allclose(tiny.mean_of_ratios, alone.mean_of_ratios, atol=1e-5)


def test_the_two_averages_differ_where_variances_do():
    rng = np.random.default_rng(1)
    slow, fast = autoregressive(0.95, 40_000, 1, rng), autoregressive(0.1, 40_000, 1, rng)
    slow, fast = slow / slow.std(), fast / fast.std()
    found = averages(np.concatenate([10 * slow, fast], axis=1), 10)
    np.testing.assert_allclose(found.mean_of_ratios[5], (0.95**5 + 0.1**5) / 2, atol=0.03)
    np.testing.assert_allclose(found.ratio_of_means[5], (100 * 0.95**5 + 0.1**5) / 101, atol=0.03)


@pytest.mark.parametrize("a", [0.0, 0.5, 0.95])
def test_integrated_and_decay_times(a):
    exact = a ** np.arange(2000)
    np.testing.assert_allclose(integrated_time(exact), 0.5 * (1 + a) / (1 - a), rtol=0.02)
    if a > 0.5:
        np.testing.assert_allclose(decay_time(exact), -1 / np.log(a), rtol=0.01)
    sampled = averages(autoregressive(a, 50_000, 20, np.random.default_rng(0)), 1000).mean_of_ratios
    np.testing.assert_allclose(integrated_time(sampled), 0.5 * (1 + a) / (1 - a), rtol=0.05)


@pytest.mark.parametrize("a", [0.3, 0.5, 0.9, -0.5])
def test_the_window_of_the_integrated_time_is_its_definition(a):
    correlation = a ** np.arange(200.0)
    lag, time = 1, 0.5 + correlation[1]
    while lag < 5 * time:
        lag += 1
        time += correlation[lag]
    assert integrated_time(correlation) == pytest.approx(time, rel=1e-14)


def test_times_that_the_lags_do_not_show_are_nan():
    assert np.isnan(integrated_time(0.999 ** np.arange(100)))
    assert np.isnan(decay_time(0.999 ** np.arange(100)))
    assert np.isnan(integrated_time(np.full(50, np.nan)))
    assert np.isnan(decay_time(np.full(50, np.nan)))
    with pytest.raises(ValueError, match="lags: got 5, allowed are 1 to 4"):
        autocovariance(np.zeros((4, 1)), 5)


# Moments


def blocks(series, length):
    """Moments of a series that comes in blocks."""
    found = moments.no_moments(jnp.asarray(series[0]))
    for first in range(0, len(series), length):
        sums = moments.begun(jnp.asarray(series[first]))
        for x in series[first : first + length]:
            sums = moments.added(sums, jnp.asarray(x))
        found = moments.joined(found, sums)
    return found


@pytest.mark.parametrize("length", [1, 7, 64, 1000])
@pytest.mark.parametrize(("centre", "size"), [(0.0, 1.0), (1.0, 1e-12), (-3.0, 1e-6), (1e8, 1.0)])
def test_moments_in_blocks_are_those_of_the_whole(length, centre, size):
    with jax_settings():
        steps = np.random.default_rng(2).normal(size=(150, 6))
        series = centre + size * np.cumsum(steps, axis=0)
        found = blocks(series, length)
        # In extended precision, of the numbers as they are stored.
        exact = series.astype(np.longdouble)
        np.testing.assert_allclose(found.mean, exact.mean(axis=0).astype(float), rtol=1e-15, atol=1e-15 * size)
        np.testing.assert_allclose(found.variance, exact.var(axis=0).astype(float), rtol=1e-12)
        assert float(found.count) == 150


def test_empty_blocks_and_constant_numbers():
    with jax_settings():
        found = moments.no_moments(jnp.array([5.5, 6.5]))
        empty = moments.begun(jnp.array([5.0, 6.0]))
        for _ in range(2):
            found = moments.joined(found, empty)
        assert (float(found.count), found.mean.tolist(), found.squares.tolist()) == (0.0, [5.5, 6.5], [0.0, 0.0])
        found = moments.joined(moments.joined(found, moments.added(empty, jnp.array([5.0, 6.0]))), empty)
        assert (float(found.count), found.mean.tolist(), found.squares.tolist()) == (1.0, [5.0, 6.0], [0.0, 0.0])
        assert float(np.max(blocks(np.full((100, 3), 0.1), 9).squares)) == 0.0


# Snapshots


@pytest.mark.parametrize(("samples", "every"), [(10_000, 10), (2001, 2), (9000, 9), (10**6, 1000)])
def test_no_frequency_is_seen_as_rest(samples, every):
    places = snapshot_places(samples, every)
    np.testing.assert_array_equal(places // every, np.arange(-(-samples // every)))
    frequencies = np.linspace(0, 1, 4001)[10:-10]
    even = np.abs(np.exp(2j * np.pi * np.outer(frequencies, np.arange(0, samples, every))).mean(axis=1)).max()
    drawn = np.abs(np.exp(2j * np.pi * np.outer(frequencies, places)).mean(axis=1)).max()
    assert even > 0.9
    assert drawn < 0.13
    for period in range(2, 13):
        shares = np.bincount(places % period, minlength=period) / places.size
        np.testing.assert_allclose(shares, 1 / period, atol=0.06)


def test_every_sample_is_a_snapshot_or_one_of_each_row():
    np.testing.assert_array_equal(snapshot_places(7, 1), np.arange(7))
    assert snapshot_places(3, 2).tolist() in ([0, 2], [1, 2])
    places = snapshot_places(1000, 7)
    for done in (0, 7 * 64, 7 * 128):
        ahead = places_ahead(places, 7, done)
        assert ahead.size == SLOTS
        rest = places[done // 7 :][:SLOTS]
        np.testing.assert_array_equal(done + 7 * np.arange(rest.size) + ahead[: rest.size] - 1, rest)


@pytest.mark.parametrize(
    ("module", "former", "name"),
    [
        (window, "Watched", "ObservedWindow"),
        (window, "opened", "open_window"),
        (window, "watched", "observe_window"),
        (lyapunov, "Run", "TangentState"),
        (power_spectrum, "Spectrum", "PowerSpectrum"),
    ],
)
def test_former_names_warn(module, former, name):
    with pytest.warns(DeprecationWarning, match=f"is now {name}"):
        assert getattr(module, former) is getattr(module, name)
    with pytest.raises(AttributeError, match="has no attribute 'Wached'"):
        module.Wached  # noqa: B018


def test_modules_that_have_moved_are_found_with_a_warning():
    with pytest.warns(DeprecationWarning, match=r"systems.kernels is now curlflow.systems.linearised.kernels"):
        assert systems.kernels is kernels
    with pytest.raises(AttributeError, match="has no attribute 'kernel'"):
        systems.kernel  # noqa: B018


def test_the_former_name_of_segments_warns():
    with pytest.warns(DeprecationWarning, match="is now Schedule.segments"):
        assert Schedule(10, 2, 1, 3).pieces == 3


# Order parameter


def test_order_parameter_by_hand():
    mean, variance = np.array([1.0, 3.0, 5.0]), np.array([0.1, 0.2, 0.3])
    np.testing.assert_allclose(order_parameter(mean, variance), 0.2 / (8 / 3))
    np.testing.assert_allclose(
        layer_order_parameters(np.r_[mean, 0, 2], np.r_[variance, 1, 3], [3, 2]), [0.2 / (8 / 3), 2.0]
    )
    assert order_parameter(mean, 0 * variance) == 0.0
    assert order_parameter(np.full(3, 0.1), variance) == np.inf
    assert np.isnan(order_parameter(np.full(3, 0.1), 0 * variance))
    assert np.isnan(order_parameter(np.zeros(0), np.zeros(0)))
    np.testing.assert_allclose(order_parameter(1e6 + mean, 1e-25 * variance), 0.2e-25 / (8 / 3), rtol=1e-9)


# Principal components


@pytest.mark.parametrize("size", [4, 300])
def test_components_are_those_of_the_covariance(size):
    rng = np.random.default_rng(3)
    snapshots = rng.normal(size=(60, size)) * np.linspace(3, 0.1, size) + 5.0
    found = principal_components(snapshots, 3)
    values, vectors = np.linalg.eigh(np.cov(snapshots.T, bias=True))
    values, vectors = values[::-1], vectors[:, ::-1].T
    np.testing.assert_allclose(found.shares, values[:3] / values.sum(), rtol=1e-9)
    np.testing.assert_allclose(np.abs(np.sum(found.directions * vectors[:3], axis=1)), 1.0, rtol=1e-9)
    np.testing.assert_allclose(found.directions @ found.directions.T, np.eye(3), atol=1e-10)
    np.testing.assert_allclose(
        found.projections, (snapshots - snapshots.mean(axis=0)) @ found.directions.T, atol=1e-9
    )
    np.testing.assert_allclose(found.projections.var(axis=0), values[:3], rtol=1e-9)
    np.testing.assert_allclose(found.variance, values.sum())
    np.testing.assert_allclose(found.participation_ratio, values.sum() ** 2 / np.sum(values**2))
    assert (found.directions[np.arange(3), np.argmax(np.abs(found.directions), axis=1)] > 0).all()


def test_components_of_a_known_gaussian():
    rng = np.random.default_rng(4)
    basis = np.linalg.qr(rng.normal(size=(50, 2)))[0].T
    draws = rng.normal(size=(20_000, 2)) * [2.0, 1.0]
    found = principal_components(draws @ basis + 0.1 * rng.normal(size=(20_000, 50)), 2)
    total = 4 + 1 + 50 * 0.01
    np.testing.assert_allclose(found.shares, [4.01 / total, 1.01 / total], rtol=0.03)
    np.testing.assert_allclose(np.abs(np.sum(found.directions * basis, axis=1)), 1.0, rtol=2e-3)
    np.testing.assert_allclose(found.participation_ratio, total**2 / (4.01**2 + 1.01**2 + 48 * 0.01**2), rtol=0.03)


def test_components_of_motion_along_a_line_and_of_none():
    t = np.linspace(0, 1, 30)[:, None]
    line = principal_components(1.0 + t * np.ones((1, 400)), 2)
    np.testing.assert_allclose(line.shares, [1, 0], atol=1e-12)
    np.testing.assert_allclose(line.directions[0], np.full(400, 0.05), rtol=1e-10)
    assert np.isnan(line.directions[1]).all()
    np.testing.assert_allclose(line.participation_ratio, 1.0)
    frozen = principal_components(np.full((30, 7), 0.3), 1)
    assert np.isnan(frozen.shares).all()
    assert np.isnan(frozen.participation_ratio)
    with pytest.raises(ValueError, match="components: got 3, allowed are 1 to 2: 9 snapshots of 2 numbers"):
        principal_components(np.zeros((9, 2)), 3)


# Standard errors


RUNS = 200


def autoregressive_runs(a, times, series):
    """So many independent runs, each times × series."""
    together = autoregressive(a, times, RUNS * series, np.random.default_rng(0))
    return np.moveaxis(together.reshape(times, RUNS, series), 1, 0)


def assert_errors_are_the_scatter(runs, names, rtol):
    """Of each number the median of its errors is its standard deviation over many runs."""
    for name in names:
        values, errors = (np.array([run[key] for run in runs]) for key in (name, f"{name}_se"))
        varies = values.std(axis=0) > 1e-12
        usual = np.median(errors, axis=0)
        np.testing.assert_allclose(usual[varies], values.std(axis=0)[varies], rtol=rtol, err_msg=name)
        np.testing.assert_allclose(usual[~varies], 0, atol=1e-12, err_msg=name)  # r(0) is 1


@pytest.mark.parametrize(("a", "times", "series"), [(0.8, 2000, 4), (0.5, 600, 1)])
def test_errors_of_autocorrelations_and_their_times(a, times, series):
    sizes = np.linspace(1, 3, series)
    runs = [of_records(sizes * one, 60, 0.5) for one in autoregressive_runs(a, times, series)]
    assert_errors_are_the_scatter(runs, ("autocorrelation", "autocorrelation_weighted"), 0.3)
    assert_errors_are_the_scatter(runs, ("integrated_time", "decay_time"), 0.2)
    still = of_records(np.ones((100, 2)), 10, 1.0)
    assert np.isnan([*still["autocorrelation_se"], still["decay_time_se"], still["integrated_time_se"]]).all()


def test_what_batches_add_is_that_of_the_plain_sums():
    series = np.random.default_rng(3).normal(size=(131, 3)) * [1.0, 2.0, 3.0] + 5.0
    centred = series - series.mean(axis=0)
    batch = np.searchsorted(np.arange(1, BATCHES + 1) * 131 // BATCHES, np.arange(131), side="right")
    c = autocovariance(series, 40)
    for k in (1, 7, 39):
        products, squares = centred[: 131 - k] * centred[k:] - c[k], centred**2 - c[0]
        by_batch = [
            products[batch[: 131 - k] == b].sum(axis=0) / (131 - k) / c[0]
            - c[k] / c[0] * squares[batch == b].sum(axis=0) / 131 / c[0]
            for b in range(BATCHES)
        ]
        np.testing.assert_allclose(deviations(series, 40)[0, :, k], np.mean(by_batch, axis=1), atol=1e-13)


def test_the_error_of_the_order_parameter():
    means, runs = np.random.default_rng(1).normal(size=30), []
    for w in means + np.linspace(0.3, 1, 30) * autoregressive_runs(0.7, 1000, 30):
        q = layer_order_parameters(w.mean(axis=0), w.var(axis=0), [10, 20])
        runs.append({"q": order_parameter(w.mean(axis=0), w.var(axis=0)), "q_se": order_parameter_error(w)})
        runs[-1] |= {"layers": q, "layers_se": layer_order_parameter_errors(w, [10, 20])}
    assert_errors_are_the_scatter(runs, ("q", "layers"), 0.2)
    assert np.isnan(order_parameter_error(np.ones((10, 3))))


@pytest.mark.parametrize(("times", "a", "size"), [(1000, 0.7, 5), (60, 0.0, 90)])  # both forms of the Gram matrix
def test_errors_of_principal_components(times, a, size):
    sizes = np.append([3.0, 2.0, 1.0], np.full(size - 3, 0.1))
    runs = [of_snapshots(x, 3, np.arange(times), np.nan) for x in sizes * autoregressive_runs(a, times, size)]
    names = "participation_ratio", "explained_variance", "explained_variance_ratio"
    assert_errors_are_the_scatter(runs, names, 0.3)
