"""Commands that show what there is: presets, the schema, datasets and their pictures."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from .common import draw, out, show, without_screen


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
    file: Annotated[Path, typer.Argument(help="NetCDF file that curlflow wrote.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Picture. Default: FILE.png.")] = None,
) -> None:
    """Draw the picture of a dataset again."""
    from .. import results

    path = file.with_suffix(".png") if output is None else results.check_output(output)
    without_screen()
    out.print(f"picture: {draw(results.load(file), path)}", soft_wrap=True)


def info(file: Annotated[Path, typer.Argument(help="NetCDF file that curlflow wrote.")]) -> None:
    """Say what a dataset holds, how it was made and how its realizations ended."""
    from .. import results

    dataset = results.load(file)
    show(dataset)
    for name, value in dataset.attrs.items():
        out.print(f"{name}: ", end="", style="bold")
        out.print(str(value), markup=False, highlight=False, soft_wrap=True)
    sizes = ", ".join(f"{name} {size}" for name, size in dataset.sizes.items())
    out.print("dimensions: ", end="", style="bold")
    out.print(sizes, soft_wrap=True)
    out.print("variables: ", end="", style="bold")
    out.print(", ".join(dataset.data_vars), soft_wrap=True)


COMMANDS = (presets, preset, schema, plot, info)
