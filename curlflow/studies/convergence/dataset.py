"""The dataset of `curlflow.convergence`."""

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any

import jax
import numpy as np
import xarray as xr

from ... import results
from ...status import Status
from ...variable import Variable
from ..train.plan import EPOCH, Plan
from ..train.stopping import Stop
from .runs import Arriving

RR = ("rule", "realization")
CURVE = (*RR, "epoch")
QUALIFIED = {"ancillary_variables": "outcome status"}


class Outcome(IntEnum):
    """How a run ended."""

    converged = 0
    not_by_the_end = 1
    failed = 2
    interrupted = 3


VARIABLES = (
    Variable("convergence_time", RR, "time at which the error first is at the threshold", attributes=QUALIFIED),
    Variable("convergence_epoch", RR, "number, from 0, of the first recorded epoch with an error below the "
             "threshold; else of the last epoch", attributes=QUALIFIED),
    Variable("converged", RR, "whether a record has an error below the threshold"),
    results.flag_variable("outcome", RR, "how the run ended", Outcome),
    Variable("test_error", RR, "test error at the end of the run, half the mean squared error", attributes=QUALIFIED),
    Variable("train_error", RR, "training error at the end of the run", attributes=QUALIFIED),
    Variable("peak_error", RR, "largest training error at any record", attributes=QUALIFIED),
    Variable("stop_epoch", RR, "epochs that were computed"),
    results.flag_variable("stopped_by", RR, "what ended the run", Stop),
    results.status_variable(RR),
    Variable("test_error_curve", CURVE, "test error at a record; NaN after the end of the run"),
    Variable("train_error_curve", CURVE, "training error at a record; NaN after the end of the run"),
    Variable("threshold", ("realization",), "error that has to be reached"),
    Variable("output_variance", ("realization",), "variance of the teacher's outputs, summed over the outputs"),
    Variable("horizon", (), "time at which runs end that have not reached the threshold"),
)  # fmt: skip


def assemble(
    names: Sequence[str],
    runs: Sequence[Arriving],
    plan: Plan,
    variances: Sequence[float],
    settings: Mapping[str, Any],
    subject: Mapping[str, str],
) -> xr.Dataset:
    """What every run has shown, finished or not.

    **Arguments:**

    - `runs`: all realizations of the first rule, then of the next one.
    """
    shape = (len(names), len(runs) // len(names))
    system = runs[0].run.system
    per_epoch = EPOCH if system.continuous else float(system.time(1))
    last = int(plan.epochs[-1])
    curves = np.full((*shape, plan.epochs.size, 2), np.nan)
    for at, r in zip(np.ndindex(shape), runs, strict=True):
        # Behind the records a run that settled has its errors at the last epoch.
        errors = r.run.errors[: r.run.done]
        if errors:
            curves[at][: len(errors)] = errors

    def each(of, kind=float):
        return np.array([of(r) for r in runs], dtype=kind).reshape(shape)

    outcomes = each(_outcome, np.int8)
    unknown = each(lambda r: r.run.stop is None or r.run.stop == Stop.failed, bool)
    data = {
        "convergence_time": each(lambda r: r.crossed) * float(system.time(1)),
        "convergence_epoch": each(lambda r: _published_epoch(r, plan), np.int64),
        "converged": each(lambda r: r.arrived is not None, bool),
        "outcome": outcomes,
        "test_error": np.where(unknown, np.nan, each(lambda r: r.run.test_error)),
        "train_error": np.where(unknown, np.nan, each(lambda r: r.run.train_error)),
        "peak_error": each(lambda r: r.run.peak),
        "stop_epoch": each(lambda r: r.run.epoch, np.int64),
        "stopped_by": each(lambda r: Stop.interrupted if r.run.stop is None else r.run.stop, np.int8),
        "status": each(_status, np.int8),
        "test_error_curve": curves[..., 1],
        "train_error_curve": curves[..., 0],
        "threshold": np.array([r.threshold for r in runs[: shape[1]]]),
        "output_variance": np.asarray(variances, dtype=float),
        "horizon": np.asarray(last * per_epoch),
    }
    coordinates = {
        "rule": (("rule",), np.array(list(names)), "learning rule"),
        "realization": (("realization",), np.arange(shape[1]), "realization"),
        "epoch": (("epoch",), plan.epochs, "complete passes through the training data"),
        "time": (("epoch",), plan.epochs * per_epoch, "time"),
    }
    device = jax.devices()[0]
    attributes = results.provenance("convergence", settings, f"{device.platform}: {device.device_kind}")
    return results.labelled(VARIABLES, data, coordinates, attributes | dict(subject))


def _published_epoch(r: Arriving, plan: Plan) -> int:
    """The epoch, counted from 0, of the first record below the threshold, or the last one."""
    after = plan.epochs[-1] if r.arrived is None else plan.epochs[r.arrived]
    return max(int(after) - 1, 0)


def _outcome(r: Arriving) -> Outcome:
    if r.arrived is not None:
        return Outcome.converged
    if r.run.stop is None:
        return Outcome.interrupted
    return Outcome.failed if r.run.stop == Stop.failed else Outcome.not_by_the_end


def _status(r: Arriving) -> Status:
    if r.run.stop is not None:
        return r.run.status
    return Status.interrupted if r.run.done else Status.not_run
