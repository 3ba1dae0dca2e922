"""The command line: `curlflow lyapunov | simulate | presets | preset | schema | plot | info`."""

import json
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from . import __version__
from .arguments import output_from, spec_from, times_from

OK, BAD_INPUT, SOME_FAILED, INTERRUPTED = 0, 2, 3, 130

app = typer.Typer(
    name="curlflow",
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Dynamical-systems analysis of learning rules.\n\n"
    "Start with [bold]curlflow presets[/bold], then [bold]curlflow lyapunov hidden_chaos[/bold]. "
    "Exit codes: 0 ok, 2 bad input, 3 ran but some realizations failed, 130 interrupted.",
    rich_markup_mode="rich",
)
out = Console()
err = Console(stderr=True)

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


def main() -> None:
    """Run the command line; errors are one line on stderr."""
    try:
        code = app(standalone_mode=False)
    except (ValueError, OSError) as error:
        code = _fail(str(error))
    except Exception as error:
        # What the parser of the command line finds wrong; its classes are private to typer.
        if not hasattr(error, "format_message"):
            raise
        code = _fail(error.format_message())
    sys.exit(code if isinstance(code, int) else OK)


def _fail(message: str) -> int:
    sys.stderr.write(f"curlflow: {message}\n")
    return BAD_INPUT


@app.command()
def lyapunov(
    spec: SpecArgument,
    set_: SetOption = None,
    exponents: Annotated[int | None, typer.Option(help="How many, the largest first. Default: 5.")] = None,
    duration: Annotated[float | None, typer.Option(help="Time that is averaged over. Default: 1000.")] = None,
    transient: Annotated[float | None, typer.Option(help="Time that the state runs before. Default: 1000.")] = None,
    alignment: Annotated[float | None, typer.Option(help="Time that the tangents run before. Default: 100.")] = None,
    block: Annotated[
        float | None, typer.Option(help="Time between QR factorisations. Default: by a pilot run.")
    ] = None,
    tolerance: Annotated[float | None, typer.Option(help="Stop when every standard error is below this.")] = None,
    rtol: Annotated[float | None, typer.Option(help="Relative tolerance, in place of the spec's.")] = None,
    atol: Annotated[float | None, typer.Option(help="Absolute tolerance, in place of the spec's.")] = None,
    stepping: Annotated[str | None, typer.Option(help="adaptive (default) or fixed; not for updates.")] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of the initial tangents (the spec's own: --set seed=1).")
    ] = None,
    realizations: RealizationsOption = None,
    resume: Annotated[Path | None, typer.Option(help="Go on with the runs in this file, exactly.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="NetCDF file. Default: lyapunov_NAME.nc.")
    ] = None,
    picture: PictureOption = True,
    quiet: QuietOption = False,
) -> int:
    """Lyapunov exponents with standard errors, as a table, a NetCDF file and a picture.

    All lengths are in units of time; an epoch of updates is learning_rate units.

    Examples:

    curlflow lyapunov hidden_chaos

    curlflow lyapunov hidden_chaos --set rule.flipped.inputs=0.6 --exponents 3 -o chaos.nc

    curlflow lyapunov hidden_chaos --resume chaos.nc --set rule.flipped.inputs=0.6 --duration 2000 -o longer.nc
    """
    from . import results

    settings, path = spec_from(spec, set_, realizations), output_from(output, "lyapunov", spec)
    previous = None if resume is None else results.load(resume)
    _agg()
    from .studies.exponents import lyapunov

    options = {
        "exponents": exponents, "duration": duration, "transient": transient, "alignment": alignment, "block": block,
        "tolerance": tolerance, "rtol": rtol, "atol": atol, "stepping": stepping, "seed": seed, "resume": previous,
    }  # fmt: skip
    dataset = _run(lambda: lyapunov(settings, progress=not quiet, **options), path)
    return _finish(dataset, path, picture, quiet)


@app.command()
def simulate(
    spec: SpecArgument,
    set_: SetOption = None,
    until: Annotated[float | None, typer.Option(help="Last time, or epoch. Default: 1000, or 10000 epochs.")] = None,
    records: Annotated[int, typer.Option(help="How many records, besides the start.")] = 100,
    spacing: Annotated[str, typer.Option(help="log or linear.")] = "log",
    weights: Annotated[str, typer.Option(help="none, all, or how many weights to record.")] = "none",
    realizations: RealizationsOption = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="NetCDF file. Default: simulate_NAME.nc.")
    ] = None,
    picture: PictureOption = True,
    quiet: QuietOption = False,
) -> int:
    """Learning curves: errors and norms along the dynamics, as a NetCDF file and a picture.

    Examples:

    curlflow simulate fig5c --until 1000 --realizations 2

    curlflow simulate hidden_chaos --spacing linear --until 500 --weights 10
    """
    settings, path = spec_from(spec, set_, realizations), output_from(output, "simulate", spec)
    times = times_from(until, records, spacing, settings.dynamics.kind == "flow")
    _agg()
    from .studies.simulation import simulate

    chosen = int(weights) if weights.lstrip("-").isdigit() else weights
    dataset = _run(lambda: simulate(settings, times=times, weights=chosen, progress=not quiet), path)
    return _finish(dataset, path, picture, quiet)


@app.command()
def presets() -> None:
    """List the presets: published settings, by name."""
    from .spec import presets

    table = Table("preset", "what it is", box=None)
    for name, line in presets().items():
        table.add_row(name, line)
    out.print(table)


@app.command()
def preset(name: Annotated[str, typer.Argument(help="Name of a preset.")]) -> None:
    """Print a preset as TOML, to start a spec of your own: curlflow preset hidden_chaos > my.toml."""
    from .spec import preset_text

    typer.echo(preset_text(name), nl=False)


@app.command()
def schema() -> None:
    """Print the JSON schema of specs, for editors and checks."""
    from .spec import Spec

    typer.echo(json.dumps(Spec.model_json_schema(), indent=2, ensure_ascii=False))


@app.command()
def plot(
    file: Annotated[Path, typer.Argument(help="NetCDF file that curlflow wrote.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Picture. Default: FILE.png.")] = None,
) -> None:
    """Draw the picture of a dataset again."""
    from . import results

    path = file.with_suffix(".png") if output is None else results.check_output(output)
    _agg()
    out.print(f"picture: {_draw(results.load(file), path)}", soft_wrap=True)


@app.command()
def info(file: Annotated[Path, typer.Argument(help="NetCDF file that curlflow wrote.")]) -> None:
    """Say what a dataset holds, how it was made and how its realizations ended."""
    from . import results

    dataset = results.load(file)
    _show(dataset)
    for name, value in dataset.attrs.items():
        out.print(f"[bold]{name}[/bold]: ", end="")
        out.print(str(value), markup=False, highlight=False, soft_wrap=True)
    sizes = ", ".join(f"{name} {size}" for name, size in dataset.sizes.items())
    out.print(f"[bold]dimensions[/bold]: {sizes}", soft_wrap=True)
    out.print(f"[bold]variables[/bold]: {', '.join(dataset.data_vars)}", soft_wrap=True)


@app.callback()
def _version(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)] = False,
) -> None:
    if version:
        typer.echo(f"curlflow {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def _run(study: Callable[[], Any], path: Path) -> Any:
    """Run a study; if it is interrupted, save what was finished. A second Ctrl-C does not stop the saving."""
    from .studies.workers import Interrupted

    def once(number: int, frame: Any) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, once)
    try:
        return study()
    except Interrupted as interrupt:
        saved = _save(interrupt.dataset, path)
        _show(interrupt.dataset)
        err.print(f"interrupted; what was finished is in {saved}", soft_wrap=True)
        sys.exit(INTERRUPTED)


def _save(dataset: Any, path: Path) -> Path:
    """Save; if the disk fails by then, save elsewhere rather than lose what was computed."""
    from . import results

    try:
        return results.save(dataset, path)
    except OSError as error:
        elsewhere = results.save(dataset, Path(tempfile.mkdtemp(prefix="curlflow-")) / path.name)
        err.print(f"{path} could not be written ({error}); the dataset is in {elsewhere}", soft_wrap=True)
        return elsewhere


def _finish(dataset: Any, path: Path, picture: bool, quiet: bool) -> int:
    from . import results

    path = _save(dataset, path)
    if not quiet:
        _show(dataset)
    out.print(f"dataset: {path}", soft_wrap=True)
    if picture:
        out.print(f"picture: {_draw(dataset, path.with_suffix('.png'))}", soft_wrap=True)
    failed = [i for i, status in enumerate(dataset.status.to_numpy().ravel()) if status != 0]
    for i in failed:
        err.print(f"realization {i}: {results.describe_status(dataset.status.to_numpy().ravel()[i])}", soft_wrap=True)
    return SOME_FAILED if failed else OK


def _show(dataset: Any) -> None:
    from .terminal import table

    shown = table(dataset)
    if shown is not None:
        out.print(shown)


def _agg() -> None:
    import matplotlib

    matplotlib.use("Agg")


def _draw(dataset: Any, path: Path) -> Path:
    from . import plot

    draw = {"lyapunov": plot.lyapunov, "simulate": plot.learning_curves}.get(dataset.attrs.get("study", ""))
    if draw is None:
        raise ValueError(
            f"{path.stem}: no picture for a dataset of {dataset.attrs.get('study', 'an unknown study')!r}."
        )
    draw(dataset).savefig(path)
    return path


if __name__ == "__main__":
    main()
