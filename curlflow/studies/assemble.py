"""From what every realization has shown to one labelled dataset: `assembled`."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
import xarray as xr

from .. import results
from ..variable import Variable

ACCURACIES = {
    "train_accuracy": "share of training samples that are classified right",
    "test_accuracy": "share of test samples that are classified right",
}
"""What is said of learning whose loss knows classes."""
Coordinates = Mapping[str, tuple[Any, Any, str]]
"""(dims, values, long_name) by name."""


def assembled(
    study: str,
    variables: Iterable[Variable],
    rows: Sequence[Mapping[str, Any]],
    coordinates: Coordinates,
    settings: Mapping[str, Any],
    attributes: Mapping[str, Any],
    *,
    along: Coordinates | None = None,
    whole: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """The dataset of a study.

    **Arguments:**

    - `rows`: the numbers of every realization, by name. Arrays that are shorter than their coordinate, or than those
      of other realizations, are filled up as `results.stacked` does.
    - `settings`: the arguments of the study, plain numbers and strings.
    - `attributes`: what the dataset is about, and whatever else it says.
    - `along`: the dimensions that the rows stand for, with their coordinates. Default: `realization`.
    - `whole`: numbers that do not belong to a realization, by name.
    """
    along = {"realization": (("realization",), np.arange(len(rows)), "realization")} if along is None else along
    declared = list(variables)
    known = {dims[0]: np.shape(values)[0] for dims, values, _ in coordinates.values() if len(dims) == 1}
    shape = tuple(np.shape(values)[0] for _, values, _ in along.values())
    dims = {v.name: v.dims[len(along) :] for v in declared}
    data = {name: results.stacked([row[name] for row in rows], dims[name], known) for name in rows[0]}
    data = {name: values.reshape(shape + values.shape[1:]) for name, values in data.items()}
    made = results.provenance(study, settings, device())
    return results.labelled(declared, data | dict(whole or {}), {**along, **coordinates}, made | dict(attributes))


def device() -> str:
    """What JAX computed on."""
    first = next(iter(jnp.zeros(()).devices()))  # the default device may be another than the first one
    return f"{first.platform}: {first.device_kind}"


ALONG = {"epoch": "complete passes through the training data", "iteration": "iterations of the map"}
"""The dimensions along a run, in words."""


def along_coordinates(along: str, times: np.ndarray, time_per_unit: float) -> dict[str, Any]:
    """The dimension along a run: times of a flow, epochs or iterations with their times."""
    if along == "time":
        return {"time": (("time",), times, "time")}
    time = ((along,), times * time_per_unit, "time")
    return {"time": time, along: ((along,), times.astype(np.int64), ALONG[along])}


def weight_coordinates(shapes: list[tuple[int, ...]], indices: np.ndarray) -> dict[str, Any]:
    """Where each recorded weight stands: its place among all, its layer (from 1), post- and presynaptic unit.

    Of a model of one's own layers are the arrays of its parameters, which have no units. Biases count as further
    layers, behind all weights; with them there are no units either.
    """
    layers = np.repeat(np.arange(1, len(shapes) + 1), [math.prod(shape) for shape in shapes])
    places = {
        "weight": (("weight",), indices, "place among all weights, row by row"),
        "weight_layer": (("weight",), layers[indices], "layer of the weight"),
    }
    if any(len(shape) != 2 for shape in shapes):
        return places
    units = np.concatenate([np.indices(shape).reshape(2, -1) for shape in shapes], axis=1)
    return {
        **places,
        "post": (("weight",), units[0, indices], "postsynaptic unit"),
        "pre": (("weight",), units[1, indices], "presynaptic unit"),
    }
