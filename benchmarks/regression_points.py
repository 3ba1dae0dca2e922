"""More cases of `regression.py`: points of weight space, theory, and sweeps."""

import tempfile

import jax.numpy as jnp
import numpy as np
from regression_cases import (
    BATCHES,
    DEEP,
    FLOW,
    GRAPH,
    NOISE,
    ONE,
    PLAIN,
    RULE,
    RULES,
    TANH,
    UPDATES,
    WIDE,
    Cases,
    interrupted,
    lorenz,
    named,
)

import curlflow
from curlflow import systems


def stabilities() -> Cases:
    run = curlflow.stability
    weights = [np.arange(6.0).reshape(2, 3) / 10, np.array([[0.5, -0.2]])]
    return {
        "solution": lambda: run(FLOW),
        "free": lambda: run(FLOW.replace("constraint.kind", "none")),
        "updates": lambda: run(UPDATES, eigenvalues=2),
        "batches": lambda: run(BATCHES),
        "sde": lambda: run(NOISE),
        "tanh": lambda: run(TANH),
        "deep": lambda: run(DEEP),
        "wide": lambda: run(WIDE),
        "origin": lambda: run(FLOW.replace("constraint.kind", "none"), at="origin"),
        "origin_deep": lambda: run(DEEP.replace("constraint.kind", "none"), at="origin"),
        "start": lambda: run(FLOW, at="start"),
        "weights": lambda: run(TANH, at=weights, tolerance=1e-6),
        "networks": lambda: run(TANH, at=[TANH.build(realization=i).teacher for i in range(2)]),
        "graph": lambda: run(PLAIN, **GRAPH),
        "rule": lambda: run(PLAIN, **RULE),
        **{name: lambda rule=rule: run(ONE.replace("rule", rule)) for name, rule in RULES.items()},
        "lorenz": lambda: run(lorenz(), at="origin"),
        "henon": lambda: run(systems.henon(), at=[0.6, 0.2]),
        "linear": lambda: run(systems.linear([[-1.0, 2.0], [-2.0, -1.0]])),
        "interrupted": lambda: interrupted(lambda p: run(FLOW, progress=p), after=2),
    }


def parts() -> Cases:
    run = curlflow.decomposition
    return {
        "start": lambda: run(FLOW),
        "solution": lambda: run(UPDATES, at="solution", directions=(0, 3), radius=0.2),
        "deep": lambda: run(DEEP),
        "origin": lambda: run(TANH, at="origin"),
        "estimate": lambda: run(TANH, method="estimate", probes=8, seed=2),
        "along_flow": lambda: run(FLOW, times=[0, 1, 2]),
        "along_updates": lambda: run(UPDATES, times=[0, 3], directions="trajectory"),
        "along_batches": lambda: run(BATCHES, times=[0, 3]),
        "of_dataset": lambda: run(FLOW, at=curlflow.simulate(UPDATES, times=[0, 3], weights="all")),
        "graph": lambda: run(PLAIN, **GRAPH),
        "rule": lambda: run(PLAIN, **RULE),
        "lorenz": lambda: run(lorenz(), times=[0, 1], loss=lambda x: jnp.sum(x**2)),
        "state": lambda: run(systems.linear([[0.0, 1.0], [-2.0, 0.0]]), at=[1.0, 0.5]),
        "interrupted": lambda: interrupted(lambda p: run(ONE, progress=p)),
    }


def planes() -> Cases:
    run = curlflow.plane_decomposition
    return {
        "fig1": lambda: run(curlflow.preset("fig1"), at="origin", extent=2, grid=6),
        "constraint": lambda: run(FLOW, grid=(5, 4), extent=(0.5, 0.3), realization=1),
        "tanh": lambda: run(TANH, at="solution", directions=(0, 4), grid=4),
        "graph": lambda: run(PLAIN, grid=4, **GRAPH),
        "rule": lambda: run(PLAIN, grid=4, **RULE),
        "linear": lambda: run(systems.linear([[0.0, 1.0], [-2.0, 0.0]]), grid=4, loss=lambda x: jnp.sum(x**2)),
    }


def boundaries() -> Cases:
    return {
        "both": lambda: curlflow.boundary([0.05, 0.5, 1.0, 20.0]),
        "hidden": lambda: curlflow.boundary(np.geomspace(0.01, 10, 60), layer="hidden"),
        "surface": lambda: curlflow.boundary([0.1, 1.0], inputs=[0.0, 0.1, 0.2]),
    }


def grids() -> Cases:
    fields = {"seed": [0, 1], "rule.flipped.inputs": [0.0, 0.67]}
    short = {"epochs": 30, "records": 3}

    def run(*arguments, **more):
        return curlflow.sweep(*arguments, engine="serial", **more)

    def extended():
        with tempfile.TemporaryDirectory() as folder:
            run(UPDATES, {"seed": [0, 1]}, "train", short, directory=folder)
            return run(UPDATES, {"seed": [2, 1, 0]}, "train", short, directory=folder, extend=True)

    ratios = {"c": curlflow.Axis.compression_ratio([0.5, 2.0], total=6)}
    return {
        "train": lambda: run(UPDATES, fields, "train", short),
        "extended": extended,
        "ratios": lambda: run(UPDATES.replace("rule.flipped.inputs", 0.5), ratios, "stability"),
        "lyapunov": lambda: run(ONE, {"seed": [0, 1]}, "lyapunov", {"exponents": 1, "transient": 1, "duration": 5}),
        "simulate": lambda: run(UPDATES, {"seed": [0, 1]}, "simulate", {"times": [0, 1, 3], "weights": "all"}),
        "convergence": lambda: run(UPDATES, {"rule.gain": [1.0, 0.5]}, "convergence", {"threshold": 0.1, **short}),
        "fluctuations": lambda: run(BATCHES, {"seed": [0, 1]}, "fluctuations", {"window": [5, 25], "lags": 4}),
        "decomposition": lambda: run(ONE, {"seed": [0, 1]}, "decomposition", {"at": "solution"}),
        "failed": lambda: run(UPDATES, {"network.hidden": [1, 2]}, "simulate", {"times": [0, 1], "weights": 6}),
    }


CASES = named(
    {
        "stability": stabilities, "decomposition": parts, "plane_decomposition": planes, "boundary": boundaries,
        "sweep": grids,
    }
)  # fmt: skip
