"""Every row of the catalogue against what exists: function, table, picture, command, page, datasets on disk."""

import importlib
import inspect
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest
import typer
import xarray as xr
from rich.console import Console
from studies_of_all_kinds import DATASETS
from typer.testing import CliRunner

import curlflow
from curlflow.catalogue import STUDIES, Study
from curlflow.cli import files
from curlflow.cli.from_study import WITHHELD, command_of, help_of
from curlflow.cli.tables import TABLES, table
from curlflow.results import labelled
from curlflow.variable import ERRORS, EXACT, Variable

mpl.use("Agg")
DOCS = Path(__file__).parents[2] / "docs"
WITHOUT_PICTURE = ("train",)
"""Studies whose numbers at the end are no picture."""


rows = pytest.mark.parametrize("row", STUDIES, ids=lambda row: row.name)


@rows
def test_a_row_names_what_exists(row: Study):
    module, _, name = row.function.partition(":")
    assert getattr(importlib.import_module(module), name) is getattr(curlflow, row.name)
    assert row.columns in TABLES if isinstance(row.columns, str) else row.columns
    assert (row.picture is None) == (row.name in WITHOUT_PICTURE)
    assert row.picture is None or callable(getattr(curlflow.plot, row.picture))
    pages = [page.read_text() for page in (DOCS / "reference").glob("*.md")] if DOCS.is_dir() else None
    assert pages is None or any(f"curlflow.{row.name}" in text for text in pages)
    assert pages is None or (f"curlflow {row.command} " in (DOCS / "cli.md").read_text()) == row.shell


@pytest.mark.parametrize("row", [row for row in STUDIES if row.shell], ids=lambda row: row.name)
def test_every_argument_is_an_option_with_help(row: Study):
    function = getattr(curlflow, row.name)
    command = command_of(row)
    options = inspect.signature(command).parameters
    for argument in list(inspect.signature(function).parameters.values())[1:]:
        replaced = row.name == "simulate" and argument.name == "times"
        assert (argument.name in options) != (argument.name in WITHHELD or replaced), argument
    for option in options.values():
        assert option.annotation.__metadata__[-1].help, option
    assert row.summary in help_of(row, function)
    for words in row.examples:
        assert f"curlflow {row.command} {words}".rstrip() in command.__doc__
    alone = typer.Typer()
    alone.command()(command)
    shown = CliRunner().invoke(alone, ["--help"], env={"COLUMNS": "120"})
    assert shown.exit_code == 0, shown.output
    assert "--output" in shown.output


def undecided(dataset: xr.Dataset) -> list[str]:
    """The numbers that neither have an error, nor are one, nor say why there is none; and those that say both."""
    held = {name: {name + end for end in ERRORS} & set(dataset.data_vars) for name in dataset.data_vars}
    for name, variable in dataset.data_vars.items():
        assert held[name] <= set(variable.attrs.get("ancillary_variables", "").split()), name
    errors = set().union(*held.values())
    numbers = {n for n, v in dataset.data_vars.items() if v.dtype.kind == "f" and n not in errors}
    return sorted(n for n in numbers if bool(held[n]) == ("uncertainty" in dataset[n].attrs))


def test_an_undecided_number_is_found():
    reasons = {"a": "", "a_se": "", "b": EXACT, "c": ""}
    declared = [Variable(name, (), name, uncertainty=reason) for name, reason in reasons.items()]
    dataset = labelled(declared, dict.fromkeys("abc", 1.0) | {"a_se": 0.1}, {}, {})
    assert dataset.a.attrs["ancillary_variables"] == "a_se"
    assert undecided(dataset) == ["c"]
    assert undecided(dataset.drop_vars("a_se")) == ["a", "c"]


@pytest.mark.parametrize(
    ("name", "number"), [(name, i) for name, makers in DATASETS.items() for i in range(len(makers))]
)
def test_datasets_of_a_study_have_a_table_and_a_picture_again(name, number, tmp_path, capsys):
    dataset = DATASETS[name][number]()
    path = curlflow.save(dataset, tmp_path / "a.nc")
    loaded = curlflow.load(path)
    assert loaded.attrs["study"] in (name, "convergence")
    assert undecided(loaded) == []
    console = Console(width=120)
    with console.capture() as shown:
        console.print(table(loaded))
    assert len(shown.get().splitlines()) > 3
    files.info(path)
    assert "dimensions: " in capsys.readouterr().out
    row = next(row for row in STUDIES if row.name == name)
    if row.picture is None:
        with pytest.raises(ValueError, match="a: no picture for a dataset of 'train'"):
            files.plot(path)
        return
    files.plot(path)
    assert path.with_suffix(".png").stat().st_size > 5_000
    plt.close("all")


def test_all_studies_are_in_the_table_above():
    assert list(DATASETS) == [row.name for row in STUDIES]
