"""How fast rules learn: learning curves with times of convergence, and times along a parameter."""

import itertools
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .style import needs, styled

CONVENTIONS = ("published", "censored")


def convergence(dataset: xr.Dataset) -> Figure:
    """Draw the errors of `curlflow.convergence` against epochs, and the share of runs that have not converged yet.

    Realizations are thin, their median thick; the line across is the threshold. The share is Kaplan and Meier's.

    **Raises:** `ValueError` for another dataset, or one with further dimensions: select one setting of a sweep.
    """
    needs(dataset, "test_error_curve", "train_error_curve", "convergence_time", "convergence_epoch", "horizon")
    further = set(dataset.convergence_time.dims) - {"rule", "realization"}
    if further:
        raise ValueError(
            f"dataset: it has the dimensions {', '.join(map(str, further))}; select one setting by isel."
        )
    error = "train_error" if '"error": "train"' in dataset.attrs.get("settings", "") else "test_error"
    with styled():
        figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.2))
        for name, color in _colors(dataset).items():
            one = dataset.sel(rule=name)
            one = one.isel(realization=one["convergence_epoch"].to_numpy() >= 0)  # those that the sweep has finished
            if one.sizes["realization"] == 0:
                continue
            _curves(
                left,
                one["epoch"].to_numpy(),
                one[f"{error}_curve"].transpose("realization", "epoch").to_numpy(),
                color,
            )
            _survival(right, one, color, str(name))
        left.axhline(float(dataset["threshold"].mean()), color="0.4", linewidth=0.8, linestyle=":")
        left.set(xscale="log", yscale="log", xlabel="epochs", ylabel=error.replace("_", " "))
        late = dataset["epoch"].to_numpy()
        late = late[late > 0]
        if late.size:  # also where nothing was recorded there
            left.set_xlim(0.8 * late[0], 1.25 * late[-1])
        right.set(xscale="log", xlabel="time", ylabel="share not converged", ylim=(-0.03, 1.03))
        if right.lines:
            right.legend(frameon=False)
    return figure


def _colors(dataset: xr.Dataset) -> dict[str, str]:
    """A colour for every rule, the same in all panels."""
    cycle = itertools.cycle(mpl.rcParams["axes.prop_cycle"].by_key()["color"])
    return dict(zip(dataset["rule"].to_numpy().tolist(), cycle, strict=False))


def _curves(axes: Axes, epochs: np.ndarray, errors: np.ndarray, color: str) -> None:
    late = epochs > 0
    axes.plot(epochs[late], errors[:, late].T, color=color, alpha=0.3, linewidth=0.7)
    known = late & ~np.isnan(errors).any(axis=0)
    axes.plot(epochs[known], np.median(errors[:, known], axis=0), color=color, linewidth=2)


def _survival(axes: Axes, one: xr.Dataset, color: str, label: str) -> None:
    times, horizon = one["convergence_time"].to_numpy(), float(one["horizon"])
    arrived = np.sort(times[~np.isnan(times)])
    share = 1 - np.arange(arrived.size + 1) / times.size
    # All runs that do not arrive are censored at the horizon: the estimate is one minus the share that has arrived.
    later = arrived[arrived > 0]
    first = later[0] / 2 if later.size else horizon / 10
    # Runs that have converged at the start are drawn at the left end of the logarithmic axis.
    axes.step([first, *arrived.clip(first), horizon], [*share, share[-1]], where="post", color=color, label=label)


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
    if convention not in CONVENTIONS:
        raise ValueError(f"convention: got {convention!r}, allowed are {', '.join(CONVENTIONS)}.")
    along = [d for d in dataset.convergence_epoch.dims if d not in ("rule", "realization")]
    if len(along) != 1:
        raise ValueError(f"dataset: it has the dimensions {along}; required is one besides rule and realization.")
    axis, labels = along[0], labels or {}
    with styled():
        if convention == "published":
            figure, axes = plt.subplots(figsize=(4.4, 3.2))
            _published(axes, dataset, axis, labels)
            return figure
        figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.2))
        _medians(left, dataset, axis, labels)
        _speed_ups(right, dataset, axis, labels)
    return figure


def _published(axes: Axes, dataset: xr.Dataset, axis: Any, labels: Any) -> None:
    epochs = dataset["convergence_epoch"].transpose(axis, "rule", "realization")
    epochs = epochs.where(epochs >= 0)
    mean = epochs.mean("realization")
    error = epochs.std("realization", ddof=1) / np.sqrt(epochs.count("realization"))
    for name in dataset["rule"].to_numpy():
        axes.errorbar(
            _places(dataset, axis), mean.sel(rule=name), error.sel(rule=name), marker="o", markersize=3, capsize=2,
            label=labels.get(name, name),
        )  # fmt: skip
    axes.set(yscale="log", ylabel="epoch of convergence, mean ± SEM")
    _along(axes, dataset, axis)


def _medians(axes: Axes, dataset: xr.Dataset, axis: Any, labels: Any) -> None:
    horizon = float(dataset["horizon"].max())
    for name, color in _colors(dataset).items():
        one = dataset.sel(rule=name)
        x, median = _places(dataset, axis), one["median_time"].to_numpy()
        lower, upper = one["median_time_lower"].to_numpy(), one["median_time_upper"].to_numpy()
        axes.plot(x, median, marker="o", markersize=3, color=color, label=labels.get(name, name))
        # Where a limit is unknown, the interval is open.
        low, high = np.where(np.isnan(lower), median, lower), np.where(np.isnan(upper), horizon, upper)
        known, never = ~np.isnan(median), np.isnan(median) & one["arrived_share"].notnull().to_numpy()
        axes.vlines(x[known], low[known], high[known], color=color, alpha=0.5, linewidth=1)
        style = {"marker": "^", "markersize": 5, "fillstyle": "none", "linestyle": "none"}
        axes.plot(x[never], np.full(never.sum(), horizon), color=color, **style)
    axes.axhline(horizon, color="0.6", linewidth=0.8, linestyle=":")
    axes.set(yscale="log", ylabel="median time of convergence")
    _along(axes, dataset, axis)


def _speed_ups(axes: Axes, dataset: xr.Dataset, axis: Any, labels: Any) -> None:
    for name in dataset["compared"].to_numpy().tolist():
        one, color = dataset.sel(compared=name), _colors(dataset)[name]
        middle = one["speed_up"].to_numpy()
        ends = np.array([middle - one["speed_up_lower"].to_numpy(), one["speed_up_upper"].to_numpy() - middle])
        axes.errorbar(
            _places(dataset, axis), middle, np.nan_to_num(ends).clip(0), marker="o", markersize=3, capsize=2,
            color=color, label=f"{labels.get(name, name)}, both arrive",
        )  # fmt: skip
        style = {"marker": "s", "markersize": 3, "fillstyle": "none", "linestyle": ":"}
        label = "ratio of restricted means, all runs"
        axes.plot(_places(dataset, axis), one["mean_time_ratio"], color=color, label=label, **style)
    axes.axhline(1, color="0.4", linewidth=0.8)
    axes.set(yscale="log", ylabel=f"speed-up over {labels.get(dataset.attrs.get('baseline'), 'the first rule')}")
    _along(axes, dataset, axis)


def _places(dataset: xr.Dataset, axis: Any) -> np.ndarray:
    """Where the values of an axis are drawn: in a row if they are not numbers."""
    values = dataset[axis].to_numpy()
    return values.astype(float) if values.dtype.kind in "iuf" else np.arange(values.size, dtype=float)


def _along(axes: Axes, dataset: xr.Dataset, axis: Any) -> None:
    x = _places(dataset, axis)
    if dataset[axis].dtype.kind not in "iuf":
        axes.set_xticks(x, [str(value) for value in dataset[axis].to_numpy()], rotation=20, ha="right")
    elif x.size > 3 and x.min() > 0 and x.max() > 30 * x.min():
        axes.set_xscale("log")
    axes.set_xlabel(str(dataset[axis].attrs.get("long_name", axis)))
    axes.legend(frameon=False)
