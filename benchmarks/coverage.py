"""How often exponents lie within twice their standard error: many runs of systems from random starts.

    python benchmarks/coverage.py out.csv            # all systems, 400 runs each; goes on where it stopped
    python benchmarks/coverage.py out.csv lorenz     # one of them
    python benchmarks/coverage.py out.csv --table    # the table of docs/lyapunov.md

The exponents are compared with closed forms where there are any, otherwise with the mean of all runs, whose own error
is a twentieth of theirs.
"""

import argparse
import csv
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

import curlflow
from curlflow import Diffusion, Flow, Map, systems
from curlflow.measures.convergence import over_starts

RUNS = 400
STARTS = 8
"""How many runs are put together as one call with `starts=` does."""


class Case(NamedTuple):
    """A system, the scale of its random starts, and how long it runs; `exact` exponents where they are known."""

    make: Callable
    spread: float
    options: dict
    exact: tuple[float, ...] = ()
    runs: int = RUNS


def skew_tent(i, x, a):
    """The map with slopes 1/a and −1/(1 − a)."""
    return jnp.where(x < a, x / a, (1 - x) / (1 - a))


def intermittent(i, x, z):
    """The map of Pomeau and Manneville."""
    return (x + x**z) % 1.0


def henon_heiles(t, x, args):
    """The Hamiltonian flow of Hénon and Heiles."""
    return jnp.stack([x[2], x[3], -x[0] - 2 * x[0] * x[1], -x[1] - x[0] ** 2 + x[1] ** 2])


def decay(t, x, args):
    """The drift of one weight."""
    return -0.1 * x


def noise(t, x, args, increments):
    """Its multiplicative noise."""
    return 0.5 * x * increments


def noisy(seed):
    """The weight along another Brownian path."""
    return Diffusion(decay, noise, [1.0], 0.01, jax.random.key(seed))


def learning(seed):
    """A small tanh network that learns from other minibatches, and finds no rest."""
    return curlflow.Spec(
        seed=3, realizations=1, network={"inputs": 4, "hidden": 3, "activation": "tanh"},
        data={"samples": 40}, rule={"kind": "curl", "flipped": {"inputs": 0.5}},
        constraint={"kind": "frobenius"},
        dynamics={"kind": "updates", "learning_rate": 1.0, "batch": 4, "noise_seed": seed},
    )  # fmt: skip


def fixed(system):
    return lambda seed: system


MAPS = {"duration": 5000, "transient": 200, "alignment": 100}
FLOWS = {"duration": 500, "transient": 100, "alignment": 50}
A = 0.4
CASES = {
    "logistic": Case(fixed(systems.logistic(4.0)), 0.1, MAPS, (np.log(2),)),
    "skew_tent": Case(fixed(Map(skew_tent, 0.3, args=A)), 0.1, MAPS, (-A * np.log(A) - (1 - A) * np.log(1 - A),)),
    "henon": Case(fixed(systems.henon()), 0.01, MAPS),
    "noise": Case(noisy, 0.0, {"duration": 500, "transient": 0, "alignment": 0}, (-0.1 - 0.5**2 / 2,)),
    "lorenz": Case(fixed(systems.lorenz63()), 1.0, FLOWS),
    "rossler": Case(fixed(systems.rossler()), 0.5, {**FLOWS, "duration": 2000}),
    "intermittent": Case(fixed(Map(intermittent, 0.3, args=1.7)), 0.1, {**MAPS, "duration": 10_000}),
    # Starts of one energy in the chaotic sea, which part during the transient.
    "henon_heiles": Case(
        fixed(Flow(henon_heiles, [0.0, -0.25, 0.42, 0.0])), 1e-6, {**FLOWS, "transient": 600, "duration": 1000}
    ),
    "learning": Case(
        learning, 0.0, {"duration": 2000, "transient": 2000, "alignment": 500, "exponents": 2}, runs=100
    ),
}


def run(name: str, case: Case, number: int) -> list:
    """One row: exponents, errors, which have converged, and why not."""
    system, rng = case.make(number), np.random.default_rng(number)
    if case.spread:
        moved = np.asarray(system.state) + case.spread * rng.uniform(-1, 1, np.shape(system.state))
        system = eqx.tree_at(lambda s: s.state, system, moved)
    ds = curlflow.lyapunov(system, seed=number, **case.options).isel(realization=0)
    values = (ds.lyapunov_exponent, ds.lyapunov_exponent_se, ds.exponent_converged.astype(int))
    return [name, number, *np.concatenate([np.asarray(v, dtype=float) for v in values]), int(ds.doubt)]


def table(path: Path) -> None:
    """A row of Markdown for every system and exponent; and one for eight starts together."""
    with path.open() as file:
        rows = list(csv.reader(file))
    head = (
        "called converged | within 2 SE | 95 % interval | SE / scatter |\n| --- | --- | --- | --- | --- | --- | --- |"
    )
    lines: list[list[str]] = [[f"| system | exponent | runs | {head}"], [f"| system | exponent | groups | {head}"]]
    for name, case in CASES.items():
        numbers = np.array([[float(v) for v in row[2:-1]] for row in rows if row[0] == name])
        if not len(numbers):
            continue
        values, errors, good = np.split(numbers, 3, axis=1)
        exact = np.array(case.exact) if case.exact else values.mean(axis=0)
        groups = [over_starts(v, e) for v, e in zip(*(grouped(x) for x in (values, errors)), strict=True)]
        together = (np.array(x) for x in zip(*groups, strict=True))
        for kind, (found, error, ok) in enumerate([(values, errors, good == 1), together]):
            lines[kind] += [row(name, k, exact[k], found[:, k], error[:, k], ok[:, k]) for k in range(len(exact))]
    print("\n\n".join("\n".join(part) for part in lines))


def grouped(values: np.ndarray) -> np.ndarray:
    """Rows eight by eight; what is left over is left out."""
    return values[: len(values) // STARTS * STARTS].reshape(-1, STARTS, values.shape[1])


def row(name: str, k: int, exact: float, values: np.ndarray, errors: np.ndarray, ok: np.ndarray) -> str:
    """How many of those that were called converged (`ok`) are near the `exact` value, with Wilson's interval."""
    if not ok.any():
        return f"| {name} | {k + 1} | {len(values)} | 0 | | | |"
    hits = stats.binomtest(int((np.abs(values - exact) <= 2 * errors)[ok].sum()), int(ok.sum()))
    low, high = hits.proportion_ci(method="wilson")
    ratio = np.median(errors[ok]) / values[ok].std()
    share = f"{hits.statistic:.3f} | {low:.3f} to {high:.3f}"
    return f"| {name} | {k + 1} | {len(values)} | {hits.n} | {share} | {ratio:.2f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(CASES)}")
    parser.add_argument("--table", action="store_true")
    given = parser.parse_args()
    if given.table:
        table(given.path)
        return
    done = set()
    if given.path.exists():
        with given.path.open() as file:
            done = {(row[0], int(row[1])) for row in csv.reader(file)}
    for name in given.names or CASES:
        for number in range(CASES[name].runs):
            if (name, number) not in done:
                with given.path.open("a", newline="") as file:
                    csv.writer(file).writerow(run(name, CASES[name], number))


if __name__ == "__main__":
    main()
