"""Partially predictable chaos: pairs of close runs, where the 0–1 test is against chaos."""

import numpy as np
import pytest

import curlflow
from curlflow import systems
from curlflow.precision import double_precision
from curlflow.studies.classify.pairs import _pairs
from curlflow.studies.classify.runs import observe_motion
from curlflow.studies.classify.starts import started
from curlflow.studies.runs import silent


def judged(system, **options):
    dataset = curlflow.classify(system, **options)
    return dataset.verdict.attrs["flag_meanings"].split()[int(dataset.verdict[0])], dataset.isel(realization=0)


@pytest.mark.optimised
@pytest.mark.parametrize(
    ("ρ", "expected", "ν", "C"),
    [
        (180.7, "chaotic", None, None),
        (180.78, "partially_predictable", (-0.2, 0.2), (0.9, 1.0)),
        (180.95, "partially_predictable", (-0.2, 0.2), (0.9, 1.0)),
    ],
)
def test_the_lorenz_system_of_wernecke_and_others(ρ, expected, ν, C):
    found, run = judged(systems.lorenz63(rho=ρ))
    assert found == expected, run.reason.item()
    if ν is None:
        assert run.pairs == 0
        assert np.isnan([run.cross_distance_exponent, run.cross_correlation, run.prediction_time]).all()
        return
    assert float(np.nanmedian(run.zero_one)) < 0.3  # the 0–1 test alone would call it regular
    assert ν[0] < run.cross_distance_exponent < ν[1]
    assert C[0] < run.cross_correlation < C[1]
    np.testing.assert_allclose(run.prediction_time, np.log(1e6) / run.lyapunov_exponent[0])
    relative = run.lyapunov_exponent_se[0] / run.lyapunov_exponent[0]
    np.testing.assert_allclose(run.prediction_time_se / run.prediction_time, relative)
    assert abs(run.cross_distance_exponent) < 5 * run.cross_distance_exponent_se < 1
    assert "close runs part, but are still correlated" in run.reason.item()


@double_precision
def paired(system, length, number, **given):
    _, options, (run,), _ = started(system, given)
    observe_motion([run], options, silent)
    list(_pairs(run, length, number, options, silent))
    return run.pairs


def test_a_limit_cycle_by_pairs():
    found = paired(systems.lorenz63(rho=160.0), 200.0, 3, transient=200, duration=600)
    np.testing.assert_allclose(found.exponent, 1, atol=0.1)
    assert found.correlation > 0.999


def test_strong_chaos_by_pairs():
    found = paired(systems.logistic(4.0), 300, 16, transient=200, duration=5000)
    np.testing.assert_allclose(found.exponent, 0, atol=0.03)
    np.testing.assert_allclose(found.correlation, 0, atol=0.1)
    assert found.pairs == 16


def test_an_interrupt_between_pairs_keeps_what_is_finished():
    def stop(realization, phase, fraction):
        if phase == "pairs":
            raise KeyboardInterrupt

    with pytest.raises(curlflow.Interrupted) as caught:
        curlflow.classify(systems.lorenz63(rho=180.95), progress=stop)
    dataset = caught.value.dataset
    assert np.isfinite(dataset.lyapunov_exponent.values).all()
    assert curlflow.Status(int(dataset.status[0])).name == "interrupted"
    assert dataset.pairs[0] == 0
