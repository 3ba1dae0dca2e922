"""The algorithm by itself: linear systems, an identity, and going on."""

import jax
import numpy as np
import pytest

import curlflow
from curlflow.measures import lyapunov_spectrum
from curlflow.status import Status

pytestmark = pytest.mark.quick


@pytest.mark.usefixtures("x64")
def test_a_linear_map_has_the_logarithms_of_its_eigenvalues():
    matrix = np.array([[2.0, 1.0], [0.0, 0.5]])
    doubling = curlflow.Map(lambda i, x, a: a @ x, np.zeros(2), 0.5, args=matrix)
    found = lyapunov_spectrum(doubling, block=1.0, number=200, vectors=2, key=jax.random.key(1))
    np.testing.assert_allclose(found.exponents, np.log([2.0, 0.5]) / 0.5, atol=0.02)  # the first blocks align
    np.testing.assert_allclose(found.log_stretch[-1], 2 * np.log([2.0, 0.5]), rtol=1e-12)
    np.testing.assert_allclose(found.log_volume, 0.0, atol=1e-12)


@pytest.mark.usefixtures("x64")
def test_stretches_add_up_to_the_volume_and_a_run_goes_on_exactly():
    henon = curlflow.systems.henon()
    whole = lyapunov_spectrum(henon, block=5, number=600, vectors=2, key=jax.random.key(0))
    assert whole.end.status == Status.completed
    np.testing.assert_allclose(whole.log_stretch.sum(axis=1), 5 * np.log(0.3), rtol=1e-9)
    np.testing.assert_allclose(whole.exponents.sum(), np.log(0.3), rtol=1e-9)
    first = lyapunov_spectrum(henon, block=5, number=300, vectors=2, key=jax.random.key(0))
    second = lyapunov_spectrum(henon, block=5, number=300, start=first.end)
    np.testing.assert_array_equal(np.concatenate([first.log_stretch, second.log_stretch]), whole.log_stretch)
    np.testing.assert_array_equal(second.end.state, whole.end.state)


def test_a_run_that_diverges_says_so_and_has_no_numbers_of_blocks_that_failed():
    flow = curlflow.Flow(lambda t, x, args: x**2, [1.0])
    found = lyapunov_spectrum(flow, block=0.25, number=10)
    assert found.end.status != Status.completed
    assert 0 < len(found.log_stretch) < 5
    assert np.isfinite(found.log_stretch).all()
    nowhere = lyapunov_spectrum(flow, block=0.25, number=0)
    assert np.isnan(nowhere.exponents).all()
