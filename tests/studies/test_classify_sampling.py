"""What verdicts look at: nothing hides between samples, however long the window and however fast the motion is."""

import jax.numpy as jnp
import numpy as np
import pytest
from motions import circle, oscillator, torus

import curlflow
from curlflow import systems
from curlflow.measures.sampling import MOST


def verdict(dataset):
    return dataset.verdict.attrs["flag_meanings"].split()[int(dataset.verdict[0])]


@pytest.mark.parametrize(("r", "period", "status"), [(3.2, 2, "period_two"), (3.5, 4, "completed")])
def test_states_that_repeat_do_so_in_long_windows_too(r, period, status):
    dataset = curlflow.classify(systems.logistic(r), duration=4 * MOST)
    assert verdict(dataset) == "periodic"
    assert float(dataset.return_time[0]) == period
    assert curlflow.Status(int(dataset.status[0])).name == status
    assert dataset.stationary.all()
    diagram = curlflow.bifurcation(systems.logistic, {"r": [r]}, duration=4 * MOST)
    assert len(np.unique(diagram.late_extremum.values.round(9))) == period


def test_bands_of_chaos_are_seen_in_long_windows_too():
    dataset = curlflow.classify(systems.logistic(3.6), duration=4 * MOST)
    assert verdict(dataset) == "chaotic"
    assert float(dataset.zero_one[0, 0]) > 0.9


@pytest.mark.optimised
@pytest.mark.parametrize("transient", [20, 0])
def test_many_periods_within_a_window(transient):
    flow = circle(2 * np.pi * 13.3)
    dataset = curlflow.classify(flow, transient=transient)
    assert verdict(dataset) == "periodic"
    np.testing.assert_allclose(float(dataset.return_time[0]), 1 / 13.3, rtol=1e-4)
    np.testing.assert_allclose(dataset.peak_frequency[0, :, 0], 13.3, rtol=0.01)
    over = {"omega": [2 * np.pi * 13.3]}
    diagram = curlflow.bifurcation(lambda omega: circle(omega), over, transient=transient, duration=1000)
    late = diagram.late_extremum.values.ravel()
    np.testing.assert_allclose(np.abs(late[np.isfinite(late)]), 1, atol=1e-3)


def test_observables_that_are_not_numbers_all_along():
    dataset = curlflow.classify(systems.logistic(4.0), observables=lambda x: jnp.stack([jnp.log(x - 0.1), x]))
    assert verdict(dataset) == "undecided"
    assert dataset.reason[0].item().startswith("observables are not finite: observable_1 in ")
    np.testing.assert_array_equal(dataset.moves[0], [False, True])
    assert dataset.not_finite[0, 0] > 1000
    assert dataset.not_finite[0, 1] == 0
    np.testing.assert_allclose(float(dataset.lyapunov_exponent[0, 0]), np.log(2), atol=4e-3)
    assert float(dataset.zero_one[0, 1]) > 0.9


def rotation(i, x, turn):
    return jnp.stack([jnp.cos(turn) * x[0] - jnp.sin(turn) * x[1], jnp.sin(turn) * x[0] + jnp.cos(turn) * x[1]])


def delayed(i, x, r):
    """The delayed logistic map, with an invariant circle for r above 2."""
    return jnp.stack([r * x[0] * (1 - x[1]), x[0]])


@pytest.mark.parametrize(
    ("system", "allowed"),
    [
        (lambda: torus([1.0, 2.02]), ["quasi_periodic"]),
        (lambda: torus([1.0, 3.0207]), ["quasi_periodic"]),
        (lambda: torus([1.0, np.e]), ["quasi_periodic"]),
        (lambda: torus([1.0, 2.0001]), ["undecided"]),  # nearer to a resonance than the window can tell
        (lambda: torus([1.0, 2.0]), ["undecided"]),  # a cycle, but one of a family
        (
            lambda: curlflow.Map(rotation, [1.0, 0.0], args=2 * np.pi / (7 + (np.sqrt(5) - 1) / 20)),
            ["quasi_periodic"],
        ),
        (lambda: curlflow.Map(delayed, [0.5, 0.5], args=2.01), ["quasi_periodic", "undecided"]),
    ],
)
def test_tori_that_come_near_to_where_they_were_are_no_cycles(system, allowed):
    system = system()
    window = {"transient": 1000, "duration": 1000} if isinstance(system, curlflow.Flow) else {}
    dataset = curlflow.classify(system, **window)
    assert verdict(dataset) in allowed, dataset.reason[0].item()
    assert "drift" not in dataset.reason[0].item()


def test_a_cycle_with_a_doubled_period_returns_after_both_rounds():
    dataset = curlflow.classify(systems.rossler(c=3.0))
    assert verdict(dataset) == "periodic"
    np.testing.assert_allclose(float(dataset.return_time[0]), 11.5, atol=0.3)
    energetic = curlflow.classify(oscillator())  # both exponents are zero
    assert verdict(energetic) == "periodic"
