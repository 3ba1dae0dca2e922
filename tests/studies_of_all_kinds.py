"""A small dataset of every study, by the study's name: of a spec and of systems."""

from collections.abc import Callable

import jax
import xarray as xr

import curlflow
from curlflow import problem, systems
from curlflow.networks import Recurrent

SPEC = curlflow.Spec(
    network={"inputs": 3, "hidden": 2}, data={"samples": 8, "test_samples": 4}, realizations=2,
    rule={"kind": "curl", "flipped": {"inputs": {"count": 1}}}, constraint={"kind": "frobenius"},
)  # fmt: skip
UPDATES = SPEC.replace("dynamics", {"kind": "updates"})
TANGENTS = {"exponents": 3, "transient": 1, "alignment": 1, "duration": 30, "block": 0.5}
VERDICTS = {"exponents": 1, "transient": 10, "duration": 100}
MAPS = {"transient": 100, "duration": 600}


def _convergence() -> xr.Dataset:
    return curlflow.convergence(UPDATES.replace("rule.gain", 0.3), epochs=300, records=10, threshold=0.05)


def _inner_lyapunov() -> xr.Dataset:
    data = problem.integration(samples=5, test_samples=0, steps=6)
    network = Recurrent.drawn(jax.random.key(0), inputs=1, hidden=5, outputs=1, gain=2.0)
    learning = curlflow.Experiment(model=network, data=data, dynamics={"kind": "updates"})
    return curlflow.inner_lyapunov(learning, times=[0, 5, 10], exponents=2, transient=10, alignment=10, duration=60)


DATASETS: dict[str, list[Callable[[], xr.Dataset]]] = {
    "lyapunov": [
        lambda: curlflow.lyapunov(UPDATES, **TANGENTS),
        lambda: curlflow.lyapunov(systems.henon(), exponents=2, transient=100, alignment=100, duration=300),
    ],
    "inner_lyapunov": [_inner_lyapunov],
    "covariant_vectors": [
        lambda: curlflow.covariant_vectors(UPDATES, **TANGENTS),
        lambda: curlflow.covariant_vectors(systems.henon(), transient=100, alignment=100, duration=300),
    ],
    "simulate": [
        lambda: curlflow.simulate(UPDATES, times=range(20)),
        lambda: curlflow.simulate(systems.henon(), times=range(50)),
        lambda: curlflow.simulate(systems.lorenz63(), times=[0.1 * i for i in range(200)]),
    ],
    "train": [lambda: curlflow.train(UPDATES, epochs=50, records=5)],
    "convergence": [_convergence],
    "compare_rules": [lambda: curlflow.compare_rules(_convergence(), baseline="curl")],
    "fluctuations": [
        lambda: curlflow.fluctuations(UPDATES, window=(0, 60), lags=20),
        lambda: curlflow.fluctuations(systems.henon(), window=(100, 200)),
    ],
    "classify": [
        lambda: curlflow.classify(UPDATES, **VERDICTS),
        lambda: curlflow.classify(systems.henon(), **MAPS),
    ],
    "step_sizes": [
        lambda: curlflow.step_sizes(UPDATES, learning_rates=[0.1, 0.05, 0.02], **VERDICTS),
        lambda: curlflow.step_sizes(UPDATES, learning_rates=[0.1], **VERDICTS).isel(realization=[0]),
    ],
    "bifurcation": [
        lambda: curlflow.bifurcation(UPDATES, {"rule.gain": [1.0, -1.0]}, engine="serial", **VERDICTS),
        lambda: curlflow.bifurcation(systems.logistic, {"r": [3.2, 3.5, 3.9]}, **MAPS),
    ],
    "stability": [
        lambda: curlflow.stability(SPEC),
        lambda: curlflow.stability(SPEC.replace("constraint", {"kind": "none"}), at="origin"),
        lambda: curlflow.stability(systems.lorenz63(), at="origin"),
    ],
    "decomposition": [
        lambda: curlflow.decomposition(SPEC),
        lambda: curlflow.decomposition(UPDATES, times=[0, 3, 6]),
        lambda: curlflow.decomposition(systems.lorenz63(), method="estimate", probes=8),
        lambda: curlflow.decomposition(curlflow.games.dirac_gan().updates(learning_rate=0.1)),
    ],
    "plane_decomposition": [
        lambda: curlflow.plane_decomposition(SPEC, grid=6),
        lambda: curlflow.plane_decomposition(systems.linear([[0.0, 1.0], [-2.0, 0.0]]), grid=6),
    ],
    "boundary": [
        lambda: curlflow.boundary([0.05, 0.5, 1.0]),
        lambda: curlflow.boundary([0.1, 1.0], inputs=[0.0, 0.1]),
    ],
}
