"""Decisions and critical steps against powers of matrices, and what is known of a part of a spectrum."""

import numpy as np
import pytest

from curlflow.measures.decision import Decision, critical_step, decided, rates_of_multipliers

pytestmark = pytest.mark.quick

REAL = np.array([-0.5, -1.0, -4.0], complex)
SPIRAL = np.array([-0.5 + 2j, -0.5 - 2j])
NONE = np.zeros(0, complex)


def test_the_dull_cases():
    assert decided(REAL, 1e-10) == Decision.stable
    assert decided(np.array([1e-3, -1.0], complex), 1e-10) == Decision.unstable
    assert decided(NONE, 1e-10) == Decision.undecided
    assert decided(REAL, 1e-10, converged=False) == Decision.undecided
    assert decided(-REAL, 1e-10, converged=False) == Decision.unstable


@pytest.mark.parametrize("values", [REAL, SPIRAL])
def test_updates_contract_below_the_critical_step_alone(values):
    critical = critical_step(values, 0.0)
    for factor, expected in [(0.99, Decision.stable), (1.01, Decision.unstable)]:
        step = factor * critical
        assert decided(values, 0.0, step=step) == expected
        assert (np.abs((1 + step * values) ** 2000).max() < 1) == (expected == Decision.stable)


def test_no_step_makes_growth_stable():
    assert np.isnan(critical_step(np.append(REAL, 0.1), 0.0))
    assert np.isnan(critical_step(NONE, 0.0))
    # Closer to the axis than what counts as neutral.
    assert np.isnan(critical_step(np.array([-1e-12 + 1j, -1e-12 - 1j]), 1e-10))


def test_both_ends_of_a_real_spectrum_decide_and_one_does_not():
    leading, extreme = REAL[:1], REAL[2:]
    assert critical_step(leading, 0.0, extreme=extreme) == critical_step(REAL, 0.0)
    assert decided(leading, 0.0, step=0.4, extreme=extreme) == Decision.stable
    assert decided(leading, 0.0, step=0.6, extreme=extreme) == Decision.unstable
    assert decided(leading, 0.0, step=0.4, extreme=NONE) == Decision.undecided
    assert decided(leading, 0.0, extreme=NONE) == Decision.stable
    assert np.isnan(critical_step(leading, 0.0, extreme=NONE))
    assert np.isnan(critical_step(leading, 0.0, extreme=extreme, converged=False))
    # A complex pair between the ends may be the first to leave the unit circle.
    assert decided(leading, 0.0, step=0.1, extreme=SPIRAL) == Decision.undecided
    assert np.isnan(critical_step(leading, 0.0, extreme=SPIRAL))


def test_rates_are_logarithms_of_multipliers():
    rates = rates_of_multipliers(np.array([0.25, -0.5, 2.0, 1.0 + 1e-14], complex), 1, 0.5)
    np.testing.assert_allclose(np.exp(rates[:-1] * 0.5), [2.0, -0.5, 0.25], rtol=1e-13)
    assert rates[-1].real == -np.inf
    assert decided(rates, 0.0) == Decision.unstable
    assert decided(rates[1:], 0.0) == Decision.stable
