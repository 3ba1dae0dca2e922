"""Shared by all tests: compiled code, double precision, a count of compilations, and the modules of analyses."""

import gc
import importlib
import os
import sys
import tempfile
from pathlib import Path

import jax
import pytest

gc.set_threshold(50_000, 20, 50)  # JAX makes many small objects, and a tenth of the time went into looking at them

ANALYSES = Path(__file__).parent.parent / "analyses"

KEEP_ALL = {"jax_persistent_cache_min_compile_time_secs": 0.0, "jax_persistent_cache_min_entry_size_bytes": -1}
"""By default JAX keeps only what took a second to compile."""

UNOPTIMISED = os.environ.get("JAX_DISABLE_MOST_OPTIMIZATIONS", "") not in ("", "0", "false")

MAPS = 15_000
"""Memory maps of compiled code that a process may take on to the next file."""


def pytest_configure(config):
    """Keep what JAX compiles in one folder for the whole run, its processes and those that tests start.

    Two files that need the same program compile it once. `JAX_COMPILATION_CACHE_DIR` chooses a folder that stays;
    otherwise it is removed at the end.
    """
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:  # the workers of pytest-xdist find their parent's there
        folder = tempfile.TemporaryDirectory(prefix="curlflow-tests-", ignore_cleanup_errors=True)
        config.add_cleanup(folder.cleanup)
        config.add_cleanup(lambda: os.environ.pop("JAX_COMPILATION_CACHE_DIR"))
        os.environ["JAX_COMPILATION_CACHE_DIR"] = folder.name
    jax.config.update("jax_compilation_cache_dir", os.environ["JAX_COMPILATION_CACHE_DIR"])
    for name, value in KEEP_ALL.items():
        os.environ.setdefault(name.upper(), str(value))
        jax.config.update(name, type(value)(os.environ[name.upper()]))


@pytest.fixture(autouse=True)
def _optimised(request):
    """Compile the tests marked `optimised` as for users; `make test` has XLA leave out most optimisations."""
    optimised = request.node.get_closest_marker("optimised") is not None
    jax.config.update("jax_disable_most_optimizations", UNOPTIMISED and not optimised)


@pytest.fixture
def x64():
    """JAX in double precision and with its own defaults, as inside every study."""
    from curlflow.precision import jax_settings  # not before its shapes are checked

    with jax_settings():
        yield


@pytest.fixture
def own_constraint():
    """A constraint of the user's, of which curlflow knows nothing."""
    from curlflow.constraints import AbstractConstraint  # not before its shapes are checked

    class Elsewhere(AbstractConstraint):
        def codimension(self, state):
            return 0

        def tangent(self, state, velocity):
            return velocity

        def retract(self, state):
            return state

    return Elsewhere()


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
def _compiled_code_is_bounded():
    """After a file, drop what JAX has compiled if it takes many memory maps, of which a process may have 65,530."""
    yield
    maps = Path("/proc/self/maps")
    if not maps.exists() or maps.read_bytes().count(b"\n") > MAPS:
        jax.clear_caches()
        gc.collect()
