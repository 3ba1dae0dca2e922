"""Where batches of cells run: the protocol that all engines keep, and the plainest of them.

An engine is built with `work`, an importable function from a batch to its value. Failures of cells are data within
the value; an engine itself only ever loses workers.
"""

from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol, runtime_checkable


class WorkerLost(Exception):
    """A worker died, or was taken away, before it returned its batch."""


class Outcome(NamedTuple):
    """What became of a batch.

    **Attributes:**

    - `batch`: as it was submitted.
    - `value`: what `work` returned for it; None where there is an error.
    - `error`: `WorkerLost`, or what else kept the engine from running the batch; None if all went well.
    """

    batch: Any
    value: Any
    error: BaseException | None


@runtime_checkable
class Engine(AbstractContextManager, Protocol):
    """A context manager that runs batches; leaving it cancels what has not begun and frees the workers."""

    workers: int
    """How many batches can run at once now."""

    def submit(self, batch: Any) -> None:
        """Take a batch; returns at once."""

    def completed(self, timeout: float) -> list[Outcome]:
        """What has finished since the last call, waiting at most `timeout` seconds for the first; maybe nothing."""


class Serial(AbstractContextManager):
    """One batch after the other, in this process and this thread, while `completed` waits."""

    workers = 1

    def __init__(self, work: Callable[[Any], Any]):
        self._work = work
        self._batches: deque[Any] = deque()

    def __exit__(self, *error: object) -> None:
        self._batches.clear()

    def submit(self, batch: Any) -> None:
        """Take a batch."""
        self._batches.append(batch)

    def completed(self, timeout: float) -> list[Outcome]:
        """Run the oldest batch, however long it takes."""
        batches = [self._batches.popleft()] if self._batches else []
        return [Outcome(batch, self._work(batch), None) for batch in batches]
