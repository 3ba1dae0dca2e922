"""Bifurcation diagrams, the evidence for a verdict, and fluctuations in a window of a run."""

from collections.abc import Iterable
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .style import ALONG, COLORS, axis_label, color_of, needs, selected, styled, words_of

SLIGHT = 1e-20
"""Values closer to zero than this are drawn at this value: errors below it all mean a solution."""
ROUNDING = 1e-9
"""Exponents of segments that differ by no more than this share of the largest have no distribution to draw."""


@styled()
def bifurcation(dataset: xr.Dataset, realization: Any = None) -> Figure:
    """Draw `curlflow.bifurcation`: above the late extrema, a color for each realization; below λ₁ ± its error.

    A vertical line marks where large networks lose stability by the theory; dotted lines mark where the solutions of
    the realizations do.

    **Arguments:**

    - `realization`: the number of one realization. Default: all.

    **Raises:** `ValueError` for a dataset without extrema, and realizations that it does not have.
    """
    needs(dataset, "late_extremum", "lyapunov_exponent", "lyapunov_exponent_se", "verdict")
    selected(dataset, 0 if realization is None else realization)
    name = next((d for d in dataset.verdict.dims if d != "realization"), None)
    if name is None:
        raise ValueError("dataset: it has no parameter; select several values.")
    shown = range(dataset.sizes["realization"]) if realization is None else [realization]
    figure, (above, below) = plt.subplots(2, 1, figsize=(7.5, 5.6), sharex=True, height_ratios=(3, 2))
    for i in shown:
        one, x = dataset.isel(realization=i), dataset[name].to_numpy()
        values = one.late_extremum.transpose(name, "extremum").to_numpy()
        values, there = np.where(np.abs(values) < SLIGHT, SLIGHT, values), np.isfinite(values)
        x_of_values = np.broadcast_to(x[:, None], values.shape)[there]
        above.plot(x_of_values, values[there], ".", color=color_of(i), markersize=2, alpha=0.7, rasterized=True)
        mean, error = (one[v].isel(exponent=0).to_numpy() for v in ("lyapunov_exponent", "lyapunov_exponent_se"))
        below.plot(x, mean, color=color_of(i), linewidth=1)
        below.fill_between(x, mean - error, mean + error, color=color_of(i), alpha=0.25, linewidth=0)
    for axes in (above, below):
        _losses_of_stability(axes, dataset, name, shown)
    above.set_ylabel(f"late extrema of {dataset.attrs.get('observable', 'observable').replace('_', ' ')}")
    # The axis is logarithmic for errors that reach solutions.
    values = dataset.late_extremum.to_numpy()
    values = values[np.isfinite(values)]
    if "error" in dataset.attrs.get("observable", "") and values.size and values.min() < 1e-6 * values.max():
        above.set(yscale="log", ylim=(max(float(values.min()), SLIGHT) / 3, float(values.max()) * 3))
    below.axhline(0, color="black", linewidth=0.6)
    below.set(ylabel="λ₁ per unit of time", xlabel=axis_label(dataset, name))
    if above.get_legend_handles_labels()[1]:
        above.legend()
    return figure


def _losses_of_stability(axes: Axes, dataset: xr.Dataset, name: str, shown: Iterable[int]) -> None:
    if "critical_value" in dataset and np.isfinite(float(dataset.critical_value)):
        axes.axvline(float(dataset.critical_value), color="black", linewidth=1, label="theory of large networks")
    if "solution_rate" not in dataset:
        return
    x, label = dataset[name].to_numpy(), "these solutions lose stability"
    for i in shown:
        unstable = dataset.solution_rate.isel(realization=i).to_numpy() > 0
        for k in np.flatnonzero(unstable[1:] != unstable[:-1]):
            axes.axvline((x[k] + x[k + 1]) / 2, color=color_of(i), linewidth=1, linestyle=":", label=label)
            label = None


@styled()
def classification(dataset: xr.Dataset, realization: Any = 0) -> Figure:
    """Draw one realization of `curlflow.classify`: the largest exponent over segments of the window with its mean and
    standard error, power spectra with their peaks (● lines, ○ broad), K of the 0–1 test with quartiles.

    **Raises:** `ValueError` for a dataset without verdicts, and realizations that it does not have.
    """
    if isinstance(dataset, xr.Dataset) and dataset.attrs.get("study") == "step_sizes":
        raise ValueError(
            "dataset: curlflow.step_sizes keeps no spectra; draw what curlflow.classify returns for one learning "
            "rate, or lyapunov_exponent over learning_rate."
        )
    needs(dataset, "verdict", "zero_one", "power")
    one = selected(dataset, realization)
    figure, (segments, spectra, test) = plt.subplots(1, 3, figsize=(10.5, 3.4))
    _segments(segments, one)
    _spectra(spectra, one)
    _test(test, one)
    figure.suptitle(f"{words_of(one.verdict, one.verdict)}: {one.reason.item()}", fontsize="medium")
    return figure


def _segments(axes: Axes, one: xr.Dataset) -> None:
    values = one.finite_time_exponent.to_numpy()
    values = values[np.isfinite(values)]
    mean, error = float(one.lyapunov_exponent[0]), float(one.lyapunov_exponent_se[0])
    if values.size and np.ptp(values) > ROUNDING * np.abs(values).max():
        axes.hist(values, bins=25, color=COLORS[0], alpha=0.5)
    if np.isfinite(mean):
        axes.axvline(mean, color="black")
        axes.axvspan(mean - error, mean + error, color="black", alpha=0.2, linewidth=0)
    axes.axvline(0, color="black", linewidth=0.6, linestyle=":")
    label = f"λ₁ over {float(one.finite_time):.3g} units of time"
    axes.set(xlabel=label, ylabel="segments of the window", title=f"λ₁ = {mean:.3g} ± {error:.1g}")


def _spectra(axes: Axes, one: xr.Dataset) -> None:
    # Of a divergence squares may be beyond all numbers.
    finite = np.isfinite(one.power.transpose("observable", "frequency").to_numpy()).all(axis=1)
    moving, frequency = np.flatnonzero(one.moves.to_numpy() & finite)[:4], one.frequency.to_numpy()
    for run in (one.transpose("observable", "frequency", ...).isel(observable=i) for i in moving):
        power = run.power.to_numpy()
        (line,) = axes.plot(frequency[1:], power[1:], linewidth=0.9, label=str(run.observable.item()))
        for place, narrow in zip(run.peak_frequency.to_numpy(), run.peak_is_line.to_numpy(), strict=True):
            if place > 0:
                style = {"color": line.get_color(), "fillstyle": "full" if narrow else "none", "markersize": 4}
                axes.plot(place, power[np.argmin(np.abs(frequency - place))], "o", **style)
    if moving.size and frequency.size > 1:
        axes.set(xscale="log", yscale="log")
        axes.legend(fontsize="x-small")
    axes.set(xlabel="frequency", title="power spectra")


def _test(axes: Axes, one: xr.Dataset) -> None:
    k, places = one.zero_one.to_numpy(), np.arange(one.sizes["observable"])
    ends = np.abs(np.stack([k - one.zero_one_lower, one.zero_one_upper - k]))
    oversampled = one.zero_one_oversampled.to_numpy().astype(bool)
    for chosen, style in ((~oversampled, "full"), (oversampled, "none")):
        options = {"fmt": "o", "color": COLORS[0], "fillstyle": style, "markersize": 5}
        axes.errorbar(places[chosen], k[chosen], ends[:, chosen], **options)
    for level in (0, 1):
        axes.axhline(level, color="black", linewidth=0.6, linestyle=":")
    axes.set_xticks(places, [str(n) for n in one.observable.to_numpy()], rotation=60, ha="right", fontsize="x-small")
    axes.set(ylim=(-0.6, 1.1), title="K of the 0–1 test (○ oversampled)")


@styled()
def fluctuations(dataset: xr.Dataset, realization: Any = 0) -> Figure:
    """Draw one realization of `curlflow.fluctuations`: traces of weights, their autocorrelation with its spread, and
    the plane of the first two principal components. Autocorrelations of the other realizations are thin.

    **Raises:** `ValueError` for a dataset without fluctuations, and realizations that it does not have.
    """
    needs(dataset, "records", "autocorrelation", "projection")
    one = selected(dataset, realization)
    along = next(d for d in one.records.dims if d != "recorded")
    figure, (traces, correlation, plane) = plt.subplots(1, 3, figsize=(10.5, 3.2))
    shown = one.records.transpose(along, "recorded")[:, :6]
    traces.plot(one[along], shown, linewidth=0.9)
    traces.locator_params(axis="x", nbins=5)
    label = f"{shown.sizes['recorded']} of {one.sizes['recorded']} recorded"
    traces.set(xlabel=ALONG[along], ylabel=label, title=f"q = {float(one.order_parameter):.2g}")
    _correlation(correlation, dataset, one, along)
    _plane(plane, one)
    return figure


def _correlation(axes: Axes, dataset: xr.Dataset, one: xr.Dataset, along: str) -> None:
    lags, mean, spread = (one[name].to_numpy() for name in ("lag", "autocorrelation", "autocorrelation_spread"))
    others = dataset.autocorrelation.transpose("lag", "realization").to_numpy()
    axes.plot(lags, others, color=COLORS[1], linewidth=0.7, alpha=0.5)
    axes.plot(lags, mean, color=COLORS[0])
    axes.fill_between(lags, mean - spread, mean + spread, color=COLORS[0], alpha=0.2, linewidth=0)
    axes.axhline(0, color="black", linewidth=0.6)
    axes.set(xlabel=f"lag, {ALONG[along]}", title="autocorrelation and spread")
    unit = float(one.time[-1] - one.time[0]) / float(one[along][-1] - one[along][0]) if along in one.coords else 1.0
    decay = float(one.decay_time) / unit
    if np.isfinite(decay) and 5 * decay < lags[-1]:  # the first five decay times
        axes.set_xlim(0, max(5 * decay, 20 * (lags[1] - lags[0])))


def _plane(axes: Axes, one: xr.Dataset) -> None:
    shares = one.explained_variance_ratio.to_numpy()
    points = one.projection.dropna(one.projection.dims[0]).transpose(..., "component").to_numpy()
    if len(points) and points.shape[1] > 1:
        axes.plot(points[:, 0], points[:, 1], linewidth=0.6, marker=".", markersize=2.5)
    for number, label in enumerate((axes.set_xlabel, axes.set_ylabel)):
        share = f" ({shares[number]:.0%})" if number < shares.size and np.isfinite(shares[number]) else ""
        label(f"component {number + 1}{share}")
    axes.set_title(f"participation ratio {float(one.participation_ratio):.3g}")
