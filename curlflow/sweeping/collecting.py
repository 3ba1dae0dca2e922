"""From the files of cells to one labelled dataset, whenever, wherever and in whatever order they were computed."""

import json
import warnings
from collections.abc import Mapping
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ..results import CONVENTIONS, flag_variable
from .folder import manifest as manifests
from .folder.packing import Damaged, Header, read_arrays, shared
from .folder.store import Settled, Store
from .grid import axis_coordinates, axis_names, canonical
from .layout import Constant, Layout, put_by_name

Part = tuple[Path, Header, np.ndarray, np.ndarray]  # a file, its header, rows of it, the cells that these are


class CellStatus(IntEnum):
    """What became of a cell."""

    done = 0
    failed = 1
    missing = 2


class Contents:
    """What is in the folder of a sweep: its files, in the order of their first cells, and room for what is in them.

    `unfit` says of cells with other dimensions than those before why they are left out; they count as failed.

    **Raises:** `ValueError` for a folder of no sweep.
    """

    def __init__(self, directory: Path):
        self.store, self.settled = Store(directory), Settled(manifests.read(directory))
        self.store.scan(keep=True)
        self.settled.mark(self.store)
        self.layout = Layout(self.settled.done.size)
        self.parts: list[Part] = []
        self.unfit: dict[int, str] = {}
        for part in sorted(_chosen(self.store, self.settled), key=lambda part: int(part[3].min())):
            _, header, _, cells = part
            if reason := self.layout.conflict(header):
                self.unfit |= dict.fromkeys(cells.tolist(), reason)
            else:
                self.layout.take(header)
                self.parts.append(part)
        self.settled.done[list(self.unfit)], self.settled.failed[list(self.unfit)] = False, True


def collect(directory: Any) -> xr.Dataset:
    """The dataset of all cells that are finished in the folder of a sweep, which may be running.

    ```python
    ds = curlflow.sweeping.collect("phase_diagram/")
    ```

    **Returns:** a dataset with the axes as leading dimensions, then those of the study. Cells without a result have
    NaN (whole numbers −1, a `status` `not_run`; truth values are then the numbers 0, 1 and NaN); `cell_status` says
    which they are, and where cells have failed `cell_message` says why.

    **Raises:** `ValueError` for a folder of no sweep, and for cells of different random numbers for the same seeds.
    """
    directory = manifests.folder_of(directory)
    found = Contents(directory)
    found.store.check_streams(found.settled.grid)
    data, constants, damaged = _gathered(found.layout, found.parts)
    found.settled.done[damaged] = False
    if found.store.damaged or damaged.size:
        warnings.warn(
            f"directory: files in {directory} are damaged; their cells are missing, and a run computes them again.",
            stacklevel=2,
        )
    return _dataset(found, data, constants).assign_attrs(_attributes(found.settled.grid, found.parts))


def _chosen(store: Store, settled: Settled) -> list[Part]:
    """What to take from which file, so that every cell comes once, from the study's own version if there is one."""
    files = sorted(store.headers.items())
    if not files:
        return []
    sizes = [len(header.identities) for _, header in files]
    owners, rows = np.repeat(np.arange(len(files)), sizes), np.concatenate([np.arange(size) for size in sizes])
    unique, first = np.unique(np.concatenate([header.identities for _, header in files]), return_index=True)
    place = np.full(settled.done.size, -1)
    for names in settled.names:
        at = np.minimum(np.searchsorted(unique, names), unique.size - 1)
        place = np.where((place < 0) & (unique[at] == names), first[at], place)
    cells = np.flatnonzero(place >= 0)
    cells = cells[np.argsort(owners[place[cells]], kind="stable")]
    numbers, starts = np.unique(owners[place[cells]], return_index=True)
    # Where nothing is wanted there is one empty group.
    groups = zip(numbers, np.split(cells, starts[1:]), strict=False)
    return [(*files[number], rows[place[own]], own) for number, own in groups]


def _gathered(layout: Layout, parts: list[Part]) -> tuple[dict[str, np.ndarray], dict[str, Constant], np.ndarray]:
    """Variables over all cells, coordinates that may be the same everywhere, and cells whose files were damaged."""
    constants = {name: Constant() for name in layout.coordinates}
    data = {name: layout.empty(name) for name in layout.dims if name not in constants}
    damaged: list[int] = []
    for again in (False, True):
        # Coordinates that turn out to differ are gathered like other variables, by going through the files again.
        names = {name for name, constant in constants.items() if not constant.holds} if again else set(data)
        data |= {name: layout.empty(name) for name in names} if again else {}
        for path, _, rows, cells in parts if names or not again else ():
            try:
                arrays = read_arrays(path)
            except (Damaged, FileNotFoundError):
                damaged += cells.tolist()
                continue
            for name, values in arrays.items():
                if name in names:
                    part = tuple(slice(0, size) for size in values.shape[1:])
                    data[name][(cells, *part)] = values[rows]
                elif not again:
                    constants[name].take(values[rows])
    for name in [name for name, constant in constants.items() if constant.values is None]:
        del constants[name], layout.dims[name]  # it was in damaged files alone
    put_by_name(layout, data, constants)
    return data, constants, np.unique(np.array(damaged, dtype=np.int64))


def _dataset(found: Contents, data: Mapping[str, np.ndarray], constants: Mapping[str, Constant]) -> xr.Dataset:
    """The axes, what the cells have, and what became of them."""
    layout, grid = found.layout, found.settled.grid
    taken = {*layout.dims, *layout.sizes}
    names = axis_names(grid.dimensions, taken)
    dataset = xr.Dataset(coords=axis_coordinates(grid, names, taken))
    gaps = not found.settled.done.all()
    for name, own in layout.dims.items():
        attributes = dict(layout.attributes[name])
        if name in constants and constants[name].holds:
            dataset = dataset.assign_coords({name: (own, constants[name].values, attributes)})
            continue
        values = data[name].astype(str) if layout.text(name) else data[name]
        filled = gaps or layout.padded(name)
        if layout.truth(name):
            values = np.where(values < 0, np.nan, values) if filled else values.astype(bool)
        elif filled and values.dtype.kind in "iu":
            attributes = _explained(attributes, layout.fill(name), values.dtype)
        variable = ((*names, *own), values.reshape(grid.shape + values.shape[1:]), attributes)
        # A dimension's own coordinate has one dimension; one that differs between cells needs another name.
        shown = {f"{name}_of_cell" if name in layout.sizes else name: variable}
        dataset = dataset.assign_coords(shown) if name in constants else dataset.assign(shown)
    return dataset.assign(_cell_variables(found, names))


def _explained(attributes: Mapping[str, Any], fill: int, kind: np.dtype) -> dict[str, Any]:
    """The attributes of whole numbers, with a comment (or a flag) on what stands where there is no result."""
    flags = np.ravel(attributes.get("flag_values", ()))
    if fill in flags:
        return dict(attributes)
    if flags.size:
        values, meanings = np.append(flags, fill).astype(kind), f"{attributes['flag_meanings']} no_result"
        return {**attributes, "flag_values": values, "flag_meanings": meanings}
    comment = "; ".join([*filter(None, [attributes.get("comment")]), f"{fill}: no result"])
    return {**attributes, "comment": comment}


def _cell_variables(found: Contents, names: tuple[str, ...]) -> dict[str, Any]:
    """What became of every cell, and why where it failed."""
    settled, failures = found.settled, found.store.failures
    status = np.where(settled.done, CellStatus.done, np.where(settled.failed, CellStatus.failed, CellStatus.missing))
    declared = flag_variable("cell_status", names, "what became of the cell", CellStatus)
    attributes = {"long_name": declared.long_name, **declared.attributes}
    variables = {"cell_status": (names, status.astype(np.int8).reshape(settled.grid.shape), attributes)}
    if (status == CellStatus.failed).any():
        messages = np.full(status.size, "", dtype=object)
        for cell in np.flatnonzero(status == CellStatus.failed):
            keys = (str(identities[cell], "ascii") for identities in settled.names)
            stored = next((failures[key].message for key in keys if key in failures), "")
            messages[cell] = found.unfit.get(int(cell), stored)
        text = messages.astype(str).reshape(settled.grid.shape)
        variables["cell_message"] = (names, text, {"long_name": "why the cell failed"})
    return variables


def _attributes(manifest: manifests.Manifest, parts: list[Part]) -> dict[str, Any]:
    """What the study says in every cell alike, and what the sweep is."""
    headers = [header for _, header, _, _ in parts]
    sources = [header.source for header in headers if header.source]
    versions = sorted({canonical(source["versions"]) for source in sources})
    study_versions = sorted({header.version for header in headers} or {manifest.study.version})
    axes = [
        {"name": d.name, "fields": sorted(d.fields), "values": list(d.values), "changes": list(d.changes)}
        for d in manifest.dimensions
    ]
    return {
        **dict(sorted(shared([header.attributes for header in headers]).items())),
        "Conventions": CONVENTIONS,
        "title": f"curlflow sweep of {manifest.study.name}",
        "study": "sweep",
        "swept_study": manifest.study.name,
        "swept_study_version": ", ".join(map(str, study_versions)),
        "options": json.dumps(dict(manifest.options), sort_keys=True),
        "spec": manifest.spec.to_json(),
        "axes": json.dumps(axes, ensure_ascii=False),
        "commit": ", ".join(sorted({source["commit"] for source in sources})),
        "versions": versions[0] if len(versions) == 1 else json.dumps([json.loads(v) for v in versions]),
    }
