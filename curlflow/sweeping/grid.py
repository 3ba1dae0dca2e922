"""The cells of a sweep: from an index along each axis to the spec, and to the name of what it came to.

A cell's identity is the SHA-256 of its spec with every default written out (seed and realizations are fields of it),
of the study with its version, and of the options. It does not depend on the sweep, so that a larger sweep finds the
cells of a smaller one.
"""

import dataclasses
import functools
import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from .axes import Dimension, as_word
from .study import SweptStudy

DIGITS = 32  # of an identity, hexadecimal
SHAPES = (
    "network", "teacher.width", "data.samples", "data.test_samples", "realizations", "rule.kind", "rule.side",
    "rule.steps", "constraint", "start.kind", "dynamics.kind", "dynamics.solver", "dynamics.batch",
    "dynamics.drawing", "dynamics.correction",
)  # fmt: skip
"""Fields that change the shapes of arrays or the program: each of their values is compiled once."""
FLIPPED = {f"rule.flipped.{units}": f"network.{units}" for units in ("inputs", "hidden", "outputs")}
"""Fields that are fractions of units, and the fields that say how many units there are."""


@dataclass(frozen=True)
class Grid:
    """All combinations of the values of all dimensions, in C order: the last dimension varies fastest.

    `functions` are those among the options, of which `options` has the fingerprints; no file holds them.
    """

    spec: Any
    dimensions: tuple[Dimension, ...]
    study: SweptStudy
    options: Mapping[str, Any]
    functions: Mapping[str, Any] = dataclasses.field(default_factory=dict, kw_only=True)

    @functools.cached_property
    def shape(self) -> tuple[int, ...]:
        """How many values each dimension has."""
        return tuple(len(d.values) for d in self.dimensions)

    @functools.cached_property
    def size(self) -> int:
        """How many cells there are."""
        return math.prod(self.shape)

    def changes(self, cell: int) -> dict[str, Any]:
        """The fields that cell number `cell` sets."""
        indices = np.unravel_index(cell, self.shape)
        return {k: v for d, i in zip(self.dimensions, indices, strict=True) for k, v in d.changes[i].items()}

    def resolved(self, cell: int) -> Any:
        """The spec of a cell. **Raises:** `ValueError` for a combination that the spec refuses."""
        return self.spec.replace(self.changes(cell))

    def identity(self, cell: int, version: int | None = None) -> str:
        """The name of a cell's result, under the study's version or another."""
        try:
            tables: Any = self.resolved(cell).model_dump(exclude_none=True)
        except ValueError:
            tables = {"refused": [self.spec.model_dump(exclude_none=True), self.changes(cell)]}
        named = [tables, self.study.function, self.study.version if version is None else version, self.options]
        return hashlib.sha256(canonical(named).encode()).hexdigest()[:DIGITS]

    def identities(self, version: int | None = None) -> np.ndarray:
        """The identities of all cells, as bytes."""
        names = (self.identity(i, version).encode() for i in range(self.size))
        return np.fromiter(names, dtype=f"S{DIGITS}", count=self.size)

    @functools.cached_property
    def shape_numbers(self) -> np.ndarray:
        """For each cell the number of its shape: cells of one number share compiled code."""
        numbers = np.zeros(self.shape, dtype=np.int64)
        for axis, dimension in enumerate(self.dimensions):
            if any(field == s or field.startswith(s + ".") for field in dimension.fields for s in SHAPES):
                along = np.arange(len(dimension.values))
                numbers = numbers * along.size + along.reshape([-1 if i == axis else 1 for i in range(numbers.ndim)])
        return numbers.ravel()

    def order(self, wanted: np.ndarray) -> Iterator[int]:
        """The `wanted` cells: one of each shape, so that shapes compile side by side, then the others by shape."""
        cells = np.flatnonzero(wanted)
        cells = cells[np.argsort(self.shape_numbers[cells], kind="stable")]
        first = np.diff(self.shape_numbers[cells], prepend=-1) != 0
        yield from cells[first].tolist()
        yield from cells[~first].tolist()


def canonical(value: Any) -> str:
    """JSON of which there is one for equal values."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def axis_names(dimensions: tuple[Dimension, ...], taken: set[str]) -> tuple[str, ...]:
    """The names of the axes, other than those that the study has for its own dimensions and variables."""
    names = []
    for dimension in dimensions:
        name = dimension.name
        if name in taken and dimension.field is not None:
            name = as_word(dimension.field)
        while name in taken or name in names:
            name = f"{name}_axis"
        names.append(name)
    return tuple(names)


def axis_coordinates(grid: Grid, names: tuple[str, ...], taken: set[str]) -> dict[str, Any]:
    """Coordinates by name, as xarray takes them, without names that are `taken`."""
    along = list(zip(names, grid.dimensions, strict=True))
    found = {name: _described(name, d.values, d.field or ", ".join(sorted(d.fields))) for name, d in along}
    more = [(name, field, values) for name, d in along for field, values in d.coordinates.items()]
    last = [field.rpartition(".")[2] for _, field, _ in more]
    for (name, field, values), short in zip(more, last, strict=True):
        free = short not in found and short not in taken and last.count(short) == 1
        found[short if free else field.replace(".", "_")] = _described(name, values, field)
    found |= _flipped(grid, names, found)
    return {name: coordinate for name, coordinate in found.items() if name not in taken}


def _described(name: str, values: tuple[Any, ...], text: str) -> tuple[Any, ...]:
    """A coordinate with its values as one array, as text where they are of mixed kinds."""
    kinds = {np.asarray(value).dtype.kind for value in values}
    mixed = len(kinds) > 1 and not kinds <= {"i", "f"}
    return (name,), np.array([str(v) for v in values] if mixed else values), {"long_name": text, "units": "1"}


def _flipped(grid: Grid, names: tuple[str, ...], taken: Mapping[str, Any]) -> dict[str, Any]:
    """How many units each fraction flips: ⌊αn + 10⁻⁹⌋ of n, over the axes that set α and n."""
    tables, found = grid.spec.model_dump(), {}
    if tables.get("rule", {}).get("side") not in ("presynaptic", "postsynaptic"):
        return {}
    along = {
        field: (name, [change.get(field) for change in dimension.changes])
        for name, dimension in zip(names, grid.dimensions, strict=True)
        for field in dimension.fields
    }
    swept = {f: along[f] for f in FLIPPED if f in along and all(type(a) in (int, float) for a in along[f][1])}
    for field, (axis, fractions) in swept.items():
        width = FLIPPED[field]
        other, units = along.get(width, ("", [tables["network"][width.rpartition(".")[2]]]))
        name = "flipped" if len({axis for axis, _ in swept.values()}) == 1 else f"flipped_{field.rpartition('.')[2]}"
        if name not in taken and all(isinstance(n, int) for n in units):
            number = xr.DataArray(units, dims=other) if other else units[0]
            counts = np.floor(xr.DataArray(fractions, dims=axis) * number + 1e-9).astype(int)
            counts, text = counts.transpose(*names, missing_dims="ignore"), f"number of flipped units, of {width}"
            found[name] = counts.dims, counts.values, {"long_name": text, "units": "1"}
    return found
