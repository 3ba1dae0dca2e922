"""The arguments of `curlflow.lyapunov`, checked and completed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...systems import AbstractSystem
from ...systems.linearised.tangent_spaces import TangentSpace
from ..arguments import check, whole

DURATION, TRANSIENT, ALIGNMENT = 1000.0, 1000.0, 100.0
"""Default lengths in units of time, for flows."""
LONGER = 10
"""With a tolerance, the default duration is this many times as long."""
MOST_EXPONENTS = 5
"""Default number of exponents, where the system has as many."""


@dataclass(frozen=True)
class LyapunovOptions:
    """Lengths are in units of time; `block` is None until a pilot run has chosen it.

    `before` is what earlier calls averaged over, as asked for, so that pieces add up to one run exactly.
    """

    exponents: int
    duration: float
    before: float
    transient: float
    alignment: float
    block: float | None
    tolerance: float | None
    rtol: float | None
    atol: float | None
    stepping: str
    seed: int

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
        defaults = {
            "exponents": min(MOST_EXPONENTS, most),
            "duration": DURATION * unit * (LONGER if "tolerance" in given else 1),
            "transient": TRANSIENT * unit,
            "alignment": ALIGNMENT * unit,
            "block": None,
            "tolerance": None,
            "rtol": None,
            "atol": None,
            "stepping": system.stepping,
            "seed": 0,
        }
        full = {**defaults, **given}
        free = system.constraint.codimension(system.state) == 0
        dimension = f", the dimension of the {'state' if free else 'tangent space of the constraint'}"
        if not system.continuous and "stepping" in given:
            raise ValueError(f"stepping: got {given['stepping']!r}; a map has no steps to choose, leave it out.")
        exponents = check("exponents", full["exponents"], whole(1, most), dimension)
        return cls(**{"before": 0.0} | full | {"exponents": exponents, "block": _block(system, full["block"])})


def _block(system: AbstractSystem, block: float | None) -> float | None:
    if block is None:
        return None
    length = float(system.time(system.span(block)))
    if length <= 0:
        raise ValueError(f"block: got {block}, shorter than an iteration of the map, {float(system.time(1))}.")
    return length
