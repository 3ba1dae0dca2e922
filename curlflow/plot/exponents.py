"""Lyapunov exponents: how they converge, their covariant vectors, and the largest one along the learning rate."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..measures.standard_error import FEWEST, long_run_error
from .style import color_of, ending, needs, panel_for_each_run, selected, styled, words_of


@styled()
def lyapunov(dataset: xr.Dataset) -> Figure:
    """Draw how the exponents of `curlflow.lyapunov` converged, one panel per realization.

    Lines are running means of the local exponents, bands are ± 2 standard errors by batch means over the time so
    far (drawn once there are two blocks per batch), points on the right are the final values.

    **Raises:** `ValueError` for a dataset without local exponents.
    """
    needs(dataset, "local_exponent", "lyapunov_exponent", "lyapunov_exponent_se", "time", "status")
    figure, grid, legend = panel_for_each_run(
        dataset, _running_means, (3.6, 2.9), (1.2, 0.4), "time averaged over", sharey=True
    )
    plt.setp(grid[:, 0], ylabel="Lyapunov exponent per unit of time")
    if legend["handles"]:
        figure.legend(**legend, loc="outside right upper", title="exponent")
    # The second half of all running means is shown in full; their large early excursions may leave it.
    means = [_running_mean(run) for run in dataset.local_exponent.to_numpy()]
    values = np.concatenate([*(mean[len(mean) // 8 :].ravel() for mean in means), [0.0]])
    values = values[np.isfinite(values)]
    largest = np.nanmax(2 * dataset.lyapunov_exponent_se.to_numpy(), initial=0.0)
    margin = max(0.08 * (np.ptp(values) or 1.0), largest)
    grid.flat[0].set_ylim(values.min() - margin, values.max() + margin)
    return figure


def _running_mean(local: np.ndarray) -> np.ndarray:
    local = local[~np.isnan(local).all(axis=1)]
    return np.cumsum(local, axis=0) / np.arange(1, len(local) + 1)[:, None]


def _running_means(axes: Axes, run: xr.Dataset) -> None:
    local = run.local_exponent.to_numpy()
    local, mean = local[~np.isnan(local).all(axis=1)], _running_mean(local)
    converged = "" if "converged" not in run or bool(run.converged) or ending(run) else ", not converged"
    axes.set_title(f"realization {int(run.realization)}{ending(run)}{converged}")
    axes.axhline(0.0, color="0.4", linewidth=0.8, zorder=1)
    if len(local) == 0:
        return
    time = run.time.to_numpy()[: len(local)]
    ends = np.unique(np.linspace(min(FEWEST, len(local)), len(local), 60).astype(int))
    error = np.stack([long_run_error(local[:end]) for end in ends])
    for i, name in enumerate(run.exponent.to_numpy()):
        (line,) = axes.plot(time, mean[:, i], label=f"{name}")
        low, high = mean[ends - 1, i] - 2 * error[:, i], mean[ends - 1, i] + 2 * error[:, i]
        style = {"color": line.get_color()}
        axes.fill_between(time[ends - 1], low, high, alpha=0.13, linewidth=0, **style)
        value, se = float(run.lyapunov_exponent[i]), float(run.lyapunov_exponent_se[i])
        axes.errorbar((1.03 + 0.025 * i) * time[-1], value, 2 * se, fmt="o", markersize=3, capsize=2, **style)


@styled()
def covariant_vectors(dataset: xr.Dataset, realization: Any = 0) -> Figure:
    """Draw one realization of `curlflow.covariant_vectors`: growth rates, angles, and where the vectors live.

    Growth rates are drawn beside the Lyapunov exponents of the forward run. For networks the last panel shows what
    share of a vector is on synapses with flipped sign, and what share of the synapses these are; for other systems it
    shows over how many entries a vector is spread.

    **Raises:** `ValueError` for a dataset without covariant vectors, and realizations that it does not have.
    """
    needs(dataset, "covariant_exponent", "covariant_exponent_se", "lyapunov_exponent", "angle", "participation")
    one = selected(dataset, realization)
    rank = one["exponent"].to_numpy()
    figure, (growth, angles, places) = plt.subplots(1, 3, figsize=(10.5, 3.2))
    for name, x, style, label in (
        ("lyapunov_exponent", rank - 0.08, "o", "forwards (Lyapunov)"),
        ("covariant_exponent", rank + 0.08, "s", "covariant vectors"),
    ):
        growth.errorbar(x, one[name], one.get(f"{name}_se"), fmt=style, label=label, markersize=5, capsize=3)
    growth.axhline(0, color="0.4", linewidth=0.8)
    growth.set_title("growth per unit of time, ± SE")
    growth.legend()
    angle, size = one.angle.transpose("exponent", "other").to_numpy(), rank.size
    image = angles.imshow(angle, vmin=0, vmax=np.pi / 2, cmap="viridis", extent=(0.5, size + 0.5, size + 0.5, 0.5))
    angles.grid(False)
    for i, j in np.argwhere(np.isfinite(angle)):
        if i != j and size <= 8:
            style = {"color": "white" if angle[i, j] < 0.8 else "black", "ha": "center", "va": "center"}
            angles.text(rank[j], rank[i], f"{angle[i, j]:.2f}", fontsize="small", **style)
    angles.set(xticks=rank, yticks=rank, title="mean angle between two vectors, rad")
    figure.colorbar(image, ax=angles).set_ticks([0, np.pi / 4, np.pi / 2], labels=["0", "π/4", "π/2"])
    if "flipped_share" in one:
        base = 0.0
        for layer in one["layer"].to_numpy():
            share, error = (one[name].sel(layer=layer).to_numpy() for name in ("flipped_share", "flipped_share_se"))
            places.bar(rank, share, 0.6, base, yerr=error, capsize=2, alpha=0.8, label=f"layer {layer}")
            base = base + share
        expected = float(one.flipped_synapses.sum())
        places.axhline(expected, color="black", linestyle=":", linewidth=1, label="of all synapses")
        places.set(ylim=(0, 1), title="share on synapses with flipped sign")
        places.legend()
    else:
        places.bar(rank, one.participation.to_numpy(), 0.6, alpha=0.8)
        places.set_title("entries over which a vector is spread")
    plt.setp((growth, places), xticks=rank, xlabel="rank of the exponent")
    return figure


@styled()
def step_sizes(dataset: xr.Dataset) -> Figure:
    """Draw the largest exponents of `curlflow.step_sizes` against the learning rate, and verdicts as marks.

    The flow is at 0. Lines go from the smallest learning rate to the limit of the updates at 0, which has a mark
    beside that of the flow; a dataset with one learning rate has no lines.

    **Raises:** `ValueError` for another dataset.
    """
    needs(dataset, "lyapunov_exponent", "lyapunov_exponent_se", "learning_rate", "verdict", "exponent_limit")
    rates = np.atleast_1d(dataset["learning_rate"].to_numpy())
    limits = {"fmt": "D", "color": "black", "fillstyle": "none", "markersize": 5, "capsize": 2}
    figure, axes = plt.subplots(figsize=(6.4, 3.8))
    for i in range(dataset.sizes["realization"]):
        one, shift = dataset.isel(realization=i, exponent=0), 0.006 * rates.max()  # realizations side by side
        mean, error, kinds = (np.atleast_1d(one[n]) for n in ("lyapunov_exponent", "lyapunov_exponent_se", "verdict"))
        x = rates + i * shift
        axes.plot(x[rates > 0], mean[rates > 0], color="0.6", linewidth=0.8, zorder=1)
        for at, kind in enumerate(kinds):
            axes.errorbar(x[at], mean[at], error[at], fmt="o", color=color_of(kind), markersize=4, capsize=2)
        axes.errorbar((i + 0.5) * shift, float(one.exponent_limit), float(one.exponent_limit_se), **limits)
    for kind in [kind for kind in np.unique(dataset.verdict) if kind >= 0]:
        axes.plot([], [], "o", color=color_of(kind), label=words_of(dataset.verdict, kind))
    axes.plot([], [], "D", color="black", fillstyle="none", label="limit of the updates")
    axes.axhline(0, color="0.4", linewidth=0.8)
    axes.set(xlabel="learning rate; 0 is the flow", ylabel="λ₁ per unit of time, ± SE")
    figure.legend(loc="outside right upper")
    return figure
