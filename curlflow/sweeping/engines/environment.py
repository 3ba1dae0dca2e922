"""What a process that works for a sweep needs: one thread, and compiled code kept on disk for all of them.

More threads would oversubscribe the cores; and the last digits of large products depend on their number, so that one
thread everywhere also makes results independent of where they were computed. XLA on CPUs takes its number of threads
from `NPROC`, once, when JAX computes for the first time; options in `XLA_FLAGS` change nothing with jaxlib 0.10.
Nothing here is done to the process that asks for a sweep.
"""

import contextlib
import ctypes
import functools
import gc
import hashlib
import importlib.metadata
import os
import platform
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ONE_THREAD = {
    "NPROC": "1", "PJRT_NPROC": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
}  # fmt: skip
KEEP_ALL = {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0", "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1"}
"""By default JAX keeps only what took a second to compile; a study consists of a dozen smaller pieces."""
GROWTH = 512 * 2**20  # bytes of compiled code that a process may gather; a shape takes about 25 MB
SETTLED = 10.0  # seconds after which a file in the cache is no longer being written


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def worker_variables() -> dict[str, str]:
    """The environment variables of a worker on this machine; those of a cache that the user has chosen stay."""
    folder = cache_folder()
    kept = {} if folder is None else {"JAX_COMPILATION_CACHE_DIR": str(folder), **KEEP_ALL}
    # On a GPU JAX otherwise takes three quarters of its memory at once, and a second worker finds none.
    defaults = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", **kept}
    return {**{name: os.environ.get(name) or value for name, value in defaults.items()}, **ONE_THREAD}


def cache_folder() -> Path | None:
    """Where compiled code is kept, None where no folder can be written: the user's choice, or one for this machine.

    Code compiled for one processor may crash on another that shares the home directory; hence a folder for each.
    """
    chosen = os.environ.get("JAX_COMPILATION_CACHE_DIR")
    try:
        caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        folder = Path(chosen) if chosen else caches / "curlflow" / "xla" / _machine()
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            discard_torn(folder)
    except (OSError, RuntimeError):  # RuntimeError: there is no home
        return None
    return folder


@functools.cache
def _machine() -> str:
    """A name for what compiled code depends on: jaxlib, the kind of processor and its instructions."""
    described = [importlib.metadata.version("jaxlib"), platform.machine(), platform.processor()]
    with contextlib.suppress(OSError):
        processor = Path("/proc/cpuinfo").read_text().split("\n\n")[0]
        parts = (line.partition(":") for line in processor.splitlines())
        fields = {name.strip(): value.strip() for name, _, value in parts}
        described += [fields.get(name, "") for name in ("model name", "cpu family", "model", "flags", "Features")]
    return hashlib.sha256("\n".join(described).encode()).hexdigest()[:16]


def discard_torn(folder: Path) -> None:
    """Remove entries that a kill or a full disk has cut off since the last time; JAX leaves them there for ever."""
    stamp, now = folder / ".curlflow-checked", time.time()
    checked = stamp.stat().st_mtime if stamp.exists() else 0.0
    for entry in folder.glob("*-cache"):
        with contextlib.suppress(FileNotFoundError):  # another process was faster
            if checked <= entry.stat().st_mtime < now - SETTLED and not _whole(entry.read_bytes()):
                entry.unlink()
    stamp.touch()
    os.utime(stamp, (now - SETTLED, now - SETTLED))


def _whole(entry: bytes) -> bool:
    """Whether an entry can be unpacked. (With `zstandard` JAX packs otherwise; only empty ones are torn then.)"""
    if entry[:1] != b"\x78":
        return bool(entry)
    with contextlib.suppress(zlib.error):
        zlib.decompress(entry)
        return True
    return False


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
    if "jax" in sys.modules and "JAX_COMPILATION_CACHE_DIR" in variables:  # it read its options when it was imported
        import jax

        jax.config.update("jax_compilation_cache_dir", variables["JAX_COMPILATION_CACHE_DIR"])
        for name, kind in zip(KEEP_ALL, (float, int), strict=True):
            jax.config.update(name.lower(), kind(variables[name]))


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
