"""Exponents: the cost of a step with tangents, of adaptive against fixed steps, and of a second call."""

import subprocess
import sys

import equinox as eqx
import jax
import numpy as np
from interleaved import interleaved, report

import curlflow
from curlflow import systems, tangents
from curlflow.measures.lyapunov import TangentState, lyapunov_blocks, random_tangents
from curlflow.solvers.integrate import FixedSteps
from curlflow.studies.runs import as_numpy

STEPS = 100


def blocks(flow, run, span, number):
    return jax.block_until_ready(lyapunov_blocks(flow, run, np.asarray(span), np.asarray(number)).run)


def test_runge_kutta_step_with_five_tangents(benchmark):
    # 98 inputs, 122 hidden units: 12,078 weights; QR every ten steps.
    spec = curlflow.preset("fig3cd").replace({"network.inputs": 98, "dynamics.kind": "flow"})
    with jax.enable_x64(True):
        flow = eqx.tree_at(lambda f: f.integrator, spec.build().flow(), FixedSteps(np.asarray(0.02)))
        run = TangentState(flow.state, random_tangents(flow, flow.state, 5, key=jax.random.key(0)), flow.clock(), 0)
        run = as_numpy(run)

        def at_once():
            tangents.ONE_BY_ONE, before = 10**9, tangents.ONE_BY_ONE
            try:
                return vmapped(flow, run)
            finally:
                tangents.ONE_BY_ONE = before

        vmapped = eqx.filter_jit(
            lambda f, r: lyapunov_blocks.__wrapped__(f, r, np.asarray(0.2), np.asarray(STEPS // 10)).run
        )
        cases = {
            "all tangents under vmap": lambda: jax.block_until_ready(at_once()),
            "curlflow (one tangent after the other)": lambda: blocks(flow, run, 0.2, STEPS // 10),
        }
        seconds = interleaved(cases)
        benchmark.extra_info.update(report("RK4 step, 12,078 weights, 5 tangents", seconds, 1e3 / STEPS, "ms a step"))
        benchmark.pedantic(list(cases.values())[-1], rounds=5)


def test_ways_to_step_with_tangents(benchmark):
    # The preset of `make run`, on its attractor, at tolerances that give the same exponents within their errors.
    spec = curlflow.preset("hidden_chaos").replace("realizations", 1)
    options = {"transient": 400.0, "alignment": 20.0, "duration": 20.0, "block": 1.0}
    ways = {
        "tsit5": ("tsit5", "adaptive"),
        "fixed steps": ("tsit5", "fixed"),
        "auto: stabilised steps in rank-one form": ("auto", "adaptive"),
    }
    specs = {name: spec.replace("dynamics.solver", solver) for name, (solver, _) in ways.items()}
    start = {name: curlflow.lyapunov(specs[name], stepping=ways[name][1], **options) for name in ways}
    cases = {name: lambda n=name: curlflow.lyapunov(specs[n], resume=start[n], duration=20.0) for name in ways}
    seconds = interleaved(cases, rounds=5)
    benchmark.extra_info.update(report("hidden_chaos, 5 exponents", seconds, 1e3 / 20, "ms per unit of time"))
    benchmark.pedantic(cases["auto: stabilised steps in rank-one form"], rounds=2)


def test_a_second_call(benchmark):
    options = {"duration": 1.0, "transient": 1.0, "alignment": 1.0, "block": 0.5}
    spec = curlflow.Spec(network={"inputs": 5, "hidden": 4}, constraint={"kind": "frobenius"})
    cases = {
        "learning system, new seed": lambda: curlflow.lyapunov(spec.replace("seed", 1), **options),
        "Lorenz, new parameters": lambda: curlflow.lyapunov(systems.lorenz63(rho=29.0), **options),
    }
    seconds = interleaved(cases, rounds=15)
    benchmark.extra_info.update(report("a second call with the same shapes", seconds, 1e3, "ms"))
    benchmark.pedantic(cases["Lorenz, new parameters"], rounds=10)


def test_import(benchmark):
    cases = {
        "python": lambda: subprocess.run([sys.executable, "-c", "pass"], check=True),
        "import curlflow": lambda: subprocess.run([sys.executable, "-c", "import curlflow"], check=True),
    }
    benchmark.extra_info.update(report("import", interleaved(cases), 1e3, "ms"))
    benchmark.pedantic(cases["import curlflow"], rounds=5)
