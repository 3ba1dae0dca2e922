"""Exponents modulo symmetry orbits: against the dynamics of Gram matrices, which rotations leave alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import curlflow
from curlflow import Spec
from curlflow.systems.linearised.transverse import off_orbit

SPEC = Spec(
    network={"inputs": 3, "hidden": 4}, data={"samples": 30}, rule={"kind": "curl", "flipped": {"inputs": 0.67}},
    dynamics={"kind": "flow", "rtol": 1e-9, "atol": 1e-12}, start={"kind": "random"},
)  # fmt: skip
OPTIONS = {"transient": 5.0, "alignment": 20.0, "duration": 40.0, "block": 0.5}


def gram_flow(problem):
    """X = [W1 | W2ᵀ] obeys Ẋ = X A(Z) with Z = XᵀX, and so Ż = AᵀZ + ZA: the dynamics without its rotations."""
    m, v, sigma = problem.student.widths[0], np.asarray(problem.teacher.product()), problem.covariance
    x = np.hstack([problem.student.weights[0], problem.student.weights[1].T])
    d1 = problem.rule.gains[0]
    upper = np.triu_indices(len(x.T))

    def field(t, entries, args):
        z = jnp.zeros((m + 1, m + 1)).at[upper].set(entries)
        z = z + jnp.triu(z, 1).T
        pull = (z[m:, :m] - v) @ sigma
        a = jnp.zeros((m + 1, m + 1)).at[m:, :m].set(-pull * d1).at[:m, m:].set(-pull.T)
        return (a.T @ z + z @ a)[upper]

    return curlflow.Flow(field, (x.T @ x)[upper], integrator=curlflow.solvers.Adaptive(1e-9, 1e-12))


def test_tangents_are_taken_off_the_orbit():
    rng = np.random.default_rng(0)
    with jax.enable_x64(True):
        x, v = rng.normal(size=(5, 3)), rng.normal(size=(2, 5, 3))
        skew = rng.normal(size=(5, 5))
        skew = skew - skew.T
        rest = off_orbit(jnp.asarray(x), jnp.asarray(v))
        np.testing.assert_allclose(np.einsum("vij,ij->v", rest, skew @ x), 0, atol=1e-12)
        np.testing.assert_allclose(off_orbit(jnp.asarray(x), jnp.asarray([skew @ x])), 0, atol=1e-12)
        np.testing.assert_allclose(off_orbit(jnp.asarray(x), rest), rest, atol=1e-12)
        # What is taken away is a rotation: it leaves XᵀX as it is, to first order.
        moved = v[0] - rest[0]
        np.testing.assert_allclose(x.T @ moved + moved.T @ x, 0, atol=1e-12)


def test_exponents_of_the_dynamics_of_gram_matrices():
    problem = SPEC.build()
    ds = curlflow.lyapunov(SPEC, transverse=True, exponents=10, **OPTIONS)
    expected = curlflow.lyapunov(gram_flow(problem), exponents=10, **OPTIONS)
    np.testing.assert_allclose(ds.lyapunov_exponent, expected.lyapunov_exponent, atol=0.02)
    # Sums do not depend on the first directions of the tangents.
    np.testing.assert_allclose(ds.lyapunov_exponent.sum(), expected.lyapunov_exponent.sum(), rtol=1e-3)


@pytest.mark.parametrize("kind", ["flow", "updates"])
@pytest.mark.parametrize("constraint", ["none", "frobenius"])
def test_at_a_solution_the_neutral_directions_of_the_orbit_are_gone(kind, constraint):
    spec = SPEC.replace({"start.kind": "teacher", "dynamics.kind": kind, "constraint.kind": constraint})
    system = spec.build().system()
    options = OPTIONS | {"alignment": 100.0, "duration": 200.0}
    full = curlflow.lyapunov(spec, exponents=system.dimension, compress=False, **options)
    most = {"none": 10, "frobenius": 8}[constraint]
    ds = curlflow.lyapunov(spec, transverse=True, exponents=most, **options)
    with pytest.raises(ValueError, match=f"exponents: got {most + 1}"):
        curlflow.lyapunov(spec, transverse=True, exponents=most + 1, **OPTIONS)
    every, found = full.lyapunov_exponent[0].to_numpy(), ds.lyapunov_exponent[0].to_numpy()
    np.testing.assert_allclose(found[np.abs(found) > 0.01], every[np.abs(every) > 0.01], atol=2e-3)
    assert (np.abs(every) <= 0.01).sum() - (np.abs(found) <= 0.01).sum() == 6


def test_wide_networks_have_no_more_of_them():
    wide = SPEC.replace({"network.hidden": 12, "teacher.width": 12})
    narrow = curlflow.lyapunov(wide, transverse=True, exponents=10, **OPTIONS)
    whole = curlflow.lyapunov(wide, transverse=True, exponents=10, compress=False, **OPTIONS)
    assert "compression" in narrow.attrs
    assert narrow.attrs["transverse"] == "true"
    np.testing.assert_allclose(narrow.lyapunov_exponent, whole.lyapunov_exponent, atol=0.03)
    assert "mean_divergence" not in narrow


def test_it_goes_on():
    options = OPTIONS | {"duration": 10.0}
    first = curlflow.lyapunov(SPEC, transverse=True, exponents=10, **options)
    longer = curlflow.lyapunov(SPEC, resume=first, duration=10.0)
    at_once = curlflow.lyapunov(SPEC, transverse=True, exponents=10, **(options | {"duration": 20.0}))
    np.testing.assert_array_equal(longer.local_exponent, at_once.local_exponent)
    assert longer.attrs["transverse"] == "true"


def test_groups_of_different_gains_turn_apart():
    # Flipped and unflipped hidden units do not mix: two groups of two.
    spec = SPEC.replace({"rule.flipped.inputs": 0.0, "rule.flipped.hidden": 0.5})
    # 16 weights, less one rotation of each group.
    ds = curlflow.lyapunov(spec, transverse=True, exponents=14, **OPTIONS)
    assert np.isfinite(ds.lyapunov_exponent).all()
    with pytest.raises(ValueError, match="exponents: got 15, allowed are whole numbers from 1 to 14"):
        curlflow.lyapunov(spec, transverse=True, exponents=15, **OPTIONS)


def test_what_has_no_known_symmetry():
    with pytest.raises(ValueError, match="transverse: it goes with a spec"):
        curlflow.lyapunov(curlflow.systems.lorenz63(), transverse=True)
    with pytest.raises(ValueError, match="transverse: linear networks with one hidden layer"):
        curlflow.lyapunov(SPEC.replace("network.activation", "tanh"), transverse=True)
    with pytest.raises(ValueError, match="transverse: with feedback alignment"):
        curlflow.lyapunov(SPEC.replace("rule", {"kind": "feedback_alignment"}), transverse=True)
