"""A network a million units wide beside one of 42: M = 20, flips in both layers, full-batch updates on spheres."""

import resource
import time

import equinox as eqx
import jax
import numpy as np
from interleaved import interleaved, report

import curlflow

NARROW, WIDE = 42, 10**6
UPDATES, FEW = 100_000, 5


def spec_of(hidden):
    """The largest eigenvalue of the Hessian grows with N/M, and the learning rate is scaled along."""
    return curlflow.Spec(
        network={"inputs": 20, "hidden": hidden},
        data={"samples": 250},
        rule={"kind": "curl", "flipped": {"inputs": 0.3, "hidden": 0.4}},
        constraint={"kind": "frobenius"},
        dynamics={"kind": "updates", "learning_rate": 0.1 * NARROW / hidden},
    )


def test_a_million_hidden_units(benchmark):
    with jax.enable_x64(True):
        # Draws of these shapes are compiled before: a second network of the same shape takes this long.
        spec_of(WIDE).build(realization=1).compressed()
        start = time.perf_counter()
        drawn = spec_of(WIDE).build()
        built = time.perf_counter()
        problem = drawn.compressed()
        done = time.perf_counter()
        print(f"\nset-up of {WIDE} hidden units: {built - start:.2f} s to draw, {done - built:.2f} s to compress")
        print(f"largest memory so far {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")
        assert problem.student.widths[1] == NARROW
        advance = eqx.filter_jit(lambda m, n: m.advance(m.state, None, n, m.clock()).state)
        small, large, whole = spec_of(NARROW).build().updates(), problem.updates(), drawn.updates()
        ours, plain = advance(large, np.asarray(FEW)), advance(whole, np.asarray(FEW))
        for a, b in zip(problem.compression.expand(ours).weights, plain.weights, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-12)
        # On its own: after a second in main memory the caches and the clock of the processor are others.
        alone = interleaved({"as it is": lambda: jax.block_until_ready(advance(whole, np.asarray(FEW)))}, rounds=3)
        report("full-batch update of a million units, M = 20", alone, 1e3 / FEW, "ms an update")
        cases = {
            "a million units, compressed": lambda: jax.block_until_ready(advance(large, np.asarray(UPDATES))),
            "42 units": lambda: jax.block_until_ready(advance(small, np.asarray(UPDATES))),
        }
        seconds = interleaved(cases)
        benchmark.extra_info.update(report("full-batch update, M = 20", seconds, 1e6 / UPDATES, "µs an update"))
        benchmark.pedantic(cases["a million units, compressed"], rounds=5)


def test_exponents_of_a_wide_network(benchmark):
    spec = curlflow.preset("hidden_chaos").replace("realizations", 1)
    options = {"transient": 20, "alignment": 5, "duration": 20, "block": 1.0, "stepping": "fixed"}
    cases = {
        "as it is": lambda: curlflow.lyapunov(spec, **options, compress=False),
        "compressed": lambda: curlflow.lyapunov(spec, **options),
    }
    seconds = interleaved(cases, rounds=3)
    title = "hidden_chaos, five exponents, 45 units of time"
    benchmark.extra_info.update(report(title, seconds, 1.0, "s"))
    benchmark.pedantic(cases["compressed"], rounds=1)
