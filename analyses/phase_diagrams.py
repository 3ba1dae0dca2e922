"""What the phase diagrams share: grids over presets, sweeps of several dynamics, boundaries to compare them with.

No analysis of its own: the scripts of figures 3a, 4, 6 and 8 and of mixed flips say what varies, and call `run`.
"""

import datetime
import json
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from scripts import CELLS, DYNAMICS, REALIZATIONS, SCHEDULER, TOTAL, Figure, flags, main, swept

import curlflow
from curlflow import random_matrix

FRACTIONS = tuple(np.linspace(0, 1, 21).tolist())
SAMPLES, QUICK_SAMPLES = 50, 10
"""Networks of each pair of widths that the finite-size correction is drawn from."""
QUICK_EPOCHS, QUICK_REALIZATIONS, QUICK_RATIOS, QUICK_FRACTIONS = 2_000, 2, 6, 4
"""Of a quick run; of both axes every so many values."""
TEXTS = {"inputs": "fraction of flipped inputs α_h", "hidden": "fraction of flipped hidden units α_r"}
EPOCH = 0.1
"""Units of time in an epoch."""
UNSTABLE, NOT_RUN, MISSING = 1, 2, 2
"""Flags of `verdict`, of `status` and of `cell_status`."""
QUANTILES = {"": ("half", 0.5), "_lower": ("10 %", 0.1), "_upper": ("90 %", 0.9)}
OF_ALL = ("critical_fraction", "critical_hidden_fraction")
"""Variables that do not depend on the dynamics."""
QUICK = "coarse grid, few epochs, two realizations"
OPTIONS = {
    "--dynamics": {
        "nargs": "+", "choices": list(DYNAMICS),
        "help": "run these only; others stay in the dataset (default: those of the figure)",
    },
    **REALIZATIONS, **CELLS, **SCHEDULER,
}  # fmt: skip


Arrays = Sequence[Any]
"""An array for each of the dynamics, or one for each of `QUANTILES` for each of the dynamics."""


class Runs(NamedTuple):
    """One kind of dynamics: how many realizations, at every how many values of c and of the fractions."""

    dynamics: str
    realizations: int
    every: int = 1


@dataclass(frozen=True)
class Diagram:
    """One figure: a preset, the grid over it, and what is run by default.

    **Attributes:**

    - `name`: of the dataset and the picture.
    - `preset`: the network, data, start, constraint and dynamics of one cell.
    - `ratios`, `fractions`: values of c and of the fractions of flips; `total`: M + N.
    - `flips`: for each axis of fractions the layer whose units it flips.
    - `runs`: the dynamics that are run.
    - `published`: the protocol of the published figure, in words.
    - `records`, `epochs`: at how many epochs errors are looked at, and for how long.
    - `floor`: of the logarithm of errors in pictures.
    - `solver`: of flows. `rkc2` takes long steps where learning has come to rest.
    - `solver_at_zero`: axes of fractions at whose 0 flows have another solver, and which. `tsit5` is several times
      faster where learning never rests.
    """

    name: str
    preset: str
    ratios: Sequence[float]
    flips: Mapping[str, str]
    runs: tuple[Runs, ...]
    published: str
    records: int
    floor: float
    epochs: int = 100_000
    fractions: tuple[float, ...] = FRACTIONS
    samples: int = SAMPLES
    solver: str = "tsit5"
    solver_at_zero: Mapping[str, str] = field(default_factory=dict)
    total: int = TOTAL

    def quick(self) -> "Diagram":
        """A coarse grid, few epochs, few realizations."""
        runs = tuple(run._replace(realizations=min(run.realizations, QUICK_REALIZATIONS)) for run in self.runs)
        ratios = self.ratios[::QUICK_RATIOS] if len(self.ratios) > QUICK_RATIOS else self.ratios
        fractions, epochs = self.fractions[::QUICK_FRACTIONS], min(self.epochs, QUICK_EPOCHS)
        return replace(
            self, name=f"{self.name}_quick", runs=runs, ratios=ratios, fractions=fractions, epochs=epochs,
            samples=QUICK_SAMPLES,
        )  # fmt: skip

    def chosen(self, given: Namespace) -> "Diagram":
        """The diagram that the options ask for."""
        diagram = self.quick() if given.quick else self
        most = max(run.realizations for run in diagram.runs)
        runs = [run for run in diagram.runs if given.dynamics is None or run.dynamics in given.dynamics]
        known = {run.dynamics for run in runs}
        runs += [Runs(name, most) for name in given.dynamics or () if name not in known]
        return replace(
            diagram, runs=tuple(r._replace(realizations=given.realizations or r.realizations) for r in runs)
        )

    def spec(self, run: Runs) -> curlflow.Spec:
        """The preset with the dynamics of `run`."""
        spec = curlflow.preset(self.preset).replace({**DYNAMICS[run.dynamics], "realizations": run.realizations})
        return spec.replace("dynamics.solver", self.solver) if run.dynamics == "flow" else spec

    def over(self, every: int = 1, dynamics: str = "") -> dict[str, curlflow.Axis]:
        """The axes, or every so many values of them."""
        axes = {"c": curlflow.Axis.compression_ratio(self.ratios[::every], self.total)}
        for name, layer in self.flips.items():
            values = self.fractions[::every]
            changes = [{f"rule.flipped.{layer}": value} for value in values]
            if dynamics == "flow" and name in self.solver_at_zero:
                changes[0]["dynamics.solver"] = self.solver_at_zero[name]
            axes[name] = curlflow.Axis(values, changes=changes)
        return axes

    def coordinates(self) -> dict[str, Any]:
        """Axes, actual widths and numbers of flips, as xarray takes them."""
        widths = {field.rpartition(".")[2]: np.array(v) for field, v in self.over()["c"].coordinates.items()}
        found: dict[str, Any] = {"c": (("c",), np.array(self.ratios), "compression ratio, inputs per hidden unit")}
        for layer, text in (("inputs", "number of inputs M"), ("hidden", "number of hidden units N")):
            found[layer] = (("c",), widths[layer], text)
        for name, layer in self.flips.items():
            found[name] = ((name,), np.array(self.fractions), TEXTS[layer])
            counts = np.floor(np.outer(widths[layer], self.fractions) + 1e-9).astype(int)
            flipped = "flipped" if len(self.flips) == 1 else f"flipped_{layer}"
            found[flipped] = (("c", name), counts, "number of flipped units: ⌊αn + 1e-9⌋")
        return {k: (dims, values, {"long_name": text, "units": "1"}) for k, (dims, values, text) in found.items()}

    @property
    def how(self) -> str:
        """Which sampled networks are judged, in words."""
        return (
            f"{self.samples} random teachers of each pair of widths, each with training samples of its own, on their "
            "spheres, with the step of the updates; curlflow.random_matrix"
        )

    def judged(self, run: Runs) -> dict[str, Any]:
        """How sampled networks are drawn and judged: by the constraint, the data and the step of a run."""
        spec = self.spec(run)
        return {
            "samples": self.samples, "constraint": spec.constraint.kind, "learning_rate": step_of(spec),
            "data": spec.data.samples, "law": spec.teacher.law, "scale": spec.teacher.scale,
            "input_std": spec.data.input_std, "seed": 0,
        }  # fmt: skip


def run(
    description: str,
    diagrams: Sequence[Diagram],
    theory: Callable[[xr.Dataset, Diagram, Namespace], xr.Dataset],
    shown: str | list[str],
    *more: Figure,
    **axes: str,
) -> None:
    """Compute, save and draw the diagrams of a script.

    **Arguments:**

    - `theory`: adds to the dataset of a diagram what it is compared with.
    - `shown`: the variables of the pictures; `axes`: their x and y.
    - `more`: further figures of the script.
    """

    def figure(whole: Diagram) -> Figure:
        def compute(given: Namespace, path: Path) -> xr.Dataset:
            diagram = whole.chosen(given)
            dataset = theory(computed(diagram, given), diagram, given)
            return completed(dataset, path, [*(run.dynamics for run in whole.runs), *DYNAMICS])

        draw = partial(curlflow.plot.phase_diagram, variable=shown, **axes)
        return Figure(whole.name, compute, draw, summarize)

    main(description, [*map(figure, diagrams), *more], QUICK, OPTIONS)


def computed(diagram: Diagram, given: Namespace) -> xr.Dataset:
    """Run what is missing of all sweeps of a diagram; one dataset with what was computed."""
    parts = []
    options = {"epochs": diagram.epochs, "records": diagram.records}
    for run in diagram.runs:
        print(f"{diagram.name}, {run.dynamics}: {run.realizations} of {diagram.epochs:,} epochs a cell", flush=True)
        folder, over = f"{diagram.name}/{run.dynamics}", diagram.over(run.every, run.dynamics)
        dataset = swept(given, folder, diagram.spec(run), over, "train", options)
        # What was not run on the whole grid is filled and says so.
        extra = [name for name in dataset.coords if name not in dataset.dims]
        whole = {"c": diagram.ratios, **dict.fromkeys(diagram.flips, diagram.fractions)}
        parts.append(dataset.drop_vars(extra).reindex(whole, fill_value=_fillings(dataset)))
    return together(diagram, parts)


def together(diagram: Diagram, parts: Sequence[xr.Dataset]) -> xr.Dataset:
    """One dataset of all dynamics, with a dimension for them if they are several."""
    names = xr.DataArray([run.dynamics for run in diagram.runs], dims="dynamics", name="dynamics")
    whole = xr.concat(parts, names, join="outer", combine_attrs="override", fill_value=_fillings(parts[0]))
    whole = whole if len(parts) > 1 else whole.isel(dynamics=0)
    whole = whole.assign_coords(diagram.coordinates())
    text = "flow, updates with full batches, or with minibatches"
    whole.coords["dynamics"].attrs = {"long_name": text, "units": "1"}
    for name in ("test_error", "train_error", "peak_error"):
        whole[name].attrs["floor"] = diagram.floor
    whole.attrs = _attributes(diagram, parts)
    return whole


def completed(dataset: xr.Dataset, path: Path, order: Sequence[str]) -> xr.Dataset:
    """`dataset`, and from the file `path`, if there is one, the dynamics that it does not have.

    **Arguments:**

    - `order`: of the dynamics.

    **Raises:** `ValueError` for a file with another grid.
    """
    if not path.exists():
        return dataset
    there, here = _with_dynamics(curlflow.load(path)), _with_dynamics(dataset)
    kept = [name for name in there.dynamics.to_numpy().tolist() if name not in here.dynamics.to_numpy()]
    if not kept:
        return dataset
    for axis in (name for name in here.test_error.dims if name not in ("dynamics", "realization")):
        if not np.array_equal(there[axis], here[axis]):
            raise ValueError(f"{path}: {axis} is not that of this diagram; move the file away.")
    there = there.sel(dynamics=kept)
    shared = [name for name in here.data_vars if "dynamics" not in here[name].dims]
    parts = [part.drop_vars([*shared, *set(part.data_vars) - set(here.data_vars)]) for part in (here, there)]
    fillings = {name: value for name, value in _fillings(here).items() if name not in shared}
    whole = xr.concat(parts, "dynamics", join="outer", combine_attrs="override", fill_value=fillings)
    names = sorted(whole.dynamics.to_numpy().tolist(), key=list(order).index)
    whole = whole.sel(dynamics=names).assign({name: here[name] for name in shared})
    runs = {run["dynamics"]: run for part in (there, here) for run in json.loads(part.attrs["runs"])}
    specs = json.loads(there.attrs["specs"]) | json.loads(here.attrs["specs"])
    whole.attrs = here.attrs | _written([runs[name] for name in names], {name: specs[name] for name in names})
    print(f"{path.name} keeps {', '.join(kept)}")
    return whole


def _with_dynamics(dataset: xr.Dataset) -> xr.Dataset:
    """The dataset with a dimension for the dynamics, also if it has one kind of them only."""
    if "dynamics" in dataset.dims:
        return dataset
    of_all = [name for name in OF_ALL if name in dataset]
    expanded = dataset.drop_vars(of_all).expand_dims("dynamics")
    return expanded.assign({name: dataset[name].drop_vars("dynamics") for name in of_all})


def _fillings(dataset: xr.Dataset) -> dict[str, Any]:
    """What stands where nothing was run: NaN, −1, or the flag that says it."""
    fillings = {"status": NOT_RUN, "cell_status": MISSING, "cell_message": ""}
    kinds = {name: dataset[name].dtype.kind for name in dataset.data_vars}
    return {name: fillings.get(name, np.nan if kind == "f" else -1) for name, kind in kinds.items()}


def _attributes(diagram: Diagram, parts: Sequence[xr.Dataset]) -> dict[str, Any]:
    """What was run, in full, and where it came from."""
    first = parts[0].attrs
    runs, cells = [], parts[0].cell_status.size
    for run, part in zip(diagram.runs, parts, strict=True):
        done, failed = (int((part.cell_status == flag).sum()) for flag in (0, 1))
        dynamics = diagram.spec(run).model_dump()["dynamics"]
        if run.dynamics == "flow" and diagram.solver_at_zero:
            dynamics["solver_at_zero"] = dict(diagram.solver_at_zero)
        made = {name: part.attrs.get(name, "unknown") for name in ("commit", "device", "swept_study_version")}
        runs.append({"dynamics": run.dynamics, "realizations": run.realizations, "epochs": diagram.epochs,
                     "records": diagram.records, "cells": done, "cells_of_grid": cells, "cells_failed": failed,
                     **{k: v for k, v in dynamics.items() if k != "kind"}, **made})  # fmt: skip
    kept = ("Conventions", "references", "study", "swept_study", "precision", "source", "versions")
    return {
        **{name: first[name] for name in kept if name in first},
        "title": f"curlflow {diagram.name}",
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        **_written(runs, {run.dynamics: json.loads(diagram.spec(run).to_json()) for run in diagram.runs}),
        "published": diagram.published,
        "comment": "runs says what was computed: a realization, cell or dynamics that it does not name was not run",
    }


def _written(runs: Sequence[dict[str, Any]], specs: dict[str, Any]) -> dict[str, Any]:
    """The attributes that follow from what was run."""
    commits = sorted({commit for run in runs for commit in run["commit"].split(", ")})
    return {
        "commit": ", ".join(commits),
        "device": ", ".join(sorted({run["device"] for run in runs})),
        "swept_study_version": ", ".join(sorted({str(run["swept_study_version"]) for run in runs})),
        "runs": json.dumps(list(runs)),
        "specs": json.dumps(specs),
    }


def linear(dataset: xr.Dataset, diagram: Diagram, given: Namespace) -> xr.Dataset:
    """Add the boundary of large linear networks and that of sampled teachers of these widths; flips in one layer."""
    ((axis, layer),) = diagram.flips.items()
    widths = dataset.inputs.to_numpy(), dataset.hidden.to_numpy()
    flips = {f"flipped_{layer}": dataset.flipped.transpose("c", axis).to_numpy()}
    critical, shares = [], []
    for run in diagram.runs:
        settings = diagram.judged(run)
        critical.append(random_matrix.critical_fraction_at(*widths, layer, **settings))
        shares.append(random_matrix.probability_unstable(*(w[:, None] for w in widths), **flips, **settings))
    return compared(dataset, layer, critical, shares, diagram.how, diagram.how)


def by_stability(dataset: xr.Dataset, diagram: Diagram, given: Namespace) -> xr.Dataset:
    """Add both for other networks: at the very teachers of the runs, by `curlflow.stability`.

    Solutions of tanh networks have many directions in which they are unstable, but so weakly that no run shows it.
    The lines count networks whose instability grows from 1e-15 to 1 within the run.
    """
    ((axis, layer),) = diagram.flips.items()
    shares, growing = [], []
    for run in diagram.runs:
        spec = diagram.spec(run._replace(realizations=diagram.samples))
        print(f"{diagram.name}, {run.dynamics}: stability of {diagram.samples} solutions", flush=True)
        found = swept(given, f"{diagram.name}/stability_{run.dynamics}", spec, diagram.over(), "stability")
        grows = found.leading_real_part > np.log(1e15) / (EPOCH * diagram.epochs)
        lost = grows | (found.critical_learning_rate < step_of(spec))
        for kept, unstable in ((shares, found.verdict == UNSTABLE), (growing, lost)):
            kept.append(unstable.mean("realization").transpose("c", axis).to_numpy())
    critical = [[crossing(diagram.fractions, s, at) for _, at in QUANTILES.values()] for s in growing]
    text = f"the first {diagram.samples} teachers and the training set of the runs; curlflow.stability"
    within = f"unstable at a rate above ln(1e15) over the duration, or by the step; interpolated; {text}"
    return compared(dataset, layer, critical, shares, within, text)


def step_of(spec: curlflow.Spec) -> float:
    """The step of one update; 0 for a flow."""
    if spec.dynamics.kind == "flow":
        return 0.0
    batch = spec.data.samples if spec.dynamics.batch == "full" else spec.dynamics.batch
    return spec.dynamics.learning_rate * batch / spec.data.samples


def crossing(fractions: Sequence[float], shares: np.ndarray, at: float) -> np.ndarray:
    """For each row the first fraction at which the share, a line between values, reaches `at`; NaN: never."""
    found = np.full(len(shares), np.nan)
    for row, share in enumerate(shares):
        first = int(np.argmax(share >= at))
        if share[first] >= at:
            pair = slice(max(first - 1, 0), first + 1)
            found[row] = np.interp(at, share[pair], fractions[pair])
    return found


def compared(dataset: xr.Dataset, layer: str, critical: Arrays, shares: Arrays, of_lines: str, of_shares: str):
    """Add `critical_fraction`, of large linear networks, and beside it what was found at these widths."""
    attributes = {
        "long_name": f"smallest unstable {TEXTS[layer]}, limit of large linear networks", "units": "1",
        "layer": layer, "comment": "NaN: stable for every fraction; 0: unstable for every positive one",
    }  # fmt: skip
    limit = random_matrix.phase_boundary(dataset.c.to_numpy(), layer)
    dataset = dataset.assign(critical_fraction=("c", limit, attributes))
    dataset = with_boundary(dataset, "critical_fraction", ("c",), critical, of_lines)
    text = "share of unstable networks of these widths"
    return _of_dynamics(dataset, "unstable_share", dataset.flipped.dims, shares, text, of_shares)


def with_boundary(dataset: xr.Dataset, name: str, dims: tuple[str, ...], critical: Arrays, comment: str):
    """Add `name`_finite, of networks of these widths: for each of the dynamics an array for each of `QUANTILES`."""
    comment = f"NaN: there is none; {comment}"
    for (ending, (share, _)), values in zip(QUANTILES.items(), zip(*critical, strict=True), strict=True):
        text = f"smallest unstable fraction of flips, {share} of networks of these widths"
        dataset = _of_dynamics(dataset, f"{name}_finite{ending}", dims, values, text, comment)
    return dataset


def _of_dynamics(dataset: xr.Dataset, name: str, dims: Any, values: Arrays, text: str, comment: str) -> xr.Dataset:
    several = "dynamics" in dataset.dims
    found = (("dynamics", *dims), np.stack(values)) if several else (dims, values[0])
    return dataset.assign({name: (*found, {"long_name": text, "units": "1", "comment": comment})})


def summarize(dataset: xr.Dataset) -> None:
    """Print how the runs ended."""
    for kind in np.atleast_1d(dataset.dynamics).tolist():
        one = dataset.sel(dynamics=kind) if "dynamics" in dataset.dims else dataset
        values, counts = np.unique(one.status, return_counts=True)
        ended = ", ".join(f"{n} {flags(dataset.status)[value]}" for value, n in zip(values, counts, strict=True))
        solved = float((one.test_error < 1e-15).sum() / one.test_error.notnull().sum())
        print(f"{kind}: {ended}; {100 * solved:.1f} % of the test errors are below 1e-15")
