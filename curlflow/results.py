"""Labelled results: datasets with units, provenance and flags, and files that are written whole or not at all."""

import datetime
import functools
import importlib.metadata
import json
import os
import platform
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from .status import MEANINGS, Status
from .variable import Variable

CONVENTIONS = "CF-1.11"
PACKAGES = ("jax", "jaxlib", "diffrax", "equinox", "numpy", "scipy", "xarray", "netCDF4")


def labelled(
    variables: Iterable[Variable],
    data: Mapping[str, Any],
    coordinates: Mapping[str, tuple[Any, Any, str]],
    attributes: Mapping[str, Any],
) -> xr.Dataset:
    """A dataset from arrays and the declarations of what they are.

    **Arguments:**

    - `variables`: declarations; those without data are left out.
    - `data`: arrays by name.
    - `coordinates`: (dims, values, long_name) by name.
    - `attributes`: of the whole dataset; nested values become JSON, None is left out.
    """
    declared = {v.name: v for v in variables}
    unknown = set(data) - set(declared)
    assert not unknown, f"data without declaration: {unknown}"
    return xr.Dataset(
        {
            name: (
                declared[name].dims,
                values,
                {
                    "long_name": declared[name].long_name,
                    "units": declared[name].units,
                    **declared[name].attributes,
                },
            )
            for name, values in data.items()
        },
        {
            name: (dims, values, {"long_name": text, "units": "1"})
            for name, (dims, values, text) in coordinates.items()
        },
        {name: _attribute(value) for name, value in attributes.items() if value is not None},
    )


def _attribute(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value) if isinstance(value, Mapping | list | tuple) else value


def status_variable(dims: tuple[str, ...] = ("realization",)) -> Variable:
    """The declaration of `status` as a CF flag."""
    return flag_variable("status", dims, "how the computation ended", Status)


def flag_variable(name: str, dims: tuple[str, ...], long_name: str, flags: type[IntEnum]) -> Variable:
    """The declaration of a byte whose values are those of an enumeration."""
    return Variable(
        name,
        dims,
        long_name,
        attributes={
            "flag_values": np.array([flag.value for flag in flags], dtype=np.int8),
            "flag_meanings": " ".join(flag.name for flag in flags),
        },
    )


def describe_status(value: int) -> str:
    """A status as a phrase."""
    status = Status(int(value))
    return f"{status.name}: {MEANINGS[status]}"


def provenance(study: str, settings: Mapping[str, Any], device: str) -> dict[str, Any]:
    """Attributes that say how a dataset was made: when, with what, from what.

    **Arguments:**

    - `study`: the name of the function.
    - `settings`: its arguments, plain numbers and strings.
    - `device`: what JAX computed on.
    """
    version = importlib.metadata.version("curlflow")
    return {
        "Conventions": CONVENTIONS,
        "title": f"curlflow {study}",
        "source": f"curlflow {version}",
        "references": "docs/model.md of curlflow; arXiv:2510.02765",
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "study": study,
        "settings": {name: value for name, value in settings.items() if value is not None},
        "commit": commit(),
        "versions": {"python": platform.python_version(), **_versions()},
        "device": device,
        "precision": "float64",
    }


@functools.cache
def _versions() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in PACKAGES}


@functools.cache
def commit() -> str:
    """The git commit of the source that is running, with `+changes` if it was edited; or `unknown`."""
    folder = Path(__file__).parent

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=5, check=True
        ).stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")) != folder.parent:
            return "unknown"
        changed = git("status", "--porcelain", "--untracked-files=no", "--", ":/curlflow", ":/analyses")
        return git("rev-parse", "HEAD") + ("+changes" if changed else "")
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def check_output(path: str | Path) -> Path:
    """Check that `path` can be written, before anything is computed.

    **Raises:** `ValueError` where its folder does not exist, is not writable, or it names a folder.
    """
    path = Path(path)
    if path.is_dir():
        raise ValueError(f"output: {path} is a folder; give the name of a file.")
    if not path.parent.is_dir():
        raise ValueError(f"output: the folder {path.parent} does not exist; make it first.")
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            return path
    except OSError as error:
        raise ValueError(f"output: the folder {path.parent} cannot be written to: {error.strerror}.") from None


def save(dataset: Any, path: str | Path) -> Path:
    """Write `dataset` to the NetCDF file `path`, whole or not at all.

    It is written under a temporary name in the same folder, flushed to the disk and renamed. Variables of
    more than a few kilobytes are compressed.

    **Raises:** `ValueError` where `path` cannot be written.
    """
    if not isinstance(dataset, xr.Dataset):
        raise ValueError(f"dataset: got {type(dataset).__name__}, required is an xarray.Dataset.")
    path = check_output(path)
    encoding = {
        name: {"zlib": True, "complevel": 4, "shuffle": True}
        for name, variable in dataset.variables.items()
        if variable.nbytes > 4096 and variable.dtype.kind in "fiu"
    }
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
    os.close(handle)
    try:
        dataset.to_netcdf(temporary, engine="netcdf4", encoding=encoding)
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)
    return path


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def load(path: str | Path) -> xr.Dataset:
    """Read a NetCDF file into memory and close it.

    **Raises:** `ValueError` for a file that is missing or no NetCDF.
    """
    try:
        return xr.load_dataset(path, engine="netcdf4")
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file.") from None
    except OSError as error:
        raise ValueError(f"{path}: cannot be read as NetCDF: {error}.") from None


__all__ = [
    "check_output",
    "commit",
    "describe_status",
    "flag_variable",
    "labelled",
    "load",
    "provenance",
    "save",
    "status_variable",
]
