"""The 0–1 test on motions whose kind is known, and its displacement against the plain sum."""

import numpy as np
import pytest

from curlflow.measures.zero_one import mean_square_displacement, zero_one_test


def logistic(r, times=3000, x=0.3):
    found = np.empty(times)
    for _ in range(1000):
        x = r * x * (1 - x)
    for t in range(times):
        found[t] = x
        x = r * x * (1 - x)
    return found


def test_displacements_are_those_of_the_plain_sum():
    rng = np.random.default_rng(0)
    z = np.cumsum(rng.normal(size=200) + 1j * rng.normal(size=200)) + 50.0
    expected = [np.mean(np.abs(z[n : 180 + n] - z[:180]) ** 2) for n in range(1, 21)]
    np.testing.assert_allclose(mean_square_displacement(z, 20), expected, rtol=1e-10)


@pytest.mark.parametrize("r", [3.6, 3.7, 3.9, 4.0])
def test_chaotic_logistic_maps(r):
    assert zero_one_test(logistic(r)).k > 0.9


@pytest.mark.parametrize("r", [3.2, 3.5, 3.55, 3.83])
def test_periodic_logistic_maps(r):
    assert abs(zero_one_test(logistic(r)).k) < 0.1


def test_quasi_periodic_motion():
    t = np.arange(5000)
    one = np.cos(2 * np.pi * t * (np.sqrt(5) - 1) / 2)
    two = one + 0.5 * np.cos(2 * np.pi * t * np.sqrt(2))
    for series in (one, two, 100 + one):
        assert abs(zero_one_test(series).k) < 0.1


def test_what_it_cannot_know():
    """White noise is called chaotic, and a slow oscillation with a little of it, sampled often, is not."""
    assert zero_one_test(np.random.default_rng(1).normal(size=3000)).k > 0.9


def test_scale_shift_and_draws():
    series = logistic(3.9)
    found = zero_one_test(series)
    np.testing.assert_allclose(zero_one_test(1e-9 * series).k, found.k, rtol=1e-6)
    assert found.lower <= found.k <= found.upper
    assert found.values.shape == (100,)
    assert zero_one_test(series, seed=1).k > 0.9


def test_constant_and_short_series():
    assert np.isnan(zero_one_test(np.full(600, 0.3)).k)
    with pytest.raises(ValueError, match="got 499 values, required are 500 or more"):
        zero_one_test(np.zeros(499))
