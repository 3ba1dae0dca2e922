"""Convergence of tanh networks: one gradient, the flow with both solvers, and a plain NumPy loop over minibatches.

The loop is the published protocol, timed over some epochs and scaled to those at which its test error is recorded
below the threshold (the same for flow and minibatches, tests/test_convergence.py).
"""

import time

import equinox as eqx
import jax
import numpy as np
from interleaved import interleaved, report

import curlflow

TIMED = 5
FLOW = {"kind": "flow", "rtol": 1e-4, "atol": 1e-7}


def spec(samples, **changes):
    return curlflow.preset("fig5c").replace({"data.samples": samples, "realizations": 1, **changes})


def numpy_epochs(problem, number):
    """The published protocol, minibatch by minibatch, with the test error after every epoch."""
    w1, w2 = (np.array(w) for w in problem.student.weights)
    r1, r2 = np.linalg.norm(w1), np.linalg.norm(w2)
    x, y, d2 = problem.x_train, problem.y_train, np.asarray(problem.rule.gains[1])
    rng = np.random.default_rng(0)
    rate, samples = 0.1 * 10 / x.shape[1], x.shape[1]
    for _ in range(number):
        for batch in rng.permutation(samples).reshape(-1, 10):
            xb, yb = x[:, batch], y[:, batch]
            h = np.tanh(w1 @ xb)
            e = np.tanh(w2 @ h) - yb
            f2, f1 = e @ h.T / 10 * d2, (w2.T @ e * (1 - h * h)) @ xb.T / 10
            w1, w2 = w1 - rate * f1, w2 - rate * f2
            w1, w2 = w1 * (r1 / np.linalg.norm(w1)), w2 * (r2 / np.linalg.norm(w2))
        error = 0.5 * np.mean((np.tanh(w2 @ np.tanh(w1 @ problem.x_test)) - problem.y_test) ** 2)
    return error


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

    def flow(solver):
        found[solver] = curlflow.convergence(one.replace("dynamics", {**FLOW, "solver": solver}), rules=["curl"])

    cases = {
        f"NumPy, {TIMED} epochs of minibatches": lambda: numpy_epochs(problem, TIMED),
        "flow, tsit5": lambda: flow("tsit5"),
        "flow, rkc2": lambda: flow("rkc2"),
    }
    seconds = interleaved(cases, rounds=3)
    report("convergence of curl descent, 2,000 samples", seconds, 1.0, "s")
    epochs = int(found["rkc2"].convergence_epoch[0, 0]) + 1
    ours, theirs = np.median(seconds["flow, rkc2"]), np.median(seconds[f"NumPy, {TIMED} epochs of minibatches"])
    whole = theirs * epochs / TIMED
    print(f"recorded after {epochs} epochs: NumPy {whole:.1f} s, {whole / ours:.0f} times")
    benchmark.pedantic(cases["flow, rkc2"], rounds=1)


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
