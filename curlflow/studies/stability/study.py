"""Will a rule stay at a point, and why? Eigenvalues at solutions, at the origin and anywhere else: `stability`."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import xarray as xr

from ... import results
from ...measures import decision
from ...measures.decision import Decision
from ...spec import Spec
from ...systems import AbstractSystem, Flow, Map
from ...systems.linearised import origin
from ...systems.linearised.origin import OriginType, origin_rates, origin_types
from ...variable import EXACT, Variable, flag_variable
from ..arguments import Bar, Count, Graph, Rule, Tolerance, study
from ..assemble import ACCURACIES, assembled
from ..points import points_of
from ..runs import Progress, attended, finished
from ..subject import Subject
from .linearised import Method
from .runs import FIXED, UNKNOWN, PointRun, linearise

DIFFUSIONS = "which noise drives on; give the Flow of its drift for stability in the mean, or take curlflow.lyapunov"
PARTS = ("symmetry", "manifold", "constraint")
_ONE = ("realization",)
_UNKNOWN = {"comment": f"{UNKNOWN}: not known"}
VARIABLES = (
    *decision.VARIABLES,
    Variable("neutral_dimension", _ONE, "number of directions along which nothing changes", attributes=_UNKNOWN),
    Variable(
        "neutral_part",
        ("realization", "part"),
        "neutral directions: symmetry orbits, the rest of the manifold, taken away by the constraint",
        attributes=_UNKNOWN,
    ),
    Variable("training_error", _ONE, "training error at the point", uncertainty=EXACT),
    Variable("train_accuracy", _ONE, f"{ACCURACIES['train_accuracy']}, at the point", uncertainty=EXACT),
    Variable("speed", _ONE, "norm of the velocity at the point", uncertainty=EXACT),
    *origin.VARIABLES,
    flag_variable("method", _ONE, "what the eigenvalues were computed from", Method),
    results.status_variable(),
)


@study
def stability(
    spec_or_system: Spec | AbstractSystem,
    *,
    at: Literal["solution", "origin", "start"] | Any = None,
    eigenvalues: Count = 10,
    tolerance: Tolerance = 1e-12,
    progress: Bar = None,
    rule: Rule = None,
    graph: Graph = None,
) -> xr.Dataset:
    """The linear stability of a point: eigenvalues of the dynamics there, and the verdict.

    ```python
    ds = curlflow.stability(curlflow.preset("fig3a").replace("rule.flipped.inputs", 0.3))
    ds = curlflow.stability(spec, at="origin")
    ds = curlflow.stability(spec, at=trained_network)
    ```

    **Returns:** a dataset over `realization`: `eigenvalue_real` and `eigenvalue_imag` (with `eigenvalue`; those that
    are not zero, by decreasing real part), `leading_real_part`, `stable` and `verdict` (stable, unstable, undecided),
    `numerical_abscissa`, `neutral_dimension` with its parts `neutral_part` and `neutral_threshold`,
    `critical_learning_rate`, `training_error`, `train_accuracy` where the loss knows
    classes, `speed`, `method` and `status`; at the origin also `origin_type`,
    `frequency` and `growth_rate` of every hidden unit.

    **Arguments:**

    - `spec_or_system`: a `curlflow.Spec`, all of whose realizations are looked at, or a `Flow` or `Map`.
    - `at`: the point. Default: `"solution"`, the teacher's weights; of a system `"start"`, its own state. Also
      `"origin"`; of a spec `"start"` and weights: a `curlflow.networks.Feedforward`, a list of arrays (post, pre),
      a list of networks, one for each realization, or a dataset of `curlflow.train` or `curlflow.simulate` with
      `weights="all"`, whose end is taken; of a system a state like its own.
    - `eigenvalues`: how many of the leading ones to ask for where not all can be computed.
    - `tolerance`: weights count as a solution if their training error is at most this fraction of that of the output
      zero. Eigenvalues are then exact to about its square root.
    - `progress`: True for a bar, or a function of (realization, phase, fraction).
    - `rule`: a rule object of your own in place of the spec's.
    - `graph`: a `networkx.DiGraph` of the spec's widths: which synapses there are, and their signs; docs/graphs.md.

    **Description:** eigenvalues are rates per unit of time, of the flow of the rule, on the tangent space of the
    constraint. Of all matrices with these eigenvalues the smallest is taken, see
    `curlflow.systems.linearised.kernels`; `method` says which. *Neutral* are eigenvalues below 10⁻¹⁰ of the largest
    in modulus (10⁻⁸ where they come from products alone). `stable` says that all others have negative real parts, for
    a spec with updates that |1 + ημ| < 1, with the step η of one batch and the mean over all samples. Where all are
    neutral, or too few could be computed, the verdict is undecided. `critical_learning_rate` is the largest such η.
    With an optimizer eigenvalues are those of the rule's flow too, and verdict and critical learning rate are those
    of the multipliers that it makes of them (docs/optimizers.md). `numerical_abscissa` is the largest rate at which a
    perturbation can grow at first. For a map μ is ln(multiplier) per unit of time. Kernels hold at solutions only.
    Elsewhere the Jacobian is taken, and if the velocity does not vanish a warning says so, with the status
    `not_a_fixed_point`. A flow that depends on time is linearised at t = 0, a map at its iteration 0.

    **Raises:** `ValueError` for arguments out of range, weights of other shapes and weights that are not finite.

    **Sources:** docs/model.md, (4), (4′), (5); docs/stability.md.
    """
    subject = Subject.of(spec_or_system, rule=rule, graph=graph, systems=(Flow, Map), others=DIFFUSIONS)
    if subject.learning and getattr(subject.given.optimizer, "weight_decay", 0.0):
        raise ValueError(
            f"optimizer.weight_decay: got {subject.given.optimizer.weight_decay}, with which no solution is a fixed "
            "point; set it to 0, or give the map of a problem at a state that you have found to be fixed."
        )
    places = subject.problems or [subject.given]
    points = points_of(places, "solution" if at is None and subject.learning else at)
    runs = [PointRun.at(i, *pair) for i, pair in enumerate(zip(places, points, strict=True))]

    def work(report: Progress) -> None:
        # One after the other: the matrices may be large, and their eigenvalues take all cores.
        for run in runs:
            report(run.index, "eigenvalues", 0.0)
            linearise(run, at, eigenvalues, tolerance)
            report(run.index, "eigenvalues", 1.0)

    interrupted = attended(work, runs, progress)
    if comment := _comment(runs):
        warnings.warn(comment, stacklevel=3)
    unnamed = "state" if not subject.learning else "solution" if at is None else "weights"
    settings = {"at": at if isinstance(at, str) else unnamed, "eigenvalues": eigenvalues, "tolerance": tolerance}
    return finished(_dataset(runs, settings, subject.attributes | {"comment": comment}), interrupted)


def _comment(runs: Sequence[PointRun]) -> str | None:
    """What to say of points that are not fixed, if there are any."""
    away = [run for run in runs if not run.fixed and np.isfinite(run.speed)]
    if not away:
        return None
    worst = max(away, key=lambda run: run.speed)
    error = "" if np.isnan(worst.error) else f"their training error is {worst.error:.3g}, not zero, and "
    where = "this state is" if np.isnan(worst.error) else "these weights are"
    what = "neither a solution nor another fixed point"
    if worst.error < FIXED**2:
        error, what = "", "a solution, but no fixed point of this rule, which follows more than the errors,"
    return (
        f"at: {where} {what} in {len(away)} of {len(runs)} realizations; "
        f"{error}the speed is {worst.speed:.3g}. The eigenvalues are those of the Jacobian at that point."
    )


def _dataset(points: Sequence[PointRun], settings: Mapping[str, Any], attributes: Mapping[str, Any]) -> xr.Dataset:
    """The dataset of all points; realizations that were not reached are `not_run`."""
    rows, width = [_row(p) for p in points], max(p.found.eigenvalues.size for p in points)
    coordinates: dict[str, Any] = {
        "eigenvalue": (("eigenvalue",), np.arange(1, width + 1), "rank of the eigenvalue, by decreasing real part"),
        "part": (("part",), np.array(PARTS), "kind of neutral direction"),
    }
    units = next((len(p.found.squares) for p in points if p.found.squares is not None), None)
    if units is not None:
        coordinates["hidden_unit"] = (("hidden_unit",), np.arange(units), "hidden unit")
        rows = [row | _origin(p.found.squares, units) for row, p in zip(rows, points, strict=True)]
    return assembled("stability", VARIABLES, rows, coordinates, settings, attributes)


def _row(p: PointRun) -> dict[str, Any]:
    found = p.found
    return {
        "eigenvalue_real": found.eigenvalues.real,
        "eigenvalue_imag": found.eigenvalues.imag,
        "leading_real_part": found.leading,
        "stable": p.decision == Decision.stable,
        "verdict": np.int8(p.decision),
        "neutral_threshold": found.threshold,
        "numerical_abscissa": found.abscissa,
        "neutral_dimension": UNKNOWN if found.neutral is None else found.neutral,
        "neutral_part": np.array(p.parts),
        "critical_learning_rate": p.critical_rate,
        "training_error": p.error,
        **_accuracy(p),
        "speed": p.speed,
        "method": np.int8(found.method),
        "status": np.int8(p.status),
    }


def _accuracy(p: PointRun) -> dict[str, float]:
    """How many samples are classified right at the point, where the loss knows classes."""
    if p.problem is None or not p.problem.training_error.classifies:
        return {}
    return {"train_accuracy": float(p.problem.training_error.accuracy(p.state))}


def _origin(squares: Any, units: int) -> dict[str, Any]:
    """What is known of every hidden unit at the origin."""
    rate = frequency = np.full(units, np.nan)
    types = np.full(units, OriginType.undefined)
    if squares is not None:
        (rate, frequency), types = origin_rates(squares), origin_types(squares)
    return {"origin_type": types.astype(np.int8), "growth_rate": rate, "frequency": frequency}
