"""What series of known motion give: extrema, growth on the way, and whether tangents align as exponents say."""

import numpy as np
import pytest

from curlflow.measures.extrema import EXTREMA, extrema, late_extrema
from curlflow.measures.motion import aligns_as_expected
from curlflow.measures.observed import Observed, early_growth, of_observables
from curlflow.measures.sampling import sampling


@pytest.mark.parametrize("step", [0.1, 0.01])
def test_extrema_lie_between_samples(step):
    found = extrema(np.cos(step * np.arange(round(100 / step))), True, True)
    found = found[np.isfinite(found)]
    assert len(found) == 31  # at π, 2π, … 31π
    # The top of a parabola through three samples of a cosine misses it by the fourth power of their distance.
    np.testing.assert_allclose(np.abs(found), 1, atol=step**4 / 40)


def test_maps_show_values_and_what_rests_its_last_one():
    series = np.arange(1000.0)
    np.testing.assert_array_equal(extrema(series, True, False), series[-EXTREMA:])
    resting = extrema(series, False, True)
    assert resting[0] == 999
    assert np.isnan(resting[1:]).all()
    assert np.isnan(extrema(series[:0], True, True)).all()


def test_even_samples_show_extrema_that_late_ones_are_too_short_for():
    late, even = np.linspace(0, 1, 100), np.sin(np.arange(1000) / 3)
    assert np.isfinite(late_extrema(late, even, True, True)).sum() > 100
    np.testing.assert_array_equal(late_extrema(even, late, True, True), extrema(even, True, True))


def test_growth_counts_only_away_from_start_and_end():
    early = np.array([0.0, 0.5, 0.5, 0.5, 1.0])[:, None]
    ends, one = np.ones((3, 1)), np.zeros(1)
    assert (
        early_growth(early, np.array([1.0, 2.0, 3.0, 4.0]), ends, one) == 5
    )  # between the three places in the middle
    assert early_growth(early, np.array([1.0, 2.0, 3.0, 4.0]), np.full((1, 1), 0.5), one) == 0
    assert early_growth(early[:1], np.empty(0), ends, one) == 0


def seen_of(series, **changes):
    seen = Observed(np.zeros(series.shape[1]), changes.pop("continuous", True), **changes)
    seen.early, seen.records, seen.ends = [series[0]], [series], series[-100:]
    seen.sampling = sampling(0.1, len(series))
    return seen


def test_a_sine_and_a_constant():
    t = 0.1 * np.arange(1, 8001)
    series = np.stack([np.sin(2 * np.pi * t / 7.3), np.full_like(t, 3.0)], axis=1)
    found = of_observables(seen_of(series), complete=True, grows=False, seed=0)
    assert found["moves"].tolist() == [True, False]
    assert found["stationary"].all()
    np.testing.assert_allclose(found["return_time"], 7.3, rtol=1e-4)
    np.testing.assert_allclose(found["peak_frequency"][0, 0], 1 / 7.3, atol=0.01)
    assert found["peak_is_line"][0, 0]
    assert found["zero_one"][0] < 0.1
    assert np.isnan(found["zero_one"][1])
    unfinished = of_observables(seen_of(series), complete=False, grows=False, seed=0)
    assert not unfinished["moves"].any()
    assert found.keys() == unfinished.keys()
    assert all(np.shape(found[name]) == np.shape(unfinished[name]) for name in found)


def test_values_that_are_not_finite_are_counted():
    series = np.random.default_rng(0).normal(size=(4000, 1))
    series[10:13] = np.nan
    found = of_observables(seen_of(series, continuous=False), complete=True, grows=False, seed=0)
    assert found["not_finite"].tolist() == [3]
    assert not found["moves"].any()


def test_what_solver_noise_moves_rests():
    series = 1 + 1e-7 * np.random.default_rng(0).normal(size=(4000, 1))
    assert seen_of(series).moves(0)
    assert not seen_of(series, tolerance=1e-6).moves(0)


def test_tangents_align_at_the_gaps_between_exponents():
    exponents, errors = np.array([1.0, 0.0, -2.0]), np.full(3, 1e-3)
    expected = -np.array([0.0, 1.0, 4.0]) * 100
    assert aligns_as_expected(exponents, errors, 1000.0, expected, 100.0)
    assert not aligns_as_expected(exponents, errors, 1000.0, expected / 2, 100.0)
    assert aligns_as_expected(exponents, errors, 1000.0, np.array([0.0, np.nan, np.nan]), np.nan)
