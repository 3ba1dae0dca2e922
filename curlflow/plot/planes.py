"""A vector field on a plane of weight space and its gradient, curl and harmonic parts."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from .style import needs, styled

NOTHING = 1e-12
"""A part with a smaller share of the energy than this is rounding, and is drawn without streamlines."""
PARTS = {
    "gradient": ("gradient_potential", "φ", "RdBu_r"),
    "curl": ("stream_function", "ψ", "PuOr_r"),
    "harmonic": ("harmonic_potential", "χ", "RdBu_r"),
}
REQUIRED = ("field", *(f"{p}_{what}" for p in PARTS for what in ("part", "share")), *(p[0] for p in PARTS.values()))


def decomposition(dataset: xr.Dataset) -> Figure:
    """Draw a dataset of `curlflow.plane_decomposition`: the velocity over the logarithm of the loss, and its parts.

    The parts lie over their potentials, with their share in the energy in the title. Lines are streamlines, and
    wider where a part is faster; in each panel relative to its own maximum. Without a loss the first panel shows the
    speed.

    **Raises:** `ValueError` for another dataset.
    """
    needs(dataset, *REQUIRED)
    dataset = dataset.transpose("component", "first", "second", "first_node", "second_node", ...)
    with styled():
        width, height = (float(np.ptp(dataset[name].to_numpy())) for name in ("first_node", "second_node"))
        figure, grid = plt.subplots(
            2, 2, figsize=(9.0, 0.9 + 7.2 * float(np.clip(height / width, 0.4, 1.6))), sharex=True, sharey=True
        )
        _whole(figure, grid.flat[0], dataset)
        for axes, (name, (potential, symbol, colors)) in zip(grid.flat[1:], PARTS.items(), strict=True):
            _part(figure, axes, dataset, name, potential, symbol, colors)
        for axes in grid.flat:
            axes.set_aspect("equal")
            axes.grid(False)
            axes.set_xlim(*dataset["first"].to_numpy()[[0, -1]])
            axes.set_ylim(*dataset["second"].to_numpy()[[0, -1]])
        for axes in grid[-1]:
            axes.set_xlabel("first direction")
        for axes in grid[:, 0]:
            axes.set_ylabel("second direction")
    return figure


def _whole(figure: Figure, axes: Axes, dataset: xr.Dataset) -> None:
    """The velocity over log₁₀ loss, or over its own size."""
    field = dataset.field.to_numpy()
    if "loss" in dataset:
        loss = dataset.loss.to_numpy()
        positive = loss[loss > 0]
        floor = positive.min() if positive.size else 1.0
        values, label = np.log10(np.maximum(loss, floor)), "log₁₀ loss"
    else:
        values, label = np.hypot(*field), "speed"
    levels = 24 if np.ptp(values) > 0 else values.flat[0] + np.array([-1.0, 1.0])
    image = axes.contourf(dataset["first"], dataset["second"], values.T, levels=levels, cmap=_pale("viridis"))
    _bar(figure, axes, image, label)
    _streamlines(axes, dataset, field)
    axes.set_title("velocity" + (", over the loss" if "loss" in dataset else ", over the speed"))


def _part(
    figure: Figure, axes: Axes, dataset: xr.Dataset, name: str, potential: str, symbol: str, colors: str
) -> None:
    """One part over its potential; an empty panel where it is nothing but rounding."""
    share = float(dataset[f"{name}_share"])
    axes.set_title(f"{name} part, over {symbol}" + (f": {100 * share:.1f} %" if share == share else ""))
    if not share > NOTHING:
        axes.text(0.5, 0.5, "none", transform=axes.transAxes, ha="center", color="0.5")
        return
    values = dataset[potential]
    x, y = (dataset[dim].to_numpy() for dim in values.dims)
    bound = float(np.abs(values.to_numpy()).max()) or 1.0
    image = axes.contourf(x, y, values.to_numpy().T, levels=np.linspace(-bound, bound, 25), cmap=colors, alpha=0.85)
    ticks = np.linspace(-bound, bound, 5)
    _bar(figure, axes, image, symbol, ticks=ticks, format="%.2g")
    _streamlines(axes, dataset, dataset[f"{name}_part"].to_numpy())


def _pale(name: str) -> ListedColormap:
    """A colormap mixed with white, on which black lines are visible from end to end."""
    return ListedColormap(0.35 + 0.65 * plt.get_cmap(name)(np.linspace(0, 1, 256))[:, :3])


def _bar(figure: Figure, axes: Axes, image: Any, label: str, **options: Any) -> None:
    """A color bar beside its panel with its label on top, which then belongs to this bar alone."""
    bar = figure.colorbar(image, ax=axes, shrink=0.85, pad=0.02, **options)
    bar.ax.set_title(label, fontsize="medium")


def _streamlines(axes: Axes, dataset: xr.Dataset, field: np.ndarray) -> None:
    speed = np.hypot(*field)
    if not speed.max() > 0:
        return
    axes.streamplot(
        dataset["first"].to_numpy(),
        dataset["second"].to_numpy(),
        field[0].T,
        field[1].T,
        color="black",
        density=1.1,
        linewidth=0.35 + 1.1 * np.sqrt(speed / speed.max()).T,
        arrowsize=0.8,
    )
