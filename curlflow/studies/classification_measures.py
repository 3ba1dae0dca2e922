"""From one run to indicators: what its observables, exponents and tangents say."""

import math
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from scipy import signal

from ..measures.autocorrelation import autocorrelation, moving
from ..measures.power_spectrum import FEWEST as FEWEST_FOR_SPECTRUM
from ..measures.power_spectrum import SEGMENTS, peaks, power_spectrum
from ..measures.recurrence import REPEATS, distances, first_return
from ..measures.standard_error import batch_means_error, halves_agree
from ..measures.stationarity import stationary
from ..measures.zero_one import FEWEST as FEWEST_FOR_TEST
from ..measures.zero_one import zero_one_test
from ..networks import Feedforward
from ..status import Status
from ..systems import Flow
from .classification_options import Options
from .classification_runs import Classified
from .motion import BACK, FOLDS, SIGNIFICANT, WALKS, Indicators

RESTS = 1e-8
"""Observables whose standard deviation is below this share of the largest value they had do not move."""
NOISE = 10.0
"""Nor do those of a flow below this times its relative tolerance."""
AWAY = 0.01
"""Share of the range of the observables beyond which a run is away from where it began, or ended."""
MOST_TESTED = 5_000
"""Values that the 0-1 test is given at most."""
BANDS = 40
"""Chaotic bands that a map may visit one after the other: their number is the interval of the 0-1 test."""
COLLAPSED = 1e-8
"""A layer whose second singular value is below this share of the first has rank one."""
LASTS = 0.05
"""Chaos on the way must last for this share of the transient to be called so."""
PEAKS = 3
PIECES = 100
"""Into so many pieces a window is cut for the distribution of finite-time exponents."""
ROUNDING = 1e-12


def columns(r: Classified, options: Options, scale: Float[np.ndarray, " observables"]) -> dict[str, Any]:
    """All numbers of one realization, by the names that they have in the dataset.

    **Arguments:**

    - `scale`: how large every observable is where nothing has been learnt; 0 where nothing is known.
    """
    found = _exponents(r, options) | _alignment(r, options)
    grows = bool(found["lyapunov_exponent"][0] > SIGNIFICANT * found["lyapunov_exponent_se"][0])
    with np.errstate(over="ignore", invalid="ignore"):  # a run on its way to infinity
        return found | _observables(r, options, scale, grows) | _ranks(r)


def indicators(r: Classified, found: dict[str, Any]) -> Indicators:
    """What a verdict is made from."""
    # What is sampled too often looks regular: there only a K near one says something.
    k = np.where(found["zero_one_oversampled"] & (found["zero_one"] < WALKS), np.nan, found["zero_one"])
    lines = found["peak_is_line"][~np.isnan(found["peak_frequency"])]
    return Indicators(
        status=r.status, exponents=found["lyapunov_exponent"], errors=found["lyapunov_exponent_se"],
        resolution=max(ROUNDING, _tolerance(r)),
        duration=found["averaged_time"], converged=bool(found["converged"]), continuous=isinstance(r.system, Flow),
        moves=bool(found["moves"].any()), stationary=bool(found["stationary"].all()),
        zero_one=float(np.nanmedian(k)) if np.isfinite(k).any() else math.nan,
        distance=found["return_distance"], period=found["return_time"] / r.interval,
        lines=bool(lines.size and lines.all()), early_growth=found["early_growth"],
        preserves_volume=bool(found["preserves_volume"]), log_alignment=found["log_gali"][:2].min(),
        aligns_as_expected=_as_expected(found),
    )  # fmt: skip


def _tolerance(r: Classified) -> float:
    """The relative tolerance of a flow; 0 of maps and of fixed steps."""
    return float(getattr(getattr(r.system, "integrator", None), "rtol", 0.0))


def named_status(r: Classified, found: dict[str, Any]) -> Status:
    """How the run ended; of one that did not fail also what it ended in, where that is a trap of the updates."""
    if r.status != Status.completed or not found["moves"].any():
        return r.status
    repeats = found["return_distance"] < REPEATS and round(found["return_time"] / r.interval) == 2
    if not isinstance(r.system, Flow) and repeats:
        return Status.period_two
    return Status.rank_one if (found.get("rank_ratio", np.ones(1)) < COLLAPSED).any() else r.status


def _ranks(r: Classified) -> dict[str, Any]:
    """How far every layer is from rank one at the end; nothing where there are no layers."""
    network = r.system.state
    if not isinstance(network, Feedforward):
        return {}
    ratios = np.full(len(network.weights), np.nan)
    if r.measured is not None and r.status == Status.completed:
        for i, weights in enumerate(r.measured.run.state.weights):
            values = np.linalg.svd(np.asarray(weights), compute_uv=False)
            ratios[i] = values[1] / values[0] if values.size > 1 and values[0] > 0 else np.nan
    return {"rank_ratio": ratios}


def _exponents(r: Classified, options: Options) -> dict[str, Any]:
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


def _alignment(r: Classified, options: Options) -> dict[str, Any]:
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


def _observables(
    r: Classified, options: Options, scale: Float[np.ndarray, " observables"], grows: bool
) -> dict[str, Any]:
    series, early, number = r.observables, np.array(r.early), len(scale)
    length = _segment(r.samples)
    found = {
        "moves": np.zeros(number, dtype=bool), "stationary": np.ones(number, dtype=bool),
        "zero_one": np.full(number, np.nan), "zero_one_lower": np.full(number, np.nan),
        "zero_one_upper": np.full(number, np.nan), "zero_one_interval": np.full(number, np.nan),
        "zero_one_oversampled": np.zeros(number, dtype=bool),
        "power": np.full((number, length // 2 + 1 if length else 0), np.nan),
        "peak_frequency": np.full((number, PEAKS), np.nan), "peak_width": np.full((number, PEAKS), np.nan),
        "peak_is_line": np.zeros((number, PEAKS), dtype=bool), "return_time": np.nan, "return_distance": np.nan,
        "early_growth": 0.0,
    }  # fmt: skip
    if r.status != Status.completed or len(series) < 4:
        return found
    found["early_growth"] = _early_growth(early, np.array(r.early_stretch), r.ends, scale)
    moves = found["moves"] = _moves(series, early, scale, max(RESTS, NOISE * _tolerance(r)))
    if not moves.any():
        return found
    found["stationary"][moves] = stationary(series[:, moves])
    scaled = series[:, moves] / series[:, moves].std(axis=0)
    apart, flow = distances(scaled, len(scaled) // 4), isinstance(r.system, Flow)
    back = first_return(apart, 5 * BACK, flow)
    bands = _bands(apart) if grows and not flow else None
    found |= {"return_time": back.lag * r.interval, "return_distance": back.distance}
    for i in map(int, np.flatnonzero(moves)):
        steps, found["zero_one_oversampled"][i] = (bands, False) if bands else _decorrelated(series[:, i])
        _zero_one(found, i, series[:, i], steps, r.interval, options.seed)
        if length:
            _spectrum(found, i, series[:, i], r.interval)
    return found


def _segment(samples: int) -> int:
    """The length of a segment of the power spectrum; 0 where there is none."""
    return samples // SEGMENTS if samples >= SEGMENTS * FEWEST_FOR_SPECTRUM else 0


def frequencies(samples: int, interval: float) -> Float[np.ndarray, " frequencies"]:
    """Those of the power spectra."""
    length = _segment(samples)
    return np.fft.rfftfreq(length, interval) if length else np.empty(0)


def _moves(
    series: np.ndarray, early: np.ndarray, scale: np.ndarray, rests: float
) -> Bool[np.ndarray, " observables"]:
    """Which observables still move in the last quarter of the window, against the largest value they ever had."""
    last = series[-max(2, len(series) // 4) :]
    largest = np.maximum(np.abs(series).max(axis=0), np.abs(early).max(axis=0))
    return (last - last[0]).std(axis=0) > rests * np.maximum(largest, scale)


def _early_growth(early: np.ndarray, stretch: np.ndarray, ends: np.ndarray | None, scale: np.ndarray) -> float:
    """What a difference grew, as a logarithm, while the run was away from its start and from where it ended.

    0 where that was too short a while to be called a kind of motion.
    """
    if len(stretch) == 0 or np.isnan(early).any() or ends is None or len(ends) == 0:
        return 0.0
    span = np.maximum(np.maximum(np.ptp(early, axis=0), np.ptp(ends, axis=0)), RESTS * scale)
    span = np.where(span > 0, span, 1.0)
    ends = ends / span
    from_end = np.array([np.abs(state - ends).max(axis=1).min() for state in early / span])
    from_start = np.abs((early - early[0]) / span).max(axis=1)
    away = (from_start > AWAY) & (from_end > AWAY)
    both = away[1:] & away[:-1]
    return float(stretch[both].sum()) if both.sum() >= LASTS * len(stretch) else 0.0


def _bands(apart: np.ndarray) -> int | None:
    """How many bands a chaotic map visits one after the other: the lag at which it is nearest; None for no bands."""
    lag = int(np.argmin(apart[1 : BANDS + 1])) + 1
    return lag if apart[lag] < 5 * BACK else None


def _zero_one(found: dict[str, Any], i: int, series: np.ndarray, steps: int, interval: float, seed: int) -> None:
    """K with its quartiles of every so many values; NaN where these are too few."""
    found["zero_one_interval"][i] = steps * interval
    detrended = signal.detrend(series[::steps])[:MOST_TESTED]
    if len(detrended) >= FEWEST_FOR_TEST and moving(detrended[:, None]).any():
        test = zero_one_test(detrended, seed=seed)
        found["zero_one"][i] = test.k
        found["zero_one_lower"][i], found["zero_one_upper"][i] = test.lower, test.upper


def _decorrelated(series: np.ndarray) -> tuple[int, bool]:
    """The lag at which the autocorrelation is first below zero, in samples; or the longest one that leaves enough
    values for the test, and that this is too short."""
    lags = max(2, len(series) // FEWEST_FOR_TEST)
    below = np.flatnonzero(autocorrelation(series[:, None], lags)[:, 0] <= 0)
    return (int(below[0]), False) if below.size else (lags - 1, True)


def _spectrum(found: dict[str, Any], i: int, series: np.ndarray, interval: float) -> None:
    """The spectrum and its highest peaks."""
    spectrum = power_spectrum(series, interval)
    highest = peaks(spectrum, PEAKS)
    k = len(highest.frequency)
    found["power"][i] = spectrum.density
    found["peak_frequency"][i, :k], found["peak_width"][i, :k] = highest.frequency, highest.width
    found["peak_is_line"][i, :k] = highest.is_line
