"""Power spectra of signals whose spectrum is known."""

import numpy as np
import pytest
from reference import autoregressive

from curlflow.measures.power_spectrum import peaks, power_spectrum, relative_error

pytestmark = pytest.mark.quick


def test_the_integral_is_the_variance():
    noise = np.random.default_rng(0).normal(size=100_000)
    found = power_spectrum(noise, 0.1)
    np.testing.assert_allclose(np.trapezoid(found.density, found.frequency), 1, rtol=0.02)
    # White noise: 2 · variance · interval at every frequency.
    np.testing.assert_allclose(power_spectrum(noise, 0.1, segments=500).density[1:-1].mean(), 0.2, rtol=0.02)


def test_two_tones_are_lines():
    t = 0.5 * np.arange(8192)
    found = power_spectrum(3 + np.sin(2 * np.pi * 0.11 * t) + 0.5 * np.cos(2 * np.pi * 0.043 * t), 0.5)
    lines = peaks(found)
    np.testing.assert_allclose(lines.frequency, [0.11, 0.043], atol=0.001)
    assert lines.is_line.all()
    np.testing.assert_allclose(lines.width, found.resolution, rtol=0.3)  # a line may lie between two frequencies
    # The energy of a tone of amplitude a is a²/2.
    near = np.abs(found.frequency - 0.11) < 0.01
    np.testing.assert_allclose(np.trapezoid(found.density[near], found.frequency[near]), 0.5, rtol=0.01)


def test_the_peak_of_an_autoregressive_process_keeps_its_width():
    # S(f) ∝ 1/(1 + φ² − 2φ cos 2πf): a peak at 0 with S = S(0)/2 where cos 2πf = 1 − (1 − φ)²/2φ.
    phi = 0.95
    series = autoregressive(phi, 400_000, 1, np.random.default_rng(1))[:, 0]
    half = np.arccos(1 - (1 - phi) ** 2 / (2 * phi)) / (2 * np.pi)
    found = power_spectrum(series, segments=400)
    widest = peaks(found)
    assert abs(widest.frequency[0]) < 0.005
    np.testing.assert_allclose(widest.width[0], 2 * half, rtol=0.25)
    assert not widest.is_line[0]


def test_nothing_has_no_peaks():
    assert peaks(power_spectrum(np.full(1000, 2.0))).frequency.size == 0


def test_too_short():
    with pytest.raises(ValueError, match="segments: got 8 for 500 values, required are 64"):
        power_spectrum(np.zeros(500))


def test_the_relative_error_is_the_scatter_over_series():
    noise = np.random.default_rng(0).normal(size=(300, 8 * 64))
    densities = np.array([power_spectrum(one).density for one in noise])[:, 2:-2]
    scatter = densities.std(axis=0) / densities.mean(axis=0)
    np.testing.assert_allclose(scatter.mean(), relative_error(), rtol=0.03)
