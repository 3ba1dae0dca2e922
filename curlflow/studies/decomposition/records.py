"""Whether a recorded trajectory lies in the weight space of a spec: same network, teacher, data, seed and graph."""

import json
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float

from ...constraints import Masked
from ...problem import Problem
from ..subject import subject_attributes

TABLES = ("network", "teacher", "data", "seed")
"""Fields of a spec that set the network, its teacher and the data."""
FREE = ("data.test_samples",)
"""What does not enter a velocity or a training error."""


def check_record(dataset: xr.Dataset, problem: Problem, states: list[Float[np.ndarray, "points n"]]) -> None:
    """Refuse a dataset of `curlflow.simulate` that is about another problem.

    Rule, constraint and dynamics may differ. A dataset without the attribute `spec` is taken as it is, except for
    weights on missing synapses.

    **Raises:** `ValueError` that names the first difference.
    """
    if "spec" in dataset.attrs:
        now = subject_attributes(problem.spec, None, problem.architecture)
        _check_graph(dataset.attrs.get("graph"), now.get("graph"))
        _check_spec(json.loads(dataset.attrs["spec"]), json.loads(now["spec"]), problem)
    _check_missing(problem, states)


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
    weights = problem.architecture is not None and problem.architecture.weights is not None
    pairs = [(_fields(table, before.get(table)), _fields(table, now.get(table))) for table in TABLES]
    if weights:
        pairs.append(tuple({"start.kind": spec.get("start", {}).get("kind")} for spec in (before, now)))
    for old, new in pairs:
        for name in dict.fromkeys((*old, *new)):
            if name not in FREE and old.get(name) != new.get(name):
                raise ValueError(
                    f"at: the dataset was recorded with {name} = {old.get(name)!r}, but the spec has "
                    f"{new.get(name)!r}; only rule, constraint, start and dynamics may differ."
                )


def _fields(name: str, value: Any) -> dict[str, Any]:
    """Names with dots and their values."""
    if not isinstance(value, dict):
        return {name: value}
    return {key: inner for field, part in value.items() for key, inner in _fields(f"{name}.{field}", part).items()}


def _check_missing(problem: Problem, states: list[Float[np.ndarray, "points n"]]) -> None:
    """Refuse weights on synapses that the graph does not have (a run that diverged ends in NaN)."""
    if not isinstance(problem.constraint, Masked):
        return
    missing = ~np.concatenate([np.ravel(mask) for mask in problem.constraint.masks])
    extra = max(int(np.count_nonzero(np.nan_to_num(x[:, missing]).any(axis=0))) for x in states)
    if extra:
        raise ValueError(f"at: the dataset has {extra} weights on missing synapses that are not 0; they must be.")
