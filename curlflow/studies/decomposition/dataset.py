"""The dataset of `curlflow.decomposition`."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import xarray as xr

from ... import results
from ...measures import jacobian_parts
from ...measures.jacobian_parts import Parts
from ...variable import Variable
from ..assemble import assembled
from .directions import described
from .points import Points
from .runs import MEASURED, DecompositionOptions, FieldRun


def decomposition_dataset(
    runs: list[FieldRun], options: DecompositionOptions, points: Points, attributes: Mapping[str, Any]
) -> xr.Dataset:
    """The dataset of all realizations, finished or not."""
    single = points.coordinates is None
    rows = [{name: v[0] if single else v for name, v in run.values.items()} for run in runs]
    for row, run in zip(rows, runs, strict=True):
        row["status"] = np.int8(run.status)
        if run.field.loss is None:
            del row["error"], row["gradient_angle"]
    coordinates: dict[str, Any] = dict(points.coordinates or {})
    if "direction" in rows[0]:
        coordinates["component"] = (("component",), ["first", "second"], "direction of the circle's plane")
    settings = asdict(replace(options, directions=described(options.directions))) | {"at": points.label}
    if options.method == "exact":
        del settings["probes"], settings["seed"]
    described_as = {
        "method": options.method,
        "at": points.label,
        "field": "velocity of the flow, projected onto its constraint; J is the derivative within the tangent space",
    }
    dims = ("realization",) if single else ("realization", *coordinates["time"][0])
    return assembled("decomposition", _variables(dims), rows, coordinates, settings, {**attributes, **described_as})


def _variables(dims: tuple[str, ...]) -> tuple[Variable, ...]:
    """Declarations, with the dimension of the trajectory where there is one."""
    return (
        *(
            Variable(v.name, dims, v.long_name, v.units, {"ancillary_variables": _ancillary(v.name)})
            for v in MEASURED
        ),
        *(
            Variable(f"{v.name}_se", dims, f"standard error: {v.long_name}")
            for v in jacobian_parts.VARIABLES
            if v.name in Parts._fields
        ),
        Variable("direction", (*dims, "component", "weight"), "orthonormal directions of the circle's plane"),
        results.status_variable(),
    )


def _ancillary(name: str) -> str:
    return f"{name}_se status" if name in Parts._fields else "status"
