"""The cells of a sweep: from an index along each axis to the spec, and to the name of what it came to.

A cell's identity is the SHA-256 of its spec with every default written out (seed and realizations are fields of it),
of the study with its version, and of the options. It does not depend on the sweep, so that a larger sweep finds the
cells of a smaller one.
"""

import functools
import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ..spec import Spec
from .callables import Study
from .dimensions import Dimension

DIGITS = 32
"""Hexadecimal digits of an identity: 128 bits."""
SHAPES = (
    "network", "teacher.width", "data.samples", "data.test_samples", "realizations", "rule.kind", "rule.side",
    "rule.steps", "constraint", "start.kind", "dynamics.kind", "dynamics.solver", "dynamics.batch",
    "dynamics.drawing", "dynamics.correction",
)  # fmt: skip
"""Fields that change the shapes of arrays or the program: each of their values is compiled once."""


class Grid:
    """All combinations of the values of all dimensions, in C order: the last dimension varies fastest."""

    def __init__(self, spec: Spec, dimensions: tuple[Dimension, ...], study: Study, options: Mapping[str, Any]):
        self.spec = spec
        self.dimensions = dimensions
        self.study = study
        self.options = options
        self.shape = tuple(len(d.values) for d in dimensions)
        self.size = int(np.prod(self.shape, dtype=np.int64))

    def changes(self, cell: int) -> dict[str, Any]:
        """The fields that cell number `cell` sets."""
        indices = np.unravel_index(cell, self.shape)
        return {k: v for d, i in zip(self.dimensions, indices, strict=True) for k, v in d.changes[i].items()}

    def resolved(self, cell: int) -> Spec:
        """The spec of a cell.

        **Raises:** `ValueError` for a combination that the spec refuses.
        """
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
        """The cells in which `wanted` is true: first one of each shape, so that different shapes compile side by
        side; then the others, shape by shape."""
        cells = np.flatnonzero(wanted)
        cells = cells[np.argsort(self.shape_numbers[cells], kind="stable")]
        first = np.diff(self.shape_numbers[cells], prepend=-1) != 0
        yield from cells[first].tolist()
        yield from cells[~first].tolist()


def canonical(value: Any) -> str:
    """JSON of which there is one for equal values."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
