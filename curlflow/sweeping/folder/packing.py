"""The files of finished cells: a zip archive of NumPy arrays, one row for each cell, and a header as JSON.

`numpy.load` reads the arrays. The archive has a checksum for every member, keeps every type as it is, and is written
by Python alone, since the libraries of NetCDF and HDF5, which a study may use meanwhile, bear one thread at a time.
"""

import contextlib
import io
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..engines.worker import Finished
from . import unread

HEADER = "header.json"
PASSING = ("created", "spec")
"""Attributes of a study's dataset that are not kept: they differ between runs, or follow from the changes."""


class Damaged(ValueError):
    """A file of cells that cannot be read, or not as it was written."""


class Header(NamedTuple):
    """What a file says of itself.

    **Attributes:**

    - `identities`: of its cells, in the order of the rows.
    - `variables`: for each its dims, shape and type in one cell, and its attributes.
    - `attributes`: of the study's datasets, those that are equal in all cells.
    - `source`: commit and versions of packages that computed it.
    - `cells`: for each cell the fields that it changes, seconds, warnings, and attributes of its own.
    """

    identities: Sequence[str] | np.ndarray
    variables: Mapping[str, Mapping[str, Any]]
    coordinates: Sequence[str]
    attributes: Mapping[str, Any]
    version: int
    source: Mapping[str, Any]
    cells: Sequence[Mapping[str, Any]]


def groups(results: Sequence[Finished]) -> Iterator[list[Finished]]:
    """The results that fit into one file each: of equal structure, names in one order, made with the same code."""
    found: dict[str, list[Finished]] = {}
    for result in results:
        found.setdefault(_dumped([_structure(result), result.source]), []).append(result)
    yield from found.values()


def pack(results: Sequence[Finished], changes: Sequence[Mapping[str, Any]], version: int) -> bytes:
    """The content of a file with these results, which have one structure, and the fields that each cell changes."""
    outputs = [result.output for result in results]
    attributes = [{n: v for n, v in output.attributes.items() if n not in PASSING} for output in outputs]
    common = shared(attributes, _dumped)
    cells = [
        {
            "changes": change,
            "seconds": round(result.seconds, 6),
            "warnings": list(result.warnings),
            "attributes": {name: value for name, value in own.items() if name not in common},
        }
        for result, change, own in zip(results, changes, attributes, strict=True)
    ]
    header = {
        "identities": [result.identity for result in results],
        "structure": _structure(results[0]),
        "attributes": common,
        "version": version,
        "source": results[0].source,
        "cells": cells,
    }
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(HEADER), _dumped(header))
        for name in outputs[0].variables:
            array = io.BytesIO()
            np.save(array, np.stack([output.variables[name].values for output in outputs]), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), array.getvalue())
    return content.getvalue()


def read_header(path: Path, *, thorough: bool = False) -> Header:
    """The header of a file; if `thorough`, all of the file is checked. **Raises:** `Damaged`; `FileNotFoundError`."""
    with _opened(path) as archive:
        if thorough and (name := archive.testzip()) is not None:
            raise Damaged(f"{name} is not what was written")
        return _header(archive)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The variables of a file, with one row for each cell. **Raises:** as `read_header`."""
    with _opened(path) as archive:
        return {
            name: np.load(io.BytesIO(archive.read(f"{name}.npy")), allow_pickle=False)
            for name in _header(archive).variables
        }


def content_of(path: Path) -> bytes:
    """The bytes of a file. **Raises:** `Damaged` for a folder; `FileNotFoundError`; `Unread` for other reasons."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise
    except IsADirectoryError as error:
        raise Damaged(f"cannot be read: {error.strerror}") from None
    except OSError as error:
        raise unread(path, error) from error


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """A zip archive; whatever a damaged one makes Python's reader raise is `Damaged`."""
    content = io.BytesIO(content_of(path))
    try:
        with zipfile.ZipFile(content) as archive:
            yield archive
    except Exception as error:
        raise Damaged(str(error)) from None


def _header(archive: zipfile.ZipFile) -> Header:
    given = json.loads(archive.read(HEADER), object_hook=_decode)
    given |= given["structure"]
    return Header(*(given[field] for field in Header._fields))


def _structure(result: Finished) -> dict[str, Any]:
    """What cells in one file have in common."""
    variables = {
        name: {
            "dims": list(dims),
            "shape": list(values.shape),
            "type": "U" if values.dtype.kind == "U" else values.dtype.str,
            "attributes": dict(attributes),
        }
        for name, (dims, values, attributes) in result.output.variables.items()
    }
    return {"variables": variables, "coordinates": list(result.output.coordinates)}


def shared(many: Sequence[Mapping[str, Any]], text: Callable[[Any], str] | None = None) -> dict[str, Any]:
    """The attributes that are equal in all, whatever their types unless `text` tells these apart."""
    text = text or (lambda value: json.dumps(np.asarray(value).tolist()))
    texts = [{name: text(value) for name, value in each.items()} for each in many]
    return {n: v for n, v in many[0].items() if all(each.get(n) == texts[0][n] for each in texts)} if many else {}


def _dumped(value: Any) -> str:
    """As JSON, with NumPy's numbers and arrays as mappings that `_decode` understands."""
    return json.dumps(value, default=lambda v: {"type": np.asarray(v).dtype.str, "array": np.asarray(v).tolist()})


def _decode(given: dict[str, Any]) -> Any:
    if given.keys() == {"type", "array"}:
        array = np.array(given["array"], dtype=given["type"])
        return array if array.ndim else array[()]
    return given
