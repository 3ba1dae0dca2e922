"""From cells to batches: cells of one shape, as many as fit into a fraction of a second.

Results do not depend on it: what a cell comes to is the same in any company.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Int

from .work import Failed, Finished

SECONDS = 0.25
"""How long a batch should take: what is lost when its worker dies, and how soon Ctrl-C takes effect."""
MOST = 512
"""Cells in a batch."""
TOGETHER = 64
"""Cells in a batch that an accelerator computes at once."""


class Sizes:
    """How many cells of each shape go into one batch."""

    def __init__(self) -> None:
        self._sizes: dict[int, int] = {}

    def size(self, shape: int) -> int:
        """One for a shape that has not come back yet."""
        return self._sizes.get(shape, 1)

    def learn(self, shape: int, submitted: int, results: Sequence[Finished | Failed]) -> None:
        """Adapt to how long the slowest of the results took; at most four times as many as before."""
        slowest = max((result.seconds for result in results), default=SECONDS)
        wanted = min(MOST, int(SECONDS / max(slowest, 1e-6)))
        if any(isinstance(result, Finished) and result.shared for result in results):
            wanted = TOGETHER
        self._sizes[shape] = max(1, min(wanted, 4 * submitted))


def batches(cells: Iterator[int], shapes: Int[np.ndarray, " cells"], sizes: Sizes) -> Iterator[list[int]]:
    """Neighbouring cells of one shape, as many as `sizes` says when they are asked for."""
    batch: list[int] = []
    for cell in cells:
        if batch and (shapes[cell] != shapes[batch[0]] or len(batch) >= sizes.size(int(shapes[cell]))):
            yield batch
            batch = []
        batch.append(cell)
    if batch:
        yield batch
