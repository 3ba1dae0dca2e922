"""What follows from the observables of one run: returns, the 0-1 test, spectra, drifts, and growth on the way."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from scipy import signal

from ..variable import EXACT, SOLVER, Variable
from .autocorrelation import autocorrelation, moving
from .motion import BACK
from .power_spectrum import FEWEST as FEWEST_FOR_SPECTRUM
from .power_spectrum import SEGMENTS, peaks, power_spectrum, relative_error
from .recurrence import REPEATS, Return, distances, first_return
from .sampling import RESTS, Sampling
from .stationarity import stationary
from .unbounded import VARIABLES as GROWTH
from .unbounded import SteadyGrowth, steady_growth
from .zero_one import FEWEST as FEWEST_FOR_TEST
from .zero_one import zero_one_test

NOISE = 10.0
"""Observables of a flow that vary by less than this times its relative tolerance do not move."""
AWAY = 0.01
"""A run is away from its start, or its end, if it is farther from it than this share of the observables' range."""
MOST_TESTED = 5_000
"""Most values that enter the 0-1 test."""
BANDS = 40
"""Most chaotic bands that a map may visit in turn; their number is the sampling interval of the 0-1 test."""
LASTS = 0.05
"""Chaos on the way is reported only if it lasts for this share of the transient."""
PEAKS = 3
LOWEST = "the lowest point between samples, whose scatter is not known"
"""The uncertainty of returns."""
SCATTER = f"relative standard error {relative_error():.2f} for noise and chaos, by Welch's method"
"""The uncertainty of the power spectrum."""
PLACE = "resolved up to half the spacing of frequency; of a peak that is no line up to about peak_width"
"""The uncertainty of its peaks."""
ONE, BOTH = ("realization",), ("realization", "observable")
VARIABLES = (
    Variable("zero_one", BOTH, "K of the 0-1 test, near 0 for regular and near 1 for chaotic motion"),
    Variable("zero_one_lower", BOTH, "lower quartile of K over frequencies"),
    Variable("zero_one_upper", BOTH, "upper quartile of K over frequencies"),
    Variable(
        "zero_one_interval", BOTH, "interval of the values in the 0-1 test, in units of time", uncertainty=EXACT
    ),
    Variable("zero_one_oversampled", BOTH, "whether that is too short for the test to see chaos"),
    Variable("moves", BOTH, "whether the observable still moves at the end"),
    Variable("not_finite", BOTH, "samples in which the observable is not finite"),
    Variable("stationary", BOTH, "whether mean and variance are the same in both halves of the window"),
    Variable("return_time", ONE, "time after which the observables come back", uncertainty=LOWEST),
    Variable(
        "return_distance", ONE, "mean square distance after that time, over twice the variance", uncertainty=LOWEST
    ),
    Variable("returns_steadily", ONE, "whether they are as near after all multiples of that time"),
    Variable("power", (*BOTH, "frequency"), "one-sided power spectral density", uncertainty=SCATTER),
    Variable("peak_frequency", (*BOTH, "peak"), "frequency of a peak of the power spectrum", uncertainty=PLACE),
    Variable("peak_width", (*BOTH, "peak"), "width of a peak at half height", uncertainty=PLACE),
    Variable("peak_is_line", (*BOTH, "peak"), "whether the peak is no wider than a line"),
    Variable(
        "early_growth",
        ONE,
        "ln of the growth of a difference before the window, away from start and end",
        uncertainty=SOLVER,
    ),
    *GROWTH,
)


@dataclass
class Observed:
    """Observables of one run: on the way to its window, through the window of `sampling`, and at its end.

    **Attributes:**

    - `scale`: how large every observable is where nothing has been learnt; 0 where that is not known. Observables
      recorded after these are not judged.
    - `tolerance`: the relative tolerance of a flow; 0 for maps and for fixed steps.
    - `early`: the observables at the ends of the stretches of the transient, from its beginning.
    - `early_stretch`: ln of the growth of a difference over each stretch.
    - `before`: how long the transient is.
    - `records`: the observables through the window, at the places of `sampling`.
    - `closely`: whether late samples replace the even ones.
    - `ends`: the observables at the end of the run; for maps those of consecutive states.
    """

    scale: Float[np.ndarray, " observables"]
    continuous: bool
    tolerance: float = 0.0
    early: list[np.ndarray] = field(default_factory=list)
    early_stretch: list[float] = field(default_factory=list)
    before: float = 0.0
    records: list[np.ndarray] = field(default_factory=list)
    sampling: Sampling | None = None
    closely: bool = False
    ends: Float[np.ndarray, "states observables"] | None = None

    @property
    def all(self) -> Float[np.ndarray, "records observables"]:
        """The observables through the window, as far as the run got."""
        width = self.early[0].size if self.early else 0
        return np.concatenate([np.empty((0, width)), *self.records])

    @property
    def largest(self) -> Float[np.ndarray, " observables"]:
        """The largest finite value of every observable so far."""
        seen = np.abs(np.concatenate([np.array(self.early), self.all]))
        return np.where(np.isfinite(seen), seen, 0.0).max(axis=0)

    @property
    def spread(self) -> Float[np.ndarray, "samples observables"]:
        """The observables through the window, at irregular times where not all of them are recorded."""
        return self._chosen("spread")

    @property
    def late(self) -> Float[np.ndarray, "samples observables"]:
        """The observables at consecutive steps up to the end of the window."""
        return self._chosen("late")

    @property
    def even(self) -> Float[np.ndarray, "samples observables"]:
        """`samples` of the observables at equal distances `interval` that resolve the motion."""
        return self._chosen("late" if self.closely else "even")

    def _chosen(self, kind: str) -> Float[np.ndarray, "samples observables"]:
        seen = self.all
        return seen if self.sampling is None else seen[getattr(self.sampling, kind)[: len(seen)]]

    @property
    def samples(self) -> int:
        """How many even samples a whole window has."""
        chosen = self.sampling
        return 0 if chosen is None else int((chosen.late if self.closely else chosen.even).sum())

    @property
    def interval(self) -> float:
        """Time between even samples."""
        chosen = self.sampling
        return math.nan if chosen is None else chosen.step * (1 if self.closely else chosen.stride)

    @property
    def frequencies(self) -> Float[np.ndarray, " frequencies"]:
        """The frequencies of the power spectra."""
        return np.fft.rfftfreq(self.segment, self.interval) if self.segment else np.empty(0)

    @property
    def segment(self) -> int:
        """The length of a segment of the power spectrum; 0 where there is none."""
        return self.samples // SEGMENTS if self.samples >= SEGMENTS * FEWEST_FOR_SPECTRUM else 0

    @property
    def growth(self) -> SteadyGrowth:
        """How the distance of what is judged from the start of the run grows through the window."""
        number = len(self.scale)
        times = self.before + self.sampling.step * self.sampling.places
        return steady_growth(self.all[:, :number], times, self.early[0][:number])

    def moves(self, place: int) -> bool:
        """Whether an observable still moves in the last quarter of the window, relative to its largest value so far,
        and is finite throughout."""
        series = self.all[:, place]
        if not np.isfinite(series).all() or len(series) == 0:
            return False
        scale = self.scale[place] if place < len(self.scale) else 0.0
        rests = max(RESTS, NOISE * self.tolerance) * max(self.largest[place], scale)
        lasts = (sampled[-max(2, len(sampled) // 4) :, place] for sampled in (self.spread, self.late))
        return any(bool((last - last[0]).std() > rests) for last in lasts)


def of_observables(seen: Observed, *, complete: bool, grows: bool, seed: int) -> dict[str, Any]:
    """All results for the observables, by the names of `VARIABLES`; nothing is known unless the window is `complete`.

    `grows` says whether the largest exponent is positive; the seed is that of the 0-1 test.
    """
    number = len(seen.scale)
    found = {
        "moves": np.zeros(number, dtype=bool), "stationary": np.ones(number, dtype=bool),
        "not_finite": np.zeros(number, dtype=np.int64),
        "zero_one": np.full(number, np.nan), "zero_one_lower": np.full(number, np.nan),
        "zero_one_upper": np.full(number, np.nan), "zero_one_interval": np.full(number, np.nan),
        "zero_one_oversampled": np.zeros(number, dtype=bool),
        "power": np.full((number, len(seen.frequencies)), np.nan),
        "peak_frequency": np.full((number, PEAKS), np.nan), "peak_width": np.full((number, PEAKS), np.nan),
        "peak_is_line": np.zeros((number, PEAKS), dtype=bool), "return_time": np.nan, "return_distance": np.nan,
        "returns_steadily": np.bool_(False), "early_growth": 0.0, **_grown(SteadyGrowth()),
    }  # fmt: skip
    if not complete or seen.ends is None or len(seen.spread) < 4:
        return found
    found["not_finite"] = np.sum(~np.isfinite(seen.all[:, :number]), axis=0)
    found["early_growth"] = early_growth(
        np.array(seen.early)[:, :number], np.array(seen.early_stretch), seen.ends[:, :number], seen.scale
    )
    found |= _grown(seen.growth)
    moves = found["moves"] = np.array([seen.moves(i) for i in range(number)])
    if not moves.any():
        return found
    found["stationary"][moves] = stationary(seen.spread[:, :number][:, moves])
    back, bands = _returns(seen, moves, grows)
    found |= {"return_time": back.lag, "return_distance": back.distance, "returns_steadily": np.bool_(back.steady)}
    for i in map(int, np.flatnonzero(moves)):
        _zero_one(found, i, seen, bands, seed)
        if seen.segment:
            spectrum = power_spectrum(seen.even[:, i], seen.interval)
            highest = peaks(spectrum, PEAKS)
            k = len(highest.frequency)
            found["power"][i] = spectrum.density
            found["peak_frequency"][i, :k], found["peak_width"][i, :k] = highest.frequency, highest.width
            found["peak_is_line"][i, :k] = highest.is_line
    return found


def _grown(growth: SteadyGrowth) -> dict[str, Any]:
    return dict(zip((v.name for v in GROWTH), growth, strict=True))


def _returns(seen: Observed, moves: Bool[np.ndarray, " observables"], grows: bool) -> tuple[Return, int | None]:
    """When the observables return, in units of time, and how many bands a chaotic map visits.

    Late samples show what repeats soon, and miss no state. Where the even samples are others, they show returns that
    take longer, and motion that does not return later on.
    """
    step, bands = seen.sampling.step, None
    apart = _apart(seen.late, moves)
    if grows and not seen.continuous:
        # The number of bands is the lag of the nearest value; slow motion, nearest to its next value, has none.
        nearest = int(np.argmin(apart[1 : BANDS + 1])) + 1
        bands = nearest if nearest > 1 and apart[nearest] < 5 * BACK else None
    back = first_return(apart, 5 * BACK, seen.continuous)
    back = back._replace(lag=back.lag * step)
    if seen.interval > step and not back.distance < REPEATS:
        slow = first_return(_apart(seen.even, moves), 5 * BACK, seen.continuous)
        if np.isnan(back.lag):
            back = slow._replace(lag=slow.lag * seen.interval)
        elif not np.isnan(slow.lag):
            back = back._replace(steady=back.steady and slow.steady)
    return back, bands


def _apart(series: np.ndarray, moves: Bool[np.ndarray, " observables"]) -> Float[np.ndarray, " lags"]:
    """Distances after up to a quarter of a series, every observable that moves in units of its spread."""
    series = series[:, : len(moves)][:, moves]
    spread = series.std(axis=0)
    return distances(series / np.where(spread > 0, spread, 1.0), len(series) // 4)


def early_growth(
    early: Float[np.ndarray, "places observables"],
    stretch: Float[np.ndarray, " stretches"],
    ends: Float[np.ndarray, "states observables"],
    scale: Float[np.ndarray, " observables"],
) -> float:
    """The logarithm of the growth of a difference while the run was away from its start and from its end.

    It is 0 if that lasted too short a time to be called a kind of motion. The arguments are those of `Observed`.
    """
    if len(stretch) == 0 or np.isnan(early).any() or len(ends) == 0:
        return 0.0
    span = np.maximum(np.maximum(np.ptp(early, axis=0), np.ptp(ends, axis=0)), RESTS * scale)
    span = np.where(span > 0, span, 1.0)
    ends = ends / span
    from_end = np.array([np.abs(state - ends).max(axis=1).min() for state in early / span])
    from_start = np.abs((early - early[0]) / span).max(axis=1)
    away = (from_start > AWAY) & (from_end > AWAY)
    both = away[1:] & away[:-1]
    return float(stretch[both].sum()) if both.sum() >= LASTS * len(stretch) else 0.0


def _zero_one(found: dict[str, Any], i: int, seen: Observed, bands: int | None, seed: int) -> None:
    """K with its quartiles, from values a certain number of samples apart; NaN where these are too few."""
    if bands:
        series, steps, interval = seen.late[:, i], bands, seen.sampling.step
    else:
        series, interval = seen.even[:, i], seen.interval
        steps, found["zero_one_oversampled"][i] = decorrelated(series)
    found["zero_one_interval"][i] = steps * interval
    detrended = signal.detrend(series[::steps])[:MOST_TESTED]
    if len(detrended) >= FEWEST_FOR_TEST and moving(detrended[:, None]).any():
        test = zero_one_test(detrended, seed=seed)
        found["zero_one"][i] = test.k
        found["zero_one_lower"][i], found["zero_one_upper"][i] = test.lower, test.upper


def decorrelated(series: Float[np.ndarray, " samples"]) -> tuple[int, bool]:
    """The lag at which the autocorrelation is first below zero, in samples; or the longest one that leaves enough
    values for the test, and that this is too short."""
    lags = max(2, len(series) // FEWEST_FOR_TEST)
    below = np.flatnonzero(autocorrelation(series[:, None], lags)[:, 0] <= 0)
    return (int(below[0]), False) if below.size else (lags - 1, True)
