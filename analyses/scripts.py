"""What all scripts share: one command line, one way to compute, save and draw, and what sweeps and datasets need.

No analysis of its own. A script says what its figures are and calls `main`, or the `run` of a family of figures that
does so (`phase_diagrams.py`, `convergence_figures.py`, `order_parameters.py`).
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")  # pictures go into files

import xarray as xr

import curlflow
from curlflow.plot.style import styled
from curlflow.results import labelled, provenance
from curlflow.variable import Variable

ROOT = Path(__file__).parent.parent
TOTAL = 220
"""M + N of phase diagrams, up to rounding: N = int(220/(1 + c)), M = int(220/(1 + 1/c))."""
DYNAMICS = {
    "flow": {"dynamics.kind": "flow"},
    "full_batch": {"dynamics.kind": "updates", "dynamics.batch": "full"},
    "minibatch": {"dynamics.kind": "updates", "dynamics.batch": 10},
}
"""What is replaced in a preset, whose updates have the published learning rate of 0.1."""


def count(text: str) -> int:
    """A whole number from 1, for argparse."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"got {text}, allowed are whole numbers from 1")
    return int(text)


REALIZATIONS = {
    "--realizations": {"type": count, "metavar": "NUMBER", "help": "of each cell (default: the number of the figure)"}
}
CELLS = {
    "--directory": {
        "type": Path, "metavar": "FOLDER", "default": ROOT / "results" / "sweeps",
        "help": "where finished cells are kept (default: results/sweeps)",
    },
    "--workers": {"type": count, "metavar": "NUMBER", "help": "of processes that compute (default: all cores)"},
}  # fmt: skip
SCHEDULER = {
    "--scheduler": {"metavar": "ADDRESS", "help": "of a dask scheduler whose workers compute (default: none)"}
}
"""Options of scripts that sweep, as argparse takes them."""


@dataclass(frozen=True)
class Figure:
    """A dataset, or several, with the pictures of it.

    **Attributes:**

    - `name`: of the picture, and for `--only`.
    - `compute`: called with the options that were given and the path of the file, returns the dataset of that name;
      or several such functions, by the names of their datasets.
    - `draw`: called with the datasets, returns a picture, or several by what their names end with.
    - `summarize`: prints what is in the datasets.
    - `ending`: of all names, from the options that were given.
    """

    name: str
    compute: Callable[[Any, Path], xr.Dataset] | Mapping[str, Callable[[Any, Path], xr.Dataset]]
    draw: Callable[..., Any]
    summarize: Callable[..., None] = lambda *datasets: None
    ending: Callable[[Any], str] = lambda given: ""

    def make(self, given: argparse.Namespace, data: Path, pictures: Path) -> None:
        """Compute and save unless `given.draw`; print and draw what is in the files."""
        ending = ("_quick" if given.quick else "") + self.ending(given)
        parts = self.compute if isinstance(self.compute, Mapping) else {self.name: self.compute}
        paths = [data / f"{name}{ending}.nc" for name in parts]
        for path, compute in zip(paths, parts.values(), strict=True) if not given.draw else ():
            try:
                curlflow.save(compute(given, path), path)
            except KeyboardInterrupt:
                where = f" in {given.directory}" if "directory" in given else ""
                sys.exit(f"interrupted; what is finished is kept{where}, and the same command goes on")
            except (ValueError, OSError) as error:
                sys.exit(f"{path.stem}: {error}")
        for path in paths:
            if not path.exists():
                sys.exit(f"--draw: {path} is not there yet; run the script without --draw")
        datasets = [curlflow.load(path) for path in paths]
        self.summarize(*datasets)
        with styled():
            drawn = self.draw(*datasets)
        for last, picture in drawn.items() if isinstance(drawn, Mapping) else (("", drawn),):
            picture.savefig(pictures / f"{self.name}{ending}{last}.png")


def options(
    description: str, names: Sequence[str], quick: str, more: Mapping[str, Mapping[str, Any]]
) -> argparse.ArgumentParser:
    """The command line of a script.

    **Arguments:**

    - `description`: the script's docstring.
    - `names`: of its figures.
    - `quick`: what `--quick` does, in words.
    - `more`: further options, with the keyword arguments of `add_argument`.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=f"{quick}; files go to results/")
    parser.add_argument("--draw", action="store_true", help="draw the datasets that are there, and compute nothing")
    text = f"make these only, of {', '.join(names)} (default: all)"
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=names, default=names, help=text)
    for flag, settings in more.items():
        parser.add_argument(flag, **settings)
    return parser


def main(
    description: str, figures: Sequence[Figure], quick: str, more: Mapping[str, Mapping[str, Any]] | None = None
) -> None:
    """Compute, save and draw the figures of a script; stop it and run it again, and its sweeps go on.

    The arguments are those of `options`.
    """
    given = options(description, [figure.name for figure in figures], quick, more or {}).parse_args()
    data, pictures = (ROOT / "results",) * 2 if given.quick else (ROOT / "data", ROOT / "docs" / "figures")
    data.mkdir(exist_ok=True)
    for figure in figures:
        if figure.name in given.only:
            figure.make(given, data, pictures)


def swept(given: Any, folder: str, spec: curlflow.Spec, over: Any, study: Any, options: Any = None, **more: Any):
    """The sweep whose cells are in `folder` of the directory that was given; what is there is not computed again."""
    directory = given.directory / folder
    directory.mkdir(parents=True, exist_ok=True)
    engine = {name: vars(given).get(name) for name in ("engine", "workers", "scheduler")}
    return curlflow.sweep(
        spec, over, study, options, directory=directory, extend=True, progress=True, **engine, **more
    )


def flags(variable: xr.DataArray) -> dict[int, str]:
    """The meanings of the numbers of a status or a verdict."""
    attributes = variable.attrs
    return dict(zip(attributes["flag_values"].tolist(), attributes["flag_meanings"].split(), strict=True))


def dataset_of(
    name: str,
    data: Mapping[str, tuple[tuple[str, ...], Any, str]],
    coordinates: Mapping[str, tuple[str, Any, str]],
    settings: Mapping[str, Any],
    device: str = "none: theory and NumPy samples",
) -> xr.Dataset:
    """A labelled dataset with provenance, from dimensions, values and long names."""
    variables = [Variable(key, dims, text) for key, (dims, _, text) in data.items()]
    values = {key: value for key, (_, value, _) in data.items()}
    return labelled(variables, values, coordinates, provenance(name, settings, device))
