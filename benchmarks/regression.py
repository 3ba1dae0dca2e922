"""Whether a change of the code leaves every dataset as it was, bit for bit.

    python benchmarks/regression.py write before            # on the commit before the change
    python benchmarks/regression.py write after             # on the commit after it
    python benchmarks/regression.py compare before after    # exits 1 if anything differs

Every study runs on its smallest specs and systems; `--only WORD` takes the cases whose names contain a word, or match
a pattern such as `lyapunov-*`. Sentences (errors, warnings, tables of the command line) are compared as well, but
counted apart, since they may change on purpose.
"""

import argparse
import fnmatch
import importlib.util
import itertools
import json
import os
import platform
import re
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

# Before JAX starts: quick compilation, and every program is kept wherever the user has a folder for them.
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_use_fusion_emitters=false")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")

import numpy as np
import xarray as xr

import curlflow

WORDS = "words.json"
TABLES = "curlflow.cli.tables", "curlflow.terminal"
"""Where the function is that makes a table of a dataset, today and before."""
PASSING = "created", "commit", "versions", "device", "source"
"""Attributes of datasets whose values may differ; they must be there all the same."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, folders in {"write": ["folder"], "compare": ["before", "after"]}.items():
        command = commands.add_parser(name)
        for folder in folders:
            command.add_argument(folder, type=Path)
        command.add_argument("--only", action="append", metavar="WORD", help="may be given several times")
    given = parser.parse_args()
    if given.command == "write":
        return write(given.folder, given.only)
    return compare(given.before, given.after, given.only)


def chosen(names: list[str], only: list[str] | None) -> list[str]:
    """The names that contain one of the words or match one of the patterns; all without any."""
    return [n for n in names if only is None or any(fnmatch.fnmatchcase(n, f"*{word}*") for word in only)]


def write(folder: Path, only: list[str] | None) -> int:
    """Run the cases; one NetCDF file for each, and all sentences in one file."""
    import regression_cases
    import regression_points
    from regression_refusals import REFUSALS

    cases = regression_cases.CASES | regression_points.CASES
    folder.mkdir(parents=True, exist_ok=True)
    words = sentences(folder)
    words["environment"] = f"{platform.machine()}, {os.environ['XLA_FLAGS']}"
    failed = 0
    for name in chosen(list(cases), only):
        start = time.process_time()
        try:
            dataset, said = noted(cases[name])
            curlflow.save(dataset, folder / f"{name}.nc")
            words |= {f"warnings of {name}": "\n".join(said), f"table of {name}": table(dataset)}
        except Exception:
            failed += 1
            (folder / f"{name}.nc").unlink(missing_ok=True)
            traceback.print_exc()
        print(f"{time.process_time() - start:6.2f} s  {name}", flush=True)
    for name in chosen(list(REFUSALS), only):
        words[name] = refusal(REFUSALS[name])
    (folder / WORDS).write_text(json.dumps(words, indent=1, ensure_ascii=False, sort_keys=True) + "\n")
    if failed:
        print(f"{failed} cases failed")
    return 1 if failed else 0


def noted(case: Callable[[], xr.Dataset]) -> tuple[xr.Dataset, list[str]]:
    """The dataset of a case, and what was said on the way."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        dataset = case()
    return dataset, sorted({str(w.message) for w in caught if w.category is UserWarning})


def table(dataset: xr.Dataset) -> str:
    """The dataset as the command line prints it, or why it does not."""
    from rich.console import Console

    console = Console(width=120, force_terminal=False)
    home = next(name for name in TABLES if importlib.util.find_spec(name))
    try:
        with console.capture() as captured:
            console.print(importlib.import_module(home).table(dataset))
        return captured.get()
    except Exception as error:
        return f"no table: {type(error).__name__}"


def refusal(call: Callable[[], object]) -> str:
    """The sentence by which a bad call is refused."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            call()
    except Exception as error:
        return re.sub("x[0-9a-f]{8,}", "x…", f"{type(error).__name__}: {error}")
    return "accepted"


def compare(before: Path, after: Path, only: list[str] | None) -> int:
    """Print every case that differs; 1 if there is any, 0 if only sentences differ or nothing does."""
    names = sorted({path.stem for folder in (before, after) for path in folder.glob("*.nc")})
    names = chosen(names, only)
    different = 0
    for name in names:
        first = difference(before / f"{name}.nc", after / f"{name}.nc")
        if first is not None:
            different += 1
            print(f"{name}: {first}")
    reworded = 0
    for name, *pair in differing_words(before, after):
        if chosen([name], only):
            reworded += 1
            print(f"{name}\n  - {pair[0]}\n  + {pair[1]}")
    print(f"{different} of {len(names)} datasets and {reworded} sentences differ")
    return 1 if different or not names else 0


def sentences(folder: Path) -> dict[str, str]:
    """What was said in a folder's cases, by name."""
    path = folder / WORDS
    return json.loads(path.read_text()) if path.exists() else {}


def differing_words(before: Path, after: Path) -> Iterator[tuple[str, str, str]]:
    """Names of sentences and tables with the first line in which they differ, as it was and as it is."""
    known, found = sentences(before), sentences(after)
    for name in sorted(known.keys() | found.keys()):
        lines = (words.get(name, "(not there)").splitlines() for words in (known, found))
        pairs = itertools.zip_longest(*lines, fillvalue="(nothing)")
        yield from ((name, *pair) for pair in itertools.islice((p for p in pairs if p[0] != p[1]), 1))


def difference(before: Path, after: Path) -> str | None:
    """The first thing in which two files differ, or None."""
    for path in (before, after):
        if not path.exists():
            return f"{path} is missing"
    known, found = (without_passing(curlflow.load(path)) for path in (before, after))
    for what, one, other in (
        ("dimensions", dict(known.sizes), dict(found.sizes)),
        ("coordinates", sorted(map(str, known.coords)), sorted(map(str, found.coords))),
        ("variables", sorted(map(str, known.data_vars)), sorted(map(str, found.data_vars))),
    ):
        if one != other:
            return f"{what} {one} → {other}"
    for name in known.variables:
        text = variable_difference(known.variables[name], found.variables[name])
        if text is not None:
            return f"{name}: {text}"
    text = attribute_difference(known.attrs, found.attrs)
    assert text is not None or known.identical(found)
    return text


def without_passing(dataset: xr.Dataset) -> xr.Dataset:
    return dataset.assign_attrs({name: "" for name in PASSING if name in dataset.attrs})


def variable_difference(known: xr.Variable, found: xr.Variable) -> str | None:
    if (known.dims, known.dtype) != (found.dims, found.dtype):
        return f"{known.dims} of {known.dtype} → {found.dims} of {found.dtype}"
    one, other = known.to_numpy(), found.to_numpy()
    if bits(one) != bits(other):
        places = [i for i in np.ndindex(one.shape) if bits(one[i]) != bits(other[i])]
        return f"{len(places)} of {one.size} values, first at {places[0]}: {one[places[0]]!r} → {other[places[0]]!r}"
    return attribute_difference(known.attrs, found.attrs)


def attribute_difference(known: dict, found: dict) -> str | None:
    for name in sorted(known.keys() | found.keys()):
        if name not in known or name not in found:
            return f"attribute {name} is {'new' if name in found else 'missing'}"
        one, other = np.asarray(known[name]), np.asarray(found[name])
        if (one.dtype.kind, one.shape) != (other.dtype.kind, other.shape) or bits(one) != bits(other):
            return f"attribute {name}: {known[name]!r} → {found[name]!r}"
    return None


def bits(values: object) -> object:
    """What tells arrays apart: their bytes, with all NaN alike; their elements if they are words."""
    values = np.asarray(values)
    if values.dtype.kind == "f":
        return np.where(np.isnan(values), np.nan, values).tobytes()
    return values.tobytes() if values.dtype.kind in "biuS" else values.tolist()


if __name__ == "__main__":
    sys.exit(main())
