"""What all commands share: the console, options, and how a study's run ends in a file, a table and an exit code."""

import signal
import tempfile
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


def results_path(path: Path | None, default: str) -> Path:
    """`path` or the default name, checked before anything is computed."""
    from .. import results

    return results.check_output(Path(default) if path is None else path)


def interrupt_once() -> None:
    """Let the first Ctrl-C interrupt; a second one does not stop the saving."""

    def once(number: int, frame: Any) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, once)


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
    import numpy as np

    from .. import results

    path = save_anyhow(dataset, path)
    if not quiet:
        show(dataset)
    out.print(f"dataset: {path}", soft_wrap=True)
    # There is nothing to draw where every value of a bifurcation diagram failed.
    if picture and ("cell_status" not in dataset or bool((dataset.cell_status == 0).any())):
        out.print(f"picture: {draw(dataset, path.with_suffix('.png'))}", soft_wrap=True)
    failed = results.failures(dataset)
    for at in map(tuple, np.argwhere(failed.to_numpy())):
        # Which run it is: `realization 1`, or `curl, realization 1`, or `scale 2, realization 1`.
        run = {name: failed[at].coords[name].item() for name in failed.dims if name in failed.coords}
        words = [value if isinstance(value, str) else f"{name} {value:g}" for name, value in run.items()]
        err.print(f"{', '.join(words) or 'run'}: {results.describe_status(int(dataset.status[at]))}", soft_wrap=True)
    if "cell_message" in dataset:
        name = dataset.cell_message.dims[0]
        for value, message in zip(dataset[name].values.tolist(), dataset.cell_message.values.tolist(), strict=True):
            if message:
                err.print(f"{name} {value:g}: {message}", soft_wrap=True)
    return SOME_FAILED if "cell_message" in dataset or bool(failed.any()) else OK


def show(dataset: Any) -> None:
    """Print a dataset as a table, if there is one for it."""
    from .tables import table

    shown = table(dataset)
    if shown is not None:
        out.print(shown)


def draw(dataset: Any, path: Path) -> Path:
    """Draw the picture of a dataset into a file, without a screen."""
    import matplotlib

    from .. import plot

    study = dataset.attrs.get("study", "an unknown study")
    row = named(study)
    picture = "phase_diagram" if study == "sweep" else row and row.picture
    if not picture:
        raise ValueError(f"{path.stem}: no picture for a dataset of {study!r}.")
    matplotlib.use("Agg")
    getattr(plot, picture)(dataset).savefig(path)
    return path
