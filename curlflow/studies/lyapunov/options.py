"""The arguments of `curlflow.lyapunov`, checked and completed."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...systems import AbstractSystem
from ...systems.linearised.tangent_spaces import TangentSpace
from ..arguments import check, whole

DURATION, TRANSIENT, ALIGNMENT = 1000.0, 1000.0, 100.0
"""Default lengths in units of time, for flows."""


@dataclass(frozen=True, kw_only=True)
class LyapunovOptions:
    """Lengths are in units of time; `block` is None until a pilot run has chosen it.

    `before` is what earlier calls averaged over, as asked for, so that pieces add up to one run exactly.
    """

    exponents: int
    duration: float
    before: float = 0.0
    transient: float
    alignment: float
    block: float | None = None
    tolerance: float | None = None
    rtol: float | None = None
    atol: float | None = None
    stepping: str
    seed: int = 0

    @classmethod
    def of(cls, given: Mapping[str, Any], system: AbstractSystem, space: TangentSpace) -> "LyapunovOptions":
        """What was `given` for `system` and the tangent space of its exponents, with defaults.

        **Raises:** `ValueError` for arguments out of range.
        """
        most = space.dimension
        if most == 0:
            raise ValueError(
                "spec_or_system: its constraint leaves the state no freedom to move; there are no exponents."
            )
        given = {name: value for name, value in given.items() if value is not None}
        unit = system.unit
        full = {
            "exponents": min(5, most),
            "duration": DURATION * unit * (10 if "tolerance" in given else 1),
            "transient": TRANSIENT * unit,
            "alignment": ALIGNMENT * unit,
            "stepping": system.stepping,
            **given,
        }
        free = system.constraint.codimension(system.state) == 0
        dimension = f", the dimension of the {'state' if free else 'tangent space of the constraint'}"
        if not system.continuous and "stepping" in given:
            raise ValueError(f"stepping: got {given['stepping']!r}; a map has no steps to choose, leave it out.")
        full["exponents"] = check("exponents", full["exponents"], whole(1, most), dimension)
        if "block" in given:
            full["block"] = float(system.time(system.span(given["block"])))
            if full["block"] <= 0:
                shortest = float(system.time(1))
                raise ValueError(f"block: got {given['block']}, shorter than an iteration of the map, {shortest}.")
        return cls(**full)

    def blocks_of(self, time: float) -> int:
        """How many blocks cover `time`."""
        return math.ceil(time / self.block - 1e-9)
