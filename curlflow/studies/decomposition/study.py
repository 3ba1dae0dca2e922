"""Gradient and curl parts of a learning rule at points of weight space, and along learning: `decomposition`."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Literal

import numpy as np
import xarray as xr

from ... import results
from ...measures.jacobian_parts import Parts
from ...spec import Spec
from ...systems import AbstractSystem, Flow
from ...variable import EXACT, Variable
from ..arguments import Bar, Batching, Function, Graph, Positive, Rule, Seed, study, whole
from ..assemble import assembled
from ..runs import finished, side_by_side
from ..subject import Subject
from .directions import Directions, check_directions, described, length
from .flat_fields import WITHOUT_VELOCITY, FlatField
from .points import Points, chosen_points
from .runs import MEASURED, DecompositionOptions, FieldRun, decompose

EXACT_LIMIT = 20_000
"""The most weights for which all products are taken by default; beyond it the parts are estimated."""


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
    probes: whole(2, 1_000_000) = 512,
    seed: Seed = 0,
    directions: Directions | None = None,
    radius: Positive = 0.1,
    progress: Bar = None,
    batching: Batching = "auto",
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
    - `batching`: whether realizations run as one program, `"together"`, or on threads, `"apart"`. Default: `"auto"`,
      together where there is an accelerator. Both agree up to rounding.

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
    subject = Subject.of(spec_or_system, rule=rule, graph=graph, systems=(Flow,), others=WITHOUT_VELOCITY)
    fields = [FlatField.of(subject, loss, i) for i in range(subject.realizations)]
    check_directions(directions, fields[0])
    if method == "auto":
        method = "exact" if fields[0].size <= EXACT_LIMIT else "estimate"
    options = DecompositionOptions(method, probes, seed, directions, length("radius", radius))
    points = chosen_points(subject, at, times, fields, progress)
    each = zip(fields, points.states, points.status, strict=True)
    runs = [FieldRun.of(i, field, states, points.times, status) for i, (field, states, status) in enumerate(each)]
    interrupted = side_by_side(lambda run, report: decompose(run, options, report), runs, progress)
    return finished(_dataset(runs, options, points, subject.attributes), interrupted)


def _dataset(
    runs: list[FieldRun], options: DecompositionOptions, points: Points, attributes: Mapping[str, Any]
) -> xr.Dataset:
    """The dataset of all realizations, finished or not."""
    single = points.coordinates is None
    rows = [{name: v[0] if single else v for name, v in run.values.items()} for run in runs]
    for row, run in zip(rows, runs, strict=True):
        row["status"] = np.int8(run.status)
        if run.field.loss is None:
            del row["error"], row["gradient_angle"]
    coordinates: dict[str, Any] = dict(points.coordinates or {})
    dims = ("realization",) if single else ("realization", *coordinates["time"][0])
    if "direction" in rows[0]:
        coordinates["component"] = (("component",), ["first", "second"], "direction of the circle's plane")
    settings = asdict(replace(options, directions=described(options.directions))) | {"at": points.label}
    if options.method == "exact":
        del settings["probes"], settings["seed"]
    field = "velocity of the flow, projected onto its constraint; J is the derivative within the tangent space"
    about = {**attributes, "method": options.method, "at": points.label, "field": field}
    return assembled("decomposition", _variables(dims), rows, coordinates, settings, about)


def _variables(dims: tuple[str, ...]) -> list[Variable]:
    """Declarations, with the dimension of the trajectory where there is one."""
    declared = [
        Variable(
            "direction",
            (*dims, "component", "weight"),
            "orthonormal directions of the circle's plane",
            uncertainty=EXACT,
        ),
        results.status_variable(),
    ]
    for v in MEASURED:
        error = f"{v.name}_se"
        estimated = v.name in Parts._fields
        declared.append(replace(v, dims=dims, attributes={"ancillary_variables": "status"}))
        if estimated:
            declared.append(Variable(error, dims, f"standard error: {v.long_name}"))
    return declared
