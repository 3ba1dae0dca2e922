"""The verdicts that indicators lead to."""

import numpy as np
import pytest

from curlflow import Status
from curlflow.measures.close_pairs import CrossDistance
from curlflow.measures.motion import Indicators, Verdict, asks_for_pairs, verdict
from curlflow.measures.unbounded import SteadyGrowth

pytestmark = pytest.mark.quick

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


BRAID = CrossDistance(0.01, 0.98, 0.01, np.full(3, 0.2), 5)


@pytest.mark.parametrize(
    ("changes", "asks", "expected"),
    [
        ({}, True, Verdict.partially_predictable),
        ({"zero_one": 0.5}, True, Verdict.partially_predictable),
        ({"zero_one": np.nan}, True, Verdict.partially_predictable),
        ({"zero_one": 0.9}, False, Verdict.chaotic),
        ({"converged": False, "grows_throughout": True}, True, Verdict.partially_predictable),
        ({"converged": False, "pairs": CrossDistance()}, False, Verdict.undecided),
        ({"pairs": CrossDistance()}, True, Verdict.undecided),
        ({"pairs": BRAID._replace(exponent=0.9)}, True, Verdict.undecided),
        ({"pairs": BRAID._replace(exponent=np.nan)}, True, Verdict.undecided),
        ({"pairs": BRAID._replace(correlation=0.03)}, True, Verdict.undecided),
        ({"pairs": BRAID._replace(correlation=0.6, error=0.1)}, True, Verdict.undecided),
        ({"stationary": False}, False, Verdict.undecided),
        ({"duration": 20.0}, False, Verdict.undecided),
        ({"exponents": np.array([1e-5, -0.5, -2.0])}, False, Verdict.undecided),
        ({"aligns_as_expected": False}, False, Verdict.undecided),
    ],
)
def test_pairs_decide_where_the_zero_one_test_alone_is_against_chaos(changes, asks, expected):
    indicators = CHAOS._replace(zero_one=0.08, pairs=BRAID)._replace(**changes)
    kind, why = verdict(indicators)
    assert kind == expected, why
    assert asks_for_pairs(indicators) == asks


@pytest.mark.parametrize(
    ("start", "changes", "expected"),
    [
        (CYCLE, {}, Verdict.periodic),
        (CYCLE, {"early_growth": 25.0}, Verdict.transient_chaos),
        (CYCLE, {"zero_one": 0.9}, Verdict.undecided),
        (CYCLE, {"steady": False}, Verdict.undecided),
        (CYCLE, {"not_finite": "x in 3 samples"}, Verdict.undecided),
        (CYCLE, {"exponents": np.array([1e-5, -2e-3, -2.0])}, Verdict.undecided),
        (CYCLE, {"exponents": np.array([1e-5, -6e-3, -2.0])}, Verdict.periodic),
        (CYCLE, {"exponents": np.array([1e-5, -2e-5, -2.0]), "zeros_are_tori": False}, Verdict.periodic),
        (CYCLE, {"continuous": False}, Verdict.undecided),
        (TORUS, {"distance": 1e-3, "steady": False}, Verdict.quasi_periodic),
        (CYCLE, {"stationary": False}, Verdict.undecided),
        (CYCLE, {"exponents": np.array([-0.1, -0.5, -2.0])}, Verdict.periodic),
        (TORUS, {"exponents": np.array([-0.1, -0.5, -2.0])}, Verdict.undecided),
        (TORUS, {}, Verdict.quasi_periodic),
        (TORUS, {"preserves_volume": True, "log_alignment": -4.0}, Verdict.quasi_periodic),
        (TORUS, {"preserves_volume": True, "log_alignment": -40.0}, Verdict.undecided),
        (TORUS, {"lines": False}, Verdict.undecided),
        (TORUS, {"growth": SteadyGrowth(0.9, np.nan, 1.0)}, Verdict.undecided),
        (
            CYCLE,
            {"growth": SteadyGrowth(30.0, 0.01, np.nan, True), "not_finite": "x in 3 samples"},
            Verdict.divergent,
        ),
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
