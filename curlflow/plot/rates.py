"""Chaos of learning or of its steps: the largest exponent against the learning rate."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .style import needs, styled

SHIFT = 0.006
"""How far apart realizations are drawn, as a share of the largest learning rate."""


def step_sizes(dataset: xr.Dataset) -> Figure:
    """Draw the largest exponents of `curlflow.step_sizes` against the learning rate, and verdicts as marks.

    The flow is at 0. Lines go from the smallest learning rate to the limit of the updates at 0, which has a mark
    beside that of the flow; a dataset with one learning rate has no lines.

    **Raises:** `ValueError` for another dataset.
    """
    needs(dataset, "lyapunov_exponent", "lyapunov_exponent_se", "learning_rate", "verdict", "exponent_limit")
    kinds = dataset.verdict.attrs["flag_meanings"].split()
    shown = {kinds[int(flag)]: int(flag) for flag in np.unique(dataset.verdict) if flag >= 0}
    with styled():
        colors = mpl.rcParams["axes.prop_cycle"].by_key()["color"]
        figure, axes = plt.subplots(figsize=(6.4, 3.8))
        for i in range(dataset.sizes["realization"]):
            _realization(axes, dataset.isel(realization=i, exponent=0), i, colors)
        handles = [
            axes.plot([], [], "o", color=colors[flag % len(colors)], label=name.replace("_", " "))[0]
            for name, flag in shown.items()
        ]
        handles.append(axes.plot([], [], "D", color="black", fillstyle="none", label="limit of the updates")[0])
        axes.axhline(0, color="0.4", linewidth=0.8)
        axes.set_xlabel("learning rate; 0 is the flow")
        axes.set_ylabel("λ₁ per unit of time, ± SE")
        figure.legend(handles=handles, loc="outside right upper")
    return figure


def _realization(axes: Axes, one: xr.Dataset, index: int, colors: list[str]) -> None:
    rates = np.atleast_1d(one["learning_rate"].to_numpy())
    x = rates + index * SHIFT * rates.max()
    mean, error, kind = (
        np.atleast_1d(one[n].to_numpy()) for n in ("lyapunov_exponent", "lyapunov_exponent_se", "verdict")
    )
    updates = rates > 0
    axes.plot(x[updates], mean[updates], color="0.6", linewidth=0.8, zorder=1)
    for at in range(rates.size):
        color = colors[int(kind[at]) % len(colors)]
        axes.errorbar(x[at], mean[at], error[at], fmt="o", color=color, markersize=4, capsize=2)
    limit, limit_error = float(one.exponent_limit), float(one.exponent_limit_se)
    place = index * SHIFT * rates.max() + SHIFT / 2 * rates.max()
    axes.errorbar(place, limit, limit_error, fmt="D", color="black", fillstyle="none", markersize=5, capsize=2)
