"""Convergence of tanh networks: one gradient, the flow with both solvers, and a plain NumPy loop over minibatches.

The loop is the published protocol, timed over some epochs and scaled to those at which its test error is recorded
below the threshold (the same for flow and minibatches, tests/test_convergence.py).
"""

import time

import equinox as eqx
import jax
import numpy as np
from interleaved import interleaved, report
from loops import numpy_epochs

import curlflow

TIMED = 5
FLOW = {"kind": "flow", "rtol": 1e-4, "atol": 1e-7}


def spec(samples, **changes):
    return curlflow.preset("fig5c").replace({"data.samples": samples, "realizations": 1, **changes})


def test_one_gradient(benchmark):
    cases = {}
    with jax.enable_x64(True):
        for samples in (10_000, 2_000):
            flow = spec(samples).build().flow()
            loop = eqx.filter_jit(
                lambda s, f: jax.lax.fori_loop(
                    0, 50, lambda i, s: jax.tree.map(lambda a, b: a + 1e-3 * b, s, f.velocity(0.0, s)), s
                )
            )
            state = jax.tree.map(jax.numpy.asarray, flow.state)
            cases[f"{samples} samples"] = lambda loop=loop, state=state, flow=flow: jax.block_until_ready(
                loop(state, flow)
            )
        report("one gradient, M = 100, N = 10, tanh", interleaved(cases), 1e3 / 50, "ms")
        benchmark.pedantic(cases["2000 samples"], rounds=2)


def test_one_run(benchmark, monkeypatch):
    monkeypatch.setenv("NPROC", "1")
    one = spec(2_000)
    problem = one.build()
    found = {}

    def flow(solver, rtol):
        dynamics = {"kind": "flow", "solver": solver, "rtol": rtol, "atol": 1e-3 * rtol}
        return curlflow.convergence(one.replace("dynamics", dynamics), rules=["curl"])

    def case(name, solver, rtol):
        def run():
            found[name] = flow(solver, rtol)

        return run

    solvers = {"tsit5, 1e-4": ("tsit5", 1e-4), "rkc2, 1e-4": ("rkc2", 1e-4), "bosh3, 1e-3": ("bosh3", 1e-3)}
    loop = f"NumPy, {TIMED} epochs of minibatches"
    drawing = "drawing the problem"  # the loop is given it, the flows draw it
    cases = {loop: lambda: numpy_epochs(problem, TIMED), drawing: one.build}
    cases |= {k: case(k, *v) for k, v in solvers.items()}
    seconds = interleaved(cases, rounds=5)
    report("convergence of curl descent, 2,000 samples", seconds, 1.0, "s")
    sharp = float(flow("dopri8", 1e-9).convergence_time[0, 0])
    for name in solvers:
        epochs, off = (
            int(found[name].convergence_epoch[0, 0]) + 1,
            float(found[name].convergence_time[0, 0]) / sharp - 1,
        )
        whole = np.median(seconds[loop]) * epochs / TIMED
        spent, drawn = np.median(seconds[name]), np.median(seconds[drawing])
        print(
            f"{name}: recorded after {epochs} epochs, NumPy {whole:.1f} s, {whole / spent:.0f} times, "
            f"{whole / (spent - drawn):.0f} without the drawing; time off by {off:.0e}"
        )
    benchmark.pedantic(cases["bosh3, 1e-3"], rounds=1)


def test_slow_learning(benchmark, monkeypatch):
    """At a large scale: gradient descent to the threshold at the end of 35,000 epochs."""
    monkeypatch.setenv("NPROC", "1")
    slow = spec(2_000, **{"start.scale": 8.0})
    cases = {
        f"flow, {solver}": lambda solver=solver: curlflow.convergence(
            slow.replace("dynamics", {**FLOW, "solver": solver}), rules=["gradient"]
        )
        for solver in ("tsit5", "rkc2")
    }
    start = time.perf_counter()
    report("gradient descent from scale 8, 2,000 samples", interleaved(cases, rounds=2), 1.0, "s")
    print(f"all: {time.perf_counter() - start:.0f} s")
    benchmark.pedantic(cases["flow, rkc2"], rounds=1)
