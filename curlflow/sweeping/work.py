"""The work of one batch: a study in each of a few cells, with whatever goes wrong in a cell as data.

This is all that a worker runs, so that a batch and its value are small and plain: specs as JSON, arrays, strings.
"""

import functools
import importlib
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..catalogue import location
from ..spec import Spec
from .environment import accelerated
from .outputs import Output, output_of

TRACEBACK_LINES = 12
"""How much of a failed cell's traceback is kept."""


class Cell(NamedTuple):
    """What a worker needs to know of a cell: the name of its file, and its resolved spec as JSON."""

    identity: str
    spec: str


class Batch(NamedTuple):
    """Some cells of equal shapes, and what to do with each.

    **Attributes:**

    - `function`: the study, as `package.module:name`.
    - `options`: its keyword arguments.
    - `cells`: what it is done with.
    - `seconds`: after this long no further cell is begun; those that were not are missing in the value.
    - `together`: a function that takes many specs at once; it is used on accelerators.
    """

    function: str
    options: Mapping[str, Any]
    cells: tuple[Cell, ...]
    seconds: float
    together: str | None = None


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
    seconds: float
    source: Mapping[str, Any]


def run_batch(batch: Batch) -> list[Finished | Failed]:
    """What every cell of a batch came to, in order; at least one of them."""
    start = time.perf_counter()
    shared = batch.together is not None and accelerated()
    results: list[Finished | Failed] = []
    if shared and len(batch.cells) > 1 and (results := _run_together(batch)):
        return results
    for cell in batch.cells:
        result = _run(batch, cell)
        results.append(result._replace(shared=shared) if isinstance(result, Finished) else result)
        if time.perf_counter() - start > batch.seconds:
            break
    return results


def _run(batch: Batch, cell: Cell) -> Finished | Failed:
    start = time.perf_counter()
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            function = find_function(batch.function)
            output = output_of(function(Spec.from_json(cell.spec), **batch.options))
        said = tuple(dict.fromkeys(str(w.message) for w in caught if issubclass(w.category, UserWarning)))
        return Finished(cell.identity, output, time.perf_counter() - start, said, _source())
    except (Exception, SystemExit) as error:
        lines = traceback.format_exception(error)[-TRACEBACK_LINES:]
        return Failed(cell.identity, _message(error), "".join(lines), time.perf_counter() - start, _source())


def _run_together(batch: Batch) -> list[Finished | Failed]:
    """All cells as one batch; nothing if that fails, since then it has to be found out which cell is to blame."""
    start = time.perf_counter()
    try:
        with warnings.catch_warnings(record=True):
            function = find_function(str(batch.together))
            found = function([Spec.from_json(cell.spec) for cell in batch.cells], **batch.options)
            outputs = [output_of(result) for result in found]
    except Exception:
        return []
    seconds = (time.perf_counter() - start) / len(batch.cells)
    return [
        Finished(cell.identity, output, seconds, (), _source(), True)
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
    from ..results import provenance

    made = provenance("sweep", {}, "")
    return {"commit": made["commit"], "versions": made["versions"]}


SCRIPT = ".py"
"""How the module of a function ends that stands in a script."""


def script_name() -> str:
    """The name of the file that runs, such as `script.py`; nothing where code is typed in.

    A cell is named by the function, and `__main__` alone would be the same in all scripts. In a worker `__main__` is
    the script of the process that began the sweep.
    """
    path = getattr(sys.modules["__main__"], "__file__", None)
    return Path(path).name if path and path.endswith(SCRIPT) else ""


@functools.cache
def find_function(name: str) -> Callable[..., Any]:
    """The function that `package.module:name` means, or `script.py:name` of the script that runs.

    **Raises:** `ValueError` where there is none.
    """
    module, _, path = location(name).partition(":")
    if module.endswith(SCRIPT):
        if module != script_name():
            raise ValueError(f"study: {path} is in the script {module}; run that script again, and it goes on.")
        module = "__main__"
    try:
        found: Any = importlib.import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"study: got {name!r}, which cannot be imported: {error}.") from None
    if not callable(found):
        raise ValueError(f"study: got {name!r}, which is no function.")
    return found
