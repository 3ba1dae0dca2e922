"""The tangent space of a wide network as that of a narrow one and of a few idle units; docs/compression.md.

For every group of N_s units that was narrowed to r, the wide network has further tangents, in the complement of the
span: N_s − r copies of z = (z_in, z_out), a row of W_in and a column of W_out. All obey the linear equation
ż = A_s(t) z of a single unit of the group, and mix neither with one another nor with the rest. An *idle unit*, one
without synapses and with the group's gains, is such a copy: it rests at zero, and a small difference of its weights
obeys ż = A_s z. The tangent space of the narrow network with one idle unit per group is therefore a direct sum of
*sectors*, that of the narrow network and one of every idle unit, and

    full spectrum = spectrum of sector 0  +  spectrum of sector s, N_s − r times, for every s.
"""

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, PyTree

from ..solvers.integrate import Clock
from ..systems import AbstractSystem
from ..systems.base import Advanced
from .narrowing import Compression


class Sectors(eqx.Module):
    """How the tangent space of a system splits.

    **Attributes:**

    - `owners`: for every array leaf of the state the sector of every entry, from 0.
    - `dimensions`: the dimensions of the sectors.
    - `copies`: how many times every sector occurs in the full system.
    """

    owners: tuple[Int[np.ndarray, "..."], ...]
    dimensions: tuple[int, ...] = eqx.field(static=True)
    copies: tuple[int, ...] = eqx.field(static=True)
    splits: ClassVar[bool] = True
    has_volume: ClassVar[bool] = True

    @classmethod
    def of(cls, compression: Compression, system: AbstractSystem) -> "Sectors":
        """Those of a network with idle units, as `Compression.with_idle_units` makes them, and its `system`."""
        units, copies = [np.zeros(compression.network.widths[0], dtype=int)], [1]
        for width, rotation in zip(compression.network.widths[1:], (*compression.rotations, None), strict=True):
            units.append(np.zeros(width, dtype=int))
            idle = () if rotation is None else rotation.idle
            for unit, group in enumerate(idle, width - len(idle)):
                units[-1][unit] = len(copies)
                copies.append(len(group.units) - group.width)
        # Of neighbouring layers at most one was narrowed: a synapse belongs to at most one idle unit.
        owners = tuple(np.maximum(post[:, None], pre[None, :]) for pre, post in zip(units, units[1:], strict=False))
        sizes = np.bincount(np.concatenate([owner.ravel() for owner in owners]), minlength=len(copies))
        sizes[0] -= system.constraint.codimension(system.state)
        return cls(owners, tuple(sizes.tolist()), tuple(copies))

    @property
    def dimension(self) -> int:
        """The dimension of the tangent space of the full system."""
        return sum(d * n for d, n in zip(self.dimensions, self.copies, strict=True))

    def of_tangents(self, exponents: int) -> Int[np.ndarray, " tangents"]:
        """The sector of every tangent that is needed for this number of leading exponents of the full system."""
        needed = [min(d, -(-exponents // n)) for d, n in zip(self.dimensions, self.copies, strict=True)]
        return np.repeat(np.arange(len(needed)), needed)

    def copies_of_tangents(self, exponents: int) -> Int[np.ndarray, " tangents"]:
        """How many exponents of the full system every tangent measures."""
        return np.asarray(self.copies)[self.of_tangents(exponents)]

    def inside(self, system: AbstractSystem, exponents: int) -> "InSectors":
        """`system`, with each of those tangents in its sector."""
        return InSectors(system, self.owners, self.of_tangents(exponents))


class InSectors(eqx.Module):
    """A system whose tangents stay in sectors: every tangent is cut to its own at the start of a block.

    By itself every tangent would stay there. But a QR factorisation of all of them leaves rounding errors elsewhere,
    which would grow at the rates of the other sectors.

    **Arguments:**

    - `system`: a flow or map whose tangent space splits.
    - `owners`: as in `Sectors`.
    - `sector`: the sector of every tangent.
    """

    system: AbstractSystem
    owners: tuple[Int[Array | np.ndarray, "..."], ...]
    sector: Int[Array | np.ndarray, " tangents"]

    def advance(self, state: PyTree, tangents: PyTree, span: Any, clock: Clock) -> Advanced:
        """As `curlflow.systems.AbstractSystem.advance`."""
        return self.system.advance(state, self._cut(tangents), span, clock)

    def span(self, time: float) -> Any:
        """As `curlflow.systems.AbstractSystem.span`."""
        return self.system.span(time)

    def project(self, state: PyTree, tangents: PyTree) -> PyTree:
        """Every tangent projected onto the constraint and onto its sector."""
        return self._cut(self.system.project(state, tangents))

    def _cut(self, tangents: PyTree) -> PyTree:
        leaves, structure = jax.tree.flatten(tangents)
        cut = []
        for leaf, owner in zip(leaves, self.owners, strict=True):
            sector = jnp.expand_dims(self.sector, tuple(range(1, leaf.ndim)))
            cut.append(jnp.where(owner == sector, leaf, 0.0))
        return jax.tree.unflatten(structure, cut)
