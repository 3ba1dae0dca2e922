"""Shared by all tests: double precision, and a count of compilations."""

import gc

import jax
import pytest


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


@pytest.fixture(autouse=True, scope="module")
def _compiled_code_is_dropped():
    """Drop what JAX has compiled after every file: it takes memory maps, of which a process may have 65,530."""
    yield
    jax.clear_caches()
    gc.collect()
