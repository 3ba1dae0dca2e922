"""Bifurcation diagrams: late extrema and the largest exponent along a parameter."""

from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .style import check_realization, needs, styled

SLIGHT = 1e-20
"""Values closer to zero than this are drawn at this value: errors below it all mean a solution."""


def bifurcation(dataset: xr.Dataset, realization: Any = None) -> Figure:
    """Draw `curlflow.bifurcation`: above the late extrema, a color for each realization; below λ₁ ± its error.

    A vertical line marks where large networks lose stability by the theory; dotted lines mark where the solutions of
    the realizations do.

    **Arguments:**

    - `realization`: the number of one realization. Default: all.

    **Raises:** `ValueError` for a dataset without extrema, and realizations that it does not have.
    """
    needs(dataset, "late_extremum", "lyapunov_exponent", "lyapunov_exponent_se", "verdict")
    check_realization(dataset, 0 if realization is None else realization)
    name = next((d for d in dataset.verdict.dims if d != "realization"), None)
    if name is None:
        raise ValueError("dataset: it has no parameter; select several values.")
    shown = range(dataset.sizes["realization"]) if realization is None else [realization]
    with styled():
        figure, (above, below) = plt.subplots(2, 1, figsize=(7.5, 5.6), sharex=True, height_ratios=(3, 2))
        colors = mpl.rcParams["axes.prop_cycle"].by_key()["color"]
        for i in shown:
            one = dataset.isel(realization=i)
            _extrema(above, one, name, colors[i % len(colors)])
            _exponent(below, one, name, colors[i % len(colors)])
        for axes in (above, below):
            _boundary(axes, dataset, name, list(shown))
        observable = dataset.attrs.get("observable", "observable").replace("_", " ")
        above.set_ylabel(f"late extrema of {observable}")
        _scale(above, dataset)
        below.axhline(0, color="black", linewidth=0.6)
        below.set_ylabel("λ₁ per unit of time")
        below.set_xlabel(str(dataset[name].attrs.get("long_name", name)))
        if above.get_legend_handles_labels()[1]:
            above.legend()
    return figure


def _extrema(axes: Axes, one: xr.Dataset, name: str, color: str) -> None:
    values = one.late_extremum.transpose(name, "extremum").to_numpy()
    x = np.repeat(one[name].to_numpy()[:, None], values.shape[1], axis=1)
    there = np.isfinite(values)
    values = np.where(np.abs(values) < SLIGHT, SLIGHT, values)
    axes.plot(x[there], values[there], ".", color=color, markersize=2, alpha=0.7, rasterized=True)


def _exponent(axes: Axes, one: xr.Dataset, name: str, color: str) -> None:
    mean, error = (one[v].isel(exponent=0).to_numpy() for v in ("lyapunov_exponent", "lyapunov_exponent_se"))
    x = one[name].to_numpy()
    axes.plot(x, mean, color=color, linewidth=1)
    axes.fill_between(x, mean - error, mean + error, color=color, alpha=0.25, linewidth=0)


def _boundary(axes: Axes, dataset: xr.Dataset, name: str, shown: list[int]) -> None:
    if "critical_value" in dataset and np.isfinite(float(dataset.critical_value)):
        axes.axvline(float(dataset.critical_value), color="black", linewidth=1, label="theory of large networks")
    if "solution_rate" not in dataset:
        return
    colors, x = mpl.rcParams["axes.prop_cycle"].by_key()["color"], dataset[name].to_numpy()
    label = "these solutions lose stability"
    for i in shown:
        unstable = dataset.solution_rate.isel(realization=i).to_numpy() > 0
        for k in np.flatnonzero(unstable[1:] != unstable[:-1]):
            place = (x[k] + x[k + 1]) / 2
            axes.axvline(place, color=colors[i % len(colors)], linewidth=1, linestyle=":", label=label)
            label = None


def _scale(axes: Axes, dataset: xr.Dataset) -> None:
    """A logarithmic axis for errors that reach solutions."""
    values = dataset.late_extremum.to_numpy()
    values = values[np.isfinite(values)]
    if "error" in dataset.attrs.get("observable", "") and values.size and values.min() < 1e-6 * values.max():
        axes.set_yscale("log")
        axes.set_ylim(max(float(values.min()), SLIGHT) / 3, float(values.max()) * 3)
