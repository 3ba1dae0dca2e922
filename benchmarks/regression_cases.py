"""The cases of `regression.py`: every study on small specs and systems, long enough for numbers in every variable."""

import itertools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import networkx as nx
import numpy as np
import xarray as xr

import curlflow
from curlflow import systems

Cases = dict[str, Callable[[], xr.Dataset]]

FLOW = curlflow.Spec(
    network={"inputs": 3, "hidden": 2}, data={"samples": 8, "test_samples": 4}, realizations=2,
    rule={"kind": "curl", "flipped": {"inputs": {"count": 1}}}, constraint={"kind": "frobenius"},
)  # fmt: skip
ONE = FLOW.replace("realizations", 1)
UPDATES = FLOW.replace("dynamics", {"kind": "updates"})
BATCHES = FLOW.replace("dynamics", {"kind": "updates", "batch": 4})
INDEPENDENT = FLOW.replace("dynamics", {"kind": "updates", "batch": 4, "drawing": "independent", "noise_seed": 3})
NOISE = FLOW.replace("dynamics", {"kind": "sde", "batch": 4})
CORRECTED = ONE.replace("dynamics", {"kind": "sde", "batch": 4, "correction": True, "step": 0.05, "noise_seed": 3})
TANH = FLOW.replace({"network.activation": "tanh", "constraint.kind": "none"})
DEEP = FLOW.replace(
    {"network.activation": "tanh", "network.hidden": [2, 2], "network.outputs": 2, "rule.flipped.hidden": 0.5}
)
WIDE = ONE.replace("network.hidden", 12)
WIDE_UPDATES = WIDE.replace("dynamics", {"kind": "updates"})
NEAR = ONE.replace({"start": {"kind": "teacher", "offset": {"layer": 1, "value": 1e-3}}, "rule.flipped.inputs": 0.0})
RULES = {
    "gradient": {"kind": "gradient"},
    "postsynaptic": {"kind": "curl", "side": "postsynaptic", "gain": -0.5, "flipped": {"hidden": {"indices": [1]}}},
    "synapse": {"kind": "curl", "side": "synapse", "flipped": {"inputs": {"random": 0.5}}},
    "feedback_alignment": {"kind": "feedback_alignment", "flipped": {"hidden": 0.5}},
    "predictive_coding": {"kind": "predictive_coding", "steps": 3},
    "oja": {"kind": "oja"},
    "sanger": {"kind": "sanger"},
}


class Hebbian(curlflow.rules.AbstractLearningRule):
    """A rule that the package does not know."""

    def velocity(self, network, task):
        x, error = task.residuals(network)
        h = network.forward(x).activities
        parts = [0.1 * after @ before.T / x.shape[1] for before, after in itertools.pairwise(h)]
        return network.with_weights([*parts[:-1], -error @ h[-2].T])


def graph() -> nx.DiGraph:
    """Neurons of a spec's widths, of which some are inhibitory and some synapses are missing."""
    g = nx.DiGraph()
    g.add_nodes_from(["a", "b", "c"], layer=0)
    g.add_node("excitatory", layer=1, type="excitatory")
    g.add_node("inhibitory", layer=1, type="inhibitory")
    g.add_node("out", layer=2)
    g.add_edges_from([("a", "excitatory"), ("b", "excitatory"), ("b", "inhibitory"), ("c", "inhibitory")])
    g.add_edges_from([("excitatory", "out"), ("inhibitory", "out")])
    return g


PLAIN = ONE.replace({"rule": {"kind": "gradient"}, "network.activation": "tanh"})
GRAPH = {"graph": graph()}
RULE = {"rule": Hebbian()}


def lorenz() -> curlflow.Flow:
    return systems.lorenz63()


def noisy() -> curlflow.Diffusion:
    """Two variables that noise keeps apart."""
    with jax.enable_x64(True):
        return curlflow.Diffusion(_drift, _noise, [1.0, 0.5], step=0.05, key=jax.random.key(1), steps=2)


def _drift(t, x, args):
    return jnp.stack([-x[0] + x[1], -0.5 * x[1] - x[0] ** 3])


def _noise(t, x, args, increments):
    return 0.3 * (1 + x) * increments


def runaway() -> curlflow.Flow:
    return curlflow.Flow(_square, [1.0, 2.0])


def _square(t, x, args):
    return x**2


def interrupted(call: Callable, after: int = 0) -> xr.Dataset:
    """What is kept of a study when Ctrl-C comes with the report number `after`."""
    reports = itertools.count()

    def progress(*_):
        if next(reports) >= after:
            raise KeyboardInterrupt

    try:
        call(progress)
    except curlflow.Interrupted as stop:
        return stop.dataset
    raise AssertionError("it was not interrupted")


def exponents() -> Cases:
    short = {"transient": 1, "alignment": 1, "duration": 30, "block": 0.5}
    few = {"transient": 20, "alignment": 20, "duration": 400}
    run = curlflow.lyapunov

    def resumed(subject, **options):
        again = {"graph": options["graph"]} if "graph" in options else {}
        return run(subject, resume=run(subject, **options), duration=3, **again)

    return {
        "flow": lambda: run(FLOW, exponents=6, **short),
        "flow_pilot": lambda: run(ONE, transient=1, alignment=1, duration=10),
        "flow_fixed": lambda: run(ONE, stepping="fixed", exponents=2, **short),
        "flow_tolerance": lambda: run(ONE, tolerance=0.5, rtol=1e-4, atol=1e-6, seed=3, exponents=2, **short),
        "flow_resumed": lambda: resumed(ONE, exponents=2, **short),
        "flow_interrupted": lambda: interrupted(lambda p: run(ONE, exponents=2, progress=p, **short)),
        "deep": lambda: run(DEEP, exponents=2, **short),
        "updates": lambda: run(UPDATES, exponents=6, **short),
        "updates_resumed": lambda: resumed(UPDATES, exponents=2, **short),
        "batches": lambda: run(BATCHES, exponents=2, **short),
        "batches_resumed": lambda: resumed(BATCHES, exponents=2, **short),
        "independent": lambda: run(INDEPENDENT, exponents=2, **short),
        "sde": lambda: run(NOISE, exponents=6, **short),
        "sde_corrected": lambda: run(CORRECTED, exponents=2, **short),
        "sde_resumed": lambda: resumed(CORRECTED, exponents=2, **short),
        "compressed": lambda: run(WIDE, exponents=6, **short),
        "compressed_updates": lambda: run(WIDE_UPDATES, exponents=6, **short),
        "wide": lambda: run(WIDE_UPDATES, exponents=2, compress=False, **short),
        "transverse": lambda: run(ONE, transverse=True, **short),
        "transverse_compressed": lambda: resumed(WIDE_UPDATES, transverse=True, exponents=2, **short),
        "graph": lambda: resumed(PLAIN, exponents=2, **GRAPH, **short),
        "rule": lambda: run(PLAIN, exponents=2, **RULE, **short),
        "lorenz": lambda: run(lorenz(), **short),
        "lorenz_fixed": lambda: run(lorenz(), stepping="fixed", exponents=1, **short),
        "lorenz_resumed": lambda: resumed(lorenz(), **short),
        "henon": lambda: run(systems.henon(), **few),
        "henon_resumed": lambda: resumed(systems.henon(), **few),
        "diffusion": lambda: run(noisy(), **short),
        "diffusion_resumed": lambda: resumed(noisy(), **short),
        "diverging": lambda: run(runaway(), **short),
    }


def vectors() -> Cases:
    short = {"exponents": 2, "transient": 1, "alignment": 5, "duration": 20, "block": 0.5}
    run = curlflow.covariant_vectors
    return {
        "flow": lambda: run(FLOW, **short),
        "updates": lambda: run(UPDATES, **short),
        "batches": lambda: run(BATCHES, **short),
        "sde": lambda: run(NOISE, **short),
        "deep": lambda: run(DEEP, **short),
        "pilot": lambda: run(ONE, exponents=2, transient=1, alignment=5, duration=20, rtol=1e-4, seed=2),
        "transverse": lambda: run(ONE, transverse=True, **short),
        "graph": lambda: run(PLAIN, **GRAPH, **short),
        "rule": lambda: run(PLAIN, **RULE, **short),
        "interrupted": lambda: interrupted(lambda p: run(ONE, progress=p, **short)),
        "lorenz": lambda: run(lorenz(), **short),
        "henon": lambda: run(systems.henon(), transient=20, alignment=20, duration=100),
        "diffusion": lambda: run(noisy(), **short),
        "diverging": lambda: run(runaway(), **short),
    }


def learning_curves() -> Cases:
    times, epochs = [0, 0.5, 2, 7.5], [0, 1, 3, 10]
    run = curlflow.simulate
    rules = {
        f"rule_{name}": lambda rule=rule: run(ONE.replace("rule", rule), times=times) for name, rule in RULES.items()
    }
    solvers = {
        name: lambda name=name: run(ONE.replace("dynamics.solver", name), times=times)
        for name in ("dopri8", "rkc2", "kvaerno3")
    }
    population = UPDATES.replace("data.samples", "population")
    return rules | solvers | {
        "flow": lambda: run(FLOW, times=times, weights="all"),
        "defaults": lambda: run(UPDATES),
        "updates": lambda: run(UPDATES, times=epochs, weights=3),
        "population": lambda: run(population, times=epochs),
        "batches": lambda: run(BATCHES, times=epochs, weights="all"),
        "independent": lambda: run(INDEPENDENT, times=epochs),
        "sde": lambda: run(NOISE, times=epochs, weights="all"),
        "sde_corrected": lambda: run(CORRECTED, times=epochs),
        "tanh_updates": lambda: run(TANH.replace("dynamics.kind", "updates"), times=epochs),
        "deep": lambda: run(DEEP, times=times, weights="all"),
        "compressed": lambda: run(WIDE, times=times, weights="all"),
        "compressed_updates": lambda: run(WIDE_UPDATES, times=epochs, weights=5),
        "wide": lambda: run(WIDE, times=times, weights=5, compress=False),
        "graph": lambda: run(PLAIN, times=times, weights="all", **GRAPH),
        "graph_updates": lambda: run(PLAIN.replace("dynamics.kind", "updates"), times=epochs, **GRAPH),
        "rule": lambda: run(PLAIN, times=times, **RULE),
        "rule_updates": lambda: run(PLAIN.replace("dynamics.kind", "updates"), times=epochs, **RULE),
        "near_solution": lambda: run(NEAR, times=times),
        "interrupted": lambda: interrupted(lambda p: run(ONE, times=times, progress=p)),
        "lorenz": lambda: run(lorenz(), times=times),
        "henon": lambda: run(systems.henon(), times=epochs),
        "diffusion": lambda: run(noisy(), times=epochs),
        "diverging": lambda: run(runaway(), times=times),
    }  # fmt: skip


def training() -> Cases:
    short = {"epochs": 100, "records": 5}
    run = curlflow.train
    return {
        "flow": lambda: run(FLOW, **short),
        "updates": lambda: run(UPDATES, **short),
        "separate_data": lambda: run(TANH.replace("dynamics.kind", "updates"), **short),
        "threshold": lambda: run(UPDATES.replace("rule", RULES["gradient"]), threshold=0.1, **short),
        "unstopped": lambda: run(UPDATES, stop=False, **short),
        "settled": lambda: run(UPDATES.replace("rule", RULES["gradient"]), epochs=100_000, records=20),
        "batches": lambda: run(BATCHES, **short),
        "sde": lambda: run(NOISE, **short),
        "compressed": lambda: run(WIDE_UPDATES, **short),
        "compressed_flow": lambda: run(WIDE, **short),
        "wide": lambda: run(WIDE_UPDATES, compress=False, **short),
        "near_solution": lambda: run(NEAR.replace("dynamics.kind", "updates"), **short),
        "near_solution_flow": lambda: run(NEAR, **short),
        "stabilised": lambda: run(ONE.replace("dynamics.solver", "rkc2"), **short),
        "deep": lambda: run(DEEP, **short),
        "graph": lambda: run(PLAIN, **GRAPH, **short),
        "rule": lambda: run(PLAIN.replace("dynamics.kind", "updates"), **RULE, **short),
        "interrupted": lambda: interrupted(lambda p: run(ONE, progress=p, **short)),
    }


def convergences() -> Cases:
    short = {"epochs": 500, "records": 10, "threshold": 0.05}
    run = curlflow.convergence
    flow = FLOW.replace({"realizations": 3, "rule.gain": 0.3})
    updates = flow.replace("dynamics.kind", "updates")
    stabilised = flow.replace("dynamics", {"kind": "flow", "solver": "rkc2", "rtol": 1e-4})
    several = ["gradient", RULES["feedback_alignment"], "curl"]
    named = {"plain": "gradient", "own": Hebbian()}
    return {
        "flow": lambda: run(flow, **short),
        "updates": lambda: run(updates.replace("realizations", 8), rules=several, **short),
        "batches": lambda: run(flow.replace("dynamics", BATCHES.dynamics.model_dump()), **short),
        "sde": lambda: run(flow.replace("dynamics", NOISE.dynamics.model_dump()), **short),
        "stabilised": lambda: run(stabilised, **short),
        "relative": lambda: run(updates, relative=True, error="train", seed=2, **short),
        "to_end": lambda: run(flow, to_end=True, **short),
        "compressed": lambda: run(WIDE_UPDATES.replace("rule.gain", 0.3), **short),
        "named": lambda: run(TANH.replace("dynamics.kind", "updates"), rules=named, **short),
        "graph": lambda: run(PLAIN.replace("dynamics.kind", "updates"), rules=["gradient"], **GRAPH, **short),
        "interrupted": lambda: interrupted(lambda p: run(ONE, rules=["gradient"], progress=p, **short)),
    }


def comparisons() -> Cases:
    def times(settings: int) -> xr.Dataset:
        rng = np.random.default_rng(0)
        shape = (settings, 3, 12)
        found = np.round(rng.exponential(30.0, shape) * np.array([1.0, 0.7, 2.0])[:, None], 2)
        late = found > 60
        dims = ("setting", "rule", "realization")
        return xr.Dataset(
            {
                "convergence_time": (dims, np.where(late, np.nan, found)),
                "convergence_epoch": (dims, np.where(late, 600, np.ceil(found * 10)).astype(int)),
                "horizon": 60.0,
            },
            {"rule": ["first", "second", "third"], "setting": np.arange(settings)},
        )

    return {
        "settings": lambda: curlflow.compare_rules(times(3)),
        "baseline": lambda: curlflow.compare_rules(times(1).isel(setting=0), baseline="second", seed=4),
        "again": lambda: curlflow.compare_rules(
            curlflow.convergence(FLOW, rules=["gradient", "curl"], epochs=100, threshold=0.2), baseline="curl"
        ),
    }


def windows() -> Cases:
    short = {"window": (0, 60), "lags": 25, "weights": 5, "components": 2, "snapshots": 20}
    run = curlflow.fluctuations

    def states(subject):
        return curlflow.simulate(subject, times=range(61), **({"weights": "all"} if subject is BATCHES else {}))

    return {
        "flow": lambda: run(FLOW, interval=0.5, **short),
        "updates": lambda: run(UPDATES, **short),
        "batches": lambda: run(BATCHES, seed=2, **short),
        "sde": lambda: run(NOISE, **{**short, "interval": 2, "lags": 12}),
        "compressed": lambda: run(WIDE.replace("dynamics", BATCHES.dynamics.model_dump()), **short),
        "graph": lambda: run(PLAIN, interval=0.5, **GRAPH, **short),
        "rule": lambda: run(PLAIN.replace("dynamics.kind", "updates"), **RULE, **short),
        "defaults_of_maps": lambda: run(systems.henon(), window=(100, 300)),
        "lorenz": lambda: run(lorenz(), window=(5, 25), interval=0.1),
        "diffusion": lambda: run(noisy(), window=(10, 60)),
        "diverging": lambda: run(runaway(), window=(0, 10)),
        "curves": lambda: run(states(BATCHES), window=(0, 60), weights=3, lags=25, components=2),
        "states": lambda: run(states(systems.henon())),
        "interrupted": lambda: interrupted(lambda p: run(ONE, interval=0.5, progress=p, **short)),
    }


def verdicts() -> Cases:
    short = {"transient": 10, "duration": 100}
    maps = {"transient": 300, "duration": 2000}
    run = curlflow.classify
    return {
        "flow": lambda: run(FLOW, exponents=2, **short),
        "updates": lambda: run(UPDATES, **short),
        "tanh": lambda: run(TANH.replace("realizations", 1), exponents=2, seed=1, **short),
        "graph": lambda: run(PLAIN.replace("dynamics.kind", "updates"), exponents=1, **GRAPH, **short),
        "rule": lambda: run(PLAIN.replace("dynamics.kind", "updates"), exponents=1, **RULE, **short),
        "lorenz": lambda: run(lorenz(), transient=20, duration=150),
        "logistic": lambda: run(systems.logistic(3.83), **maps),
        "chaotic": lambda: run(systems.henon(), observables=lambda x: x[:1] ** 2, **maps),
        "diverging": lambda: run(runaway(), **short),
        "interrupted": lambda: interrupted(lambda p: run(ONE, progress=p, exponents=1, **short)),
    }


def rates() -> Cases:
    short = {"transient": 10, "duration": 100, "exponents": 2}
    flat = FLOW.replace("realizations", 1)
    return {
        "flow": lambda: curlflow.step_sizes(flat, learning_rates=[0.1, 0.05, 0.02], **short),
        "updates": lambda: curlflow.step_sizes(UPDATES, learning_rates=[0.1, 0.05], seed=1, **short),
    }


def diagrams() -> Cases:
    maps = {"transient": 300, "duration": 2000}
    run = curlflow.bifurcation
    short = {"transient": 10, "duration": 100, "engine": "serial"}

    def logistic(progress=None):
        return run(lambda r: systems.logistic(r), {"r": [3.2, 3.9]}, progress=progress, **maps)

    return {
        "gain": lambda: run(ONE, {"rule.gain": [1.0, -1.0]}, **short),
        "fraction": lambda: run(UPDATES, {"rule.flipped.inputs": [0.0, 0.67]}, observable="train_error", **short),
        "logistic": logistic,
        "interrupted": lambda: interrupted(logistic, after=0),
        "flow": lambda: run(
            lambda rho: systems.lorenz63(rho=rho),
            {"rho": [10.0, 28.0]},
            observable=lambda x: x[2],
            transient=20,
            duration=100,
            exponents=3,
            seed=1,
        ),
    }


def named(studies: dict[str, Callable[[], Cases]]) -> Cases:
    """All cases of all studies, with names such as `lyapunov-flow`."""
    return {f"{study}-{name}": case for study, cases in studies.items() for name, case in cases().items()}


CASES = named(
    {
        "lyapunov": exponents, "covariant_vectors": vectors, "simulate": learning_curves, "train": training,
        "convergence": convergences, "compare_rules": comparisons, "fluctuations": windows, "classify": verdicts,
        "step_sizes": rates, "bifurcation": diagrams,
    }
)  # fmt: skip
