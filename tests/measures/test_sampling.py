"""Which steps of a window are recorded, and what even samples miss."""

import numpy as np
import pytest

import curlflow
from curlflow import systems
from curlflow.measures.sampling import FEWEST, MISSED, MOST, missed, sampling, steps_of_flow


@pytest.mark.parametrize("number", [500, MOST, 2 * MOST - 1, 2 * MOST, 10 * MOST + 7])
def test_samples_of_maps(number):
    chosen = sampling(1.0, number)
    spans, pieces = systems.logistic(3.5).cut(chosen.steps)
    np.testing.assert_array_equal(np.cumsum(spans), chosen.places)
    assert (pieces == 1).all()
    late, even, spread = (chosen.places[kind] for kind in (chosen.late, chosen.even, chosen.spread))
    np.testing.assert_array_equal(late, np.arange(number - len(late) + 1, number + 1))
    np.testing.assert_array_equal(even, chosen.stride * np.arange(1, len(even) + 1))
    assert number - chosen.stride < even[-1] <= number
    assert len(late) >= min(number, MOST)
    assert len(even) < 2 * MOST
    if number >= 2 * MOST:
        assert {2, 3, 5} <= set(np.diff(spread).tolist())  # no rhythm


def test_samples_of_flows():
    slow = sampling(*steps_of_flow(5.0, 2000.0))
    assert (slow.step, slow.stride, len(slow.places)) == (0.5, 1, FEWEST)
    long = sampling(*steps_of_flow(0.04, 1e6))
    flow = curlflow.Flow(lambda t, x, args: -x, [1.0])
    spans, pieces = flow.cut(long.steps * long.step)
    assert spans.max() <= 10
    np.testing.assert_allclose((spans * pieces).sum(), 1e6)


def test_what_even_samples_miss():
    t = np.arange(8000)[:, None]
    slow, fast = np.sin(0.01 * t), np.sin(1.5 * t)
    one = np.ones(1)
    assert missed(slow, 10, one) < MISSED / 10
    assert missed(np.concatenate([slow, fast], axis=1), 10, np.ones(2)) > 0.99
    assert missed(np.concatenate([slow, 1e-9 * fast], axis=1), 10, np.ones(2)) < MISSED / 10
    assert missed(fast, 1, one) == 0
    assert missed(np.full((8000, 1), np.nan), 10, one) == missed(np.ones((8000, 1)), 10, one) == 0
