"""Learning curves, times of convergence along a parameter; and numbers and states of other systems."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..catalogue import named
from .style import ALONG, COLORS, axis_label, color_of, draw_runs, needs, styled

ERRORS = {"train_error": "training error", "test_error": "test error"}


@styled()
def learning_curves(dataset: xr.Dataset) -> Figure:
    """Draw the errors of `curlflow.simulate` against time or epochs: realizations thin, median thick.

    For systems other than learning the first six state variables are drawn, each in a panel.

    **Raises:** `ValueError` for a dataset without errors and states.
    """
    if isinstance(dataset, xr.Dataset) and "state" in dataset:
        return _states(dataset)
    needs(dataset, *ERRORS)
    along = "epoch" if "epoch" in dataset.dims else "time"
    later = dataset.isel({along: dataset[along].to_numpy() > 0})
    spaced = np.diff(later[along])
    unequal = spaced.size > 2 and spaced.max() > 3 * spaced.min()
    dataset, scale = (later, "log") if unequal else (dataset, "linear")
    figure, grid = plt.subplots(1, 2, figsize=(8.4, 3.2), sharex=True, sharey=True)
    for axes, (name, title) in zip(grid, ERRORS.items(), strict=True):
        x, errors = dataset[along].to_numpy(), dataset[name].transpose(along, "realization").to_numpy()
        draw = draw_runs if errors.shape[1] > 1 else Axes.plot
        draw(axes, x, errors, color=COLORS[0], alpha=0.35, linewidth=0.8)
        axes.set(title=title, xlabel=ALONG[along], xscale=scale, yscale="log")
    grid[0].set_ylabel("error, ½⟨|ŷ − y|²⟩")
    return figure


def _states(dataset: xr.Dataset) -> Figure:
    along = next(d for d in ALONG if d in dataset.state.dims)
    values = dataset.state.transpose("state_variable", along, ...).to_numpy()
    shown = min(6, len(values))
    figure, grid = plt.subplots(shown, 1, figsize=(6.4, 0.9 + 1.3 * shown), sharex=True, squeeze=False)
    style = {"linestyle": "none", "marker": ".", "markersize": 3} if along == "iteration" else {"linewidth": 1.0}
    for i, axes in enumerate(grid[:, 0]):
        axes.plot(dataset[along], values[i], **style)
        axes.set_ylabel(f"state {i}")
    grid[-1, 0].set_xlabel(ALONG[along])
    grid[0, 0].set_title(f"{shown} of {len(values)} state variables" if shown < len(values) else "state")
    return figure


@styled()
def convergence(dataset: xr.Dataset) -> Figure:
    """Draw the errors of `curlflow.convergence` against epochs, and the share of runs that have not converged yet.

    Realizations are thin, their median thick; the line across is the threshold. The share is Kaplan and Meier's.

    **Raises:** `ValueError` for another dataset, or one with further dimensions: select one setting of a sweep.
    """
    needs(dataset, "test_error_curve", "train_error_curve", "convergence_time", "convergence_epoch", "horizon")
    further = ", ".join(str(dim) for dim in dataset.convergence_time.dims if dim not in ("rule", "realization"))
    if further:
        raise ValueError(f"dataset: it has the dimensions {further}; select one setting by isel.")
    error = "train_error" if '"error": "train"' in dataset.attrs.get("settings", "") else "test_error"
    dataset = dataset.isel(epoch=dataset["epoch"].to_numpy() > 0)
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.2))
    for i, name in enumerate(dataset["rule"].to_numpy().tolist()):
        one = dataset.sel(rule=name)
        one = one.isel(realization=one["convergence_epoch"].to_numpy() >= 0)  # those that the sweep has finished
        if one.sizes["realization"] == 0:
            continue
        errors = one[f"{error}_curve"].transpose("epoch", "realization").to_numpy()
        draw_runs(left, one["epoch"].to_numpy(), errors, color_of(i), np.all, alpha=0.3, linewidth=0.7)
        _survival(right, one, color_of(i), str(name))
    left.axhline(float(dataset["threshold"].mean()), color="0.4", linewidth=0.8, linestyle=":")
    left.set(xscale="log", yscale="log", xlabel="epochs", ylabel=error.replace("_", " "))
    if dataset.sizes["epoch"]:  # also where nothing was recorded there
        left.set_xlim(0.8 * float(dataset["epoch"][0]), 1.25 * float(dataset["epoch"][-1]))
    right.set(xscale="log", xlabel="time", ylabel="share not converged", ylim=(-0.03, 1.03))
    if right.lines:
        right.legend()
    return figure


def _survival(axes: Axes, one: xr.Dataset, color: str, label: str) -> None:
    times, horizon = one["convergence_time"].to_numpy(), float(one["horizon"])
    arrived = np.sort(times[~np.isnan(times)])
    share = 1 - np.arange(arrived.size + 1) / times.size
    # All runs that do not arrive are censored at the horizon: the estimate is one minus the share that has arrived.
    later = arrived[arrived > 0]
    first = later[0] / 2 if later.size else horizon / 10
    # Runs that have converged at the start are drawn at the left end of the logarithmic axis.
    axes.step([first, *arrived.clip(first), horizon], [*share, share[-1]], where="post", color=color, label=label)


@styled()
def convergence_times(dataset: xr.Dataset, *, convention: Any = "censored", labels: Any = None) -> Figure:
    """Draw times of convergence along the parameter of a sweep, by the published convention or with censoring.

    **Arguments:**

    - `dataset`: a sweep of `curlflow.convergence` over one parameter, after `curlflow.compare_rules`.
    - `convention`: `"published"`: mean and standard error of the recorded epochs, with the last epoch for runs that
      do not converge; or `"censored"`: Kaplan and Meier's medians with 95 % intervals, open where they are not
      reached, and beside them speed-ups with 95 % intervals.
    - `labels`: names of the rules in the picture, by name.

    **Raises:** `ValueError` for other datasets and conventions.
    """
    needs(dataset, "convergence_epoch", "median_time", "speed_up")
    conventions = {"published": (_published,), "censored": (_medians, _speed_ups)}
    if convention not in conventions:
        raise ValueError(f"convention: got {convention!r}, allowed are {', '.join(conventions)}.")
    along = [d for d in dataset.convergence_epoch.dims if d not in ("rule", "realization")]
    if len(along) != 1:
        raise ValueError(f"dataset: it has the dimensions {along}; required is one besides rule and realization.")
    panels = conventions[convention]
    figure, grid = plt.subplots(1, len(panels), figsize=(4.0 * len(panels) + 0.4, 3.2), squeeze=False)
    values = dataset[along[0]].to_numpy()
    numbers = values.dtype.kind in "iuf"
    # Values that are not numbers are drawn in a row.
    x = values.astype(float) if numbers else np.arange(values.size, dtype=float)
    names = {name: (labels or {}).get(name, name) for name in dataset["rule"].to_numpy().tolist()}
    for axes, draw in zip(grid[0], panels, strict=True):
        draw(axes, dataset, x, names)
        axes.set(yscale="log", xlabel=axis_label(dataset, along[0]))
        if not numbers:
            axes.set_xticks(x, [str(value) for value in values], rotation=20, ha="right")
        elif x.size > 3 and x.min() > 0 and x.max() > 30 * x.min():
            axes.set_xscale("log")
        axes.legend()
    return figure


def _published(axes: Axes, dataset: xr.Dataset, x: np.ndarray, names: dict[str, str]) -> None:
    epochs = dataset["convergence_epoch"].where(dataset["convergence_epoch"] >= 0)
    mean = epochs.mean("realization")
    error = epochs.std("realization", ddof=1) / np.sqrt(epochs.count("realization"))
    for name, label in names.items():
        style = {"marker": "o", "markersize": 3, "capsize": 2, "label": label}
        axes.errorbar(x, mean.sel(rule=name), error.sel(rule=name), **style)
    axes.set_ylabel("epoch of convergence, mean ± SEM")


def _medians(axes: Axes, dataset: xr.Dataset, x: np.ndarray, names: dict[str, str]) -> None:
    horizon = float(dataset["horizon"].max())
    for i, (name, label) in enumerate(names.items()):
        one, style = dataset.sel(rule=name), {"color": color_of(i)}
        median = one["median_time"].to_numpy()
        axes.plot(x, median, marker="o", markersize=3, label=label, **style)
        # Where a limit is unknown, the interval is open.
        lower = one["median_time_lower"].fillna(one["median_time"]).to_numpy()
        upper = one["median_time_upper"].fillna(horizon).to_numpy()
        known, never = ~np.isnan(median), np.isnan(median) & one["arrived_share"].notnull().to_numpy()
        axes.vlines(x[known], lower[known], upper[known], alpha=0.5, linewidth=1, **style)
        axes.plot(x[never], np.full(never.sum(), horizon), "^", markersize=5, fillstyle="none", **style)
    axes.axhline(horizon, color="0.6", linewidth=0.8, linestyle=":")
    axes.set_ylabel("median time of convergence")


def _speed_ups(axes: Axes, dataset: xr.Dataset, x: np.ndarray, names: dict[str, str]) -> None:
    for name in dataset["compared"].to_numpy().tolist():
        one, style = dataset.sel(compared=name), {"color": color_of([*names].index(name)), "markersize": 3}
        middle = one["speed_up"].to_numpy()
        ends = np.nan_to_num(np.stack([middle - one["speed_up_lower"], one["speed_up_upper"] - middle])).clip(0)
        axes.errorbar(x, middle, ends, marker="o", capsize=2, label=f"{names[name]}, both arrive", **style)
        style |= {"label": "ratio of restricted means, all runs", "fillstyle": "none"}
        axes.plot(x, one["mean_time_ratio"], "s:", **style)
    axes.axhline(1, color="0.4", linewidth=0.8)
    axes.set_ylabel(f"speed-up over {names.get(dataset.attrs.get('baseline'), 'the first rule')}")


@styled()
def numbers(dataset: xr.Dataset) -> Figure:
    """Draw the variables that the catalogue names for the study of a dataset, each in a panel.

    Along a time, epochs or iterations every realization is a line; numbers without such a dimension are points, with
    bars of two standard errors where there are any.

    **Raises:** `ValueError` for datasets of no study, and where there are no numbers.
    """
    needs(dataset)
    study = named(dataset.attrs.get("study", ""))
    columns = study.columns if study is not None and not isinstance(study.columns, str) else ()
    names = [n for n in columns if n in dataset and dataset[n].dtype.kind == "f" and not n.endswith("_se")]
    if not names:
        raise ValueError(f"dataset: it has no numbers that the catalogue names for {dataset.attrs.get('study')!r}.")
    figure, grid = plt.subplots(1, len(names), figsize=(3.4 * len(names), 2.8), squeeze=False)
    for name, axes in zip(names, grid[0], strict=True):
        along = [dim for dim in ALONG if dim in dataset[name].dims][:1]
        values = dataset[name].transpose(*along, ...).to_numpy()
        if along:
            axes.plot(dataset[along[0]], values.reshape(len(values), -1))
        else:
            errors = 2 * dataset[f"{name}_se"].to_numpy().ravel() if f"{name}_se" in dataset else None
            axes.errorbar(np.arange(values.size), values.ravel(), errors, fmt="o", markersize=4)
        axes.set(xlabel=", ".join(along or map(str, dataset[name].dims)), title=name.replace("_", " "))
    return figure
