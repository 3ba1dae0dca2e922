"""Phase boundaries over the compression ratio, with the stable side shaded."""

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .style import needs, styled

STABLE, UNSTABLE = "#dfe8d8", "#f3ddd6"
NAMES = {"inputs": "flipped inputs α_h", "hidden": "flipped hidden units α_r"}


def boundary(dataset: xr.Dataset) -> Figure:
    """Draw what `curlflow.boundary` returned: a panel for each layer, or a curve for each c over both fractions.

    **Raises:** `ValueError` for a dataset without critical fractions.
    """
    if "critical_hidden_fraction" in dataset:
        return _surface(dataset)
    needs(dataset, "critical_fraction", "c", "layer")
    layers = dataset.layer.to_numpy().tolist()
    with styled():
        figure, grid = plt.subplots(1, len(layers), figsize=(4.0 * len(layers), 3.2), squeeze=False, sharey=True)
        for axes, layer in zip(grid[0], layers, strict=True):
            shade(axes, dataset.c.to_numpy(), dataset.critical_fraction.sel(layer=layer).to_numpy())
            axes.set_xlabel("compression ratio c = M/N")
            axes.set_title(NAMES[layer])
        grid[0, 0].set_ylabel("fraction of flips")
    return figure


def shade(axes: Axes, c: np.ndarray, fraction: np.ndarray) -> None:
    """Shade the stable and the unstable side of a boundary and draw it, on logarithmic c."""
    upper = np.where(np.isnan(fraction), 1.0, fraction)
    axes.fill_between(c, 0, upper, color=STABLE, linewidth=0)
    axes.fill_between(c, upper, 1, color=UNSTABLE, linewidth=0)
    axes.plot(c, fraction, color="black")
    axes.set(xscale="log", xlim=(c[0], c[-1]) if len(c) > 1 else None, ylim=(0, 1))
    axes.grid(False)
    for text, there in (("stable", upper > 0.3), ("unstable", upper < 0.7)):
        if there.any():
            middle = np.exp(np.log(c[there]).mean())
            height = 0.5 * np.interp(np.log(middle), np.log(c), upper)
            height = height if text == "stable" else 0.5 + height
            axes.text(middle, height, text, ha="center", va="center", color="0.3")


def _surface(dataset: xr.Dataset) -> Figure:
    needs(dataset, "c", "inputs_fraction")
    with styled():
        figure, axes = plt.subplots(figsize=(4.8, 3.6))
        ratios = dataset.c.to_numpy()
        colours = plt.get_cmap("viridis")(np.linspace(0, 0.9, len(ratios)))
        for colour, c in zip(colours, ratios, strict=True):
            curve = dataset.critical_hidden_fraction.sel(c=c)
            axes.plot(dataset.inputs_fraction, curve, color=colour, label=f"{c:g}")
        axes.set(xlabel="fraction of flipped inputs α_h", ylabel="critical fraction of hidden units α_r")
        axes.set_ylim(bottom=0)
        if len(ratios) <= 12:
            axes.legend(title="c")
    return figure
