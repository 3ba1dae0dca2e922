"""Sweeps on the command line: run, plan, status, collect."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text
from typer.core import TyperGroup

from .common import INTERRUPTED, OK, SOME_FAILED, QuietOption, SetOption, err, interrupt_once, out, results_path


class _Sweep(TyperGroup):
    """`curlflow sweep FILE.toml` is `curlflow sweep run FILE.toml`."""

    def parse_args(self, context: Any, words: list[str]) -> list[str]:
        if not words or words[0] in self.commands or words[0].startswith("-"):
            return super().parse_args(context, words)
        if not words[0].endswith(".toml") and not Path(words[0]).exists():
            context.fail(f"sweep: got {words[0]!r}, allowed are {', '.join(self.commands)} and a TOML file.")
        return super().parse_args(context, ["run", *words])


app = typer.Typer(
    cls=_Sweep,
    no_args_is_help=True,
    help="A study in every cell of a grid of specs: phase diagrams.\n\n"
    "curlflow sweep FILE.toml runs one; run, status and collect work on its folder.",
)

DirectoryOption = Annotated[
    Path | None, typer.Option("--directory", "-d", help="Folder for the cells. Default: NAME, of NAME.toml.")
]
OutputOption = Annotated[Path | None, typer.Option("--output", "-o", help="NetCDF file. Default: sweep_NAME.nc.")]
ExtendOption = Annotated[
    bool, typer.Option("--extend", help="Take the place of another sweep in the folder; keep the cells of both.")
]
OtherOption = Annotated[
    str, typer.Option("--other-version", help="Cells of another version of the study: refuse, recompute or use.")
]
FolderArgument = Annotated[Path, typer.Argument(help="Folder of a sweep.", metavar="DIRECTORY")]


@app.command()
def run(
    target: Annotated[Path, typer.Argument(help="TOML file of a sweep, or its folder.", metavar="FILE_OR_DIRECTORY")],
    directory: DirectoryOption = None,
    set_: SetOption = None,
    workers: Annotated[int | None, typer.Option(help="How many processes. Default: all cores.")] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="Address of a dask scheduler, tcp://host:8786, whose workers compute.")
    ] = None,
    serial: Annotated[bool, typer.Option("--serial", help="Compute in this process, without workers.")] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Compute failed cells again.")] = False,
    extend: ExtendOption = False,
    other_version: OtherOption = "refuse",
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Compute what is missing, and collect the dataset.

    Stop it with Ctrl-C, kill it, start it in several terminals: the same command goes on with what is missing.

    Examples:

    curlflow sweep phase_diagram.toml

    curlflow sweep run phase_diagram/ --workers 4 --retry-failed

    curlflow sweep phase_diagram.toml -d /scratch/phase_diagram --scheduler tcp://head:8786
    """
    from .. import results, sweeping
    from ..sweeping.engines.environment import become_worker

    path = results_path(output, f"sweep_{target.resolve().stem}.nc")
    common = {"other_version": other_version, "retry_failed": retry_failed, "progress": not quiet}
    common |= {"engine": "serial" if serial else None, "workers": workers, "scheduler": scheduler}
    sys.path.insert(0, str(Path.cwd()))  # a study "module:function" is looked for here too
    if serial:
        become_worker()  # with the threads of a worker, for the same digits
    if target.is_dir():
        if directory is not None or set_ or extend:
            raise ValueError(
                f"{target}: a folder has its sweep; --directory, --set and --extend go with a TOML file."
            )
        folder, dataset = target, _interruptible(lambda: sweeping.resume(target, **common), target)
    else:
        folder, described = directory or target.with_suffix(""), _described(target, set_)
        common |= {"directory": folder, "extend": extend}
        dataset = _interruptible(lambda: sweeping.sweep(**described, **common), folder)
    out.print(f"dataset: {results.save(dataset, path)}", soft_wrap=True)
    return _exit_code(dataset, folder)


@app.command()
def plan(
    file: Annotated[Path, typer.Argument(help="TOML file of a sweep.", metavar="FILE")],
    directory: DirectoryOption = None,
    set_: SetOption = None,
    extend: ExtendOption = False,
    other_version: OtherOption = "refuse",
) -> None:
    """Check a sweep and make its folder, without computing; then `run` the folder, from anywhere.

    Example:

    curlflow sweep plan phase_diagram.toml -d phase_diagram/
    """
    from .. import sweeping

    folder = directory or file.with_suffix("")
    sys.path.insert(0, str(Path.cwd()))
    described = _described(file, set_)
    manifest = sweeping.plan(**described, directory=folder, extend=extend, other_version=other_version)
    sizes = " × ".join(f"{d.name} {len(d.values)}" for d in manifest.dimensions)
    out.print(f"{manifest.grid.size} cells ({sizes}) of {manifest.study.name} in {folder}", soft_wrap=True)


@app.command()
def status(
    directory: FolderArgument,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for scripts.")] = False,
) -> None:
    """How a sweep is getting on; works while it runs, from any terminal.

    Example:

    curlflow sweep status phase_diagram/
    """
    from .. import sweeping

    report = sweeping.status(directory)
    if as_json:
        typer.echo(json.dumps(report.as_json(), indent=2, ensure_ascii=False))
        return
    out.print(f"{report.study}: {report.tally}", soft_wrap=True)
    for runner in report.runners:
        workers = f"{runner.workers} worker{'s' if runner.workers != 1 else ''}"
        place = f"{runner.host}, process {runner.process}, {workers}"
        out.print(f"running on {place}: {runner.done} done", soft_wrap=True)
    if not report.runners:
        out.print("nobody is running it" if report.tally.remaining else "finished")
    if len(report.versions) > 1:
        counts = ", ".join(f"{number} of version {version}" for version, number in report.versions.items())
        out.print(f"cells in files: {counts}", soft_wrap=True)
    for name, reason in report.damaged.items():
        out.print(f"damaged: {name} ({reason}); its cells are computed again by the next run", soft_wrap=True)
    if report.failures:
        title = f"{len(report.failures)} failed"
        table = Table("cell", "why it failed", title=title, title_justify="left", box=None)
        for failure in report.failures[:10]:
            cell = ", ".join(f"{field} = {value}" for field, value in failure.changes.items())
            table.add_row(Text(cell), Text(failure.message))
        out.print(table)
    if len(report.failures) > 10:
        out.print(f"… and {len(report.failures) - 10} more (--json lists all)")


@app.command()
def collect(directory: FolderArgument, output: OutputOption = None) -> int:
    """Write what is finished as one dataset.

    Example:

    curlflow sweep collect phase_diagram/ -o phase_diagram.nc
    """
    from .. import results, sweeping

    path = results_path(output, f"sweep_{directory.resolve().name}.nc")
    dataset = sweeping.collect(directory)
    out.print(f"dataset: {results.save(dataset, path)}", soft_wrap=True)
    return _exit_code(dataset, directory)


def _described(file: Path, changes: list[str] | None) -> dict[str, Any]:
    """The arguments of `curlflow.sweep` from a file, with fields of the spec replaced."""
    from .. import sweeping
    from ..spec.words import change_from

    described = sweeping.from_toml(file)
    replaced = dict(change_from(change) for change in changes or [])
    for name, axis in described["over"].items():
        set_by_axis = {field for change in getattr(axis, "changes", ({name: None},)) for field in change}
        for field in sorted(set_by_axis & set(replaced)):
            raise ValueError(f"--set: {field} is what the axis {name} sets; change that in {file}.")
    return {**described, "spec": described["spec"].replace(replaced)} if replaced else described


def _interruptible(compute: Callable[[], Any], folder: Path) -> Any:
    """Compute; on Ctrl-C say how to go on."""
    from ..interrupts import Interrupted

    interrupt_once()
    try:
        return compute()
    except (Interrupted, KeyboardInterrupt) as interrupt:
        status = getattr(getattr(interrupt, "dataset", None), "cell_status", None)
        done = "" if status is None else f"{int((status == 0).sum())} of {status.size} cells "
        err.print(f"interrupted; {done}are in {folder}; go on with: curlflow sweep run {folder}", soft_wrap=True)
        sys.exit(INTERRUPTED)
    except (RuntimeError, ImportError) as error:  # no workers, no dask
        raise OSError(str(error)) from error


def _exit_code(dataset: Any, folder: Path) -> int:
    """Whether all cells are done; what is not is said."""
    failed, missing = (int((dataset.cell_status == flag).sum()) for flag in (1, 2))
    total = dataset.cell_status.size
    if missing:
        err.print(f"{missing} of {total} cells are missing; go on with: curlflow sweep run {folder}", soft_wrap=True)
    if failed:
        err.print(f"{failed} of {total} cells failed: curlflow sweep status {folder}", soft_wrap=True)
    return SOME_FAILED if failed else OK
