"""The arguments of `curlflow.classify`, checked."""

from dataclasses import asdict, dataclass
from typing import Any

from ...measures.zero_one import FEWEST
from ..arguments import check, whole
from ..lyapunov.options import ALIGNMENT, LyapunovOptions
from ..subject import Subject

DURATION, TRANSIENT = 2000.0, 1000.0
"""Default lengths in units of time, for flows; maps take ten iterations for each."""
SLOW = 3
"""Learning is given so many times as long, whatever its learning rate: it remembers for hundreds of units of time."""


@dataclass(frozen=True)
class ClassifyOptions:
    """Lengths are in units of time; `averaging` holds the options of the exponents, which have no transient."""

    transient: float
    duration: float
    exponents: int
    seed: int
    averaging: LyapunovOptions

    @classmethod
    def of(cls, given: dict[str, Any], subject: Subject) -> "ClassifyOptions":
        """Options from what was given, with defaults; of learning the same ones whatever its learning rate.

        **Raises:** `ValueError` for arguments out of range.
        """
        system, space = subject.systems[0], subject.space(0)
        unit = SLOW if subject.learning else system.unit
        few = space.dimension if space.dimension <= 10 else 3
        defaults = {"transient": TRANSIENT * unit, "duration": DURATION * unit, "exponents": few, "seed": 0}
        full = defaults | {name: value for name, value in given.items() if value is not None}
        duration, span = full["duration"], int(system.span(full["duration"]))
        if not system.continuous and span < FEWEST:
            required = f"required are {FEWEST} or more for the 0-1 test."
            raise ValueError(f"duration: got {duration:g}, {span} iterations; {required}")
        exponents = check("exponents", full["exponents"], whole(1, space.dimension), ", how many the system has")
        chosen = {"duration": duration, "exponents": exponents, "seed": full["seed"]}
        aligned = min(duration / 10, ALIGNMENT * (1.0 if subject.learning else system.unit))
        averaging = LyapunovOptions.of({**chosen, "transient": 0.0, "alignment": aligned}, system, space)
        return cls(transient=full["transient"], **chosen, averaging=averaging)

    @property
    def settings(self) -> dict[str, Any]:
        """As they are noted in a dataset."""
        return {name: value for name, value in asdict(self).items() if name != "averaging"}
