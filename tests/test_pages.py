"""What the pages show as code is code: Python compiles, and every command line is one that the program takes."""

import re
import shlex
import textwrap
from pathlib import Path

import pytest
import typer

from curlflow.cli.commands import app

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r" *```")
OPENING = re.compile(r' *```(\w+)( title="[^"]+")?')

pytestmark = [pytest.mark.quick, pytest.mark.skipif(len(PAGES) == 1, reason="a source distribution has no docs")]


def blocks(path):
    """Pairs of a language and a text, for all blocks of code on a page."""
    lines = iter(path.read_text("utf-8").splitlines())
    for line in filter(FENCE.match, lines):
        opening = OPENING.fullmatch(line)
        assert opening, line
        inside = []
        while not FENCE.match(following := next(lines)):
            inside.append(following)
        assert following.strip() == "```", following
        yield opening[1], textwrap.dedent("\n".join(inside))


def parsed(command, name, words):
    """Parse a command line as the program does, without carrying it out."""
    context = command.make_context(name, words)
    if hasattr(command, "resolve_command"):
        inner, subcommand, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        parsed(subcommand, inner, rest)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_python_on_pages_compiles(path):
    for language, text in blocks(path):
        if language == "python":
            compile(text, path.name, "exec")


@pytest.mark.parametrize("path", [p for p in PAGES if p.stem != "contributing"], ids=lambda path: path.stem)
def test_commands_on_pages_are_commands(path):
    # Without the page whose examples add a command: tests/test_contributing.py runs those.
    for language, text in blocks(path):
        for line in text.replace("\\\n", " ").splitlines():
            if language == "sh" and line.startswith("curlflow "):
                name, *words = shlex.split(line.partition(" > ")[0], comments=True)
                parsed(typer.main.get_command(app), name, words)
