"""The arguments of `curlflow.classify`, checked."""

from dataclasses import asdict, dataclass
from typing import Any

from ...measures.zero_one import FEWEST
from ...networks import Feedforward
from ...systems import AbstractSystem
from ...systems.linearised.tangent_spaces import TangentSpace
from ..arguments import check, whole
from ..lyapunov.options import ALIGNMENT

DURATION, TRANSIENT = 2000.0, 1000.0
"""Default lengths in units of time, for flows; maps take ten iterations for each."""
SLOW = 3
"""Learning is given this many times as long, whatever its learning rate: its weights remember for hundreds of units
of time."""
FEW = 10
"""Systems of no more dimensions have all their exponents measured, others `EXPONENTS`."""
EXPONENTS = 3


@dataclass(frozen=True)
class ClassifyOptions:
    """Lengths are in units of time."""

    transient: float
    duration: float
    exponents: int
    seed: int

    @classmethod
    def of(cls, given: dict[str, Any], system: AbstractSystem, space: TangentSpace) -> "ClassifyOptions":
        """Options from what was given, with defaults."""
        unit = SLOW if isinstance(system.state, Feedforward) else system.unit
        few = space.dimension if space.dimension <= FEW else EXPONENTS
        defaults = {"transient": TRANSIENT * unit, "duration": DURATION * unit, "exponents": few, "seed": 0}
        full = defaults | {name: value for name, value in given.items() if value is not None}
        duration = full["duration"]
        if not system.continuous and int(system.span(duration)) < FEWEST:
            raise ValueError(
                f"duration: got {duration:g}, {int(system.span(duration))} iterations; "
                f"required are {FEWEST} or more for the 0-1 test."
            )
        return cls(
            transient=full["transient"],
            duration=duration,
            exponents=check("exponents", full["exponents"], whole(1, space.dimension), ", how many the system has"),
            seed=full["seed"],
        )

    @property
    def settings(self) -> dict[str, Any]:
        """As they are noted in a dataset."""
        return asdict(self)


def longest_alignment(system: AbstractSystem) -> float:
    """How long tangents turn at most before exponents are averaged, in units of time: for learning rates alike."""
    return ALIGNMENT * (1.0 if isinstance(system.state, Feedforward) else system.unit)
