"""curlflow: its public calls, and for networks the loop behind them, from given tangents."""

import functools

import jax.numpy as jnp
import networks
import problems as p
import training as t

import curlflow
from curlflow.measures import lyapunov_spectrum


def lorenz96(t, x, args):
    return (jnp.roll(x, -1) - jnp.roll(x, 2)) * jnp.roll(x, 1) - x + 8.0


def call(system, **options):
    """What a user writes."""
    return curlflow.lyapunov(system, **options).lyapunov_exponent.to_numpy()[0]


LORENZ = {"duration": p.LORENZ_TIME, "transient": 25.0, "alignment": 25.0}
MAP = {"duration": p.ITERATIONS, "transient": p.TRANSIENT // 2, "alignment": p.TRANSIENT // 2}
FLOWS = {n: curlflow.Flow(lorenz96, p.lorenz96(n)) for n in p.LORENZ96}
CALLS = {
    "lorenz63": (curlflow.systems.lorenz63(), LORENZ),
    "henon": (curlflow.systems.henon(), MAP),
    "logistic": (curlflow.systems.logistic(4.0), MAP),
    **{
        f"lorenz96-{n}": (FLOWS[n], {"duration": time, "transient": 10.0, "alignment": 10.0, "exponents": 10})
        for n, (time, _, _) in p.LORENZ96.items()
    },
}


def network(case, solver):
    """The loop alone, over blocks of one unit of time."""
    weights, k = map(int, case.split("-")[1:])
    flow, run = networks.start(weights, k, solver)
    return lyapunov_spectrum(flow, block=1.0, number=round(p.WEIGHTS[weights]), start=run).exponents


def trained(spec, epochs):
    """Errors and weights at the start and after so many epochs."""
    spec = spec.replace("dynamics.kind", "updates")
    return curlflow.simulate(spec, times=[0, epochs], weights="all")


def updates():
    return trained(t.linear(), t.EPOCHS).weights.to_numpy()[0, -1, -109:-104]


def minibatches():
    return trained(t.tanh(), t.MINIBATCH_EPOCHS).test_error.to_numpy()[0, -1:]


def convergence():
    return curlflow.convergence(t.tanh(dynamics=t.FLOW), rules=["curl"]).convergence_time.to_numpy()[0]


def ensemble():
    return curlflow.simulate(t.ensemble(), times=[0, t.UNTIL]).train_error.to_numpy()[:, -1]


NETWORKS = [case for case in p.CASES if case.startswith("network")]
WORK = {
    "curlflow": {
        **{case: functools.partial(call, system, **options) for case, (system, options) in CALLS.items()},
        **{case: functools.partial(network, case, "auto") for case in NETWORKS},
        "updates": updates,
        "minibatches": minibatches,
        "tanh": convergence,
        "ensemble": ensemble,
    },
    **{
        name: {
            case: functools.partial(call, system, **options, **how)
            for case, (system, options) in CALLS.items()
            if system.continuous
        }
        for name, how in {
            "curlflow, rtol 1e-4": {"rtol": 1e-4, "atol": 1e-6},
            "curlflow, fixed steps": {"stepping": "fixed"},
        }.items()
    },
    "curlflow, tsit5": {case: functools.partial(network, case, "tsit5") for case in NETWORKS},
}
