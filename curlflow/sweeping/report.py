"""How a sweep is getting on, from its files alone: `status` works while others compute, from any terminal."""

import contextlib
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from .collecting import Contents
from .folder import manifest as manifests
from .folder.leases import RunnerState, runners
from .folder.store import Failure


class Tally(NamedTuple):
    """How far a sweep is: how many cells it has, how many of them have a result, and how many raised an error.

    `rate` is in cells per second, and NaN while it is not known.
    """

    total: int
    done: int
    failed: int
    rate: float

    @property
    def remaining(self) -> int:
        """Cells that are neither done nor failed."""
        return max(0, self.total - self.done - self.failed)

    @property
    def seconds_left(self) -> float:
        """By the rate so far; NaN while it is not known."""
        return self.remaining / self.rate if self.rate > 0 else 0.0 if self.remaining == 0 else float("nan")

    def __str__(self) -> str:
        """In words, as under a bar."""
        failed = f", {self.failed} failed" if self.failed else ""
        if not self.rate > 0 or not self.remaining:
            return f"{self.done} of {self.total} done{failed}"
        rate = f"{self.rate:.3g}/s" if self.rate >= 1 else f"{60 * self.rate:.3g}/min"
        return f"{self.done} of {self.total} done{failed}, {rate}, {duration(self.seconds_left)} left"


class Report(NamedTuple):
    """How a sweep is getting on.

    **Attributes:**

    - `study`: what is computed, with its version.
    - `tally`: counts, rate of all runners together, time left.
    - `runners`: who is at work now.
    - `failures`: of cells that have failed, with their messages.
    - `versions`: of the study, and how many cells in files are of each.
    - `damaged`: files that cannot be read; their cells are computed again by the next run.
    """

    study: str
    tally: Tally
    runners: list[RunnerState]
    failures: list[Failure]
    versions: dict[int, int]
    damaged: dict[str, str]

    def as_json(self) -> dict[str, Any]:
        """This as plain lists and mappings."""
        tally = self.tally
        return {
            "study": self.study,
            "total": tally.total,
            "done": tally.done,
            "failed": tally.failed,
            "missing": tally.remaining,
            "cells_per_second": None if math.isnan(tally.rate) else tally.rate,
            "seconds_left": None if math.isnan(tally.seconds_left) else tally.seconds_left,
            "runners": [{k: v for k, v in vars(runner).items() if k != "cells"} for runner in self.runners],
            "failures": [{"changes": f.changes, "message": f.message} for f in self.failures],
            "versions": {str(version): number for version, number in self.versions.items()},
            "damaged": self.damaged,
        }


def status(directory: Any) -> Report:
    """How the sweep of a folder is getting on, which may be running, here or elsewhere.

    ```python
    print(curlflow.sweeping.status("phase_diagram/").tally)
    ```

    **Raises:** `ValueError` for a folder of no sweep.
    """
    directory = manifests.folder_of(directory)
    found = Contents(directory)
    store, settled, grid = found.store, found.settled, found.settled.grid
    failed = (str(name, "ascii") for names in settled.names for name in names[settled.failed])
    failures = [store.failures[name] for name in failed if name in store.failures]
    failures += [Failure(settled.identity(c), reason, "", grid.changes(c), 0.0) for c, reason in found.unfit.items()]
    versions: Counter[int] = Counter()
    for header in store.headers.values():
        versions[header.version] += len(header.identities)
    alive = runners(directory)
    rate = sum(runner.rate for runner in alive) if alive else float("nan")
    tally = Tally(grid.size, *settled.counts, rate)
    study = f"{grid.study.name}, version {grid.study.version}"
    return Report(study, tally, alive, failures, dict(sorted(versions.items())), store.damaged)


class Meter:
    """The rate at which a runner has computed cells over the last minutes."""

    def __init__(self, window: float = 300.0):
        self._window = window
        self._marks = [(time.monotonic(), 0)]

    def mark(self, computed: int) -> float:
        """The rate in cells per second, given how many have been computed in all."""
        now = time.monotonic()
        if now - self._marks[-1][0] > self._window / 100:
            self._marks.append((now, computed))
            self._marks = [mark for mark in self._marks if now - mark[0] < self._window]
        then, before = self._marks[0]
        return (computed - before) / (now - then) if computed > before and now > then else float("nan")


def duration(seconds: float) -> str:
    """A time in words."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 1.95 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.0f} s"


@contextlib.contextmanager
def reporting(progress: Any) -> Iterator[Callable[[Tally], None]]:
    """What the argument `progress` asks for: nothing, a bar, or the caller's own function of a `Tally`."""
    if not progress:
        yield lambda tally: None
    elif callable(progress):
        yield progress
    else:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        columns = BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
        with Progress(*columns, console=Console(stderr=True)) as bars:
            task = bars.add_task("", total=None)

            def show(tally: Tally) -> None:
                settled = tally.done + tally.failed
                bars.update(task, total=tally.total, completed=settled, description=str(tally))

            yield show
