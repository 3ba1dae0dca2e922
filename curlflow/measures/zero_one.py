"""The 0–1 test for chaos of a deterministic time series.

From observations φ₁ … φ_N and a frequency c come translations in a plane,

    p(n) = Σ_{j≤n} φⱼ cos jc,    q(n) = Σ_{j≤n} φⱼ sin jc,

which stay bounded for regular motion and walk at random for chaotic motion. Their mean square displacement over
n ≤ N/10 steps, less a term that oscillates whatever the motion is,

    D(n) = ⟨|z(j + n) − z(j)|²⟩ⱼ − ⟨φ⟩² (1 − cos nc)/(1 − cos c),    z = p + iq,                        (13)

then grows or does not, and K(c) is the correlation of D(1), D(2), … with 1, 2, …: near 0 or near 1. The median over
many c avoids resonances with frequencies of the motion.

The test has two limits: it calls noise chaotic, and a flow that is sampled too often regular. Choose the interval
with `curlflow.measures.autocorrelation`, and remove drifts.

Sources: Gottwald & Melbourne, SIAM J. Appl. Dyn. Syst. 8 (2009) 129 (correlation method, oscillating term);
Gottwald & Melbourne, Lecture Notes in Physics 915 (2016) 221.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import fft

from .autocorrelation import moving

FREQUENCIES = 100
"""Number of frequencies c."""
RANGE = np.pi / 5, 4 * np.pi / 5
"""The interval from which c is drawn: away from 0 and π, where any motion resonates."""
SHARE = 10
"""Displacements are taken over up to N/10 steps."""
FEWEST = 500
"""Fewest values for which the test says anything."""


class ZeroOne(NamedTuple):
    """The median `k` of K(c), its lower and upper quartiles, and its values for every c."""

    k: float
    lower: float
    upper: float
    values: Float[np.ndarray, " frequencies"]


def zero_one_test(series: Float[np.ndarray, " times"], frequencies: int = FREQUENCIES, *, seed: int = 0) -> ZeroOne:
    """K of a stationary series at equal intervals: near 0 for regular, near 1 for chaotic motion, else undecided.

    NaN for a series that is constant up to rounding. `frequencies` is how many c are drawn, with this `seed`.

    **Raises:** `ValueError` for fewer than 500 values.
    """
    series = np.asarray(series, dtype=float)
    if series.size < FEWEST:
        raise ValueError(f"series: got {series.size} values, required are {FEWEST} or more for the 0-1 test.")
    if not moving(series[:, None]).any():
        return ZeroOne(np.nan, np.nan, np.nan, np.full(frequencies, np.nan))
    # K does not depend on the scale of φ.
    scaled = series / np.std(series - series[0])
    draws = np.random.default_rng(seed).uniform(*RANGE, size=frequencies)
    values = np.array([_growth(scaled, c) for c in draws])
    lower, k, upper = np.quantile(values, [0.25, 0.5, 0.75])
    return ZeroOne(float(k), float(lower), float(upper), values)


def _growth(series: Float[np.ndarray, " times"], c: float) -> float:
    """K(c): the correlation of the displacement with time."""
    number = series.size
    longest = number // SHARE
    z = np.cumsum(series * np.exp(1j * c * np.arange(1, number + 1)))
    n = np.arange(1, longest + 1)
    oscillation = series.mean() ** 2 * (1 - np.cos(n * c)) / (1 - np.cos(c))
    displacement = mean_square_displacement(z, longest) - oscillation
    spread = displacement.std()
    return float(np.corrcoef(n, displacement)[0, 1]) if spread > 0 else float("nan")


def mean_square_displacement(positions: np.ndarray, longest: int) -> Float[np.ndarray, " steps"]:
    """⟨|z(j + n) − z(j)|²⟩ of N complex numbers over j = 0 … N − longest − 1, for n = 1 … longest.

    The mean is over the same j for all n, as in equation (13). By FFT: |z(j + n)|² + |z(j)|² − 2 Re z̄(j) z(j + n).
    """
    z = np.asarray(positions) - np.mean(positions)
    used = z.size - longest
    squares = np.concatenate([[0.0], np.cumsum(np.abs(z) ** 2)])
    shifted = np.arange(1, longest + 1)
    first, later = squares[used], squares[used + shifted] - squares[shifted]
    length = fft.next_fast_len(z.size)
    products = fft.ifft(np.conj(fft.fft(z[:used], length)) * fft.fft(z, length))[shifted]
    return (first + later - 2 * products.real) / used
