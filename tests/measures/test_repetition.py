"""Whether states repeat, and how fast deviations grow: against maps and matrices whose answer is known."""

import numpy as np
import pytest

from curlflow.measures.growth import held_time, rates
from curlflow.measures.repetition import alternates, alternating, repetition


def iterated(step):
    def advanced(state, number):
        for _ in range(number):
            state = step(state)
        return state

    return advanced


@pytest.mark.parametrize(("step", "period"), [(lambda x: x, 1), (lambda x: -x, 2)])
def test_states_that_repeat_bit_for_bit(step, period):
    state = np.array([1.0, -2.0])
    found = repetition(iterated(step), state, 8)
    assert found.period == period
    np.testing.assert_array_equal(found.states, [state, step(state)])
    assert alternates(iterated(step), state) == (period == 2)


def test_states_that_move_on_do_not_repeat():
    assert repetition(iterated(lambda x: 0.5 * x), np.ones(2), 8) is None
    # Two updates repeat, but not the block of eight that is computed in another way.
    flips = iterated(np.negative)
    assert repetition(lambda x, number: x + 1e-15 if number == 8 else flips(x, number), np.ones(2), 8) is None


def test_two_states_alternate_up_to_rounding():
    a, b = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    assert alternating(a, b, a + 1e-6)
    assert not alternating(a, b, a + 1e-3)
    assert not alternating(a, a + 1e-9, a)


def test_growth_of_a_flow_and_of_updates():
    values = np.array([-1.0, -0.5 + 3j, -0.5 - 3j])
    assert rates(values, None) == (True, 0.0)
    # |1 + 0.1 (−0.5 + 3i)|² = 0.95² + 0.3² < 1, with a step of 0.2 it is 0.9² + 0.6² > 1.
    assert rates(values, 0.1).stable
    found = rates(values, 0.2)
    assert not found.stable
    assert found.growth == pytest.approx(0.5 * np.log(0.81 + 0.36))
    assert rates(values + 0.6, None).growth == pytest.approx(0.1)


def test_held_time_is_three_times_the_growth_from_rounding():
    np.testing.assert_allclose(np.exp(held_time(0.01) / 3 * 0.01), 1e15)
    assert held_time(0.0) == np.inf
