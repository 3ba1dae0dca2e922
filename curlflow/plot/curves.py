"""Learning curves: errors against time."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .style import needs, styled

ERRORS = {"train_error": "training error", "test_error": "test error"}


def learning_curves(dataset: xr.Dataset) -> Figure:
    """Draw the errors of `curlflow.simulate` against time or epochs: realizations thin, median thick.

    **Raises:** `ValueError` for a dataset without errors.
    """
    needs(dataset, *ERRORS)
    along = "epoch" if "epoch" in dataset.dims else "time"
    with styled():
        figure, grid = plt.subplots(1, 2, figsize=(8.4, 3.2), sharex=True, sharey=True)
        for axes, (name, label) in zip(grid, ERRORS.items(), strict=True):
            _curves(axes, dataset[along].to_numpy(), dataset[name].transpose("realization", along).to_numpy())
            axes.set_title(label)
            axes.set_xlabel("epochs" if along == "epoch" else "time")
        grid[0].set_ylabel("error, ½⟨|ŷ − y|²⟩")
    return figure


def _curves(axes: Axes, x: np.ndarray, errors: np.ndarray) -> None:
    spaced = np.diff(x[x > 0])
    if spaced.size > 2 and spaced.max() > 3 * spaced.min():
        axes.set_xscale("log")
        x, errors = x[x > 0], errors[:, x > 0]
    axes.set_yscale("log")
    color = mpl.rcParams["axes.prop_cycle"].by_key()["color"][0]
    axes.plot(x, errors.T, color=color, alpha=0.35, linewidth=0.8)
    if len(errors) > 1 and not np.isnan(errors).all():
        median = np.full(len(x), np.nan)
        known = ~np.isnan(errors).all(axis=0)
        median[known] = np.nanmedian(errors[:, known], axis=0)
        axes.plot(x, median, color=color, linewidth=2)
