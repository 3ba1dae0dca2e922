"""What pictures share: one style, what they refuse, and how realizations, verdicts and axes are shown."""

import functools
from collections.abc import Callable
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..status import Status

COLORS = ("#4c2a85", "#c8553d", "#2a7f8f", "#d9a441", "#6a994e", "#8d6b94", "#33658a", "#5c5c5c")
STYLE = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": "medium",
    "axes.grid": True,
    "axes.prop_cycle": mpl.cycler(color=COLORS),
    "figure.constrained_layout.use": True,
    "figure.dpi": 120,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": "small",
    "lines.linewidth": 1.4,
    "savefig.dpi": 160,
}
styled = functools.partial(mpl.rc_context, STYLE)
"""Draw in the style of curlflow, and leave the user's settings as they were: a context, and a decorator."""
ALONG = {"time": "time", "epoch": "epochs", "iteration": "iterations"}
"""Dimensions along a run, and what an axis calls them."""


def needs(dataset: xr.Dataset, *names: str) -> None:
    """Refuse a dataset that lacks a variable, with a `ValueError` that names what is missing and what there is."""
    if not isinstance(dataset, xr.Dataset):
        raise ValueError(f"dataset: got {type(dataset).__name__}, required is an xarray.Dataset.")
    missing = ", ".join(name for name in names if name not in dataset.variables)
    if missing:
        raise ValueError(f"dataset: {missing} required for this picture, but it has {', '.join(dataset.data_vars)}.")


def selected(dataset: xr.Dataset, realization: Any) -> xr.Dataset:
    """One realization of the dataset; a `ValueError` where there is none of that number."""
    if "realization" not in dataset.dims:
        raise ValueError("dataset: it has no dimension realization; select one by [0:1], not by 0.")
    number = dataset.sizes["realization"]
    whole = isinstance(realization, int | np.integer) and not isinstance(realization, bool)
    if not whole or not 0 <= realization < number:
        raise ValueError(f"realization: got {realization!r}, allowed are 0 to {number - 1}.")
    return dataset.isel(realization=realization)


def color_of(index: Any) -> str:
    """The colour of the realization, rule or verdict with this number."""
    return COLORS[int(index) % len(COLORS)]


def words_of(verdicts: xr.DataArray, verdict: Any) -> str:
    """What the number of a verdict means."""
    return verdicts.attrs["flag_meanings"].split()[int(verdict)].replace("_", " ")


def ending(run: xr.Dataset) -> str:
    """A comma and the status of one run, or nothing where it is completed."""
    status = Status(int(run.status))
    return "" if status == Status.completed else f", {status.name.replace('_', ' ')}"


def axis_label(dataset: xr.Dataset, name: Any) -> str:
    """The label of an axis: the `long_name` of a variable, or its name where it has none."""
    return str(dataset[name].attrs.get("long_name", name))


def draw_runs(
    axes: Axes, x: np.ndarray, runs: np.ndarray, color: str, known: Any = np.any, label: Any = None, **thin: Any
) -> None:
    """Draw runs (columns) thin, and their median thick wherever any of them (`known`: or all) are numbers."""
    axes.plot(x, runs, color=color, **thin)
    there = known(~np.isnan(runs), axis=1)
    axes.plot(x[there], np.nanmedian(runs[there], axis=1), color=color, linewidth=2, label=label)


def panel_for_each_run(
    dataset: xr.Dataset, draw: Callable[..., None], size: tuple, margin: tuple, label: str, **options: Any
) -> tuple[Figure, np.ndarray, dict[str, Any]]:
    """Draw every realization in a panel of its own, at most three in a row, with `label` along the horizontal axes.

    **Returns:** the figure, larger than its panels by `margin`; the panels; handles and labels for a legend.
    """
    runs = dataset.sizes["realization"]
    columns, rows = min(runs, 3), -(-runs // 3)
    size = (size[0] * columns + margin[0], size[1] * rows + margin[1])
    figure, grid = plt.subplots(rows, columns, figsize=size, squeeze=False, sharex=True, **options)
    for axes, index in zip(grid.flat, range(runs), strict=False):
        draw(axes, dataset.isel(realization=index))
    for axes in grid.flat[runs:]:
        axes.set_axis_off()
    plt.setp(grid[-1], xlabel=label)
    return figure, grid, dict(zip(("handles", "labels"), grid.flat[0].get_legend_handles_labels(), strict=True))
