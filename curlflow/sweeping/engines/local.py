"""Worker processes on this machine: spawned, one thread each, and none of them is ever waited for in vain.

`multiprocessing.Pool` hangs when a worker is killed, and `concurrent.futures.ProcessPoolExecutor` ends all workers
when one dies, so that the guilty batch cannot be told from those beside it. Here each worker has its own pipe: the
batch that it was at when the pipe broke is lost, and nothing else.
"""

import contextlib
import multiprocessing
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any

from . import Outcome, WorkerLost
from .environment import CompiledCode, cores, variables_set, worker_variables

SHORT = 0.1
"""Seconds. Workers whose batches are shorter get a second one in advance; longer ones would wait there in vain."""
GRACE = 2.0  # seconds that workers have to leave before they are killed
ATTEMPTS = 3  # workers in a row that may be killed while they start
STARTING = "CURLFLOW_WORKER_STARTS"
"""Environment variable of a worker until it has imported the script that runs."""
UNGUARDED = 113
"""Exit code of a worker whose script begins the sweep again when it is imported."""


class LocalProcesses(contextlib.AbstractContextManager):
    """`LocalProcesses(work, workers=None)`: an engine of processes on this machine.

    **Arguments:**

    - `work`: what is done with a batch: a function of a module, or of the script that runs.
    - `workers`: how many processes; by default as many as there are cores this process may use.

    The processes start with the first batches and end when the engine is left, when this process ends, and when it is
    killed. They ignore Ctrl-C, which is for this process to act on. Their compiled code is kept on disk. A script
    needs the guard `if __name__ == "__main__":`, since every worker imports it.

    **Raises:** `ValueError` if `workers` is no whole number from 1. `completed` raises `RuntimeError` if workers
    cannot start; when a worker dies later, the outcome of the batch that it held is `WorkerLost`.
    """

    def __init__(self, work: Callable[[Any], Any], workers: Any = None):
        if workers is not None and (isinstance(workers, bool) or not isinstance(workers, int) or workers < 1):
            raise ValueError(f"workers: got {workers!r}, allowed are whole numbers from 1, and None for all cores.")
        if STARTING in os.environ:
            raise SystemExit(UNGUARDED)  # the process that started this one explains
        self.workers: int = cores() if workers is None else workers
        self._work = work
        self._variables: dict[str, str] = {}
        self._waiting: deque[Any] = deque()
        self._crew: list[_Worker] = []
        self._failures = 0

    def __exit__(self, *error: object) -> None:
        self._waiting.clear()
        crew, self._crew = self._crew, []
        for worker in crew:
            worker.connection.close()  # which is the sign to leave
        deadline = time.monotonic() + GRACE
        for worker in crew:
            worker.process.join(max(0.0, deadline - time.monotonic()))
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
            worker.process.close()

    def submit(self, batch: Any) -> None:
        """Take a batch."""
        self._waiting.append(batch)
        self._hand_out()

    def completed(self, timeout: float) -> list[Outcome]:
        """What has finished since the last call, waiting at most `timeout` seconds for the first."""
        deadline = time.monotonic() + timeout
        outcomes: list[Outcome] = []
        while not outcomes and (self._waiting or any(worker.held for worker in self._crew)):
            self._hand_out()
            connections = {worker.connection: worker for worker in self._crew}
            ready = wait(list(connections), max(0.0, deadline - time.monotonic()))
            for connection in ready:
                outcomes += self._heard(connections[connection])
            if not ready and time.monotonic() >= deadline:
                break
        self._hand_out()
        return outcomes

    def _hand_out(self) -> None:
        """Give what waits to those who have least to do, and start workers while there are too few."""
        for depth in (1, 2):
            for worker in self._crew:
                if not self._waiting:
                    return
                if len(worker.held) < depth <= worker.depth:
                    worker.held.append(self._waiting.popleft())
                    with contextlib.suppress(ConnectionError):  # it died: its connection tells soon
                        worker.connection.send(worker.held[-1])
        starting = sum(not worker.ready for worker in self._crew)
        while len(self._crew) < self.workers and starting < len(self._waiting):
            self._crew.append(self._started())
            starting += 1

    def _started(self) -> "_Worker":
        self._variables = self._variables or worker_variables()
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=serve, args=(theirs,), name="curlflow worker", daemon=True)
        with variables_set({**self._variables, STARTING: "1"}), _interrupts_blocked():
            process.start()
        theirs.close()
        with contextlib.suppress(ConnectionError):
            ours.send(self._work)
        return _Worker(process, ours)

    def _heard(self, worker: "_Worker") -> list[Outcome]:
        """What a worker whose connection is ready has to say, up to its death."""
        outcomes = []
        try:
            while worker.connection.poll():
                outcomes += self._message(worker)
        except (EOFError, ConnectionError):
            outcomes += self._lost(worker)
        return outcomes

    def _message(self, worker: "_Worker") -> list[Outcome]:
        try:
            value, error, seconds = worker.connection.recv()
        except (EOFError, ConnectionError):
            raise
        except Exception as unreadable:
            value, error, seconds = None, RuntimeError(f"a worker's answer cannot be read: {unreadable}"), SHORT
        if worker.ready:
            worker.depth = 2 if seconds < SHORT else 1
            return [Outcome(worker.held.popleft(), value, error)]
        if error is not None:
            raise RuntimeError(f"workers: they cannot import the work that they should do: {error}") from error
        worker.ready, worker.depth, self._failures = True, 1, 0
        return []

    def _lost(self, worker: "_Worker") -> list[Outcome]:
        """Strike off a worker that died, and keep what it had not begun."""
        self._crew.remove(worker)
        worker.connection.close()
        worker.process.join(GRACE)
        if worker.process.is_alive():  # it closed its end, but lives on
            worker.process.kill()
            worker.process.join()
        code = worker.process.exitcode
        if not worker.ready:
            self._failed(code)
        if not worker.held:
            return []
        batch = worker.held.popleft()
        self._waiting.extendleft(reversed(worker.held))
        return [Outcome(batch, None, WorkerLost(f"a worker process died: {_cause(code)}"))]

    def _failed(self, code: int | None) -> None:
        """Give up if workers do not start; a signal may have come from outside, and is forgiven a few times."""
        self._failures += 1
        if code == UNGUARDED:
            raise RuntimeError(
                "workers: every worker imports the script that runs, and this one begins the sweep again when it is "
                'imported; put the sweep under `if __name__ == "__main__":`.'
            ) from None
        if code is None or code >= 0 or self._failures >= ATTEMPTS:
            raise RuntimeError(
                f"workers: a worker process ended while it started ({_cause(code)}); what it said stands above."
            ) from None


@dataclass(eq=False)
class _Worker:
    """What the engine knows of one process: the batches it `held`, the first begun, and how many it may (`depth`)."""

    process: Any
    connection: Connection
    ready: bool = False
    depth: int = 0
    held: deque[Any] = field(default_factory=deque)


def _cause(code: int | None) -> str:
    if code is None or code >= 0:
        return f"exit code {code}"
    name = signal.Signals(-code).name if -code in list(signal.Signals) else f"signal {-code}"
    return name + (", perhaps for lack of memory" if name == "SIGKILL" else "")


@contextlib.contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Block Ctrl-C in this thread: a process that starts meanwhile inherits that, from its first instruction on."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def serve(connection: Connection) -> None:
    """The life of a worker: receive the work, say so, then answer each batch with value, error and seconds."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.pop(STARTING, None)
    received: queue.SimpleQueue[tuple[Any, Exception | None]] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(connection, received), daemon=True).start()
    work, error = received.get()
    try:
        connection.send((None, error, 0.0))
    except (EOFError, ConnectionError):  # the sweep is over already
        return
    code = CompiledCode()
    while error is None:
        batch, unreadable = received.get()
        start = time.perf_counter()
        value, failure = (None, unreadable) if unreadable else _attempt(work, batch)
        seconds = time.perf_counter() - start
        sys.stdout.flush()
        try:
            connection.send((value, failure, seconds))
        except (EOFError, ConnectionError):
            return
        except Exception as unsendable:
            sentence = f"the value or error of a batch cannot be sent: {type(unsendable).__name__}: {unsendable}"
            connection.send((None, RuntimeError(sentence), seconds))
        code.bound()


def _receive(connection: Connection, received: "queue.SimpleQueue[tuple[Any, Exception | None]]") -> None:
    """Read what comes, and end this process at once, whatever it computes, when the other end is closed or dead."""
    while True:
        try:
            received.put((connection.recv(), None))
        except (EOFError, ConnectionError):
            os._exit(0)
        except Exception as error:
            received.put((None, error))


def _attempt(work: Callable[[Any], Any], batch: Any) -> tuple[Any, BaseException | None]:
    try:
        return work(batch), None
    except BaseException as error:
        error.add_note("In a worker process:\n" + traceback.format_exc())
        return None, error
