"""What a study returns, as plain arrays with names of dimensions: the one form in which cells travel and are
stored."""

import json
import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

KINDS = "biufU"
"""Kinds of arrays that files can hold: booleans, whole and real numbers, text."""


LONGEST_NAME = 200
TAKEN = ("cell_status", "cell_message")
"""Variables that a collected dataset has of itself."""


class Labelled(NamedTuple):
    """An array, the names of its dimensions, and what is said of it."""

    dims: tuple[str, ...]
    values: np.ndarray
    attributes: Mapping[str, Any]


class Output(NamedTuple):
    """A dataset without xarray: variables by name, which of them are coordinates, and attributes of the whole."""

    variables: Mapping[str, Labelled]
    coordinates: tuple[str, ...]
    attributes: Mapping[str, Any]


def output_of(result: Any) -> Output:
    """The plain form of what a study returned.

    **Arguments:**

    - `result`: an `xarray.Dataset` or `DataArray`; a mapping from names to numbers, to arrays, or to pairs of dims
      and an array; a number (its name is `value`).

    **Raises:** `ValueError` for anything else, and for arrays of other things than numbers and text.
    """
    xarray = sys.modules.get("xarray")
    if xarray is not None and isinstance(result, xarray.DataArray):
        result = result.to_dataset(name=result.name or "value")
    if xarray is not None and isinstance(result, xarray.Dataset):
        variables = {
            _name(name): _labelled(str(name), v.dims, v.values, v.attrs) for name, v in result.variables.items()
        }
        return Output(variables, tuple(map(str, result.coords)), _attributes(result.attrs))
    if isinstance(result, Mapping):
        return Output({_name(name): _from_pair(name, given) for name, given in result.items()}, (), {})
    return Output({"value": _from_pair("value", result)}, (), {})


def _name(name: Any) -> str:
    if not isinstance(name, str) or not name or "/" in name or "\0" in name or len(name) > LONGEST_NAME:
        raise ValueError(f"study: got a result named {name!r}, required are names of variables in a file.")
    if name in TAKEN:
        raise ValueError(f"study: got a result named {name!r}, which is what a sweep says of its cells; rename it.")
    return name


def _from_pair(name: str, given: Any) -> Labelled:
    """An array that came with the names of its dimensions, or one that gets some."""
    if isinstance(given, tuple) and len(given) == 2 and _is_dims(given[0]):
        dims = (given[0],) if isinstance(given[0], str) else tuple(given[0])
        return _labelled(name, dims, given[1], {})
    dims = tuple(f"{name}_{axis}" for axis in range(np.ndim(given)))
    return _labelled(name, dims, given, {})


def _is_dims(given: Any) -> bool:
    return isinstance(given, str) or (isinstance(given, tuple | list) and all(isinstance(d, str) for d in given))


def _labelled(name: str, dims: Any, given: Any, attributes: Mapping[str, Any]) -> Labelled:
    values = np.asarray(given)
    if values.dtype.kind == "O" and all(isinstance(v, str) for v in values.ravel()):
        values = values.astype(str)
    if values.dtype.kind not in KINDS:
        raise ValueError(
            f"study: got {name} of {values.dtype} from {type(given).__name__}, allowed are arrays of real numbers, "
            "booleans and text (complex numbers as real and imaginary parts)."
        )
    if values.dtype.kind == "f" and values.dtype.itemsize not in (4, 8):
        values = values.astype(float)
    if isinstance(given, np.ma.MaskedArray):
        raise ValueError(f"study: got {name} as a masked array; fill it, NaN says that there is nothing.")
    if values.dtype.kind == "U" and any("\0" in text for text in values.ravel()):
        raise ValueError(f"study: got {name} with a zero byte in its text, which no file can hold.")
    if values.ndim != len(dims):
        raise ValueError(f"study: got {name} with {values.ndim} dimensions, but the names {tuple(dims)}.")
    return Labelled(tuple(map(str, dims)), values, _attributes(attributes))


def _attributes(given: Mapping[Any, Any]) -> dict[str, Any]:
    """Attributes as NetCDF can hold them: text, numbers and arrays of numbers; nested values as JSON."""
    found: dict[str, Any] = {}
    for name, value in given.items():
        if isinstance(value, bool | Mapping | list | tuple):
            found[str(name)] = json.dumps(value)
        elif isinstance(value, str | float) or np.asarray(value).dtype.kind in "iuf":
            found[str(name)] = value
        elif value is not None:
            found[str(name)] = str(value)
    return found
