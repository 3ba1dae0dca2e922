"""What phase diagrams are compared with: the boundary of large linear networks, and that of networks of these widths.

No analysis of its own: the scripts of the phase diagrams hand one of these functions to `phase_diagrams.main`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from diagrams import TEXTS, Diagram, Runs

import curlflow
from curlflow import random_matrix

UNSTABLE = 1
"""Flag of `verdict`."""
EPOCH = 0.1
"""Units of time in an epoch."""
QUANTILES = {"": ("half", 0.5), "_lower": ("10 %", 0.1), "_upper": ("90 %", 0.9)}


def linear(dataset: xr.Dataset, diagram: Diagram, directory: Path, engine: Mapping[str, Any]) -> xr.Dataset:
    """Add both for linear networks with flips in one layer: sampled teachers of the widths of each c."""
    del directory, engine
    ((axis, layer),) = diagram.flips.items()
    widths = dataset.inputs.to_numpy(), dataset.hidden.to_numpy()
    flips = {f"flipped_{layer}": dataset.flipped.transpose("c", axis).to_numpy()}
    critical, shares = [], []
    for run in diagram.runs:
        settings = judged_as(diagram, run)
        critical.append(random_matrix.critical_fraction_at(*widths, layer, **settings))
        shares.append(random_matrix.probability_unstable(*(w[:, None] for w in widths), **flips, **settings))
    lines = {ending: [one[i] for one in critical] for i, ending in enumerate(QUANTILES)}
    return with_finite_size(with_limit(dataset, layer), lines, ("c",), shares, ("c", axis), how(diagram))


def mixed(dataset: xr.Dataset, diagram: Diagram, directory: Path, engine: Mapping[str, Any]) -> xr.Dataset:
    """Add both for linear networks with flips in both layers: critical fractions of hidden units."""
    del directory, engine
    beside = dataset.flipped_inputs.transpose("c", "inputs_fraction").to_numpy()
    widths = dataset.inputs.to_numpy()[:, None], dataset.hidden.to_numpy()[:, None]
    critical = [
        random_matrix.critical_fraction_at(*widths, "hidden", flipped=beside, **judged_as(diagram, run))
        for run in diagram.runs
    ]
    limit = random_matrix.phase_surface(dataset.c.to_numpy()[:, None], dataset.inputs_fraction.to_numpy())
    attributes = {"long_name": f"smallest unstable {TEXTS['hidden']}, limit of large networks", "units": "1"}
    dims = ("c", "inputs_fraction")
    dataset = dataset.assign(critical_hidden_fraction=(dims, limit, attributes))
    lines = {ending: [one[i] for one in critical] for i, ending in enumerate(QUANTILES)}
    return with_finite_size(dataset, lines, dims, [], (), how(diagram), "critical_hidden_fraction")


def by_stability(dataset: xr.Dataset, diagram: Diagram, directory: Path, engine: Mapping[str, Any]) -> xr.Dataset:
    """Add both for other networks: at the very teachers of the runs, by `curlflow.stability`.

    Solutions of tanh networks have many directions in which they are unstable, but so weakly that no run shows it.
    The lines count networks whose instability grows from 1e-15 to 1 within the run.
    """
    ((axis, layer),) = diagram.flips.items()
    shares, growing = [], []
    for run in diagram.runs:
        folder = directory / f"stability_{run.dynamics}"
        folder.mkdir(parents=True, exist_ok=True)
        spec = diagram.spec(run._replace(realizations=diagram.samples))
        print(f"{diagram.name}, {run.dynamics}: stability of {diagram.samples} solutions", flush=True)
        found = curlflow.sweep(
            spec, over=diagram.over(), study="stability", directory=folder, extend=True, progress=True, **engine
        )
        grows = found.leading_real_part > np.log(1e15) / (EPOCH * diagram.epochs)
        lost = grows | (found.critical_learning_rate < step_of(spec))
        for kept, unstable in ((shares, found.verdict == UNSTABLE), (growing, lost)):
            kept.append(unstable.mean("realization").transpose("c", axis).to_numpy())
    lines = {ending: [crossing(diagram.fractions, s, at) for s in growing] for ending, (_, at) in QUANTILES.items()}
    text = f"the first {diagram.samples} teachers and the training set of the runs; curlflow.stability"
    within = f"unstable at a rate above ln(1e15) over the duration, or by the step; interpolated; {text}"
    dataset = with_finite_size(with_limit(dataset, layer), lines, ("c",), shares, ("c", axis), text)
    for ending in QUANTILES:
        dataset[f"critical_fraction_finite{ending}"].attrs["comment"] = f"NaN: there is none; {within}"
    return dataset


def judged_as(diagram: Diagram, run: Runs) -> dict[str, Any]:
    """How sampled networks are drawn and judged: by the constraint, the data and the step of a run."""
    spec = diagram.spec(run)
    return {
        "samples": diagram.samples, "constraint": spec.constraint.kind, "learning_rate": step_of(spec),
        "data": spec.data.samples, "law": spec.teacher.law, "scale": spec.teacher.scale,
        "input_std": spec.data.input_std, "seed": 0,
    }  # fmt: skip


def step_of(spec: curlflow.Spec) -> float:
    """The step of one update; 0 for a flow."""
    if spec.dynamics.kind == "flow":
        return 0.0
    batch = spec.data.samples if spec.dynamics.batch == "full" else spec.dynamics.batch
    return spec.dynamics.learning_rate * batch / spec.data.samples


def how(diagram: Diagram) -> str:
    """Which networks were judged."""
    return (
        f"{diagram.samples} random teachers of each pair of widths, each with training samples of its own, on their "
        "spheres, with the step of the updates; curlflow.random_matrix"
    )


def crossing(fractions: Sequence[float], shares: np.ndarray, at: float) -> np.ndarray:
    """For each row the first fraction at which the share, a line between values, reaches `at`; NaN: never."""
    found = np.full(len(shares), np.nan)
    for row, share in enumerate(shares):
        first = int(np.argmax(share >= at))
        if share[first] >= at:
            pair = slice(max(first - 1, 0), first + 1)
            found[row] = np.interp(at, share[pair], fractions[pair])
    return found


def with_limit(dataset: xr.Dataset, layer: str) -> xr.Dataset:
    """Add `critical_fraction`, of large linear networks."""
    text = {
        "long_name": f"smallest unstable {TEXTS[layer]}, limit of large linear networks", "units": "1",
        "layer": layer, "comment": "NaN: stable for every fraction; 0: unstable for every positive one",
    }  # fmt: skip
    return dataset.assign(critical_fraction=("c", random_matrix.phase_boundary(dataset.c.to_numpy(), layer), text))


def with_finite_size(
    dataset: xr.Dataset,
    lines: Mapping[str, Sequence[np.ndarray]],
    line: tuple[str, ...],
    shares: Sequence[np.ndarray],
    cells: tuple[str, ...],
    comment: str,
    name: str = "critical_fraction",
) -> xr.Dataset:
    """Add boundaries of networks of these widths, and shares of unstable ones, an array for each of the dynamics."""
    several = ("dynamics",) if "dynamics" in dataset.dims else ()
    for ending, values in lines.items():
        text = {
            "long_name": f"smallest unstable fraction of flips, {QUANTILES[ending][0]} of networks of these widths",
            "units": "1", "comment": f"NaN: there is none; {comment}",
        }  # fmt: skip
        stacked = np.stack(values) if several else values[0]
        dataset = dataset.assign({f"{name}_finite{ending}": ((*several, *line), stacked, text)})
    if shares:
        text = {
            "long_name": "share of unstable networks of these widths",
            "units": "1",
            "comment": comment,
        }
        stacked = np.stack(shares) if several else shares[0]
        dataset = dataset.assign(unstable_share=((*several, *cells), stacked, text))
    return dataset
