"""The code of the tutorial runs as it stands."""

import re
from pathlib import Path

import matplotlib as mpl
import pytest

ROOT = Path(__file__).parent.parent.parent


SLOW = [pytest.param(f"docs/{page}.md", marks=pytest.mark.slow) for page in ("decomposition", "random_matrix")]


@pytest.mark.parametrize("page", ["docs/tutorial.md", "docs/graphs.md", "docs/stability.md", "docs/sweeps.md", *SLOW])
@pytest.mark.filterwarnings("ignore:at.:UserWarning")
def test_pages_run(page, tmp_path, monkeypatch):
    mpl.use("Agg")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text("utf-8"), flags=re.S)
    assert len(blocks) >= 3
    namespace = {"__name__": "tutorial"}
    for number, block in enumerate(blocks, start=1):
        exec(compile(block, f"{page}, block {number}", "exec"), namespace)
