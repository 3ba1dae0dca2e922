"""Covariant vectors along runs: eigenvectors of linear systems, the flow of Lorenz, shares of layers and synapses."""

import jax.numpy as jnp
import numpy as np
import pytest

import curlflow
from curlflow import systems
from curlflow.measures.covariant_window import CovariantWindow, Places
from curlflow.measures.frames import Covariant

A = np.array([[0.3, 1.0, 0.0], [0.0, -0.2, 0.5], [0.0, 0.0, -0.9]])


def test_a_linear_system():
    flow = curlflow.Flow(lambda t, x, a: a @ x, [0.0, 0.0, 0.0], args=A, integrator=curlflow.solvers.Adaptive(1e-10))
    ds = curlflow.covariant_vectors(flow, transient=0, alignment=60, duration=60, block=0.5).isel(realization=0)
    values, vectors = np.linalg.eig(A)
    vectors = vectors[:, np.argsort(-values)]
    np.testing.assert_allclose(np.abs(np.sum(ds.covariant_vector.values * vectors.T, axis=1)), 1, atol=1e-8)
    np.testing.assert_allclose(ds.covariant_exponent, np.sort(values)[::-1], atol=1e-6)
    np.testing.assert_allclose(ds.lyapunov_exponent, np.sort(values)[::-1], atol=1e-6)
    angles = np.arccos(np.abs(vectors.T @ vectors).clip(0, 1))
    np.testing.assert_allclose(ds.angle, angles, atol=1e-6)
    np.testing.assert_allclose(ds.smallest_angle, angles, atol=1e-6)
    np.testing.assert_allclose(ds.participation, 1 / np.sum(vectors**4, axis=0), rtol=1e-6)
    assert "layer_share" not in ds


def test_lorenz():
    ds = curlflow.covariant_vectors(systems.lorenz63(), duration=300, block=0.25).isel(realization=0)
    np.testing.assert_allclose(ds.covariant_exponent, [0.9056, 0, -14.572], atol=0.08)
    apart = np.abs(ds.covariant_exponent - ds.lyapunov_exponent)
    assert (apart < 4 * np.hypot(ds.covariant_exponent_se, ds.lyapunov_exponent_se) + 0.02).all()
    assert (ds.smallest_angle.values[np.triu_indices(3, 1)] > 1e-4).all()
    np.testing.assert_allclose(np.diagonal(ds.angle), 0, atol=1e-6)


def test_the_map_of_henon_preserves_the_sum():
    ds = curlflow.covariant_vectors(systems.henon(), duration=3000)
    np.testing.assert_allclose(float(ds.lyapunov_exponent.sum()), np.log(0.3), atol=1e-10)
    # Volumes change by the determinant, and by what the angle changes from the first to the last block.
    np.testing.assert_allclose(float(ds.covariant_exponent.sum()), np.log(0.3), atol=5e-3)


def small():
    return curlflow.Spec(
        network={"inputs": 5, "hidden": 7, "outputs": 1, "activation": "tanh", "output_activation": "linear"},
        rule={"kind": "curl", "flipped": {"inputs": 0.4}},
        constraint={"kind": "frobenius"},
        dynamics={"kind": "updates", "learning_rate": 0.05},
        data={"samples": 40},
        realizations=2,
    )


def test_where_vectors_of_a_network_live():
    ds = curlflow.covariant_vectors(small(), exponents=3, transient=20, alignment=20, duration=60)
    assert dict(ds.sizes) == {
        "realization": 2, "exponent": 3, "other": 3, "state_variable": 42, "layer": 2, "unit": 12,
    }  # fmt: skip
    np.testing.assert_allclose(ds.layer_share.sum("layer"), 1, atol=1e-12)
    np.testing.assert_allclose(ds.unit_share.sum("unit"), 1, atol=1e-12)
    np.testing.assert_allclose(ds.unit_share.isel(unit=slice(5)).sum("unit"), ds.layer_share.sel(layer=1), atol=1e-12)
    flipped = ds.unit_share.where(ds.unit_flipped, drop=True).sum("unit")
    np.testing.assert_allclose(flipped, ds.flipped_share.sum("layer"), atol=1e-12)
    assert ds.unit_flipped.values.sum() == 2
    np.testing.assert_allclose(ds.flipped_synapses.isel(realization=0), [14 / 42, 0])
    assert ((ds.participation >= 1) & (ds.participation <= 42)).all()
    np.testing.assert_allclose(np.linalg.norm(ds.covariant_vector, axis=-1), 1, atol=1e-12)
    assert (ds.layer_share_se >= 0).all()


def test_two_runs_are_the_same(tmp_path):
    first, second = (
        curlflow.covariant_vectors(small(), exponents=2, transient=5, alignment=5, duration=10) for _ in range(2)
    )
    assert first.identical(second.assign_attrs(created=first.attrs["created"]))
    assert curlflow.load(curlflow.save(first, tmp_path / "v.nc")).identical(first)


def test_a_run_that_diverges_has_a_status():
    ds = curlflow.covariant_vectors(curlflow.Flow(lambda t, x, a: x**2, [1.0]), transient=0)
    assert curlflow.Status(int(ds.status[0])).name == "diverged"
    assert np.isnan(ds.covariant_exponent).all()


def test_across_the_orbits_of_rotations():
    spec = small().replace({"network.activation": "linear", "dynamics": {"kind": "flow"}})
    ds = curlflow.covariant_vectors(spec, exponents=2, transient=5, alignment=5, duration=10, transverse=True)
    assert ds.attrs["transverse"] == "true"
    with pytest.raises(ValueError, match="transverse"):
        curlflow.covariant_vectors(small(), transverse=True)


def test_a_direction_that_is_squeezed_to_nothing():
    squeezed = curlflow.Map(lambda i, x, a: jnp.array([3.9 * x[0] * (1 - x[0]), 0 * x[1]]), [0.3, 0.1])
    ds = curlflow.covariant_vectors(squeezed, transient=50, duration=2000, alignment=50).isel(realization=0)
    np.testing.assert_allclose(float(ds.covariant_exponent[0]), 0.4945, atol=0.05)
    assert ds.covariant_exponent[1] == -np.inf
    np.testing.assert_allclose(np.abs(ds.covariant_vector), np.eye(2), atol=1e-12)


def test_bad_input():
    with pytest.raises(ValueError, match="block: got 1e"):
        curlflow.covariant_vectors(systems.henon(), duration=200, block=1e9)
    with pytest.raises(ValueError, match="exponents: got 4"):
        curlflow.covariant_vectors(systems.lorenz63(), exponents=4)
    with pytest.raises(ValueError, match="duration: got 0"):
        curlflow.covariant_vectors(systems.lorenz63(), duration=0)
    with pytest.raises(ValueError, match="spec_or_system"):
        curlflow.covariant_vectors(jnp.ones(3))


@pytest.mark.quick
def test_errors_are_the_scatter_over_many_windows():
    """Windows of vectors that are drawn independently for every block."""
    rng, blocks, places, found = np.random.default_rng(0), 96, Places([(2, 2), (1, 2)], None), []
    for _ in range(200):
        vectors = rng.normal(size=(blocks, 2, 6))
        vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
        coefficients = np.array([[np.ones(blocks), (x := rng.uniform(-1, 1, blocks))], [0 * x, np.sqrt(1 - x**2)]])
        covariant = Covariant(np.moveaxis(coefficients, 2, 0), np.zeros((blocks, 2)))
        window = CovariantWindow(np.zeros((blocks, 2)), covariant, vectors)
        found.append(window.growth(1.0) | window.shares(places))
    for name in ("angle", "participation", "unit_share", "layer_share"):
        values, errors = (np.array([one[key] for one in found]) for key in (name, f"{name}_se"))
        np.testing.assert_allclose(np.median(errors, axis=0), values.std(axis=0), rtol=0.2, atol=1e-9, err_msg=name)
