"""Files that are written whole or not at all."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

PARTIAL = ".partial"
"""How names of files end while they are being written."""


def write_whole(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Write `content` under a temporary name in the same folder, flush it to the disk and rename it.

    **Arguments:**

    - `durable`: False leaves the flushing to the system: the file is whole, but a power failure may lose it.

    **Raises:** `OSError`, after which the file is as it was before.
    """
    handle, temporary = tempfile.mkstemp(prefix=".", suffix=PARTIAL, dir=path.parent)
    try:
        with open(handle, "wb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    if durable:
        _flush_folder(path.parent)


def write_new(path: Path, content: bytes) -> bool:
    """Write a file that nobody else has written; False if somebody has."""
    if path.exists():
        return False
    handle, temporary = tempfile.mkstemp(prefix=".", suffix=PARTIAL, dir=path.parent)
    try:
        with open(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        try:
            os.link(temporary, path)
        except FileExistsError:
            return False
        except OSError:  # a file system without links: the last of several writers at the same moment wins
            os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
    _flush_folder(path.parent)
    return True


@contextlib.contextmanager
def writing_to(directory: Path) -> Iterator[None]:
    """Raise errors of the system as `unwritable` has them."""
    try:
        yield
    except Unread:
        raise
    except OSError as error:
        raise unwritable(directory, error) from error


def unwritable(directory: Path, error: OSError) -> OSError:
    """The error to raise where a folder cannot be written to: what is wrong, and that nothing is lost."""
    said = OSError(
        f"directory: {directory} cannot be written to: {error.strerror or error}. What is there is whole; the same "
        "sweep goes on from it."
    )
    said.errno = error.errno
    return said


class Unread(OSError):
    """A file that is there, perhaps as good as it was, cannot be read now."""


def unread(path: Path, error: OSError) -> Unread:
    """The error to raise there: which file it is, and that it was left as it is."""
    said = Unread(f"directory: {path} cannot be read: {error.strerror or error}. Nothing was changed.")
    said.errno = error.errno
    return said


def _flush_folder(folder: Path) -> None:
    """Make the new name durable, where the system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
