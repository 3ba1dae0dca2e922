"""Rotations of the hidden units of one layer onto fewer: QR factorisations within groups of equal gains.

In a group s of N_s units the rows of C = [W_in | W_outᵀ | …] (units × r) span at most r dimensions. With C = Q R,
QᵀQ = 1, the r units with the rows R stand for the N_s units, and Q leads back: C = Q (QᵀC).
"""

import dataclasses
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from ..networks.feedforward import Matrix

Rows = Float[np.ndarray, "_ _"]
Units = Int[np.ndarray, " _"]


@dataclass(frozen=True)
class Group:
    """Units with equal gains, Q (units × r; None if they stay), and the first of the units that stand for them."""

    units: Units
    basis: Rows | None
    first: int

    @property
    def width(self) -> int:
        """How many units stand for the group in the narrow network."""
        return len(self.units) if self.basis is None else self.basis.shape[1]

    @property
    def part(self) -> slice:
        """The narrow units that stand for the group."""
        return slice(self.first, self.first + self.width)


@dataclass(frozen=True)
class Rotation:
    """The units of one hidden layer and the fewer that stand for them.

    **Attributes:**

    - `units`, `width`: how many there are, and how many stand for them.
    - `groups`: in the order of the narrow layer; units after the last group have no synapses (weights of 0).
    - `idle`: for each of the last units, which have no synapses either, the group whose gains it has.
    """

    units: int
    width: int
    groups: tuple[Group, ...]
    idle: tuple[Group, ...] = ()

    @property
    def representatives(self) -> Units:
        """For every narrow unit one of the wide ones that has its gains."""
        index = np.zeros(self.width, dtype=int)
        for g in self.groups:
            index[g.part] = g.units if g.basis is None else g.units[0]
        index[self.width - len(self.idle) :] = [g.units[0] for g in self.idle]
        return index

    def with_idle_units(self) -> "Rotation":
        """The same with one more unit, without synapses, for every group that is narrower than it was."""
        idle = tuple(g for g in self.groups if g.basis is not None)
        return dataclasses.replace(self, width=self.width + len(idle), idle=idle)

    def narrow(self, rows: Matrix) -> Rows:
        """Qᵀ rows: (units × columns) to (width × columns)."""
        rows = np.asarray(rows)
        result = np.zeros((self.width, rows.shape[1]))
        for g in self.groups:
            part = rows if len(g.units) == self.units else rows[g.units]
            result[g.part] = part if g.basis is None else g.basis.T @ part
        return result

    def widen(self, rows: Matrix) -> Rows:
        """Q rows: (width × columns) to (units × columns)."""
        rows = np.asarray(rows)
        result = np.empty((self.units, rows.shape[1]))
        for g in self.groups:
            result[g.units] = rows[g.part] if g.basis is None else g.basis @ rows[g.part]
        return result

    def rows(self, units: Units) -> Rows:
        """The rows of Q of some `units` (as many × width)."""
        result = np.zeros((len(units), self.width))
        for g in self.groups:
            inside = np.flatnonzero(np.isin(units, g.units))
            at = np.searchsorted(g.units, units[inside])
            if g.basis is None:
                result[inside, g.first + at] = 1.0
            else:
                result[inside, g.part] = g.basis[at]
        return result


def rotation(columns: Rows, groups: list[Units], width: int | None = None) -> Rotation | None:
    """The rotation that narrows every group with more units than `columns` (units × r) has columns.

    **Returns:** the rotation; None where the layer does not get smaller.

    **Arguments:**

    - `columns`: the columns whose span is kept, within every group.
    - `groups`: the units of every group, in increasing order.
    - `width`: the width of the narrow layer, if larger than needed; the rest is filled with units without synapses.
    """
    units, r = columns.shape
    needed = sum(min(len(group), r) for group in groups)
    width = needed if width is None else max(width, needed)
    if width >= units:
        return None
    result, first = [], 0
    for group in groups:
        part = columns if len(group) == units else columns[group]
        result.append(Group(group, tall_basis(part) if len(group) > r else None, first))
        first += result[-1].width
    return Rotation(units, width, tuple(result))


def tall_basis(columns: Rows) -> Rows:
    """Q of the QR factorisation of `columns` (units × r), r ≤ units.

    Chunks of rows, which stay in the cache, are factorised on their own, and their triangles together (Demmel,
    Grigori, Hoemmen & Langou, SIAM J. Sci. Comput. 34 (2012) A206): several times faster than Householder reflections
    over all rows, and as accurate.
    """
    units, r = columns.shape
    edges = np.linspace(0, units, max(1, units // max(4096, 4 * r)) + 1).astype(int)
    chunks = [slice(a, b) for a, b in zip(edges, edges[1:], strict=False)]
    if len(chunks) == 1:
        return np.linalg.qr(columns)[0]
    basis, triangles = np.empty((units, r)), []
    for chunk in chunks:
        basis[chunk], triangle = np.linalg.qr(columns[chunk])
        triangles.append(triangle)
    joint = np.linalg.qr(np.concatenate(triangles))[0]
    for number, chunk in enumerate(chunks):
        basis[chunk] = basis[chunk] @ joint[number * r : (number + 1) * r]
    return basis


def groups_of_units(incoming: Matrix, outgoing: Matrix, units: int) -> list[Units]:
    """The units with identical gains on all their synapses, group by group.

    **Arguments:**

    - `incoming`: gains of the synapses onto the units, (units or 1, pre or 1).
    - `outgoing`: gains of the synapses that leave them, (post or 1, units or 1).
    """
    labels = np.zeros(units, dtype=int)
    for gains in (*np.asarray(incoming).T, *np.asarray(outgoing)):  # synapse after synapse, one gain for every unit
        values, code = np.unique(gains, return_inverse=True)
        if len(values) > 1:
            labels = np.unique(labels * len(values) + code.ravel(), return_inverse=True)[1].ravel()
    order = np.argsort(labels, kind="stable")
    return np.split(order, np.cumsum(np.bincount(labels))[:-1])
