"""Which tangent vectors of a system are measured, and how many exponents each stands for."""

from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int

from ..base import AbstractSystem


@runtime_checkable
class TangentSpace(Protocol):
    """The tangent space that exponents belong to.

    **Attributes:**

    - `dimension`: how many exponents there are.
    - `splits`: whether a tangent may stand for several exponents.
    - `has_volume`: whether the sum of all exponents is the divergence of the system.
    """

    dimension: int
    splits: bool
    has_volume: bool

    def copies_of_tangents(self, exponents: int) -> Int[np.ndarray, " tangents"]:
        """For each tangent that this number of leading exponents needs, how many exponents it stands for."""

    def inside(self, system: AbstractSystem, exponents: int) -> Any:
        """`system`, with these tangents kept in the subspaces that they belong to."""


class Whole:
    """The tangent space of a system itself, or of its constraint."""

    splits = False
    has_volume = True

    def __init__(self, system: AbstractSystem):
        self.dimension = system.dimension

    def copies_of_tangents(self, exponents: int) -> Int[np.ndarray, " tangents"]:
        return np.ones(exponents, dtype=int)

    def inside(self, system: AbstractSystem, exponents: int) -> Any:
        return system
