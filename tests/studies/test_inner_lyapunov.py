"""Exponents inside recurrent networks and of their learning, against QR in NumPy, eigenvalues, mean-field theory."""

import jax
import numpy as np
import pytest

import curlflow
from curlflow.measures.lyapunov import lyapunov_spectrum, random_tangents
from curlflow.networks import Recurrent
from curlflow.problem import integration
from curlflow.rules import EProp
from curlflow.systems import inner_dynamics
from curlflow.tangents import as_rows

DATA = integration(samples=5, test_samples=0, steps=6)
UPDATES = {"kind": "updates", "learning_rate": 0.01}
SHORT = {"transient": 10, "alignment": 10, "duration": 40, "exponents": 2, "block": 1.0}


def drawn(gain, hidden, seed=0, **given):
    return Recurrent.drawn(jax.random.key(seed), inputs=1, hidden=hidden, outputs=1, gain=gain, **given)


def experiment(network, **given):
    return curlflow.Experiment(**{"model": network, "data": DATA, "dynamics": UPDATES, **given})


def stretches(weights, state, tangents, steps, drive=0.0):
    """ln Rᵢᵢ of every step of h ← W tanh(h) + drive."""
    found = []
    for _ in range(steps):
        tangents = weights @ ((1 - np.tanh(state) ** 2)[:, None] * tangents)
        state = weights @ np.tanh(state) + drive
        tangents, r = np.linalg.qr(tangents)
        found.append(np.log(np.abs(np.diag(r))))
    return np.array(found), state, tangents


def mean_field_exponent(gain):
    """½ ln(g² ⟨φ′(x)²⟩) with x ~ N(0, Δ) and Δ = g² ⟨φ(x)²⟩, by Gauss–Hermite quadrature.

    The limit of large autonomous networks in discrete time: Molgedey, Schuchhardt & Schuster, Phys. Rev. Lett. 69
    (1992) 3717, after Sompolinsky, Crisanti & Sommers, Phys. Rev. Lett. 61 (1988) 259.
    """
    nodes, share = np.polynomial.hermite_e.hermegauss(101)
    mean = lambda values: share @ values / share.sum()  # noqa: E731
    variance = 1.0
    for _ in range(2000):
        variance = gain**2 * mean(np.tanh(np.sqrt(variance) * nodes) ** 2)
    return 0.5 * np.log(gain**2 * mean(np.cosh(np.sqrt(variance) * nodes) ** -4.0))


def test_the_map_has_the_stretches_of_a_loop_in_numpy():
    network, drive = drawn(2.0, 30), np.array([0.3])
    system, key = inner_dynamics(network, inputs=drive), jax.random.key(1)
    found = lyapunov_spectrum(system, block=1, number=100, vectors=3, key=key)
    with jax.enable_x64(True):
        tangents = np.asarray(as_rows(random_tangents(system, system.state, 3, key=key))).T
    expected, _, _ = stretches(network.w_rec, system.state, tangents, 100, network.w_in @ drive)
    np.testing.assert_allclose(found.log_stretch, expected, atol=1e-6)


def test_chaos_of_a_large_network_is_that_of_a_loop_and_of_mean_field_theory():
    own = experiment(drawn(2.0, 200))
    ds = curlflow.inner_lyapunov(own, times=[0], exponents=3, duration=600, block=1.0)
    rng, weights = np.random.default_rng(0), drawn(2.0, 200).w_rec
    _, state, tangents = stretches(weights, rng.normal(size=200), rng.normal(size=(200, 3)), 300)
    expected, _, _ = stretches(weights, state, tangents, 600)
    found, error = ds.inner_exponent.to_numpy()[0, 0], ds.inner_exponent_se.to_numpy()[0, 0]
    assert (np.abs(found - expected.mean(axis=0)) < 4 * np.sqrt(2) * error).all()
    assert (error < 0.02).all()
    assert bool(ds.converged.all())
    # Corrections for N neurons are of the order of 1/N, and networks differ by as much as 1/√N at most.
    assert found[0] == pytest.approx(mean_field_exponent(2.0), abs=0.05)


@pytest.mark.parametrize("given", [{}, {"tau": 2.0, "step": 0.5}], ids=["discrete", "flow"])
def test_below_the_transition_exponents_are_those_of_the_origin(given):
    network = drawn(0.7, 30, **given)
    values = np.linalg.eigvals(network.w_rec)
    rates = (values.real - 1) / 2.0 if given else np.log(np.abs(values))
    found = curlflow.inner_lyapunov(experiment(network), times=[0], exponents=2, duration=2000, transient=300)
    np.testing.assert_allclose(found.inner_exponent[0, 0], np.sort(rates)[::-1][:2], atol=2e-3)
    assert (found.inner_exponent < 0).all()
    # The spectral radius of many units is g.
    assert rates.max() == pytest.approx(-0.15 if given else np.log(0.7), abs=0.15)


def test_weights_of_a_run_and_of_its_dataset_are_the_same_and_nothing_is_compiled_again(compilations):
    own = experiment(lambda key: drawn(1.5, 30, int(jax.random.randint(key, (), 0, 99))), realizations=2)
    found = curlflow.inner_lyapunov(own, times=[0, 5], **SHORT)
    assert found.inner_exponent.dims == ("realization", "epoch", "exponent")
    recorded = curlflow.simulate(own, times=[0, 5, 9], weights="all")
    assert compilations(lambda: curlflow.inner_lyapunov(own, at=recorded, **SHORT)) == 0
    again = curlflow.inner_lyapunov(own, at=recorded, **SHORT)
    for name in ("inner_exponent", "inner_exponent_se", "train_error", "time"):
        np.testing.assert_array_equal(again[name].sel(epoch=[0, 5]), found[name])
    # At every time they are those of the network with these weights, from the same start.
    assert (found.inner_exponent.isel(epoch=0) != found.inner_exponent.isel(epoch=1)).all()


def test_what_is_no_recurrent_network_or_does_not_fit_is_refused():
    own = experiment(drawn(1.5, 30))
    for given, message in (
        ({}, "times: required, unless a dataset is given by at"),
        ({"times": [0], "dynamics": "flow"}, "dynamics: got 'flow', which needs a network with tau"),
        ({"times": [0], "inputs": np.ones(3)}, r"inputs: got shape \(3,\), required is \(1,\) or \(steps, 1\)"),
        ({"times": [0], "exponents": 31}, "exponents: got 31"),
        ({"at": curlflow.simulate(own, times=[0])}, "at: got weights of sizes {}, required are 1 realizations"),
    ):
        with pytest.raises(ValueError, match=message):
            curlflow.inner_lyapunov(own, **given)
    with pytest.raises(ValueError, match="experiment: its model is a Feedforward, required is a .*Recurrent"):
        curlflow.inner_lyapunov(curlflow.preset("fig1"), times=[0])


def test_exponents_of_learning_at_a_fixed_point_are_eigenvalues():
    """With targets of 0, W_out = 0 is a fixed point, where only W_out moves: by −Σ_t ⟨r rᵀ⟩, from a loop."""
    w_in, w_rec = np.array([[2.0], [0.0]]), np.array([[0.0, -3.0], [3.0, 0.0]])
    moments = np.zeros((2, 2))
    for x in DATA.x:
        h = np.zeros(2)
        for now in x:
            h = 0.5 * h + 0.5 * (w_rec @ np.tanh(h) + w_in @ now)
            moments += np.outer(np.tanh(h), np.tanh(h)) / len(DATA.x)
    network = Recurrent(w_in, w_rec, np.zeros((1, 2)), tau=2.0, step=1.0)
    data = curlflow.Data(DATA.x, np.zeros(DATA.y.shape))
    own = curlflow.Experiment(model=network, data=data, rule=EProp())
    ds = curlflow.lyapunov(own, exponents=8, duration=10, transient=0, alignment=100, block=1.0)
    expected = np.concatenate([np.zeros(6), -np.linalg.eigvalsh(moments)])
    np.testing.assert_allclose(ds.lyapunov_exponent[0], expected, rtol=1e-5, atol=1e-9)
