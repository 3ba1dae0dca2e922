"""The dataset of `curlflow.train`."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
import xarray as xr

from ... import results
from ...status import Status
from ...variable import Variable
from .plan import Plan
from .runs import Run
from .stopping import Stop

R = ("realization",)
STATUS = {"ancillary_variables": "status"}
VARIABLES = (
    Variable("test_error", R, "test error at the end, half the mean squared error", attributes=STATUS),
    Variable("train_error", R, "training error at the end, half the mean squared error", attributes=STATUS),
    Variable("peak_error", R, "largest training error at any record", attributes=STATUS),
    Variable("stop_epoch", R, "epochs that were computed"),
    results.flag_variable("stopped_by", R, "what ended the run", Stop),
    results.status_variable(),
)


def assemble(runs: Sequence[Run], plan: Plan, settings: Mapping[str, Any], subject: Mapping[str, str]) -> xr.Dataset:
    """What every run ended in, finished or not."""
    failed = np.array([run.stop == Stop.failed for run in runs])
    data = {
        "test_error": np.where(failed, np.nan, [run.test_error for run in runs]),
        "train_error": np.where(failed, np.nan, [run.train_error for run in runs]),
        "peak_error": np.array([run.peak for run in runs]),
        "stop_epoch": np.array([run.epoch for run in runs]),
        "stopped_by": np.array([Stop.interrupted if run.stop is None else run.stop for run in runs], dtype=np.int8),
        "status": np.array([_status(run) for run in runs], dtype=np.int8),
    }
    coordinates = {"realization": (R, np.arange(len(runs)), "realization")}
    device = jax.devices()[0]
    settings = {**settings, "recorded_epochs": f"0 and {plan.epochs.size - 1} from 1 to {plan.epochs[-1]}"}
    compression = runs[0].problem.compression
    narrowed = {} if compression is None else {"compression": json.dumps(compression.summary)}
    attributes = results.provenance("train", settings, f"{device.platform}: {device.device_kind}")
    return results.labelled(VARIABLES, data, coordinates, attributes | dict(subject) | narrowed)


def _status(run: Run) -> Status:
    if run.stop is not None:
        return run.status
    return Status.interrupted if run.done else Status.not_run
