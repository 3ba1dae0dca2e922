"""What all commands share: the console, options, and how a study's run ends in a file, a table and an exit code."""

import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from ..catalogue import named

OK, BAD_INPUT, SOME_FAILED, INTERRUPTED = 0, 2, 3, 130

out = Console(markup=False)
err = Console(stderr=True, markup=False)

SpecArgument = Annotated[str, typer.Argument(help="Name of a preset, or path of a TOML file.", metavar="SPEC")]
FileArgument = Annotated[Path, typer.Argument(help="NetCDF file that curlflow wrote.", metavar="FILE")]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="Replace a field, e.g. rule.flipped.inputs=0.6; may be repeated.", metavar="FIELD=VALUE"
    ),
]
RealizationsOption = Annotated[int | None, typer.Option(help="Number of realizations, in place of the spec's.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar and no table.")]
PictureOption = Annotated[bool, typer.Option(help="Draw a PNG beside the output.")]
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


def run_study(study: Callable[[], Any], path: Path) -> Any:
    """Run a study; if it is interrupted, save what was finished. A second Ctrl-C does not stop the saving."""
    from ..interrupts import Interrupted

    def once(number: int, frame: Any) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, once)
    try:
        return study()
    except Interrupted as interrupt:
        saved = save_anyhow(interrupt.dataset, path)
        show(interrupt.dataset)
        err.print(f"interrupted; what was finished is in {saved}", soft_wrap=True)
        sys.exit(INTERRUPTED)


def save_anyhow(dataset: Any, path: Path) -> Path:
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

    path = save_anyhow(dataset, path)
    if not quiet:
        show(dataset)
    out.print(f"dataset: {path}", soft_wrap=True)
    if picture and has_picture(dataset):
        out.print(f"picture: {draw(dataset, path.with_suffix('.png'))}", soft_wrap=True)
    failed = results.failures(dataset)
    for at in zip(*failed.to_numpy().nonzero(), strict=True) if failed.ndim else [()] * int(failed):
        err.print(f"{_place(failed, at)}: {results.describe_status(dataset.status[at])}", soft_wrap=True)
    return SOME_FAILED if bool(failed.any()) | _show_failed_values(dataset) else OK


def has_picture(dataset: Any) -> bool:
    """Whether there is something to draw: not where every value of a bifurcation diagram failed."""
    row = named(dataset.attrs.get("study", ""))
    return (
        row is not None
        and row.picture is not None
        and not ("cell_status" in dataset and bool((dataset.cell_status != 0).all()))
    )


def _show_failed_values(dataset: Any) -> bool:
    """Say which values of a bifurcation diagram failed, and why; whether there are any."""
    if "cell_message" not in dataset:
        return False
    name = dataset.cell_message.dims[0]
    for value, message in zip(dataset[name].values.tolist(), dataset.cell_message.values.tolist(), strict=True):
        if message:
            err.print(f"{name} {value:g}: {message}", soft_wrap=True)
    return True


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


def draw(dataset: Any, path: Path) -> Path:
    """Draw the picture of a dataset into a file."""
    from .. import plot

    study = dataset.attrs.get("study", "an unknown study")
    row = named(study)
    picture = "phase_diagram" if study == "sweep" else row and row.picture
    if not picture:
        raise ValueError(f"{path.stem}: no picture for a dataset of {study!r}.")
    getattr(plot, picture)(dataset).savefig(path)
    return path
