"""What a process that works for a sweep needs: one thread, and compiled code kept on disk for all of them.

More threads would oversubscribe the cores; and the last digits of large products depend on their number, so that one
thread everywhere also makes results independent of where they were computed. XLA on CPUs takes its number of threads
from `NPROC`, once, when JAX computes for the first time; options in `XLA_FLAGS` change nothing with jaxlib 0.10.
Nothing here is done to the process that asks for a sweep.
"""

import contextlib
import ctypes
import gc
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ...caching import cache_folder, cache_variables, tell_jax

ONE_THREAD = {
    "NPROC": "1", "PJRT_NPROC": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
}  # fmt: skip
GROWTH = 512 * 2**20  # bytes of compiled code that a process may gather; a shape takes about 25 MB


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def worker_variables() -> dict[str, str]:
    """The environment variables of a worker on this machine; those of a cache that the user has chosen stay."""
    kept = cache_variables(cache_folder())
    # On a GPU JAX otherwise takes three quarters of its memory at once, and a second worker finds none.
    defaults = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", **kept}
    return {**{name: os.environ.get(name) or value for name, value in defaults.items()}, **ONE_THREAD}


@contextlib.contextmanager
def variables_set(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables, which a process spawned meanwhile takes over, and put back what was there."""
    before = {name: os.environ[name] for name in variables if name in os.environ}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            os.environ.pop(name, None)
        os.environ.update(before)


def become_worker() -> None:
    """Give this process, in which JAX must not have computed yet, what a worker needs."""
    variables = worker_variables()
    os.environ.update(variables)
    tell_jax(variables)


def accelerated() -> bool:
    """Whether JAX computes on something else than the processor, and wants many networks at once."""
    import jax

    return jax.default_backend() != "cpu"


class CompiledCode:
    """What JAX has compiled in this process, dropped when it has grown too large: the cache on disk has it too."""

    def __init__(self, growth: int = GROWTH):
        self._growth = growth
        self._limit: int | None = None

    def bound(self) -> None:
        """Drop the compiled code if this process has grown by `growth` bytes since it was last dropped."""
        size = _resident()
        if self._limit is None:
            self._limit = size + self._growth
        elif size > self._limit and "jax" in sys.modules:
            import jax

            jax.clear_caches()
            gc.collect()
            library: Any = ctypes.CDLL(None) if sys.platform == "linux" else None
            if hasattr(library, "malloc_trim"):  # glibc would keep the freed memory
                library.malloc_trim(0)
            self._limit = _resident() + self._growth


def _resident() -> int:
    """The memory of this process in bytes; 0 where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 0
