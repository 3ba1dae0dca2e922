"""Commands that show what there is: presets, the schema, datasets and their pictures."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from .common import FileArgument, draw, out, show


def presets() -> None:
    """List the presets: published settings, by name."""
    from ..spec import presets

    table = Table("preset", "what it is", box=None)
    for name, line in presets().items():
        table.add_row(name, line)
    out.print(table)


def preset(name: Annotated[str, typer.Argument(help="Name of a preset.")]) -> None:
    """Print a preset as TOML, to start a spec of your own: curlflow preset hidden_chaos > my.toml."""
    from ..spec import preset_text

    typer.echo(preset_text(name), nl=False)


def schema() -> None:
    """Print the JSON schema of specs, for editors and checks."""
    from ..spec import Spec

    typer.echo(json.dumps(Spec.model_json_schema(), indent=2, ensure_ascii=False))


def plot(
    file: FileArgument,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Picture. Default: FILE.png.")] = None,
) -> None:
    """Draw the picture of a dataset again."""
    from .. import results

    path = file.with_suffix(".png") if output is None else results.check_output(output)
    out.print(f"picture: {draw(results.load(file), path)}", soft_wrap=True)


def info(file: FileArgument) -> None:
    """Say what a dataset holds, how it was made and how its realizations ended."""
    from .. import results

    dataset = results.load(file)
    show(dataset)
    sizes = ", ".join(f"{name} {size}" for name, size in dataset.sizes.items())
    shape = {"dimensions": sizes, "variables": ", ".join(dataset.data_vars)}
    for name, value in (*dataset.attrs.items(), *shape.items()):
        out.print(f"{name}: ", end="", style="bold")
        out.print(str(value), highlight=name in shape, soft_wrap=True)


COMMANDS = (presets, preset, schema, plot, info)
