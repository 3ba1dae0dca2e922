"""Phase boundaries over the compression ratio, with the stable side shaded."""

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..random_matrix import phase_boundary, phase_surface
from .style import needs, styled

STABLE, UNSTABLE = "#dfe8d8", "#f3ddd6"
NAMES = {"inputs": "flipped inputs α_h", "hidden": "flipped hidden units α_r"}


FEW = 60
"""Up to this number of values are marked one by one; lines and shades in between are drawn from the theory."""


def boundary(dataset: xr.Dataset) -> Figure:
    """Draw what `curlflow.boundary` returned: a panel for each layer, or a curve for each c over both fractions.

    Lines and shades are those of the theory over the range of the dataset, whose own values are marked if there are
    few.

    **Raises:** `ValueError` for a dataset without critical fractions.
    """
    if isinstance(dataset, xr.Dataset) and "critical_hidden_fraction" in dataset:
        return _surface(dataset)
    needs(dataset, "critical_fraction", "c", "layer")
    layers, c = dataset.layer.to_numpy().tolist(), dataset.c.to_numpy()
    # The curve of the inputs begins at c = 1/4 with the fraction 1.
    wide = 1.0 if len(c) > FEW else 1.6
    fine = np.union1d(np.geomspace(c[0] / wide, c[-1] * wide, 500), 0.25)
    fine = fine[(fine >= c[0] / wide) & (fine <= c[-1] * wide)]
    with styled():
        figure, grid = plt.subplots(1, len(layers), figsize=(4.0 * len(layers), 3.2), squeeze=False, sharey=True)
        for axes, layer in zip(grid[0], layers, strict=True):
            shade(axes, fine, phase_boundary(fine, layer))
            if len(c) <= FEW:
                axes.plot(
                    c, dataset.critical_fraction.sel(layer=layer), "o", color="black", markersize=4, clip_on=False
                )
            if c[-1] / c[0] < 30:
                axes.xaxis.set_minor_formatter("")
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
        fractions = dataset.inputs_fraction.to_numpy()
        least = 1e-9 if fractions[0] == 0 else fractions[0]  # for c > 1/4 the value without flips is a separate point
        fine = np.linspace(least, max(fractions[-1], least), 400)
        for colour, c in zip(colours, ratios, strict=True):
            axes.plot(fine, phase_surface(c, fine), color=colour, label=f"{c:g}")
            values = dataset.critical_hidden_fraction.sel(c=c)
            marked = slice(None) if len(fractions) <= FEW else slice(0, 1)
            axes.plot(fractions[marked], values[marked], "o", color=colour, markersize=3.5, clip_on=False)
        axes.set(xlabel="fraction of flipped inputs α_h", ylabel="critical fraction of hidden units α_r")
        axes.set_ylim(bottom=0)
        if len(ratios) <= 12:
            axes.legend(title="c")
    return figure
