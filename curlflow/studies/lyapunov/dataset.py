"""The dataset of `curlflow.lyapunov`."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from jax.flatten_util import ravel_pytree
from jaxtyping import Float

from ... import results
from ...measures import convergence, lyapunov, standard_error
from ...measures.convergence import Doubt, OverStarts, convergence_of, over_starts, unresolved_groups
from ...measures.lyapunov import ILL_CONDITIONED, KaplanYorke, kaplan_yorke_dimension
from ...measures.orbit_checks import CROSSING
from ...measures.standard_error import error_ratio, long_run_error
from ...status import Status
from ...systems import AbstractSystem
from ...tangents import as_rows
from ...variable import EXACT, SINGLE, SOLVER, Variable
from ..assemble import assembled
from .runs import TangentRun

ROUNDING = 1e-12
"""Exponents closer to zero than this, or than the solver's relative tolerance, have no sign that means anything."""
R = ("realization",)
VARIABLES = (
    *lyapunov.VARIABLES,
    *standard_error.VARIABLES,
    *convergence.VARIABLES,
    results.status_variable(),
    Variable("local_exponent_of_tangent", ("realization", "block", "tangent"),
             "exponent of one block of every tangent vector of a compressed network, to resume from",
             uncertainty=SINGLE),
    Variable("blocks", R, "number of blocks that were averaged"),
    Variable("factorisations", R, "into how many parts with a factorisation of their own a block was divided"),
    Variable("step", R, "step of the solver in units of time: the fixed one, or the next adaptive one; 0 for a map",
             uncertainty=EXACT),
    Variable("tangent_of_exponent", ("realization", "exponent"), "which tangent vector measured this exponent"),
    Variable("final_state", ("realization", "state_variable"), "state at the end, to resume from",
             uncertainty=SOLVER),
    Variable("final_tangent", ("realization", "tangent", "state_variable"), "tangents at the end, to resume from",
             uncertainty=SOLVER),
    Variable("final_position", R, "time of a flow, or iteration of a map, at the end, to resume from",
             uncertainty=EXACT),
)  # fmt: skip


def lyapunov_dataset(
    runs: list[TangentRun], system: AbstractSystem, attributes: Mapping[str, Any], ensemble: bool
) -> xr.Dataset:
    """The dataset of all realizations, finished or not; of an `ensemble`, they are of one system."""
    options, length = runs[0].options, max(r.done for r in runs)
    block = np.nan if options.block is None else options.block
    coordinates = {
        "realization": (R, np.arange(len(runs)), "realization: teacher, start and tangents"),
        "exponent": (("exponent",), np.arange(1, options.exponents + 1), "rank of the exponent"),
        "time": (("block",), block * np.arange(1, length + 1), "time at the end of a block since averaging began"),
    }
    # The duration that was asked for in all calls together, or what was done of it where all stopped before.
    duration = options.before + options.duration
    if options.block is not None and length != options.blocks_of(duration):
        duration = length * options.block
    method, tolerances = "rk4" if options.stepping == "fixed" else system.label, system.tolerances
    settings = dataclasses.asdict(options) | tolerances | {"duration": duration, "method": method}
    del settings["before"]
    criterion = "nothing in doubt speaks against any exponent"
    if options.tolerance is not None:
        criterion += f", and every standard error is at most {options.tolerance:g}"
    described = {
        "stepping": options.stepping,
        "method": method,
        "criterion": criterion,
        "resolution": max(ROUNDING, tolerances.get("rtol", 0.0)),
    }
    together = _over_starts(runs) if ensemble else None
    rows = [numbers_of(r, None if together is None else together.agree) for r in runs]
    whole = {} if together is None else {"ensemble_exponent": together.mean, "ensemble_exponent_se": together.error}
    return assembled("lyapunov", VARIABLES, rows, coordinates, settings, dict(attributes) | described, whole=whole)


def _over_starts(runs: list[TangentRun]) -> OverStarts:
    """What the runs of one system say together that completed."""
    local = [(r, r.series[:, r.leading]) for r in runs if r.status == Status.completed and r.done]
    means, none = [series.mean(axis=0) for _, series in local], np.empty((0, runs[0].options.exponents))
    return over_starts(np.array(means or none), np.array([r.errors(series) for r, series in local] or none))


def numbers_of(r: TangentRun, agree: Any) -> dict[str, Any]:
    """What one realization contributes to every variable; `agree` says which exponents are those of other starts,
    None if there are none."""
    options, order, state = r.options, r.leading, np.asarray(ravel_pytree(r.state)[0])
    local = r.series[:, order]
    mean = (r.series.mean(axis=0) if r.done else np.full(r.vectors, np.nan))[order]
    tangents = np.asarray(as_rows(r.tangents))
    complete = options.exponents == r.space.dimension
    with np.errstate(invalid="ignore"):
        error, error_of_sum = np.split(r.errors(np.hstack([local, np.cumsum(local, axis=1)])), 2)
    dimension, reason = kaplan_yorke_dimension(mean, complete, 2 * error_of_sum)
    columns = _judged(r, local, mean, error, agree) | {
        "lyapunov_exponent": mean,
        "lyapunov_exponent_se": error,
        "flow_residual": r.flow_residual,
        "se_ratio": error_ratio(local),
        "local_exponent": local,
        "tangent_of_exponent": order,
        "kaplan_yorke_dimension": dimension,
        "kaplan_yorke_dimension_se": _dimension_error(local, dimension, r),
        "kaplan_yorke_status": np.int8(KaplanYorke[reason or "known"]),
        "status": np.int8(r.status),
        "largest_condition": r.condition,
        "factorisations": r.factorisations,
        "blocks": r.done,
        "step": r.system.next_step(r.clock),
        "final_state": state,
        "final_tangent": tangents if tangents.size else np.full((r.vectors, state.size), np.nan),
        "final_position": float(r.clock.position),
    }
    if r.space.splits:
        columns["local_exponent_of_tangent"] = r.series
    if complete and r.space.has_volume:
        divergence = r.divergences.mean() if r.done else np.nan
        errors = r.errors(r.divergences[:, None])[0]
        columns |= {
            "local_divergence": r.divergences,
            "mean_divergence": divergence,
            "mean_divergence_se": errors,
            "divergence_residual": mean.sum() - divergence if np.isfinite(divergence) else np.nan,
            "divergence_residual_se": _residual_error(local, mean, r),
        }
    return columns


def _judged(
    r: TangentRun, local: Float[np.ndarray, "blocks exponents"], mean: np.ndarray, error: np.ndarray, agree: Any
) -> dict[str, Any]:
    """Which exponents have converged, why others have not, and which cannot be told apart."""
    options, resolution = r.options, r.resolution(mean)
    irregular = (error > 2 * resolution) & (np.abs(mean) > 2 * error)
    keeps_volumes = bool((np.abs(r.divergences) <= resolution.max()).all())
    known = {
        Doubt.status: r.status != Status.completed,
        Doubt.zero_multiplier: r.vanished[r.leading],
        Doubt.collapsed: r.collapsed,
        Doubt.condition: r.condition > ILL_CONDITIONED,
        Doubt.flow_residual: r.flow_residual > max(CROSSING, 100 * r.system.tolerances.get("rtol", 0.0)),
        Doubt.tolerance: options.tolerance is not None and not r.reached,
        Doubt.starts: agree is not None and ~agree,
        Doubt.islands: agree is None and keeps_volumes & irregular,
    }
    duration = np.nan if options.block is None else r.done * options.block
    each, doubt = convergence_of(local, resolution, options.alignment, duration, known)
    group, group_mean, group_error = unresolved_groups(local, resolution)
    return {
        "converged": bool(each.all()),
        "exponent_converged": each,
        "doubt": np.int8(doubt),
        "exponent_group": group,
        "group_mean": group_mean,
        "group_mean_se": group_error,
    }


def _residual_error(local: Float[np.ndarray, "blocks exponents"], mean: np.ndarray, r: TangentRun) -> float:
    """The standard error of the sum of all exponents less the mean divergence, from their difference in every block.

    The solver may err in every exponent, and in the same direction, so that these errors are added."""
    if not r.done or not np.isfinite(r.divergences).all():
        return np.nan
    statistical = long_run_error((local.sum(axis=1) - r.divergences)[:, None])[0]
    return float(np.hypot(statistical, r.resolution(np.append(mean, r.divergences.mean())).sum()))


def _dimension_error(local: Float[np.ndarray, "blocks exponents"], dimension: float, r: TangentRun) -> float:
    """The standard error of D = j + (λ₁ + … + λⱼ)/|λⱼ₊₁|, to first order in those of its parts."""
    if not np.isfinite(dimension) or not r.done:
        return np.nan
    j = min(int(dimension), local.shape[1] - 1)
    mean = local.mean(axis=0)
    if not np.isfinite(mean[: j + 1]).all() or mean[j] == 0:
        return np.nan
    share = -mean[:j].sum() / mean[j]
    return float(r.errors((local[:, :j].sum(axis=1) + share * local[:, j])[:, None] / abs(mean[j]))[0])
