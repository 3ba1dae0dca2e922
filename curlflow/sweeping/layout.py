"""Arrays over all cells of a sweep, from the arrays that files hold of some of them.

Cells may differ in sizes, in variables, and in the names along a dimension: an array is as large as the largest cell
needs, and what a cell does not have is filled.
"""

from collections import Counter, defaultdict
from typing import Any

import numpy as np

from ..results import fill_value
from .folder.packing import Header, shared


class Layout:
    """The variables of a sweep, in the order in which they came, with room for every header that was taken."""

    def __init__(self, cells: int):
        self.cells = cells
        self.sizes: dict[str, int] = {}
        self.dims: dict[str, tuple[str, ...]] = {}
        self.attributes: dict[str, dict[str, Any]] = {}
        self.coordinates: set[str] = set()
        self._headers = 0
        self._types: dict[str, set[str]] = defaultdict(set)
        self._shapes: dict[str, Counter[tuple[int, ...]]] = defaultdict(Counter)

    def conflict(self, header: Header) -> str:
        """What in a file does not fit those taken before, in words; nothing if all does."""
        for name, described in header.variables.items():
            before, own = self.dims.get(name), tuple(described["dims"])
            if before not in (None, own):
                said = f"has the dimensions {own} here and {before}"
            elif before is not None and self.text(name) != (described["type"] == "U"):
                said = "is numbers here and text" if self.text(name) else "is text here and numbers"
            else:
                continue
            return f"study: {name} {said} in cells before; required is the same everywhere."
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
            self._shapes[name][shape] += 1
            self._types[name].add(described["type"])
            own = described["attributes"]
            both = self.attributes.get(name, own), own
            self.attributes[name] = shared(_with_all_links(_with_all_flags(*both)))

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a variable in the largest cell."""
        return tuple(self.sizes[dim] for dim in self.dims[name])

    def padded(self, name: str) -> bool:
        """Whether some cells with a result have nothing of this variable, or less than others."""
        return self._shapes[name] != {self.shape(name): self._headers}

    def text(self, name: str) -> bool:
        """Whether a variable holds text."""
        return "U" in self._types[name]

    def truth(self, name: str) -> bool:
        """Whether a variable holds truth values."""
        return self._types[name] == {np.dtype(bool).str}

    def fill(self, name: str) -> Any:
        """What stands where a cell has no result; truth values are gathered as whole numbers, and are −1 there."""
        return -1 if self.truth(name) else fill_value(self._type(name), self.attributes[name])

    def _type(self, name: str) -> np.dtype:
        return np.dtype(np.int8) if self.truth(name) else np.result_type(*sorted(self._types[name]))

    def empty(self, name: str) -> np.ndarray:
        """An array for a variable in all cells, filled; of objects for text, of which the longest is yet to come."""
        kind = object if self.text(name) else self._type(name)
        return np.full((self.cells, *self.shape(name)), self.fill(name), dtype=kind)


def _with_all_flags(*attributes: dict[str, Any]) -> list[dict[str, Any]]:
    """The attributes of flags to which cells of a later version have added some at the end: with all of them."""
    longest = max(attributes, key=lambda one: len(str(one.get("flag_meanings", ""))))
    added = {name: longest[name] for name in ("flag_values", "flag_meanings") if name in longest}
    fits = all(f"{longest.get('flag_meanings')} ".startswith(f"{one.get('flag_meanings')} ") for one in attributes)
    return [one | added for one in attributes] if fits else list(attributes)


def _with_all_links(attributes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The attributes with the links to other variables that any of them has, and why there is no error, if one says
    so: cells of earlier versions say neither."""
    links = dict.fromkeys(n for one in attributes for n in str(one.get("ancillary_variables", "")).split())
    reasons = {one["uncertainty"] for one in attributes if "uncertainty" in one}
    added = {"ancillary_variables": " ".join(links)} if links else {}
    return [one | added | ({"uncertainty": min(reasons)} if len(reasons) == 1 else {}) for one in attributes]


class Constant:
    """A coordinate that is the same in all cells, as far as each of them goes."""

    def __init__(self) -> None:
        self.values: np.ndarray | None = None
        self.holds = True

    def take(self, rows: np.ndarray) -> None:
        """Compare the rows of some cells with what was seen before."""
        if not self.holds:
            return
        first = rows[0]
        known = first if self.values is None else self.values
        part = tuple(slice(0, min(a, b)) for a, b in zip(known.shape, first.shape, strict=True))
        equal = _same(rows, np.broadcast_to(first, rows.shape)) and _same(known[part], first[part])
        longest, shortest = (known, first) if known.size >= first.size else (first, known)
        self.holds = equal and all(a >= b for a, b in zip(longest.shape, shortest.shape, strict=True))
        self.values = longest


def put_by_name(layout: Layout, data: dict[str, np.ndarray], constants: dict[str, Constant]) -> None:
    """Along dimensions whose names differ between cells, such as `rule`, move each value to the place of its name.

    The names are in the order in which they come. A dimension stays as it is where a cell has a name twice. All three
    arguments are changed.
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
