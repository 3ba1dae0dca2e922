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


@styled()
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
    few = len(c) <= FEW
    fine = theory_over(c[0] / 1.6, c[-1] * 1.6, 500) if few else theory_over(c[0], c[-1], 500)
    figure, grid = plt.subplots(1, len(layers), figsize=(4.0 * len(layers), 3.2), squeeze=False, sharey=True)
    for axes, layer in zip(grid[0], layers, strict=True):
        shade(axes, fine, phase_boundary(fine, layer))
        if few:
            critical = dataset.critical_fraction.sel(layer=layer)
            axes.plot(c, critical, "o", color="black", markersize=4, clip_on=False)
        if c[-1] / c[0] < 30:
            axes.xaxis.set_minor_formatter("")
        axes.set(xlabel="compression ratio c = M/N", title=NAMES[layer])
    grid[0, 0].set_ylabel("fraction of flips")
    return figure


def theory_over(low: float, high: float, points: int) -> np.ndarray:
    """Ratios to draw a boundary at; that of flipped inputs begins at c = 1/4 with the fraction 1, and ends at 2/3."""
    fine = np.union1d(np.geomspace(low, high, points), [0.25, 2 / 3])
    return fine[(fine >= low) & (fine <= high)]


def shade(axes: Axes, c: np.ndarray, fraction: np.ndarray) -> None:
    """Shade the stable and the unstable side of a boundary and draw it, on logarithmic c."""
    upper = np.where(np.isnan(fraction), 1.0, fraction)
    axes.fill_between(c, 0, upper, color=STABLE, linewidth=0)
    axes.fill_between(c, upper, 1, color=UNSTABLE, linewidth=0)
    axes.plot(c, fraction, color="black")
    axes.set(xscale="log", xlim=(c[0], c[-1]) if len(c) > 1 else None, ylim=(0, 1))
    axes.grid(False)
    for text, there, bottom in (("stable", upper > 0.3, 0.0), ("unstable", upper < 0.7, 0.5)):
        if there.any():
            middle = np.log(c[there]).mean()
            height = bottom + 0.5 * np.interp(middle, np.log(c), upper)
            axes.text(np.exp(middle), height, text, ha="center", va="center", color="0.3")


def _surface(dataset: xr.Dataset) -> Figure:
    needs(dataset, "c", "inputs_fraction")
    ratios, fractions = dataset.c.to_numpy(), dataset.inputs_fraction.to_numpy()
    least = 1e-9 if fractions[0] == 0 else fractions[0]  # for c > 1/4 the value without flips is a separate point
    fine = np.linspace(least, max(fractions[-1], least), 400)
    marked = slice(None) if len(fractions) <= FEW else slice(0, 1)
    figure, axes = plt.subplots(figsize=(4.8, 3.6))
    for c, color in zip(ratios, plt.get_cmap("viridis")(np.linspace(0, 0.9, len(ratios))), strict=True):
        axes.plot(fine, phase_surface(c, fine), color=color, label=f"{c:g}")
        values = dataset.critical_hidden_fraction.sel(c=c)
        axes.plot(fractions[marked], values[marked], "o", color=color, markersize=3.5, clip_on=False)
    axes.set(xlabel="fraction of flipped inputs α_h", ylabel="critical fraction of hidden units α_r")
    axes.set_ylim(bottom=0)
    if len(ratios) <= 12:
        axes.legend(title="c")
    return figure
