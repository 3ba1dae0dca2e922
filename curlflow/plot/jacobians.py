"""Jacobians: their eigenvalues in the complex plane, and how much of them is gradient and how much is curl."""

from functools import partial

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .style import ALONG, COLORS, draw_runs, ending, needs, panel_for_each_run, styled, words_of

NORMS = {"symmetric_norm": "‖S‖, symmetric", "antisymmetric_norm": "‖A‖, antisymmetric"}
RATIOS = {"curl_ratio": "in the metric", "euclidean_curl_ratio": "Euclidean"}
ANGLES = {"gradient_angle": "in the metric", "euclidean_gradient_angle": "Euclidean"}


@styled()
def stability(dataset: xr.Dataset) -> Figure:
    """Draw the eigenvalues of `curlflow.stability`, one panel per realization.

    Points are the eigenvalues that are not neutral; the dashed line is the numerical abscissa, the largest initial
    growth rate of any perturbation. Real spectra are drawn as histograms as well.

    **Raises:** `ValueError` for a dataset without eigenvalues.
    """
    needs(dataset, "eigenvalue_real", "eigenvalue_imag", "verdict", "numerical_abscissa", "status")
    # The limits of the real parts in all panels, with some of the unstable half.
    numbers = np.hstack([dataset.eigenvalue_real.to_numpy().ravel(), dataset.numerical_abscissa, 0.0])
    numbers = numbers[np.isfinite(numbers)]
    margin = 0.05 * (np.ptp(numbers) or 1.0)
    limits = numbers.min() - margin, numbers.max() + margin
    figure, _, legend = panel_for_each_run(
        dataset, partial(_eigenvalues, limits=limits), (3.6, 2.6), (0.6, 0.4), "real part, per unit of time"
    )
    if legend["handles"]:
        figure.legend(**legend, loc="outside lower center", ncols=2)
    return figure


def _eigenvalues(axes: Axes, run: xr.Dataset, limits: tuple[float, float]) -> None:
    real, imaginary = run.eigenvalue_real.to_numpy(), run.eigenvalue_imag.to_numpy()
    real, imaginary = real[np.isfinite(real)], imaginary[np.isfinite(real)]
    verdict = words_of(run.verdict, run.verdict)
    axes.set(title=f"realization {int(run.realization)}: {verdict}{ending(run)}", xlim=limits)
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
        # Imaginary parts that are small compared with the real ones are drawn small.
        height = max(1.1 * np.abs(imaginary).max(), 0.02 * (limits[1] - limits[0]))
        axes.set(ylabel="imaginary part", ylim=(-height, height))
    axes.axvline(0.0, color="0.4", linewidth=0.8)
    if np.isfinite(run.numerical_abscissa):
        axes.axvline(float(run.numerical_abscissa), color="C1", ls="--", lw=1.0, label="numerical abscissa")
    axes.axvspan(0.0, limits[1], color="#f3ddd6", zorder=0, linewidth=0, label="growing")


@styled()
def parts_of_jacobian(dataset: xr.Dataset) -> Figure:
    """Draw a dataset of `curlflow.decomposition`: the norms of the two parts of the Jacobian, their ratio, and the
    angle between the velocity and −∇error where there is an error.

    Along a trajectory against time, realizations thin and their median thick; otherwise realization by realization,
    with standard errors where the parts were estimated. In another metric ratio and angle of the Euclidean one are
    beside those in it.

    **Raises:** `ValueError` for another dataset.
    """
    needs(dataset, *NORMS, "curl_ratio")
    along = next((str(d) for d in dataset.curl_ratio.dims if d != "realization"), "realization")
    runs = dataset if "realization" in dataset.dims else dataset.expand_dims("realization")
    titles = {"Frobenius norm": NORMS, "‖A‖/‖S‖": RATIOS, "angle of velocity and −∇error, rad": ANGLES}
    panels = {title: [name for name in names if name in dataset] for title, names in titles.items()}
    panels = {title: names for title, names in panels.items() if names}
    figure, grid = plt.subplots(1, len(panels), figsize=(3.5 * len(panels), 3.1))
    for axes, (title, names) in zip(grid, panels.items(), strict=True):
        for name, color in zip(names, COLORS, strict=False):
            style = {"color": color, "label": titles[title][name]}
            if along == "realization":
                number = np.arange(runs.sizes["realization"])
                axes.errorbar(number, runs[name], runs.get(f"{name}_se"), fmt="o", markersize=4, capsize=3, **style)
                axes.set(xlim=(-0.5, number.size - 0.5), xticks=number[:: max(number.size // 10, 1)])
            else:
                x, values = runs[along].to_numpy(), runs[name].transpose(along, "realization").to_numpy()
                thin = {"linewidth": 0.8, "alpha": 0.4} if values.shape[1] > 1 else {}
                draw_runs(axes, x, values, marker="." if x.size < 30 else None, **style, **thin)
        axes.set(title=title, xlabel=ALONG.get(along, along))
        axes.set_ylim(bottom=0)
        if len(names) > 1:
            axes.legend()
    return figure
