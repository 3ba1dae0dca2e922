"""Arrays over all cells of a sweep, from the arrays that files hold of some of them.

Cells may differ in what they return: in sizes (how many eigenvalues there are depends on the width), in variables,
and in the names along a dimension. An array is as large as the largest cell needs; what a cell does not have is
filled.
"""

import json
from collections import Counter
from typing import Any

import numpy as np

from .folder.packing import Header

NO_RESULT = "no_result"
"""The flag −1, where a variable of flags has no flag for cells that were not run."""


class Layout:
    """The variables of a sweep: dims, sizes, types and attributes that have room for every header that was taken, in
    the order in which they came."""

    def __init__(self, cells: int):
        self.cells = cells
        self.sizes: dict[str, int] = {}
        self.dims: dict[str, tuple[str, ...]] = {}
        self.attributes: dict[str, dict[str, Any]] = {}
        self.coordinates: set[str] = set()
        self._types: dict[str, set[str]] = {}
        self._shapes: dict[str, set[tuple[int, ...]]] = {}
        self._headers = 0
        self._with: Counter[str] = Counter()

    def conflict(self, header: Header) -> str:
        """What in a file does not fit those taken before, in words; nothing if all does."""
        for name, described in header.variables.items():
            own = tuple(described["dims"])
            if self.dims.get(name, own) != own:
                return (
                    f"study: {name} has the dimensions {own} here and {self.dims[name]} in cells before; "
                    "required is the same everywhere."
                )
        for name, described in header.variables.items():
            if name in self.dims and self.text(name) != (described["type"] == "U"):
                here, before = ("numbers", "text") if self.text(name) else ("text", "numbers")
                return f"study: {name} is {here} here and {before} in cells before; required is the same everywhere."
        return ""

    def take(self, header: Header) -> None:
        """Make room for the cells of a file."""
        self._headers += 1
        self.coordinates.update(header.coordinates)
        for name, described in header.variables.items():
            dims, shape = tuple(described["dims"]), tuple(described["shape"])
            self.dims[name] = dims
            for dim, size in zip(dims, shape, strict=True):
                self.sizes[dim] = max(size, self.sizes.get(dim, 0))
            self._with[name] += 1
            self._shapes.setdefault(name, set()).add(shape)
            self._types.setdefault(name, set()).add(described["type"])
            before, own = self.attributes.get(name, described["attributes"]), described["attributes"]
            self.attributes[name] = {k: v for k, v in before.items() if k in own and _plain(v) == _plain(own[k])}

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a variable in the largest cell."""
        return tuple(self.sizes[dim] for dim in self.dims[name])

    def padded(self, name: str) -> bool:
        """Whether some cells with a result do not have this variable, or less of it than others."""
        return self._with[name] < self._headers or self._shapes[name] != {self.shape(name)}

    def _kinds(self, name: str) -> set[str]:
        return {np.dtype(t).kind for t in self._types[name]}

    def text(self, name: str) -> bool:
        """Whether a variable holds text."""
        return "U" in self._types[name]

    def truth(self, name: str) -> bool:
        """Whether a variable holds truth values."""
        return self._kinds(name) == {"b"}

    def fill(self, name: str) -> Any:
        """What stands where a cell has no result.

        NaN; for text nothing; for flags `not_run` where there is such a flag; for other whole numbers −1 (the largest
        one where there are no negative ones). Truth values are gathered as whole numbers.
        """
        if self.text(name):
            return ""
        if "f" in self._kinds(name):
            return np.nan
        flags = str(self.attributes[name].get("flag_meanings", "")).split()
        if "not_run" in flags and "flag_values" in self.attributes[name]:
            return int(np.ravel(self.attributes[name]["flag_values"])[flags.index("not_run")])
        return np.iinfo(self._type(name)).max if self._kinds(name) == {"u"} else -1

    def _type(self, name: str) -> np.dtype:
        if self.text(name):  # kept as objects while it is gathered: the longest is not known before
            return np.dtype(object)
        return np.dtype(np.int8) if self.truth(name) else np.result_type(*sorted(self._types[name]))

    def empty(self, name: str) -> np.ndarray:
        """An array for a variable in all cells, filled."""
        return np.full((self.cells, *self.shape(name)), self.fill(name), dtype=self._type(name))


class Constant:
    """A coordinate that is the same in all cells, as far as each of them goes."""

    def __init__(self) -> None:
        self.values: np.ndarray | None = None
        self.holds = True

    def take(self, rows: np.ndarray) -> None:
        """Compare the rows of some cells with what was seen before."""
        if rows.shape[0] == 0 or not self.holds:
            return
        first = rows[0]
        known = first if self.values is None else self.values
        part = tuple(slice(0, min(a, b)) for a, b in zip(known.shape, first.shape, strict=True))
        equal = _same(rows, np.broadcast_to(first, rows.shape)) and _same(known[part], first[part])
        longest, shortest = (known, first) if known.size >= first.size else (first, known)
        self.holds = equal and all(a >= b for a, b in zip(longest.shape, shortest.shape, strict=True))
        self.values = longest


def put_by_name(layout: Layout, data: dict[str, np.ndarray], constants: dict[str, Constant]) -> None:
    """Move what cells have along a dimension with names (text) to the places of all names, in the order in which they
    come, where the names differ between cells; `layout`, `data` and `constants` are changed.

    Such a dimension is `rule` in a sweep over rules. A dimension stays as it is where a cell has a name twice.
    """
    named = [dim for dim in constants if layout.dims[dim] == (dim,) and layout.text(dim)]
    for dim in [dim for dim in named if not constants[dim].holds]:
        names = data[dim]
        known = [name for name in dict.fromkeys(names.ravel()) if name != ""]
        if any(np.unique(own[own != ""]).size < (own != "").sum() for own in names.astype(str)):
            continue
        for name in [name for name, dims in layout.dims.items() if dim in dims and name != dim]:
            constant = constants.get(name)
            if constant is not None and constant.holds:
                constant.holds = False
                data[name] = np.broadcast_to(constant.values, (layout.cells, *layout.shape(name)))
            axis = 1 + layout.dims[name].index(dim)
            data[name] = _moved(data[name], axis, names, known, layout.fill(name))
        layout.sizes[dim] = len(known)
        constants[dim].values, constants[dim].holds = np.array(known, dtype=str), True


def _moved(values: np.ndarray, axis: int, names: np.ndarray, known: list[Any], fill: Any) -> np.ndarray:
    """`values`, cells first, with as many places along `axis` as names are known."""
    before = np.moveaxis(values, axis, 1)
    after = np.full((len(before), len(known), *before.shape[2:]), fill, dtype=before.dtype)
    for place, name in enumerate(known):
        cells, positions = np.nonzero(names == name)
        after[cells, place] = before[cells, positions]
    return np.moveaxis(after, 1, axis)


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    return np.array_equal(a, b, equal_nan=a.dtype.kind == "f" and b.dtype.kind == "f")


def _plain(value: Any) -> str:
    """An attribute as text, whatever its type."""
    return json.dumps(np.asarray(value).tolist())
