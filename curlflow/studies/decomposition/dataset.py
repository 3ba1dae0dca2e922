"""The datasets of `curlflow.decomposition` and `curlflow.plane_decomposition`."""

import dataclasses
from typing import Any

import jax
import numpy as np
import xarray as xr

from ... import results
from ...measures import circulation, jacobian_parts
from ...measures.jacobian_parts import Parts
from ...variable import Variable
from ..arguments import plain
from .points import Where

STATUS = {"ancillary_variables": "status"}


def assemble(realizations: list[Any], options: Any, where: Where, subject: dict[str, str]) -> xr.Dataset:
    """The dataset of all realizations, finished or not."""
    data = {name: np.stack([r.values[name] for r in realizations]) for name in realizations[0].values}
    if realizations[0].subject.loss is None:
        del data["error"], data["gradient_angle"]
    if realizations[0].planes is not None:
        data["direction"] = np.stack([r.planes for r in realizations])
    if where.along is None:
        data = {name: values[:, 0] for name, values in data.items()}
    data["status"] = np.array([r.points.status for r in realizations], dtype=np.int8)
    coordinates: dict[str, Any] = {
        "realization": (("realization",), np.arange(len(realizations)), "realization"),
        **where.coordinates,
    }
    if "direction" in data:
        coordinates["component"] = (("component",), ["first", "second"], "direction of the circle's plane")
    settings = {
        **dataclasses.asdict(dataclasses.replace(options, directions=described(options.directions))),
        "at": where.label,
    }
    if options.method == "exact":
        del settings["probes"], settings["seed"]
    attributes = {
        **results.provenance("decomposition", settings, device()),
        **subject,
        "method": options.method,
        "at": where.label,
        "field": "velocity of the flow, projected onto its constraint; J is the derivative within the tangent space",
    }
    return results.labelled(_variables(where.along), data, coordinates, attributes)


def described(directions: Any) -> str:
    """Directions as a word or two."""
    if directions is None or isinstance(directions, str):
        return directions or "default"
    indices = [plain(d) for d in directions]
    return ", ".join(str(d) for d in indices) if all(isinstance(d, int) for d in indices) else "given"


def device() -> str:
    """What JAX computed on."""
    first = jax.devices()[0]
    return f"{first.platform}: {first.device_kind}"


def _variables(along: str | None) -> tuple[Variable, ...]:
    """Declarations, with the dimension of the trajectory where there is one."""
    dims = ("realization",) if along is None else ("realization", along)
    measured = (
        *jacobian_parts.VARIABLES,
        *circulation.VARIABLES,
        Variable("error", dims, "training error, half the mean squared error; or the loss that was given"),
    )
    return (
        *(
            Variable(v.name, dims, v.long_name, v.units, {"ancillary_variables": _ancillary(v.name)})
            for v in measured
        ),
        *(
            Variable(f"{v.name}_se", dims, f"standard error: {v.long_name}")
            for v in jacobian_parts.VARIABLES
            if v.name in Parts._fields
        ),
        Variable("direction", (*dims, "component", "weight"), "orthonormal directions of the circle's plane"),
        results.status_variable(),
    )  # fmt: skip


def _ancillary(name: str) -> str:
    return f"{name}_se status" if name in Parts._fields else "status"
