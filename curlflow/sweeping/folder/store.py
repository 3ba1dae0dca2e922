"""The cells of a sweep on the disk: which are finished, which have failed, where they are."""

import contextlib
import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...results import FINGERPRINT
from ...results.files import PARTIAL, write_whole
from ..engines.worker import Failed, Finished
from ..grid import DIGITS
from . import unread
from .manifest import Manifest
from .packing import Header, content_of, groups, pack, read_header

ABANDONED = 3600.0
"""Seconds after which a file that was never finished is removed."""


class Failure(NamedTuple):
    """A cell that raised an error, as it is stored."""

    identity: str
    message: str
    traceback: str
    changes: Mapping[str, Any]
    at: float


class Store:
    """The cells in a folder, as far as `scan` has seen them."""

    def __init__(self, directory: Path):
        self.cells = directory / "cells"
        self.failed = directory / "failed"
        self.headers: dict[Path, Header] = {}
        self.failures: dict[str, Failure] = {}
        self.damaged: dict[str, str] = {}
        self.done: set[str] = set()
        self._streams: dict[tuple[int, str], str] = {}
        self._mixed: dict[int, str] = {}
        self._seen: set[str] = set()

    def make(self) -> None:
        """Make the folders, and remove what was never finished."""
        for folder in (self.cells, self.failed):
            folder.mkdir(exist_ok=True)
            for path in folder.glob(f".*{PARTIAL}"):
                with contextlib.suppress(OSError):
                    if time.time() - path.stat().st_mtime > ABANDONED:
                        path.unlink()

    def scan(self, *, thorough: bool = False, keep: bool = False) -> bool:
        """Look at the files that are new since the last scan, and say whether there were any.

        `thorough` reads all of them, not the headers alone; `keep` keeps the headers, without what is of one cell.
        """
        before = len(self._seen)
        for path in [*_files(self.cells, ".npz"), *_files(self.failed, ".json")]:
            if path.name in self._seen:
                continue
            try:
                self._look(path, thorough, keep) if path.suffix == ".npz" else self._look_at_failures(path)
            except FileNotFoundError:
                continue
            except (ValueError, TypeError) as error:  # Damaged among them
                self.damaged[path.name] = str(error)
            else:
                self._seen.add(path.name)
                self.damaged.pop(path.name, None)
        return len(self._seen) > before

    def _look(self, path: Path, thorough: bool, keep: bool) -> None:
        header = read_header(path, thorough=thorough)
        for attributes in (header.attributes, *(cell["attributes"] for cell in header.cells)):
            self._compare(header.version, attributes)
        self.done.update(header.identities)
        if keep:
            self.headers[path] = header._replace(cells=(), identities=np.array(header.identities, dtype=f"S{DIGITS}"))

    def _compare(self, version: int, attributes: Mapping[str, Any]) -> None:
        """Note the random streams that cells were drawn from, and seeds of which there are two."""
        said: dict[str, str] = {}
        with contextlib.suppress(ValueError, TypeError):  # a function of the user's may have called something else so
            said.update(json.loads(attributes.get(FINGERPRINT, "{}")))
        for seeds, drawn in said.items():
            streams = str(drawn).partition("-")[0]
            known = self._streams.setdefault((version, seeds), streams)
            if known != streams:
                self._mixed[version] = f"the seeds {seeds} gave the fingerprint {known} and {streams}"

    def check_streams(self, manifest: Manifest, results: Sequence[Finished | Failed] = ()) -> None:
        """Refuse cells, here or among `results`, whose random numbers differ though their seeds are the same.

        **Raises:** `ValueError`. Cells of versions that are computed again do not count, nor those that say nothing.
        """
        used = [manifest.study.version, *(v for v, what in manifest.others.items() if what == "use")]
        for result in results:
            if isinstance(result, Finished):
                self._compare(used[0], result.output.attributes)
        for version in used:
            if version in self._mixed:
                raise ValueError(
                    f"directory: cells in {self.cells} are about different random numbers: {self._mixed[version]}. "
                    "They do not go together; compute the sweep anew in another folder."
                )

    def _look_at_failures(self, path: Path) -> None:
        for failure in [Failure(**record) for record in json.loads(content_of(path))]:
            known = self.failures.get(failure.identity)
            if known is None or known.at < failure.at:
                self.failures[failure.identity] = failure

    def write(
        self, results: Sequence[Finished | Failed], changes: Mapping[str, Mapping[str, Any]], version: int
    ) -> None:
        """Write what cells came to in as few files as their structures allow, with what they change, by identity.

        **Raises:** `OSError`, after which some of them are written and none of them half.
        """
        for group in groups([result for result in results if isinstance(result, Finished)]):
            names = [result.identity for result in group]
            path = self.cells / f"{names[0] if len(names) == 1 else _digest(names)}.npz"
            write_whole(path, pack(group, [changes[name] for name in names], version))
            self._seen.add(path.name)
            self.done.update(names)
        failed = [result for result in results if isinstance(result, Failed)]
        failures = [Failure(*result[:3], changes[result.identity], time.time()) for result in failed]
        if failures:
            path = self.failed / f"{_digest([f'{f.identity} {f.at}' for f in failures])}.json"
            write_whole(path, json.dumps([f._asdict() for f in failures], indent=1).encode())
            self._seen.add(path.name)
            self.failures |= {f.identity: f for f in failures}

    def discard_damaged(self) -> dict[str, str]:
        """Remove damaged files, or put aside what is no file; what they were, and what was wrong with them."""
        found, self.damaged = self.damaged, {}
        for name in found:
            path = (self.cells if name.endswith(".npz") else self.failed) / name
            with contextlib.suppress(OSError):
                if path.is_dir():
                    path.rename(path.with_name(f".{name}-{time.time_ns()}"))
                else:
                    path.unlink()
        return found


def _files(folder: Path, suffix: str) -> list[Path]:
    """The finished files of a folder, by name."""
    try:
        return sorted(p for p in folder.iterdir() if p.suffix == suffix and not p.name.startswith("."))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise unread(folder, error) from error


def _digest(names: Sequence[str]) -> str:
    return hashlib.sha256(" ".join(names).encode()).hexdigest()[:DIGITS]


class Settled:
    """For every cell whether it is `done` or has `failed`: a byte or two for each, whatever it came to.

    Cells of one identity (two ratios may give the same whole numbers of units) are one: the first stands for all.
    """

    def __init__(self, manifest: Manifest):
        self.grid = manifest
        used = sorted((v for v, what in manifest.others.items() if what == "use"), reverse=True)
        self.names = [manifest.identities(version) for version in (None, *used)]
        _, first, inverse = np.unique(self.names[0], return_index=True, return_inverse=True)
        self._first = first[inverse]
        self.done = np.zeros(manifest.size, dtype=bool)
        self.failed = np.zeros_like(self.done)

    def __getitem__(self, cell: int) -> bool:
        return bool(self.done[cell] or self.failed[cell])

    def identity(self, cell: int) -> str:
        """The name of a cell's result."""
        return str(self.names[0][cell], "ascii")

    @property
    def missing(self) -> np.ndarray:
        """Whether each cell has to be computed."""
        return ~(self.done | self.failed) & (self._first == np.arange(self._first.size))

    @property
    def counts(self) -> tuple[int, int]:
        """How many are done, and how many have failed."""
        return int(self.done[self._first].sum()), int(self.failed[self._first].sum())

    def mark(self, store: Store) -> None:
        """Take over what files say, by identity."""
        for stored, mask in ((store.done, self.done), (store.failures, self.failed)):
            listed = np.fromiter((name.encode() for name in stored), dtype=f"S{DIGITS}", count=len(stored))
            for names in self.names:
                mask |= np.isin(names, listed)
        self.failed &= ~self.done
