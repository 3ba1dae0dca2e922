"""Full-batch updates of a linear network on spheres: M = N = 109, n = 250, as in the published phase diagrams."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from interleaved import interleaved, report
from loops import numpy_on_samples

import curlflow

EPOCHS = 5000


def problem():
    widths = {"network.inputs": 109, "network.hidden": 109, "teacher.width": 109}
    changes = {**widths, "rule.flipped.hidden": 0.3, "start": {"kind": "random"}}
    return curlflow.preset("fig4").replace(changes).build()


def numpy_on_the_covariance(p, epochs):
    """The same on second moments: two matrix–vector products and a rank-one update."""
    w1, w2 = (w.copy() for w in p.student.weights)
    d1, d2 = p.rule.gains
    r1, r2, v = np.linalg.norm(w1), np.linalg.norm(w2), p.teacher.product()
    for _ in range(epochs):
        x = p.covariance @ (w2 @ w1 - v).T
        step2 = (w1 @ x).T * d2
        w1 -= 0.1 * w2.T * (x.T * d1)
        w2 = w2 - 0.1 * step2
        w1 *= r1 / np.sqrt(np.vdot(w1, w1))
        w2 *= r2 / np.sqrt(np.vdot(w2, w2))
    return w1, w2


def naive_jit(p):
    """One jitted loop of the same."""
    (d1, d2), v = p.rule.gains, p.teacher.product()
    r1, r2 = (np.linalg.norm(w) for w in p.student.weights)

    def update(_, weights):
        w1, w2 = weights
        x = p.covariance @ (w2 @ w1 - v).T
        a1, a2 = w1 - 0.1 * w2.T * (x.T * d1), w2 - 0.1 * (w1 @ x).T * d2
        return a1 * (r1 / jnp.linalg.norm(a1)), a2 * (r2 / jnp.linalg.norm(a2))

    return jax.jit(lambda weights, epochs: jax.lax.fori_loop(0, epochs, update, weights))


def test_full_batch_update(benchmark):
    with jax.enable_x64(True):
        p = problem()
        updates, jitted = p.updates(), naive_jit(p)
        advance = eqx.filter_jit(lambda m, n: m.advance(m.state, None, n, m.clock()).state)
        weights = tuple(map(jnp.asarray, p.student.weights))
        # The same numbers first.
        ours = advance(updates, np.asarray(200)).weights
        for other in (numpy_on_samples(p, 200), numpy_on_the_covariance(p, 200), jitted(weights, 200)):
            for a, b in zip(ours, other, strict=True):
                np.testing.assert_allclose(a, b, atol=1e-10)
        cases = {
            "NumPy on samples, 250 epochs": lambda: numpy_on_samples(p, 250),
            "NumPy on the covariance, 250 epochs": lambda: numpy_on_the_covariance(p, 250),
            "one jitted loop": lambda: jax.block_until_ready(jitted(weights, EPOCHS)),
            "curlflow": lambda: jax.block_until_ready(advance(updates, np.asarray(EPOCHS))),
        }
        seconds = interleaved(cases)
        for name in list(seconds)[:2]:
            seconds[name] = [s * EPOCHS / 250 for s in seconds[name]]
        benchmark.extra_info.update(report("full-batch update, M = N = 109", seconds, 1e6 / EPOCHS, "µs an epoch"))
        benchmark.pedantic(cases["curlflow"], rounds=5)
