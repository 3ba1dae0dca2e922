"""Files are written whole or not at all, under whatever goes wrong while they are."""

import errno
import os
import stat
from pathlib import Path

import pytest

from curlflow.results.files import replacing, write_new, write_whole

pytestmark = pytest.mark.quick


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_takes_the_place_of_another(tmp_path):
    path = tmp_path / "a"
    write_whole(path, b"old")
    write_whole(path, b"new", durable=False)
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["a"]
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask


@pytest.mark.parametrize("step", ["while it is written", "when it is flushed", "when it is named"])
def test_what_fails_leaves_the_file_as_it_was(step, tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_bytes(b"old")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    def attempt():
        with replacing(path) as temporary:
            temporary.write_bytes(b"ne")
            assert path.read_bytes() == b"old"
            if step == "while it is written":
                full()

    if step != "while it is written":
        monkeypatch.setattr(os, "fsync" if step == "when it is flushed" else "replace", full)
    with pytest.raises(OSError, match="No space left"):
        attempt()
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


def test_the_content_is_on_the_disk_before_the_name_and_the_name_before_the_end(tmp_path, monkeypatch):
    steps = []
    for step in ("fsync", "replace"):
        real = getattr(os, step)
        monkeypatch.setattr(os, step, lambda *given, step=step, real=real: (steps.append(step), real(*given))[1])
    write_whole(tmp_path / "a", b"")
    assert steps == ["fsync", "replace", "fsync"]
    write_whole(tmp_path / "a", b"", durable=False)
    assert steps[3:] == ["replace"]


@pytest.mark.parametrize("links", [True, False])
def test_a_new_file_is_never_written_over_another(links, tmp_path, monkeypatch):
    path = tmp_path / "a"

    def unknown(*_):
        raise OSError(errno.EPERM, "Operation not permitted")

    if not links:
        monkeypatch.setattr(os, "link", unknown)
    assert write_new(path, b"first")
    assert not write_new(path, b"second")
    assert path.read_bytes() == b"first"
    if links:  # also if the other came in the meantime
        monkeypatch.setattr(Path, "exists", lambda path: False)
        assert not write_new(path, b"third")
        assert path.read_bytes() == b"first"
    assert names(tmp_path) == ["a"]
