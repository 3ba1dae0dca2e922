"""How rough is the boundary between two kinds of points of a plane? Its dimension on a grid, by two methods.

    box counting:  N(s) ~ s^−D boxes of side s meet the boundary,
    uncertainty:   f(s) ~ s^(2−D) of all pairs at the distance s, along an axis, have one point of either kind.

A smooth curve has D = 1. Sides and distances are powers of two, from one cell to an eighth of the grid; exponents are
least-squares slopes of logarithms. Source: Grebogi, McDonald, Ott and Yorke, Phys. Lett. A 99 (1983) 415.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool

Grid = Bool[np.ndarray, "rows columns"]


def boundary_cells(kinds: Grid) -> Grid:
    """The cells that differ from one of the next ones in row and column, so that the boundary passes there."""
    padded = np.pad(kinds, (0, 1), mode="edge")
    corners = np.stack([padded[:-1, :-1], padded[1:, :-1], padded[:-1, 1:], padded[1:, 1:]])
    return corners.any(axis=0) & ~corners.all(axis=0)


def box_counts(cells: Grid, sides: Sequence[int]) -> list[int]:
    """How many boxes of each side, which divides the grid, have a cell."""
    rows, columns = cells.shape
    return [int(cells.reshape(rows // s, s, columns // s, s).any(axis=(1, 3)).sum()) for s in sides]


def box_dimension(cells: Grid) -> float:
    """D by box counting; NaN without cells.

    **Arguments:** `cells`: where the set is, for example `boundary_cells`; as many rows and columns as a multiple of
    the largest power of two up to an eighth of them.

    **Raises:** `ValueError` for another grid.
    """
    sides = _lengths(cells)
    if any(number % sides[-1] for number in cells.shape):
        raise ValueError(f"cells: got a grid of shape {cells.shape}, required are multiples of {sides[-1]}.")
    return -_slope(sides, box_counts(cells, sides))


def uncertainty_dimension(kinds: Grid) -> float:
    """D from the share of pairs of points of both kinds; NaN where all are of one."""
    shares = [
        np.concatenate([(kinds[s:] != kinds[:-s]).ravel(), (kinds[:, s:] != kinds[:, :-s]).ravel()]).mean()
        for s in _lengths(kinds)
    ]
    return 2 - _slope(_lengths(kinds), shares)


def _lengths(grid: Grid) -> list[int]:
    """Powers of two up to an eighth of the shorter side."""
    if min(grid.shape) < 16:
        raise ValueError(f"cells: got a grid of shape {grid.shape}, required are at least 16 rows and columns.")
    return [2**i for i in range((min(grid.shape) // 8).bit_length())]


def _slope(lengths: Sequence[int], numbers: Sequence[float]) -> float:
    if min(numbers) == 0:
        return np.nan
    return float(np.polyfit(np.log(lengths), np.log(numbers), 1)[0])
