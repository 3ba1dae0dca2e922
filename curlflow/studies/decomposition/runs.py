"""One vector field, taken apart at one point after the other."""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from ...measures import circulation, players
from ...measures import jacobian_parts as jp
from ...measures.metrics import Metric, normalised
from ...precision import random_key
from ...status import Status
from ...variable import EXACT, Variable
from ..runs import Progress, Run
from .directions import RESOLVED, plane
from .flat_fields import FlatField, MetricField
from .metrics import LARGEST, Choice

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
EUCLIDEAN = tuple(
    replace(v, name=f"euclidean_{v.name}", long_name=f"{v.long_name}, in the Euclidean metric")
    for v in MEASURED
    if v.name in ("symmetric_norm", "antisymmetric_norm", "curl_ratio", "gradient_angle")
)
"""What is kept of the Euclidean metric beside the numbers in another one."""
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
    metric: Choice | None


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
    def of(
        cls, index: int, field: FlatField, states: Any, times: Any, status: Status, metric: Choice | None
    ) -> "FieldRun":
        """A run in which nothing has been found yet."""
        points, n = states.shape
        measured = [v.name for v in MEASURED + (EUCLIDEAN if metric else ())]
        errors = [f"{name}_se" for name in measured if name.removeprefix("euclidean_") in jp.Parts._fields]
        values = {name: np.full(points, np.nan) for name in (*measured, *errors)}
        # Directions are kept of networks that are small enough and have a plane.
        values |= {"direction": np.full((points, 2, n), np.nan)} if 2 <= n <= STORED else {}
        sizes = {"metric": n, "layer_metric": len(field.sizes)} if metric else {}
        values |= {
            name: np.full((points, size), np.nan)
            for name, size in sizes.items()
            if name == metric.name and size <= LARGEST
        }
        if field.losses is not None:
            values |= {v.name: np.full((points, len(field.losses.players)), np.nan) for v in players.VARIABLES}
            values |= {players.GRADIENT.name: np.full((points, n), np.nan)} if n <= STORED else {}
        own = {"field": field, "states": states, "times": times, "values": values}
        return cls.at_start(index, field.flow, status=status, **own)


def decompose(run: FieldRun, options: DecompositionOptions, report: Progress) -> Iterator[None]:
    """All points of one realization, one after the other."""
    total = len(run.states)
    for k, (x, time) in enumerate(zip(run.states, run.times, strict=True)):
        if np.isfinite(x).all():

            def part(fraction: float, k: int = k) -> None:
                report(run.index, "Jacobian", (k + fraction) / total)

            at_point = _all_numbers if options.metric is None else _in_both_metrics
            found = yield from at_point(run.field.through(x), x, time, options, part)
            found |= run.field.of_players(x, time)
            for name in found.keys() & run.values.keys():
                run.values[name][k] = found[name]
            if not found["finite"]:
                run.status = Status.diverged
        run.done = k + 1
    run.finished = True
    report(run.index, "Jacobian", 1.0)


Found = Generator[None, None, dict[str, Any]]
Part = Callable[[float], None]
"""Is told how much of the numbers at a point is done."""


def _in_both_metrics(
    field: FlatField, x: np.ndarray, time: float, options: DecompositionOptions, part: Part
) -> Found:
    """All numbers in the metric of the options at this point, which is among them, and those of the Euclidean one.

    Without a best metric there is nothing in it but what does not depend on it.
    """
    found = yield from _parts(field, x, time, options, lambda fraction: part(fraction / 2))
    invariant = {name: found[name] for name in ("divergence", "divergence_se", "error", "finite")}
    beside = {f"euclidean_{name}": value for name, value in found.items()} | invariant
    probes = None if options.method == "exact" else options.probes
    numbers = normalised((yield from options.metric.at(field, x, time, probes, options.seed)))
    if not np.isfinite(numbers).all():
        return beside
    metric = Metric.of(numbers)
    inside, u = MetricField.in_metric(field, metric), np.asarray(metric.into(x))
    found = yield from _all_numbers(inside, u, time, options, lambda fraction: part((1 + fraction) / 2))
    if "direction" in found:
        found["direction"] = np.stack([metric.back(direction) for direction in found["direction"]])
    first = np.cumsum([0, *field.sizes[:-1]])
    of_metric = {"metric": numbers, "layer_metric": numbers[first]} if numbers.ndim == 1 else {}
    return beside | found | of_metric


def _all_numbers(field: FlatField, x: np.ndarray, time: float, options: DecompositionOptions, part: Part) -> Found:
    """All numbers at one point, in the metric of the field."""
    found = yield from _parts(field, x, time, options, part)
    return found | _circle(field, x, time, options) if field.size >= 2 and found["finite"] else found


def _parts(field: FlatField, x: np.ndarray, time: float, options: DecompositionOptions, part: Part) -> Found:
    """The parts of the Jacobian and the velocity at one point."""
    velocity, scale, exact = field.velocity(time), field.scales(x, time), options.method == "exact"
    vectors = jp.Basis() if exact else jp.RandomSigns(random_key(options.seed))
    number = field.size if exact else options.probes
    for rows in jp.all_products(velocity, field.projection, x, vectors, number):
        part(len(rows) / number)
        yield
    parts, errors = (jp.exact_parts(rows), jp.Parts(0.0, 0.0, 0.0, 0.0)) if exact else jp.estimated_parts(rows)
    found = jp.without_noise(parts, scale)._asdict() | {f"{name}_se": se for name, se in errors._asdict().items()}
    speed, angle, error = jp.speed_and_angle(velocity, field.loss, field.projection, x, scale)
    found |= {"speed": float(speed), "gradient_angle": float(angle), "error": float(error)}
    return _where_free(field, found) | {"finite": np.isfinite(found["speed"])}


def _circle(field: FlatField, x: np.ndarray, time: float, options: DecompositionOptions) -> dict[str, Any]:
    """The plane of the circle and the circulation around it."""
    found: dict[str, Any] = {"direction": plane(options.directions, field, x, time)}
    # A circle may be too small for the digits of its points.
    if options.radius >= RESOLVED * np.abs(x).max():
        loop = field.on_constraint(circulation.Circle(x, found["direction"], np.float64(options.radius)))
        value, difference = circulation.converged_circulation(field.velocity(time), loop)
        found |= {"circulation": value, "circulation_error": difference}
        area = np.pi * options.radius**2
        found |= {"plane_curl": value / area, "plane_curl_error": difference / area}
    return _where_free(field, found)


def _where_free(field: FlatField, found: dict[str, Any]) -> dict[str, Any]:
    """The numbers, with zeros where the constraint leaves no direction."""
    return found | {name: 0.0 for name in WITHOUT_FREEDOM if name in found and field.flow.dimension == 0}
