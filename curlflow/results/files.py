"""NetCDF files that are written whole or not at all."""

import os
import tempfile
from pathlib import Path
from typing import Any

import xarray as xr


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
