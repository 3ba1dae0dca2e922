"""Gradient and curl parts of a learning rule at points of weight space, and along learning: `decomposition`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import xarray as xr
from jaxtyping import Float

from ..measures.circulation import Circle, circulation
from ..measures.jacobian_parts import (
    Basis,
    Parts,
    RandomSigns,
    estimated_parts,
    exact_parts,
    products,
    speed_and_angle,
)
from ..precision import double_precision
from ..spec import Spec
from ..status import Status
from ..systems import AbstractSystem
from .decomposition_dataset import assemble
from .decomposition_points import Points, points_of
from .directions import check_directions, plane
from .flat_fields import OnConstraint, Subject, subjects_of
from .options import check_subject, one_of, positive, whole
from .subjects import architecture_of, subject_attributes
from .workers import Interrupted, Progress, in_turns, reporting

EXACT_LIMIT = 20_000
"""The most weights for which all products are taken by default; beyond it the parts are estimated."""
METHODS = ("auto", "exact", "estimate")


@dataclass(frozen=True)
class Options:
    """The checked arguments of `decomposition`."""

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
    done: int = 0


@double_precision
def decomposition(
    spec_or_system: Spec | AbstractSystem,
    *,
    at: Any = "start",
    times: Sequence[float] | np.ndarray | None = None,
    rule: Any = None,
    graph: Any = None,
    loss: Any = None,
    method: Any = "auto",
    probes: Any = 512,
    seed: Any = 0,
    directions: Any = None,
    radius: Any = 0.1,
    progress: bool | Progress | None = None,
) -> xr.Dataset:
    """How much of a learning rule is gradient and how much is curl, at a point or along learning.

    ```python
    ds = curlflow.decomposition(curlflow.preset("fig1"), at=[[[1.0]], [[0.5]]])
    ds = curlflow.decomposition(curlflow.preset("hidden_chaos"), times=[0, 100, 1000])
    ```

    **Returns:** a dataset over `realization`, and over `time` (`epoch` for updates) along a trajectory. With
    J = S + A the Jacobian of the velocity and its symmetric and antisymmetric part: `symmetric_norm` ‖S‖,
    `antisymmetric_norm` ‖A‖ (Frobenius), `curl_ratio` ‖A‖/‖S‖, `divergence` tr J, each with a standard error `…_se`
    (zero where exact); `speed` |F|, `error` and `gradient_angle`, the angle between the velocity and −∇error (NaN
    where either vanishes); `circulation` around a circle, with `circulation_error` and `plane_curl`, the circulation
    over πr²; `status`.

    **Arguments:**

    - `spec_or_system`: a `curlflow.Spec` or a `Flow`. For updates the velocity is that of the flow of the same rule.
    - `at`: the point: "start" (default), "solution" (the teacher's weights), "origin", a `Feedforward` or a list of
      one array (post, pre) per layer; for a flow of your own "start", "origin" or a state. Or a dataset of
      `curlflow.simulate`, recorded with `weights="all"`: all its points.
    - `times`: along the dynamics of the spec or flow from its start, as `curlflow.simulate` takes them.
    - `rule`: a rule object of your own in place of the spec's.
    - `graph`: a `networkx.DiGraph` of the spec's widths: which synapses there are, and their signs; docs/graphs.md.
    - `loss`: for a flow of your own, a function of the state in place of the training error.
    - `method`: "exact" takes n products with J and n with Jᵀ; "estimate" takes `probes` of each with random signs
      (Hutchinson); "auto" (default) is exact up to 20,000 weights.
    - `probes`: how many random vectors, at least 2.
    - `seed`: of the random vectors, and of nothing else.
    - `directions`: the plane of the circle: "rotation", the plane with the largest curl; "trajectory", that of
      velocity and acceleration; two indices of weights, counted layer by layer and row by row; or two vectors
      (networks, lists of arrays or flat arrays), which are made orthonormal. Default: the plane itself for two
      weights, else "rotation". Where there is no rotation "trajectory" is taken, and where that is a point or a
      straight line, the first two weights.
    - `radius`: of the circle, in units of weight.
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
    options = _checked(method, probes, seed, directions, radius, subjects[0])
    where = points_of(spec_or_system, at, times, {"rule": rule, "graph": architecture}, subjects, progress)
    realizations = [
        Realization(i, subject, points, _nothing(len(points.states)))
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


def _checked(method: Any, probes: Any, seed: Any, directions: Any, radius: Any, subject: Subject) -> Options:
    """The arguments, in range; `method` is what will be done."""
    one_of("method", method, METHODS)
    check_directions(directions, subject)
    if method == "auto":
        method = "exact" if subject.size <= EXACT_LIMIT else "estimate"
    return Options(method, whole("probes", probes, 2), whole("seed", seed, 0), directions, positive("radius", radius))


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


def _decompose(r: Realization, options: Options, report: Progress) -> Iterator[None]:
    """All points of one realization, one after the other."""
    total = len(r.points.states)
    for k, (x, time) in enumerate(zip(r.points.states, r.points.times, strict=True)):
        if np.isfinite(x).all():
            subject, rows = r.subject.through(x), np.empty((0, 3))
            for rows in _products(subject, x, time, options):
                report(r.index, "Jacobian", (k + len(rows) / _number(subject, options)) / total)
                yield
            found = {**_norms(rows, options), **_at(subject, x, time), **_around(subject, x, time, options)}
            for name, value in found.items():
                r.values[name][k] = value
            if not np.isfinite(found["speed"]):
                r.points.status = Status.diverged
        r.done = k + 1
    report(r.index, "Jacobian", 1.0)


def _number(subject: Subject, options: Options) -> int:
    return subject.size if options.method == "exact" else options.probes


def _products(subject: Subject, x: np.ndarray, time: float, options: Options) -> Iterator[Float[np.ndarray, "_ 3"]]:
    """All products so far, after each compiled call."""
    number = _number(subject, options)
    vectors = Basis() if options.method == "exact" else RandomSigns(jax.random.key(options.seed))
    field, rows = subject.velocity(time), np.empty((0, 3))
    while len(rows) < number:
        new = products(field, subject.projection, x, vectors, np.asarray(len(rows)))
        rows = np.concatenate([rows, np.asarray(new)])
        yield rows[:number]


def _norms(rows: Float[np.ndarray, "_ 3"], options: Options) -> dict[str, float]:
    if options.method == "exact":
        parts, errors = exact_parts(rows), Parts(0.0, 0.0, 0.0, 0.0)
    else:
        parts, errors = estimated_parts(rows)
    return {**parts._asdict(), **{f"{name}_se": value for name, value in errors._asdict().items()}}


def _at(subject: Subject, x: np.ndarray, time: float) -> dict[str, float]:
    speed, angle, error = speed_and_angle(subject.velocity(time), subject.loss, subject.projection, x)
    return {"speed": float(speed), "gradient_angle": float(angle), "error": float(error)}


def _around(subject: Subject, x: np.ndarray, time: float, options: Options) -> dict[str, float]:
    if subject.size < 2:
        return {}
    circle = Circle(x, plane(options.directions, subject, x, time), np.float64(options.radius))
    loop = OnConstraint(circle, subject.flow)
    value, error = (float(number) for number in circulation(subject.velocity(time), loop))
    area = np.pi * options.radius**2
    return {"circulation": value, "circulation_error": error, "plane_curl": value / area}
