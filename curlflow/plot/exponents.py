"""Convergence of Lyapunov exponents: the running mean of every exponent with its error band."""

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..measures.standard_error import BATCHES, batch_means_error
from ..status import Status
from .style import needs, styled

BANDS = 60
"""Number of times at which the error band is computed."""


def lyapunov(dataset: xr.Dataset) -> Figure:
    """Draw how the exponents of `curlflow.lyapunov` converged, one panel per realization.

    Lines are running means of the local exponents, bands are ± 2 standard errors by batch means over the time so
    far (drawn once there are two blocks per batch), points on the right are the final values.

    **Raises:** `ValueError` for a dataset without local exponents.
    """
    needs(dataset, "local_exponent", "lyapunov_exponent", "lyapunov_exponent_se", "time", "status")
    runs = dataset.sizes["realization"]
    columns = min(runs, 3)
    rows = -(-runs // columns)
    with styled():
        figure, grid = plt.subplots(
            rows, columns, figsize=(3.6 * columns + 1.2, 2.9 * rows + 0.4), squeeze=False, sharex=True, sharey=True
        )
        for axes, index in zip(grid.flat, range(runs), strict=False):
            _panel(axes, dataset.isel(realization=index))
        for axes in grid.flat[runs:]:
            axes.set_axis_off()
        for axes in grid[-1]:
            axes.set_xlabel("time averaged over")
        for axes in grid[:, 0]:
            axes.set_ylabel("Lyapunov exponent per unit of time")
        handles, labels = grid.flat[0].get_legend_handles_labels()
        if handles:
            figure.legend(handles, labels, loc="outside right upper", title="exponent")
        _limits(grid.flat[0], dataset)
    return figure


def _panel(axes: Axes, run: xr.Dataset) -> None:
    local = run.local_exponent.to_numpy()
    local = local[~np.isnan(local).all(axis=1)]
    status = Status(int(run.status))
    note = "" if status == Status.completed else f", {status.name.replace('_', ' ')}"
    converged = "" if "converged" not in run or bool(run.converged) or note else ", not converged"
    axes.set_title(f"realization {int(run.realization)}{note}{converged}")
    axes.axhline(0.0, color="0.4", linewidth=0.8, zorder=1)
    if len(local) == 0:
        return
    time = run.time.to_numpy()[: len(local)]
    mean = np.cumsum(local, axis=0) / np.arange(1, len(local) + 1)[:, None]
    ends = np.unique(np.linspace(min(2 * BATCHES, len(local)), len(local), BANDS).astype(int))
    error = np.stack([batch_means_error(local[:end]) for end in ends])
    final = zip(run.lyapunov_exponent.to_numpy(), run.lyapunov_exponent_se.to_numpy(), strict=True)
    for i, (name, (value, se)) in enumerate(zip(run.exponent.to_numpy(), final, strict=True)):
        (line,) = axes.plot(time, mean[:, i], label=f"{name}")
        low, high = mean[ends - 1, i] - 2 * error[:, i], mean[ends - 1, i] + 2 * error[:, i]
        axes.fill_between(time[ends - 1], low, high, color=line.get_color(), alpha=0.13, linewidth=0)
        axes.errorbar(
            (1.03 + 0.025 * i) * time[-1], value, 2 * se, fmt="o", color=line.get_color(), markersize=3, capsize=2
        )


def _limits(axes: Axes, dataset: xr.Dataset) -> None:
    """Show the second half of all running means in full; their large early excursions may leave it."""
    local = dataset.local_exponent.to_numpy()
    half: list[Float[np.ndarray, "..."]] = []
    for run in local:
        run = run[~np.isnan(run).all(axis=1)]
        if len(run):
            half.append((np.cumsum(run, axis=0) / np.arange(1, len(run) + 1)[:, None])[len(run) // 8 :].ravel())
    values = np.concatenate([*half, [0.0]])
    values = values[np.isfinite(values)]
    margin = 0.08 * (np.ptp(values) or 1.0)
    largest = np.nanmax(2 * dataset.lyapunov_exponent_se.to_numpy(), initial=0.0)
    axes.set_ylim(values.min() - max(margin, largest), values.max() + max(margin, largest))
