"""What all commands share: the console, options, and how a study's run ends in a file, a table and an exit code."""

import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

OK, BAD_INPUT, SOME_FAILED, INTERRUPTED = 0, 2, 3, 130

out = Console(markup=False)
err = Console(stderr=True, markup=False)

SpecArgument = Annotated[str, typer.Argument(help="Name of a preset, or path of a TOML file.", metavar="SPEC")]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="Replace a field, e.g. rule.flipped.inputs=0.6; may be repeated.", metavar="FIELD=VALUE"
    ),
]
RealizationsOption = Annotated[int | None, typer.Option(help="Number of realizations, in place of the spec's.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar and no table.")]
PictureOption = Annotated[bool, typer.Option(help="Draw a PNG beside the output.")]
CompressOption = Annotated[
    bool, typer.Option(help="Run wide linear networks at the smaller width where that is exact; docs/compression.md.")
]
OutputOption = Annotated[
    Path | None, typer.Option("--output", "-o", help="NetCDF file. Default: COMMAND_NAME.nc.", show_default=False)
]


def output_from(path: Path | None, study: str, spec: str) -> Path:
    """Where the dataset goes, checked before anything is computed."""
    return results_path(path, f"{study}_{Path(spec).stem}.nc")


def results_path(path: Path | None, default: str) -> Path:
    """`path` or the default name, checked before anything is computed."""
    from .. import results

    return results.check_output(Path(default) if path is None else path)


def run(study: Callable[[], Any], path: Path) -> Any:
    """Run a study; if it is interrupted, save what was finished. A second Ctrl-C does not stop the saving."""
    from ..interrupts import Interrupted

    def once(number: int, frame: Any) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, once)
    try:
        return study()
    except Interrupted as interrupt:
        saved = save(interrupt.dataset, path)
        show(interrupt.dataset)
        err.print(f"interrupted; what was finished is in {saved}", soft_wrap=True)
        sys.exit(INTERRUPTED)


def save(dataset: Any, path: Path) -> Path:
    """Save; if the disk fails by then, save elsewhere rather than lose what was computed."""
    from .. import results

    try:
        return results.save(dataset, path)
    except OSError as error:
        elsewhere = results.save(dataset, Path(tempfile.mkdtemp(prefix="curlflow-")) / path.name)
        err.print(f"{path} could not be written ({error}); the dataset is in {elsewhere}", soft_wrap=True)
        return elsewhere


def finish(dataset: Any, path: Path, picture: bool, quiet: bool) -> int:
    """Save, show and draw a dataset; the exit code."""
    from .. import results

    path = save(dataset, path)
    if not quiet:
        show(dataset)
    out.print(f"dataset: {path}", soft_wrap=True)
    if picture:
        out.print(f"picture: {draw(dataset, path.with_suffix('.png'))}", soft_wrap=True)
    if "status" not in dataset:
        return OK
    failed = dataset.status.to_numpy() != 0
    for at in zip(*failed.nonzero(), strict=True) if failed.ndim else [()] * int(failed):
        err.print(f"{_place(dataset.status, at)}: {results.describe_status(dataset.status[at])}", soft_wrap=True)
    return SOME_FAILED if failed.any() else OK


def _place(status: Any, at: tuple[int, ...]) -> str:
    """Which run it is: `realization 1`, or `curl, realization 1`, or `scale 2, realization 1`."""
    words = []
    for name, value in ((name, status[at].coords[name].item()) for name in status.dims if name in status.coords):
        words.append(value if isinstance(value, str) else f"{name} {value:g}")
    return ", ".join(words) or "run"


def show(dataset: Any) -> None:
    """Print a dataset as a table, if there is one for it."""
    from .tables import table

    shown = table(dataset)
    if shown is not None:
        out.print(shown)


def without_screen() -> None:
    """Draw into files only; before matplotlib's pyplot is loaded."""
    import matplotlib

    matplotlib.use("Agg")


PICTURES = {
    "lyapunov": "lyapunov",
    "simulate": "learning_curves",
    "fluctuations": "fluctuations",
    "classify": "classification",
    "convergence": "convergence",
    "stability": "stability",
    "bifurcation": "bifurcation",
    "boundary": "boundary",
    "plane_decomposition": "decomposition",
    "sweep": "phase_diagram",
}
"""The function of `curlflow.plot` that draws what a study returns."""


def draw(dataset: Any, path: Path) -> Path:
    """Draw the picture of a dataset into a file."""
    from .. import plot

    study = dataset.attrs.get("study", "an unknown study")
    if study not in PICTURES:
        raise ValueError(f"{path.stem}: no picture for a dataset of {study!r}.")
    getattr(plot, PICTURES[study])(dataset).savefig(path)
    return path
