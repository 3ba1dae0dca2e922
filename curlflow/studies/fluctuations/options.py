"""The arguments of `curlflow.fluctuations`, checked."""

import functools
import math
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from jaxtyping import Float, Int
from pydantic import PlainValidator

from ...measures.window import CAPACITY, snapshot_places
from ...problem import EPOCH
from ..arguments import Length, Positive, check, whole
from ..subject import Subject

EPOCHS = 99_001.0, 100_000.0
"""The published window: the last 999 of 100,000 epochs."""
OF_SYSTEMS = 100.0, 1100.0
"""The window of flows that are no learning; of maps in iterations."""
FLOW_SAMPLES, WEIGHTS, LAGS = 1000, 100, 10_000
"""Unless they are given: samples of a flow in a window, recorded weights, and the most lags."""
MOST_SAMPLES = 10**6


@dataclass(frozen=True)
class FluctuationOptions:
    """What is looked at, and when: times of a flow, epochs of updates, iterations of other maps.

    **Attributes:**

    - `start`, `interval`, `samples`: samples are at start + interval, start + 2 · interval, …
    - `lags`, `components`: how many of the autocorrelation, from 0, and of the snapshots.
    - `weights`: how many weights are recorded at every sample, drawn by `seed`.
    - `every`: of so many samples in a row one is a snapshot.
    """

    start: float
    interval: float
    samples: int
    lags: int
    weights: int
    components: int
    every: int
    seed: int

    @classmethod
    def of(cls, given: dict[str, Any], subject: Subject) -> "FluctuationOptions":
        """Options from what was given, with defaults."""
        start, stop = _window(given["window"], subject.continuous, subject.learning)
        interval = _interval(given["interval"], stop - start, subject.continuous)
        samples = math.floor((stop - start) / interval + 1e-9)
        return cls.of_samples(given, start, interval, samples, subject.size)

    @classmethod
    def of_samples(
        cls, given: dict[str, Any], start: float, interval: float, samples: int, numbers: int
    ) -> "FluctuationOptions":
        """Options for a window whose samples are known, of so many numbers each."""
        if not 2 <= samples <= MOST_SAMPLES:
            raise ValueError(
                f"window: {samples} samples at an interval of {interval:g}, allowed are 2 to {MOST_SAMPLES:,}; "
                f"make it {'longer' if samples < 2 else 'shorter'}, or change the interval."
            )
        lags = given["lags"]
        if lags is None:
            lags = min(max(1, samples // 2), LAGS)
        elif lags > samples // 2:
            raise ValueError(
                f"lags: got {lags}, allowed are 1 to {samples // 2}, half of the {samples} samples of the window; "
                f"{lags} lags need {2 * lags} samples."
            )
        most = given["snapshots"]
        every = math.ceil(samples / most)
        if every > CAPACITY:
            raise ValueError(
                f"snapshots: got {most} of {samples:,} samples, required are {math.ceil(samples / CAPACITY)} or more."
            )
        shots = math.ceil(samples / every)
        spanned, why = min(shots - 1, numbers), f", what {shots} snapshots of {numbers} numbers span"
        components = min(3, spanned) if given["components"] is None else given["components"]
        components = check("components", components, whole(1, spanned), why)
        weights = min(WEIGHTS if given["weights"] is None else given["weights"], numbers)
        return cls(start, interval, samples, lags, weights, components, every, given["seed"])

    @property
    def settings(self) -> dict[str, Any]:
        """As they are noted in a dataset."""
        return {
            "window": [self.start, self.start + self.samples * self.interval], "interval": self.interval,
            "lags": self.lags, "weights": self.weights, "components": self.components, "snapshots": self.shown.size,
            "seed": self.seed,
        }  # fmt: skip

    @property
    def times(self) -> Float[np.ndarray, " samples"]:
        """When samples are taken."""
        return self.start + self.interval * np.arange(1, self.samples + 1)

    @functools.cached_property
    def shown(self) -> Int[np.ndarray, " snapshots"]:
        """Which samples are snapshots."""
        return snapshot_places(self.samples, self.every)

    def chosen(self, numbers: int) -> Int[np.ndarray, " weights"]:
        """The places of the weights that are recorded, the same for all realizations."""
        if self.weights == numbers:
            return np.arange(numbers)
        return np.sort(np.random.default_rng(self.seed).choice(numbers, self.weights, replace=False))


def _window(given: Any, flow: bool, learning: bool) -> tuple[float, float]:
    if given is None:
        start, stop = EPOCHS if learning else OF_SYSTEMS
        if flow and learning:
            return start * EPOCH, stop * EPOCH
        # Iterations of maps say less than units of time of flows.
        return (start, stop) if flow or learning else (10 * start, 10 * stop)
    start, stop = given
    if not flow and (start % 1 or stop % 1):
        raise ValueError(f"window: got {start:g} to {stop:g}; for updates and maps they are whole numbers.")
    return start, stop


def checked_window(given: Any) -> tuple[float, float]:
    """A pair of numbers, the second above the first, and the first not below zero."""
    try:
        start, stop = given
        start, stop = check("window", start, Length), check("window", stop, Positive)
    except (TypeError, ValueError):
        raise ValueError(f"window: got {given!r}, required are two times, from 0, as in (9900, 10000).") from None
    if not start < stop:
        raise ValueError(f"window: got {start:g} to {stop:g}; its end must come after its beginning.")
    return start, stop


Window = Annotated[tuple[float, float], PlainValidator(checked_window)]


def _interval(given: Any, length: float, flow: bool) -> float:
    if given is None:
        if not flow and length > MOST_SAMPLES:
            raise ValueError(
                f"window: {length:,.0f} iterations, of which at most {MOST_SAMPLES:,} can be samples; make it "
                "shorter, or give an interval. One that has a factor in common with the period of a cycle misses "
                "some of its states."
            )
        return length / FLOW_SAMPLES if flow else 1.0
    if not flow and given % 1:
        raise ValueError(f"interval: got {given:g}; for updates and maps it is a whole number.")
    return given
