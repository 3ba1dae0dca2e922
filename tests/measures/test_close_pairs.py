"""Pairs of close runs: ν and C of motion whose distances are known."""

import numpy as np
import pytest

from curlflow.measures.close_pairs import INITIAL, cross_distance, followed, prediction_time

pytestmark = pytest.mark.quick

ONE = np.ones(1)
T = np.arange(2000) * 0.7


def test_regular_motion_keeps_its_distance():
    """Two phases δ apart: |sin(t + δ) − sin t|² has the mean 1 − cos δ, twice the variance ½ of it."""
    first = np.sin(T)[None, :, None]
    second = np.stack([np.sin(T + δ)[None, :, None] for δ in INITIAL])
    found = cross_distance(first, second, np.sqrt([0.5]))
    np.testing.assert_allclose(found.exponent, 1, atol=1e-6)
    np.testing.assert_allclose(1 - found.correlation, np.mean(1 - np.cos(INITIAL)), rtol=0.01)
    # ⟨|cos|⟩ = 2/π, in units of √½.
    np.testing.assert_allclose(found.distances, np.sqrt(2) * 2 / np.pi * np.array(INITIAL), rtol=0.01)
    assert not found.parts
    assert found.correlated


@pytest.mark.parametrize(("width", "correlated"), [(0.1, True), (0.5, True), (2.0, False)])
def test_braids(width, correlated):
    """What runs have in common has the variance 1, what each has for itself w²: C = 1/(1 + w²)."""
    rng = np.random.default_rng(0)
    common = rng.normal(size=(5, 2000, 2))
    first, second = (common + width * rng.normal(size=(*shape, 5, 2000, 2)) for shape in ((), (3,)))
    found = cross_distance(first, second, np.full(2, np.sqrt(1 + width**2)))
    np.testing.assert_allclose(found.correlation, 1 / (1 + width**2), atol=0.02)
    np.testing.assert_allclose(found.exponent, 0, atol=0.01)
    assert abs(found.correlation - 1 / (1 + width**2)) < 4 * found.error < 0.1
    assert found.parts
    assert found.correlated == correlated
    assert found.pairs == 5


def test_the_doubling_map_forgets():
    """x → 2x mod 1 in exact arithmetic of 200 binary digits: after 100 steps digits that differ lead."""
    rng, digits = np.random.default_rng(1), 2**200
    start = [int.from_bytes(rng.bytes(25), "big") for _ in range(40)]

    def late(values):
        return np.array([[(x << n) % digits / digits for n in range(100, 140)] for x in values])[..., None]

    beside = np.stack([late([x + digits // round(1 / δ) for x in start]) for δ in INITIAL])
    found = cross_distance(late(start), beside, np.sqrt([1 / 12]))
    np.testing.assert_allclose(found.exponent, 0, atol=0.02)
    np.testing.assert_allclose(found.correlation, 0, atol=0.1)


def test_runs_that_are_the_same_have_no_exponent():
    same = np.zeros((1, 10, 1))
    found = cross_distance(same, np.zeros((3, 1, 10, 1)), ONE)
    assert np.isnan(found.exponent)
    assert found.correlation == 1.0
    assert not found.parts


def test_how_long_and_how_many():
    np.testing.assert_allclose(prediction_time(np.log(10)), 6)
    assert followed(np.log(10), 600.0) == (pytest.approx(60), 10)
    assert followed(np.log(10), 30.0) == (30.0, 1)
    assert followed(np.log(10), 11.0)[1] == 0
    assert followed(1e3, 1e5)[1] == 16


def test_errors_are_the_scatter_over_many_sets_of_pairs():
    rng, found = np.random.default_rng(2), []
    for _ in range(300):
        # Distances that scatter from pair to pair, in part in common for all initial distances.
        sizes = np.array(INITIAL)[:, None] ** 0.3 * np.exp(0.2 * rng.normal(size=6) + 0.2 * rng.normal(size=(3, 6)))
        found.append(cross_distance(np.zeros((6, 4, 1)), np.tile(sizes[..., None, None], (1, 1, 4, 1)), ONE))
    exponents, distances = np.array([f.exponent for f in found]), np.array([f.distances for f in found])
    mean = np.sqrt(np.mean([f.exponent_error**2 for f in found]))
    np.testing.assert_allclose(mean, exponents.std(), rtol=0.15)
    means = np.sqrt(np.mean([f.distance_errors**2 for f in found], axis=0))
    np.testing.assert_allclose(means, distances.std(axis=0), rtol=0.15)
    np.testing.assert_allclose(exponents.mean(), 0.3, atol=3 * exponents.std() / np.sqrt(300))
