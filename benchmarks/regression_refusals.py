"""Bad calls of every study for `regression.py`, whose sentences are compared."""

import functools
from collections.abc import Callable
from typing import Any

import networkx as nx
import numpy as np
import xarray as xr
from regression_cases import BATCHES, FLOW, NOISE, ONE, PLAIN, RULE, TANH, UPDATES, graph, lorenz, noisy

import curlflow
from curlflow import systems

WRONG = {"a number": 3, "a word": "fig1", "nothing": None, "a dataset": xr.Dataset(), "a rule": RULE["rule"]}
"""Subjects that are none."""
SYSTEMS = {"a flow": lorenz(), "a map": systems.henon(), "a diffusion": noisy()}
NOISELESS = {name: SYSTEMS[name] for name in ("a map", "a diffusion")}
NOISY = {"batches": BATCHES, "sde": NOISE}
CYCLE = nx.DiGraph([("a", "b"), ("b", "a")])
COMMON = [{"rule": 3}, {"rule": "curl"}, {"graph": 3}, {"graph": nx.Graph()}, {"graph": CYCLE}, {"progress": 3}]
LENGTHS = [
    {"duration": -1}, {"duration": 0}, {"duration": np.inf}, {"duration": np.nan}, {"duration": "long"},
    {"transient": -1}, {"transient": "long"}, {"transient": True},
]  # fmt: skip
EXPONENTS = [{"exponents": 0}, {"exponents": 100}, {"exponents": 1.5}, {"exponents": "all"}, {"exponents": True}]
SEEDS = [{"seed": -1}, {"seed": 0.5}, {"seed": "a"}, {"seed": True}]
RUNS = [{"epochs": 0}, {"epochs": -1}, {"epochs": 1.5}, {"epochs": "many"}, {"records": 0}, {"records": None}]
TANGENTS = [
    *COMMON, *LENGTHS, *EXPONENTS, *SEEDS, {"alignment": -1}, {"alignment": None, "block": 0}, {"block": -1},
    {"block": "a"}, {"rtol": 0}, {"rtol": 2}, {"atol": -1}, {"atol": "small"}, {"transverse": True, "exponents": 100},
]  # fmt: skip
PLANES = [
    {"at": "end"}, {"at": 3}, {"at": [[[1.0]]]}, {"at": xr.Dataset()}, {"loss": 3}, {"directions": "up"},
    {"directions": (0, 0)}, {"directions": (0, 99)}, {"directions": 3}, {"directions": [[1.0], [2.0]]},
]  # fmt: skip
OVER = {"seed": [0, 1]}
SHORT = {"transient": 1, "duration": 2}
CURVES = xr.Dataset({"state": (("time", "neuron"), np.random.default_rng(0).normal(size=(20, 2)))})


def study(name: str, subject: Any, given: list[dict], base: dict | None = None, first: tuple = ()) -> dict:
    """A call for every bad argument, in place of one that is good and short."""
    function = getattr(curlflow, name)
    return {
        f"refusal: {name} of {_label(subject)}, {_label(bad)}": functools.partial(
            function, subject, *first, **{**(base or {}), **bad}
        )
        for bad in given
    }


def subjects(name: str, base: dict | None = None, first: tuple = (), wrong: dict = WRONG | SYSTEMS) -> dict:
    """A call for everything that is no subject of the study."""
    function = getattr(curlflow, name)
    return {
        f"refusal: {name} of {what}": functools.partial(function, s, *first, **base or {})
        for what, s in wrong.items()
    }


def _label(given: Any) -> str:
    if isinstance(given, dict):
        return ", ".join(f"{name}={_label(value)}" for name, value in given.items())
    if isinstance(given, curlflow.Spec):
        return f"a spec of {given.dynamics.kind}"
    kinds = curlflow.Flow, curlflow.Map, curlflow.Diffusion, xr.Dataset, nx.Graph
    return type(given).__name__ if isinstance(given, kinds) or callable(given) else repr(given)


def replaced(**change: Any) -> Callable[[], Any]:
    return lambda: FLOW.replace({name.replace("__", "."): value for name, value in change.items()})


def specs() -> dict:
    changes = [
        {"seed": -1}, {"realizations": 0}, {"network__inputs": 0}, {"network__hidden": [2, 0]}, {"network__width": 3},
        {"network__activation": "cosine"}, {"rule__kind": "hebb"}, {"rule__flipped__inputs": 2},
        {"rule__flipped__outputs": 0.5}, {"rule__flipped__hidden": {"indices": [9]}}, {"dynamics__kind": "steps"},
        {"dynamics__solver": "euler"}, {"dynamics__rtol": 2.0}, {"dynamics__learning_rate": 0.1},
        {"dynamics": {"kind": "updates", "batch": 3}}, {"dynamics": {"kind": "sde"}}, {"data__samples": "all"},
        {"start__offset": 1}, {"constraint": {"kind": "sphere"}}, {"teacher__width": [1, 2]},
        {"dynamics": {"kind": "sde", "batch": 4, "step": 0.03}}, {"data__samples": 0}, {"nothing": 1},
    ]  # fmt: skip
    calls = {f"refusal: a spec, {_label(change)}": replaced(**change) for change in changes}
    return calls | {
        "refusal: preset": lambda: curlflow.preset("fig"),
        "refusal: load": lambda: curlflow.load("missing.nc"),
        "refusal: save": lambda: curlflow.save(3, "missing.nc"),
        "refusal: build": lambda: FLOW.build(realization=-1),
        "refusal: a rule and a graph with signs": lambda: FLOW.build(graph=graph()),
        "refusal: a flow": lambda: curlflow.Flow(lambda t, x: x, [1.0]),
        "refusal: a map": lambda: curlflow.Map(lambda i, x, args: x, [1.0], -1.0),
        "refusal: a diffusion": lambda: curlflow.Diffusion(lambda t, x, a: x, lambda t, x, a, b: b, [1.0], 0.1, 3),
        "refusal: no attribute": lambda: curlflow.lyapunovs,
    }


def of_subjects() -> dict:
    own = [{"rule": RULE["rule"]}, {"graph": graph()}]
    resumed = [{"resume": 3}, {"resume": xr.Dataset()}]
    tangents = {"transient": 1, "alignment": 1, "duration": 2, "block": 0.5}
    few = {**tangents, "block": 1.0}
    stepping = [{"stepping": "euler"}, {"tolerance": -1}, {"tolerance": "a"}]
    times = [{"times": [1, 0]}, {"times": [-1]}, {"times": []}, {"times": "all"}, {"times": [np.nan]}, {"times": 3}]
    points = [{"at": "end"}, {"at": 3}, {"at": [[[1.0]]]}, {"at": [np.full((2, 3), np.nan), np.ones((1, 2))]}]
    window = {"window": (0, 10), "lags": 4}
    windows = [
        {"window": (5, 1)}, {"window": 3}, {"window": "late"}, {"window": (-1, 4)}, {"window": (0, 1e12)},
        {"interval": 0}, {"interval": 0.5}, {"lags": 0}, {"lags": 1000}, {"weights": 0}, {"weights": 1000},
        {"components": 0}, {"components": 99}, {"snapshots": 1},
    ]  # fmt: skip
    looks = [{"observables": 3}, {"observables": "error"}, {"observables": lambda x: "a"}]
    return {
        **subjects("lyapunov", tangents, wrong=WRONG),
        **study("lyapunov", FLOW, [*TANGENTS, *resumed, *stepping, {"compress": 3}], tangents),
        **study("lyapunov", UPDATES, [{"stepping": "fixed"}, {"rtol": 0.1}, {"block": 1e-3}], tangents),
        **study("lyapunov", TANH, [{"transverse": True}], tangents),
        **study("lyapunov", lorenz(), [*own, {"transverse": True}, {"exponents": 4}], tangents),
        **study("lyapunov", systems.henon(), [{"stepping": "fixed"}, {"atol": 0.1}, {"block": 0.1}], few),
        **subjects("covariant_vectors", tangents, wrong=WRONG),
        **study("covariant_vectors", FLOW, [*TANGENTS, {"block": 5}], tangents),
        **study("covariant_vectors", lorenz(), [*own, {"transverse": True}], tangents),
        **subjects("simulate", {"times": [0, 1]}, wrong=WRONG),
        **study("simulate", FLOW, [*COMMON, *times, {"weights": "some"}, {"weights": 9}, {"weights": -1}]),
        **study("simulate", UPDATES, [{"times": [0.5]}, {"compress": 3}], {"times": [0, 1]}),
        **study("simulate", systems.henon(), [*own, {"times": [0.5]}, {"weights": "all"}]),
        **subjects("fluctuations", window, wrong=WRONG | {"strings": xr.Dataset({"state": ("time", ["a", "b"])})}),
        **study("fluctuations", UPDATES, [*COMMON, *windows, *SEEDS, {"compress": 3}], window),
        **study("fluctuations", lorenz(), own, window),
        **study("fluctuations", CURVES, [*windows, *own, {"progress": True}, {"compress": False}]),
        **subjects("classify", SHORT, wrong=WRONG | NOISY | {"a diffusion": noisy()}),
        **study("classify", ONE, [*COMMON, *LENGTHS, *EXPONENTS, *SEEDS, *looks], {"transient": 1, "duration": 20}),
        **study("classify", systems.henon(), [*own, *LENGTHS, {"duration": 3}], {"transient": 10, "duration": 600}),
        **subjects("stability", wrong=WRONG | {"a diffusion": noisy()}),
        **study("stability", FLOW, [*COMMON, *points, {"eigenvalues": 0}, {"tolerance": 0}, {"tolerance": 2}]),
        **study("stability", lorenz(), [*own, {"at": "solution"}, {"at": [1.0]}, {"at": "end"}]),
        **subjects("decomposition", wrong=WRONG | NOISELESS),
        **study("decomposition", ONE, [*COMMON, *PLANES, *times, *SEEDS, {"method": "fast"}, {"probes": 1}]),
        **study("decomposition", ONE, [{"radius": 0}, {"radius": -1}, {"at": "solution", "times": [0, 1]}]),
        **study("decomposition", lorenz(), [*own, *PLANES, {"at": "solution"}]),
        **subjects("plane_decomposition", {"grid": 3}, wrong=WRONG | NOISELESS),
        **study("plane_decomposition", ONE, [*COMMON[:-1], *PLANES, {"grid": 1}, {"extent": 0}, {"extent": (1, -1)}]),
        **study("plane_decomposition", ONE, [{"grid": (3, 3, 3)}, {"realization": -1}, {"extent": 1e-15}]),
        **study("plane_decomposition", lorenz(), [*own, {"realization": 1}]),
    }


def of_specs() -> dict:
    short = {"epochs": 3, "records": 2}
    rules = [{"rules": []}, {"rules": "gradient"}, {"rules": ["hebb"]}, {"rules": [3]}, {"rules": ["curl", "curl"]}]
    rates = [{"learning_rates": given} for given in ([], 0.1, [0.1, 0.1], [-1])]
    refused = [{"threshold": 0}, {"threshold": "a"}, {"stop": 1}, {"compress": 1}]
    names = [{"over": over} for over in ({"verdict": [1]}, {"r": ["a"]}, {"r": [1, 1]})]
    axes = [{"over": over} for over in (3, {}, OVER | {"rule.gain": [1.0]}, {"gain": [1.0]})]
    arrive = {**short, "rules": ["gradient"]}
    compared = xr.Dataset(
        {name: (("rule", "realization"), np.ones((2, 3))) for name in ("convergence_time", "convergence_epoch")}
        | {"horizon": 2.0},
        {"rule": ["a", "b"]},
    )
    layers = [{"layer": "outputs"}, {"layer": 3}, {"inputs": 2}, {"inputs": []}, {"inputs": [0.1], "layer": "hidden"}]
    return {
        **subjects("train", short),
        **study("train", ONE, [*COMMON, *RUNS, *refused], short),
        **subjects("convergence", short),
        **study("convergence", ONE, [*COMMON[2:], *RUNS, *SEEDS, *rules, {"error": "peak"}], arrive),
        **study("convergence", ONE, [{"relative": 1}, {"to_end": "yes"}, {"compress": 1}, {"threshold": -1}], arrive),
        **study("convergence", ONE.replace("data.test_samples", 1), [{"relative": True}], short),
        **subjects("compare_rules"),
        **study("compare_rules", compared, [{"baseline": "c"}, {"baseline": 0}, *SEEDS]),
        **study("compare_rules", compared.isel(rule=0), [{}]),
        **subjects("step_sizes", SHORT),
        **study("step_sizes", ONE, [*rates, *LENGTHS, *EXPONENTS, *SEEDS], {"transient": 1, "duration": 60}),
        **subjects("bifurcation", SHORT, ({"r": [1.0]},)),
        **study("bifurcation", ONE, [{"observable": "size"}, {"observable": len}, *SEEDS, {"engine": "gpu"}],
                {**SHORT, "engine": "serial"}, ({"rule.gain": [1.0]},)),
        **study("bifurcation", ONE, axes, SHORT),
        **study("bifurcation", systems.logistic, [{"observable": "size"}, {"directory": "x"}, {"workers": 1}],
                {"transient": 10, "duration": 600}, ({"r": [3.2]},)),
        **study("bifurcation", systems.logistic, names),
        **study("bifurcation", float, [{"over": {"r": [1.0]}}]),
        **study("boundary", [0.5], layers),
        **study("boundary", [0.0], [{}]),
        **study("boundary", "a", [{}]),
        **study("boundary", [], [{}]),
    }  # fmt: skip


def of_sweeps() -> dict:
    short = {"epochs": 3, "records": 2}
    over = [3, {}, {"seeds": [0]}, {"seed": []}, {"seed": [0, 0]}, {"seed": 1}, {"seed": [-1]}, {"realization": [1]}]
    names = [{"study": s} for s in ("trains", "plane_decomposition", "boundary", 3, "os:missing", len)]
    options = [{"options": o} for o in (3, {"epoch": 3}, {"progress": True}, {"spec": 1}, {"epochs": {1, 2}})]
    rest = [
        {"engine": "threads"}, {"engine": 3}, {"workers": 0}, {"engine": "serial", "workers": 2}, {"version": 1},
        {"progress": 3}, {"other_version": "keep"}, {"scheduler": 3},
    ]  # fmt: skip
    base = {"over": OVER, "options": short, "engine": "serial"}
    axes = [
        lambda: curlflow.Axis("seed", []), lambda: curlflow.Axis(3, [1]), lambda: curlflow.Axis("seed", "a"),
        lambda: curlflow.Axis.compression_ratio([-1.0], total=6), lambda: curlflow.Axis.compression_ratio([1.0]),
    ]  # fmt: skip
    return {
        **subjects("sweep", base),
        **study("sweep", UPDATES, [{"over": o} for o in over], base),
        **study("sweep", UPDATES, [*names, *options, *rest], base),
        **{f"refusal: axis {i}": axis for i, axis in enumerate(axes)},
        "refusal: axis of a missing field": lambda: curlflow.sweep(PLAIN, {"a": curlflow.Axis("b.c", [1])}),
    }


REFUSALS = specs() | of_subjects() | of_specs() | of_sweeps()
