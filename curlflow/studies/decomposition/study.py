"""Gradient and curl parts of a learning rule at points of weight space, and along learning: `decomposition`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import jax
import numpy as np
import xarray as xr
from jaxtyping import Float

from ...measures.circulation import Circle, converged_circulation
from ...measures.jacobian_parts import (
    Basis,
    Parts,
    RandomSigns,
    Scales,
    estimated_parts,
    exact_parts,
    products,
    speed_and_angle,
    without_noise,
)
from ...spec import Spec
from ...status import Status
from ...systems import AbstractSystem
from ..arguments import Bar, Function, Graph, Positive, Rule, Seed, check_subject, study, whole
from ..runs import Interrupted, Progress, in_turns, reporting
from ..subject import architecture_of, subject_attributes
from .dataset import assemble
from .directions import RESOLVED, Directions, check_directions, length, plane
from .flat_fields import OnConstraint, Subject, subjects_of
from .points import Points, points_of

EXACT_LIMIT = 20_000
"""The most weights for which all products are taken by default; beyond it the parts are estimated."""
MOST_PROBES = 1_000_000
STORED = 2_000
"""The most weights for which the directions of the circle's plane are stored."""


@dataclass(frozen=True)
class DecompositionOptions:
    """How points are taken apart; `method` is what is done, "exact" or "estimate"."""

    method: str
    probes: int
    seed: int
    directions: Any
    radius: float


@dataclass
class Realization:
    """One field, the points at which it is taken apart, and what was found so far (NaN where nothing was)."""

    index: int
    subject: Subject
    points: Points
    values: dict[str, np.ndarray]
    planes: np.ndarray | None
    done: int = 0


@study
def decomposition(
    spec_or_system: Spec | AbstractSystem,
    *,
    at: Literal["start", "solution", "origin"] | Any = "start",
    times: Sequence[float] | np.ndarray | None = None,
    rule: Rule = None,
    graph: Graph = None,
    loss: Function | None = None,
    method: Literal["auto", "exact", "estimate"] = "auto",
    probes: whole(2, MOST_PROBES) = 512,
    seed: Seed = 0,
    directions: Directions | None = None,
    radius: Positive = 0.1,
    progress: Bar = None,
) -> xr.Dataset:
    """How much of a learning rule is gradient and how much is curl, at a point or along learning.

    ```python
    ds = curlflow.decomposition(curlflow.preset("fig1"), at=[[[1.0]], [[0.5]]])
    ds = curlflow.decomposition(curlflow.preset("hidden_chaos"), times=[0, 100, 1000])
    ```

    **Returns:** a dataset over `realization`, and over `time` (`epoch` for updates) along a trajectory. With
    J = S + A the Jacobian of the velocity and its symmetric and antisymmetric part: `symmetric_norm` ‖S‖,
    `antisymmetric_norm` ‖A‖ (Frobenius), `curl_ratio` ‖A‖/‖S‖, `divergence` tr J, each with a standard error `…_se`
    (zero where exact); `speed` |F|, `error` and `gradient_angle`, the angle between the velocity and −∇error;
    `circulation` around a circle, with `circulation_error` and `plane_curl`, the circulation over πr²; `direction`,
    the orthonormal vectors of the circle's plane, up to 2,000 weights; `status`. The ratio is NaN where S and A
    vanish, the angle where the velocity or ∇error does; up to rounding, also that of the constraint's projection.

    **Arguments:**

    - `spec_or_system`: a `curlflow.Spec` or a `Flow`. For updates the velocity is that of the flow of the same rule.
    - `at`: the point. It is "start", "solution" (the teacher's weights), "origin", a `Feedforward`, a list of one
      array (post, pre) per layer, or a list of networks, one for each realization; for a flow of your own "start",
      "origin" or a state. Or a dataset of `curlflow.simulate`, recorded with `weights="all"`: all its points. It must
      have the spec's network, teacher, data and seed and the same graph; rule, constraint and dynamics may differ.
    - `times`: along the dynamics of the spec or flow from its start, as `curlflow.simulate` takes them.
    - `rule`: a rule object of your own in place of the spec's.
    - `graph`: a `networkx.DiGraph` of the spec's widths: which synapses there are, and their signs; docs/graphs.md.
    - `loss`: for a flow of your own, a function of the state in place of the training error.
    - `method`: "exact" takes n products with J and n with Jᵀ; "estimate" takes `probes` of each with random signs
      (Hutchinson); "auto" (default) is exact up to 20,000 weights.
    - `probes`: how many random vectors, 2 to 1,000,000.
    - `seed`: of the random vectors, and of nothing else.
    - `directions`: the plane of the circle. It is "rotation", the plane with the largest curl; "trajectory", that of
      velocity and acceleration; two indices of weights, counted layer by layer and row by row; or two vectors
      (networks, lists of arrays or flat arrays), which are made orthonormal. Default: the plane itself for two
      weights, else "rotation". Where there is no rotation "trajectory" is taken, and where that is a point or a
      straight line, the first two weights.
    - `radius`: of the circle, in units of weight. Below 10⁻¹² of the largest weight there is no circulation (NaN).
    - `progress`: True for a bar, or a function of (realization, phase, fraction).

    **Description:** under a constraint with tangent projection P the velocity is the projected one and J means
    P J P, the derivative within the constraint's tangent space; circles are retracted onto the constraint. The
    spheres of the norm constraint are those through the point: the teacher's weights need not share them with the
    start. A rule is a gradient, of any function, if and only if A = 0 everywhere. The error is the training error
    ½⟨|ŷ − y|²⟩; with nonlinear outputs gradient descent follows another loss, and the angle is not zero.

    **Raises:** `ValueError` for arguments out of range and for a map; `curlflow.Interrupted` on Ctrl-C, with what was
    finished in its attribute `dataset` (that of `curlflow.simulate` as long as the trajectory runs). A run that
    diverges has a `status` and NaN from there on.

    **Sources:** docs/model.md, section on gradient and curl parts.
    """
    check_subject(spec_or_system, rule)
    architecture = architecture_of(spec_or_system, graph)
    subjects = subjects_of(spec_or_system, rule, loss, architecture)
    check_directions(directions, subjects[0])
    if method == "auto":
        method = "exact" if subjects[0].size <= EXACT_LIMIT else "estimate"
    options = DecompositionOptions(method, probes, seed, directions, length("radius", radius))
    where = points_of(spec_or_system, at, times, {"rule": rule, "graph": architecture}, subjects, progress)
    realizations = [
        Realization(i, subject, points, _nothing(len(points.states)), _no_planes(points.states))
        for i, (subject, points) in enumerate(zip(subjects, where.realizations, strict=True))
    ]
    interrupted = False
    with reporting(progress, len(realizations)) as report:
        try:
            in_turns(lambda r: _decompose(r, options, report), realizations)
        except KeyboardInterrupt:
            interrupted = True
    for r in realizations:
        if r.done < len(r.points.states) and r.points.status == Status.completed:
            r.points.status = Status.interrupted if r.done else Status.not_run
    dataset = assemble(realizations, options, where, subject_attributes(spec_or_system, rule, architecture))
    if interrupted:
        raise Interrupted(dataset)
    return dataset


WITHOUT_FREEDOM = (
    "symmetric_norm",
    "antisymmetric_norm",
    "divergence",
    "speed",
    "circulation",
    "circulation_error",
    "plane_curl",
)
"""What is 0 where the constraint leaves no direction."""
NAMES = (
    *Parts._fields,
    *(f"{name}_se" for name in Parts._fields),
    "speed",
    "gradient_angle",
    "error",
    "circulation",
    "circulation_error",
    "plane_curl",
)


def _nothing(points: int) -> dict[str, np.ndarray]:
    return {name: np.full(points, np.nan) for name in NAMES}


def _no_planes(states: Float[np.ndarray, "points n"]) -> np.ndarray | None:
    """Where the directions of the circles go, for networks that are small enough and have a plane."""
    points, n = states.shape
    return np.full((points, 2, n), np.nan) if 2 <= n <= STORED else None


def _decompose(r: Realization, options: DecompositionOptions, report: Progress) -> Iterator[None]:
    """All points of one realization, one after the other."""
    total = len(r.points.states)
    for k, (x, time) in enumerate(zip(r.points.states, r.points.times, strict=True)):
        if np.isfinite(x).all():
            subject, rows = r.subject.through(x), np.empty((0, 3))
            for rows in _products(subject, x, time, options):
                report(r.index, "Jacobian", (k + len(rows) / _number(subject, options)) / total)
                yield
            scale = subject.scales(x, time)
            found = {**_norms(rows, options, scale), **_at(subject, x, time, scale)}
            if subject.size >= 2 and np.isfinite(found["speed"]):
                across = plane(options.directions, subject, x, time)
                found |= _around(subject, x, time, across, options.radius)
                if r.planes is not None:
                    r.planes[k] = across
            if subject.flow.dimension == 0:
                found |= {name: 0.0 for name in WITHOUT_FREEDOM if name in found}
            for name, value in found.items():
                r.values[name][k] = value
            if not np.isfinite(found["speed"]):
                r.points.status = Status.diverged
        r.done = k + 1
    report(r.index, "Jacobian", 1.0)


def _number(subject: Subject, options: DecompositionOptions) -> int:
    return subject.size if options.method == "exact" else options.probes


def _products(
    subject: Subject, x: np.ndarray, time: float, options: DecompositionOptions
) -> Iterator[Float[np.ndarray, "_ 3"]]:
    """All products so far, after each compiled call."""
    number = _number(subject, options)
    vectors = Basis() if options.method == "exact" else RandomSigns(jax.random.key(options.seed))
    field, rows = subject.velocity(time), np.empty((0, 3))
    while len(rows) < number:
        new = products(field, subject.projection, x, vectors, np.asarray(len(rows)))
        rows = np.concatenate([rows, np.asarray(new)])
        yield rows[:number]


def _norms(rows: Float[np.ndarray, "_ 3"], options: DecompositionOptions, scale: Scales) -> dict[str, float]:
    if options.method == "exact":
        parts, errors = exact_parts(rows), Parts(0.0, 0.0, 0.0, 0.0)
    else:
        parts, errors = estimated_parts(rows)
    parts = without_noise(parts, scale)
    return {**parts._asdict(), **{f"{name}_se": value for name, value in errors._asdict().items()}}


def _at(subject: Subject, x: np.ndarray, time: float, scale: Scales) -> dict[str, float]:
    speed, angle, error = speed_and_angle(subject.velocity(time), subject.loss, subject.projection, x, scale)
    return {"speed": float(speed), "gradient_angle": float(angle), "error": float(error)}


def _around(subject: Subject, x: np.ndarray, time: float, across: np.ndarray, radius: float) -> dict[str, float]:
    """The circulation; nothing for a circle too small for the digits of its points."""
    if radius < RESOLVED * np.abs(x).max():
        return {}
    loop = OnConstraint(Circle(x, across, np.float64(radius)), subject.flow)
    value, error = converged_circulation(subject.velocity(time), loop)
    return {"circulation": value, "circulation_error": error, "plane_curl": value / (np.pi * radius**2)}
