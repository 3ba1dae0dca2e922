"""The dataset of `curlflow.simulate`."""

from typing import Any

import jax
import numpy as np
import xarray as xr
from jaxtyping import Float

from .. import results
from ..status import Status
from ..systems import AbstractSystem, Flow
from ..variable import Variable


def dimension_along(system: AbstractSystem, learning: bool) -> str:
    """The name of the second dimension: time for flows, epochs for updates, iterations for other maps."""
    return "time" if isinstance(system, Flow) else "epoch" if learning else "iteration"


def state_dataset(
    values: Float[np.ndarray, "realization times state"],
    status: list[Status],
    times: Float[np.ndarray, " times"],
    system: AbstractSystem,
    subject: dict[str, str],
) -> xr.Dataset:
    """States of a system along its run."""
    along = dimension_along(system, learning=False)
    variables = (
        Variable(
            "state", ("realization", along, "state_variable"), "state", attributes={"ancillary_variables": "status"}
        ),
        results.status_variable(),
    )
    data = {"state": values, "status": np.array(status, dtype=np.int8)}
    coordinates = _coordinates(len(status), times, system, along)
    return results.labelled(variables, data, coordinates, _attributes(times, 0, subject))


def learning_dataset(
    values: Float[np.ndarray, "realization times observables"],
    status: list[Status],
    times: Float[np.ndarray, " times"],
    indices: np.ndarray,
    system: AbstractSystem,
    shapes: list[tuple[int, int]],
    subject: dict[str, Any],
) -> xr.Dataset:
    """Errors, norms and weights along learning, of layers of the `shapes` (post, pre).

    The columns of `values` are those of `curlflow.studies.simulate.Observer`.
    """
    layers, along = len(shapes), dimension_along(system, learning=True)
    data = {
        "train_error": values[:, :, 0],
        "test_error": values[:, :, 1],
        "layer_norm": values[:, :, 2 : 2 + layers],
        "status": np.array(status, dtype=np.int8),
    }
    coordinates = _coordinates(len(status), times, system, along)
    coordinates["layer"] = (("layer",), np.arange(1, layers + 1), "layer of weights")
    if indices.size:
        data["weights"] = values[:, :, 2 + layers :]
        coordinates |= weight_coordinates(shapes, indices)
    return results.labelled(_variables(along), data, coordinates, _attributes(times, int(indices.size), subject))


def _coordinates(number: int, times: np.ndarray, system: AbstractSystem, along: str) -> dict[str, Any]:
    flow = isinstance(system, Flow)
    coordinates = {
        "realization": (("realization",), np.arange(number), "realization"),
        "time": ((along,), times if flow else times * float(system.time(1)), "time"),
    }
    if not flow:
        text = "complete passes through the training data" if along == "epoch" else "iterations of the map"
        coordinates[along] = ((along,), times.astype(np.int64), text)
    return coordinates


def _attributes(times: np.ndarray, weights: int, subject: dict[str, Any]) -> dict[str, Any]:
    device = jax.devices()[0]
    settings = {"weights": weights, "times": f"{times.size} from {times[0]:g} to {times[-1]:g}"}
    return results.provenance("simulate", settings, f"{device.platform}: {device.device_kind}") | subject


def _variables(along: str) -> tuple[Variable, ...]:
    dims = ("realization", along)
    status = {"ancillary_variables": "status"}
    return (
        Variable("train_error", dims, "training error, half the mean squared error", attributes=status),
        Variable("test_error", dims, "test error, half the mean squared error", attributes=status),
        Variable("layer_norm", (*dims, "layer"), "Frobenius norm of the weights of a layer"),
        Variable("weights", (*dims, "weight"), "synaptic weights"),
        results.status_variable(),
    )


def weight_coordinates(shapes: list[tuple[int, int]], indices: np.ndarray) -> dict[str, Any]:
    """Where each recorded weight stands: its place among all, its layer (from 1), post- and presynaptic unit."""
    table = np.concatenate(
        [
            np.stack([np.full(post * pre, layer), *(c.ravel() for c in np.indices((post, pre)))])
            for layer, (post, pre) in enumerate(shapes, start=1)
        ],
        axis=1,
    )[:, indices]
    names = ("weight_layer", "post", "pre")
    texts = ("layer of the weight", "postsynaptic unit", "presynaptic unit")
    coordinates = {n: (("weight",), row, text) for n, row, text in zip(names, table, texts, strict=True)}
    return {"weight": (("weight",), indices, "place among all weights, row by row"), **coordinates}
