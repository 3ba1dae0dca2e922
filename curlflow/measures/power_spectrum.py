"""The power spectrum of a time series, and how wide its peaks are.

Welch's method: the series is cut into segments that overlap by half, each is tapered by a Hann window, and their
periodograms are averaged. The density S(f) is one-sided, its integral is the variance. Lines of regular motion are as
wide as the window allows, 1.44/T_s at half height for segments of duration T_s; peaks of chaotic motion and of noise
keep their width however long the segments are.

Source: Welch, IEEE Trans. Audio Electroacoust. 15 (1967) 70; widths of windows: Harris, Proc. IEEE 66 (1978) 51.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import signal

from ..former import former_names

SEGMENTS = 8
"""Number of segments, without the overlaps, into which a series is cut."""
FEWEST = 64
"""Fewest values in a segment."""
HANN_WIDTH = 1.44
"""The width of a line at half height, in units of one over the duration of a segment."""
OVERLAP = 1 / 6
"""The correlation of neighbouring segments of white noise, tapered by a Hann window, that overlap by half."""
LINE = 1.5
"""A peak is a line if it is no wider than this many times the width of a line."""


def relative_error(segments: int = SEGMENTS) -> float:
    """The standard error of a density over the density itself, for noise; Welch's equation for half overlaps."""
    number = 2 * segments - 1
    return float(np.sqrt((1 + 2 * (number - 1) / number * OVERLAP**2) / number))


class PowerSpectrum(NamedTuple):
    """Frequencies and densities, and `resolution`, the width of a line at half height."""

    frequency: Float[np.ndarray, " frequencies"]
    density: Float[np.ndarray, " frequencies"]
    resolution: float


class Peaks(NamedTuple):
    """The highest peaks of a spectrum, the highest first, their widths at half height, and which are lines."""

    frequency: Float[np.ndarray, " peaks"]
    height: Float[np.ndarray, " peaks"]
    width: Float[np.ndarray, " peaks"]
    is_line: np.ndarray


def power_spectrum(
    series: Float[np.ndarray, " times"], interval: float = 1.0, segments: int = SEGMENTS
) -> PowerSpectrum:
    """The spectrum of a series less its mean, of values an `interval` apart; more segments make it smoother, and less
    resolved. **Raises:** `ValueError` for series that are too short for so many segments."""
    series = np.asarray(series, dtype=float)
    length = series.size // segments if segments > 0 else 0
    if length < FEWEST:
        raise ValueError(
            f"segments: got {segments} for {series.size} values, required are {FEWEST} values in every segment."
        )
    shifted = series - series[0]
    shifted = shifted - shifted.mean()
    # Segments keep their own means: subtracting them would remove slow motion.
    frequency, density = signal.welch(shifted, 1 / interval, "hann", nperseg=length, detrend=False)
    return PowerSpectrum(frequency, density, HANN_WIDTH / (length * interval))


def peaks(spectrum: PowerSpectrum, number: int = 5) -> Peaks:
    """The highest peaks, at most `number`, with widths at half height; none in a spectrum of zeros.

    A maximum at frequency zero is a peak too: its width is twice that of the half that is visible.
    """
    density = np.concatenate([spectrum.density[:0:-1], spectrum.density])
    middle = spectrum.density.size - 1
    places, _ = signal.find_peaks(density, prominence=0.1 * density.max() if density.max() > 0 else np.inf)
    places = places[places >= middle]
    step = spectrum.frequency[1]
    # At half of the peak's own height: its prominence would depend on its neighbours.
    data = (density[places], np.zeros_like(places), np.full_like(places, density.size - 1))
    widths = signal.peak_widths(density, places, rel_height=0.5, prominence_data=data)[0] * step
    order = np.argsort(-density[places], kind="stable")[:number]
    places, widths = places[order], widths[order]
    lines = widths <= LINE * spectrum.resolution
    return Peaks(spectrum.frequency[places - middle], density[places], widths, lines)


__getattr__ = former_names(__name__, {"Spectrum": "PowerSpectrum"})
