"""The folder of a sweep, which any number of processes may share.

```text
DIRECTORY/sweep.json      what it is a sweep of
DIRECTORY/cells/*.npz     finished cells: of one by the name of its identity, of several by a hash of theirs
DIRECTORY/failed/*.json   cells that raised an error
DIRECTORY/runners/*.json  who is at work
```

Files are written whole and, but for `sweep.json` and those of runners, never changed.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Unread(OSError):
    """A file that is there, perhaps as good as it was, cannot be read now."""


def unread(path: Path, error: OSError) -> Unread:
    """The error to raise there."""
    return _said(Unread, f"{path} cannot be read", "Nothing was changed.", error)


@contextlib.contextmanager
def writing_to(directory: Path) -> Iterator[None]:
    """Raise errors of the system with the folder that cannot be written to, and that nothing is lost."""
    try:
        yield
    except Unread:
        raise
    except OSError as error:
        so = "What is there is whole; the same sweep goes on from it."
        raise _said(OSError, f"{directory} cannot be written to", so, error) from error


def _said(kind: type[OSError], what: str, so: str, error: OSError) -> Any:
    said = kind(f"directory: {what}: {error.strerror or error}. {so}")
    said.errno = error.errno
    return said
