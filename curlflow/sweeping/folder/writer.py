"""Results on their way to the disk: a thread gathers them for a moment, so that many quick cells share one file.

It goes on while a study computes in the main thread, and also renews the runner's lease.
"""

import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..engines.worker import Failed, Finished
from . import writing_to
from .leases import Leases
from .store import Store

GATHERED = 0.7  # seconds, which with the writing itself are less than one
RENEWAL = 1.0
TICK = 0.1


class Writer:
    """A context manager that writes what is `add`ed; leaving it writes the rest."""

    def __init__(self, directory: Path, store: Store, leases: Leases, version: int):
        self._directory = directory
        self._store = store
        self._leases = leases
        self._version = version
        self._lock = threading.Lock()
        self._results: list[Finished | Failed] = []
        self._changes: dict[str, Mapping[str, Any]] = {}
        self._since = 0.0
        self._error: Exception | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="curlflow sweep writer", daemon=True)

    def __enter__(self) -> "Writer":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()
        try:
            self._flush()
        finally:
            self._leases.end()
        if error[0] is None:
            self.check()

    def add(self, results: Sequence[Finished | Failed], changes: Mapping[str, Mapping[str, Any]]) -> None:
        """Take results, with the fields that cells change by identity. **Raises:** as `check`."""
        self.check()
        with self._lock:
            self._since = self._since if self._results else time.monotonic()
            self._results += results
            self._changes |= changes

    def check(self) -> None:
        """**Raises:** what made writing fail, `OSError` with the folder: nothing more is written then."""
        with writing_to(self._directory):
            if self._error is not None:
                raise self._error

    def _run(self) -> None:
        renewed = time.monotonic()
        while not self._stop.wait(TICK):
            if self._results and time.monotonic() - self._since >= GATHERED:
                self._flush()
            if time.monotonic() - renewed >= RENEWAL and self._error is None:
                renewed = time.monotonic()
                self._attempt(self._leases.renew)

    def _flush(self) -> None:
        with self._lock:
            results, changes = self._results, self._changes
            self._results, self._changes = [], {}
        if results and self._error is None:
            self._attempt(lambda: self._store.write(results, changes, self._version))
            self._leases.release({result.identity for result in results})

    def _attempt(self, write: Any) -> None:
        try:
            write()
        except Exception as error:
            self._error = error
