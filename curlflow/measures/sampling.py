"""When observables are recorded, so that slow motion, fast motion and states that repeat are all seen.

A *step* is an iteration of a map, or the shortest step of a flow's solver. A window of fewer than `2 · MOST` steps is
recorded step by step. Of a longer one three sets of samples are kept, since none of them alone does for all:

- *even*: every so many steps one, through the whole window: slow motion, its spectrum, the 0–1 test;
- *spread*: one from every so many steps, drawn at random, so that no period can hide: drifts;
- *late*: the last `MOST` steps one by one: states that repeat, extrema; and all measures of the even ones where those
  would miss much of what moves.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import signal

MOST, FEWEST = 40_000, 4_000
"""The most late samples, and the fewest samples of a flow's window."""
SPREAD = 4
"""One of the spread samples is drawn from this many intervals between even ones."""
RESTS = 1e-8
"""Observables whose standard deviation is below this share of the largest value they had do not move."""
MISSED = 0.01
"""Share of an observable's variance at frequencies that even samples cannot tell from lower ones, above which the
late samples take their place."""


class Sampling(NamedTuple):
    """Which steps of the window are recorded: their `places` from 1 on, and which of these are even, spread and late.

    **Attributes:**

    - `step`: the time that a step takes.
    - `stride`: steps between even samples.
    """

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
    """The sampling of a window of so many steps.

    **Arguments:**

    - `step`: the time that a step takes.
    - `seed`: of the spread samples.
    """
    stride = max(1, number // MOST)
    if stride == 1:
        all_of_them = np.ones(number, dtype=bool)
        return Sampling(step, 1, np.arange(1, number + 1), all_of_them, all_of_them, all_of_them)
    even = stride * np.arange(1, number // stride + 1)
    width = SPREAD * stride
    spread = width * np.arange(number // width) + np.random.default_rng(seed).integers(1, width + 1, number // width)
    late = np.arange(number - MOST + 1, number + 1)
    places = np.unique(np.concatenate([even, spread, late]))
    return Sampling(step, stride, places, *(np.isin(places, chosen) for chosen in (even, spread, late)))


def steps_of_flow(step: float, duration: float) -> tuple[float, int]:
    """The step that a flow is sampled by, and how many of them the window has, `FEWEST` or more.

    **Arguments:**

    - `step`: the shortest step of its solver.
    """
    step = min(step, duration / FEWEST)
    return step, int(duration / step + 1e-9)


def missed(
    late: Float[np.ndarray, "samples observables"], stride: int, largest: Float[np.ndarray, " observables"]
) -> float:
    """The largest share of an observable's variance that even samples take for slower motion than it is.

    It is what the spectrum of consecutive samples has above half a cycle per `stride` of them; 0 of what does not
    move against the `largest` value that it ever had, or is not finite.
    """
    with np.errstate(invalid="ignore"):
        late = late[:, (late - late[:1]).std(axis=0) > RESTS * largest]
    if stride == 1 or len(late) < 4 * stride or late.shape[1] == 0:
        return 0.0
    moving = signal.detrend(late, axis=0) * np.hanning(len(late))[:, None]
    power = np.abs(np.fft.rfft(moving, axis=0)) ** 2
    total = power.sum(axis=0)
    above = power[math.ceil(len(late) / (2 * stride)) :].sum(axis=0)
    return float(np.max(above / np.where(total > 0, total, 1.0), initial=0.0))
