"""What all scripts share: folders, files that are there already, the command line. No analysis of its own."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import xarray as xr

import curlflow

ROOT = Path(__file__).parent.parent


def count(text: str) -> int:
    """A whole number from 1, for argparse."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"got {text}, allowed are whole numbers from 1")
    return int(text)


def parsed(parser: argparse.ArgumentParser, description: str, names: Sequence[str]) -> argparse.Namespace:
    """The options that were given; `--only` takes some of `names`."""
    parser.description = description
    parser.epilog = f"names for --only: {', '.join(names)}"
    given = parser.parse_args()
    unknown = set(given.only or ()) - set(names)
    if unknown:
        parser.error(f"--only: got {', '.join(unknown)}, allowed are {', '.join(names)}")
    return given


def folders(quick: bool) -> tuple[Path, Path]:
    """Where datasets and pictures go."""
    folder, figures = (ROOT / "results",) * 2 if quick else (ROOT / "data", ROOT / "docs" / "figures")
    folder.mkdir(exist_ok=True)
    return folder, figures


def loaded(path: Path) -> xr.Dataset:
    """What an earlier run has made."""
    if not path.exists():
        sys.exit(f"--draw: {path} is not there yet; run the script without --draw")
    return curlflow.load(path)
