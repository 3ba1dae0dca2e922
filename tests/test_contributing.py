"""The worked examples of docs/contributing.md, carried out in a copy of the package."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import curlflow

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "contributing.md"
BLOCKS = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.M | re.S)


def changed(text: str, block: str) -> str:
    """`text` with the lines of a diff, whose other lines say where it goes, put in and taken out."""
    before = "".join(line[1:] + "\n" for line in block.splitlines() if line[:1] != "+").rstrip("\n")
    after = "".join(line[1:] + "\n" for line in block.splitlines() if line[:1] != "-").rstrip("\n")
    assert text.count(before) == 1, before
    return text.replace(before, after)


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the package and the analyses with all examples of the page in it."""
    if not PAGE.exists():
        pytest.skip("a source distribution has no docs")
    folder = tmp_path_factory.mktemp("contributed")
    shutil.copytree(Path(curlflow.__file__).parent, folder / "curlflow", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "analyses", folder / "analyses", ignore=shutil.ignore_patterns("__pycache__"))
    for kind, title, block in BLOCKS.findall(PAGE.read_text("utf-8")):
        path = folder / (title or "nowhere")
        if title and kind == "diff":
            path.write_text(changed(path.read_text("utf-8"), block), "utf-8")
        elif title:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block, "utf-8")
    return folder


def run(copy: Path, *words: str) -> str:
    environment = os.environ | {"PYTHONPATH": str(copy)}
    done = subprocess.run(
        [sys.executable, *words], cwd=copy, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_rule_takes_one_file_and_one_table(copy):
    shown = run(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/rules/test_weight_decay.py")
    assert "1 passed" in shown


def test_a_measure_takes_one_folder_one_row_and_one_page(copy):
    (command,) = (block for kind, _, block in BLOCKS.findall(PAGE.read_text("utf-8")) if kind == "sh")
    shown = run(copy, "-m", "curlflow.cli", *command.split()[1:])
    assert "path length" in shown
    with_table = run(copy, "-m", "curlflow.cli", "info", "detour.nc")
    assert "path length" in with_table
    assert (copy / "detour.png").stat().st_size > 5_000
    dataset = curlflow.load(copy / "detour.nc")
    assert dataset.attrs["study"] == "detour"
    assert (dataset.detour >= 1).all()
    assert "How far from straight" in run(copy, "-m", "curlflow.cli", "--help")


def test_a_figure_takes_one_script(copy):
    script = copy / "analyses" / "detours.py"
    assert len(script.read_text("utf-8").splitlines()) <= 60
    run(copy, str(script), "--quick", "--workers", "1")
    assert (copy / "results" / "detours_quick.png").stat().st_size > 5_000
    assert curlflow.load(copy / "results" / "detours_quick.nc").detour.dims == ("fraction", "realization")
