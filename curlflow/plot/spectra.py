"""Eigenvalues at a point in the complex plane, with the unstable half shaded."""

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..status import Status
from .style import needs, styled


def stability(dataset: xr.Dataset) -> Figure:
    """Draw the eigenvalues of `curlflow.stability`, one panel per realization.

    Points are the eigenvalues that are not neutral; the dashed line is the numerical abscissa, the largest initial
    growth rate of any perturbation. Real spectra are drawn as histograms as well.

    **Raises:** `ValueError` for a dataset without eigenvalues.
    """
    needs(dataset, "eigenvalue_real", "eigenvalue_imag", "verdict", "numerical_abscissa", "status")
    runs = dataset.sizes["realization"]
    columns = min(runs, 3)
    rows = -(-runs // columns)
    limits = _limits(dataset)
    with styled():
        figure, grid = plt.subplots(
            rows, columns, figsize=(3.6 * columns + 0.6, 2.6 * rows + 0.4), squeeze=False, sharex=True
        )
        for axes, index in zip(grid.flat, range(runs), strict=False):
            _panel(axes, dataset.isel(realization=index), limits)
        for axes in grid.flat[runs:]:
            axes.set_axis_off()
        for axes in grid[-1]:
            axes.set_xlabel("real part, per unit of time")
        handles, labels = grid.flat[0].get_legend_handles_labels()
        if handles:
            figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure


def _limits(dataset: xr.Dataset) -> tuple[float, float]:
    """The limits of the real parts in all panels, with some of the unstable half."""
    numbers = np.concatenate(
        [dataset.eigenvalue_real.to_numpy().ravel(), dataset.numerical_abscissa.to_numpy(), [0.0]]
    )
    numbers = numbers[np.isfinite(numbers)]
    left, right = numbers.min(), numbers.max()
    width = (right - left) or 1.0
    return left - 0.05 * width, right + 0.05 * width


def _panel(axes: Axes, run: xr.Dataset, limits: tuple[float, float]) -> None:
    real, imaginary = run.eigenvalue_real.to_numpy(), run.eigenvalue_imag.to_numpy()
    there = np.isfinite(real)
    real, imaginary = real[there], imaginary[there]
    status, verdict = Status(int(run.status)), run.verdict.attrs["flag_meanings"].split()[int(run.verdict)]
    note = verdict if status == Status.completed else f"{verdict}, {status.name.replace('_', ' ')}"
    axes.set_title(f"realization {int(run.realization)}: {note}")
    axes.set_xlim(*limits)
    if not real.size:
        axes.text(0.5, 0.5, "no eigenvalues", transform=axes.transAxes, ha="center", color="0.4")
        axes.set_yticks([])
        return
    if (imaginary == 0).all() and real.size > 12:
        axes.hist(real, bins=min(60, real.size // 2), color="C0", alpha=0.8)
        axes.plot(real, np.zeros_like(real), "|", color="0.2", markersize=7, clip_on=False)
        axes.set_ylabel("eigenvalues")
    else:
        axes.plot(real, imaginary, "o", markersize=3.5, alpha=0.8)
        axes.set_ylabel("imaginary part")
        # Imaginary parts that are small compared with the real ones are drawn small.
        height = max(1.1 * np.abs(imaginary).max(), 0.02 * (limits[1] - limits[0]))
        axes.set_ylim(-height, height)
    axes.axvline(0.0, color="0.4", linewidth=0.8)
    if np.isfinite(run.numerical_abscissa):
        style = {"color": "C1", "linestyle": "--", "linewidth": 1.0}
        axes.axvline(float(run.numerical_abscissa), label="numerical abscissa", **style)
    axes.axvspan(0.0, limits[1], color="#f3ddd6", zorder=0, linewidth=0, label="growing")
