"""Gradient and curl parts of a learning rule at points of weight space, and along learning: `decomposition`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import xarray as xr

from ... import results
from ...measures import players
from ...measures.jacobian_parts import Parts
from ...spec import Spec
from ...systems import AbstractSystem, Flow, Map
from ...variable import EXACT, Variable
from ..arguments import Bar, Batching, Graph, Positive, Rule, Seed, study, whole
from ..assemble import assembled
from ..runs import finished, side_by_side
from ..subject import Subject
from .directions import Directions, check_directions, described, length
from .flat_fields import WITHOUT_VELOCITY, FlatField
from .metrics import Words, chosen_metric
from .points import Points, chosen_points
from .runs import EUCLIDEAN, MEASURED, DecompositionOptions, FieldRun, decompose

EXACT_LIMIT = 20_000
"""The most weights for which all products are taken by default; beyond it the parts are estimated."""

FOUND = "of the metric that was taken; what remains changes with its errors to second order only"
"""The uncertainty of a metric: found from estimates it is not quite the best one."""
COMPARED = ("error", "gradient_angle", "euclidean_gradient_angle")
"""What there is only of fields that have a loss."""


@study
def decomposition(
    spec_or_system: Spec | AbstractSystem,
    *,
    at: Literal["start", "solution", "origin"] | Any = "start",
    times: Sequence[float] | np.ndarray | None = None,
    rule: Rule = None,
    graph: Graph = None,
    loss: Any = None,
    method: Literal["auto", "exact", "estimate"] = "auto",
    probes: whole(2, 1_000_000) = 512,
    seed: Seed = 0,
    directions: Directions | None = None,
    radius: Positive = 0.1,
    metric: Words | Any = "euclidean",
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

    Of a game also over `player`: `player_loss`; `player_gradient_norm`, of the gradient of the player's loss with
    respect to its own strategy; `player_gradient_angle`, between the player's part of the velocity and minus that
    gradient; and `player_gradient`, these gradients one after the other (over `weight`, up to 2,000).

    In another metric than the Euclidean one also `metric` (`realization`, `weight`; up to 3,000 weights) or
    `layer_metric` (`realization`, `layer`), its diagonal, and of the Euclidean metric `euclidean_symmetric_norm`,
    `euclidean_antisymmetric_norm`, `euclidean_curl_ratio` and `euclidean_gradient_angle`.

    **Arguments:**

    - `spec_or_system`: a `curlflow.Spec`, a `Flow` or a `Map`, such as those of a `curlflow.Game`. For a spec with
      updates the velocity is that of the flow of the same rule, for a map (xᵢ₊₁ − xᵢ) over the time of an iteration.
    - `at`: the point. It is "start", "solution" (the teacher's weights), "origin", a `Feedforward`, a list of one
      array (post, pre) per layer, or a list of networks, one for each realization; for a flow of your own "start",
      "origin" or a state. Or a dataset of `curlflow.simulate`, recorded with `weights="all"`: all its points. It must
      have the spec's network, teacher, data and seed and the same graph; rule, constraint and dynamics may differ.
    - `times`: along the dynamics of the spec or flow from its start, as `curlflow.simulate` takes them.
    - `rule`: a rule object of your own in place of the spec's.
    - `graph`: a `networkx.DiGraph` of the spec's widths: which synapses there are, and their signs; docs/graphs.md.
    - `loss`: for a system of your own, a function of the state in place of the training error; or, for a game whose
      state is a mapping of players, one such function for each of them. Systems of a `curlflow.Game` have theirs.
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
    - `metric`: in which scalar product what is symmetric, orthogonal and a gradient is said. It is "euclidean"
      (default); "layerwise" or "diagonal", the one with a positive number for each layer or for each weight in which
      the antisymmetric part is least; positive numbers, one for each weight or layer or as arrays of the weights'
      shapes; a positive definite matrix; or a function of the state that gives any of these.
    - `progress`: True for a bar, or a function of (realization, phase, fraction).
    - `batching`: whether realizations run as one program, `"together"`, or on threads, `"apart"`. Default: `"auto"`,
      together where there is an accelerator. Both agree up to rounding.

    **Description:** under a constraint with tangent projection P the velocity is the projected one and J means
    P J P, the derivative within the constraint's tangent space; circles are retracted onto the constraint. The
    spheres of the norm constraint are those through the point: the teacher's weights need not share them with the
    start. A rule is a gradient, of any function, if and only if A = 0 everywhere. The error is the training error
    ½⟨|ŷ − y|²⟩; with nonlinear outputs gradient descent follows another loss, and the angle is not zero. For
    simultaneous descent in a game −S and −A are its potential and its Hamiltonian part (Balduzzi et al. 2018).

    In a metric G with scalar product aᵀ G b and square root G^½ the coordinates u = G^½ w are orthonormal. There the
    Jacobian is J′ = G^½ J G^−½, and its symmetric and antisymmetric parts, their Frobenius norms and their ratio are
    what is reported: S and A are those parts of J′. They vanish, and norms are the same, in all orthonormal
    coordinates; A = 0 if and only if G J is symmetric, and where it is everywhere the velocity is −G⁻¹∇ of a
    function. tr J does not change. Likewise the speed is (Fᵀ G F)^½, the gradient of the error is G⁻¹∇error, from
    which `gradient_angle` is measured with G, and circle, plane and circulation are those of the coordinates u;
    `direction` holds G-orthonormal vectors of weight space. Only ratios of the metric's numbers have a meaning: those
    of all weights are normalised to the geometric mean 1 (det G = 1). A metric that is found, or depends on the
    state, is that of the point, and taken as constant: with A = 0 in another metric at every point the velocity need
    not be a gradient in any. What is least in a metric that is found is ‖A‖, and with it ‖S‖, since ‖S‖² − ‖A‖² =
    tr J² is the same in all metrics. The ratio is least there too if it is below 1. It is above 1 in all metrics or
    in none; if so it is largest where the norms are least, and approaches 1 where they grow: then compare norms.
    "diagonal" takes the whole Jacobian, of at most 3,000 weights. Weights that act
    on each other in no way, not even by others, have numbers of geometric mean 1 among those that do. Where some act
    on others that do not act back, not even by others (a frozen layer), no metric is best, since the antisymmetric
    part decreases for ever: metric and numbers in it are NaN. Under a constraint the metric must commute with P, such
    as one number for each layer with the norm constraint: P is then orthogonal in both, and P J′ P the derivative
    within the tangent space for the metric that the constraint inherits. Any other is refused.

    **Raises:** `ValueError` for arguments out of range and for a diffusion; `curlflow.Interrupted` on Ctrl-C, with
    what was finished in its attribute `dataset` (that of `curlflow.simulate` as long as the trajectory runs). A run
    that diverges has a `status` and NaN from there on.

    **Sources:** docs/model.md, section on gradient and curl parts.
    """
    subject = Subject.of(spec_or_system, rule=rule, graph=graph, systems=(Flow, Map), others=WITHOUT_VELOCITY)
    fields = [FlatField.of(subject, loss, i) for i in range(subject.realizations)]
    check_directions(directions, fields[0])
    if method == "auto":
        method = "exact" if fields[0].size <= EXACT_LIMIT else "estimate"
    chosen = chosen_metric(metric, fields[0])
    options = DecompositionOptions(method, probes, seed, directions, length("radius", radius), chosen)
    points = chosen_points(subject, at, times, fields, progress)
    each = zip(fields, points.states, points.status, strict=True)
    runs = [
        FieldRun.of(i, field, states, points.times, status, chosen) for i, (field, states, status) in enumerate(each)
    ]
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
        for name in COMPARED if run.field.loss is None else ():
            row.pop(name, None)
    coordinates: dict[str, Any] = dict(points.coordinates or {})
    dims = ("realization",) if single else ("realization", *coordinates["time"][0])
    if "direction" in rows[0]:
        coordinates["component"] = (("component",), ["first", "second"], "direction of the circle's plane")
    if "player_loss" in rows[0]:
        coordinates["player"] = (("player",), list(runs[0].field.losses.players), "player of the game")
    if "layer_metric" in rows[0]:
        layers = 1 + np.arange(len(runs[0].field.sizes))
        coordinates["layer"] = (("layer",), layers, "layer of weights")
    metric = options.metric.label if options.metric else "euclidean"
    settings = vars(options) | {"directions": described(options.directions), "metric": metric, "at": points.label}
    if options.method == "exact":
        del settings["probes"], settings["seed"]
    field = "velocity, projected onto the constraint; J is the derivative within the tangent space"
    about = {**attributes, "method": options.method, "at": points.label, "field": field, "metric": metric}
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
    for name, along, text in (("metric", "weight", "weight"), ("layer_metric", "layer", "weight of each layer")):
        text = f"diagonal of the metric, a number for each {text}, of geometric mean 1 over all weights"
        declared.append(Variable(name, (*dims, along), text, uncertainty=FOUND))
    for v in (*players.VARIABLES, players.GRADIENT):
        declared.append(replace(v, dims=(*dims, v.dims[1]), attributes={"ancillary_variables": "status"}))
    for v in MEASURED + EUCLIDEAN:
        error = f"{v.name}_se"
        estimated = v.name.removeprefix("euclidean_") in Parts._fields
        declared.append(replace(v, dims=dims, attributes={"ancillary_variables": "status"}))
        if estimated:
            declared.append(Variable(error, dims, f"standard error: {v.long_name}"))
    return declared
