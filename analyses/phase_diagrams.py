"""What the analyses of phase diagrams share: sweeps of several dynamics, options.

No analysis of its own: `fig3a_hidden_phase_diagram.py`, `fig4_readout_phase_diagram.py`, `fig6_tanh_hidden.py`,
`fig8_tanh_readout.py` and `mixed_flips_error.py` name what varies (`diagrams.py`) and call `main`. Their datasets are
made in `phase_datasets.py`, what they are compared with in `phase_boundaries.py`.
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")  # pictures go into files

import numpy as np
import xarray as xr
from diagrams import DYNAMICS, Diagram, Runs
from phase_datasets import completed, on_whole_grid, together
from scripts import ROOT, count, folders, loaded, parsed

import curlflow


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
