"""Exponents at several learning rates: the line through them, and what is chaotic where."""

import numpy as np
import pytest
import xarray as xr

import curlflow
from curlflow.measures.extrapolation import limit_of_small_steps, limits
from curlflow.measures.motion import Verdict
from curlflow.measures.step_sizes import ChaoticIn, chaotic_in
from curlflow.studies.classify.step_sizes import _limits


def test_a_line_with_errors():
    steps = np.array([0.1, 0.05, 0.02, 0.01])
    errors = np.array([0.01, 0.02, 0.01, 0.03])
    exact = limit_of_small_steps(steps, 2 - 3 * steps, errors)
    np.testing.assert_allclose([exact.value, exact.slope, exact.chi_square], [2, -3, 0], atol=1e-9)
    rng = np.random.default_rng(0)
    limits = [limit_of_small_steps(steps, 2 - 3 * steps + errors * rng.normal(size=4), errors) for _ in range(4000)]
    np.testing.assert_allclose(np.std([x.value for x in limits]), exact.error, rtol=0.05)
    np.testing.assert_allclose(np.mean([x.chi_square for x in limits]), 1, rtol=0.1)


def test_too_few_values_have_no_line():
    assert np.isnan(limit_of_small_steps(np.array([0.1]), np.array([1.0]), np.array([0.1])).value)
    broken = limit_of_small_steps(np.array([0.1, 0.2, 0.3]), np.array([1, np.nan, 2]), np.array([0.1, 0.1, 0.0]))
    assert np.isnan(broken.value)
    assert np.isnan(limit_of_small_steps(np.array([0.1, 0.2]), np.ones(2), np.full(2, 0.1)).chi_square)


def small(**changes):
    return curlflow.Spec(
        network={"inputs": 4, "hidden": 5, "outputs": 1, "activation": "linear", "output_activation": "linear"},
        constraint={"kind": "frobenius"},
        data={"samples": 40},
        dynamics={"kind": "updates", "learning_rate": 0.2},
        realizations=2,
    ).replace(changes)


def test_the_line_is_through_motion_of_the_flow_s_kind():
    rates = np.array([0.1, 0.05, 0.02, 0.01, 0.0])
    kind = {name: int(v) for name, v in Verdict.__members__.items()}
    chaotic, undecided, torus = kind["chaotic"], kind["undecided"], kind["quasi_periodic"]
    partial = kind["partially_predictable"]
    held, good = int(curlflow.Status.held_by_rounding), int(curlflow.Status.completed)
    whole = xr.Dataset(
        {
            "verdict": (
                ("learning_rate", "realization"),
                [[torus, chaotic], [chaotic, torus], [partial, torus], [undecided, torus], [chaotic, torus]],
            ),
            "status": (("learning_rate", "realization"), [[good, good]] * 3 + [[held, good], [good, good]]),
            "lyapunov_exponent": (
                ("learning_rate", "realization", "exponent"),
                np.array([[0.0, 3.0], [2.5, 0.5], [2.8, 0.8], [9.0, 0.9], [3.0, 1.0]])[..., None],
            ),
            "lyapunov_exponent_se": (("learning_rate", "realization", "exponent"), np.full((5, 2, 1), 0.1)),
        }
    )
    found = _limits(whole, rates)
    np.testing.assert_allclose(found["exponent_limit"][:, 0], [3.0, 1.0])
    np.testing.assert_allclose(found["limit_difference"][:, 0], [0.0, 0.0], atol=1e-12)


def test_exponents_without_errors_have_no_line():
    """At a fixed point every local exponent is the same, and what is left of its standard error is rounding."""
    rates, flow = np.array([0.2, 0.1, 0.04, 0.02, 0.0]), -0.3
    values = np.append(np.log1p(rates[:-1] * flow) / rates[:-1], flow)[:, None, None]
    found = limits(rates, values, np.full_like(values, 3e-18), np.ones((5, 1), dtype=bool))
    assert np.isnan(list(found.values())).all()


def test_partially_predictable_chaos_is_chaos():
    chaotic, partial, cycle, undecided = (
        int(Verdict[name]) for name in ("chaotic", "partially_predictable", "periodic", "undecided")
    )
    ends = np.array([[partial, cycle, partial, cycle, undecided], [chaotic, partial, cycle, cycle, partial]])
    found = [ChaoticIn(value).name for value in chaotic_in(ends, with_flow=True)]
    assert found == ["both", "flow_only", "updates_only", "neither", "undecided"]


def test_gradient_descent_is_chaotic_nowhere():
    ds = curlflow.step_sizes(small(), transient=400, duration=200, exponents=2)
    np.testing.assert_allclose(ds.learning_rate, [0.2, 0.1, 0.04, 0.02, 0.0])
    assert ds.verdict.dims == ("learning_rate", "realization")
    assert ds.chaotic_in.attrs["flag_meanings"].split()[int(ds.chaotic_in[0])] == "neither"
    # At a stable solution the exponents of updates are ln(1 − ηr)/η for the rates r of the flow.
    flow = ds.lyapunov_exponent.sel(learning_rate=0.0)
    for rate in ds.learning_rate.values[:-1]:
        expected = np.log1p(rate * flow) / rate
        np.testing.assert_allclose(ds.lyapunov_exponent.sel(learning_rate=rate), expected, atol=2e-3)
    assert ds.attrs["study"] == "step_sizes"
    assert "power" not in ds
    assert len(set(ds.observable.values.tolist())) == ds.sizes["observable"] == 8
    with pytest.raises(ValueError, match=r"curlflow.step_sizes keeps no spectra; draw what curlflow.classify"):
        curlflow.plot.classification(ds)


@pytest.mark.parametrize("rate", [1.0, 0.1, 0.01, 0.001, None])
def test_all_learning_rates_and_the_flow_are_given_the_same_time(rate):
    from curlflow.studies.classify.starts import started

    dynamics = {"kind": "flow"} if rate is None else {"kind": "updates", "learning_rate": rate}
    options = started(small().replace("dynamics", dynamics), {}).options
    assert (options.settings["transient"], options.settings["duration"]) == (3000, 6000)
    assert options.averaging.alignment == 100


def test_learning_rates_are_checked():
    with pytest.raises(ValueError, match="learning_rates: got .* required are different positive numbers"):
        curlflow.step_sizes(small(), learning_rates=[0.1, 0.1])
    with pytest.raises(ValueError, match="learning_rates: got -1"):
        curlflow.step_sizes(small(), learning_rates=[-1])
    with pytest.raises(ValueError, match="learning_rates: got 0.1, required is a list"):
        curlflow.step_sizes(small(), learning_rates=0.1)
    with pytest.raises(ValueError, match="spec: got"):
        curlflow.step_sizes(curlflow.systems.henon())


def test_what_was_finished_survives_an_interrupt(monkeypatch, tmp_path):
    from curlflow.studies.classify import step_sizes as module

    whole, calls = module.classify, []

    def once(spec, **options):
        calls.append(spec)
        if len(calls) == 2:
            raise curlflow.Interrupted(whole(spec, **options))
        return whole(spec, **options)

    monkeypatch.setattr(module, "classify", once)
    with pytest.raises(curlflow.Interrupted) as caught:
        curlflow.step_sizes(small(), transient=20, duration=200, exponents=1)
    found = caught.value.dataset
    np.testing.assert_allclose(found.learning_rate, [0.2, 0.1])
    assert curlflow.load(curlflow.save(found, tmp_path / "s.nc")).identical(found)
