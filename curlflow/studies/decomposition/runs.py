"""One vector field, taken apart at one point after the other."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from ...measures import circulation
from ...measures import jacobian_parts as jp
from ...precision import random_key
from ...status import Status
from ...systems.flat import OnConstraint
from ...variable import EXACT, Variable
from ..runs import Progress, Run
from .directions import RESOLVED, plane
from .flat_fields import FlatField

STORED = 2_000
"""The most weights for which the directions of the circle's plane are stored."""
MEASURED = (
    *jp.VARIABLES,
    *circulation.VARIABLES,
    Variable(
        "error",
        ("realization",),
        "training error, half the mean squared error; or the loss that was given",
        uncertainty=EXACT,
    ),
)
"""The numbers at a point, besides the standard errors of `Parts`."""
WITHOUT_FREEDOM = (
    "symmetric_norm", "antisymmetric_norm", "divergence", "speed", "circulation", "circulation_error", "plane_curl",
    "plane_curl_error",
)  # fmt: skip
"""What is 0 where the constraint leaves no direction."""


@dataclass(frozen=True)
class DecompositionOptions:
    """How points are taken apart; `method` is what is done, "exact" or "estimate"."""

    method: str
    probes: int
    seed: int
    directions: Any
    radius: float


@dataclass(kw_only=True)
class FieldRun(Run):
    """A field and the points, `states` at `times`, at which it is taken apart; `done` counts them.

    What was found there are `values` by name, NaN where there is nothing.
    """

    field: FlatField
    states: Float[np.ndarray, "points n"]
    times: Float[np.ndarray, " points"]
    values: dict[str, np.ndarray]

    @classmethod
    def of(cls, index: int, field: FlatField, states: Any, times: Any, status: Status) -> "FieldRun":
        """A run in which nothing has been found yet."""
        points, n = states.shape
        names = *(v.name for v in MEASURED), *(f"{name}_se" for name in jp.Parts._fields)
        values = {name: np.full(points, np.nan) for name in names}
        # Directions are kept of networks that are small enough and have a plane.
        values |= {"direction": np.full((points, 2, n), np.nan)} if 2 <= n <= STORED else {}
        own = {"field": field, "states": states, "times": times, "values": values}
        return cls.at_start(index, field.flow, status=status, **own)


def decompose(run: FieldRun, options: DecompositionOptions, report: Progress) -> Iterator[None]:
    """All points of one realization, one after the other."""
    exact, total = options.method == "exact", len(run.states)
    vectors = jp.Basis() if exact else jp.RandomSigns(random_key(options.seed))
    number = run.field.size if exact else options.probes
    for k, (x, time) in enumerate(zip(run.states, run.times, strict=True)):
        if np.isfinite(x).all():
            field, rows = run.field.through(x), np.empty((0, 3))
            for rows in jp.all_products(field.velocity(time), field.projection, x, vectors, number):
                report(run.index, "Jacobian", (k + len(rows) / number) / total)
                yield
            found = _at(field, x, time, options, rows)
            for name in found.keys() & run.values.keys():
                run.values[name][k] = found[name]
            if not np.isfinite(found["speed"]):
                run.status = Status.diverged
        run.done = k + 1
    run.finished = True
    report(run.index, "Jacobian", 1.0)


def _at(
    field: FlatField, x: np.ndarray, time: float, options: DecompositionOptions, rows: Float[np.ndarray, "_ 3"]
) -> dict[str, Any]:
    """All numbers at one point, from the products there."""
    velocity, scale = field.velocity(time), field.scales(x, time)
    exact = options.method == "exact"
    parts, errors = (jp.exact_parts(rows), jp.Parts(0.0, 0.0, 0.0, 0.0)) if exact else jp.estimated_parts(rows)
    found = jp.without_noise(parts, scale)._asdict() | {f"{name}_se": se for name, se in errors._asdict().items()}
    speed, angle, error = jp.speed_and_angle(velocity, field.loss, field.projection, x, scale)
    found |= {"speed": float(speed), "gradient_angle": float(angle), "error": float(error)}
    if field.size >= 2 and np.isfinite(found["speed"]):
        found["direction"] = plane(options.directions, field, x, time)
        # A circle may be too small for the digits of its points.
        if options.radius >= RESOLVED * np.abs(x).max():
            loop = OnConstraint(circulation.Circle(x, found["direction"], np.float64(options.radius)), field.flow)
            value, difference = circulation.converged_circulation(velocity, loop)
            found |= {"circulation": value, "circulation_error": difference}
            area = np.pi * options.radius**2
            found |= {"plane_curl": value / area, "plane_curl_error": difference / area}
    if field.flow.dimension == 0:
        found |= {name: 0.0 for name in WITHOUT_FREEDOM if name in found}
    return found
