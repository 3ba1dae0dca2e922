"""From the files of cells to one labelled dataset, which depends on the cells alone: not on when, where or in which
order they were computed, nor on how they lie in files.
"""

import json
import warnings
from collections.abc import Mapping
from enum import IntEnum
from typing import Any

import numpy as np
import xarray as xr

from ..results import CONVENTIONS, flag_variable
from . import manifest as manifests
from .coordinates import axis_coordinates, axis_names
from .grid import DIGITS, canonical
from .labels import put_by_name
from .layout import NO_RESULT, Constant, Dimensions, Layout
from .packing import Damaged, read_arrays
from .settled import Settled
from .store import Piece, Store

Part = tuple[Piece, np.ndarray, np.ndarray]
"""A file, rows of it, and the cells which these are."""


class CellStatus(IntEnum):
    """What became of a cell."""

    done = 0
    failed = 1
    missing = 2


def collect(directory: Any) -> xr.Dataset:
    """The dataset of all cells that are finished.

    ```python
    ds = curlflow.sweeping.collect("phase_diagram/")
    ```

    **Returns:** a dataset with the axes as leading dimensions, then those of the study. What cells without a result
    have is NaN (for whole numbers −1, for a `status` `not_run`; truth values are then the numbers 0, 1 and NaN);
    `cell_status` says which they are, and where cells have failed `cell_message` says why.

    **Arguments:**

    - `directory`: the folder of a sweep, finished or not; it may be running.

    **Raises:** `ValueError` for a folder of no sweep.
    """
    directory = manifests.folder_of(directory)
    manifest = manifests.read(directory)
    store = Store(directory)
    store.scan(keep=True)
    settled = Settled(manifest)
    settled.mark(store.done, set(store.failures))
    pieces, unfit = fitting(store, settled)
    layout = Layout((piece.header.structure for piece, _, _ in pieces), settled.done.size)
    data, constants, damaged = _gathered(layout, pieces)
    settled.done[damaged] = False
    if store.damaged or damaged.size:
        warnings.warn(
            f"directory: files in {directory} are damaged; their cells are missing, and a run computes them again.",
            stacklevel=2,
        )
    taken = {*layout.dims, *layout.sizes}
    names, sizes = axis_names(manifest.dimensions, taken), manifest.grid.shape
    dataset = xr.Dataset(coords=axis_coordinates(manifest, names, taken))
    gaps = not settled.done.all()
    for name in layout.dims:
        dataset = _placed(dataset, name, layout, data, constants, names, sizes, gaps)
    dataset = dataset.assign(_cell_variables(settled, store, unfit, names, sizes))
    return dataset.assign_attrs(_attributes(manifest, pieces))


def _chosen(store: Store, settled: Settled) -> list[Part]:
    """The files with the rows in them, and the cells which these are; every cell once, the study's own version
    first."""
    files = [store.pieces[name] for name in sorted(store.pieces)]
    stored = np.concatenate([np.zeros(0, f"S{DIGITS}"), *(piece.identities for piece in files)])
    ends = np.cumsum([piece.identities.size for piece in files], dtype=np.int64)
    unique, first = np.unique(stored, return_index=True)
    place = np.full(settled.done.size, -1)
    for names in settled.names if unique.size else ():
        at = np.minimum(np.searchsorted(unique, names), unique.size - 1)
        place = np.where((place < 0) & (unique[at] == names), first[at], place)
    cells = np.flatnonzero(place >= 0)
    owners = np.searchsorted(ends, place[cells], side="right")
    cells = cells[np.argsort(owners, kind="stable")]
    parts = []
    for number, own in zip(*_split(np.sort(owners), cells), strict=True):
        begin = ends[number] - files[number].identities.size
        parts.append((files[number], place[own] - begin, own))
    return parts


def _split(owners: np.ndarray, cells: np.ndarray) -> tuple[list[int], list[np.ndarray]]:
    """The cells of each owner, where cells of one owner stand together."""
    numbers, starts = np.unique(owners, return_index=True)
    return numbers.tolist(), np.split(cells, starts[1:]) if numbers.size else []


def fitting(store: Store, settled: Settled) -> tuple[list[Part], dict[int, str]]:
    """The files in the order of their first cells, and for each cell that has other dimensions than cells before it
    why it is left out: such cells count as failed."""
    known, parts, unfit = Dimensions(), [], {}
    for part in sorted(_chosen(store, settled), key=lambda part: int(part[2].min())):
        piece, _, cells = part
        if reason := known.conflict(piece.header.structure):
            unfit |= dict.fromkeys(cells.tolist(), reason)
        else:
            parts.append(part)
    settled.done[list(unfit)], settled.failed[list(unfit)] = False, True
    return parts, unfit


def _gathered(layout: Layout, pieces: list[Part]) -> tuple[dict[str, np.ndarray], dict[str, Constant], np.ndarray]:
    """All variables over all cells; coordinates that are the same everywhere once; cells whose files were damaged."""
    constants = {name: Constant(layout.shape(name)) for name in layout.coordinates}
    data = {name: layout.empty(name) for name in layout.dims if name not in constants}
    damaged: list[int] = []
    for again in (False, True):
        # Coordinates that turn out to differ are gathered like other variables, by going through the files again.
        names = {name for name, constant in constants.items() if not constant.holds} if again else set(data)
        data |= {name: layout.empty(name) for name in names} if again else {}
        for piece, rows, cells in pieces if names or not again else ():
            try:
                arrays = read_arrays(piece.path)
            except (Damaged, FileNotFoundError):
                damaged += cells.tolist()
                continue
            for name, values in arrays.items():
                if name in names:
                    part = tuple(slice(0, size) for size in values.shape[1:])
                    data[name][(cells, *part)] = values[rows]
                elif not again:
                    constants[name].take(values[rows])
    put_by_name(layout, data, constants)
    return data, constants, np.unique(np.array(damaged, dtype=np.int64))


def _placed(
    dataset: xr.Dataset,
    name: str,
    layout: Layout,
    data: Mapping[str, np.ndarray],
    constants: Mapping[str, Constant],
    names: tuple[str, ...],
    sizes: tuple[int, ...],
    gaps: bool,
) -> xr.Dataset:
    """The dataset with one more variable."""
    attributes = dict(layout.attributes[name])
    if name in constants and constants[name].holds:
        values = constants[name].values
        return dataset.assign_coords({name: (layout.dims[name], values, attributes)})
    values = data[name]
    values = values.astype(str) if values.dtype == object else values
    filled = gaps or layout.padded(name)
    if layout.truth(name):
        values = np.where(values < 0, np.nan, values) if filled else values.astype(bool)
    elif filled and values.dtype.kind in "iu":
        attributes = _explained(attributes, layout.fill(name), values.dtype)
    dims = (*names, *layout.dims[name])
    # A dimension's own coordinate has one dimension; one that differs between cells needs another name.
    shown = f"{name}_of_cell" if name in layout.sizes else name
    variable = (dims, values.reshape(sizes + values.shape[1:]), attributes)
    return dataset.assign_coords({shown: variable}) if name in constants else dataset.assign({shown: variable})


def _explained(attributes: Mapping[str, Any], fill: int, kind: np.dtype) -> dict[str, Any]:
    """The attributes of whole numbers, with a word on what stands where there is no result."""
    flags = np.ravel(attributes.get("flag_values", ()))
    if fill in flags:
        return dict(attributes)
    if flags.size:
        values, meanings = np.append(flags, fill).astype(kind), f"{attributes['flag_meanings']} {NO_RESULT}"
        return {**attributes, "flag_values": values, "flag_meanings": meanings}
    comment = "; ".join([*filter(None, [attributes.get("comment")]), f"{fill}: no result"])
    return {**attributes, "comment": comment}


def _cell_variables(
    settled: Settled, store: Store, unfit: Mapping[int, str], names: tuple[str, ...], sizes: tuple[int, ...]
) -> dict[str, Any]:
    """What became of every cell, and why where it failed."""
    status = np.where(settled.done, CellStatus.done, np.where(settled.failed, CellStatus.failed, CellStatus.missing))
    declared = flag_variable("cell_status", names, "what became of the cell", CellStatus)
    attributes = {"long_name": declared.long_name, **declared.attributes}
    found = {"cell_status": (names, status.astype(np.int8).reshape(sizes), attributes)}
    if (status == CellStatus.failed).any():
        messages = np.full(status.size, "", dtype=object)
        for cell in np.flatnonzero(status == CellStatus.failed):
            keys = [str(identities[cell], "ascii") for identities in settled.names]
            stored = next((store.failures[key].message for key in keys if key in store.failures), "")
            messages[cell] = unfit.get(int(cell), stored)
        text = messages.astype(str).reshape(sizes)
        found["cell_message"] = (names, text, {"long_name": "why the cell failed"})
    return found


def _attributes(manifest: manifests.Manifest, pieces: list[Part]) -> dict[str, Any]:
    """What the study says in every cell alike, and what the sweep is."""
    headers = [piece.header for piece, _, _ in pieces]
    shared = _common([header.attributes for header in headers])
    for piece, rows, _ in pieces:
        own = [piece.attributes[row] for row in rows]
        shared = {k: v for k, v in shared.items() if not any(k in each for each in own)}
    settings = {} if "settings" not in shared else {"settings": shared["settings"]}
    commits = sorted({header.source["commit"] for header in headers if header.source})
    versions = sorted({canonical(header.source["versions"]) for header in headers if header.source})
    study_versions = sorted({header.version for header in headers} or {manifest.study.version})
    axes = [
        {"name": d.name, "fields": sorted(d.fields), "values": list(d.values), "changes": list(d.changes)}
        for d in manifest.dimensions
    ]
    return {
        **dict(sorted(shared.items())),
        "Conventions": CONVENTIONS,
        "title": f"curlflow sweep of {manifest.study.name}",
        "study": "sweep",
        "swept_study": manifest.study.name,
        "swept_study_version": ", ".join(map(str, study_versions)),
        **settings,
        "options": json.dumps(dict(manifest.options), sort_keys=True),
        "spec": manifest.spec.to_json(),
        "axes": json.dumps(axes, ensure_ascii=False),
        "commit": ", ".join(commits),
        "versions": versions[0] if len(versions) == 1 else json.dumps([json.loads(v) for v in versions]),
    }


def _common(many: list[Mapping[str, Any]]) -> dict[str, Any]:
    """The attributes that are equal in all."""
    if not many:
        return {}
    texts = [{k: json.dumps(np.asarray(v).tolist()) for k, v in each.items()} for each in many]
    return {k: v for k, v in many[0].items() if all(text.get(k) == texts[0][k] for text in texts)}
