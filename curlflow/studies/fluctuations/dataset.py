"""The dataset of `curlflow.fluctuations`."""

from enum import IntEnum
from typing import Any, NamedTuple

import jax
import numpy as np
import xarray as xr
from jaxtyping import Float, Int

from ... import results
from ...measures.autocorrelation import averages, decay_time, integrated_time
from ...measures.order_parameter import layer_order_parameters, order_parameter
from ...measures.pca import principal_components
from ...status import Status
from ...variable import Variable
from ..simulate import weight_coordinates
from ..train.stopping import alternating
from .options import Options

LONG_ENOUGH = 50
"""A window of fewer integrated times says little about averages."""


class WindowStatus(IntEnum):
    """What a window is good for."""

    long_enough = 0
    still = 1
    short = 2
    lags_too_few = 3
    not_seen = 4


class Sampled(NamedTuple):
    """What was seen of one realization.

    **Attributes:**

    - `mean`, `variance`: of all numbers over the window.
    - `records`: of some of them at every sample.
    - `snapshots`: of all of them, at some samples.
    """

    status: Status
    mean: Float[np.ndarray, " numbers"]
    variance: Float[np.ndarray, " numbers"]
    records: Float[np.ndarray, "samples recorded"]
    snapshots: Float[np.ndarray, "snapshots numbers"]


class Axes(NamedTuple):
    """What the dimensions of a dataset are.

    **Attributes:**

    - `along`: the name of time.
    - `time_per_unit`: units of time in one unit along it.
    - `recorded`: places of the recorded numbers among all.
    - `shapes`: of the layers, where the numbers are weights; else None.
    """

    along: str
    time_per_unit: float
    recorded: Int[np.ndarray, " recorded"]
    shapes: list[tuple[int, int]] | None


def assemble(
    sampled: list[Sampled], options: Options, axes: Axes, settings: dict[str, Any], subject: dict[str, Any]
) -> xr.Dataset:
    """Indicators of every realization, with labels."""
    found = [_indicators(s, options, axes) for s in sampled]
    data = {name: np.stack([f[name] for f in found]) for name in found[0]}
    data["status"] = np.array([_status(s, options, axes) for s in sampled], dtype=np.int8)
    device = jax.devices()[0]
    attributes = results.provenance("fluctuations", settings, f"{device.platform}: {device.device_kind}")
    return results.labelled(_variables(axes), data, _coordinates(len(sampled), options, axes), attributes | subject)


def _status(s: Sampled, options: Options, axes: Axes) -> Status:
    """How the run ended; of a map also whether two states alternate, as in `curlflow.studies.train.stopping`."""
    if s.status != Status.completed or axes.along == "time" or options.interval != 1 or len(s.records) < 3:
        return s.status
    return Status.period_two if alternating(*s.records[-3:]) else s.status


def _indicators(s: Sampled, options: Options, axes: Axes) -> dict[str, Any]:
    """All variables of one realization, NaN for what was not seen."""
    return (
        {
            "samples": len(s.records),
            "time_mean": s.mean,
            "time_variance": s.variance,
            "records": _padded(s.records, options.samples),
        }
        | _order(s, axes)
        | _correlations(s.records, options, axes)
        | _components(s, options)
    )


def _order(s: Sampled, axes: Axes) -> dict[str, Any]:
    if np.isnan(s.mean).any():
        layers = np.full(len(axes.shapes or ()), np.nan)
        found = {"order_parameter": np.nan, "layer_order_parameter": layers}
    else:
        sizes = [post * pre for post, pre in axes.shapes or ()]
        layers = layer_order_parameters(s.mean, s.variance, sizes) if sizes else np.empty(0)
        found = {"order_parameter": order_parameter(s.mean, s.variance), "layer_order_parameter": layers}
    if axes.shapes is None:
        del found["layer_order_parameter"]
    return found


def _correlations(records: np.ndarray, options: Options, axes: Axes) -> dict[str, Any]:
    lags = np.full(options.lags, np.nan)
    nothing = {
        "autocorrelation": lags, "autocorrelation_weighted": lags, "autocorrelation_spread": lags,
        "integrated_time": np.nan, "decay_time": np.nan, "moving": 0, "window_status": np.int8(WindowStatus.not_seen),
    }  # fmt: skip
    if len(records) < 2 or np.isnan(records).any():
        return nothing
    known = min(options.lags, max(1, len(records) // 2))
    found = averages(records, known)
    tau = integrated_time(found.mean_of_ratios)
    if not found.moving.any():
        verdict = WindowStatus.still
    elif np.isnan(tau):
        verdict = WindowStatus.lags_too_few
    else:
        verdict = WindowStatus.short if len(records) < LONG_ENOUGH * max(tau, 0.5) else WindowStatus.long_enough
    interval = options.interval * axes.time_per_unit
    return {
        "autocorrelation": _padded(found.mean_of_ratios, options.lags),
        "autocorrelation_weighted": _padded(found.ratio_of_means, options.lags),
        "autocorrelation_spread": _padded(found.spread, options.lags),
        "integrated_time": tau * interval,
        "decay_time": decay_time(found.mean_of_ratios) * interval,
        "moving": int(found.moving.sum()),
        "window_status": np.int8(verdict),
    }


def _components(s: Sampled, options: Options) -> dict[str, Any]:
    """The snapshots say how the variance is shared; how much there is in all is known from all samples."""
    snapshots, number, numbers = s.snapshots, options.components, s.snapshots.shape[1]
    projection = np.full((options.samples, number), np.nan)
    found = {
        "principal_component": np.full((number, numbers), np.nan),
        "explained_variance": np.full(number, np.nan),
        "explained_variance_ratio": np.full(number, np.nan),
        "participation_ratio": np.nan,
        "projection": projection,
    }
    if len(snapshots) <= number or np.isnan(snapshots).any():
        return found
    components = principal_components(snapshots, number)
    projection[options.shown[: len(snapshots)]] = components.projections
    total = float(s.variance.sum())
    return found | {
        "principal_component": components.directions,
        "explained_variance": components.shares * (total if np.isfinite(total) else components.variance),
        "explained_variance_ratio": components.shares,
        "participation_ratio": components.participation_ratio,
    }


def _padded(values: np.ndarray, length: int) -> np.ndarray:
    """With NaN up to a length."""
    return np.concatenate([values, np.full((length - len(values), *values.shape[1:]), np.nan)])


def _coordinates(number: int, options: Options, axes: Axes) -> dict[str, Any]:
    times = options.times
    whole = axes.along != "time"
    lags = options.interval * np.arange(options.lags)
    units = {"time": "time", "epoch": "passes through the training data", "iteration": "iterations of the map"}
    kind = np.int64 if whole else float
    found = {
        "realization": (("realization",), np.arange(number), "realization"),
        axes.along: ((axes.along,), times.astype(kind), units[axes.along]),
        "lag": (("lag",), lags.astype(kind), f"lag, {units[axes.along]}"),
        "component": (("component",), np.arange(1, options.components + 1), "principal component"),
        "recorded": (("recorded",), axes.recorded, "place of what is recorded among all"),
    }
    if whole:
        found["time"] = ((axes.along,), times * axes.time_per_unit, "time")
    if axes.shapes is not None:
        found["layer"] = (("layer",), np.arange(1, len(axes.shapes) + 1), "layer of weights")
        found |= weight_coordinates(axes.shapes, np.arange(sum(post * pre for post, pre in axes.shapes)))
    return found


def _variables(axes: Axes) -> tuple[Variable, ...]:
    one, learning = ("realization",), axes.shapes is not None
    numbers = "weight" if learning else "state_variable"
    what = "weights" if learning else "state variables"
    trusted = {"ancillary_variables": "window_status status"}
    return (
        Variable("order_parameter", one, f"order parameter q over all {what}", attributes=trusted),
        Variable("layer_order_parameter", (*one, "layer"), "order parameter q of a layer", attributes=trusted),
        Variable("autocorrelation", (*one, "lag"), f"autocorrelation, mean over {what}", attributes=trusted),
        Variable("autocorrelation_weighted", (*one, "lag"), "ratio of mean autocovariances", attributes=trusted),
        Variable("autocorrelation_spread", (*one, "lag"), f"standard deviation of the autocorrelation over {what}"),
        Variable("integrated_time", one, "integrated autocorrelation time, in units of time", attributes=trusted),
        Variable("decay_time", one, "time after which the autocorrelation is 1/e", attributes=trusted),
        Variable("moving", one, f"number of recorded {what} that move"),
        Variable("principal_component", (*one, "component", numbers), "principal component of the trajectory"),
        Variable("explained_variance", (*one, "component"), "variance along a component"),
        Variable("explained_variance_ratio", (*one, "component"), "share of the variance along a component"),
        Variable("participation_ratio", one, "participation ratio of the variances along all components"),
        Variable("projection", (*one, axes.along, "component"), "projection of snapshots; NaN at other times"),
        Variable("time_mean", (*one, numbers), f"mean of {what} over the window"),
        Variable("time_variance", (*one, numbers), f"variance of {what} over the window"),
        Variable("records", (*one, axes.along, "recorded"), f"some {what} at every sample"),
        Variable("samples", one, "number of samples in the window"),
        results.flag_variable("window_status", one, "what the window is good for", WindowStatus),
        results.status_variable(),
    )
