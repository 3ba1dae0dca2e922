"""When observables are recorded, so that slow motion, fast motion and states that repeat are all captured.

A *step* is an iteration of a map, or the shortest step of a flow's solver. A window of fewer than `2 · MOST` steps is
recorded step by step. Of a longer one three sets of samples are kept, since no single one serves all purposes:

- *even*: samples at equal intervals of several steps through the whole window, for slow motion, its spectrum and the
  0–1 test;
- *spread*: one sample drawn at random from each of many equal intervals, so that no period can hide, for drifts;
- *late*: the last `MOST` steps one by one, for states that repeat, extrema, and all measures of the even samples
  where those would miss much of the motion.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import signal

MOST, FEWEST = 40_000, 4_000
"""`MOST` is the number of late samples at most, and `FEWEST` the number of samples of a flow's window at least."""
SPREAD = 4
"""One of the spread samples is drawn from this many intervals between even ones."""
RESTS = 1e-8
"""Observables whose standard deviation is below this share of their largest value do not move."""
MISSED = 0.01
"""Late samples replace the even ones if more than this share of an observable's variance is at frequencies that the
even samples alias to lower ones."""


class Sampling(NamedTuple):
    """Which steps of the window are recorded: their `places` from 1 on, and which of these are even (every `stride`),
    spread and late. A step takes the time `step`."""

    step: float
    stride: int
    places: Int[np.ndarray, " records"]
    even: Bool[np.ndarray, " records"]
    spread: Bool[np.ndarray, " records"]
    late: Bool[np.ndarray, " records"]

    @property
    def steps(self) -> Int[np.ndarray, " records"]:
        """How many steps there are before each record, since the one before it."""
        return np.diff(self.places, prepend=0)


def sampling(step: float, number: int, seed: int = 0) -> Sampling:
    """The sampling of a window of `number` steps that take the time `step`; `seed` is that of the spread samples."""
    stride = max(1, number // MOST)
    if stride == 1:
        return Sampling(step, 1, np.arange(1, number + 1), *np.ones((3, number), dtype=bool))
    even = stride * np.arange(1, number // stride + 1)
    width = SPREAD * stride
    spread = width * np.arange(number // width) + np.random.default_rng(seed).integers(1, width + 1, number // width)
    late = np.arange(number - MOST + 1, number + 1)
    places = np.unique(np.concatenate([even, spread, late]))
    return Sampling(step, stride, places, *(np.isin(places, chosen) for chosen in (even, spread, late)))


def steps_of_flow(step: float, duration: float) -> tuple[float, int]:
    """The step that a flow is sampled by, from the shortest of its solver, and their number, at least `FEWEST`."""
    step = min(step, duration / FEWEST)
    return step, int(duration / step + 1e-9)


def missed(
    late: Float[np.ndarray, "samples observables"], stride: int, largest: Float[np.ndarray, " observables"]
) -> float:
    """The largest share of an observable's variance that even samples alias to slower motion.

    This is the share of the spectrum of consecutive samples above half a cycle per `stride` samples; 0 for an
    observable that does not move relative to the `largest` value that it ever had, or that is not finite.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        late = late[:, (late - late[:1]).std(axis=0) > RESTS * largest]
    if stride == 1 or len(late) < 4 * stride or late.shape[1] == 0:
        return 0.0
    moving = signal.detrend(late, axis=0) * np.hanning(len(late))[:, None]
    power = np.abs(np.fft.rfft(moving, axis=0)) ** 2
    total = power.sum(axis=0)
    above = power[math.ceil(len(late) / (2 * stride)) :].sum(axis=0)
    return float(np.max(above / np.where(total > 0, total, 1.0), initial=0.0))
