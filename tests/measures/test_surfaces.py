"""Fields on surfaces against derivatives by hand, and directions in a plane against linear algebra."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

from curlflow.measures import surfaces
from curlflow.measures.helmholtz import Rectangle, edge_integrals, helmholtz_hodge, in_cells
from curlflow.measures.jacobian_parts import Scales, orthonormal, trajectory_plane
from curlflow.measures.surfaces import FlatPlane, components, evaluated, norm, value

pytestmark = pytest.mark.usefixtures("x64")


class Bowl(eqx.Module):
    """w = (p₁, p₂, p₁² + p₂²)."""

    def __call__(self, p):
        return jnp.append(p, jnp.sum(p**2))


class Gradient(eqx.Module):
    """∇f of f(w) = w₁w₂ + w₃²."""

    def __call__(self, w):
        return jnp.stack([w[1], w[0], 2 * w[2]])


class Height(eqx.Module):
    """That f."""

    def __call__(self, w):
        return w[0] * w[1] + w[2] ** 2


def test_components_of_a_gradient_are_derivatives_on_the_surface():
    x, y = np.meshgrid(np.linspace(-1, 1, 5), np.linspace(0, 2, 3), indexing="ij")
    square = x**2 + y**2
    found = evaluated(components, Gradient(), Bowl(), x, y)
    np.testing.assert_allclose(found, np.stack([y + 4 * x * square, x + 4 * y * square], axis=-1), rtol=1e-12)
    np.testing.assert_allclose(evaluated(value, Height(), Bowl(), x, y)[..., 0], x * y + square**2, rtol=1e-12)
    length = np.sqrt(square + 4 * square**2)
    np.testing.assert_allclose(evaluated(norm, Gradient(), Bowl(), x, y)[..., 0], length, rtol=1e-12)


def test_many_points_come_as_few_do():
    p = np.random.default_rng(0).normal(size=(2, surfaces.POINTS + 3))
    centre, directions = np.arange(3.0), np.eye(2, 3)
    found = evaluated(components, Gradient(), FlatPlane(centre, directions), *p)
    np.testing.assert_allclose(found, np.stack([1 + p[1], p[0]], axis=1), rtol=1e-12)
    few = evaluated(components, Gradient(), FlatPlane(centre, directions), *p[:, -3:])
    np.testing.assert_array_equal(found[-3:], few)


def test_the_shares_of_the_parts_add_up():
    grid = Rectangle.centred((1.0, 1.0), (12, 12))
    parts = helmholtz_hodge(edge_integrals(lambda x, y: (x - y, x + y), grid), grid)
    found = in_cells(parts, grid, 0.0)
    shares = [found[f"{name}_share"] for name in ("gradient", "curl", "harmonic")]
    np.testing.assert_allclose(sum(shares), 1, rtol=1e-12)
    np.testing.assert_allclose(found["curl"], 2, rtol=1e-12)
    vectors = found["gradient_part"] + found["curl_part"] + found["harmonic_part"]
    np.testing.assert_allclose(vectors, found["field"], atol=1e-12)
    energy = 16 / 3  # ∫ |F|² = 2 ∫ (x² + y²)
    assert np.isnan(in_cells(parts, grid, 1.1 * energy)["curl_share"])
    assert np.isfinite(in_cells(parts, grid, 0.9 * energy)["curl_share"])


def test_two_vectors_span_a_plane_unless_they_are_parallel():
    first, second = np.random.default_rng(1).normal(size=(2, 7))
    plane = orthonormal(first, second)
    np.testing.assert_allclose(plane @ plane.T, np.eye(2), atol=1e-15)
    np.testing.assert_allclose(plane.T @ plane @ second, second, rtol=1e-12)
    assert orthonormal(first, -3 * first) is None
    assert orthonormal(first, 0 * first) is None


class Linear(eqx.Module):
    """w → M w."""

    matrix: np.ndarray

    def __call__(self, w):
        return jnp.asarray(self.matrix) @ w


def test_a_trajectory_spans_the_plane_of_velocity_and_acceleration():
    matrix, x = np.random.default_rng(2).normal(size=(4, 4)), np.arange(1.0, 5.0)
    scale = Scales(*np.zeros(3))

    def found(matrix):
        return trajectory_plane(Linear(matrix), lambda x, v: v, x, scale)

    np.testing.assert_allclose(found(matrix), orthonormal(matrix @ x, matrix @ matrix @ x), rtol=1e-10)
    assert found(np.eye(4)) is None  # a straight line
    assert found(np.zeros((4, 4))) is None
