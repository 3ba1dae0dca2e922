"""The code of the tutorial runs as it stands."""

import re
from pathlib import Path

import matplotlib as mpl
import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("page", ["docs/tutorial.md"])
def test_pages_run(page):
    mpl.use("Agg")
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text("utf-8"), flags=re.S)
    assert len(blocks) > 5
    namespace = {"__name__": "tutorial"}
    for number, block in enumerate(blocks, start=1):
        exec(compile(block, f"{page}, block {number}", "exec"), namespace)
