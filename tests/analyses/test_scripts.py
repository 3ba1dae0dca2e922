"""What all scripts share: the command line, files that are there already, interruptions."""

import ast
import re
import runpy
import shutil
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

import curlflow

FOLDER = Path(__file__).parents[2] / "analyses"
FILES = sorted(FOLDER.glob("*.py"))
SCRIPTS = [file for file in FILES if "__main__" in file.read_text()]
HELPERS = {file.stem for file in FILES} - {file.stem for file in SCRIPTS}

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="a source distribution has no analyses")


def imported(file):
    """The helper modules that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom):
            found.add(node.module)
        elif isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
    return found & {file.stem for file in FILES}


def test_a_script_needs_one_helper_and_a_helper_the_common_one():
    assert len(SCRIPTS) == 20
    assert {"scripts", "phase_diagrams", "order_parameters", "convergence_figures"} == HELPERS
    for file in SCRIPTS:
        assert len(imported(file)) == 1, file
        assert imported(file) <= HELPERS, file
    for name in HELPERS:
        assert imported(FOLDER / f"{name}.py") == ({"scripts"} - {name}), name


@pytest.mark.parametrize("file", SCRIPTS, ids=lambda file: file.stem)
def test_help_says_what_a_script_does_with_defaults_and_choices(file, module, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [str(file), "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(file), run_name="__main__")
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert ast.get_docstring(ast.parse(file.read_text())).splitlines()[0] in text
    words = " ".join(text.split())
    assert all(option in words for option in ("--quick", "--draw", "--only NAME"))
    assert re.search(r"make these only, of [\w, ]+ \(default: all\)", words)
    if "--directory FOLDER" in words:
        assert "(default: results/sweeps)" in words
    if "--dynamics" in words:
        assert "{flow,full_batch,minibatch}" in words


def test_the_new_figure_of_the_readme_runs(tmp_path, monkeypatch):
    """In a folder of its own, since scripts write beside the folder they are in."""
    folder = tmp_path / "analyses"
    folder.mkdir()
    shutil.copy(FOLDER / "scripts.py", folder)
    example = (FOLDER / "README.md").read_text().partition("```python\n")[2].partition("```")[0]
    (folder / "mine.py").write_text(example)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "scripts", raising=False)
    monkeypatch.setattr(sys, "argv", ["mine.py", "--quick"])
    runpy.run_path(str(folder / "mine.py"), run_name="__main__")
    del sys.modules["scripts"]
    assert sorted(file.name for file in (tmp_path / "results").iterdir()) == ["mine_quick.nc", "mine_quick.png"]


@pytest.fixture
def made(module, tmp_path):
    """A function that makes the figure `a` in temporary folders with these options."""

    def draw(dataset):
        return {"": plt.figure(), "_again": plt.figure()}

    def function(compute, *line):
        figure = module("scripts").Figure("a", compute, draw, lambda ds: print(float(ds.x.sum())))
        shared = module("scripts")
        given = shared.options("", ["a"], "small", shared.CELLS).parse_args(["--directory", str(tmp_path), *line])
        figure.make(given, tmp_path, tmp_path)
        plt.close("all")
        return sorted(file.name for file in tmp_path.iterdir())

    return function


def test_a_figure_is_computed_saved_summarized_and_drawn(made, capsys):
    def compute(given, path):
        return xr.Dataset({"x": ("n", np.arange(2.0 if given.quick else 4.0))})

    assert made(compute, "--quick") == ["a_quick.nc", "a_quick.png", "a_quick_again.png"]
    assert len(made(compute)) == 6
    assert capsys.readouterr().out.split() == ["1.0", "6.0"]
    made(None, "--draw")  # computes nothing
    assert capsys.readouterr().out.split() == ["6.0"]


def test_what_cannot_be_made_is_said_in_a_sentence(made, tmp_path):
    with pytest.raises(SystemExit, match=r"a\.nc is not there yet; run the script without --draw"):
        made(None, "--draw")

    def interrupted(given, path):
        raise curlflow.Interrupted(None)

    with pytest.raises(SystemExit, match=f"what is finished is kept in {tmp_path}, and the same command goes on"):
        made(interrupted)

    def refused(given, path):
        raise ValueError("c: got −1, allowed are positive numbers.")

    with pytest.raises(SystemExit, match=r"a: c: got −1, allowed are positive numbers\."):
        made(refused)


@pytest.mark.parametrize("line", [["--only", "b"], ["--workers", "0"], ["--workers", "two"]])
def test_bad_options_are_refused(made, line, capsys):
    with pytest.raises(SystemExit):
        made(None, *line)
    assert "choose from" in (text := capsys.readouterr().err) or "allowed are whole numbers from 1" in text
