"""What the observables of one run say: returns, the 0-1 test, spectra, drifts, and growth on the way."""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from scipy import signal

from ...measures.autocorrelation import autocorrelation, moving
from ...measures.motion import BACK
from ...measures.power_spectrum import FEWEST as FEWEST_FOR_SPECTRUM
from ...measures.power_spectrum import SEGMENTS, peaks, power_spectrum
from ...measures.recurrence import REPEATS, Return, distances, first_return
from ...measures.stationarity import stationary
from ...measures.zero_one import FEWEST as FEWEST_FOR_TEST
from ...measures.zero_one import zero_one_test
from ...status import Status
from .options import ClassifyOptions
from .runs import Classified
from .sampling import RESTS

NOISE = 10.0
"""Nor do those of a flow below this times its relative tolerance."""
AWAY = 0.01
"""Share of the range of the observables beyond which a run is away from where it began, or ended."""
MOST_TESTED = 5_000
"""Values that the 0-1 test is given at most."""
BANDS = 40
"""Chaotic bands that a map may visit one after the other: their number is the interval of the 0-1 test."""
LASTS = 0.05
"""Chaos on the way must last for this share of the transient to be called so."""
PEAKS = 3


def relative_tolerance(r: Classified) -> float:
    """That of a flow; 0 of maps and of fixed steps."""
    return float(getattr(getattr(r.system, "integrator", None), "rtol", 0.0))


def of_observables(
    r: Classified, options: ClassifyOptions, scale: Float[np.ndarray, " observables"], grows: bool
) -> dict[str, Any]:
    """All numbers that observables give; those behind `scale`, if there are any, are not looked at.

    **Arguments:**

    - `scale`: how large every observable is where nothing has been learnt; 0 where nothing is known.
    - `grows`: whether the largest exponent is positive.
    """
    number, length = len(scale), _segment(r.samples)
    found = {
        "moves": np.zeros(number, dtype=bool), "stationary": np.ones(number, dtype=bool),
        "not_finite": np.zeros(number, dtype=np.int64),
        "zero_one": np.full(number, np.nan), "zero_one_lower": np.full(number, np.nan),
        "zero_one_upper": np.full(number, np.nan), "zero_one_interval": np.full(number, np.nan),
        "zero_one_oversampled": np.zeros(number, dtype=bool),
        "power": np.full((number, length // 2 + 1 if length else 0), np.nan),
        "peak_frequency": np.full((number, PEAKS), np.nan), "peak_width": np.full((number, PEAKS), np.nan),
        "peak_is_line": np.zeros((number, PEAKS), dtype=bool), "return_time": np.nan, "return_distance": np.nan,
        "returns_steadily": np.bool_(False), "early_growth": 0.0,
    }  # fmt: skip
    if r.status != Status.completed or r.ends is None or len(r.spread) < 4:
        return found
    early, ends = np.array(r.early)[:, :number], r.ends[:, :number]
    found["not_finite"] = np.sum(~np.isfinite(r.observables[:, :number]), axis=0)
    found["early_growth"] = _early_growth(early, np.array(r.early_stretch), ends, scale)
    moves = found["moves"] = np.array([moves_at_end(r, i, scale[i]) for i in range(number)])
    if not moves.any():
        return found
    found["stationary"][moves] = stationary(r.spread[:, :number][:, moves])
    back, bands = _returns(r, moves, grows)
    found |= {"return_time": back.lag, "return_distance": back.distance, "returns_steadily": np.bool_(back.steady)}
    for i in map(int, np.flatnonzero(moves)):
        _zero_one(found, i, r, bands, options.seed)
        if length:
            _spectrum(found, i, r.even[:, i], r.interval)
    return found


def moves_at_end(r: Classified, place: int, scale: float) -> bool:
    """Whether an observable still moves in the last quarter of the window, against the largest value it ever had.

    False where it is not finite all along.
    """
    series = r.observables[:, place]
    if not np.isfinite(series).all() or len(series) == 0:
        return False
    rests = max(RESTS, NOISE * relative_tolerance(r)) * max(r.largest[place], scale)
    lasts = (sampled[-max(2, len(sampled) // 4) :, place] for sampled in (r.spread, r.late))
    return any(bool((last - last[0]).std() > rests) for last in lasts)


def _returns(r: Classified, moves: Bool[np.ndarray, " observables"], grows: bool) -> tuple[Return, int | None]:
    """When the observables come back, in units of time, and how many bands a chaotic map visits.

    Late samples tell what repeats soon, and no state between two of them is missed. Where they are not the even ones
    too, those tell what takes longer, or does not come back later on.
    """
    flow, step = r.system.continuous, r.sampling.step
    apart = _apart(r.late, moves)
    back = first_return(apart, 5 * BACK, flow)
    bands = _bands(apart) if grows and not flow else None
    back = back._replace(lag=back.lag * step)
    if r.interval > step and not back.distance < REPEATS:
        slow = first_return(_apart(r.even, moves), 5 * BACK, flow)
        if np.isnan(back.lag):
            back = slow._replace(lag=slow.lag * r.interval)
        elif not np.isnan(slow.lag):
            back = back._replace(steady=back.steady and slow.steady)
    return back, bands


def _apart(series: np.ndarray, moves: Bool[np.ndarray, " observables"]) -> Float[np.ndarray, " lags"]:
    """Distances after up to a quarter of a series, every observable that moves in units of its spread."""
    series = series[:, : len(moves)][:, moves]
    spread = series.std(axis=0)
    return distances(series / np.where(spread > 0, spread, 1.0), len(series) // 4)


def _segment(samples: int) -> int:
    """The length of a segment of the power spectrum; 0 where there is none."""
    return samples // SEGMENTS if samples >= SEGMENTS * FEWEST_FOR_SPECTRUM else 0


def frequencies(samples: int, interval: float) -> Float[np.ndarray, " frequencies"]:
    """Those of the power spectra."""
    length = _segment(samples)
    return np.fft.rfftfreq(length, interval) if length else np.empty(0)


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
    """How many bands a chaotic map visits one after the other: the lag at which it is nearest; None for no bands.

    What is nearest to the next value moves slowly.
    """
    lag = int(np.argmin(apart[1 : BANDS + 1])) + 1
    return lag if lag > 1 and apart[lag] < 5 * BACK else None


def _zero_one(found: dict[str, Any], i: int, r: Classified, bands: int | None, seed: int) -> None:
    """K with its quartiles of every so many values; NaN where these are too few."""
    if bands:
        series, steps, interval = r.late[:, i], bands, r.sampling.step
    else:
        series, interval = r.even[:, i], r.interval
        steps, found["zero_one_oversampled"][i] = _decorrelated(series)
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
