"""Bifurcation diagrams: known routes, and the gain at which solutions lose stability by theory and by eigenvalues."""

import jax.numpy as jnp
import numpy as np
import pytest
from command_line import run
from motions import circle

import curlflow
from curlflow import random_matrix, systems
from curlflow.random_matrix.gains import lowest

RATIOS = [0.3, 0.5, 0.6]


@pytest.mark.parametrize("c", RATIOS)
def test_the_critical_gain_is_minus_one_on_the_phase_boundary(c):
    inputs, hidden = random_matrix.phase_boundary(c, "inputs"), random_matrix.phase_boundary(c, "hidden")
    np.testing.assert_allclose(random_matrix.critical_gain(c, inputs=inputs), -1, rtol=1e-9)
    np.testing.assert_allclose(random_matrix.critical_gain(c, hidden=hidden), -1, rtol=1e-9)


def test_the_critical_gain_with_flips_in_both_layers():
    hidden = random_matrix.phase_surface(0.3, 0.2)
    np.testing.assert_allclose(random_matrix.critical_gain(0.3, inputs=0.2, hidden=hidden), -1, rtol=1e-8)


def test_all_inputs_flipped_is_a_shifted_wishart_law():
    np.testing.assert_allclose(random_matrix.critical_gain(0.2, inputs=1.0), -((1 - 0.2**0.5) ** 2) / 0.2, rtol=1e-9)
    gain = -0.3
    np.testing.assert_allclose(lowest(0.2, 0.0, 1.0, gain), 1 + gain * (1 + 0.2**0.5) ** 2 / 0.2, rtol=1e-9)


@pytest.mark.parametrize(("inputs", "hidden", "gain"), [(0.3, 0.2, -0.5), (0.1, 0.1, -2.0), (0.5, 0.5, 0.3)])
def test_the_lowest_eigenvalue_of_samples(inputs, hidden, gain):
    m, n = 800, 1600
    w = np.random.default_rng(0).normal(size=(n, m)) / m**0.5
    d1, d2 = (np.where(np.arange(size) < f * size, gain, 1.0) for size, f in ((m, inputs), (n, hidden)))
    sampled = np.linalg.eigvalsh((w.T * d2) @ w + np.diag(d1))[0]
    # Samples approach the edge from the stable side, as M^(−2/3), and scatter as much.
    np.testing.assert_allclose(sampled, lowest(0.5, inputs, hidden, gain), atol=10 * m ** (-2 / 3))


def test_gains_of_arrays_and_ends():
    found = random_matrix.critical_gain(RATIOS, inputs=0.3)
    assert found.shape == (3,)
    assert (np.diff(found) > 0).all()
    assert np.isnan(random_matrix.critical_gain(0.5))
    assert random_matrix.critical_gain(4.0, inputs=0.3) == 0  # H is singular at g = 0
    with pytest.raises(ValueError, match="do not broadcast"):
        random_matrix.critical_gain([0.1, 0.5], inputs=[0.1, 0.2, 0.3])
    with pytest.raises(ValueError, match="inputs: got 2"):
        random_matrix.critical_gain(0.5, inputs=2)


def test_the_route_of_the_logistic_map():
    values = [2.9, 3.2, 3.5, 3.7]
    ds = curlflow.bifurcation(systems.logistic, {"r": values}, transient=2000, duration=2000)
    assert ds.verdict.dims == ("r", "realization")
    names = ds.verdict.attrs["flag_meanings"].split()
    assert [names[v] for v in ds.verdict.values[:, 0]] == ["fixed_point", "periodic", "periodic", "chaotic"]
    late = ds.late_extremum.values[:, 0]
    np.testing.assert_allclose(late[0][0], 1 - 1 / 2.9, atol=1e-12)
    assert np.isnan(late[0][1:]).all()
    r = 3.2
    two = (r + 1 + np.array([-1, 1]) * np.sqrt((r - 3) * (r + 1))) / (2 * r)
    np.testing.assert_allclose(np.unique(late[1].round(10)), two, atol=1e-9)
    assert len(np.unique(late[2].round(8))) == 4
    assert len(np.unique(late[3].round(8))) > 100


def test_extrema_of_flows_lie_between_samples():
    ds = curlflow.bifurcation(
        lambda μ: curlflow.Flow(vanderpol, [1.0, 0.0], args=μ), {"mu": [0.01]}, observable="state_0", duration=500
    )
    late = ds.late_extremum.values[0, 0]
    np.testing.assert_allclose(np.abs(late[np.isfinite(late)]), 2, atol=2e-3)  # the amplitude of a weak cycle
    assert ds.attrs["observable"] == "state_0"


def vanderpol(t, x, args):
    return jnp.stack([x[1], args * (1 - x[0] ** 2) * x[1] - x[0]])


def spec():
    return curlflow.preset("hidden_chaos").replace(
        {"network.inputs": 12, "network.hidden": 24, "teacher.width": 24, "realizations": 2}
    )


SHORT = {"transient": 50, "duration": 100}


def test_solutions_lose_stability_with_the_gain(tmp_path):
    values, options = [1.0, -0.2, -1.0], {**SHORT, "directory": tmp_path / "cells", "engine": "serial"}
    first = curlflow.bifurcation(spec(), {"rule.gain": values}, **options)
    for i, gain in enumerate(values):
        expected = curlflow.stability(spec().replace("rule.gain", gain)).leading_real_part
        np.testing.assert_allclose(first.solution_rate.values[i], expected, rtol=1e-10)
    critical = random_matrix.critical_gain(0.5, inputs=0.3)
    np.testing.assert_allclose(float(first.critical_value), critical)
    assert -1 < critical < -0.2
    assert (first.solution_rate.sel(gain=-0.2) < 0).all()
    again = curlflow.bifurcation(spec(), {"rule.gain": values}, **options)
    same = again.assign_attrs(first.attrs)
    assert same.identical(first)
    path = curlflow.save(first, tmp_path / "b.nc")
    assert curlflow.load(path).identical(first)
    curlflow.plot.bifurcation(first).savefig(tmp_path / "b.png")
    curlflow.plot.bifurcation(first, realization=1)
    with pytest.raises(ValueError, match="realization: got 2, allowed are 0 to 1"):
        curlflow.plot.bifurcation(first, realization=2)


def test_along_fractions_the_theory_is_the_phase_boundary():
    from curlflow.diagrams import critical_value

    plain = spec()
    np.testing.assert_allclose(critical_value(plain, "rule.flipped.inputs"), random_matrix.phase_boundary(0.5))
    assert critical_value(plain, "rule.flipped.hidden") is None  # inputs are flipped too
    assert critical_value(plain, "data.samples") is None
    assert critical_value(plain.replace("network.activation", "tanh"), "rule.gain") is None


def test_the_command(tmp_path):
    (tmp_path / "small.toml").write_text(spec().replace("realizations", 1).to_toml())
    words = ["bifurcation", "small.toml", "--workers", "1", "--over"]
    done = run(*words, "rule.gain=0:-1:2", "--transient", "20", "--duration", "60", cwd=tmp_path)
    assert done.returncode in (0, 3), done.stderr
    ds = curlflow.load(tmp_path / "bifurcation_small.nc")
    np.testing.assert_allclose(ds.gain, [0, -1])
    assert (tmp_path / "bifurcation_small.png").exists()
    failing = [*words, "rule.gain=0,-1", "--exponents", "5000"]
    failed = run(*failing, cwd=tmp_path)
    assert failed.returncode == 3, failed.stderr
    assert "gain -1: ValueError: exponents: got 5000" in failed.stderr
    assert "picture" not in failed.stderr
    assert "retry_failed" not in failed.stderr
    wrong = run(*failing, "--observable", "foo", cwd=tmp_path)
    assert wrong.returncode == 2
    assert "observable: got 'foo', allowed are train_error" in wrong.stderr
    wrong = run(*words, "rule.gain", cwd=tmp_path)
    assert wrong.returncode == 2
    assert "required is FIELD=VALUES" in wrong.stderr


def test_verdicts_do_not_rest_on_the_observable_that_is_shown():
    options = {"transient": 100, "duration": 300}
    named = curlflow.bifurcation(circle, {"frequency": [1.0, 1.3]}, observable="state_1", **options)
    radius = curlflow.bifurcation(circle, {"frequency": [1.0, 1.3]}, observable=lambda x: jnp.sum(x**2), **options)
    assert (radius.verdict == named.verdict).all()
    assert named.verdict.attrs["flag_meanings"].split()[int(named.verdict[0, 0])] == "periodic"
    assert radius.attrs["observable"] == "observable_1"
    late = radius.late_extremum.values[:, 0]  # the radius alone does not move
    np.testing.assert_allclose(late[:, 0], 1, atol=1e-5)
    assert np.isnan(late[:, 1:]).all()


def test_names_of_observables_are_checked_at_every_value():
    from curlflow.studies.classify.starts import names_of

    found = [names_of(spec().replace("network.inputs", inputs)) for inputs in (1, 2, 12)]
    assert [len(names) for names in found] == [5, 7, 8]
    assert all(len(set(names)) == len(names) for names in found)
    gram = next(name for name in found[2] if name not in found[1])
    with pytest.raises(ValueError, match=f"observable: got '{gram}', allowed are train_error"):
        curlflow.bifurcation(spec(), {"network.inputs": [12, 2]}, observable=gram)


def test_values_that_all_failed():
    with pytest.warns(UserWarning, match="1 of 1 values failed; .* The first: .*exponents: got 5000"):
        ds = curlflow.bifurcation(spec(), {"rule.gain": [0.5]}, exponents=5000, engine="serial")
    assert "exponents: got 5000" in ds.cell_message.values[0]


@pytest.mark.parametrize(
    ("subject", "over", "options", "message"),
    [
        (spec, {}, {}, "over: got {}, required is one parameter"),
        (spec, {"rule.gian": [1.0]}, {}, "rule.gian"),
        (spec, {"rule.gain": [0.5]}, {"observable": len}, "observable: got a function"),
        (lambda: systems.logistic, {"r": [3.0, 3.0]}, {}, "r: got .* required are different numbers"),
        (lambda: systems.logistic, {"r": [3.0]}, {"workers": 2}, "workers: it goes with a spec"),
        (lambda: systems.logistic, {"r": [3.0]}, {"observable": "energy"}, "observable: got 'energy'"),
        (lambda: systems.logistic, {"r": [3.0, np.nan]}, {}, "r: got .* required are different numbers"),
        (lambda: systems.logistic, {"r": ["a"]}, {}, "r: got .* required are different numbers"),
        (lambda: systems.logistic, {"realization": [3.0]}, {}, "over: got the name 'realization'"),
        (lambda: systems.logistic, {"a/b": [3.0]}, {}, "over: got the name 'a/b'"),
        (lambda: systems.logistic, {3: [3.0]}, {}, "over: got the name 3"),
        (lambda: systems.henon, {"a": [1.4]}, {"observable": lambda x: x}, "observable: got 2 numbers"),
        (lambda: systems.henon, {"a": [1.4]}, {"observable": lambda x: None}, "observable: the function cannot"),
        (lambda: 3, {"r": [3.0]}, {}, "spec_or_function: got 3"),
        (lambda: lambda r: None, {"r": [3.0]}, {}, "the function returned NoneType, required is a Flow or a Map"),
        (spec, {"rule.gain": [0.5]}, {"observable": "foo"}, "observable: got 'foo', allowed are train_error, .*_"),
        (spec, {"rule.gain": [0.5]}, {"seed": -1}, "seed: got -1"),
    ],
)  # fmt: skip
def test_bad_input(subject, over, options, message):
    with pytest.raises(ValueError, match=message):
        curlflow.bifurcation(subject(), over, **options)
