"""Where a vector field is taken apart: one point, or the points of a trajectory, for every realization."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float

from ...networks import Feedforward
from ...spec import Spec
from ...status import Status
from ...systems import AbstractSystem
from ..simulate import simulate
from .flat_fields import Subject, point
from .records import check_record


@dataclass
class Points:
    """The points of one realization."""

    states: Float[np.ndarray, "points n"]
    times: Float[np.ndarray, " points"]
    status: Status = Status.completed


@dataclass(frozen=True)
class Where:
    """The points of all realizations.

    **Attributes:**

    - `realizations`: one `Points` each.
    - `along`: the name of the dimension along a trajectory, or None for single points.
    - `coordinates`: of that dimension: (dims, values, long_name) by name.
    - `label`: what to call it in the dataset.
    """

    realizations: list[Points]
    along: str | None
    coordinates: dict[str, tuple[Any, Any, str]]
    label: str


def points_of(
    subject: Spec | AbstractSystem,
    at: Any,
    times: Any,
    options: dict[str, Any],
    subjects: list[Subject],
    progress: Any,
) -> Where:
    """The points that the arguments `at` and `times` mean; `options` go on to `simulate`.

    **Raises:** `ValueError` for both together, as `flat_fields.point`, and for a dataset of something else.
    """
    if times is not None:
        if not (isinstance(at, str) and at == "start"):
            raise ValueError("at: times run from the start; leave one of the two out.")
        if any(isinstance(time, bool | np.bool_) for time in np.ravel(np.asarray(times, dtype=object))):
            raise ValueError(f"times: got {times!r}, required are numbers.")
        recorded = {"weights": "all"} if isinstance(subject, Spec) else {}
        return _along(simulate(subject, times=times, progress=progress, **options, **recorded), subjects, "times")
    if isinstance(at, xr.Dataset):
        where = _along(at, subjects, "dataset")
        if subjects[0].problem is not None:
            check_record(at, subjects[0].problem, [points.states for points in where.realizations])
        return where
    each = [at] * len(subjects)
    if isinstance(at, list | tuple) and at and all(isinstance(network, Feedforward) for network in at):
        if len(at) != len(subjects):
            raise ValueError(f"at: got {len(at)} networks, required is one for each of {len(subjects)} realizations.")
        each = list(at)
    single = [Points(point(a, s)[None], np.zeros(1)) for a, s in zip(each, subjects, strict=True)]
    return Where(single, None, {}, at if isinstance(at, str) else "weights")


def _along(dataset: xr.Dataset, subjects: list[Subject], label: str) -> Where:
    """All points of a dataset of `curlflow.simulate`."""
    name = "weights" if subjects[0].problem else "state"
    if name not in dataset or "time" not in dataset.coords or "realization" not in dataset.dims:
        raise ValueError(
            f"at: the dataset has no {name} over realization and time; required is one of curlflow.simulate"
            + (', recorded with weights="all".' if name == "weights" else ".")
        )
    (along,) = dataset["time"].dims
    values = dataset[name].transpose("realization", along, ...).to_numpy()
    if values.shape[2] != subjects[0].size or len(values) != len(subjects):
        remedy = '; record them with weights="all".' if name == "weights" else "."
        raise ValueError(
            f"at: the dataset has {len(values)} realizations with {values.shape[2]} {name}, required are "
            f"{len(subjects)} with {subjects[0].size}{remedy}"
        )
    times = dataset["time"].to_numpy()
    status = dataset["status"].to_numpy() if "status" in dataset else np.zeros(len(values), int)
    coordinates = {
        key: ((along,), dataset[key].to_numpy(), dataset[key].attrs.get("long_name", key))
        for key in dict.fromkeys(("time", along))
        if key in dataset.coords
    }
    points = [Points(v, times.astype(float), Status(int(s))) for v, s in zip(values, status, strict=True)]
    return Where(points, along, coordinates, label)
