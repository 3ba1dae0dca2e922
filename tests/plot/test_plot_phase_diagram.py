"""Phase diagrams: cells lie where their numbers belong, colours are those numbers, and what is missing is seen."""

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr
from matplotlib.collections import QuadMesh

import curlflow
from curlflow import random_matrix
from curlflow.plot.phase_diagrams import cell_edges, is_geometric
from curlflow.results import status_variable

mpl.use("Agg")

C = np.logspace(-2, 1, 4)
FRACTIONS = np.linspace(0, 1, 5)
DIMS = ("dynamics", "c", "fraction", "realization")


@pytest.fixture
def dataset():
    """Errors that are powers of ten, with gaps, and boundaries."""
    powers = np.arange(4)[:, None] - 3.0 * np.arange(5)
    errors = 10.0 ** (powers[None, ..., None] + np.array([0.0, -6.0])[:, None, None, None] + np.zeros(3))
    status = np.zeros(errors.shape, dtype=np.int8)
    errors[1, 2], status[1, 2] = np.nan, 2
    errors[0, 1, 1, 0], status[0, 1, 1, 0] = np.nan, 3
    status[0, 3, 4, 2] = 11
    coordinates = {"c": C, "fraction": FRACTIONS, "dynamics": ["full_batch", "flow"]}
    variables = {
        "test_error": (DIMS, errors),
        "peak_error": (DIMS, 10 * errors * np.array([1.0, 2.0, 3.0])),
        "status": (DIMS, status, status_variable().attributes),
        "critical_fraction": ("c", random_matrix.phase_boundary(C, "hidden"), {"layer": "hidden"}),
        "critical_fraction_finite": (("dynamics", "c"), np.array([[0.4, 0.3, 0.2, 0.1], [0.5, 0.4, np.nan, 0.2]])),
    }
    return xr.Dataset(variables, coordinates)


def meshes(figure):
    return [next(m for m in axes.collections if isinstance(m, QuadMesh)) for axes in panels(figure)]


def panels(figure):
    return [axes for axes in figure.axes if axes.get_label() != "<colorbar>"]


def test_edges_are_half_way_on_their_axis():
    np.testing.assert_allclose(cell_edges(np.array([0.0, 1.0, 3.0]), False), [-0.5, 0.5, 2.0, 4.0])
    np.testing.assert_allclose(cell_edges(C, True), 10.0 ** np.array([-2.5, -1.5, -0.5, 0.5, 1.5]))
    np.testing.assert_allclose(cell_edges(np.array([0.2]), False), [-0.3, 0.7])
    np.testing.assert_allclose(cell_edges(np.array([3.0, 1.0]), False), [4.0, 2.0, 0.0])
    assert is_geometric(np.logspace(-2, 1, 20))
    assert not is_geometric(np.linspace(0.1, 0.7, 20))
    assert not is_geometric(np.array([0.0, 1.0, 10.0]))


def test_colours_are_the_logarithms_of_the_mean(dataset, tmp_path):
    before = dict(mpl.rcParams)
    path = curlflow.save(dataset, tmp_path / "a.nc")
    figure = curlflow.plot.phase_diagram(curlflow.load(path), "test_error", floor=1e-300)
    assert dict(mpl.rcParams) == before
    full, flow = (mesh.get_array() for mesh in meshes(figure))
    # Rows are fractions, columns are ratios.
    np.testing.assert_allclose(full.filled(), (np.arange(4)[:, None] - 3.0 * np.arange(5)).T, atol=1e-12)
    assert np.ma.getmaskarray(flow)[:, 2].all()
    assert np.ma.getmaskarray(flow).sum() == 5
    corners = meshes(figure)[0].get_coordinates()
    np.testing.assert_allclose(corners[0, :, 0], cell_edges(C, True))
    np.testing.assert_allclose(corners[:, 0, 1], [-0.125, 0.125, 0.375, 0.625, 0.875, 1.125])
    first = panels(figure)[0]
    assert first.get_xscale() == "log"
    assert first.patch.get_hatch()
    figure.savefig(tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 10_000


def test_errors_have_the_published_floor(dataset):
    values = meshes(curlflow.plot.phase_diagram(dataset.isel(dynamics=1), "test_error"))[0].get_array()
    expected = np.round(10.0 ** (np.arange(4)[:, None] - 3.0 * np.arange(5) - 6.0), 15) + 1e-15
    expected[2] = np.nan
    np.testing.assert_allclose(values.filled(np.nan), np.log10(expected).T, rtol=1e-12)
    own = dataset.isel(dynamics=1).copy()
    own["test_error"].attrs["floor"] = 1e-9
    assert meshes(curlflow.plot.phase_diagram(own, "test_error"))[0].get_array().min() == pytest.approx(-9)


def test_peaks_are_the_largest_and_may_be_another_average(dataset):
    figure = curlflow.plot.phase_diagram(dataset, floor=1e-300)
    assert [axes.get_ylabel() for axes in figure.axes if axes.get_label() == "<colorbar>"] == [
        "log₁₀ mean test error",
        "log₁₀ largest peak error",
    ]
    powers = (np.arange(4)[:, None] - 3.0 * np.arange(5)).T
    np.testing.assert_allclose(meshes(figure)[2].get_array().filled(), np.log10(30) + powers, atol=1e-12)
    median = curlflow.plot.phase_diagram(dataset, average={"peak_error": "median"}, floor=1e-300)
    values = meshes(median)[2].get_array().filled()
    powers[1, 1] = np.nan  # one of three realizations has failed there
    np.testing.assert_allclose(np.where(np.isnan(powers), np.nan, values), np.log10(20) + powers, atol=1e-12)


def test_boundaries_are_drawn_from_the_file_and_from_the_theory(dataset):
    full, flow = panels(curlflow.plot.phase_diagram(dataset, "test_error"))
    limit, finite = flow.lines[0], flow.lines[1]
    assert limit.get_xdata().size > 300
    np.testing.assert_array_equal(limit.get_ydata(), random_matrix.phase_boundary(limit.get_xdata(), "hidden"))
    np.testing.assert_array_equal(finite.get_ydata(), dataset.critical_fraction_finite[1])
    np.testing.assert_array_equal(full.lines[1].get_ydata(), dataset.critical_fraction_finite[0])
    assert finite.get_linestyle() == "--"
    del dataset.critical_fraction.attrs["layer"]
    stored = panels(curlflow.plot.phase_diagram(dataset, "test_error"))[0].lines[0]
    np.testing.assert_array_equal(stored.get_ydata(), dataset.critical_fraction)


def test_cells_that_did_not_end_well_are_marked(dataset):
    figure = curlflow.plot.phase_diagram(dataset, "test_error")
    full, flow = panels(figure)
    marks = {line.get_marker(): line.get_xydata().tolist() for line in full.lines if line.get_marker() != "None"}
    assert marks == {"x": [[C[1], FRACTIONS[1]]], "o": [[C[3], FRACTIONS[4]]]}
    assert not [line for line in flow.lines if line.get_marker() != "None"]
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "some realization alternates between two states" in words


def test_the_legend_of_one_panel_is_no_wider_than_the_figure(dataset):
    figure = curlflow.plot.phase_diagram(dataset.isel(dynamics=0), "test_error")
    figure.draw_without_rendering()
    box = figure.legends[0].get_window_extent()
    assert (box.x0 >= 0, box.x1 <= figure.bbox.width) == (True, True)


def test_other_axes_and_two_dimensions_of_panels(dataset):
    # Flips in both layers: a column for each c, a row for each of the dynamics, linear axes.
    rng, sizes = np.random.default_rng(0), {"dynamics": 2, "c": 3, "inputs_fraction": 5, "hidden_fraction": 4}
    coordinates = {"dynamics": ["full_batch", "flow"], "c": [0.1, 1.0, 10.0]}
    coordinates |= {"inputs_fraction": FRACTIONS, "hidden_fraction": FRACTIONS[:4]}
    mixed = xr.Dataset({"test_error": (tuple(sizes), rng.random(tuple(sizes.values())))}, coordinates)
    surface = random_matrix.phase_surface(mixed.c.to_numpy()[:, None], FRACTIONS)
    mixed["critical_hidden_fraction"] = ("c", "inputs_fraction"), surface
    figure = curlflow.plot.phase_diagram(mixed)
    grid = panels(figure)
    assert len(grid) == 6
    assert [axes.get_title() for axes in grid[:2]] == [
        "updates, full batches, c = 0.1",
        "updates, full batches, c = 1",
    ]
    np.testing.assert_allclose(
        meshes(figure)[4].get_array(), np.log10(mixed.test_error.sel(dynamics="flow", c=1.0)).T, rtol=1e-9
    )
    line = grid[0].lines[0]
    np.testing.assert_array_equal(line.get_ydata(), random_matrix.phase_surface(0.1, line.get_xdata()))
    with pytest.raises(ValueError, match="dynamics, c beside inputs_fraction and hidden_fraction are more than"):
        curlflow.plot.phase_diagram(mixed.assign(peak_error=mixed.test_error))


def test_numbers_that_are_no_errors_are_drawn_as_they_are():
    values = np.arange(6.0).reshape(2, 3) - 2
    ds = xr.Dataset({"largest": (("a", "b"), values)}, {"a": [1.0, 2.0], "b": [1, 10, 100]})
    figure = curlflow.plot.phase_diagram(ds, x="b", y="a")
    np.testing.assert_array_equal(meshes(figure)[0].get_array(), values)
    np.testing.assert_array_equal(meshes(curlflow.plot.phase_diagram(ds))[0].get_array(), values.T)
    assert figure.axes[-1].get_ylabel() == "largest"


def test_datasets_without_anything_to_show_are_drawn(dataset):
    empty = dataset.isel(c=[2], dynamics=[1])
    figure = curlflow.plot.phase_diagram(empty, "test_error")
    assert np.ma.getmaskarray(meshes(figure)[0].get_array()).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"variable": "entropy"}, "dataset: entropy required for this picture"),
        ({"average": "mode"}, "average: got 'mode', allowed are mean, median, max"),
        ({"floor": -1.0}, "floor: got -1, allowed are numbers between 0 and 1"),
        ({"x": "dynamics"}, "dataset: got 'dynamics' and 'fraction' as axes"),
        ({"y": "c"}, "dataset: got 'c' and 'c' as axes"),
    ],
)
def test_bad_input_is_refused(dataset, arguments, message):
    with pytest.raises(ValueError, match=message):
        curlflow.plot.phase_diagram(dataset, **arguments)
    with pytest.raises(ValueError, match="no numbers over two axes"):
        curlflow.plot.phase_diagram(xr.Dataset({"a": ("x", [1.0])}))


def test_a_sweep_is_drawn_by_the_command_line(dataset, tmp_path):
    from curlflow.cli.common import draw

    path = tmp_path / "sweep.png"
    assert draw(dataset.assign_attrs(study="sweep"), path) == path
    assert path.stat().st_size > 10_000
