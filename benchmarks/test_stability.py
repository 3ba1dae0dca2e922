"""Eigenvalues at the solution of a linear network of 98 inputs and 122 hidden units, flips in W2, on the spheres."""

import jax
import numpy as np
from interleaved import interleaved, report
from jax.flatten_util import ravel_pytree

import curlflow


def spec():
    widths = {"network.inputs": 98, "network.hidden": 122, "teacher.width": 122, "realizations": 1}
    return curlflow.preset("fig4").replace({**widths, "rule.flipped.hidden": 0.2})


def small():
    widths = {"network.inputs": 20, "network.hidden": 25, "teacher.width": 25, "realizations": 1}
    return curlflow.preset("fig4").replace({**widths, "rule.flipped.hidden": 0.2})


def dense_jacobian(s):
    """The obvious way: the Jacobian over all weights, compiled once, and all its eigenvalues (12,078 weights are too
    many for it)."""
    with jax.enable_x64(True):
        flow = s.build().flow()
        flat, unravel = ravel_pytree(jax.tree.map(np.asarray, flow.state))
        jacobian = jax.jit(jax.jacfwd(lambda x: ravel_pytree(flow.velocity(0.0, unravel(x)))[0]))

    def eigenvalues():
        with jax.enable_x64(True):
            return np.linalg.eigvals(np.asarray(jacobian(flat)))

    return eigenvalues


def from_equation_four(s):
    """H − v uᵀ written by hand in NumPy for this one case, eigenvalues alone."""
    p = s.build()
    (w1, w2), (d1, d2) = p.student.weights, p.rule.gains
    h, v = w1.T @ (d2.T * w1) + (w2 @ w2.T) * np.diag(d1[0]), (w2 @ w1)[0]
    h -= np.outer(v, d1[0] * v / np.sum(w1**2) + w1.T @ (d2 * w2)[0] / np.sum(w2**2))
    return np.linalg.eigvals(-h @ p.covariance)


def test_stability(benchmark):
    large = spec()
    million = curlflow.Spec(
        network={"inputs": 100, "hidden": 10_000},
        rule={"kind": "curl", "flipped": {"inputs": 0.2, "hidden": 0.1}},
        constraint={"kind": "frobenius"},
        start={"kind": "teacher"},
    )
    expected = np.sort_complex(from_equation_four(large))
    ds = curlflow.stability(large)
    found = np.sort_complex(ds.eigenvalue_real.values[0] + 1j * ds.eigenvalue_imag.values[0])
    np.testing.assert_allclose(found, expected, atol=1e-10)
    seconds = interleaved(
        {
            "dense Jacobian, 20×25 only": dense_jacobian(small()),
            "curlflow.stability, 20×25": lambda: curlflow.stability(small()),
            "NumPy by hand, eigenvalues alone, 98×122": lambda: from_equation_four(large),
            "curlflow.stability, a million weights": lambda: curlflow.stability(million),
            "curlflow.stability, 98×122": lambda: curlflow.stability(large),
        },
        rounds=5,
    )
    report("Stability of one network", seconds, 1e3, "ms")
    benchmark.pedantic(lambda: curlflow.stability(large), rounds=5)
