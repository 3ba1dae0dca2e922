"""The command line: one command for each study, and some that show what there is."""

import sys
import warnings
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from .. import __version__
from ..caching import cache
from ..catalogue import STUDIES, named
from . import files, sweeps
from .common import BAD_INPUT, OK


class _Commands(TyperGroup):
    """Makes the command of a study when it is called, since that loads JAX; `step_sizes` is `step-sizes`."""

    def parse_args(self, context: Any, words: list[str]) -> list[str]:
        return super().parse_args(context, words or ["--help"])

    def resolve_command(self, context: Any, words: list[str]) -> Any:
        name, command, rest = super().resolve_command(context, [words[0].replace("_", "-"), *words[1:]])
        study = named(name.replace("-", "_"))
        if study is not None or name == "sweep":
            cache()
        if study is None:
            return name, command, rest
        from .from_study import command_of

        alone = typer.Typer(add_completion=False, rich_markup_mode="rich")
        alone.command(name)(command_of(study))
        return name, typer.main.get_command(alone), rest


app = typer.Typer(
    name="curlflow",
    cls=_Commands,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Dynamical-systems analysis of learning rules.\n\n"
    "Start with [bold]curlflow presets[/bold], then [bold]curlflow lyapunov hidden_chaos[/bold]. "
    "Exit codes: 0 ok, 2 bad input, 3 ran but some realizations failed, 130 interrupted.",
    rich_markup_mode="rich",
)
for row in (row for row in STUDIES if row.shell):
    app.command(row.command, help=row.summary)(lambda: None)
for command in files.COMMANDS:
    app.command()(command)
app.add_typer(sweeps.app, name="sweep")


def main() -> None:
    """Run the command line; errors are one line on stderr."""
    warnings.showwarning = _warn
    try:
        code = app(standalone_mode=False)
    except Exception as error:
        # What the parser of the command line finds wrong has this method; its classes are private to typer.
        if not isinstance(error, ValueError | OSError) and not hasattr(error, "format_message"):
            raise
        message = error.format_message() if hasattr(error, "format_message") else str(error)
        if message:  # nothing where the help was shown in its place
            _warn(message)
        code = BAD_INPUT
    sys.exit(code if isinstance(code, int) else OK)


def _warn(message: Warning | str, *_: object) -> None:
    """A warning or an error in one line, without the place in the source that gave it."""
    sys.stderr.write(f"curlflow: {message}\n")


def _show_version(wanted: bool | None) -> None:
    if wanted:
        typer.echo(f"curlflow {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool | None,
        typer.Option("--version", help="Print the version and exit.", callback=_show_version, is_eager=True),
    ] = None,
) -> None:
    """Nothing but options that end the program."""
