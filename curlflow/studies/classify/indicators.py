"""From one run to indicators: what its exponents, tangents and observables say."""

import math
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float

from ...measures.motion import FOLDS, SIGNIFICANT, WALKS, Indicators
from ...measures.recurrence import REPEATS
from ...measures.standard_error import batch_means_error, halves_agree
from ...networks import Feedforward
from ...solvers.integrate import Clock, rms
from ...status import Status
from ...systems import AbstractSystem
from ...systems.linearised.transverse import OffOrbits
from ..train.stopping import held_time
from .observed import of_observables, relative_tolerance
from .options import ClassifyOptions
from .runs import Classified

COLLAPSED = 1e-8
"""A layer whose second singular value is below this share of the first has rank one."""
PIECES = 100
"""Into so many pieces a window is cut for the distribution of finite-time exponents."""
ROUNDING = 1e-12


def columns(r: Classified, options: ClassifyOptions, scale: Float[np.ndarray, " observables"]) -> dict[str, Any]:
    """All numbers of one realization, by the names that they have in the dataset.

    **Arguments:**

    - `scale`: how large every observable is where nothing has been learnt; 0 where nothing is known.
    """
    found = _exponents(r, options) | _alignment(r, options)
    with np.errstate(over="ignore", invalid="ignore"):  # a run on its way to infinity
        return found | of_observables(r, options, scale, _grows(found)) | _of_weights(r)


def _grows(found: dict[str, Any]) -> bool:
    """Whether the largest exponent is positive for sure."""
    return bool(found["lyapunov_exponent"][0] > SIGNIFICANT * found["lyapunov_exponent_se"][0])


def indicators(r: Classified, found: dict[str, Any], names: list[str]) -> Indicators:
    """What a verdict is made from.

    **Arguments:**

    - `names`: of the observables.
    """
    # What is sampled too often looks regular: there only a K near one says something.
    k = np.where(found["zero_one_oversampled"] & (found["zero_one"] < WALKS), np.nan, found["zero_one"])
    lines = found["peak_is_line"][~np.isnan(found["peak_frequency"])]
    return Indicators(
        status=r.status, exponents=found["lyapunov_exponent"], errors=found["lyapunov_exponent_se"],
        resolution=max(ROUNDING, relative_tolerance(r)),
        duration=found["averaged_time"], converged=bool(found["converged"]), continuous=r.system.continuous,
        moves=bool(found["moves"].any()), stationary=bool(found["stationary"].all()),
        zero_one=float(np.nanmedian(k)) if np.isfinite(k).any() else math.nan,
        distance=found["return_distance"], period=_iterations(r, found), steady=bool(found["returns_steadily"]),
        lines=bool(lines.size and lines.all()), early_growth=found["early_growth"],
        preserves_volume=bool(found["preserves_volume"]), log_alignment=found["log_gali"][:2].min(),
        aligns_as_expected=_as_expected(found), zeros_are_tori=_zeros_are_tori(r), not_finite=_broken(found, names),
        weights_go=found.get("weight_speed", 0.0) * found["averaged_time"],
    )  # fmt: skip


def _zeros_are_tori(r: Classified) -> bool:
    """Whether exponents of zero say that there are as many frequencies.

    Not where volume is preserved, where every cycle has further zeros, nor of learning whose symmetries are not taken
    out.
    """
    return not r.preserves_volume and (not isinstance(r.system.state, Feedforward) or isinstance(r.space, OffOrbits))


def _broken(found: dict[str, Any], names: list[str]) -> str:
    """Which observables were not finite, and how often; empty if all were."""
    counts = zip(names, found["not_finite"], strict=True)
    return " and ".join(f"{name} in {number} samples" for name, number in counts if number)


def _iterations(r: Classified, found: dict[str, Any]) -> float:
    """The time of return in iterations of a map, or in steps of a flow's solver."""
    return math.nan if r.sampling is None else float(found["return_time"]) / r.sampling.step


def named_status(r: Classified, found: dict[str, Any]) -> Status:
    """How the run ended; of one that did not fail also the trap that it ended in."""
    if r.status != Status.completed:
        return r.status
    moves, is_map = found["moves"].any(), not r.system.continuous
    repeats = is_map and found["return_distance"] < REPEATS
    if (repeats or not moves) and _held(found):
        return Status.held_by_rounding
    if not moves:
        return r.status
    if repeats and round(_iterations(r, found)) == 2:
        return Status.period_two
    return Status.rank_one if (found.get("rank_ratio", np.ones(1)) < COLLAPSED).any() else r.status


def _held(found: dict[str, Any]) -> bool:
    """Whether a difference grows, and the window is longer than it needs to grow from rounding."""
    return _grows(found) and found["averaged_time"] > held_time(float(found["lyapunov_exponent"][0]))


def _of_weights(r: Classified) -> dict[str, Any]:
    """How far every layer is from rank one at the end, and how fast weights move there; nothing without layers."""
    network = r.system.state
    if not isinstance(network, Feedforward):
        return {}
    ratios, speed = np.full(len(network.weights), np.nan), np.nan
    if r.measured is not None and r.status == Status.completed:
        run = r.measured
        for i, weights in enumerate(run.state.weights):
            values = np.linalg.svd(np.asarray(weights), compute_uv=False)
            ratios[i] = values[1] / values[0] if values.size > 1 and values[0] > 0 else np.nan
        speed = float(_relative_speed(r.system, run.state, run.clock))
    return {"rank_ratio": ratios, "weight_speed": speed}


@eqx.filter_jit
def _relative_speed(system: AbstractSystem, state: Feedforward, clock: Clock) -> Array:
    """‖dW/dt‖/‖W‖; of a map over one iteration."""
    if system.continuous:
        velocity = system.velocity(clock.position, state)
    else:
        after = system.advance(state, None, 1, clock).state
        velocity = jax.tree.map(lambda a, b: (a - b) / system.time(1), after, state)
    return rms(velocity) / rms(state)


def _exponents(r: Classified, options: ClassifyOptions) -> dict[str, Any]:
    """Exponents in decreasing order, with errors, and the largest one over short pieces of the window."""
    number = options.exponents
    found = {
        "lyapunov_exponent": np.full(number, np.nan), "lyapunov_exponent_se": np.full(number, np.nan),
        "finite_time_exponent": np.full(PIECES, np.nan), "finite_time": np.nan, "averaged_time": 0.0,
        "converged": np.bool_(False), "preserves_volume": np.bool_(r.preserves_volume),
    }  # fmt: skip
    local = r.measured.series if r.measured is not None else np.empty((0, number))
    if len(local) == 0:
        return found
    local = local[:, np.argsort(-local.mean(axis=0), kind="stable")]
    length = len(local) // PIECES
    if length > 0:
        pieces = local[len(local) - PIECES * length :, 0].reshape(PIECES, length)
        found |= {"finite_time_exponent": pieces.mean(axis=1), "finite_time": length * r.block}
    return found | {
        "lyapunov_exponent": local.mean(axis=0), "lyapunov_exponent_se": batch_means_error(local),
        "averaged_time": float(len(local) * r.block), "converged": np.bool_(halves_agree(local[:, :1])),
    }  # fmt: skip


def _alignment(r: Classified, options: ClassifyOptions) -> dict[str, Any]:
    """ln GALI of two, three, … tangents at the end of the time over which they were followed."""
    log_gali = np.full(options.exponents, np.nan)
    log_gali[0] = 0.0
    if r.log_gali is not None:
        log_gali = r.log_gali
    return {"log_gali": log_gali, "gali_time": r.aligned_time}


def _as_expected(found: dict[str, Any]) -> bool:
    """Whether tangents align at the rates that the gaps between exponents say, within errors."""
    exponents, errors, time = found["lyapunov_exponent"], found["lyapunov_exponent_se"], found["gali_time"]
    with np.errstate(invalid="ignore"):  # exponents of −∞
        gaps = np.cumsum(exponents[0] - exponents)
        allowed = SIGNIFICANT * np.cumsum(errors[0] + errors) * np.sqrt(found["averaged_time"] / time) + FOLDS / time
        apart = np.abs(found["log_gali"] / time + gaps)
    known = np.isfinite(apart) & np.isfinite(allowed)
    return bool((apart <= allowed)[known].all())
