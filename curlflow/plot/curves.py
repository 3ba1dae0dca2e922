"""Learning curves: errors against time; and states of other systems."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .style import needs, styled

ERRORS = {"train_error": "training error", "test_error": "test error"}
SHOWN = 6
"""State variables that are drawn."""


def learning_curves(dataset: xr.Dataset) -> Figure:
    """Draw the errors of `curlflow.simulate` against time or epochs: realizations thin, median thick.

    For systems other than learning the first state variables are drawn, each in a panel.

    **Raises:** `ValueError` for a dataset without errors and states.
    """
    if isinstance(dataset, xr.Dataset) and "state" in dataset:
        return _states(dataset)
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


def _states(dataset: xr.Dataset) -> Figure:
    along = next(d for d in ("iteration", "time") if d in dataset.state.dims)
    runs = dataset.state if "realization" in dataset.state.dims else dataset.state.expand_dims("realization")
    values = runs.transpose("state_variable", along, "realization").to_numpy()
    shown = min(SHOWN, len(values))
    x, style = dataset[along].to_numpy(), {"linestyle": "none", "marker": ".", "markersize": 3}
    with styled():
        figure, grid = plt.subplots(
            shown, 1, figsize=(6.4, 0.9 + 1.3 * shown), sharex=True, squeeze=False, layout="constrained"
        )
        for i, axes in enumerate(grid[:, 0]):
            axes.plot(x, values[i], **(style if along == "iteration" else {"linewidth": 1.0}))
            axes.set_ylabel(f"state {i}")
        grid[-1, 0].set_xlabel("iterations" if along == "iteration" else "time")
        grid[0, 0].set_title(f"{shown} of {len(values)} state variables" if shown < len(values) else "state")
    return figure
