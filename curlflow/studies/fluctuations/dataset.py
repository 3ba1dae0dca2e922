"""The dataset of `curlflow.fluctuations`."""

import math
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float, Int

from ... import results
from ...measures.autocorrelation import WindowStatus, of_records
from ...measures.order_parameter import (
    layer_order_parameter_errors,
    layer_order_parameters,
    order_parameter,
    order_parameter_error,
)
from ...measures.pca import of_snapshots
from ...measures.repetition import alternating
from ...status import Status
from ...variable import SOLVER, Variable
from ..assemble import along_coordinates, assembled, weight_coordinates
from ..observables import NONE, Observables
from .options import FluctuationOptions

AVERAGE = "averages of a window of `samples`, of which one in two integrated times is independent of the others"
"""The uncertainty of means and variances of single weights, whose standard errors follow from that."""
MIXED = "no error is known: components mix whose variances are not told apart"
"""The uncertainty of principal components."""
SCATTER = "what it describes is scatter"
"""The uncertainty of a standard deviation over weights."""


class Sampled(NamedTuple):
    """What was seen of one realization: moments over the window, some numbers at all samples, all at some samples."""

    status: Status
    mean: Float[np.ndarray, " numbers"]
    variance: Float[np.ndarray, " numbers"]
    records: Float[np.ndarray, "samples recorded"]
    snapshots: Float[np.ndarray, "snapshots numbers"]
    observed: Float[np.ndarray, "samples observables"] | None = None


class Axes(NamedTuple):
    """What the dimensions of a dataset are.

    **Attributes:**

    - `along`: the name of time.
    - `time_per_unit`: units of time in one unit along it.
    - `recorded`: places of the recorded numbers among all.
    - `shapes`: of the layers, where the numbers are weights; else none.
    """

    along: str
    time_per_unit: float
    recorded: Int[np.ndarray, " recorded"]
    shapes: list[tuple[int, ...]]


def fluctuation_dataset(
    sampled: list[Sampled],
    options: FluctuationOptions,
    axes: Axes,
    about: dict[str, Any],
    records_of: Any = None,
    further: Observables = NONE,
) -> xr.Dataset:
    """Indicators of every realization, with labels.

    `records_of` is the study whose dataset was looked at, if any, and `further` what was looked at besides.
    """
    rows = [_row(s, options, axes) | further.split(s.observed) for s in sampled]
    settings = options.settings | {"records_of": records_of}
    declared = [*_variables(axes), *further.variables(("realization", axes.along))]
    return assembled("fluctuations", declared, rows, _coordinates(options, axes), settings, about)


def _row(s: Sampled, options: FluctuationOptions, axes: Axes) -> dict[str, Any]:
    """All variables of one realization, NaN for what was not seen."""
    found = {"samples": len(s.records), "time_mean": s.mean, "time_variance": s.variance, "records": s.records}
    known, sizes = not np.isnan(s.mean).any(), [math.prod(shape) for shape in axes.shapes]
    # All weights at all samples if they were recorded, else at those of the snapshots.
    series = s.records if s.records.shape[1] == s.mean.size else s.snapshots
    found["order_parameter_se"] = order_parameter_error(series) if known else np.nan
    found["order_parameter"] = order_parameter(s.mean, s.variance) if known else np.nan
    if sizes:
        nothing = np.full(len(sizes), np.nan)
        found["layer_order_parameter"] = layer_order_parameters(s.mean, s.variance, sizes) if known else nothing
        found["layer_order_parameter_se"] = layer_order_parameter_errors(series, sizes) if known else nothing
    found |= of_records(s.records, options.lags, options.interval * axes.time_per_unit)
    found |= of_snapshots(s.snapshots, options.components, options.shown, float(s.variance.sum()))
    every_iteration = axes.along != "time" and options.interval == 1 and len(s.records) >= 3
    repeats = s.status == Status.completed and every_iteration and alternating(*s.records[-3:])
    return found | {"status": np.int8(Status.period_two if repeats else s.status)}


def _coordinates(options: FluctuationOptions, axes: Axes) -> dict[str, Any]:
    units = {"time": "time", "epoch": "passes through the training data", "iteration": "iterations of the map"}
    kind = float if axes.along == "time" else np.int64
    lags = options.interval * np.arange(options.lags)
    found = along_coordinates(axes.along, options.times, axes.time_per_unit) | {
        axes.along: ((axes.along,), options.times.astype(kind), units[axes.along]),
        "lag": (("lag",), lags.astype(kind), f"lag, {units[axes.along]}"),
        "component": (("component",), np.arange(1, options.components + 1), "principal component"),
        "recorded": (("recorded",), axes.recorded, "place of what is recorded among all"),
    }
    if axes.shapes:
        found["layer"] = (("layer",), np.arange(1, len(axes.shapes) + 1), "layer of weights")
        found |= weight_coordinates(axes.shapes, np.arange(sum(map(math.prod, axes.shapes))))
    return found


def _variables(axes: Axes) -> tuple[Variable, ...]:
    one, learning = ("realization",), bool(axes.shapes)
    numbers = "weight" if learning else "state_variable"
    what = "weights" if learning else "state variables"
    trusted = {"ancillary_variables": "window_status status"}
    estimates = (
        Variable("order_parameter", one, f"order parameter q over all {what}", attributes=trusted),
        Variable("layer_order_parameter", (*one, "layer"), "order parameter q of a layer", attributes=trusted),
        Variable("autocorrelation", (*one, "lag"), f"autocorrelation, mean over {what}", attributes=trusted),
        Variable("autocorrelation_weighted", (*one, "lag"), "ratio of mean autocovariances", attributes=trusted),
        Variable("integrated_time", one, "integrated autocorrelation time, in units of time", attributes=trusted),
        Variable("decay_time", one, "time after which the autocorrelation is 1/e", attributes=trusted),
        Variable("explained_variance", (*one, "component"), "variance along a component"),
        Variable("explained_variance_ratio", (*one, "component"), "share of the variance along a component"),
        Variable("participation_ratio", one, "participation ratio of the variances along all components"),
    )
    spread = f"standard deviation of the autocorrelation over {what}"
    along = (*one, axes.along)
    return (
        *estimates,
        *(Variable(f"{v.name}_se", v.dims, f"standard error: {v.long_name}") for v in estimates),
        Variable("autocorrelation_spread", (*one, "lag"), spread, uncertainty=SCATTER),
        Variable("moving", one, f"number of recorded {what} that move"),
        Variable(
            "principal_component",
            (*one, "component", numbers),
            "principal component of the trajectory",
            uncertainty=MIXED,
        ),
        Variable(
            "projection", (*along, "component"), "projection of snapshots; NaN at other times", uncertainty=MIXED
        ),
        Variable("time_mean", (*one, numbers), f"mean of {what} over the window", uncertainty=AVERAGE),
        Variable("time_variance", (*one, numbers), f"variance of {what} over the window", uncertainty=AVERAGE),
        Variable("records", (*along, "recorded"), f"some {what} at every sample", uncertainty=SOLVER),
        Variable("samples", one, "number of samples in the window"),
        results.flag_variable("window_status", one, "what the window is good for", WindowStatus),
        results.status_variable(),
    )
