"""Pictures from datasets alone; that they show the numbers, and leave the user's settings alone."""

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr

import curlflow
from curlflow import systems

mpl.use("Agg")


@pytest.fixture(scope="module")
def exponents():
    return curlflow.lyapunov(systems.lorenz63(), duration=100, transient=10)


def test_running_means_end_at_the_exponents(exponents, tmp_path):
    before = dict(mpl.rcParams)
    figure = curlflow.plot.lyapunov(curlflow.load(curlflow.save(exponents, tmp_path / "a.nc")))
    assert dict(mpl.rcParams) == before
    lines = {line.get_label(): line.get_ydata() for line in figure.axes[0].lines}
    for rank, value in enumerate(exponents.lyapunov_exponent.to_numpy()[0], start=1):
        np.testing.assert_allclose(lines[str(rank)][-1], value, rtol=1e-9)
    figure.savefig(tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 10_000


def test_realizations_without_blocks_are_drawn_as_such(exponents):
    failed = exponents.copy(deep=True)
    failed["local_exponent"][:] = np.nan
    failed["lyapunov_exponent"][:] = np.nan
    failed["lyapunov_exponent_se"][:] = np.nan
    failed["status"][:] = curlflow.Status.diverged
    figure = curlflow.plot.lyapunov(xr.concat([exponents, failed], "realization"))
    assert figure.axes[1].get_title() == "realization 0, diverged"


def test_learning_curves_show_the_errors():
    spec = curlflow.Spec(network={"inputs": 4, "hidden": 3}, realizations=3)
    ds = curlflow.simulate(spec, times=np.geomspace(0.1, 10, 20))
    figure = curlflow.plot.learning_curves(ds)
    assert figure.axes[0].get_xscale() == "log"
    np.testing.assert_array_equal(figure.axes[1].lines[2].get_ydata(), ds.test_error[2])
    np.testing.assert_allclose(figure.axes[1].lines[3].get_ydata(), ds.test_error.median("realization"))
    linear = curlflow.simulate(spec.replace("dynamics.kind", "updates"), times=np.arange(0, 50, 5))
    assert curlflow.plot.learning_curves(linear).axes[0].get_xscale() == "linear"


def test_eigenvalues_are_drawn_as_points_or_as_a_histogram():
    spec = curlflow.Spec(network={"inputs": 15, "hidden": 6}, start={"kind": "teacher"})
    real = curlflow.plot.stability(curlflow.stability(spec))
    assert sum(patch.get_height() for patch in real.axes[0].patches[:-1]) == 15
    mixed = spec.replace({"rule.kind": "curl", "rule.flipped.inputs": 0.4, "constraint.kind": "frobenius"})
    ds = curlflow.stability(mixed.replace("network.inputs", 5))
    figure = curlflow.plot.stability(ds)
    np.testing.assert_array_equal(figure.axes[0].lines[0].get_xdata(), ds.eigenvalue_real[0])
    assert figure.axes[0].get_title() == f"realization 0: {'stable' if ds.stable[0] else 'unstable'}"
    empty = curlflow.stability(mixed, at="origin")
    assert "excluded by constraint" in curlflow.plot.stability(empty).axes[0].get_title()


@pytest.mark.quick
def test_boundaries_are_drawn_where_they_are():
    ds = curlflow.boundary([0.1, 0.3, 5.0])
    figure = curlflow.plot.boundary(ds)
    for axes, layer in zip(figure.axes, ("inputs", "hidden"), strict=True):
        line, points = axes.lines
        np.testing.assert_array_equal(points.get_ydata(), ds.critical_fraction.sel(layer=layer))
        # The line is the theory in between, not a chord between the points.
        expected = curlflow.random_matrix.phase_boundary(line.get_xdata(), layer)
        np.testing.assert_array_equal(line.get_ydata(), expected)
        assert line.get_xdata().size > 400
    assert np.nanmax(figure.axes[0].lines[0].get_ydata()) == 1
    surface = curlflow.boundary([0.1, 0.4], inputs=[0.0, 0.1, 1.0])
    lines = curlflow.plot.boundary(surface).axes[0].lines
    np.testing.assert_array_equal(lines[3].get_ydata(), surface.critical_hidden_fraction[1])
    # For c > 1/4 the boundary jumps when the first input is flipped: to (2 − 3c)/8.
    np.testing.assert_allclose(lines[2].get_ydata()[0], 0.1, atol=1e-3)
    assert lines[3].get_ydata()[0] > 0.11
    assert len(curlflow.plot.boundary(curlflow.boundary(0.3, layer="hidden")).axes[0].lines) == 2


def test_other_datasets_are_refused(exponents):
    with pytest.raises(ValueError, match="dataset: train_error, test_error required for this picture"):
        curlflow.plot.learning_curves(exponents)


def test_runs_that_end_at_their_start_are_drawn_as_nothing(tmp_path):
    spec = curlflow.Spec(network={"inputs": 3, "hidden": 2}, data={"samples": 8}, dynamics={"kind": "updates"})
    ds = curlflow.convergence(spec.replace("realizations", 1), threshold=1e3, epochs=10, rules=["gradient"])
    assert ds.convergence_time[0, 0] == 0
    figure = curlflow.plot.convergence(ds)
    figure.savefig(tmp_path / "a.png")
    assert figure.axes[0].get_xlim()[0] > 0
