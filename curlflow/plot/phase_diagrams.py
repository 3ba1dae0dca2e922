"""Phase diagrams: a number over two axes of a sweep, with the boundary of the theory."""

import itertools
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.patheffects as effects
import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from ..random_matrix import phase_boundary, phase_surface
from ..status import Status
from .boundaries import theory_over
from .style import axis_label, needs, styled

AVERAGES = {"mean": "mean", "median": "median", "max": "largest"}
"""How realizations are combined, and the word for it on the colour bar."""
NAMES = {"c": "compression ratio c = M/N"}
"""Names of axes, where they are not those of the dataset."""
LINES = {
    "": ("limit of large networks", "-", 1.6),
    "_finite": ("half of the networks of these widths", "--", 1.4),
    "_finite_lower": ("10 % and 90 % of them", ":", 1.1),
    "_finite_upper": ("10 % and 90 % of them", ":", 1.1),
}
"""Endings of the names of boundaries: what they are called, how and how wide they are drawn."""
FLAGS = {
    "x": ("some realization failed", ("diverged", "max_steps_reached", "step_size_underflow")),
    "o": ("some realization alternates between two states", ("period_two",)),
    "_": ("some realization is held by rounding", ("held_by_rounding",)),
}
"""Marks: their labels, and the values of `status` that they stand for."""
WORDS = {"full_batch": "updates, full batches", "minibatch": "updates, minibatches"}
"""Titles of dynamics, where these are not the value itself."""


@styled()
def phase_diagram(
    dataset: xr.Dataset, variable: Any = None, *, x: Any = None, y: Any = None, average: Any = None, floor: Any = None
) -> Figure:
    """Draw a sweep over two axes, such as c and the fraction of flips, as coloured cells.

    **Returns:** the figure: a panel for each variable and each value of every other dimension (at most two, such as
    `dynamics`).

    **Arguments:**

    - `dataset`: a dataset of `curlflow.sweep`.
    - `variable`: which to draw, or a list; by default `["test_error", "peak_error"]`, else the first number of the
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
    x, y, further = _dimensions(dataset, names, x, y)
    shown = [_shown(dataset[name].astype(float), average, floor) for name in names]
    # Rows are variables or the first of two dimensions, columns the last one.
    down, across = [1, 1, *(dataset.sizes[dim] for dim in further)][-2:]
    rows, size = len(names) * down, (0.9 + 3.7 * across, 0.7 + 2.9 * len(names) * down)
    figure, grid = plt.subplots(rows, across, figsize=size, squeeze=False, sharex=True, sharey=True)
    values = itertools.product(*(dataset[dim].to_numpy().tolist() for dim in further))
    places = [dict(zip(further, place, strict=True)) for place in values]
    drawn: dict[str, Any] = {}
    for (values, label), block in zip(shown, np.split(grid, len(names)), strict=True):
        known = values.to_numpy()[np.isfinite(values)]
        scale = Normalize(known.min(), known.max()) if known.size else Normalize(0.0, 1.0)
        for axes, place in zip(block.flat, places, strict=True):
            image = _cells(axes, values.sel(place), x, y, scale)
            drawn |= overlay(axes, dataset.sel(place), x, y)
            words = [WORDS.get(at, at) if isinstance(at, str) else f"{dim} = {at:g}" for dim, at in place.items()]
            axes.set_title(", ".join(words))
        figure.colorbar(image, ax=block.ravel().tolist(), shrink=0.9, pad=0.02, label=label)
    plt.setp(grid[-1], xlabel=NAMES.get(x) or axis_label(dataset, x))
    plt.setp(grid[:, 0], ylabel=NAMES.get(y) or axis_label(dataset, y))
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


def _cells(axes: Axes, values: xr.DataArray, x: str, y: str, scale: Normalize) -> Any:
    """One panel of coloured cells, hatched where there is no number."""
    along = [values[dim].to_numpy().astype(float) for dim in (x, y)]
    logarithmic = is_geometric(along[0])
    edges = [cell_edges(along[0], logarithmic), cell_edges(along[1], False)]
    axes.patch.set(facecolor="0.95", edgecolor="0.75", hatch="////")
    image = axes.pcolormesh(*edges, values.transpose(y, x).to_numpy(), norm=scale, cmap="viridis")
    axes.grid(False)
    axes.set(xscale="log" if logarithmic else "linear", xlim=edges[0][[0, -1]], ylim=edges[1][[0, -1]])
    return image


def _shown(values: xr.DataArray, average: Any, floor: Any) -> tuple[xr.DataArray, str]:
    """The numbers that colours stand for, and what they are."""
    name = str(values.name)
    label, default = name.replace("_", " "), "max" if name == "peak_error" else "mean"
    average = average.get(name) if isinstance(average, Mapping) else average
    average = default if average is None else average
    if average not in AVERAGES:
        raise ValueError(f"average: got {average!r}, allowed are {', '.join(AVERAGES)}.")
    if "realization" in values.dims:
        label = f"{AVERAGES[average]} {label}" if values.sizes["realization"] > 1 else label
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # cells without any number
            values = getattr(values, average)("realization", skipna=True, keep_attrs=True)
    if not name.endswith("_error"):
        return values, label
    floor = float(values.attrs.get("floor", 1e-15) if floor is None else floor)
    if not 0 < floor < 1:
        raise ValueError(f"floor: got {floor:g}, allowed are numbers between 0 and 1.")
    return np.log10(floor * np.round(values / floor) + floor), f"log₁₀ {label}"


def _variables(dataset: xr.Dataset, given: Any) -> list[str]:
    if given is not None:
        return [given] if isinstance(given, str) else list(given)
    errors = [name for name in ("test_error", "peak_error") if name in dataset]
    numbers = [str(name) for name, one in dataset.data_vars.items() if one.dtype.kind == "f" and one.ndim > 1]
    if not errors + numbers:
        raise ValueError("dataset: it has no numbers over two axes, which a phase diagram shows.")
    return errors or numbers[:1]


def _dimensions(dataset: xr.Dataset, names: Sequence[str], x: Any, y: Any) -> tuple[str, str, list[str]]:
    """Which dimensions are the two axes, and which are shown by panels."""
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
    further = [dim for dim in dims if dim not in (x, y)]
    if len(further) > (2 if len(names) == 1 else 1):
        raise ValueError(
            f"dataset: {', '.join(further)} beside {x} and {y} are more than panels can show; "
            "select some of them, such as dataset.sel(dynamics=...)."
        )
    return x, y, further


def outlined(width: float) -> dict[str, Any]:
    """Black with a white outline, so that lines and marks are visible on dark cells too."""
    return {"color": "black", "path_effects": (effects.withStroke(linewidth=width, foreground="white"),)}


def cell_edges(centres: np.ndarray, logarithmic: bool) -> np.ndarray:
    """Edges half-way between neighbouring centres, on a logarithmic axis between their logarithms; the first and the
    last cell extend as far outwards as inwards."""
    at = np.log(centres) if logarithmic else centres
    half = np.diff(at) / 2 if at.size > 1 else np.array([0.5])
    edges = np.concatenate([at[:1] - half[:1], at[:-1] + half, at[-1:] + half[-1:]])
    return np.exp(edges) if logarithmic else edges


def is_geometric(values: np.ndarray) -> bool:
    """Whether values are more evenly spaced on a logarithmic axis than on a linear one."""
    if values.size < 3 or (values <= 0).any():
        return False
    spread = [np.ptp(np.diff(at)) / np.abs(at[-1] - at[0]) for at in (np.log(values), values)]
    return bool(spread[0] < spread[1])


def overlay(axes: Axes, dataset: xr.Dataset, x: str, y: str) -> dict[str, Any]:
    """Boundaries and marks of one panel; handles for a legend by their labels."""
    handles: dict[str, Any] = {}
    boundaries = ("critical_fraction", "critical_hidden_fraction")
    for name, (ending, (label, style, width)) in itertools.product(boundaries, LINES.items()):
        if name + ending in dataset and dataset[name + ending].dims == (x,):
            place = (dataset[x].to_numpy(), dataset[name + ending].to_numpy()) if ending else _fine(dataset, name, x)
            handles[label] = axes.plot(*place, style, linewidth=width, **outlined(3.0))[0]
    return handles | _marks(axes, dataset, x, y)


def _fine(dataset: xr.Dataset, name: str, x: str) -> tuple[np.ndarray, np.ndarray]:
    """The boundary of the theory between the points of the dataset too, if its parameters are known."""
    at, layer = dataset[x].to_numpy(), dataset[name].attrs.get("layer")
    low, high, one_c = float(at.min()), float(at.max()), "c" in dataset and dataset.c.ndim == 0
    if name == "critical_fraction" and x == "c" and layer in ("inputs", "hidden") and at.size > 1:
        fine = theory_over(low, high, 400)
        return fine, phase_boundary(fine, layer)
    if name == "critical_hidden_fraction" and x == "inputs_fraction" and one_c and at.size > 1:
        fine = np.linspace(max(low, 1e-9), high, 400)  # for c > 1/4 the value without flips is a separate point
        return fine, phase_surface(float(dataset.c), fine)
    return at, dataset[name].to_numpy()


def _marks(axes: Axes, dataset: xr.Dataset, x: str, y: str) -> dict[str, Any]:
    """Marks on the cells in which a realization has one of the statuses in `FLAGS`."""
    if "status" not in dataset or not {x, y} <= {*dataset.status.dims}:
        return {}
    handles = {}
    for marker, (label, names) in FLAGS.items():
        there = dataset.status.isin([Status[name] for name in names])
        there = there.any([dim for dim in there.dims if dim not in (x, y)]).transpose(x, y)
        columns, rows = np.nonzero(there.to_numpy())
        if columns.size:
            places = dataset[x].to_numpy()[columns], dataset[y].to_numpy()[rows]
            style = {"markersize": 3.0, "markeredgewidth": 0.8, "fillstyle": "none", "linestyle": "none"}
            handles[label] = axes.plot(*places, marker, **outlined(1.8), **style)[0]
    return handles
