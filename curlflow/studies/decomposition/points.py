"""Where a vector field is taken apart: one point, or the points of a trajectory, for every realization."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float

from ...constraints import Masked
from ...problem import Problem
from ...status import Status
from ..points import points_of
from ..simulate import simulate
from ..subject import Subject, check_drawn, flat
from .flat_fields import FlatField

TABLES = ("network", "teacher", "data", "seed")
"""Fields of a spec that set the network, its teacher and the data."""
FREE = ("data.test_samples",)
"""What does not enter a velocity or a training error."""

States = Float[np.ndarray, "points n"]


@dataclass(frozen=True)
class Points:
    """The points of all realizations.

    **Attributes:**

    - `states`, `status`: one for each realization; how the run ended on which they were recorded.
    - `coordinates`: along a trajectory, (dims, values, long_name) by name; None for single points.
    - `label`: what the dataset calls them.
    """

    states: list[States]
    status: list[Status]
    times: Float[np.ndarray, " points"]
    coordinates: dict[str, tuple[Any, Any, str]] | None
    label: str


def chosen_points(subject: Subject, at: Any, times: Any, fields: list[FlatField], progress: Any) -> Points:
    """The points that the arguments `at` and `times` mean; `ValueError` for both, or a dataset of another problem."""
    if times is not None:
        if not (isinstance(at, str) and at == "start"):
            raise ValueError("at: times run from the start; leave one of the two out.")
        if any(isinstance(time, bool | np.bool_) for time in np.ravel(np.asarray(times, dtype=object))):
            raise ValueError(f"times: got {times!r}, required are numbers.")
        options = {"rule": subject.rule, "graph": subject.architecture, "progress": progress}
        options |= {"weights": "all"} if subject.learning else {}
        return _recorded(simulate(subject.given, times=times, **options), fields, "times")
    if isinstance(at, xr.Dataset):
        points = _recorded(at, fields, "dataset")
        if fields[0].problem is not None:
            _check_record(at, fields[0].problem, points.states)
        return points
    found = points_of([field.problem or field.flow for field in fields], at)
    states = [field.flat(state)[None] for field, state in zip(fields, found, strict=True)]
    label = at if isinstance(at, str) else "weights"
    return Points(states, [Status.completed] * len(states), np.zeros(1), None, label)


def _recorded(dataset: xr.Dataset, fields: list[FlatField], label: str) -> Points:
    """All points of a dataset of `curlflow.simulate`."""
    name, how = ("weights", ', recorded with weights="all".') if fields[0].problem else ("state", ".")
    if name not in dataset or "time" not in dataset.coords or "realization" not in dataset.dims:
        raise ValueError(
            f"at: the dataset has no {name} over realization and time; required is one of curlflow.simulate{how}"
        )
    (along,) = dataset["time"].dims
    values = dataset[name].transpose("realization", along, ...).to_numpy()
    if values.shape[2] != fields[0].size or len(values) != len(fields):
        raise ValueError(
            f"at: the dataset has {len(values)} realizations with {values.shape[2]} {name}, required are "
            f"{len(fields)} with {fields[0].size}{how}"
        )
    status = dataset["status"].to_numpy() if "status" in dataset else np.zeros(len(values), int)
    coordinates = {
        key: ((along,), dataset[key].to_numpy(), dataset[key].attrs.get("long_name", key))
        for key in dict.fromkeys(("time", along))
        if key in dataset.coords
    }
    times = dataset["time"].to_numpy().astype(float)
    return Points(list(values), [Status(int(s)) for s in status], times, coordinates, label)


def _check_record(dataset: xr.Dataset, problem: Problem, states: list[States]) -> None:
    """Refuse a dataset that is about another problem; rule, constraint and dynamics may differ.

    One without the attribute `spec` is taken as it is, except for weights on missing synapses.
    """
    if "spec" in dataset.attrs:
        now = Subject(problem.spec, architecture=problem.architecture).identity
        _check_graph(dataset.attrs.get("graph"), now.get("graph"))
        _check_spec(json.loads(dataset.attrs["spec"]), json.loads(now["spec"]), problem)
        check_drawn("at", dataset, problem.fingerprint, streams_only=True)
    if isinstance(problem.constraint, Masked):
        missing = ~np.concatenate([np.ravel(mask) for mask in problem.constraint.masks])
        # A run that diverged ends in NaN.
        extra = max(int(np.count_nonzero(np.nan_to_num(x[:, missing]).any(axis=0))) for x in states)
        if extra:
            raise ValueError(f"at: the dataset has {extra} weights on missing synapses that are not 0; they must be.")


def _check_graph(before: Any, now: str | None) -> None:
    if before == now:
        return
    if before is None:
        raise ValueError("at: the dataset was recorded without a graph; leave graph out, or record it with it.")
    if now is None:
        raise ValueError("at: the dataset was recorded with a graph; give the same one by graph=.")
    raise ValueError("at: the dataset was recorded with another graph than that of graph=; the two must be the same.")


def _check_spec(before: dict[str, Any], now: dict[str, Any], problem: Problem) -> None:
    """Compare what sets teacher and data (a graph's weights are the teacher's for one kind of start)."""
    old, new = (flat({table: spec.get(table) for table in TABLES}) for spec in (before, now))
    if problem.architecture is not None and problem.architecture.weights is not None:
        old["start.kind"], new["start.kind"] = (spec.get("start", {}).get("kind") for spec in (before, now))
    for name in dict.fromkeys((*old, *new)):
        if name not in FREE and old.get(name) != new.get(name):
            raise ValueError(
                f"at: the dataset was recorded with {name} = {old.get(name)!r}, but the spec has "
                f"{new.get(name)!r}; only rule, constraint, start and dynamics may differ."
            )
