"""Alignment indices and covariant vectors: linear systems, whose vectors are known, Lorenz, the standard map."""

import functools

import jax
import numpy as np
import pytest
import scipy.linalg

import curlflow
from curlflow import systems
from curlflow.measures.frames import CAPACITY, angles, covariant, frames, log_alignment, vectors_in
from curlflow.measures.lyapunov import TangentState, random_tangents, transient_blocks
from curlflow.precision import double_precision
from curlflow.studies.runs import as_numpy

A = np.array([[0.3, 1.0, 0.0], [0.0, -0.2, 0.5], [0.0, 0.0, -0.9]])


@double_precision
def factors(system, vectors, span, blocks, transient=0):
    """Q at the end of every block, R of every block, and the last state."""
    run = TangentState(system.state, np.zeros((vectors, 0)), system.clock(), 0)
    run = transient_blocks(system, as_numpy(run), np.asarray(system.span(span)), np.asarray(transient))
    tangents = random_tangents(system, run.state, vectors, key=jax.random.key(3))
    run, q, r, states = as_numpy(run._replace(tangents=tangents)), [], [], []
    first = np.concatenate([t.reshape(vectors, -1) for t in jax.tree.leaves(run.tangents)], axis=1)
    while len(r) < blocks:
        found = as_numpy(frames(system, run, np.asarray(system.span(span)), np.asarray(1)))
        run = found.run
        q.append(found.q[0])
        r.append(found.r[0])
        states.append(np.concatenate([x.ravel() for x in jax.tree.leaves(run.state)]))
    return first, np.array(q), np.array(r), np.array(states)


LINEAR = curlflow.Flow(
    lambda t, x, a: a @ x, [1.0, 1.0, 1.0], args=A, integrator=curlflow.solvers.Adaptive(1e-10, 1e-13)
)
SPAN = 0.5


@functools.cache
def linear():
    """The first tangents, Q and R of 200 blocks of the linear system, one block at a time."""
    return factors(LINEAR, 3, SPAN, 200)[:3]


def test_factors_make_the_tangent_map():
    first, q, r = linear()
    product = np.linalg.multi_dot(r[3::-1])
    np.testing.assert_allclose(q[3].T @ product, scipy.linalg.expm(2.0 * A) @ first.T, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(q @ np.swapaxes(q, 1, 2), np.broadcast_to(np.eye(3), (200, 3, 3)), atol=1e-12)
    assert (np.diagonal(r, axis1=1, axis2=2) > 0).all()
    np.testing.assert_array_equal(np.tril(r, -1), 0)


def test_several_blocks_at_once():
    _, q, r = linear()
    with jax.enable_x64(True):
        tangents = random_tangents(LINEAR, LINEAR.state, 3, key=jax.random.key(3))
        run = as_numpy(TangentState(LINEAR.state, tangents, LINEAR.clock(), 0))
        at_once = as_numpy(frames(LINEAR, run, np.asarray(LINEAR.span(SPAN)), np.asarray(CAPACITY)))
    np.testing.assert_allclose(at_once.r, r[:CAPACITY], rtol=1e-12)
    np.testing.assert_allclose(at_once.q, q[:CAPACITY], atol=1e-12)


def test_alignment_is_the_volume_of_unit_vectors():
    first, _, r = linear()
    found = log_alignment(r[:12])
    for t in range(12):
        vectors = scipy.linalg.expm(SPAN * (t + 1) * A) @ first.T
        vectors /= np.linalg.norm(vectors, axis=0)
        for j in range(3):
            volume = np.prod(np.linalg.svd(vectors[:, : j + 1], compute_uv=False))
            np.testing.assert_allclose(found[t, j], np.log(volume), rtol=1e-5, atol=1e-6)


def test_alignment_falls_at_gaps_of_exponents():
    _, _, r = linear()
    found = log_alignment(r)
    slopes = (found[119] - found[59]) / (60 * SPAN)
    np.testing.assert_allclose(slopes, [0, -0.5, -0.5 - 1.2], atol=1e-3)


def test_covariant_vectors_of_a_linear_system_are_eigenvectors():
    _, q, r = linear()
    found = covariant(r)
    values, eigenvectors = np.linalg.eig(A)
    eigenvectors = eigenvectors[:, np.argsort(-values)]
    vectors = vectors_in(q[100], found.coefficients[100])
    np.testing.assert_allclose(np.abs(np.sum(vectors * eigenvectors.T, axis=1)), 1, atol=1e-8)
    np.testing.assert_allclose(found.log_stretch[90:120].mean(axis=0) / SPAN, np.sort(values)[::-1], atol=1e-6)
    expected = np.arccos(np.abs(eigenvectors.T @ eigenvectors).clip(0, 1))
    np.testing.assert_allclose(angles(found.coefficients[100:101])[0], expected, atol=1e-6)


def test_the_covariant_vector_of_the_zero_exponent_of_lorenz_is_the_flow():
    system = systems.lorenz63()
    _, q, r, states = factors(system, 3, 0.25, 200, transient=30)
    found = covariant(r)
    for t in (50, 100, 150):
        x, y, z = states[t]
        flow = np.array([10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z])
        second = vectors_in(q[t], found.coefficients[t])[1]
        np.testing.assert_allclose(abs(second @ flow) / np.linalg.norm(flow), 1, atol=1e-5)
    rates = found.log_stretch[25:175].mean(axis=0) / 0.25
    np.testing.assert_allclose(rates, [0.9056, 0, -14.572], atol=0.15)
    # Volumes shrink at the rate of the divergence, up to what the angles change from the first to the last block.
    np.testing.assert_allclose(rates.sum(), -41 / 3, rtol=5e-3)


@pytest.mark.parametrize(("start", "regular"), [([np.pi, 0.3], True), ([0.1, 0.1], False)])
def test_alignment_tells_regular_from_chaotic_motion_of_the_standard_map(start, regular):
    _, _, r, _ = factors(systems.standard_map(k=1.5, state=start), 2, 10, 60)
    end = log_alignment(r)[-1, 1]
    assert end > -12 if regular else end < -60
