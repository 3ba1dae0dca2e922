"""Compiled code kept on disk: by the command line and on request, never by an import."""

import json
import os
import subprocess
import sys

import pytest

from curlflow.caching import FOLDER, cache_folder

PROGRAM = """
import json, os, sys
import jax
asked, found = [], []
count = lambda name, **_: (asked if name.endswith("compile_requests_use_cache") else
                           found if name.endswith("cache_hits") else []).append(name)
jax.monitoring.register_event_listener(count)
import curlflow
if "ask" in sys.argv:
    curlflow.cache()
ds = curlflow.lyapunov(curlflow.systems.henon(), duration=200, transient=10)
print(json.dumps([len(asked), len(found), ds.lyapunov_exponent.values.tolist()]))
"""


@pytest.fixture
def environment(tmp_path, monkeypatch):
    """Nothing is chosen, and the user's caches are in a new folder."""
    for name in (FOLDER, "CURLFLOW_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    return tmp_path


def run(*words, **variables):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words], capture_output=True, text=True, env={**os.environ, **variables}
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_another_process_finds_it_and_torn_entries_are_compiled_again(environment):
    asked, found, first = run("ask")
    assert asked > found
    assert run("ask") == [asked, asked, first]
    entries = sorted(environment.glob("caches/curlflow/xla/*/*-cache"))
    assert entries
    for entry in entries:
        entry.write_bytes(entry.read_bytes()[:100])
    assert run("ask")[2] == first


def test_an_import_keeps_nothing(environment):
    assert run()[1] == 0
    assert not (environment / "caches").exists()


@pytest.mark.quick
def test_the_user_chooses_where(environment, monkeypatch):
    assert cache_folder().is_relative_to(environment / "caches" / "curlflow" / "xla")
    monkeypatch.setenv("CURLFLOW_CACHE", str(environment / "own"))
    assert cache_folder().parent == environment / "own" / "xla"
    monkeypatch.setenv("CURLFLOW_CACHE", "off")
    assert cache_folder() is None
    monkeypatch.setenv(FOLDER, str(environment / "mine"))
    assert cache_folder() == environment / "mine"


def test_the_command_line_keeps_what_it_compiles(environment):
    (environment / "small.toml").write_text('network = {inputs = 2, hidden = 2}\nrule = {kind = "curl"}\n')
    command = [sys.executable, "-m", "curlflow.cli", "stability", "small.toml", "--quiet", "--no-picture"]

    def entries(**variables):
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=environment, env={**os.environ, **variables}
        )
        assert done.returncode == 0, done.stderr
        return len(list(environment.glob("caches/curlflow/xla/*/*-cache")))

    assert entries(CURLFLOW_CACHE="off") == 0
    assert entries() > 0
