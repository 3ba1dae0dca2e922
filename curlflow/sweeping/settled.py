"""Which cells of a sweep need nothing more: a byte or two for each, whatever they came to."""

import numpy as np

from .grid import DIGITS
from .manifest import Manifest


class Settled:
    """For every cell whether it is `done` or has `failed`.

    Cells of one identity (two ratios may give the same whole numbers of units) are one: the first stands for all.
    """

    def __init__(self, manifest: Manifest):
        grid = manifest.grid
        used = sorted((v for v, what in manifest.others.items() if what == "use"), reverse=True)
        self.names = [grid.identities(version) for version in (None, *used)]
        _, first, inverse = np.unique(self.names[0], return_index=True, return_inverse=True)
        self._first = first[inverse]
        self.done = np.zeros(grid.size, dtype=bool)
        self.failed = np.zeros_like(self.done)

    def __getitem__(self, cell: int) -> bool:
        return bool(self.done[cell] or self.failed[cell])

    def identity(self, cell: int) -> str:
        """The name of a cell's result."""
        return str(self.names[0][cell], "ascii")

    def failed_names(self) -> list[str]:
        """The identities of the cells that have failed."""
        return [str(name, "ascii") for names in self.names for name in names[self.failed]]

    @property
    def missing(self) -> np.ndarray:
        """Whether each cell has to be computed."""
        return ~(self.done | self.failed) & (self._first == np.arange(self._first.size))

    @property
    def counts(self) -> tuple[int, int]:
        """How many are done, and how many have failed."""
        return int(self.done[self._first].sum()), int(self.failed[self._first].sum())

    def mark(self, done: set[str], failed: set[str]) -> None:
        """Take over what files say, by identity."""
        for stored, mask in ((done, self.done), (failed, self.failed)):
            listed = np.fromiter((name.encode() for name in stored), dtype=f"S{DIGITS}", count=len(stored))
            for names in self.names:
                mask |= np.isin(names, listed)
        self.failed &= ~self.done
