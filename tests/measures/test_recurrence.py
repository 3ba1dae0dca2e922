"""Returns and stationarity of known motions."""

import numpy as np
import pytest
from reference import autoregressive

from curlflow.measures.recurrence import distances, first_return
from curlflow.measures.stationarity import stationary

pytestmark = pytest.mark.quick


def test_distances_are_the_definition():
    x = np.random.default_rng(0).normal(size=(300, 3)) * [1.0, 2.0, 0.1] + 5
    found = distances(x, 10)
    variance = 2 * np.sum(x.var(axis=0))
    expected = [np.mean(np.sum((x[k:] - x[: 300 - k]) ** 2, axis=1)) / variance for k in range(10)]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_returns_of_a_tone_lie_between_samples():
    t = np.arange(4000)
    x = np.stack([np.sin(2 * np.pi * t / 17.3), np.cos(2 * np.pi * t / 17.3) + 3], axis=1)
    back = first_return(distances(x, 200), 0.01, continuous=True)
    np.testing.assert_allclose(back.lag, 17.3, atol=0.01)
    assert back.distance < 1e-3


def test_returns_do_not_depend_on_numpys_global_state():
    apart = distances(np.sin(2 * np.pi * np.arange(4000) / 17.3)[:, None], 200)
    found = set()
    for seed in range(30):
        np.random.seed(seed)  # noqa: NPY002
        found.add(first_return(apart, 0.01, continuous=True))
    assert len(found) == 1


def test_returns_of_maps():
    cycle = np.tile([[0.0], [1.0], [0.2], [0.9]], (100, 1))
    assert first_return(distances(cycle, 50), 1e-12, continuous=False).lag == 4
    assert first_return(distances(cycle[::2] * [[1.0]], 50), 1e-12, continuous=False).lag == 2
    noise = np.random.default_rng(0).normal(size=(400, 1))
    assert np.isnan(first_return(distances(noise, 100), 0.01, continuous=False).lag)
    assert np.isnan(first_return(distances(np.ones((400, 1)), 100), 0.01, continuous=False).lag)


@pytest.mark.parametrize("period", [8.3, 17.3, 100.001, 333.3, 6000.3])
def test_tones_come_back_every_time(period):
    phase = 2 * np.pi * np.arange(40_000)[:, None] / period
    back = first_return(distances(np.concatenate([np.cos(phase), np.sin(phase)], axis=1), 10_000), 0.05, True)
    np.testing.assert_allclose(back.lag, period, rtol=1e-5)
    assert back.steady
    assert back.distance <= back.farthest < 2e-5


def test_jumps_between_samples_come_back_as_nearly_as_these_can_tell():
    wave = np.sign(np.sin(2 * np.pi * np.arange(40_000)[:, None] / 125.66))
    back = first_return(distances(wave, 10_000), 0.05, continuous=True)
    np.testing.assert_allclose(back.lag, 125.66, atol=0.2)
    assert back.distance > 1e-3
    assert back.steady


@pytest.mark.parametrize(("ratio", "weight"), [(2.02, 1.0), (3.0207, 1.0), (2.001, 1.0), (np.e, 0.1)])
def test_two_tones_do_not_come_back_every_time(ratio, weight):
    phase = 2 * np.pi * np.arange(40_000)[:, None] / 125.66
    both = np.concatenate([np.cos(phase), np.sin(phase), np.cos(ratio * phase), np.sin(ratio * phase)], axis=1)
    summed = both[:, :2] + weight * both[:, 2:]
    assert not first_return(distances(both, 10_000), 0.05, continuous=True).steady
    assert not first_return(distances(summed, 10_000), 0.05, continuous=True).steady
    doubled = first_return(distances(np.cos(phase) + 0.1 * np.cos(phase / 2), 10_000), 0.05, continuous=True)
    np.testing.assert_allclose(doubled.lag, 251.32, atol=0.01)
    assert doubled.steady


def test_states_that_repeat_are_told_by_rounding_alone():
    for r, period in ((3.2, 2), (3.5, 4), (3.55, 8), (3.83, 3)):
        x, states = 0.3, np.empty(60_000)
        for i in range(states.size):
            states[i], x = x, r * x * (1 - x)
        apart = distances(states[20_000:, None], 10_000)
        assert apart[period::period].max() < 1e-14
        assert first_return(apart, 0.05, continuous=False)[:1] == (period,)


def test_drifts_of_mean_and_variance_are_seen():
    rng = np.random.default_rng(5)
    x = autoregressive(0.9, 20_000, 4, rng)
    assert stationary(x).all()
    drift = np.linspace(0, 1, 20_000)[:, None]
    assert not stationary(x + [0.0, 0.0, 6.0, 0.0] * drift)[2]
    louder = x * (1 + [0.0, 2.0, 0.0, 0.0] * drift)
    assert not stationary(louder)[1]
    assert stationary(np.ones((100, 2))).all()


@pytest.mark.parametrize("frequency", [2.0, 1.0, 3.3, 2 * np.pi * 26 * 24 / 2000, 2 * np.pi * 12 * 23 / 2000])
def test_regular_motion_is_stationary_also_where_batches_last_whole_periods(frequency):
    t = 0.05 * np.arange(40_000)
    phases = frequency * t[:, None] + [0.0, 1.0, 2.0]
    assert stationary(np.cos(phases)).all()
    assert stationary(np.cos(phases) + np.cos(np.e * t[:, None])).all()
    drift = np.linspace(0, 0.3, t.size)[:, None]
    assert not stationary(np.cos(phases) + drift).any()
    assert not stationary(np.cos(phases) * (1 + drift)).any()
    # A beat that is slower than the window is a drift, as far as the window tells.
    assert not stationary(np.cos(phases) + np.cos((frequency + 1e-3) * t[:, None]))[0]


def test_too_few_values_are_not_called_stationary():
    assert not stationary(np.zeros((3, 2))).any()
