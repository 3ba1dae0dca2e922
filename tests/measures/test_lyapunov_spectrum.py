"""The algorithm by itself: linear systems, an identity, and going on."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import curlflow
from curlflow.measures import lyapunov_spectrum
from curlflow.measures.lyapunov import factored
from curlflow.status import Status
from curlflow.systems.base import log_abs_det

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


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_vectors_of_small_systems_become_orthonormal_whatever_they_are(n):
    rng = np.random.default_rng(n)
    cases = [rng.normal(size=(k, n)) for k in range(1, n + 1)]
    cases += [np.logspace(-1, -9, n)[:, None] * rng.normal(size=(n, n)), 1e200 * cases[-1], 1e-200 * cases[-1]]
    nearly = np.outer(np.ones(n), rng.normal(size=n)) + 1e-9 * rng.normal(size=(n, n))
    for rows in [*cases, nearly, np.ones((n, n)), np.eye(n)[::-1] * [0.0, *np.ones(n - 1)], np.zeros((n, n))]:
        q, r = map(np.asarray, factored(rows, np.zeros(n)))
        np.testing.assert_allclose(q @ q.T, np.eye(len(rows)), atol=1e-13)
        np.testing.assert_allclose(r.T @ q, rows, atol=1e-11 * np.abs(rows).max())
        np.testing.assert_array_equal(np.tril(r, -1), 0.0)
        assert (np.diagonal(r) >= 0).all()
    reference = np.linalg.qr(cases[n - 1].T, mode="r")
    np.testing.assert_allclose(
        np.asarray(factored(cases[n - 1], np.zeros(n))[1]),
        reference * np.sign(np.diagonal(reference))[:, None],
        rtol=1e-9,
    )


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_determinants_of_small_matrices(n):
    matrix = np.random.default_rng(n).normal(size=(n, n))
    np.testing.assert_allclose(log_abs_det(jnp.asarray(matrix)), np.linalg.slogdet(matrix)[1], rtol=1e-10)
    matrix[0] = 0.0
    assert np.asarray(log_abs_det(jnp.asarray(matrix))) == -np.inf
