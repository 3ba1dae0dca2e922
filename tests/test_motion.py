"""Returns and stationarity of known motions, and the verdicts that indicators lead to."""

import numpy as np
import pytest
from reference import autoregressive

from curlflow import Status
from curlflow.measures.recurrence import distances, first_return
from curlflow.measures.stationarity import stationary
from curlflow.studies.motion import Indicators, Verdict, verdict

CHAOS = Indicators(
    status=Status.completed, exponents=np.array([0.9, 0.0, -14.0]), errors=np.array([0.01, 0.004, 0.01]),
    resolution=1e-6, duration=1000.0, converged=True, continuous=True, moves=True, stationary=True, zero_one=0.99,
    distance=np.nan, period=np.nan, lines=False, early_growth=0.0, preserves_volume=False, log_alignment=-900.0,
    aligns_as_expected=True,
)  # fmt: skip
CYCLE = CHAOS._replace(exponents=np.array([1e-5, -0.5, -2.0]), zero_one=0.01, distance=1e-5, lines=True)
TORUS = CYCLE._replace(exponents=np.array([1e-5, -2e-5, -2.0]), distance=np.nan)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Verdict.chaotic),
        ({"status": Status.diverged}, Verdict.divergent),
        ({"status": Status.max_steps_reached}, Verdict.undecided),
        ({"moves": False}, Verdict.undecided),
        ({"moves": False, "exponents": np.array([-0.9, -2.0, -3.0])}, Verdict.fixed_point),
        ({"moves": False, "exponents": np.full(3, -0.9), "early_growth": 30.0}, Verdict.transient_chaos),
        ({"preserves_volume": True}, Verdict.chaotic),
        ({"preserves_volume": True, "log_alignment": -3.0}, Verdict.undecided),
        ({"aligns_as_expected": False}, Verdict.undecided),
        ({"duration": 20.0}, Verdict.undecided),
        ({"stationary": False}, Verdict.undecided),
        ({"converged": False}, Verdict.undecided),
        ({"zero_one": 0.5}, Verdict.undecided),
        ({"zero_one": np.nan}, Verdict.undecided),
        ({"errors": np.array([0.4, 0.1, 1.0])}, Verdict.undecided),
        ({"exponents": np.array([-0.1, -0.2, -0.3])}, Verdict.undecided),
    ],
)
def test_chaos_needs_all_of_its_indicators(changes, expected):
    kind, why = verdict(CHAOS._replace(**changes))
    assert kind == expected, why
    assert why


@pytest.mark.parametrize(
    ("start", "changes", "expected"),
    [
        (CYCLE, {}, Verdict.periodic),
        (CYCLE, {"early_growth": 25.0}, Verdict.transient_chaos),
        (CYCLE, {"zero_one": 0.9}, Verdict.undecided),
        (CYCLE, {"stationary": False}, Verdict.undecided),
        (CYCLE, {"exponents": np.array([-0.1, -0.5, -2.0])}, Verdict.periodic),
        (TORUS, {"exponents": np.array([-0.1, -0.5, -2.0])}, Verdict.undecided),
        (TORUS, {}, Verdict.quasi_periodic),
        (TORUS, {"preserves_volume": True, "log_alignment": -4.0}, Verdict.quasi_periodic),
        (TORUS, {"preserves_volume": True, "log_alignment": -40.0}, Verdict.undecided),
        (TORUS, {"lines": False}, Verdict.undecided),
        (TORUS, {"exponents": np.array([1e-5, -0.5, -2.0])}, Verdict.undecided),
        (TORUS, {"continuous": False, "exponents": np.array([1e-5, -0.5, -2.0])}, Verdict.quasi_periodic),
        (
            CYCLE,
            {"continuous": False, "exponents": np.array([-0.3, -0.5, -2.0]), "distance": 1e-20},
            Verdict.periodic,
        ),
    ],
)
def test_regular_motion(start, changes, expected):
    kind, why = verdict(start._replace(**changes))
    assert kind == expected, why


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


def test_returns_of_maps():
    cycle = np.tile([[0.0], [1.0], [0.2], [0.9]], (100, 1))
    assert first_return(distances(cycle, 50), 1e-12, continuous=False).lag == 4
    assert first_return(distances(cycle[::2] * [[1.0]], 50), 1e-12, continuous=False).lag == 2
    noise = np.random.default_rng(0).normal(size=(400, 1))
    assert np.isnan(first_return(distances(noise, 100), 0.01, continuous=False).lag)
    assert np.isnan(first_return(distances(np.ones((400, 1)), 100), 0.01, continuous=False).lag)


def test_drifts_of_mean_and_variance_are_seen():
    rng = np.random.default_rng(5)
    x = autoregressive(0.9, 20_000, 4, rng)
    assert stationary(x).all()
    drift = np.linspace(0, 1, 20_000)[:, None]
    assert not stationary(x + [0.0, 0.0, 3.0, 0.0] * drift)[2]
    louder = x * (1 + [0.0, 1.0, 0.0, 0.0] * drift)
    assert not stationary(louder)[1]
    assert stationary(np.ones((100, 2))).all()
