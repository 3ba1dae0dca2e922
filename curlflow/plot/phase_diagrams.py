"""Phase diagrams: a number over two axes of a sweep, with the boundary of the theory."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from .panels import axis_label, cell_edges, is_geometric, overlay, panel_title
from .style import needs, styled

AVERAGES = {"mean": "mean", "median": "median", "max": "largest"}
"""How realizations are combined, and the word for it on the colour bar."""
LARGEST = {"peak_error": "max"}
"""Variables whose default average is not the mean."""
FLOOR = 1e-15
"""Published: log10(round(error, 15) + 1e-15)."""
PANELS = 2
"""Dimensions that panels can show, besides the two axes."""


class AxesAndPanels(NamedTuple):
    """What is drawn where: dimensions along the axes, and those that panels show."""

    x: str
    y: str
    panels: tuple[str, ...]


def phase_diagram(
    dataset: xr.Dataset,
    variable: Any = None,
    *,
    x: Any = None,
    y: Any = None,
    average: Any = None,
    floor: Any = None,
) -> Figure:
    """Draw a sweep over two axes, such as c and the fraction of flips, as coloured cells.

    ```python
    figure = curlflow.plot.phase_diagram(ds)
    figure = curlflow.plot.phase_diagram(ds, ["test_error", "peak_error"])
    ```

    **Returns:** the figure: a panel for each variable and each value of every other dimension (at most two, such as
    `dynamics`).

    **Arguments:**

    - `dataset`: a dataset of `curlflow.sweep`, or one that was read from a file.
    - `variable`: which to draw, or a list; by default the final and the peak error, else the first number of the
      sweep. Errors are drawn as logarithms.
    - `x`, `y`: dimensions along the axes; by default `c` and `fraction`, else the last two axes of the sweep.
    - `average`: over realizations: `"mean"`, `"median"` or `"max"`; by default the mean, for `peak_error` the
      largest. Realizations without a number are left out. A mapping gives one for each variable.
    - `floor`: errors are drawn as log₁₀ of the error rounded to a multiple of the floor, plus the floor; by default
      the attribute `floor` of the variable, else the published 10⁻¹⁵.

    **Description:** hatched cells have no number: they were not run, or all their realizations failed. Marks say that
    some realization of a cell failed, alternates between two states, or is held by rounding. Where the dataset has
    `critical_fraction` or `critical_hidden_fraction`, the boundary of large networks, it is drawn as a line, and with
    `_finite` in its name, for the actual widths, as a dashed line, its quantiles (`_lower`, `_upper`) as dotted ones.

    **Raises:** `ValueError` for a dataset without two numerical axes, or with more dimensions than panels can show.
    """
    needs(dataset)
    names = _variables(dataset, variable)
    needs(dataset, *names)
    layout = _layout(dataset, names, x, y)
    chosen = [_average(average, name) for name in names]
    if len(layout.panels) > (PANELS if len(names) == 1 else 1):
        raise ValueError(
            f"dataset: {', '.join(layout.panels)} beside {layout.x} and {layout.y} are more than panels can show; "
            "select some of them, such as dataset.sel(dynamics=...)."
        )
    with styled():
        return _drawn(dataset, layout, names, chosen, floor)


def _drawn(
    dataset: xr.Dataset, layout: AxesAndPanels, names: Sequence[str], averages: Sequence[str], floor: Any
) -> Figure:
    """Rows are variables or the first of two dimensions, columns the last one."""
    down, across = _rows_and_columns(dataset, layout, names)
    size = (0.9 + 3.7 * len(across), 0.7 + 2.9 * len(down))
    figure, grid = plt.subplots(len(down), len(across), figsize=size, squeeze=False, sharex=True, sharey=True)
    drawn: dict[str, Any] = {}
    for name, average in zip(names, averages, strict=True):
        values = _shown(dataset, name, layout, average, floor)
        scale = Normalize(*_range(values.to_numpy()))
        rows = [i for i, (one, _) in enumerate(down) if one in (None, name)]
        for i, (j, (_, place)) in ((i, column) for i in rows for column in enumerate(across)):
            here = down[i][1] | place
            image = _cells(grid[i, j], values.sel(here), layout, scale)
            drawn |= overlay(grid[i, j], dataset.sel(here), layout.x, layout.y)
            grid[i, j].set_title(panel_title(dataset, here), fontsize="medium")
        bar = figure.colorbar(image, ax=grid[rows].ravel().tolist(), shrink=0.9, pad=0.02)
        bar.set_label(_label(dataset, name, average))
    for axes in grid[-1]:
        axes.set_xlabel(axis_label(dataset, layout.x))
    for axes in grid[:, 0]:
        axes.set_ylabel(axis_label(dataset, layout.y))
    if drawn:
        _legend(figure, drawn)
    return figure


def _legend(figure: Figure, drawn: Mapping[str, Any]) -> None:
    """A legend below, in as many columns as the figure is wide enough for."""
    for columns in range(min(3, len(drawn)), 0, -1):
        legend = figure.legend(drawn.values(), drawn.keys(), loc="outside lower center", ncols=columns)
        if columns == 1 or legend.get_window_extent().width <= figure.bbox.width:
            return
        legend.remove()


def _rows_and_columns(dataset: xr.Dataset, layout: AxesAndPanels, names: Sequence[str]) -> tuple[list, list]:
    """What each row and each column shows: a variable (None: the only one), and the selected places."""
    places = [[{dim: value} for value in dataset[dim].to_numpy().tolist()] for dim in layout.panels]
    down = [(name, {}) for name in names] if len(names) > 1 else [(None, {})]
    if len(places) == PANELS:
        down = [(None, place) for place in places[0]]
    return down, [(None, place) for place in places[-1]] if places else [(None, {})]


def _cells(axes: Axes, values: xr.DataArray, layout: AxesAndPanels, scale: Normalize) -> Any:
    """One panel of coloured cells, hatched where there is no number."""
    along = [values[dim].to_numpy().astype(float) for dim in (layout.x, layout.y)]
    logarithmic = is_geometric(along[0])
    edges = [cell_edges(along[0], logarithmic), cell_edges(along[1], False)]
    axes.patch.set(facecolor="0.95", edgecolor="0.75", hatch="////")
    image = axes.pcolormesh(*edges, values.transpose(layout.y, layout.x).to_numpy(), norm=scale, cmap="viridis")
    axes.grid(False)
    axes.set(xscale="log" if logarithmic else "linear", xlim=edges[0][[0, -1]], ylim=edges[1][[0, -1]])
    return image


def _shown(dataset: xr.Dataset, name: str, layout: AxesAndPanels, average: str, floor: Any) -> xr.DataArray:
    """The numbers that colours stand for."""
    values = dataset[name].astype(float)
    if "realization" in values.dims:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # cells without any number
            values = getattr(values, average)("realization", skipna=True, keep_attrs=True)
    if not _is_error(name):
        return values
    floor = float(values.attrs.get("floor", FLOOR) if floor is None else floor)
    if not 0 < floor < 1:
        raise ValueError(f"floor: got {floor:g}, allowed are numbers between 0 and 1.")
    return np.log10(floor * np.round(values / floor) + floor)


def _is_error(name: str) -> bool:
    return name.endswith("_error")


def _range(values: np.ndarray) -> tuple[float, float]:
    """The smallest and the largest finite number."""
    known = values[np.isfinite(values)]
    return (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)


def _label(dataset: xr.Dataset, name: str, average: str) -> str:
    words = name.replace("_", " ")
    if "realization" in dataset[name].dims and dataset.sizes["realization"] > 1:
        words = f"{AVERAGES[average]} {words}"
    return f"log₁₀ {words}" if _is_error(name) else words


def _variables(dataset: xr.Dataset, given: Any) -> list[str]:
    """The variables to draw."""
    if given is not None:
        return [given] if isinstance(given, str) else list(given)
    errors = [name for name in ("test_error", "peak_error") if name in dataset]
    numbers = [str(name) for name, one in dataset.data_vars.items() if one.dtype.kind == "f" and one.ndim > 1]
    if not errors + numbers:
        raise ValueError("dataset: it has no numbers over two axes, which a phase diagram shows.")
    return errors or numbers[:1]


def _average(given: Any, name: str) -> str:
    """How the realizations of a variable are combined."""
    one = given.get(name) if isinstance(given, Mapping) else given
    one = LARGEST.get(name, "mean") if one is None else one
    if one not in AVERAGES:
        raise ValueError(f"average: got {one!r}, allowed are {', '.join(AVERAGES)}.")
    return one


def _layout(dataset: xr.Dataset, names: Sequence[str], x: Any, y: Any) -> AxesAndPanels:
    """Which dimensions are axes, and which are panels."""
    dims = [str(dim) for dim in dataset[names[0]].dims if dim != "realization"]
    axes = [dim for dim in dims if dim in dataset.coords and dataset[dim].dtype.kind in "iuf"]
    first, second = ("c", "fraction") if {"c", "fraction"} <= set(axes) else (*["", *axes][-2:],)
    x, y = first if x is None else x, second if y is None else y
    if x == y or x not in axes or y not in axes:
        raise ValueError(
            f"dataset: got {x!r} and {y!r} as axes, required are two different numerical dimensions of {names[0]}, "
            f"which has {', '.join(axes) or 'none'}."
        )
    for name in names[1:]:
        if {*dataset[name].dims} - {"realization"} != set(dims):
            raise ValueError(f"variable: {name} and {names[0]} have different dimensions.")
    return AxesAndPanels(x, y, tuple(dim for dim in dims if dim not in (x, y)))
