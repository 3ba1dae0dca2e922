"""Compiled code kept on disk, so that another process need not compile it again.

JAX names an entry by the program, its own version and the options of the compiler. Entries are written beside others
and renamed, so that processes may share a folder; what cannot be read is compiled again. No JAX is imported here.
"""

import contextlib
import functools
import hashlib
import importlib.metadata
import os
import platform
import sys
import tempfile
import time
import zlib
from collections.abc import Mapping
from pathlib import Path

FOLDER = "JAX_COMPILATION_CACHE_DIR"
KEEP_ALL = {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0", "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1"}
"""By default JAX keeps only what took a second to compile; a study consists of a dozen smaller pieces."""
OFF = ("off", "0", "no")
SETTLED = 10.0  # seconds after which a file in the cache is no longer being written


def cache() -> Path | None:
    """Keep what JAX compiles in this process on disk, and use what others have left there.

    ```python
    import curlflow

    curlflow.cache()
    ds = curlflow.lyapunov(curlflow.systems.lorenz63())  # compiles nothing when it is run again
    ```

    The command line and the workers of sweeps do so by themselves. A program that imports curlflow does not, unless
    it calls this function, best before anything is computed.

    **Returns:** the folder, or None where there is none. `JAX_COMPILATION_CACHE_DIR` is used as it is, if it is set;
    otherwise a folder for this kind of processor and this version of jaxlib within `CURLFLOW_CACHE`, or within
    `~/.cache/curlflow`. `CURLFLOW_CACHE=off` switches it off. The folder may be deleted at any time.
    """
    folder = cache_folder()
    variables = {name: os.environ.get(name) or value for name, value in cache_variables(folder).items()}
    os.environ.update(variables)
    tell_jax(variables)
    return folder


def cache_variables(folder: Path | None) -> dict[str, str]:
    """The environment variables by which JAX keeps everything in `folder`; none where there is none."""
    return {} if folder is None else {FOLDER: str(folder), **KEEP_ALL}


def tell_jax(variables: Mapping[str, str]) -> None:
    """Pass on the `variables` of a cache to JAX, which reads the environment when it is imported, and not later."""
    if "jax" in sys.modules and FOLDER in variables:
        import jax

        jax.config.update(FOLDER.lower(), variables[FOLDER])
        for name, kind in zip(KEEP_ALL, (float, int), strict=True):
            jax.config.update(name.lower(), kind(variables[name]))


def cache_folder() -> Path | None:
    """Where compiled code is kept, None where it is not, or no folder can be written.

    It is `JAX_COMPILATION_CACHE_DIR` as it is, or a folder within `CURLFLOW_CACHE` (a path, or `off`) or within the
    user's caches. Code compiled for one processor may crash on another that shares the home directory; hence a folder
    for each.
    """
    chosen, own = os.environ.get("JAX_COMPILATION_CACHE_DIR"), os.environ.get("CURLFLOW_CACHE")
    if not chosen and own in OFF:
        return None
    try:
        caches = Path(own) if own else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "curlflow"
        folder = Path(chosen) if chosen else caches / "xla" / _machine()
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
