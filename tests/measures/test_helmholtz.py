"""The decomposition on a rectangle against fields whose parts are known, and circulations against Stokes' theorem."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from curlflow.measures.circulation import Circle, circulation, converged_circulation
from curlflow.measures.helmholtz import Edges, Rectangle, edge_integrals, helmholtz_hodge

pytestmark = pytest.mark.quick

A, B = 1.0, 1.3
K, L = np.pi / (2 * A), 2 * np.pi / (2 * B)


def gradient_of_sines(x, y):
    x, y = x + A, y + B
    return K * np.cos(K * x) * np.sin(L * y), L * np.sin(K * x) * np.cos(L * y)


def rotation_of_sines(x, y):
    fx, fy = gradient_of_sines(x, y)
    return fy, -fx


def shear(x, y):
    return 2 * x, -2 * y


def anything(x, y):
    return np.sin(3 * x * y) + y, np.exp(x) - y * x**2


def parts(field, cells=(24, 30), half_widths=(A, B)):
    grid = Rectangle.centred(half_widths, cells)
    f = edge_integrals(field, grid)
    return grid, f, helmholtz_hodge(f, grid)


def shares(field, **options):
    grid, f, found = parts(field, **options)
    return [grid.inner(part, part) / grid.inner(f, f) for part in found[:3]]


@pytest.mark.parametrize("field", [gradient_of_sines, rotation_of_sines, shear, anything])
@pytest.mark.parametrize("cells", [(2, 2), (2, 5), (24, 30)])
def test_parts_are_orthogonal_and_what_they_claim_to_be(field, cells):
    grid, f, found = parts(field, cells=cells)
    energy = grid.inner(f, f)
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert abs(grid.inner(found[i], found[j])) < 1e-13 * energy
    np.testing.assert_allclose(sum(shares(field, cells=cells)), 1, rtol=1e-13)
    for whole, *three in zip(f, *found[:3], strict=True):
        np.testing.assert_allclose(sum(three), whole, atol=1e-13)
    # The gradient part has no curl and no tangential component on the boundary, the curl part no divergence.
    assert np.abs(grid.circulation(found.gradient)).max() < 1e-13
    for edge in (found.gradient.along_x[:, [0, -1]], found.gradient.along_y[[0, -1]]):
        assert np.abs(edge).max() == 0
    assert np.abs(grid.outflow(found.curl)).max() < 1e-13
    assert np.abs(grid.circulation(found.harmonic)).max() < 1e-13
    assert np.abs(grid.outflow(found.harmonic)).max() < 1e-13
    for recovered, edge in zip(grid.gradient(found.harmonic_potential), found.harmonic, strict=True):
        np.testing.assert_allclose(recovered, edge, atol=1e-13)


def test_pure_fields_are_found_pure():
    np.testing.assert_allclose(shares(gradient_of_sines), [1, 0, 0], atol=1e-13)
    np.testing.assert_allclose(shares(shear), [0, 0, 1], atol=1e-13)
    grid, _, found = parts(gradient_of_sines)
    x, y = np.meshgrid(grid.x, grid.y, indexing="ij")
    np.testing.assert_allclose(found.gradient_potential, np.sin(K * (x + A)) * np.sin(L * (y + B)), atol=1e-12)


def test_solution_by_sine_transforms_is_that_of_sparse_least_squares():
    # ∇φ and rot ψ are the projections onto the two ranges: an independent dense computation.
    grid = Rectangle.centred((A, B), (4, 5))
    f = edge_integrals(anything, grid)
    root = np.sqrt(np.diag(_products(grid)))
    found = helmholtz_hodge(f, grid)
    for part, columns in ((found.gradient, _gradients(grid)), (found.curl, _rotations(grid))):
        least = np.linalg.lstsq(columns * root[:, None], _flat(f) * root)[0]
        np.testing.assert_allclose(_flat(part), columns @ least, atol=1e-13)


def _flat(edges):
    return np.concatenate([edges.along_x.ravel(), edges.along_y.ravel()])


def _products(grid):
    nx, ny = grid.x.size, grid.y.size
    sizes = (nx - 1) * ny, nx * (ny - 1)
    units = [Edges(e[: sizes[0]].reshape(nx - 1, ny), e[sizes[0] :].reshape(nx, ny - 1)) for e in np.eye(sum(sizes))]
    return np.array([[grid.inner(a, b) for a in units] for b in units])


def _gradients(grid):
    inner = np.zeros((grid.x.size - 2, grid.y.size - 2))
    return _columns(inner, lambda u: grid.gradient(np.pad(u, 1)))


def _rotations(grid):
    return _columns(np.zeros((grid.x.size - 1, grid.y.size - 1)), grid.rotation)


def _columns(like, function):
    return np.stack([_flat(function(e.reshape(like.shape))) for e in np.eye(like.size)], axis=1)


def _stream(x, y):
    return (A**2 - x**2) * (B**2 - y**2) * np.exp(0.7 * x + 0.3 * y)


def _rotation_of_stream(x, y):
    e, u, v = np.exp(0.7 * x + 0.3 * y), A**2 - x**2, B**2 - y**2
    return u * e * (0.3 * v - 2 * y), -v * e * (0.7 * u - 2 * x)


def test_curl_part_converges_with_the_square_of_the_spacing():
    errors, stream_errors = [], []
    for n in (16, 32, 64):
        grid, f, found = parts(_rotation_of_stream, cells=(n, n))
        rest = f - found.curl
        errors.append(np.sqrt(grid.inner(rest, rest) / grid.inner(f, f)))
        stream = _stream(*np.meshgrid(*grid.centres, indexing="ij"))
        stream_errors.append(np.abs(found.stream_function - stream).max())
    for series in (errors, stream_errors):
        orders = np.log2(np.array(series[:-1]) / series[1:])
        assert np.all((orders > 1.85) & (orders < 2.15)), orders


def test_share_of_a_rotation_is_the_torsion_constant():
    # On a square −Δψ = 2 with ψ = 0: ∫|∇ψ|² = 16 a⁴ (1/3 − 64/π⁵ Σ tanh(kπ/2)/k⁵), Timoshenko & Goodier § 109;
    # the energy of (−y, x) is 8a⁴/3. The gradient part of (x, y) is the same rotated by a right angle.
    odd = np.arange(1, 99, 2)
    constant = 16 * (1 / 3 - 64 / np.pi**5 * np.sum(np.tanh(odd * np.pi / 2) / odd**5))
    expected = constant / (8 / 3)
    s = np.array([[0.4, 0.9], [0.9, -0.4]])
    for n, tolerance in ((32, 2e-3), (64, 5e-4)):
        options = {"cells": (n, n), "half_widths": (2.0, 2.0)}
        turning, outward = shares(lambda x, y: (-y, x), **options), shares(lambda x, y: (x, y), **options)
        np.testing.assert_allclose(turning, [0, expected, 1 - expected], atol=tolerance)
        np.testing.assert_allclose(outward, [expected, 0, 1 - expected], atol=tolerance)
        # A symmetric matrix of trace zero is harmonic.
        traceless = lambda x, y: (s[0, 0] * x + s[0, 1] * y, s[1, 0] * x + s[1, 1] * y)  # noqa: E731
        np.testing.assert_allclose(shares(traceless, **options), [0, 0, 1], atol=1e-13)


def test_stokes_holds_exactly_in_every_cell():
    # curl of `anything` is exp(x) − 2xy − 3x cos(3xy) − 1: its integral over each cell, by a fine Gauss rule.
    grid, f, _ = parts(anything, cells=(5, 4))
    nodes, weights = np.polynomial.legendre.leggauss(20)
    (hx, hy), (cx, cy) = grid.spacing, grid.centres
    x = cx[:, None, None, None] + hx / 2 * nodes[:, None]
    y = cy[None, :, None, None] + hy / 2 * nodes
    curl = np.exp(x) - 2 * x * y - 3 * x * np.cos(3 * x * y) - 1
    # The five Gauss points of an edge leave an error of about 1e-9 for this field, and none for polynomials.
    expected = np.einsum("ijkl,k,l", curl, weights, weights) * hx * hy / 4
    np.testing.assert_allclose(grid.circulation(f), expected, atol=1e-8)


class Linear(eqx.Module):
    matrix: jax.Array

    def __call__(self, x):
        return self.matrix @ x


class Smooth(eqx.Module):
    """curl in the plane of the first two axes: cos(x + 2y) − exp(y)."""

    def __call__(self, w):
        x, y, z = w
        return jnp.stack([jnp.exp(y) + z, jnp.sin(x + 2 * y), x * y])


class Step(eqx.Module):
    """A shear concentrated on the axis x = 0."""

    def __call__(self, w):
        return jnp.stack([jnp.zeros(()), jnp.where(w[0] > 0, 1.0, 0.0)])


class Figure8(eqx.Module):
    """Half of it runs clockwise, half anticlockwise."""

    def __call__(self, s):
        return jnp.stack([jnp.sin(2 * jnp.pi * s), jnp.sin(4 * jnp.pi * s), jnp.zeros_like(s)])


def test_circulation_of_a_linear_field_is_its_curl_times_the_area(x64):
    rng = np.random.default_rng(1)
    matrix, centre = rng.normal(size=(7, 7)), rng.normal(size=7)
    u, v = np.linalg.qr(rng.normal(size=(7, 2)))[0].T
    value, error = circulation(Linear(matrix), Circle(centre, np.stack([u, v]), np.float64(0.6)))
    np.testing.assert_allclose(value, np.pi * 0.36 * (v @ matrix @ u - u @ matrix @ v), rtol=1e-12)
    assert error < 1e-13
    symmetric, _ = circulation(Linear(matrix + matrix.T), Circle(centre, np.stack([u, v]), np.float64(0.6)))
    assert abs(symmetric) < 1e-13


def test_circulation_is_the_integral_of_the_curl_over_the_disc(x64):
    value, error = circulation(Smooth(), Circle(np.array([0.3, -0.2, 0.5]), np.eye(2, 3), np.float64(0.8)))
    radii, weights = np.polynomial.legendre.leggauss(30)
    r, angle = 0.4 * (radii + 1), 2 * np.pi * np.arange(64) / 64
    x, y = 0.3 + r[:, None] * np.cos(angle), -0.2 + r[:, None] * np.sin(angle)
    disc = 0.4 * np.sum(weights * r * np.mean(np.cos(x + 2 * y) - np.exp(y), axis=1)) * 2 * np.pi
    np.testing.assert_allclose(value, disc, rtol=1e-12)
    assert error < 1e-12
    coarse, error = circulation(Smooth(), Circle(np.array([0.3, -0.2, 0.5]), np.eye(2, 3), np.float64(0.8)), points=6)
    assert 1e-12 < abs(coarse - disc) < error


def test_a_jump_is_converged_to_first_order_with_an_honest_error(x64):
    # F = (0, H(x − s)) around the unit circle: ∮ = 2 √(1 − s²); the jump lies anywhere between two points.
    for s in np.random.default_rng(4).uniform(-0.9, 0.9, 20):
        circle = Circle(np.array([-s, 0.0]), np.eye(2), np.float64(1))
        coarse, _ = circulation(Step(), circle)
        value, error = converged_circulation(Step(), circle)
        exact = 2 * np.sqrt(1 - s**2)
        assert abs(value - exact) < error < 0.02
        assert abs(coarse - exact) < 0.1


def test_circulation_runs_around_any_loop(x64):
    rotation = Linear(np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 0]]))
    assert abs(circulation(rotation, Figure8())[0]) < 1e-13
