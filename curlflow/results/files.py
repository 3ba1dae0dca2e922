"""Files that are written whole or not at all, of NetCDF and of anything else."""

import contextlib
import os
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import xarray as xr

PARTIAL = ".partial"
"""The suffix of files that are being written."""


@contextlib.contextmanager
def replacing(
    path: Path, *, durable: bool = True, place: Callable[[Path, Path], None] | None = None
) -> Iterator[Path]:
    """A temporary name in the folder of `path`: the file written there is flushed to the disk and takes its place.

    Unless `durable`, the system flushes it: the file is whole, but a power failure may lose it. `place` renames the
    temporary file, by default `os.replace`. After an `OSError` `path` is unchanged.
    """
    temporary = path.with_name(f".{uuid.uuid4().hex}{PARTIAL}")
    try:
        yield temporary
        if durable:
            _flush(temporary)
        (place or os.replace)(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
    if durable:
        with contextlib.suppress(OSError):  # not every system can make a name durable
            _flush(path.parent)


def write_whole(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Write a file as `replacing` does."""
    with replacing(path, durable=durable) as temporary:
        temporary.write_bytes(content)


def write_new(path: Path, content: bytes) -> bool:
    """Write a file unless it exists; False if it does."""
    if path.exists():
        return False
    try:
        with replacing(path, place=_link) as temporary:
            temporary.write_bytes(content)
    except FileExistsError:
        return False
    return True


def _link(temporary: Path, path: Path) -> None:
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links: the last of several writers at the same moment wins
        os.replace(temporary, path)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


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
    """Write `dataset` to the NetCDF file `path`, whole or not at all; larger variables are compressed.

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
    with replacing(path) as temporary:
        dataset.to_netcdf(temporary, engine="netcdf4", encoding=encoding)
    return path


def load(path: str | Path) -> xr.Dataset:
    """Read a NetCDF file into memory and close it.

    **Raises:** `ValueError` for a file that is missing or not NetCDF.
    """
    try:
        return xr.load_dataset(path, engine="netcdf4")
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file.") from None
    except OSError as error:
        raise ValueError(f"{path}: cannot be read as NetCDF: {error}.") from None
