"""The code of the tutorial runs as it stands."""

import re
from pathlib import Path

import matplotlib as mpl
import pytest

ROOT = Path(__file__).parent.parent.parent


PRINTED = ["docs/interoperability.md", "docs/experiments.md", "docs/games.md"]
SLOW = [
    pytest.param(f"docs/{page}.md", marks=pytest.mark.slow)
    for page in ("decomposition", "games", "interoperability", "random_matrix")
]


RUN = ["docs/tutorial.md", "docs/graphs.md", "docs/stability.md", "docs/sweeps.md", "docs/experiments.md", *SLOW]


@pytest.mark.parametrize("page", RUN)
@pytest.mark.filterwarnings("ignore:at.:UserWarning")
def test_pages_run(page, tmp_path, monkeypatch, capsys):
    mpl.use("Agg")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text("utf-8"), flags=re.S)
    assert len(blocks) >= 3
    namespace = {"__name__": "tutorial"}
    for number, block in enumerate(blocks, start=1):
        exec(compile(block, f"{page}, block {number}", "exec"), namespace)
        if page in PRINTED:
            comments = re.findall(r"^ *print.*\n((?:# .*\n)*)", block, flags=re.M)
            assert capsys.readouterr().out == re.sub("^# ", "", "".join(comments), flags=re.M)
