"""Will a rule stay at a point, and why? Eigenvalues at solutions, at the origin and anywhere else: `stability`."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import jax
import numpy as np
import xarray as xr

from ...networks import Feedforward
from ...problem import Problem
from ...spec import Spec
from ...status import Status
from ...systems import AbstractSystem, Diffusion
from ...systems.learning import learning_flow
from ...systems.linearised import linearisation
from ...systems.linearised.kernels import geometry
from ...tangents import size
from ..arguments import Bar, Count, Graph, Rule, Tolerance, check_subject, study
from ..points import points_of, state_of
from ..runs import Interrupted, reporting
from ..subject import architecture_of, subject_attributes
from .dataset import assemble
from .decision import Verdict, judged
from .linearised import NOTHING, at_origin, at_solution, is_driven_by_errors, of_jacobian

TOLERANCE = 1e-12
"""Weights are a solution if the training error is at most this fraction of that of the output zero."""
FIXED = 1e-9
"""A point is fixed if the velocity is below this fraction of the norm of the state plus one."""


@study
def stability(
    spec_or_system: Spec | AbstractSystem,
    *,
    at: Literal["solution", "origin", "start"] | Any = None,
    eigenvalues: Count = 10,
    tolerance: Tolerance = TOLERANCE,
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
    `critical_learning_rate`, `training_error`, `speed`, `method` and `status`; at the origin also `origin_type`,
    `frequency` and `growth_rate` of every hidden unit.

    **Arguments:**

    - `spec_or_system`: a `curlflow.Spec`, all of whose realizations are looked at, or a `Flow` or `Map`.
    - `at`: the point. Default: `"solution"`, the teacher's weights; of a system `"start"`, its own state. Also
      `"origin"`; of a spec `"start"` and weights: a `curlflow.networks.Feedforward`, a list of arrays (post, pre), or
      a list of networks, one for each realization; of a system a state like its own.
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
    `numerical_abscissa` is the largest rate at which a perturbation can grow at first. For a map μ is ln(multiplier)
    per unit of time.

    Kernels hold at solutions only. Elsewhere the Jacobian is taken, and if the velocity does not vanish a warning
    says so, with the status `not_a_fixed_point`. A flow that depends on time is linearised at t = 0, a map at its
    iteration 0.

    **Raises:** `ValueError` for arguments out of range, weights of other shapes and weights that are not finite.

    **Sources:** docs/model.md, (4), (4′), (5); docs/stability.md.
    """
    check_subject(spec_or_system, rule)
    if isinstance(spec_or_system, Diffusion):
        raise ValueError(
            "spec_or_system: got a Diffusion, which noise drives on; give the Flow of its drift for stability in the "
            "mean, or take curlflow.lyapunov."
        )
    learning = isinstance(spec_or_system, Spec)
    architecture = architecture_of(spec_or_system, graph)
    if learning:
        problems, points = points_of(spec_or_system, at, rule, architecture)
    else:
        problems, points = [None], [state_of(spec_or_system, at)]
    verdicts: list[Verdict] = []
    interrupted = False
    with reporting(progress, len(points)) as report:
        try:
            for i, (problem, point) in enumerate(zip(problems, points, strict=True)):
                report(i, "eigenvalues", 0.0)
                verdicts.append(
                    _learning_verdict(problem, point, at, eigenvalues, tolerance)
                    if learning
                    else _system_verdict(spec_or_system, point, eigenvalues)
                )
                report(i, "eigenvalues", 1.0)
        except KeyboardInterrupt:
            interrupted = True
    comment = _comment(verdicts)
    if comment:
        warnings.warn(comment, stacklevel=3)
    subject = subject_attributes(spec_or_system, rule, architecture)
    default = ("solution" if at is None else "weights") if learning else "state"
    name = at if isinstance(at, str) else default
    dataset = assemble(verdicts, len(points), name, eigenvalues, tolerance, subject | {"comment": comment})
    if interrupted:
        raise Interrupted(dataset)
    return dataset


def _learning_verdict(problem: Problem, network: Feedforward, at: Any, number: int, tolerance: float) -> Verdict:
    flow = learning_flow(network, problem.rule, problem.task, problem.constraint)
    error = float(problem.training_error.error(network))
    if _is_excluded(problem, network):
        found, fixed, speed = replace(NOTHING, status=Status.excluded_by_constraint), True, float("nan")
        return judged(found, fixed, speed, size(network), problem=problem, network=network, error=error)
    speed = float(np.linalg.norm(linearisation.velocity(flow, network)))
    fixed = _is_fixed(speed, network)
    if isinstance(at, str) and at == "origin":
        found = at_origin(problem, network, flow, number)
    elif error <= tolerance * _silent_error(problem, network) and is_driven_by_errors(problem, network, flow):
        found, fixed = at_solution(problem, network, flow, number), True
    else:
        found = of_jacobian(flow, network, number)
    return judged(found, fixed, speed, size(network), problem=problem, network=network, error=error)


def _is_excluded(problem: Problem, network: Feedforward) -> bool:
    """Whether a layer of zeros should lie on a sphere."""
    shape = geometry(problem.constraint)
    return shape is not None and shape.spheres and not all(np.any(w) for w in network.weights)


def _system_verdict(system: AbstractSystem, state: Any, number: int) -> Verdict:
    speed = float(np.linalg.norm(linearisation.velocity(system, state)))
    found = of_jacobian(system, state, number)
    return judged(found, _is_fixed(speed, state), speed, size(state), system=system)


def _is_fixed(speed: float, state: Any) -> bool:
    norm = np.sqrt(sum(np.sum(np.square(leaf)) for leaf in jax.tree.leaves(state)))
    return bool(speed <= FIXED * (1 + norm))


def _silent_error(problem: Problem, network: Feedforward) -> float:
    """The training error of the output zero."""
    if network.is_linear:
        return float(problem.training_error.error(network.with_weights(0 * np.asarray(w) for w in network.weights)))
    return float(np.mean(np.sum(np.square(problem.y_train), axis=0)) / 2)


def _comment(verdicts: Sequence[Verdict]) -> str | None:
    """What to say of points that are not fixed, if there are any."""
    away = [v for v in verdicts if not v.fixed and np.isfinite(v.speed)]
    if not away:
        return None
    worst = max(away, key=lambda v: v.speed)
    error = "" if np.isnan(worst.error) else f"their training error is {worst.error:.3g}, not zero, and "
    where = "this state is" if np.isnan(worst.error) else "these weights are"
    what = "neither a solution nor another fixed point"
    if worst.error < FIXED**2:
        error, what = "", "a solution, but no fixed point of this rule, which follows more than the errors,"
    return (
        f"at: {where} {what} in {len(away)} of {len(verdicts)} realizations; "
        f"{error}the speed is {worst.speed:.3g}. The eigenvalues are those of the Jacobian at that point."
    )
