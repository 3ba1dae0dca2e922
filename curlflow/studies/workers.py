"""Realizations side by side: threads that share compiled code, progress, and a stop that loses nothing.

JAX releases Python's lock while it computes, so threads use all cores, and one compilation serves them all.
"""

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import Any, Protocol, TypeVar

from ..precision import double_precision

Item = TypeVar("Item")
SECONDS = 0.4
"""How long a compiled call should take: how soon progress and interrupts are noticed."""


class Interrupted(KeyboardInterrupt):
    """A study was interrupted; what was finished is in `dataset`."""

    def __init__(self, dataset: Any):
        super().__init__("interrupted; what was finished is in the attribute `dataset` of this exception")
        self.dataset = dataset


class Progress(Protocol):
    """What a study tells of its progress: called often, from several threads."""

    def __call__(self, realization: int, phase: str, fraction: float) -> None:
        """Realization `realization` has done `fraction` (0 to 1) of `phase`."""


def silent(realization: int, phase: str, fraction: float) -> None:
    """Say nothing."""


@contextlib.contextmanager
def reporting(progress: bool | Progress | None, realizations: int) -> Iterator[Progress]:
    """The `Progress` that a study's argument `progress` asks for: nothing, a bar, or the caller's own."""
    if not progress:
        yield silent
    elif callable(progress):
        yield progress
    else:
        from rich.console import Console
        from rich.progress import BarColumn, Progress as Bars, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(), TimeRemainingColumn(),
        )  # fmt: skip
        with Bars(*columns, console=Console(stderr=True)) as bars:
            tasks = [bars.add_task(f"realization {i}", total=1.0) for i in range(realizations)]

            def show(realization: int, phase: str, fraction: float) -> None:
                bars.update(tasks[realization], completed=fraction, description=f"realization {realization}: {phase}")

            yield show


class Pace:
    """How many units of work fit into one compiled call of about `SECONDS`.

    Results do not depend on it: the unit does the same arithmetic however many are taken at once.
    """

    def __init__(self, capacity: int):
        self.capacity = capacity
        self.number = 1

    @contextlib.contextmanager
    def timed(self, number: int) -> Iterator[None]:
        """Time `number` units and adapt."""
        start = time.perf_counter()
        yield
        seconds = max(time.perf_counter() - start, 1e-6)
        self.number = int(min(self.capacity, max(1, 4 * self.number, 1) if seconds < SECONDS / 4 else max(1, number * SECONDS / seconds)))


def in_threads(work: Callable[[Item], None], items: Sequence[Item], stop: threading.Event) -> bool:
    """Run `work` on every item, on as many threads as there are cores.

    `work` should look at `stop` often and return early if it is set. It is set by Ctrl-C.

    **Returns:** whether the user interrupted. An exception in a thread stops the others and is raised here.
    """
    if not items:
        return False
    interrupted = False
    with ThreadPoolExecutor(min(len(items), os.cpu_count() or 1)) as pool:
        futures = [pool.submit(double_precision(work), item) for item in items]
        try:
            # Wait in short stretches: a signal is only noticed between them.
            pending = set(futures)
            while pending:
                done, pending = wait(pending, timeout=0.1, return_when=FIRST_EXCEPTION)
                if any(f.exception() for f in done):
                    break
        except KeyboardInterrupt:
            interrupted = True
        finally:
            if interrupted or any(f.done() and f.exception() for f in futures):
                stop.set()
    for future in futures:
        future.result()
    return interrupted
