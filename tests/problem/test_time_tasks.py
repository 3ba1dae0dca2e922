"""Tasks with a time axis, against their definitions."""

import numpy as np
import pytest

from curlflow.problem import delayed_match, integration, sine_generation

pytestmark = pytest.mark.quick


def test_integration_is_the_running_sum():
    data = integration(samples=4, test_samples=3, steps=9)
    assert data.x.shape == data.y.shape == (4, 9, 1)
    assert data.x_test.shape == (3, 9, 1)
    for x, y in zip(data.x, data.y, strict=True):
        np.testing.assert_allclose(y[:, 0], [x[: t + 1].sum() / 3 for t in range(9)])


def test_a_sine_has_the_frequency_that_its_input_says():
    data = sine_generation(samples=5, steps=30, periods=(10.0, 20.0))
    assert ((data.x >= 0.5) & (data.x <= 1)).all()
    assert (np.ptp(data.x, axis=1) == 0).all()
    # sin(ω(t+1)) + sin(ω(t−1)) = 2 cos ω sin ωt
    omega = 2 * np.pi * data.x[:, :1] / 10
    np.testing.assert_allclose(data.y[:, 2:] + data.y[:, :-2], 2 * np.cos(omega) * data.y[:, 1:-1], atol=1e-12)


def test_targets_of_a_delayed_match_say_whether_stimuli_are_equal():
    data = delayed_match(samples=40, stimuli=3, shown=2, delay=4, response=3)
    assert data.x.shape == (40, 11, 3)
    assert data.y.shape == (40, 11, 1)
    first, second = data.x[:, :2].argmax(axis=2), data.x[:, 6:8].argmax(axis=2)
    assert (data.x[:, [*range(2), 6, 7]].sum(axis=2) == 1).all()
    assert (data.x[:, [2, 3, 4, 5, 8, 9, 10]] == 0).all()
    same = (first[:, 0] == second[:, 0])[:, None]
    assert (data.y[:, 8:, 0] == np.where(same, 1, -1)).all()
    assert 0 < same.mean() < 1
    assert (data.y[:, :8] == 0).all()


@pytest.mark.parametrize(
    ("make", "given", "message"),
    [
        (integration, {"samples": 0}, "samples: got 0, allowed are whole numbers from 1"),
        (sine_generation, {"periods": (1.0, 3.0)}, "periods: got"),
        (delayed_match, {"stimuli": 1}, "stimuli: got 1, allowed are whole numbers from 2"),
    ],
)
def test_numbers_out_of_range_are_refused(make, given, message):
    with pytest.raises(ValueError, match=message):
        make(**given)


def test_samples_depend_on_the_seed_alone():
    assert integration(seed=1).digest == integration(seed=1).digest != integration(seed=2).digest
