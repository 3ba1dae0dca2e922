"""Covariant vectors: their growth, the angles between them, and the synapses they live on."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .style import check_realization, needs, styled


def covariant_vectors(dataset: xr.Dataset, realization: Any = 0) -> Figure:
    """Draw one realization of `curlflow.covariant_vectors`: growth rates, angles, and where the vectors live.

    Growth rates are drawn beside the Lyapunov exponents of the forward run. For networks the last panel shows what
    share of a vector is on synapses with flipped sign, and what share of the synapses these are; for other systems it
    shows over how many entries a vector is spread.

    **Raises:** `ValueError` for a dataset without covariant vectors, and realizations that it does not have.
    """
    needs(dataset, "covariant_exponent", "covariant_exponent_se", "lyapunov_exponent", "angle", "participation")
    check_realization(dataset, realization)
    one = dataset.isel(realization=realization)
    with styled():
        figure, (growth, angles, places) = plt.subplots(1, 3, figsize=(10.5, 3.2))
        _growth(growth, one)
        _angles(figure, angles, one)
        (_flipped if "flipped_share" in one else _spread)(places, one)
        for axes in (growth, places):
            axes.set_xticks(one["exponent"].to_numpy())
            axes.set_xlabel("rank of the exponent")
    return figure


def _growth(axes: Axes, one: xr.Dataset) -> None:
    rank, style = one["exponent"].to_numpy(), {"linestyle": "none", "markersize": 5, "capsize": 3}
    for name, shift, marker in (("lyapunov_exponent", -0.08, "o"), ("covariant_exponent", 0.08, "s")):
        error = one.get(f"{name}_se")
        label = {"lyapunov_exponent": "forwards (Lyapunov)", "covariant_exponent": "covariant vectors"}[name]
        axes.errorbar(rank + shift, one[name], error, marker=marker, label=label, **style)
    axes.axhline(0, color="0.4", linewidth=0.8)
    axes.set_title("growth per unit of time, ± SE")
    axes.legend()


def _angles(figure: Figure, axes: Axes, one: xr.Dataset) -> None:
    angle = one.angle.transpose("exponent", "other").to_numpy()
    rank, size = one["exponent"].to_numpy(), len(angle)
    image = axes.imshow(angle, vmin=0, vmax=np.pi / 2, cmap="viridis", extent=(0.5, size + 0.5, size + 0.5, 0.5))
    axes.grid(False)
    for i, j in np.argwhere(np.isfinite(angle)):
        if i != j and size <= 8:
            color = "white" if angle[i, j] < 0.8 else "black"
            axes.text(rank[j], rank[i], f"{angle[i, j]:.2f}", ha="center", va="center", color=color, fontsize="small")
    axes.set_xticks(rank)
    axes.set_yticks(rank)
    axes.set_title("mean angle between two vectors, rad")
    bar = figure.colorbar(image, ax=axes, ticks=[0, np.pi / 4, np.pi / 2])
    bar.ax.set_yticklabels(["0", "π/4", "π/2"])


def _flipped(axes: Axes, one: xr.Dataset) -> None:
    share = one.flipped_share.transpose("exponent", "layer").to_numpy()
    error = one.flipped_share_se.transpose("exponent", "layer").to_numpy()
    rank, base = one["exponent"].to_numpy(), np.zeros(len(share))
    for i, layer in enumerate(one["layer"].to_numpy()):
        axes.bar(rank, share[:, i], 0.6, base, yerr=error[:, i], capsize=2, alpha=0.8, label=f"layer {layer}")
        base = base + share[:, i]
    expected = float(one.flipped_synapses.sum())
    axes.axhline(expected, color="black", linestyle=":", linewidth=1, label="of all synapses")
    axes.set_ylim(0, 1)
    axes.set_title("share on synapses with flipped sign")
    axes.legend()


def _spread(axes: Axes, one: xr.Dataset) -> None:
    axes.bar(one["exponent"].to_numpy(), one.participation.to_numpy(), 0.6, alpha=0.8)
    axes.set_title("entries over which a vector is spread")
