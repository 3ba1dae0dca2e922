"""Standard errors: hand-computed cases, and their calibration on series whose error is known."""

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.signal
from reference import autoregressive

import curlflow
from curlflow import Map, systems
from curlflow.measures.convergence import MEANINGS, Doubt, convergence_of, unresolved_groups
from curlflow.measures.standard_error import (
    BATCHES,
    batch_means_error,
    error_ratio,
    halves_agree,
    long_correlations,
    long_run_error,
)


def test_by_hand():
    assert np.isnan(batch_means_error(np.array([1.0])))
    np.testing.assert_allclose(batch_means_error(np.array([1.0, 3.0])), 1.0)
    np.testing.assert_array_equal(batch_means_error(np.ones((100, 2))), [0.0, 0.0])
    # 24 batches of two or three: no value is left out.
    series = np.concatenate([np.repeat(np.arange(24.0), 2), [23.0]])
    np.testing.assert_allclose(batch_means_error(series), np.arange(24.0).std(ddof=1) / np.sqrt(24))
    assert batch_means_error(np.concatenate([[-np.inf], series])) == np.inf
    assert np.isnan(batch_means_error(np.full(100, -np.inf)))


def test_it_does_not_matter_how_a_series_is_scaled_or_shifted():
    series = np.random.default_rng(0).normal(size=(480, 3))
    np.testing.assert_allclose(batch_means_error(5 * series + 2), 5 * batch_means_error(series))
    np.testing.assert_allclose(error_ratio(5 * series + 2), error_ratio(series))


def test_halves():
    rng = np.random.default_rng(1)
    # Halves of white noise agree as often as a test at the level of 5 % says.
    assert 0.92 < np.mean([halves_agree(rng.normal(size=(480, 1))) for _ in range(500)]) < 0.98
    assert halves_agree(np.full((100, 1), 0.3))
    drift = rng.normal(size=(1000, 1)) + np.linspace(0, 2, 1000)[:, None]
    assert not halves_agree(drift)
    assert not halves_agree(np.zeros((3, 1)))
    # Convergence up to rounding is convergence.
    assert halves_agree(0.5 + 1e-12 * np.linspace(0, 1, 1000)[:, None])


@pytest.mark.parametrize("coefficient", [0.9, 0.0, -0.6])
def test_calibration_on_autoregressive_series(coefficient):
    # The mean of x' = a x + ξ over T steps has the standard deviation 1/((1 − a)√T).
    series = autoregressive(coefficient, 4800, 400, np.random.default_rng(2))
    error = batch_means_error(series)
    exact = 1 / ((1 - coefficient) * np.sqrt(4800))
    assert 0.9 < np.sqrt(np.mean(error**2)) / exact < 1.1
    coverage = np.mean(np.abs(series.mean(axis=0)) < 2 * error)
    assert 0.91 < coverage < 0.975


def test_the_ratio_shows_batches_that_are_too_short():
    rng = np.random.default_rng(3)
    long = np.mean(error_ratio(autoregressive(0.9, 24 * 400, 200, rng)))
    short = np.mean(error_ratio(autoregressive(0.9, 24 * 4, 200, rng)))
    assert abs(long - 1) < 0.1
    assert short > 1.2


def skew_tent(i, x, a):
    """x/a below a, (1 − x)/(1 − a) above."""
    return jnp.where(x < a, x / a, (1 - x) / (1 - a))


def growth(i, x, s):
    """Growth by a factor that depends on the iteration."""
    return x * jnp.exp(jnp.asarray(s)[i])


@pytest.mark.slow
def test_calibration_of_exponents_on_the_skew_tent_map():
    # λ = −a ln a − (1−a) ln(1−a); local exponents are independent with variance a(1−a) ln²(a/(1−a)).
    a, length = 0.3, 2400
    exact = -a * np.log(a) - (1 - a) * np.log(1 - a)
    spread = np.sqrt(a * (1 - a)) * abs(np.log(a / (1 - a))) / np.sqrt(length)
    starts = np.random.default_rng(4).uniform(0.05, 0.95, 100)
    ds = curlflow.lyapunov(Map(skew_tent, 0.3, args=a), starts=starts, duration=length, transient=100, alignment=1)
    values, errors = (ds[name][:, 0].to_numpy() for name in ("lyapunov_exponent", "lyapunov_exponent_se"))
    assert abs(values.mean() - exact) < 4 * spread / 10
    assert 0.8 < np.mean(errors) / np.std(values, ddof=1) < 1.3
    assert 0.8 < np.mean(errors) / spread < 1.3
    assert 0.88 <= np.mean(np.abs(values - exact) < 2 * errors) <= 0.99


@pytest.mark.slow
def test_calibration_of_exponents_on_a_correlated_series():
    # x' = e^{s} x with s a hidden AR(1) process: the exponent is its mean, the error that of its mean.
    a, length = 0.8, 4800
    exact_error = 1 / ((1 - a) * np.sqrt(length))
    values, errors = [], []
    for seed in range(50):
        s = autoregressive(a, length + 200, 1, np.random.default_rng(seed))[:, 0]
        ds = curlflow.lyapunov(Map(growth, 0.0, args=s), duration=length, transient=100, alignment=100)
        values.append(float(ds.lyapunov_exponent[0, 0]))
        errors.append(float(ds.lyapunov_exponent_se[0, 0]))
    values, errors = np.array(values), np.array(errors)
    assert 0.8 < np.mean(errors) / np.std(values, ddof=1) < 1.3
    assert 0.8 < np.mean(errors) / exact_error < 1.3
    assert 0.86 <= np.mean(np.abs(values) < 2 * errors) <= 0.995


@pytest.mark.optimised
@pytest.mark.slow
def test_errors_on_lorenz_are_not_far_too_large():
    # Its local exponents are anti-correlated; short batches would overstate the error tenfold.
    starts = np.stack([np.linspace(0.5, 5, 40), np.full(40, 1.0), np.full(40, 20.0)], axis=1)
    length = {"duration": 400, "transient": 50, "alignment": 20}
    ds = curlflow.lyapunov(systems.lorenz63(), starts=starts, stepping="fixed", exponents=1, **length)
    values, errors = (ds[name][:, 0].to_numpy() for name in ("lyapunov_exponent", "lyapunov_exponent_se"))
    ratio = np.mean(errors) / np.std(values, ddof=1)
    assert 0.7 < ratio < 2
    assert np.mean(np.abs(values - 0.9056) < 2 * errors) > 0.9
    assert BATCHES in range(20, 31)


LAWS = {
    "white": lambda e: e[1:],
    "bounded sums": lambda e: np.diff(e, axis=0),
    "nearly bounded sums": lambda e: e[1:] - 0.9 * e[:-1],
    "bounded sums of slow values": lambda e: np.diff(scipy.signal.lfilter([1], [1, -0.5], e, axis=0), axis=0),
    "correlations": lambda e: e[1:] + e[:-1],
    "long correlations": lambda e: scipy.signal.lfilter([1], [1, -0.95], e, axis=0)[200:],
    "oscillations": lambda e: scipy.signal.lfilter([1], [1, -1.6, 0.95], e, axis=0)[200:],
    "heavy tails": lambda e: e**3,
}


@pytest.mark.parametrize("length", [1000, 10_000])
@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_errors_are_as_large_as_the_scatter(length, law):
    """White noise, sums that stay bounded, nearly so, and correlations, with means of zero."""
    series = law(np.random.default_rng(4).normal(size=(length + 200, 800)))
    error, mean = long_run_error(series), series.mean(axis=0)
    assert 0.92 < np.mean(np.abs(mean) < 2 * error) <= 0.99
    assert 0.9 < np.median(error) / np.sqrt(np.mean(mean**2)) < 1.3


@pytest.mark.quick
def test_errors_of_one_sine_and_of_values_that_hardly_change():
    # The mean of a sine over T steps has the standard deviation of 2 sin(φ)/(ωT) at a random end.
    series = np.sin(0.3 * np.arange(1000)[:, None] + np.linspace(0, 2 * np.pi, 50, endpoint=False))
    np.testing.assert_allclose(long_run_error(series), series.mean(axis=0).std(), rtol=0.6)
    noise = np.random.default_rng(5).normal(size=(500, 3))
    for size in (1e-200, 1e-9, 1.0, 1e100):
        np.testing.assert_allclose(long_run_error(size * noise), size * long_run_error(noise), rtol=1e-6)
    assert not long_run_error(np.zeros((100, 2))).any()
    assert long_run_error(np.full(100, 0.1)) < 1e-17
    assert long_run_error(np.append(noise[:, 0], -np.inf)) == np.inf
    np.testing.assert_array_equal(long_run_error(noise[:40]), batch_means_error(noise[:40]))


def test_correlations_longer_than_batches_are_seen():
    rng = np.random.default_rng(5)
    white = long_correlations(rng.normal(size=(2000, 500)))
    assert white.mean() < 0.04
    assert long_correlations(autoregressive(0.99, 1000, 200, rng)).mean() > 0.95
    assert not long_correlations(np.zeros((10, 2))).any()


@pytest.mark.quick
@pytest.mark.parametrize("number", [1, 5, 40])
def test_stationary_series_converge_as_often_however_many_there_are(number):
    rng = np.random.default_rng(6)
    zero = np.zeros(number)
    runs = [convergence_of(rng.normal(size=(480, number)), zero, 100.0, 480.0, {}) for _ in range(300)]
    assert np.mean([run.doubt == Doubt.none for run in runs]) > 0.93
    assert np.mean([run.each.mean() for run in runs]) > 0.99


@pytest.mark.quick
def test_reasons_not_to_believe():
    rng = np.random.default_rng(11)
    good = rng.normal(size=(480, 2)) - [0.0, 5.0]
    infinite, drift, exact = good.copy(), good.copy(), np.tile([-1.0, -2.0], (480, 1))
    infinite[17, 1] = -np.inf
    drift[:, 0] += np.linspace(0, 0.5, 480)
    never = np.column_stack([good[:, 0], np.full(480, -np.inf)])

    def judged(local, resolution=0.0, alignment=100.0, **known):
        known = {Doubt[name]: value for name, value in known.items()}
        found = convergence_of(local, np.full(local.shape[1], resolution), alignment, 480.0, known)
        return found.doubt.name, found.each.tolist()

    assert judged(good) == ("none", [True, True])
    assert judged(exact) == ("none", [True, True])
    assert judged(infinite) == ("zero_multiplier", [True, False])
    assert judged(never) == ("none", [True, True])
    assert judged(drift) == ("drift", [False, True])
    assert judged(drift, resolution=1.0) == ("none", [True, True])
    assert judged(good[:3]) == ("too_short", [False, False])
    assert judged(exact, alignment=0.0)[0] == "alignment"
    assert judged(exact, alignment=3.1)[0] == "none"
    assert judged(good, condition=True, collapsed=True) == ("collapsed", [False, False])
    assert set(MEANINGS) == set(Doubt)


@pytest.mark.quick
def test_exponents_that_cannot_be_told_apart_are_a_group():
    local = np.random.default_rng(8).normal([0.05, 0.0, -5.0], size=(480, 3))
    number, mean, error = unresolved_groups(local, np.zeros(3))
    assert number.tolist() == [1, 1, 2]
    np.testing.assert_allclose(mean, [local[:, :2].mean()] * 2 + [local[:, 2].mean()])
    np.testing.assert_allclose(error[0], long_run_error(local[:, :2].mean(axis=1)))
    assert unresolved_groups(np.empty((0, 2)), np.zeros(2))[0].tolist() == [-1, -1]
