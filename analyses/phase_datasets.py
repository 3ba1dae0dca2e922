"""The datasets of phase diagrams: several dynamics on one grid, what was run of each, and a file that grows.

No analysis of its own: `phase_diagrams.main` computes, and hands what the sweeps have returned to these functions.
"""

import datetime
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from diagrams import Diagram

import curlflow

NOT_RUN, MISSING = 2, 2
"""Flags of `status` and of `cell_status`."""
OF_ALL = ("critical_fraction", "critical_hidden_fraction")
"""Variables that do not depend on the dynamics."""


def on_whole_grid(dataset: xr.Dataset, diagram: Diagram) -> xr.Dataset:
    """A sweep over some values of the axes, on all of them; what was not run is filled and says so."""
    extra = [name for name in dataset.coords if name not in dataset.dims]
    whole = {"c": diagram.ratios, **dict.fromkeys(diagram.flips, diagram.fractions)}
    return dataset.drop_vars(extra).reindex(whole, fill_value=_fillings(dataset))


def together(diagram: Diagram, parts: Sequence[xr.Dataset]) -> xr.Dataset:
    """One dataset of all dynamics, with a dimension for them if they are several."""
    names = xr.DataArray([run.dynamics for run in diagram.runs], dims="dynamics", name="dynamics")
    whole = xr.concat(parts, names, join="outer", combine_attrs="override", fill_value=_fillings(parts[0]))
    whole = whole if len(parts) > 1 else whole.isel(dynamics=0)
    whole = whole.assign_coords(diagram.coordinates())
    text = "flow, updates with full batches, or with minibatches"
    whole.coords["dynamics"].attrs = {"long_name": text, "units": "1"}
    for name in ("test_error", "train_error", "peak_error"):
        whole[name].attrs["floor"] = diagram.floor
    whole.attrs = _attributes(diagram, parts)
    return whole


def completed(dataset: xr.Dataset, path: Path, order: Sequence[str]) -> xr.Dataset:
    """`dataset`, and from the file `path`, if there is one, the dynamics that it does not have.

    **Arguments:**

    - `order`: of the dynamics.

    **Raises:** `ValueError` for a file with another grid.
    """
    if not path.exists():
        return dataset
    there, here = _with_dynamics(curlflow.load(path)), _with_dynamics(dataset)
    kept = [name for name in there.dynamics.to_numpy().tolist() if name not in here.dynamics.to_numpy()]
    if not kept:
        return dataset
    for axis in (name for name in here.test_error.dims if name not in ("dynamics", "realization")):
        if not np.array_equal(there[axis], here[axis]):
            raise ValueError(f"{path}: {axis} is not that of this diagram; move the file away.")
    there = there.sel(dynamics=kept)
    shared = [name for name in here.data_vars if "dynamics" not in here[name].dims]
    parts = [part.drop_vars([*shared, *set(part.data_vars) - set(here.data_vars)]) for part in (here, there)]
    fillings = {name: value for name, value in _fillings(here).items() if name not in shared}
    whole = xr.concat(parts, "dynamics", join="outer", combine_attrs="override", fill_value=fillings)
    whole = whole.sel(dynamics=sorted(whole.dynamics.to_numpy().tolist(), key=list(order).index))
    whole = whole.assign({name: here[name] for name in shared})
    whole.attrs = here.attrs | _merged(here.attrs, there.attrs, whole.dynamics.to_numpy().tolist())
    print(f"{path.name} keeps {', '.join(kept)}")
    return whole


def _with_dynamics(dataset: xr.Dataset) -> xr.Dataset:
    """The dataset with a dimension for the dynamics, also if it has one kind of them only."""
    if "dynamics" in dataset.dims:
        return dataset
    of_all = [name for name in OF_ALL if name in dataset]
    expanded = dataset.drop_vars(of_all).expand_dims("dynamics")
    return expanded.assign({name: dataset[name].drop_vars("dynamics") for name in of_all})


def _fillings(dataset: xr.Dataset) -> dict[str, Any]:
    """What stands where nothing was run: NaN, −1, or the flag that says it."""
    fillings = {"status": NOT_RUN, "cell_status": MISSING, "cell_message": ""}
    kinds = {name: dataset[name].dtype.kind for name in dataset.data_vars}
    return {name: fillings.get(name, np.nan if kind == "f" else -1) for name, kind in kinds.items()}


def _attributes(diagram: Diagram, parts: Sequence[xr.Dataset]) -> dict[str, Any]:
    """What was run, in full, and where it came from."""
    first = parts[0].attrs
    runs, cells = [], parts[0].cell_status.size
    for run, part in zip(diagram.runs, parts, strict=True):
        done, failed = (int((part.cell_status == flag).sum()) for flag in (0, 1))
        dynamics = diagram.spec(run).model_dump()["dynamics"]
        if run.dynamics == "flow" and diagram.solver_at_zero:
            dynamics["solver_at_zero"] = dict(diagram.solver_at_zero)
        made = {name: part.attrs.get(name, "unknown") for name in ("commit", "device", "swept_study_version")}
        runs.append({"dynamics": run.dynamics, "realizations": run.realizations, "epochs": diagram.epochs,
                     "records": diagram.records, "cells": done, "cells_of_grid": cells, "cells_failed": failed,
                     **{k: v for k, v in dynamics.items() if k != "kind"}, **made})  # fmt: skip
    kept = ("Conventions", "references", "study", "swept_study", "precision", "source", "versions")
    return {
        **{name: first[name] for name in kept if name in first},
        "title": f"curlflow {diagram.name}",
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        **_written(runs, {run.dynamics: json.loads(diagram.spec(run).to_json()) for run in diagram.runs}),
        "published": diagram.published,
        "comment": "runs says what was computed: a realization, cell or dynamics that it does not name was not run",
    }


def _merged(here: dict[str, Any], there: dict[str, Any], dynamics: Sequence[str]) -> dict[str, Any]:
    """What was run in the dynamics of two files."""
    runs = {run["dynamics"]: run for attributes in (there, here) for run in json.loads(attributes["runs"])}
    specs = json.loads(there["specs"]) | json.loads(here["specs"])
    return _written([runs[name] for name in dynamics], {name: specs[name] for name in dynamics})


def _written(runs: Sequence[dict[str, Any]], specs: dict[str, Any]) -> dict[str, Any]:
    """The attributes that follow from what was run."""
    commits = sorted({commit for run in runs for commit in run["commit"].split(", ")})
    return {
        "commit": ", ".join(commits),
        "device": ", ".join(sorted({run["device"] for run in runs})),
        "swept_study_version": ", ".join(sorted({str(run["swept_study_version"]) for run in runs})),
        "runs": json.dumps(list(runs)),
        "specs": json.dumps(specs),
    }
