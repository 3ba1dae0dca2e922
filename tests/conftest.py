"""Shared by all tests: double precision, a count of compilations, and the modules of analyses."""

import gc
import importlib
import sys
from pathlib import Path

import jax
import pytest

ANALYSES = Path(__file__).parent.parent / "analyses"


@pytest.fixture
def x64():
    """JAX in double precision, as inside every study."""
    with jax.enable_x64(True):
        yield


@pytest.fixture
def compilations():
    """A function that runs another and returns how many programs JAX compiled for it."""
    events = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda name, *_, **__: events.append(name) if name.endswith("backend_compile_duration") else None
    )

    def count(function):
        before = len(events)
        function()
        return len(events) - before

    yield count
    jax.monitoring.clear_event_listeners()


@pytest.fixture
def module(monkeypatch):
    """A function that imports a module of analyses by its name; after the test they are gone again."""
    if not ANALYSES.is_dir():
        pytest.skip("a source distribution has no analyses")
    monkeypatch.syspath_prepend(str(ANALYSES))
    yield importlib.import_module
    for name, known in list(sys.modules.items()):
        if Path(getattr(known, "__file__", None) or "").parent == ANALYSES:
            del sys.modules[name]


@pytest.fixture(autouse=True, scope="module")
def _compiled_code_is_dropped():
    """Drop what JAX has compiled after every file: it takes memory maps, of which a process may have 65,530."""
    yield
    jax.clear_caches()
    gc.collect()
