"""A window of a run: traces, autocorrelation, principal plane."""

from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .style import check_realization, needs, styled

TRACES = 6
SHOWN_TIMES = 5
"""Autocorrelations are drawn up to this number of decay times, where these are known."""
WORDS = {"time": "time", "epoch": "epochs", "iteration": "iterations"}


def fluctuations(dataset: xr.Dataset, realization: Any = 0) -> Figure:
    """Draw one realization of `curlflow.fluctuations`: traces of weights, their autocorrelation with its spread, and
    the plane of the first two principal components. Autocorrelations of the other realizations are thin.

    **Raises:** `ValueError` for a dataset without fluctuations, and realizations that it does not have.
    """
    needs(dataset, "records", "autocorrelation", "projection")
    check_realization(dataset, realization)
    one = dataset.isel(realization=realization)
    along = next(d for d in one.records.dims if d != "recorded")
    with styled():
        figure, (traces, correlation, plane) = plt.subplots(1, 3, figsize=(10.5, 3.2))
        _traces(traces, one, along)
        _correlation(correlation, dataset, one, along)
        _plane(plane, one)
    return figure


def _traces(axes: Axes, one: xr.Dataset, along: str) -> None:
    axes.plot(one[along], one.records.transpose(along, "recorded")[:, :TRACES], linewidth=0.9)
    axes.locator_params(axis="x", nbins=5)
    axes.set_xlabel(WORDS[along])
    axes.set_ylabel(f"{min(TRACES, one.sizes['recorded'])} of {one.sizes['recorded']} recorded")
    axes.set_title(f"q = {float(one.order_parameter):.2g}")


def _correlation(axes: Axes, dataset: xr.Dataset, one: xr.Dataset, along: str) -> None:
    lags = one.lag.to_numpy()
    first, second = mpl.rcParams["axes.prop_cycle"].by_key()["color"][:2]
    others = dataset.autocorrelation.transpose("lag", "realization").to_numpy()
    axes.plot(lags, others, color=second, linewidth=0.7, alpha=0.5)
    mean, spread = one.autocorrelation.to_numpy(), one.autocorrelation_spread.to_numpy()
    axes.plot(lags, mean, color=first)
    axes.fill_between(lags, mean - spread, mean + spread, color=first, alpha=0.2, linewidth=0)
    axes.axhline(0, color="black", linewidth=0.6)
    axes.set_xlabel(f"lag, {WORDS[along]}")
    axes.set_title("autocorrelation and spread")
    unit = float(one.time[-1] - one.time[0]) / float(one[along][-1] - one[along][0]) if along in one.coords else 1.0
    decay = float(one.decay_time) / unit
    if np.isfinite(decay) and SHOWN_TIMES * decay < lags[-1]:
        axes.set_xlim(0, max(SHOWN_TIMES * decay, 20 * (lags[1] - lags[0])))


def _plane(axes: Axes, one: xr.Dataset) -> None:
    shares = one.explained_variance_ratio.to_numpy()
    points = one.projection.dropna(one.projection.dims[0]).transpose(..., "component").to_numpy()
    if len(points) and points.shape[1] > 1:
        axes.plot(points[:, 0], points[:, 1], linewidth=0.6, marker=".", markersize=2.5)
    for number, label in enumerate((axes.set_xlabel, axes.set_ylabel)):
        share = f" ({shares[number]:.0%})" if number < shares.size and np.isfinite(shares[number]) else ""
        label(f"component {number + 1}{share}")
    axes.set_title(f"participation ratio {float(one.participation_ratio):.3g}")
