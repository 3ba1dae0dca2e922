"""From one run to a verdict: what its exponents, tangents and observables say, and the dataset of all runs."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Array

from ... import results
from ...measures import close_pairs, finite_time, frames, motion, observed, unbounded
from ...measures.close_pairs import INITIAL, prediction_time
from ...measures.finite_time import PIECES, grows_throughout, of_local_exponents
from ...measures.growth import held_time
from ...measures.motion import SIGNIFICANT, WALKS, Indicators, aligns_as_expected, verdict
from ...measures.observed import PEAKS, of_observables
from ...measures.recurrence import REPEATS
from ...measures.unbounded import SteadyGrowth
from ...networks import Feedforward
from ...outside import compiled
from ...solvers.integrate import Clock, rms
from ...status import Status
from ...systems import AbstractSystem
from ...systems.linearised.transverse import OffOrbits
from ...systems.optimized import network_of
from ...variable import SOLVER, Variable
from ..assemble import assembled
from ..lyapunov.dataset import ROUNDING
from .options import ClassifyOptions
from .runs import Classified

COLLAPSED = 1e-8
"""A layer whose second singular value is below this share of the first has rank one."""
R = ("realization",)
VARIABLES = (
    *motion.VARIABLES,
    *finite_time.VARIABLES,
    Variable("preserves_volume", R, "whether the divergence vanishes all along"),
    *frames.VARIABLES,
    *observed.VARIABLES,
    *close_pairs.VARIABLES,
    Variable(
        "rank_ratio",
        ("realization", "layer"),
        "second over first singular value of a layer at the end",
        uncertainty=SOLVER,
    ),
    Variable(
        "weight_speed", R, "speed of all weights at the end over their norm, per unit of time", uncertainty=SOLVER
    ),
    results.status_variable(),
)


def motion_dataset(
    runs: list[Classified], options: ClassifyOptions, names: list[str], attributes: Mapping[str, Any]
) -> xr.Dataset:
    """Indicators and verdicts of every realization, with labels."""
    rows = [judged(r, options, names) for r in runs]
    coordinates = {
        "exponent": (("exponent",), np.arange(1, options.exponents + 1), "rank of the exponent"),
        "tangents": (("tangents",), np.arange(1, options.exponents + 1), "number of tangents that align"),
        "piece": (("piece",), np.arange(1, PIECES + 1), "piece of the window"),
        "observable": (("observable",), np.array(names), "what is looked at"),
        "frequency": (("frequency",), runs[0].seen.frequencies, "cycles per unit of time"),
        "peak": (("peak",), np.arange(1, PEAKS + 1), "rank of the peak"),
        "initial_distance": (("initial_distance",), np.array(INITIAL), "over the extent of the attractor"),
    }
    if "rank_ratio" in rows[0]:
        coordinates["layer"] = (("layer",), np.arange(1, rows[0]["rank_ratio"].size + 1), "layer of weights")
    return assembled("classify", VARIABLES, rows, coordinates, options.settings, attributes)


def judged(r: Classified, options: ClassifyOptions, names: list[str]) -> dict[str, Any]:
    """All numbers of one realization by name, and the verdict with its reason; `names` are those of observables."""
    found = measured(r, options)
    found = found | _of_pairs(r, found)
    kind, why = verdict(indicators(r, found, names))
    return {"verdict": np.int8(kind), "reason": why, "status": np.int8(_named_status(r, found))} | found


def measured(r: Classified, options: ClassifyOptions) -> dict[str, Any]:
    """All numbers of one realization by name but those of pairs; they are computed once."""
    if r.found is None:
        r.found = _measured(r, options)
    return r.found


def _measured(r: Classified, options: ClassifyOptions) -> dict[str, Any]:
    found = of_local_exponents(r.series, r.options.block, options.exponents)
    gali = np.append(0.0, np.full(options.exponents - 1, np.nan)) if r.log_gali is None else r.log_gali
    found |= {"preserves_volume": np.bool_(r.preserves_volume), "log_gali": gali, "gali_time": r.aligned_time}
    with np.errstate(over="ignore", invalid="ignore"):  # a run on its way to infinity
        found |= of_observables(r.seen, complete=r.complete, grows=_grows(found), seed=options.seed)
        return found | _of_weights(r)


def _of_pairs(r: Classified, found: dict[str, Any]) -> dict[str, Any]:
    exponent, error = (found[name][0] for name in ("lyapunov_exponent", "lyapunov_exponent_se"))
    time = prediction_time(exponent) if r.pairs.pairs else math.nan
    return {
        "cross_distance_exponent": r.pairs.exponent, "cross_distance_exponent_se": r.pairs.exponent_error,
        "cross_correlation": r.pairs.correlation, "cross_correlation_se": r.pairs.error,
        "cross_distance": r.pairs.distances, "cross_distance_se": r.pairs.distance_errors,
        "prediction_time": time, "prediction_time_se": time * error / exponent if r.pairs.pairs else math.nan,
        "pairs": r.pairs.pairs,
    }  # fmt: skip


def _grows(found: dict[str, Any]) -> bool:
    """Whether the largest exponent is positive for sure."""
    return bool(found["lyapunov_exponent"][0] > max(SIGNIFICANT * found["lyapunov_exponent_se"][0], ROUNDING))


def _of_weights(r: Classified) -> dict[str, Any]:
    """How far every layer is from rank one at the end, and how fast weights move there; nothing without layers."""
    network = network_of(r.state)
    if not isinstance(network, Feedforward):
        return {}
    ratios, speed = np.full(len(network.weights), np.nan), np.nan
    if r.done and r.complete:
        for i, weights in enumerate(network.weights):
            values = np.linalg.svd(np.asarray(weights), compute_uv=False)
            ratios[i] = values[1] / values[0] if values.size > 1 and values[0] > 0 else np.nan
        speed = float(_relative_speed(r.system, r.state, r.clock))
    return {"rank_ratio": ratios, "weight_speed": speed}


@compiled
def _relative_speed(system: AbstractSystem, state: Any, clock: Clock) -> Array:
    """‖dW/dt‖/‖W‖; of a map over one iteration."""
    return rms(network_of(system.rate(state, clock))) / rms(network_of(state))


def indicators(r: Classified, found: dict[str, Any], names: list[str]) -> Indicators:
    """What a verdict is made from."""
    # What is sampled too often looks regular: there only a K near one says something.
    k = np.where(found["zero_one_oversampled"] & (found["zero_one"] < WALKS), np.nan, found["zero_one"])
    lines = found["peak_is_line"][~np.isnan(found["peak_frequency"])]
    broken = zip(names, found["not_finite"], strict=True)
    exponents, errors, duration = (found[n] for n in ("lyapunov_exponent", "lyapunov_exponent_se", "averaged_time"))
    # Where volume is preserved every cycle has further zeros, and so have symmetries that are not taken out.
    symmetric = isinstance(network_of(r.system.state), Feedforward) and not isinstance(r.space, OffOrbits)
    return Indicators(
        status=r.status, exponents=exponents, errors=errors, resolution=max(ROUNDING, r.seen.tolerance),
        duration=duration, converged=bool(found["converged"]), continuous=r.system.continuous,
        moves=bool(found["moves"].any()), stationary=bool(found["stationary"].all()),
        zero_one=float(np.nanmedian(k)) if np.isfinite(k).any() else math.nan,
        distance=found["return_distance"], period=_iterations(r, found), steady=bool(found["returns_steadily"]),
        lines=bool(lines.size and lines.all()), early_growth=found["early_growth"],
        preserves_volume=r.preserves_volume, log_alignment=found["log_gali"][:2].min(),
        aligns_as_expected=aligns_as_expected(exponents, errors, duration, found["log_gali"], found["gali_time"]),
        zeros_are_tori=not r.preserves_volume and not symmetric,
        not_finite=" and ".join(f"{name} in {number} samples" for name, number in broken if number),
        weights_go=found.get("weight_speed", 0.0) * duration,
        pairs=r.pairs, grows_throughout=grows_throughout(found["finite_time_exponent"], SIGNIFICANT),
        growth=SteadyGrowth(*(found[v.name] for v in unbounded.VARIABLES)),
    )  # fmt: skip


def _iterations(r: Classified, found: dict[str, Any]) -> float:
    """The time of return in iterations of a map, or in steps of a flow's solver."""
    return math.nan if r.seen.sampling is None else float(found["return_time"]) / r.seen.sampling.step


def _named_status(r: Classified, found: dict[str, Any]) -> Status:
    """How the run ended; of one that did not fail also the trap that it ended in."""
    if r.status != Status.completed:
        return r.status
    moves = found["moves"].any()
    repeats = not r.system.continuous and found["return_distance"] < REPEATS
    # A difference grows, and the window is longer than it needs to grow from rounding.
    held = _grows(found) and found["averaged_time"] > held_time(float(found["lyapunov_exponent"][0]))
    if held and (repeats or not moves):
        return Status.held_by_rounding
    if not moves:
        return r.status
    if repeats and round(_iterations(r, found)) == 2:
        return Status.period_two
    return Status.rank_one if (found.get("rank_ratio", np.ones(1)) < COLLAPSED).any() else r.status
