"""Arrays over all cells of a sweep, from the arrays that files hold of some of them.

Cells may differ in what they return: in sizes (how many eigenvalues there are depends on the width) and in variables.
An array is as large as the largest cell needs; what a cell does not have is filled.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from .packing import Structure

NO_RESULT = "no_result"
"""The flag −1, where a variable of flags has no flag for cells that were not run."""


class Layout:
    """The variables of a sweep: dims, sizes, types and attributes that have room for every structure given, in the
    order in which they come."""

    def __init__(self, structures: Iterable[Structure], cells: int):
        self.cells = cells
        self.sizes: dict[str, int] = {}
        self.dims: dict[str, tuple[str, ...]] = {}
        self.attributes: dict[str, dict[str, Any]] = {}
        self.coordinates: set[str] = set()
        self._types: dict[str, list[str]] = {}
        self._shapes: dict[str, set[tuple[int, ...]]] = {}
        self._structures = 0
        self._with: Counter[str] = Counter()
        for structure in structures:
            self._structures += 1
            self.coordinates.update(structure.coordinates)
            for name, described in structure.variables.items():
                self._take(name, described)

    def _take(self, name: str, described: Mapping[str, Any]) -> None:
        dims = tuple(described["dims"])
        assert self.dims.setdefault(name, dims) == dims, "what has other dimensions was set aside"
        for dim, size in zip(dims, described["shape"], strict=True):
            self.sizes[dim] = max(size, self.sizes.get(dim, 0))
        self._with[name] += 1
        self._shapes.setdefault(name, set()).add(tuple(described["shape"]))
        self._types.setdefault(name, []).append(described["type"])
        before = self.attributes.setdefault(name, described["attributes"])
        self.attributes[name] = {k: v for k, v in before.items() if _equal(v, described["attributes"].get(k))}

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a variable in the largest cell."""
        return tuple(self.sizes[dim] for dim in self.dims[name])

    def padded(self, name: str) -> bool:
        """Whether some cells with a result do not have this variable, or less of it than others."""
        return self._with[name] < self._structures or self._shapes[name] != {self.shape(name)}

    def fill(self, name: str) -> Any:
        """What stands where a cell has no result.

        NaN; for text nothing; for flags `not_run` where there is such a flag; for other whole numbers −1 (the largest
        one where there are no negative ones). Truth values are gathered as whole numbers.
        """
        kinds = {np.dtype(t).kind for t in self._types[name]}
        if "U" in kinds:
            return ""
        if "f" in kinds:
            return np.nan
        flags = str(self.attributes[name].get("flag_meanings", "")).split()
        if "not_run" in flags and "flag_values" in self.attributes[name]:
            return int(np.ravel(self.attributes[name]["flag_values"])[flags.index("not_run")])
        return np.iinfo(self._type(name)).max if kinds == {"u"} else -1

    def _type(self, name: str) -> np.dtype:
        # Text is kept as objects while it is gathered: the longest is not known before.
        types = set(self._types[name])
        if "U" in types:
            return np.dtype(object)
        return np.dtype(np.int8) if self.truth(name) else np.result_type(*sorted(types))

    def truth(self, name: str) -> bool:
        """Whether a variable holds truth values."""
        return {np.dtype(t).kind for t in self._types[name]} == {"b"}

    def empty(self, name: str) -> np.ndarray:
        """An array for a variable in all cells, filled."""
        return np.full((self.cells, *self.shape(name)), self.fill(name), dtype=self._type(name))


class Dimensions:
    """The dimensions of every variable, and whether it is text, as the first cell that has it has them."""

    def __init__(self) -> None:
        self._dims: dict[str, tuple[str, ...]] = {}
        self._text: dict[str, bool] = {}

    def conflict(self, structure: Structure) -> str:
        """What in a cell does not fit those before it, in words; nothing if all does, and is taken over."""
        dims = {name: tuple(described["dims"]) for name, described in structure.variables.items()}
        for name, own in dims.items():
            if self._dims.get(name, own) != own:
                return (
                    f"study: {name} has the dimensions {own} here and {self._dims[name]} in cells before; "
                    "required is the same everywhere."
                )
        text = {name: described["type"] == "U" for name, described in structure.variables.items()}
        for name, own in text.items():
            if self._text.get(name, own) != own:
                here, before = ("text", "numbers") if own else ("numbers", "text")
                return f"study: {name} is {here} here and {before} in cells before; required is the same everywhere."
        self._dims |= dims
        self._text |= text
        return ""


class Constant:
    """A coordinate that is the same in all cells, as far as each of them goes."""

    def __init__(self, shape: Sequence[int]):
        self._shape = tuple(shape)
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


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    return np.array_equal(a, b, equal_nan=a.dtype.kind == "f" and b.dtype.kind == "f")


def _equal(a: Any, b: Any) -> bool:
    return b is not None and json.dumps(np.asarray(a).tolist()) == json.dumps(np.asarray(b).tolist())
