"""Growth without a sign of a bound, from series whose law is known."""

import numpy as np
import pytest

from curlflow.measures.unbounded import SteadyGrowth, steady_growth

pytestmark = pytest.mark.quick

T = np.linspace(1000, 3000, 2001)[1:]
ZERO = np.zeros(1)


def of(values, times=T, start=ZERO):
    return steady_growth(np.asarray(values, dtype=float).reshape(len(times), -1), times, start)


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0, 3.5])
@pytest.mark.parametrize("offset", [0.0, -1e6])
def test_powers_of_time(power, offset):
    found = of(T**power + offset, start=np.array([offset]))
    np.testing.assert_allclose(found.power, power, rtol=1e-3)
    # The first tenth of the window ends at 1200, the last one at 3000.
    np.testing.assert_allclose(found.log, power * np.log(3000 / 1200), rtol=1e-3)
    assert np.isnan(found.rate)
    assert not found.unbounded


@pytest.mark.parametrize(
    ("rate", "from_", "unbounded"), [(0.02, 1.0, True), (0.02, 1e-20, False), (0.005, 1e10, False), (0.2, 1.0, True)]
)
def test_exponentials_count_from_the_scale_of_the_start(rate, from_, unbounded):
    values = from_ * np.exp(rate * (T - 1000))
    found = of(values, start=np.array([from_ * np.exp(-rate * 1000)]))
    np.testing.assert_allclose(found.rate, rate, rtol=1e-3)
    assert np.isnan(found.power)
    assert found.unbounded == unbounded


def test_spirals_grow_whatever_their_phase():
    """With a period of 30 to 4,000 units, twice the window, each coordinate passes zero, but not both at once."""
    for period in (30, 170, 700, 4000):
        turn = 2 * np.pi * T / period
        both = np.exp(0.02 * (T - 1000)) * np.stack([np.cos(turn), np.sin(turn)])
        found = of(both.T, start=np.zeros(2))
        np.testing.assert_allclose(found.rate, 0.02, rtol=0.02)
        assert found.unbounded


def test_what_is_bounded_or_settles_does_not_grow():
    rng = np.random.default_rng(0)
    x = np.empty(2000)
    x[0] = 0.3
    for i in range(1999):
        x[i + 1] = 4 * x[i] * (1 - x[i])
    bounded = [np.ones(2000), np.sin(T), np.sin(T / 100), x, rng.normal(size=2000), 1 - np.exp(-T / 300)]
    bounded += [1 / T, np.exp(-T / 100), np.cumsum(rng.normal(size=2000)), 1e9 * np.tanh((T - 1500) / 300)]
    for values in bounded:
        assert np.isnan(of(values).log)


def test_samples_beyond_all_numbers():
    with np.errstate(over="ignore"):
        overflows = np.exp(0.5 * (T - 1000))
    assert np.isinf(overflows[-1])
    assert of(overflows).unbounded
    assert of(np.where(np.isinf(overflows), np.nan, overflows)).unbounded
    poles = np.where(np.arange(2000) % 300 == 7, np.inf, np.exp(0.02 * T))
    assert of(poles) == pytest.approx(SteadyGrowth(), nan_ok=True)
    assert np.isnan(of(np.full(2000, np.nan)).log)
    assert np.isnan(of(T[:10], T[:10]).log)
    assert np.isnan(of(T, start=np.array([np.nan])).log)
