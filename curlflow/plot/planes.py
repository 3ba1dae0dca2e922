"""A vector field on a plane of weight space and its gradient, curl and harmonic parts."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from .style import needs, styled

PARTS = {
    "gradient": ("gradient_potential", "φ", "RdBu_r"),
    "curl": ("stream_function", "ψ", "PuOr_r"),
    "harmonic": ("harmonic_potential", "χ", "RdBu_r"),
}
PALE = ListedColormap(0.35 + 0.65 * np.array(plt.get_cmap("viridis").colors))
"""A colormap mixed with white, on which black lines are visible from end to end."""
REQUIRED = ("field", *(f"{p}_{what}" for p in PARTS for what in ("part", "share")), *(p[0] for p in PARTS.values()))


@styled()
def decomposition(dataset: xr.Dataset) -> Figure:
    """Draw a dataset of `curlflow.plane_decomposition`: the velocity over the logarithm of the loss, and its parts.

    The parts lie over their potentials, with their share in the energy in the title. Lines are streamlines, and
    wider where a part is faster; in each panel relative to its own maximum. Without a loss the first panel shows the
    speed.

    **Raises:** `ValueError` for another dataset.
    """
    needs(dataset, *REQUIRED)
    dataset = dataset.transpose("component", "first", "second", "first_node", "second_node", ...)
    width, height = (float(np.ptp(dataset[name].to_numpy())) for name in ("first_node", "second_node"))
    size = (9.0, 0.9 + 7.2 * float(np.clip(height / width, 0.4, 1.6)))
    figure, grid = plt.subplots(2, 2, figsize=size, sharex=True, sharey=True)
    if "loss" in dataset:
        least = float(dataset.loss.where(dataset.loss > 0).min().fillna(1.0))
        values, over, label = np.log10(dataset.loss.clip(least)), "loss", "log₁₀ loss"
    else:
        values, over, label = np.hypot(*dataset.field), "speed", "speed"
    levels = 24 if np.ptp(values.to_numpy()) > 0 else float(values[0, 0]) + np.array([-1.0, 1.0])
    _panel(grid.flat[0], values, dataset.field, label, levels=levels, cmap=PALE)
    grid.flat[0].set_title(f"velocity, over the {over}")
    for axes, (name, (potential, symbol, colors)) in zip(grid.flat[1:], PARTS.items(), strict=True):
        share = float(dataset[f"{name}_share"])
        axes.set_title(f"{name} part, over {symbol}" + (f": {100 * share:.1f} %" if share == share else ""))
        if share > 1e-12:  # less is rounding
            bound = float(np.abs(dataset[potential].to_numpy()).max()) or 1.0
            style = {"levels": np.linspace(-bound, bound, 25), "cmap": colors, "alpha": 0.85}
            bar = {"ticks": np.linspace(-bound, bound, 5), "format": "%.2g"}
            _panel(axes, dataset[potential], dataset[f"{name}_part"], symbol, bar, **style)
        else:
            axes.text(0.5, 0.5, "none", transform=axes.transAxes, ha="center", color="0.5")
    for axes in grid.flat:
        axes.grid(False)
        axes.set(aspect="equal", xlim=dataset["first"][[0, -1]], ylim=dataset["second"][[0, -1]])
    plt.setp(grid[-1], xlabel="first direction")
    plt.setp(grid[:, 0], ylabel="second direction")
    return figure


def _panel(
    axes: Axes, values: xr.DataArray, field: xr.DataArray, label: str, bar: dict[str, Any] | None = None, **style: Any
) -> None:
    """Streamlines of a field over coloured values, whose color bar has its label on top."""
    image = axes.contourf(*(values[dim] for dim in values.dims), values.T, **style)
    colors = axes.figure.colorbar(image, ax=axes, shrink=0.85, pad=0.02, **(bar or {}))
    colors.ax.set_title(label, fontsize="medium")
    u, v = field.to_numpy()
    speed = np.hypot(u, v).T
    if speed.max() > 0:
        width = 0.35 + 1.1 * np.sqrt(speed / speed.max())
        places = field["first"].to_numpy(), field["second"].to_numpy()
        axes.streamplot(*places, u.T, v.T, color="black", density=1.1, linewidth=width, arrowsize=0.8)
