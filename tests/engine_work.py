"""What the tests of engines let workers do; workers import it, so that it imports little itself."""

import os
import signal
import threading
from collections import Counter
from pathlib import Path


def square(number):
    """The value of every batch that is a number."""
    return number * number


def obey(batch):
    """Square a number; a word or a pair is an order."""
    if batch == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if batch == "leave":
        os._exit(7)
    if batch == "refuse":
        raise ArithmeticError("refused")
    if batch == "lambda":
        return lambda: None
    if batch == "sleep":
        threading.Event().wait()
    if batch == "process":
        return os.getpid()
    if batch == "environment":
        return dict(os.environ)
    if isinstance(batch, bytes):
        return batch[::-1]
    return square(batch)


def announce_and_wait(path):
    """Say by a file which process this is, and compute for ever without listening."""
    Path(path).write_text(str(os.getpid()))
    threading.Event().wait()


def die_once(batch):
    """Square a number, but die the first time that any worker comes to one that `dies`."""
    marker = Path(batch["marker"])
    if batch["dies"] and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return square(batch["number"])


def compile_something(size):
    """How many programs JAX compiled, and how many it found on disk, for a trace that is n tanh(1/n)."""
    import jax
    import jax.numpy as jnp

    events: Counter = Counter()
    jax.monitoring.register_event_listener(lambda name, **_: events.update([name.rsplit("/", 1)[-1]]))
    with jax.enable_x64(True):
        a = jnp.ones((size, size)) / size
        trace = float(jax.jit(lambda a: jnp.trace(jnp.tanh(a @ a)))(a))
    jax.monitoring.clear_event_listeners()
    counts = {"compiled": events["cache_misses"], "found": events["cache_hits"]}
    return {**counts, "trace": trace, "threads": _xla_threads()}


def _xla_threads():
    """How many threads XLA has for computing."""
    tasks = Path("/proc/self/task")
    names = [(task / "comm").read_text() for task in tasks.iterdir()] if tasks.exists() else []
    return sum("XLAEigen" in name for name in names)
