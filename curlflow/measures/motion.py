"""What kind of motion it is: a verdict from several indicators, or an honest "undecided".

Every indicator errs in its own way: exponents of regular motion are positive over finite times, the 0–1 test takes
noise for chaos and oversampled chaos for order, and a spectrum of lines may come from a short run. So a verdict needs
all indicators that apply, and names the one that contradicts it.
"""

from enum import IntEnum
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from ..status import MEANINGS, Status
from ..variable import Variable, flag_variable
from .close_pairs import CrossDistance
from .recurrence import REPEATS
from .unbounded import SteadyGrowth


class Verdict(IntEnum):
    """What kind of motion it is."""

    fixed_point = 0
    periodic = 1
    quasi_periodic = 2
    chaotic = 3
    transient_chaos = 4
    divergent = 5
    undecided = 6
    partially_predictable = 7


VERDICT = flag_variable("verdict", ("realization",), "kind of motion", Verdict)
VARIABLES = (VERDICT, Variable("reason", ("realization",), "why"))
SIGNIFICANT = 3.0
"""An exponent has a sign if it is at least this many standard errors from zero."""
FOLDS = 20.0
"""Growth counts as chaos from this λ₁ T on: e²⁰ raises rounding to 10⁻⁷. Before, regular motion may grow as much."""
DRIFT = "observables drift; start later, run longer, or look at cosines of angles"
GROWS = "run longer, or look at cosines of angles"
SHORT = "the window is too short for the 0-1 test"
WALKS, STAYS = 0.8, 0.3
"""K of the 0–1 test above which a series is chaotic, and below which it is regular."""
AROUND = 0.1
"""Weights that move this far, relative to their norm, while no observable moves, drift along a symmetry."""
BACK = 0.01
"""A trajectory has returned when d(k) of equation (16) is at most this."""
NEUTRAL = 4.0
"""An exponent λ of regular motion with −λT below this is not certain to be a contraction."""


class Indicators(NamedTuple):
    """What was measured of one run, on its attractor unless stated otherwise.

    **Attributes:**

    - `exponents`, `errors`: Lyapunov exponents in decreasing order, without those of symmetries, and their standard
      errors.
    - `resolution`: exponents smaller than this are zero.
    - `duration`: T, over which they were averaged.
    - `converged`: whether both halves of T agree on them.
    - `moves`: whether observables vary by more than rounding in the last part of the window.
    - `stationary`: whether all observables have the same mean and variance in both halves.
    - `zero_one`: K, the median over observables.
    - `distance`: how far the trajectory is from where it was, after the lag at which it returns; NaN if it does not.
    - `period`, `steady`: that lag, in iterations of a map, and whether it returns as closely after all its multiples.
    - `lines`: whether all high peaks of the spectra are as narrow as the window allows.
    - `early_growth`: ln of the growth of a difference before the window, while the run was far from its start and
      from its end.
    - `preserves_volume`: whether the divergence vanishes all along.
    - `log_alignment`: ln GALI₂ of two tangents at the end; NaN where it was not measured.
    - `aligns_as_expected`: whether tangents align at the rates that follow from the gaps between exponents.
    - `zeros_are_tori`: whether further exponents of zero mean further frequencies.
    - `not_finite`: names of observables that were not finite, with counts; empty if all were.
    - `weights_go`: how far the weights of a network move in T at their final speed, relative to their norm.
    - `pairs`: how far apart close runs are after the prediction time; nothing where they were not needed.
    - `grows_throughout`: whether the largest exponent is positive for sure in both halves of T.
    - `growth`: how the distance from the start grows through the window.
    """

    status: Status
    exponents: Float[np.ndarray, " exponents"]
    errors: Float[np.ndarray, " exponents"]
    resolution: float
    duration: float
    converged: bool
    continuous: bool
    moves: bool
    stationary: bool
    zero_one: float
    distance: float
    period: float
    lines: bool
    early_growth: float
    preserves_volume: bool
    log_alignment: float
    aligns_as_expected: bool
    steady: bool = True
    zeros_are_tori: bool = True
    not_finite: str = ""
    weights_go: float = 0.0
    pairs: CrossDistance = CrossDistance()
    grows_throughout: bool = False
    growth: SteadyGrowth = SteadyGrowth()


def verdict(i: Indicators) -> tuple[Verdict, str]:
    """The kind of motion, and why; for an undecided run what contradicts a verdict and what would help."""
    if i.status == Status.diverged:
        return Verdict.divergent, "the state grew beyond all bounds"
    if i.status != Status.completed:
        return Verdict.undecided, f"the run did not end well: {MEANINGS[i.status]}"
    if i.growth.unbounded:
        return Verdict.divergent, f"the state grows {_law(i.growth)}, by e^{i.growth.log:.0f} through the window"
    if i.not_finite:
        return Verdict.undecided, f"observables are not finite: {i.not_finite} of the window"
    growing = bool(i.exponents[0] > 0 and not _zero(i)[0])
    largest = f"λ₁ = {i.exponents[0]:.2g}"
    if not i.moves and growing:
        causes = "an unstable point that will be left, or observables that do not see what moves"
        return Verdict.undecided, f"nothing that is looked at moves, but {largest} is positive: {causes}"
    if not i.moves:
        around = ", but the weights, along a symmetry: a relative equilibrium" if i.weights_go > AROUND else ""
        return _settled(i, Verdict.fixed_point, f"nothing moves any more{around}")
    if not i.continuous and i.distance < REPEATS:
        several = "two states repeat" if i.period == 2 else f"{i.period:.0f} states repeat"
        if growing:
            return Verdict.undecided, f"{several}, but {largest}: rounding holds them there"
        return _settled(i, Verdict.periodic, several)
    if not np.isnan(i.growth.log):
        return Verdict.undecided, f"observables still grow at the end, {_law(i.growth)}; {GROWS}"
    return _positive(i) if growing else _regular(i)


def _law(growth: SteadyGrowth) -> str:
    return f"like t^{growth.power:.2g}" if np.isnan(growth.rate) else f"like e^({growth.rate:.2g} t)"


def _zero(i: Indicators) -> Bool[np.ndarray, " exponents"]:
    """Which exponents are zero to within errors and duration: in regular motion growth is a power of time."""
    allowed = np.maximum(SIGNIFICANT * np.nan_to_num(i.errors), max(i.resolution, FOLDS / 2 / i.duration))
    return np.abs(i.exponents) <= allowed


def _settled(i: Indicators, kind: Verdict, why: str) -> tuple[Verdict, str]:
    if i.early_growth >= FOLDS:
        return Verdict.transient_chaos, f"{why}, after differences had grown by e^{i.early_growth:.0f} on the way"
    return kind, why


def _positive(i: Indicators) -> tuple[Verdict, str]:
    """The largest exponent is above zero: is that chaos?"""
    folds = float(i.exponents[0]) * i.duration
    objections = (
        (folds < FOLDS, f"λ₁T = {folds:.1f} is below {FOLDS:g}; run longer"),
        (not i.stationary, DRIFT),
        (not i.converged and (i.zero_one > WALKS or not i.pairs.pairs), "still changes along the run; run longer"),
        (i.preserves_volume and i.log_alignment > -FOLDS, f"GALI₂ = e^{i.log_alignment:.0f}; run longer"),
    )
    for holds, why in objections:
        if holds:
            return Verdict.undecided, f"λ₁ is positive, but {why}"
    if not i.aligns_as_expected:
        return Verdict.undecided, "tangents do not align as the gaps between exponents say; run longer"
    if not i.zero_one > WALKS:
        return _between(i)
    return Verdict.chaotic, f"λ₁ is positive, λ₁T = {folds:.0f}, K = {i.zero_one:.2f}"


def asks_for_pairs(i: Indicators) -> bool:
    """Whether only the 0–1 test stands against chaos, so that pairs of close runs decide.

    For these it is enough that λ₁ is positive all along; it converges slowly where motion along a braid is slow.
    """
    otherwise = i._replace(zero_one=1.0, converged=i.converged or i.grows_throughout)
    return not i.zero_one > WALKS and verdict(otherwise)[0] == Verdict.chaotic


def _between(i: Indicators) -> tuple[Verdict, str]:
    """The exponents say chaos, but the 0–1 test does not: do close runs part, and are they correlated still?"""
    test = SHORT if np.isnan(i.zero_one) else f"the 0-1 test gives K = {i.zero_one:.2f}"
    if np.isnan(i.pairs.exponent):
        return Verdict.undecided, f"λ₁ is positive, but {test}; run longer"
    found = f"ν = {i.pairs.exponent:.2f} and C = {i.pairs.correlation:.2f} ± {i.pairs.error:.1g}"
    if not i.pairs.parts:
        return Verdict.undecided, f"λ₁ is positive, but {test}, and close runs stay close: {found}"
    if not i.pairs.correlated:
        return Verdict.undecided, f"λ₁ is positive and close runs part, with {found}, but {test}; run longer"
    return (
        Verdict.partially_predictable,
        f"λ₁ is positive, {test}; close runs part, but are still correlated: {found}",
    )


def _returning(i: Indicators) -> tuple[Verdict, str]:
    """The motion returns every time: a cycle, unless an exponent suggests another frequency."""
    back = f"it comes back to within d = {i.distance:.1g}"
    further = int((i.exponents > -max(i.resolution, NEUTRAL / i.duration)).sum()) - int(i.continuous)
    if further > 0 and i.zeros_are_tori:
        zero = "λ₂ is zero" if i.continuous else "λ₁ is zero"
        causes = "two frequencies near a resonance, or a cycle at a bifurcation or among others"
        return Verdict.undecided, f"{back} every time, but {zero}: {causes}; run longer"
    return _settled(i, Verdict.periodic, f"{back}, and no exponent is positive")


def _regular(i: Indicators) -> tuple[Verdict, str]:
    """The largest exponent may be zero: what kind of regular motion?"""
    not_positive = "no exponent is clearly positive, but"
    if not i.stationary:
        return Verdict.undecided, f"{not_positive} {DRIFT}"
    if i.preserves_volume and i.log_alignment < -FOLDS:
        return Verdict.undecided, f"{not_positive} GALI₂ = e^{i.log_alignment:.0f}"
    if i.distance < BACK and i.steady and not i.zero_one >= STAYS:
        return _returning(i)
    if np.isnan(i.zero_one):
        return Verdict.undecided, f"{not_positive} {SHORT}"
    if not i.zero_one < STAYS:
        return Verdict.undecided, f"{not_positive} the 0-1 test gives K = {i.zero_one:.2f}"
    zeros = int(_zero(i).sum())
    if i.continuous and i.exponents[0] < 0 and zeros == 0:
        return Verdict.undecided, "all exponents are negative, but it moves: it has not settled yet; run longer"
    if not i.lines:
        return Verdict.undecided, f"{not_positive} the spectrum has broad peaks; run longer"
    if zeros <= int(i.continuous):
        return Verdict.undecided, "the spectrum has lines, but there is no further exponent of zero; run longer"
    why = f"{zeros} exponents are zero, the spectrum has lines, K = {i.zero_one:.2f}"
    return _settled(i, Verdict.quasi_periodic, why)


def aligns_as_expected(
    exponents: Float[np.ndarray, " exponents"],
    errors: Float[np.ndarray, " exponents"],
    duration: float,
    log_gali: Float[np.ndarray, " exponents"],
    time: float,
) -> bool:
    """Whether tangents align at the rates that the gaps between exponents say, within errors.

    `log_gali` is ln GALI of one, two, … tangents after `time`; what is not finite says nothing.
    """
    with np.errstate(invalid="ignore"):  # exponents of −∞
        gaps = np.cumsum(exponents[0] - exponents)
        allowed = SIGNIFICANT * np.cumsum(errors[0] + errors) * np.sqrt(duration / time) + FOLDS / time
        apart = np.abs(log_gali / time + gaps)
    known = np.isfinite(apart) & np.isfinite(allowed)
    return bool((apart <= allowed)[known].all())
