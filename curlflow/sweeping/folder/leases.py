"""Who is at work on a sweep, and on which cells, so that several processes share a folder without asking each other.

Each runner rewrites a file of its own, at least once a second. What it says is a courtesy, not a lock: a runner that
does not see it computes a cell twice, and both write the same.
"""

import contextlib
import json
import os
import socket
import threading
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ConfigDict, PositiveInt, TypeAdapter

from ...results.files import write_whole

EXPIRY = 30.0
"""Seconds after which a runner that has not been heard of counts as gone."""


@dataclass
class RunnerState:
    """What a runner says of itself: who it is, when it started (seconds since 1970), and what it has done since then.

    `workers` is how many batches it runs at once, and `rate` its cells per second, 0 while that is not known; `cells`
    are the identities of those that it is at work on, or has not written yet.
    """

    __pydantic_config__ = ConfigDict(strict=True, extra="forbid")
    name: str
    host: str
    process: PositiveInt
    workers: int
    started: float
    done: int = 0
    failed: int = 0
    rate: float = 0.0
    cells: list[str] = field(default_factory=list)


RUNNER = TypeAdapter(RunnerState)


class Leases:
    """The runners of one folder: this one, and the others."""

    def __init__(self, directory: Path, workers: int):
        self.folder = directory / "runners"
        self.folder.mkdir(exist_ok=True)
        host, process = socket.gethostname(), os.getpid()
        self.own = RunnerState(f"{host}-{process}-{uuid.uuid4().hex[:8]}", host, process, workers, time.time())
        self._path = self.folder / f"{self.own.name}.json"
        self._lock = threading.Lock()
        self.renew()

    def renew(self) -> None:
        """Write what this runner is doing now."""
        write_whole(self._path, json.dumps(vars(self.own)).encode(), durable=False)

    def end(self) -> None:
        """Say that this runner has gone."""
        with contextlib.suppress(OSError):
            self._path.unlink()

    def others(self) -> list[RunnerState]:
        """The other runners that are alive."""
        with contextlib.suppress(OSError):
            # Both times are of the clock that the folder's file system has.
            now = self._path.stat().st_mtime
            return [runner for runner in runners(self.folder.parent, now) if runner.name != self.own.name]
        return []

    def claim(self, cells: list[str], others: list[RunnerState]) -> list[str]:
        """Those of `cells` that none of the `others` is at work on; from now on they are this runner's."""
        taken = {cell for runner in others for cell in runner.cells}
        free = [cell for cell in cells if cell not in taken]
        with self._lock:
            self.own.cells = self.own.cells + free
        self.renew()
        if not others or not free:
            return free
        # Two that claimed at the same moment see each other only now: the first by name goes on.
        rivals = [runner for runner in self.others() if runner.name < self.own.name]
        lost = {cell for runner in rivals for cell in runner.cells} & set(free)
        self.release(lost)
        return [cell for cell in free if cell not in lost]

    def release(self, cells: set[str]) -> None:
        """Let go of cells that are written, or were not this runner's after all."""
        with self._lock:
            self.own.cells = [cell for cell in self.own.cells if cell not in cells]


def runners(directory: Path, now: float | None = None) -> list[RunnerState]:
    """All runners of a folder that are alive; files of those that have died or are long gone are removed."""
    now, found = time.time() if now is None else now, []
    for path in sorted((directory / "runners").glob("*.json")):
        with contextlib.suppress(OSError, ValueError):  # of what no runner has written pydantic's is one
            age = now - path.stat().st_mtime
            runner = RUNNER.validate_json(path.read_bytes())
            if age < EXPIRY and not _has_died(runner):
                found.append(runner)
            elif age > 10 * EXPIRY or _has_died(runner):
                path.unlink()
    return found


def _has_died(runner: RunnerState) -> bool:
    """Whether a runner of this machine was killed."""
    if runner.host != socket.gethostname() or runner.process == os.getpid():
        return False
    try:
        os.kill(runner.process, 0)
    except OSError as error:
        return isinstance(error, ProcessLookupError)
    return False
