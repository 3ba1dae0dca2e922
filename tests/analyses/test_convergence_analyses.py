"""The analyses of convergence: the published grids and protocols, and datasets that say what was run."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

import curlflow

FIGURES = ("fig5_convergence_speed", "fig10_relu", "fig11_without_constraint")
PUBLISHED = {
    # number of values, first, last, realizations, epochs, samples, activation, constraint
    "fig5c": (19, 100, 2000, 10, 100_000, None, "tanh", "frobenius"),
    "fig5d": (17, 0.01, 10.0, 10, 100_000, 10_000, "tanh", "frobenius"),
    "fig5e": (17, 0.1, 4.0, 10, 200_000, 10_000, "tanh", "frobenius"),
    "fig5f": (10, 1, 10, 10, 100_000, 2_000, "tanh", "frobenius"),
    "fig10b": (19, 100, 2000, 40, 100_000, None, "relu", "frobenius"),
    "fig10c": (17, 0.01, 10.0, 40, 100_000, 10_000, "relu", "frobenius"),
    "fig11a": (19, 100, 2000, 10, 100_000, None, "tanh", "none"),
    "fig11b": (17, 0.01, 10.0, 10, 100_000, 10_000, "tanh", "none"),
    "fig11c": (17, 0.1, 4.0, 10, 200_000, 10_000, "tanh", "none"),
    "fig11d": (10, 1, 10, 10, 100_000, 2_000, "tanh", "none"),
}


def test_grids_and_protocols_are_the_published_ones(module):
    panels = {panel.name: panel for figure in FIGURES for panel in module(figure).PANELS}
    assert set(panels) == set(PUBLISHED)
    for name, (number, first, last, realizations, epochs, samples, activation, constraint) in PUBLISHED.items():
        panel, spec = panels[name], curlflow.preset(panels[name].preset)
        assert (len(panel.values), panel.values[0], panel.values[-1]) == (number, first, last)
        assert (spec.realizations, panel.epochs) == (realizations, epochs)
        assert samples is None or spec.data.samples == samples
        assert (spec.network.activation, spec.constraint.kind) == (activation, constraint)
        assert (spec.network.inputs, spec.network.hidden, spec.start.scale) == (100, 10, 2.0)


def test_slow_time_is_that_of_plateaus(module):
    slow_time = module("escape_from_saddles").slow_time
    times = np.geomspace(1, 1e4, 4001)
    # Falls like 1/t, but for a plateau from 10 to 100.
    errors = np.where(times < 10, 1 / times, np.where(times < 100, 0.1, 10 / times))
    assert slow_time(times, errors, 1e4) == pytest.approx(90, rel=0.02)
    assert slow_time(times, errors, 50.0) == pytest.approx(40, rel=0.02)
    assert slow_time(times, errors, np.nan) == pytest.approx(90, rel=0.02)


def test_first_record_below_the_threshold_is_interpolated(module):
    first_below = module("escape_from_saddles").first_below
    times = np.geomspace(1, 1e4, 41)
    assert first_below(times, 1 / times) == pytest.approx(1e3)
    assert first_below(times, 0.37 / times) == pytest.approx(370)  # linear on logarithmic axes: exact
    assert np.isnan(first_below(times[:20], 1 / times[:20]))
    assert first_below(times, np.full(41, 1e-4)) == 1


def test_shares_of_errors_and_readouts(module):
    """Errors that are linear in the inputs, orthogonal to them, and half of each."""
    shares, rng = module("escape_from_saddles").shares, np.random.default_rng(0)
    w1, w2, x = rng.normal(size=(2, 3)), np.array([[3.0, 4.0]]), rng.normal(size=(3, 50))
    outputs = np.tanh(w2 @ np.tanh(w1 @ x))
    linear = rng.normal(size=(1, 3)) @ x
    other = x[:1] ** 2 - x[:1] ** 2 @ np.linalg.pinv(x) @ x
    other *= np.linalg.norm(linear) / np.linalg.norm(other)
    for error, expected in ((linear, 0.0), (other, 1.0), (linear + other, 0.5)):
        problem = SimpleNamespace(x_train=x, y_train=outputs - error)
        nonlinear, largest = shares(problem, w1[None], w2[None])
        assert nonlinear == pytest.approx([expected], abs=1e-12)
        assert largest == pytest.approx([16 / 25])


@pytest.mark.slow
def test_a_panel_from_sweep_to_pictures(module, tmp_path, capsys):
    shared = module("convergence_figures")
    panel = shared.Panel(
        "small", "fig5c", "samples", (20, 40), shared.by_field("data.samples"), "number of samples", "another",
        epochs=30, to_end=True,
    )  # fmt: skip
    options = module("scripts").options("", ["small"], "", shared.OF_DYNAMICS | shared.AT)
    line = ["--directory", str(tmp_path), "--realizations", "2", "--workers", "1"]
    given = options.parse_args(line)
    ds = shared.computed(panel, given, tmp_path)
    assert ds.convergence_epoch.dims == ("samples", "rule", "realization")
    assert json.loads(ds.attrs["runs"])["solver"] == "rkc2"
    assert json.loads(ds.attrs["runs"])["realizations"] == 2
    assert ds.test_error.notnull().all()
    assert (ds.stop_epoch == 30).all()
    assert list(shared.pictures(ds, panel)) == ["", "_censored", "_errors"]
    own = curlflow.convergence(
        curlflow.preset("fig5c").replace(
            {"data.samples": 40, "realizations": 2, "dynamics": shared.DYNAMICS["flow"]}
        ),
        epochs=30, to_end=True,
    )  # fmt: skip
    np.testing.assert_allclose(ds.test_error.sel(samples=40), own.test_error, rtol=1e-9)
    # More of them at one value, from the same folder.
    more = options.parse_args([*line, "--at", "20=3"])
    grown = shared.computed(panel, more, tmp_path)
    assert json.loads(grown.attrs["runs"])["realizations_at"] == {"20": 3}
    assert (grown.convergence_epoch >= 0).sum("realization").to_numpy().tolist() == [[3, 3], [2, 2]]
    np.testing.assert_array_equal(grown.test_error.isel(realization=slice(0, 2)), ds.test_error)
    assert list(shared.pictures(grown, panel)) == ["", "_censored", "_errors"]
    with pytest.raises(ValueError, match="--at: got 30, allowed are 20, 40"):
        shared.computed(panel, options.parse_args([*line, "--at", "30=3"]), tmp_path)
    shared.summarize(grown, panel)
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(" of ")[2][:2] for line in lines if "converged" in line] == ["3;", "2;"]
