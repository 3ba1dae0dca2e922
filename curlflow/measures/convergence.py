"""Whether time averages that were measured together have converged, exponent by exponent, and if not why.

Stationary series must pass with 95 % however many there are: the confidence of every test is raised accordingly.

Sources: Šidák, J. Am. Stat. Assoc. 62 (1967) 626; Benettin, Galgani, Giorgilli & Strelcyn, Meccanica 15 (1980) 21,
for tangents, which align with their direction within a few 1/(λ_k − λ_{k+1}).
"""

from collections.abc import Mapping
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import fdtri, stdtrit

from ..variable import Variable, flag_variable
from .standard_error import BATCHES, batch_means, batch_means_error, halves_agree, long_correlations, long_run_error

CONFIDENCE = 0.95
"""With which all series pass that are stationary and not too strongly correlated."""
TESTS = 3
"""How many tests every series undergoes."""
ALIGNED = 3.0
"""By how many e-folds a tangent must have approached its direction."""
LEAST = 4
"""Fewer values tell nothing."""


class Doubt(IntEnum):
    """Why exponents are not called converged; of several reasons the first."""

    none = 0
    status = 1
    too_short = 2
    zero_multiplier = 3
    collapsed = 4
    condition = 5
    flow_residual = 6
    alignment = 7
    drift = 8
    halves = 9
    correlations = 10
    tolerance = 11
    starts = 12
    islands = 13


MEANINGS = {
    Doubt.none: "converged",
    Doubt.status: "the run did not complete",
    Doubt.too_short: "too few blocks to tell; run longer",
    Doubt.zero_multiplier: "some blocks multiply tangents by zero, others do not",
    Doubt.collapsed: "the orbit fell onto an unstable cycle because numbers have finitely many digits",
    Doubt.condition: "rounding reached the last exponents within a block; shorten block, or ask for fewer exponents",
    Doubt.flow_residual: "the derivative does not carry the velocity along: the vector field jumps or has kinks",
    Doubt.alignment: "tangents had not reached their directions; lengthen alignment",
    Doubt.drift: "the exponents still drift; lengthen transient or duration",
    Doubt.halves: "both halves of the run disagree; run longer",
    Doubt.correlations: "correlations last longer than the batches, so that the error may be too small; run longer",
    Doubt.tolerance: "some standard error is larger than the tolerance; run longer",
    Doubt.starts: "runs from different starts disagree: orbits stick, or go to different attractors; run longer",
    Doubt.islands: "volumes are kept, and chaotic orbits may stick to islands longer than a run; give several starts",
}
E_DIMS = ("realization", "exponent")
VARIABLES = (
    Variable("converged", ("realization",), "whether all exponents have converged; see doubt"),
    Variable("exponent_converged", E_DIMS, "whether this exponent has converged"),
    flag_variable("doubt", ("realization",), "why the exponents have not converged", Doubt),
    Variable("exponent_group", E_DIMS, "number of the group of exponents whose differences are not resolved"),
    Variable("group_mean", E_DIMS, "mean exponent of the group"),
    Variable("group_mean_se", E_DIMS, "standard error of the mean exponent of the group"),
    Variable("ensemble_exponent", ("exponent",), "mean over all starts whose runs completed"),
    Variable("ensemble_exponent_se", ("exponent",), "standard error of that mean, no less than their scatter says"),
)  # fmt: skip


class Convergence(NamedTuple):
    """Which series have converged, and the first reason why some have not."""

    each: Bool[np.ndarray, " k"]
    doubt: Doubt


def convergence_of(
    local: Float[np.ndarray, "blocks k"],
    resolution: Float[np.ndarray, " k"],
    alignment: float,
    duration: float,
    known: Mapping[Doubt, Any],
) -> Convergence:
    """Judge exponents by their `local` values in every block, in decreasing order of their means.

    **Arguments:**

    - `resolution`: differences up to twice this count as none: what the solver may err.
    - `alignment`, `duration`: how long tangents ran before averaging, and how long the averages are.
    - `known`: doubts that come from elsewhere, of all exponents (bool) or of each.
    """
    local = np.asarray(local, dtype=float)
    number = local.shape[1]
    confidence = CONFIDENCE ** (1 / (TESTS * max(1, number)))
    short = len(local) < LEAST
    doubts = {Doubt.too_short: short, **known}
    if not short:
        infinite, settled = _infinite(local)
        doubts[Doubt.zero_multiplier] = doubts.get(Doubt.zero_multiplier, False) | (infinite & ~settled)
        finite = np.where(infinite, 0.0, local)
        doubts |= {
            Doubt.alignment: _misaligned(finite, resolution, alignment, duration),
            Doubt.drift: _drifts(finite, resolution, confidence),
            Doubt.halves: ~halves_agree(finite, resolution, confidence),
            Doubt.correlations: long_correlations(finite, confidence) & (batch_means_error(finite) > resolution),
        }
    each = ~np.any([np.broadcast_to(found, number) for found in doubts.values()], axis=0)
    first = min((doubt for doubt, found in doubts.items() if np.any(found)), default=Doubt.none)
    return Convergence(each, first)


class OverStarts(NamedTuple):
    """Time averages over several starts of one system: their mean, its standard error, and whether they agree."""

    mean: Float[np.ndarray, " k"]
    error: Float[np.ndarray, " k"]
    agree: Bool[np.ndarray, " k"]


def over_starts(means: Float[np.ndarray, "starts k"], errors: Float[np.ndarray, "starts k"]) -> OverStarts:
    """The mean over starts of the `means` of runs of equal length, and whether these agree within their `errors`.

    Correlations that last as long as a run do not show in the error of that run, but in the scatter of several. The
    variance over starts is compared with the mean square of the errors by an F test; the larger one of both gives the
    standard error.
    """
    number, k = means.shape
    if number < 2:
        nothing = np.full(k, np.nan)
        return OverStarts(nothing, nothing, np.ones(k, dtype=bool))
    with np.errstate(invalid="ignore"):
        between, within = means.var(axis=0, ddof=1), (errors**2).mean(axis=0)
        most = fdtri(number - 1, number * (BATCHES - 1), CONFIDENCE ** (1 / max(1, k)))
        agree = ~(between > most * within)
    return OverStarts(means.mean(axis=0), np.sqrt(np.fmax(between, within) / number), agree)


def unresolved_groups(
    local: Float[np.ndarray, "blocks k"], resolution: Float[np.ndarray, " k"]
) -> tuple[Int[np.ndarray, " k"], Float[np.ndarray, " k"], Float[np.ndarray, " k"]]:
    """Neighbouring exponents whose difference is not resolved: number of their group, its mean, and its error.

    Tangents mix within such a group, whose mean is as certain as if they did not.
    """
    local = np.asarray(local, dtype=float)
    if len(local) == 0:
        nothing = np.full(local.shape[1], np.nan)
        return np.full(local.shape[1], -1), nothing, nothing
    gap, error = _gaps(local, resolution)
    number = np.concatenate([[0], np.cumsum(gap > 2 * error)]).astype(int)[: local.shape[1]]
    groups = [number == n for n in number]
    series = np.stack([local[:, members].mean(axis=1) for members in groups], axis=1)
    se = np.hypot(long_run_error(series), [resolution[members].max() for members in groups])
    return number + 1, series.mean(axis=0), se


def _infinite(local: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which exponents are −∞ in any block, and in every batch."""
    infinite = np.isneginf(local)
    return infinite.any(axis=0), (batch_means(infinite.astype(float), min(BATCHES, len(local))) > 0).all(axis=0)


def _gaps(local: np.ndarray, resolution: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Differences of neighbouring exponents and their errors."""
    with np.errstate(invalid="ignore"):
        series = -np.diff(local, axis=1)
        return series.mean(axis=0), np.hypot(batch_means_error(series), resolution[1:])


def _misaligned(local: np.ndarray, resolution: np.ndarray, alignment: float, duration: float) -> np.ndarray:
    """Which exponents the approach of tangents to their directions may have changed by more than their error."""
    gap, error = _gaps(local, resolution)
    missing = np.maximum(ALIGNED - alignment * gap, 0) / duration
    found = (gap > 2 * error) & (missing > batch_means_error(local)[1:] + 2 * resolution[1:])
    return np.append(found, False) | np.insert(found, 0, False) if local.shape[1] > 1 else np.zeros(1, dtype=bool)


def _drifts(local: np.ndarray, resolution: np.ndarray, confidence: float) -> np.ndarray:
    """Which means of batches have a trend, by Student's t of its slope."""
    means = batch_means(local, min(BATCHES, len(local)))
    place = np.arange(len(means)) - (len(means) - 1) / 2
    slope = place @ means / (place @ place)
    rest = means - means.mean(axis=0) - place[:, None] * slope
    error = np.sqrt((rest**2).sum(axis=0) / max(1, len(means) - 2) / (place @ place))
    t = stdtrit(max(1, len(means) - 2), (1 + confidence) / 2)
    return np.abs(slope) * np.ptp(place) > t * error * np.ptp(place) + 4 * resolution
