"""Workers on other machines, by dask.distributed: a scheduler, to which this process and all workers connect.

dask runs the batches of a worker that died on another one, and gives up a batch that several workers died of.
"""

import asyncio
import contextlib
import functools
import logging
import os
import queue
import re
import socket
import time
import warnings
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from typing import Any

from . import Outcome, WorkerLost
from .environment import CompiledCode, become_worker

ANSWER = 5.0  # seconds that a scheduler has
RECOUNT = 1.0  # seconds between two looks at how many workers there are
ATTEMPTS = 3  # to run a batch that dask has lost
IMPATIENCE = 30.0  # seconds without any worker after which this is said, and said again


class Cluster(contextlib.AbstractContextManager):
    """`Cluster(work, scheduler="tcp://host:8786")` or `Cluster(work, client=client)`: an engine of dask workers.

    **Arguments:**

    - `work`: what is done with a batch: a function of a module that the workers can import.
    - `scheduler`: the address of a running scheduler.
    - `client`: a connected `distributed.Client`; it is left open.

    Workers should run one task at a time (`dask worker --nthreads 1`); they may join later. Before their first batch
    they are given one thread and a cache of compiled code, see `curlflow.sweeping.engines.environment`.

    **Raises:** `ValueError` if no scheduler answers within five seconds; `ImportError` without dask. `submit` and
    `completed` raise `ConnectionError` when the scheduler is lost. A batch that dask has given up is `WorkerLost`.
    """

    def __init__(self, work: Callable[[Any], Any], scheduler: Any = None, client: Any = None):
        if (scheduler is None) == (client is None):
            raise ValueError("scheduler: either an address or a client is required, and not both.")
        self._own = client is None
        for part in ("client", "batched", "core"):
            logging.getLogger(f"distributed.{part}").addFilter(_cut_off)
        self._client = connected(scheduler, client)
        self._address = self._client.scheduler.address
        self._work = work
        self._executor = self._client.get_executor(pure=False)
        self._batches: dict[Future, tuple[Any, int]] = {}
        self._done: queue.SimpleQueue[Future] = queue.SimpleQueue()
        self._threads, self._counted, self._seen = 0, -RECOUNT, time.monotonic()

    def __exit__(self, *error: object) -> None:
        batches, self._batches = self._batches, {}
        if self._client.status == "running" and batches:
            self._executor.shutdown(wait=False)
        if self._own:
            self._client.close(timeout=ANSWER)

    @property
    def workers(self) -> int:
        """How many batches can run at once now; 1 while there is no worker yet."""
        if time.monotonic() - self._counted >= RECOUNT and self._client.status == "running":
            self._threads = 0
            with contextlib.suppress(OSError):  # the scheduler is lost, which `completed` will say
                self._threads = sum(self._client.nthreads().values())
            self._counted = time.monotonic()
            self._seen = self._counted if self._threads else self._seen
        return max(1, self._threads)

    def submit(self, batch: Any, attempt: int = 1) -> None:
        """Take a batch; it begins as soon as a worker is free."""
        self._check()
        future = self._executor.submit(perform, self._work, batch, _process())
        self._batches[future] = batch, attempt
        future.add_done_callback(self._done.put)

    def completed(self, timeout: float) -> list[Outcome]:
        """What has finished since the last call, waiting at most `timeout` seconds for the first."""
        outcomes: list[Outcome] = []
        wait = timeout if self._batches else 0.0
        with contextlib.suppress(queue.Empty):
            while True:
                outcomes += self._outcomes(self._done.get(wait > 0, wait))
                wait = 0.0
        if not outcomes and self._batches:
            self._check()
            if self.workers and not self._threads and time.monotonic() - self._seen >= IMPATIENCE:
                self._seen = time.monotonic()
                warnings.warn(
                    f"scheduler: {self._address} has no worker ({time.strftime('%H:%M:%S')}); start some with "
                    f"`dask worker {self._address} --nthreads 1`.",
                    stacklevel=2,
                )
        return outcomes

    def _outcomes(self, future: Future) -> list[Outcome]:
        """What became of a batch; nothing yet where it has to be run again."""
        batch, attempt = self._batches.pop(future)
        try:
            error = future.exception()
        except CancelledError:  # not by us: that is what dask does when the scheduler is gone
            raise self._gone() from None
        if error is None:
            return [Outcome(batch, *future.result())]
        said = " ".join(str(error).split())
        if type(error).__name__ == "KilledWorker":
            return [Outcome(batch, None, WorkerLost(f"several workers died with this batch; {said}"))]
        # What the work raises comes as a result: this error is dask's own. There is one if a worker dies just when
        # its result has been fetched, since dask then takes the result for the three parts of an error.
        if attempt < ATTEMPTS:
            self.submit(batch, attempt + 1)
            return []
        return [Outcome(batch, None, WorkerLost(f"dask lost this batch; {type(error).__name__}: {said}"))]

    def _check(self) -> None:
        if self._client.status != "running":
            raise self._gone()

    def _gone(self) -> ConnectionError:
        return ConnectionError(
            f"scheduler: {self._address} has gone away, and with it what was not finished; start it again and go on."
        )


def _cut_off(record: logging.LogRecord) -> bool:
    """Leave out dask's tracebacks of connections that were lost or not made again: `completed` says what happened."""
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError | OSError))


def connected(scheduler: Any, client: Any) -> Any:
    """The client that the user has connected, or a new one of the scheduler at this address.

    **Raises:** `ValueError` for a client of no use, and if no scheduler answers; `ImportError` without dask.
    """
    try:
        import distributed
    except ImportError:
        raise ImportError(
            "scheduler: dask is not installed; install `curlflow[cluster]`, here and for the workers."
        ) from None
    if client is not None:
        if not isinstance(client, distributed.Client):
            raise ValueError(f"client: got {client!r}, required is a distributed.Client.")
        if client.status != "running" or client.asynchronous:
            state = "an asynchronous one" if client.asynchronous else f"one that is {client.status}"
            raise ValueError(f"client: got {state}, required is a connected distributed.Client.")
        return client
    if not isinstance(scheduler, str) or not re.fullmatch(r"(tcp|tls|ucx|ws|wss)://[^/\s]+:\d+", scheduler):
        raise ValueError(f"scheduler: got {scheduler!r}, allowed are addresses such as tcp://host:8786.")
    try:
        with ThreadPoolExecutor(1) as thread:  # in a notebook this thread has a loop already
            thread.submit(asyncio.run, _greet(scheduler)).result()
        return distributed.Client(scheduler, timeout=ANSWER, set_as_default=False, name="curlflow")
    except OSError as error:  # TimeoutError among them
        reason = " ".join(str(error).split()) or "it is silent"
    except Exception:  # an answer that dask cannot read fails in many ways
        reason = "what listens there is no dask scheduler"
    raise ValueError(
        f"scheduler: {scheduler} does not answer ({reason}); does `dask scheduler` run there, and can it be reached?"
    )


async def _greet(scheduler: str) -> None:
    """Shake hands: `Client` would wait for ever for one who takes the call and says nothing."""
    from distributed.comm import connect
    from distributed.security import Security

    options = Security().get_connection_args("client")
    comm = await asyncio.wait_for(connect(scheduler, timeout=ANSWER, **options), ANSWER + 0.5)
    await comm.close()


def _process() -> tuple[str, int]:
    return socket.gethostname(), os.getpid()


def perform(work: Callable[[Any], Any], batch: Any, client: tuple[str, int]) -> tuple[Any, Exception | None]:
    """What a worker does with a batch: the value, and what the work raised. A thread of the client stays as it is."""
    code = None if client == _process() else _adopted()
    try:
        return work(batch), None
    except Exception as error:
        return None, error
    finally:
        if code is not None:
            code.bound()


@functools.cache
def _adopted() -> CompiledCode:
    """The compiled code of this process, which becomes a worker by the first call."""
    become_worker()
    return CompiledCode()
