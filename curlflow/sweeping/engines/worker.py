"""The work of one batch: a study in each of a few cells, with whatever goes wrong in a cell as data.

A batch and its value are small and plain: specs as JSON, arrays with names of dimensions, strings.
"""

import functools
import json
import pkgutil
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from ...catalogue import location
from ...results import FINGERPRINT, provenance
from ...spec import Spec
from ...spec.spec import fingerprints
from .environment import accelerated

KINDS = "biufU"
"""Kinds of arrays that files can hold: booleans, whole and real numbers, text."""


class Labelled(NamedTuple):
    """An array, the names of its dimensions, and what is said of it."""

    dims: tuple[str, ...]
    values: np.ndarray
    attributes: Mapping[str, Any]


class Output(NamedTuple):
    """A dataset without xarray: variables by name, and which of them are coordinates."""

    variables: Mapping[str, Labelled]
    coordinates: tuple[str, ...]
    attributes: dict[str, Any]


class Cell(NamedTuple):
    """What a worker needs to know of a cell: the name of its file, and its resolved spec as JSON."""

    identity: str
    spec: str


class Batch(NamedTuple):
    """Some cells of equal shapes, and what to do with each: a function as `package.module:name`, with its options.

    After so many `seconds` no further cell is begun; those that were not are missing in the value. `together` names a
    function that takes many specs at once, for accelerators, and where the option `batching` asks for it. `like` is
    what the specs of the cells are like, where it has more than its text says.
    """

    function: str
    options: Mapping[str, Any]
    cells: tuple[Cell, ...]
    seconds: float
    together: str | None = None
    like: Any = None

    def subject(self, cell: Cell) -> Any:
        """What the study is about in a cell."""
        return Spec.from_json(cell.spec) if self.like is None else self.like.restored(cell.spec)


class Finished(NamedTuple):
    """A cell that has a result; `shared` if more cells in its batch would cost little."""

    identity: str
    output: Output
    seconds: float
    warnings: tuple[str, ...]
    source: Mapping[str, Any]
    shared: bool = False


class Failed(NamedTuple):
    """A cell that raised an error."""

    identity: str
    message: str
    traceback: str
    seconds: float = 0.0


def run_batch(batch: Batch) -> list[Finished | Failed]:
    """What every cell of a batch came to, in order; at least one of them."""
    start = time.perf_counter()
    asked = batch.options.get("batching", "auto")
    shared = batch.together is not None and asked != "apart" and (accelerated() or asked == "together")
    results: list[Finished | Failed] = []
    if shared and (results := _run_together(batch)):
        return results
    for cell in batch.cells:
        results.append(_run(batch, cell, shared))
        if time.perf_counter() - start > batch.seconds:
            break
    return results


def _run(batch: Batch, cell: Cell, shared: bool) -> Finished | Failed:
    start = time.perf_counter()
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            with fingerprints() as drawn:
                found = find_function(batch.function)(batch.subject(cell), **batch.options)
            output = output_of(found)
            if drawn:  # also by functions of the user's
                output.attributes[FINGERPRINT] = json.dumps(dict(sorted(drawn.items())))
        said = tuple(dict.fromkeys(str(w.message) for w in caught if issubclass(w.category, UserWarning)))
        return Finished(cell.identity, output, time.perf_counter() - start, said, _source(), shared)
    except (Exception, SystemExit) as error:
        end = "".join(traceback.format_exception(error)[-12:])
        return Failed(cell.identity, _message(error), end, time.perf_counter() - start)


def _run_together(batch: Batch) -> list[Finished | Failed]:
    """All cells as one batch; nothing if that fails, since then it has to be found out which cell is to blame."""
    start = time.perf_counter()
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            specs = [batch.subject(cell) for cell in batch.cells]
            outputs = [output_of(found) for found in find_function(str(batch.together))(specs, **batch.options)]
    except Exception:
        return []
    seconds = (time.perf_counter() - start) / len(batch.cells)
    said = tuple(dict.fromkeys(str(w.message) for w in caught if issubclass(w.category, UserWarning)))
    return [
        Finished(cell.identity, output, seconds, said, _source(), True)
        for cell, output in zip(batch.cells, outputs, strict=True)
    ]


def _message(error: BaseException) -> str:
    """The kind of an error and what it says."""
    try:
        said = str(error)
    except Exception:
        said = "its message cannot be made"
    return f"{type(error).__name__}: {said}".strip().removesuffix(":")


@functools.cache
def _source() -> dict[str, Any]:
    """What the results of this process were computed with."""
    made = provenance("sweep", {}, "")
    return {name: made[name] for name in ("commit", "versions")}


def output_of(result: Any) -> Output:
    """The plain form of what a study returned.

    It may be an `xarray.Dataset` or `DataArray`; a mapping from names to numbers, to arrays, or to pairs of dims and
    an array; or a number, whose name is `value`. **Raises:** `ValueError` for anything else.
    """
    if isinstance(result, xr.DataArray):
        result = result.to_dataset(name=result.name or "value")
    if isinstance(result, xr.Dataset):
        found = {_name(name): _labelled(name, v.dims, v.values, v.attrs) for name, v in result.variables.items()}
        return Output(found, tuple(map(str, result.coords)), _attributes(result.attrs))
    named = result if isinstance(result, Mapping) else {"value": result}
    return Output({_name(name): _from_pair(name, given) for name, given in named.items()}, (), {})


def _name(name: Any) -> str:
    if not isinstance(name, str) or not name or "/" in name or "\0" in name or len(name) > 200:
        raise ValueError(f"study: got a result named {name!r}, required are names of variables in a file.")
    if name in ("cell_status", "cell_message"):
        raise ValueError(f"study: got a result named {name!r}, which is what a sweep says of its cells; rename it.")
    return name


def _from_pair(name: str, given: Any) -> Labelled:
    """An array with the names of its dimensions, which it brings or gets."""
    if isinstance(given, tuple) and len(given) == 2:
        dims = (given[0],) if isinstance(given[0], str) else given[0]
        if isinstance(dims, tuple | list) and all(isinstance(dim, str) for dim in dims):
            return _labelled(name, dims, given[1], {})
    return _labelled(name, [f"{name}_{axis}" for axis in range(np.ndim(given))], given, {})


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


def script_name() -> str:
    """The name of the file that runs, also in its workers, such as `script.py`; nothing where code is typed in.

    A cell is named by the function, and `__main__` alone would be the same in all scripts.
    """
    path = getattr(sys.modules["__main__"], "__file__", None)
    return Path(path).name if path and path.endswith(".py") else ""


def find_function(name: str) -> Callable[..., Any]:
    """The function that `package.module:name` or `script.py:name` means; `ValueError` where there is none."""
    module, _, path = location(name).partition(":")
    if module.endswith(".py"):
        if module != script_name():
            raise ValueError(f"study: {path} is in the script {module}; run that script again, and it goes on.")
        module = "__main__"
    try:
        found = pkgutil.resolve_name(f"{module}:{path}")
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"study: got {name!r}, which cannot be imported: {error}.") from None
    if not callable(found):
        raise ValueError(f"study: got {name!r}, which is no function.")
    return found
