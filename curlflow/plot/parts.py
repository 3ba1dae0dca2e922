"""How much of a rule is gradient and how much is curl, during learning or for every realization."""

from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .style import needs, styled

WORDS = {"time": "time", "epoch": "epochs", "iteration": "iterations"}
NORMS = {"symmetric_norm": "‖S‖, symmetric", "antisymmetric_norm": "‖A‖, antisymmetric"}


def parts_of_jacobian(dataset: xr.Dataset) -> Figure:
    """Draw a dataset of `curlflow.decomposition`: the norms of the two parts of the Jacobian, their ratio, and the
    angle between the velocity and −∇error where there is an error.

    Along a trajectory against time, realizations thin and their median thick; otherwise realization by realization,
    with standard errors where the parts were estimated.

    **Raises:** `ValueError` for another dataset.
    """
    needs(dataset, *NORMS, "curl_ratio")
    along = next((d for d in dataset.curl_ratio.dims if d != "realization"), None)
    draw = _at_points if along is None else _along
    panels = [(list(NORMS), "Frobenius norm"), (["curl_ratio"], "‖A‖/‖S‖")]
    if "gradient_angle" in dataset:
        panels.append((["gradient_angle"], "angle of velocity and −∇error, rad"))
    with styled():
        colors = mpl.rcParams["axes.prop_cycle"].by_key()["color"]
        figure, grid = plt.subplots(1, len(panels), figsize=(3.5 * len(panels), 3.1))
        for axes, (names, title) in zip(grid, panels, strict=True):
            for name, color in zip(names, colors, strict=False):
                draw(axes, dataset, name, color, along)
            axes.set_title(title)
            axes.set_xlabel("realization" if along is None else WORDS[str(along)])
            axes.set_ylim(bottom=0)
            if len(names) > 1:
                axes.legend()
    return figure


def _at_points(axes: Axes, dataset: xr.Dataset, name: str, color: str, along: Any) -> None:
    del along
    values = np.atleast_1d(dataset[name].to_numpy())
    error = np.atleast_1d(dataset[f"{name}_se"].to_numpy()) if f"{name}_se" in dataset else None
    label = NORMS.get(name)
    number = np.arange(values.size)
    axes.errorbar(number, values, error, fmt="o", color=color, markersize=4, capsize=3, label=label)
    axes.set_xlim(-0.5, values.size - 0.5)
    axes.set_xticks(number if number.size <= 10 else number[:: number.size // 10])


def _along(axes: Axes, dataset: xr.Dataset, name: str, color: str, along: Any) -> None:
    runs = dataset[name] if "realization" in dataset[name].dims else dataset[name].expand_dims("realization")
    x, values = dataset[along].to_numpy(), runs.transpose(along, "realization").to_numpy()
    single = values.shape[1] == 1
    marker = "." if x.size < 30 else None
    axes.plot(x, values, color=color, linewidth=1.4 if single else 0.8, alpha=1.0 if single else 0.4, marker=marker)
    known = ~np.isnan(values).all(axis=1)
    axes.plot(x[known], np.nanmedian(values[known], axis=1), color=color, linewidth=2, label=NORMS.get(name))
