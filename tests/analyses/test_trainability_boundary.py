"""The plane of two learning rates: the vmapped updates against a loop written from the paper's equations."""

import numpy as np
import pytest

from curlflow.precision import jax_settings


def loop(script, rates):
    """Gradient descent of the mean squared error of W1 tanh(√(2/n) W0 x)/n, in the paper's weights."""
    problem = script.experiment(kind="updates", learning_rate=1.0).build()
    x, y, n = problem.x_train, problem.y_train, 16
    w0, w1 = problem.student.weights[0] * np.sqrt(n / 2), problem.student.weights[1] * n
    losses = []
    for _ in range(script.STEPS):
        h = np.tanh(np.sqrt(2 / n) * w0 @ x)
        error = w1 @ h / n - y
        losses.append(np.mean(error**2))
        slope = 2 * error / error.size
        back = (w1.T / n @ slope) * (1 - h**2)
        w0, w1 = w0 - rates[0] * np.sqrt(2 / n) * back @ x.T, w1 - rates[1] * slope @ h.T / n
    losses = np.minimum(np.nan_to_num(np.array(losses) / losses[0], nan=1e6), 1e6)
    converges = losses[-20:].mean() < 1
    return converges, np.log10((losses if converges else 1 / losses).sum())


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning", "ignore:invalid value:RuntimeWarning")
def test_rates_are_those_of_the_paper(module, monkeypatch):
    script = module("trainability_boundary")
    monkeypatch.setattr(script, "STEPS", 60)
    pairs = np.array([[1.0, 10.0], [30.0, 60.0], [1.0, 1000.0]])
    with jax_settings():
        converges, log_sum = map(np.asarray, script.trained()(pairs))
    expected = [loop(script, rates) for rates in pairs]
    assert converges.tolist() == [kind for kind, _ in expected] == [True, True, False]
    np.testing.assert_allclose(log_sum, [value for _, value in expected], rtol=1e-8)


def test_a_window_about_a_cell_is_a_sixteenth_of_both_sides(module):
    script = module("trainability_boundary")
    ends = script.about(script.PLANE, 8, 3, 32)
    np.testing.assert_allclose(np.diff(ends), np.diff(script.PLANE) / 16, rtol=1e-12)
    np.testing.assert_allclose(ends.mean(axis=1), script.PLANE[:, 0] + [5 * 3.5 / 32, 1.5 * 8.5 / 32], rtol=1e-12)
