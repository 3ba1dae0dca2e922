"""How far a sweep is: counts, rate, time left, and the bar that shows them."""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple


class Tally(NamedTuple):
    """How far a sweep is.

    **Attributes:**

    - `total`: cells.
    - `done`: of these, those with a result.
    - `failed`: of these, those that raised an error.
    - `rate`: cells per second; NaN while it is not known.
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


class Meter:
    """Counts the cells that a runner has computed, for their rate over the last minutes."""

    def __init__(self, window: float = 300.0):
        self._window = window
        self._marks = [(time.monotonic(), 0)]

    def mark(self, computed: int) -> float:
        """The rate in cells per second, given how many have been computed in all."""
        now = time.monotonic()
        if now - self._marks[-1][0] > self._window / 100:
            self._marks.append((now, computed))
            self._marks = [mark for mark in self._marks if now - mark[0] < self._window] or self._marks[-1:]
        then, before = self._marks[0]
        return (computed - before) / (now - then) if computed > before and now > then else float("nan")


def duration(seconds: float) -> str:
    """A time in words."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 1.95 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.0f} s"


def silent(tally: Tally) -> None:
    """Say nothing."""


def check_progress(progress: Any) -> None:
    """**Raises:** `ValueError` for what `reporting` has no use for."""
    if progress not in (None, True, False) and not callable(progress):
        raise ValueError(f"progress: got {progress!r}, allowed are True, False and a function.")


@contextlib.contextmanager
def reporting(progress: Any) -> Iterator[Callable[[Tally], None]]:
    """What the argument `progress` asks for: nothing, a bar, or the caller's own function of a `Tally`."""
    if not progress:
        yield silent
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
