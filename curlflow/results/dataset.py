"""Labelled datasets: units, flags, and a record of how they were made."""

import datetime
import functools
import importlib.metadata
import json
import platform
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ..status import FAILURES, MEANINGS, Status
from ..variable import Variable, flag_variable

CONVENTIONS = "CF-1.11"
FINGERPRINT = "problem_fingerprint"
"""The attribute that says which arrays were drawn for the problems that a dataset is about; see `problem.draw`."""


def labelled(
    variables: Iterable[Variable],
    data: Mapping[str, Any],
    coordinates: Mapping[str, tuple[Any, Any, str]],
    attributes: Mapping[str, Any],
) -> xr.Dataset:
    """A dataset from arrays and the declarations of its variables.

    **Arguments:**

    - `variables`: declarations; those without data are left out.
    - `data`: arrays by name.
    - `coordinates`: (dims, values, long_name) by name.
    - `attributes`: attributes of the whole dataset; nested values become JSON, None is left out.
    """
    declared = {v.name: v for v in variables}
    assert data.keys() <= declared.keys(), f"data without declaration: {data.keys() - declared.keys()}"
    arrays = {}
    for name, values in data.items():
        one = declared[name]
        arrays[name] = one.dims, values, one.described(data)
    axes = {name: (dims, at, {"long_name": text, "units": "1"}) for name, (dims, at, text) in coordinates.items()}
    known = {name: value for name, value in attributes.items() if value is not None}
    nested = {name: json.dumps(v) for name, v in known.items() if isinstance(v, bool | Mapping | list | tuple)}
    return xr.Dataset(arrays, axes, known | nested)


def fill_value(dtype: Any, flags: Mapping[str, Any] | None = None) -> Any:
    """The value where there is no result: NaN; an empty string for text; `not_run` for flags that have it.

    Booleans are false, and other whole numbers −1 (or the largest one of an unsigned type). `flags` are the
    attributes of a variable of flags.
    """
    kind, flags = np.dtype(dtype).kind, flags or {}
    if kind == "U":
        return ""
    if kind in "fc":
        return np.nan
    meanings = str(flags.get("flag_meanings", "")).split()
    if "not_run" in meanings and "flag_values" in flags:
        return int(np.ravel(flags["flag_values"])[meanings.index("not_run")])
    return False if kind == "b" else np.iinfo(dtype).max if kind == "u" else -1


def stacked(rows: Sequence[Any], dims: Sequence[str] = (), sizes: Mapping[str, int] | None = None) -> np.ndarray:
    """The arrays of several realizations as one, the shorter ones filled up at their ends.

    `dims` are the dimensions of each of them; a dimension is at least as long as `sizes` says.
    """
    arrays, sizes = [np.asarray(row) for row in rows], sizes or {}
    shape = tuple(max(sizes.get(dim, 0), *(a.shape[i] for a in arrays)) for i, dim in enumerate(dims))
    if all(a.shape == shape for a in arrays):
        return np.stack(arrays)
    kind = np.result_type(*arrays)
    whole = np.full((len(arrays), *shape), fill_value(kind), dtype=kind)
    for row, array in zip(whole, arrays, strict=True):
        row[tuple(slice(size) for size in array.shape)] = array
    return whole


def status_variable(dims: tuple[str, ...] = ("realization",)) -> Variable:
    """The declaration of `status` as a CF flag."""
    return flag_variable("status", dims, "how the computation ended", Status)


def describe_status(value: int) -> str:
    """A status as a phrase."""
    status = Status(int(value))
    return f"{status.name}: {MEANINGS[status]}"


def failures(dataset: xr.Dataset) -> xr.DataArray:
    """Which realizations failed: those that ended without what was asked for.

    A point that is not fixed, two states that alternate or weights of rank one are findings, and so is divergence
    where a verdict says so.
    """
    if "status" not in dataset:
        return xr.DataArray(False)
    failed = dataset.status.isin([int(status) for status in FAILURES])
    kinds = dataset["verdict"].attrs.get("flag_meanings", "").split() if "verdict" in dataset else []
    if "divergent" in kinds:
        failed &= dataset["verdict"] != kinds.index("divergent")
    return failed


def provenance(study: str, settings: Mapping[str, Any], device: str) -> dict[str, Any]:
    """Attributes that say how a dataset was made: when, with what, from what.

    **Arguments:**

    - `study`: the name of the function.
    - `settings`: its arguments, plain numbers and strings.
    - `device`: what JAX computed on.
    """
    return {
        "Conventions": CONVENTIONS,
        "title": f"curlflow {study}",
        "source": f"curlflow {importlib.metadata.version('curlflow')}",
        "references": "docs/model.md of curlflow; arXiv:2510.02765",
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "study": study,
        "settings": {name: value for name, value in settings.items() if value is not None},
        "commit": commit(),
        "versions": _versions(),
        "device": device,
        "precision": "float64",
    }


@functools.cache
def _versions() -> dict[str, str]:
    packages = ("jax", "jaxlib", "diffrax", "equinox", "numpy", "scipy", "xarray", "netCDF4")
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in packages}


@functools.cache
def commit() -> str:
    """The git commit of the source that is running, with `+changes` if it was edited; or `unknown`."""
    folder = Path(__file__).parent.parent

    def git(*words: str) -> str:
        command = ["git", "-C", str(folder), *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")) != folder.parent:
            return "unknown"
        changed = git("status", "--porcelain", "--untracked-files=no", "--", ":/curlflow", ":/analyses")
        return git("rev-parse", "HEAD") + ("+changes" if changed else "")
    except (OSError, subprocess.SubprocessError):
        return "unknown"
