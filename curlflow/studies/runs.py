"""Realizations side by side: the record of a run, threads that share compiled code, progress, and Ctrl-C.

JAX releases Python's lock while it computes, so threads use all cores, and one compilation serves them all.
"""

import contextlib
import contextvars
import functools
import importlib
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

import jax
import numpy as np
import xarray as xr
from jaxtyping import Float, PyTree
from threadpoolctl import ThreadpoolController

from ..interrupts import Interrupted
from ..measures.recording import next_spans, record
from ..precision import jax_settings
from ..solvers.integrate import Clock
from ..status import Status
from ..systems import AbstractSystem
from ..together import Meeting, as_one, seat

Item, Kind = TypeVar("Item"), TypeVar("Kind", bound="Run")
SECONDS = 0.4
"""How long a compiled call should take: how soon progress and interrupts are noticed."""
DONE = object()


@dataclass
class Run:
    """One realization on its way: its number, where it stands, and how it goes. Studies that keep more extend it.

    **Attributes:**

    - `status`: `completed` as long as nothing is wrong.
    - `done`: how many units of work are done, for example records or blocks.
    - `finished`: whether nothing is left to do.
    """

    index: int
    system: AbstractSystem
    state: PyTree
    clock: Clock
    status: Status = Status.completed
    done: int = 0
    finished: bool = False

    @classmethod
    def at_start(cls: type[Kind], index: int, system: AbstractSystem, **kept: Any) -> Kind:
        """A run that has not begun, with what the study keeps of it."""
        state, clock = as_numpy((system.state, system.clock()))
        return cls(index, system, state, clock, **kept)

    def record(self, observe: Callable, segments: tuple, first: int, number: int) -> Float[np.ndarray, "records _"]:
        """Go on by up to `number` records, the `first` and those after it; `system.cut` gives the segments of all."""
        spans = (next_spans(values, first) for values in segments)
        found = as_numpy(record(self.system, observe, self.state, self.clock, *spans, np.asarray(number)))
        self.state, self.clock, self.status = found.state, found.clock, Status(int(found.status))
        return found.records[: int(found.number)].copy()

    def interrupt(self) -> None:
        """Note that the user stopped what is not finished."""
        if self.status == Status.completed and not self.finished:
            self.status = Status.interrupted if self.done else Status.not_run


@runtime_checkable
class Progress(Protocol):
    """What a study tells of its progress: called often, from several threads."""

    def __call__(self, realization: int, phase: str, fraction: float) -> None:
        """Realization `realization` has done `fraction` (0 to 1) of `phase`."""


def silent(realization: int, phase: str, fraction: float) -> None:
    """Say nothing."""


@contextlib.contextmanager
def _reporting(progress: bool | Progress | None, names: Sequence[str]) -> Iterator[Progress]:
    """What a study's argument `progress` asks for: nothing, a bar for every name, or the caller's own function."""
    if not progress:
        yield silent
    elif callable(progress):
        yield progress
    elif progress is not True:
        raise ValueError(f"progress: got {progress!r}, allowed are True, False and a function.")
    else:
        from rich.console import Console
        from rich.progress import Progress as Bars
        from rich.progress import TimeElapsedColumn

        with Bars(*Bars.get_default_columns(), TimeElapsedColumn(), console=Console(stderr=True)) as bars:
            tasks = [bars.add_task(name, total=1.0) for name in names]
            phases = [""] * len(names)

            def show(realization: int, phase: str, fraction: float) -> None:
                if phase != phases[realization]:
                    phases[realization] = phase
                    bars.reset(tasks[realization], description=f"{names[realization]}: {phase}")
                bars.update(tasks[realization], completed=fraction)

            yield show


@dataclass
class Pace:
    """How many units of work fit into one compiled call of about `SECONDS`: `number`, at most `capacity`.

    Results do not depend on it: the unit does the same arithmetic however many are taken at once.
    """

    capacity: int
    number: int = 1

    @contextlib.contextmanager
    def timed(self, number: int) -> Iterator[None]:
        """Time `number` units and adapt."""
        start = time.perf_counter()
        yield
        seconds = max(time.perf_counter() - start, 1e-6)
        self.number = int(min(self.capacity, max(1, min(4.0, SECONDS / seconds) * number)))


def paced(
    run: Any, number: int, capacity: int, call: Callable[[int], object], report: Progress, phase: str
) -> Iterator[None]:
    """Do `number` units of work, so many at a time that a call takes about `SECONDS`; a generator for `in_turns`.

    It ends early where the status of the run is no longer `completed`.

    **Arguments:**

    - `run`: anything with `index` and `status`.
    - `capacity`: the most units in one call.
    - `call`: does as many units as it is told.
    """
    pace, done = Pace(capacity), 0
    while done < number and run.status == Status.completed:
        take = min(pace.number, number - done)
        with pace.timed(take):
            call(take)
        done += take
        report(run.index, phase, done / number)
        yield


def attended(
    work: Callable[[Progress], object], runs: Sequence[Any], progress: Any, names: Sequence[str] | None = None
) -> bool:
    """Do `work` with a bar for every run; whether Ctrl-C stopped it, which runs that are not finished then note.

    **Arguments:**

    - `progress`: a study's argument: True for a bar, or a function.
    - `names`: what the bars are called. Default: realization 0, 1, …
    """
    with _reporting(progress, names or [f"realization {i}" for i in range(len(runs))]) as report:
        try:
            work(report)
        except KeyboardInterrupt:
            for run in runs:
                run.interrupt()
            return True
    return False


def side_by_side(
    work: Callable[[Any, Progress], Iterator[None]],
    runs: Sequence[Any],
    progress: Any,
    *,
    compiled: Callable[[], object] | None = None,
    names: Sequence[str] | None = None,
) -> bool:
    """Run the generator `work` on every run, on all cores; whether the user stopped it by Ctrl-C.

    **Arguments:** as for `attended`, and

    - `work`: a generator of a run and a `Progress` that yields wherever it may be stopped.
    - `compiled`: compiles what all runs share, before threads that would all compile the same.
    """

    def all_of_them(report: Progress) -> None:
        in_turns(lambda run: work(run, report), runs, compiled=compiled)

    return attended(all_of_them, runs, progress, names)


def finished(dataset: xr.Dataset, interrupted: bool) -> xr.Dataset:
    """The dataset of a study.

    **Raises:** `Interrupted`, with the dataset, where the user stopped it.
    """
    if interrupted:
        raise Interrupted(dataset)
    return dataset


def in_turns(
    work: Callable[[Item], Iterator[None]],
    items: Sequence[Item],
    *,
    compiled: Callable[[], object] | None = None,
) -> None:
    """Run the generator `work` on every item, on as many threads as there are cores, or as `NPROC` says.

    The items take turns, from one `yield` to the next, so that all cores stay busy. Ctrl-C takes effect at a `yield`.
    Where they run as one program, every item has a thread, and threads meet wherever they call compiled functions.

    **Arguments:** as for `side_by_side`.

    **Raises:** `KeyboardInterrupt` once the threads have stopped; likewise whatever `work` raised.
    """
    number, meeting, first, member = len(items), None, 0, contextlib.nullcontext()
    if (place := seat()) is not None:
        meeting, first = place
        if number > meeting.lanes:
            for start in range(0, number, meeting.lanes):
                in_turns(work, items[start : start + meeting.lanes])
            return
        member = meeting.replaced(number)
    elif as_one() and number > 1:
        meeting = Meeting(number)
    else:
        number = threads(number)
        if compiled is not None:
            compiled()
    stop, device = threading.Event(), jax.config.jax_default_device
    turns: queue.SimpleQueue[Iterator[None]] = queue.SimpleQueue()
    for item in items:
        turns.put(work(item))

    def take_turns() -> None:
        while not stop.is_set():
            try:
                turn = turns.get_nowait()
            except queue.Empty:
                return
            if next(turn, DONE) is not DONE:
                turns.put(turn)

    def thread(lane: int) -> None:
        with jax_settings(), jax.default_device(device):
            if meeting is None:
                take_turns()
                return
            with meeting.member(first + lane):
                for _ in work(items[lane]):
                    if stop.is_set():
                        return

    with _linear_algebra().limit(limits=1, user_api="blas"), member, ThreadPoolExecutor(max(1, number)) as pool:
        # A thread sees what the public call has looked at.
        futures = [pool.submit(contextvars.copy_context().run, thread, lane) for lane in range(number)]
        try:
            # Wait in short stretches: a signal is only noticed between them.
            pending = set(futures)
            while pending:
                done, pending = wait(pending, timeout=0.1, return_when=FIRST_EXCEPTION)
                for future in done:
                    future.result()
        finally:
            stop.set()


@functools.cache
def _linear_algebra() -> ThreadpoolController:
    """The libraries behind factorisations, whose idle threads would keep the cores busy that others compute on.

    JAX calls the LAPACK of SciPy, which must have been loaded.
    """
    importlib.import_module("scipy.linalg")
    return ThreadpoolController()


def threads(items: int) -> int:
    """On how many threads `in_turns` runs so many items."""
    # NPROC is what XLA itself goes by: the workers of a sweep have it set to one.
    given = os.environ.get("NPROC", "")
    cores = int(given) if given.isdigit() else os.cpu_count() or 1
    return max(1, min(items, cores))


def as_numpy(tree: PyTree) -> PyTree:
    """All leaves as NumPy arrays, so that every call with the same shapes finds the same compiled code."""
    return jax.tree.map(np.asarray, tree)
