"""What the analyses of phase diagrams share: grids, sweeps of several dynamics, options.

No analysis of its own: `fig3a_hidden_phase_diagram.py`, `fig4_readout_phase_diagram.py`, `fig6_tanh_hidden.py`,
`fig8_tanh_readout.py` and `mixed_flips_error.py` name what varies and call `main`. Their datasets are made in
`phase_datasets.py`, what they are compared with in `phase_boundaries.py`.
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib

matplotlib.use("Agg")  # pictures go into files

import numpy as np
import xarray as xr
from phase_datasets import completed, on_whole_grid, together

import curlflow

ROOT = Path(__file__).parent.parent
TOTAL = 220
"""M + N, up to rounding: N = int(220/(1 + c)), M = int(220/(1 + 1/c))."""
FRACTIONS = tuple(np.linspace(0, 1, 21).tolist())
DYNAMICS = {
    "flow": {"dynamics.kind": "flow"},
    "full_batch": {"dynamics.kind": "updates", "dynamics.batch": "full"},
    "minibatch": {"dynamics.kind": "updates", "dynamics.batch": 10},
}
"""What is replaced in a preset, whose updates have the published learning rate of 0.1."""
SAMPLES, QUICK_SAMPLES = 50, 10
"""Networks of each pair of widths that the finite-size correction is drawn from."""
QUICK_EPOCHS, QUICK_REALIZATIONS, QUICK_RATIOS, QUICK_FRACTIONS = 2_000, 2, 6, 4
"""Of a quick run; of both axes every so many values."""
TEXTS = {"inputs": "fraction of flipped inputs α_h", "hidden": "fraction of flipped hidden units α_r"}


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
    - `ratios`: values of c.
    - `flips`: for each axis of fractions the layer whose units it flips.
    - `epochs`, `records`: how long, and at how many epochs errors are looked at.
    - `runs`: the dynamics that are run.
    - `published`: the protocol of the published figure, in words.
    - `floor`: of the logarithm of errors in pictures.
    - `solver`: of flows. `rkc2` takes long steps where learning has come to rest.
    - `solver_at_zero`: axes of fractions at whose 0 flows have another solver, and which. `tsit5` is several times
      faster where learning never rests.
    """

    name: str
    preset: str
    ratios: tuple[float, ...]
    flips: Mapping[str, str]
    epochs: int
    records: int
    runs: tuple[Runs, ...]
    published: str
    floor: float
    fractions: tuple[float, ...] = FRACTIONS
    samples: int = SAMPLES
    solver: str = "tsit5"
    solver_at_zero: Mapping[str, str] = field(default_factory=dict)

    def quick(self) -> "Diagram":
        """A coarse grid, few epochs, few realizations."""
        runs = tuple(run._replace(realizations=min(run.realizations, QUICK_REALIZATIONS)) for run in self.runs)
        ratios = self.ratios[::QUICK_RATIOS] if len(self.ratios) > QUICK_RATIOS else self.ratios
        fractions, epochs = self.fractions[::QUICK_FRACTIONS], min(self.epochs, QUICK_EPOCHS)
        return replace(
            self, name=f"{self.name}_quick", runs=runs, ratios=ratios, fractions=fractions, epochs=epochs,
            samples=QUICK_SAMPLES,
        )  # fmt: skip

    def spec(self, run: Runs) -> curlflow.Spec:
        """The preset with the dynamics of `run`."""
        spec = curlflow.preset(self.preset).replace({**DYNAMICS[run.dynamics], "realizations": run.realizations})
        return spec.replace("dynamics.solver", self.solver) if run.dynamics == "flow" else spec

    def over(self, every: int = 1, dynamics: str = "") -> dict[str, curlflow.Axis]:
        """The axes, or every so many values of them."""
        axes = {"c": curlflow.Axis.compression_ratio(self.ratios[::every], TOTAL)}
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


def computed(diagram: Diagram, directory: Path, engine: Mapping[str, Any]) -> xr.Dataset:
    """Run what is missing of all sweeps of a diagram; one dataset with what was computed."""
    parts = []
    for run in diagram.runs:
        print(f"{diagram.name}, {run.dynamics}: {run.realizations} of {diagram.epochs:,} epochs a cell", flush=True)
        folder = directory / run.dynamics
        dataset = curlflow.sweep(
            diagram.spec(run),
            over=diagram.over(run.every, run.dynamics),
            study="train",
            options={"epochs": diagram.epochs, "records": diagram.records},
            directory=folder,
            extend=True,  # with other --realizations cells are added
            progress=True,
            **engine,
        )
        parts.append(on_whole_grid(dataset, diagram))
    return together(diagram, parts)


def options() -> argparse.ArgumentParser:
    """The options that all scripts have."""
    parser = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="coarse grid, few epochs, two realizations; in results/")
    parser.add_argument("--draw", action="store_true", help="draw what is in data/ again, and compute nothing")
    parser.add_argument(
        "--dynamics", nargs="+", choices=list(DYNAMICS), help="run these only; others stay in the dataset"
    )
    parser.add_argument("--realizations", type=count, help="in place of the default numbers of realizations")
    parser.add_argument("--only", metavar="NAME", nargs="+", help="of several diagrams, these only")
    parser.add_argument("--directory", type=Path, help="folder of the finished cells (default: results/sweeps)")
    parser.add_argument("--workers", type=count, help="how many processes (default: all cores)")
    parser.add_argument("--scheduler", help="address of a dask scheduler whose workers compute")
    return parser


def count(text: str) -> int:
    """A whole number from 1, for argparse."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"got {text}, allowed are whole numbers from 1")
    return int(text)


def chosen(diagram: Diagram, given: argparse.Namespace) -> Diagram:
    """A diagram as the options want it."""
    diagram = diagram.quick() if given.quick else diagram
    runs = [run for run in diagram.runs if given.dynamics is None or run.dynamics in given.dynamics]
    known = {run.dynamics for run in runs}
    most = max(run.realizations for run in diagram.runs)
    runs += [Runs(name, most) for name in given.dynamics or () if name not in known]
    if given.realizations is not None:
        runs = [run._replace(realizations=given.realizations) for run in runs]
    return replace(diagram, runs=tuple(runs))


def main(
    description: str,
    diagrams: Sequence[Diagram],
    theory: Callable[[xr.Dataset, Diagram, Path, Mapping[str, Any]], xr.Dataset],
    draw: Callable[[xr.Dataset], Any],
) -> argparse.Namespace:
    """Compute, save and draw all diagrams of a script; stop it and run it again, and it goes on.

    **Returns:** the options that were given.
    """
    given = parsed(options(), description, [diagram.name for diagram in diagrams])
    folder, figures = folders(given.quick)
    engine = {"workers": given.workers, "scheduler": given.scheduler}
    for whole in (d for d in diagrams if given.only is None or d.name in given.only):
        diagram = chosen(whole, given)
        path = folder / f"{diagram.name}.nc"
        if not given.draw:
            directory = (given.directory or ROOT / "results" / "sweeps") / diagram.name
            try:
                dataset = theory(computed(diagram, directory, engine), diagram, directory, engine)
            except (curlflow.Interrupted, KeyboardInterrupt):
                sys.exit(f"interrupted; finished cells are in {directory}, and the same command goes on")
            except (ValueError, OSError) as error:
                sys.exit(f"{diagram.name}: {error}")
            summarize(dataset)
            order = [*(run.dynamics for run in whole.runs), *DYNAMICS]
            curlflow.save(completed(dataset, path, order), path)
        draw(loaded(path)).savefig(figures / f"{diagram.name}.png")
    return given


def parsed(parser: argparse.ArgumentParser, description: str, names: Sequence[str]) -> argparse.Namespace:
    """The options that were given; `--only` takes some of `names`."""
    parser.description = description
    parser.epilog = f"names for --only: {', '.join(names)}"
    given = parser.parse_args()
    unknown = set(given.only or ()) - set(names)
    if unknown:
        parser.error(f"--only: got {', '.join(unknown)}, allowed are {', '.join(names)}")
    return given


def folders(quick: bool) -> tuple[Path, Path]:
    """Where datasets and pictures go."""
    folder, figures = (ROOT / "results",) * 2 if quick else (ROOT / "data", ROOT / "docs" / "figures")
    folder.mkdir(exist_ok=True)
    return folder, figures


def loaded(path: Path) -> xr.Dataset:
    """What an earlier run has made."""
    if not path.exists():
        sys.exit(f"--draw: {path} is not there yet; run the script without --draw")
    return curlflow.load(path)


def summarize(dataset: xr.Dataset) -> None:
    """Print how the runs ended."""
    names = dict(
        zip(dataset.status.attrs["flag_values"].tolist(), dataset.status.attrs["flag_meanings"].split(), strict=True)
    )
    kinds = dataset.dynamics.to_numpy().tolist() if "dynamics" in dataset.dims else [None]
    for kind in kinds:
        one = dataset if kind is None else dataset.sel(dynamics=kind)
        values, counts = np.unique(one.status, return_counts=True)
        ended = ", ".join(f"{n} {names[int(value)]}" for value, n in zip(values, counts, strict=True))
        solved = float((one.test_error < 1e-15).sum() / one.test_error.notnull().sum())
        print(f"{one.dynamics.item()}: {ended}; {100 * solved:.1f} % of the test errors are below 1e-15")
