"""Engines on one machine: nothing is lost, nothing comes twice, and nobody is left behind."""

import os
import signal
import subprocess
import sys
import textwrap
import time
import warnings
import zlib
from pathlib import Path

import engine_work
import numpy as np
import pytest
from waiting import PATIENCE, collect, until

from curlflow.caching import cache_folder, discard_torn
from curlflow.sweeping.engines import Engine, Outcome, Serial, WorkerLost
from curlflow.sweeping.engines.environment import (
    CompiledCode,
    cores,
    variables_set,
    worker_variables,
)
from curlflow.sweeping.engines.local import LocalProcesses

TESTS = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache of compiled code for every test."""
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def run(engine, batches):
    with engine:
        for batch in batches:
            engine.submit(batch)
        outcomes = collect(engine, len(batches))
        assert engine.completed(0.0) == []
        return outcomes


def gone(process):
    """Whether a process has ended (or waits only for its parent to notice)."""
    status = Path(f"/proc/{process}/stat")
    try:
        return status.read_text().rsplit(")", 1)[1].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.mark.parametrize(
    "engine", [Serial, lambda work: LocalProcesses(work, 1), lambda work: LocalProcesses(work, 2)]
)
def test_every_batch_comes_back_once(engine):
    engine = engine(engine_work.square)
    assert isinstance(engine, Engine)
    outcomes = run(engine, list(range(60)))
    assert sorted(outcomes) == [Outcome(n, n * n, None) for n in range(60)]


def test_nothing_submitted_nothing_started():
    with LocalProcesses(engine_work.square) as engine:
        assert engine.completed(10.0) == []
        assert engine.workers == cores() >= 1


@pytest.mark.parametrize("workers", [0, -1, 1.5, True, "two"])
def test_number_of_workers_is_checked(workers):
    with pytest.raises(ValueError, match="workers: got .*, allowed are whole numbers from 1"):
        LocalProcesses(engine_work.square, workers)


def test_large_batches_and_values_pass_in_both_directions():
    batches = [bytes([n]) * 3_000_000 + b"end" for n in range(4)]
    outcomes = run(LocalProcesses(engine_work.obey, 1), [1, *batches])
    assert {o.value for o in outcomes[1:]} == {batch[::-1] for batch in batches}


def test_what_work_raises_and_what_cannot_be_sent_are_errors_of_their_batch():
    outcomes = {o.batch: o for o in run(LocalProcesses(engine_work.obey, 1), [1, "refuse", "lambda", 2])}
    assert outcomes[1].value == 1
    assert outcomes[2].value == 4
    assert isinstance(outcomes["refuse"].error, ArithmeticError)
    assert "obey" in outcomes["refuse"].error.__notes__[0]
    assert "cannot be sent" in str(outcomes["lambda"].error)


@pytest.mark.parametrize(
    ("order", "cause"), [("die", "SIGKILL, perhaps for lack of memory"), ("leave", "exit code 7")]
)
@pytest.mark.parametrize("workers", [1, 2])
def test_a_dead_worker_costs_its_own_batch_only(order, cause, workers):
    # With one worker, batches that were handed out in advance wait behind the deadly one.
    batches = [1, 2, 3, order, 4, 5, order, 6, 7]
    outcomes = run(LocalProcesses(engine_work.obey, workers), batches)
    lost = [o for o in outcomes if o.error is not None]
    assert [o.batch for o in lost] == [order, order]
    assert all(isinstance(o.error, WorkerLost) and cause in str(o.error) for o in lost)
    assert sorted(o.value for o in outcomes if o.error is None) == [n * n for n in range(1, 8)]


def test_a_worker_that_is_killed_while_idle_is_replaced():
    with LocalProcesses(engine_work.obey, 1) as engine:
        engine.submit("process")
        first = collect(engine, 1)[0].value
        os.kill(first, signal.SIGKILL)
        until(lambda: gone(first))
        engine.submit("process")
        outcome = collect(engine, 1)[0]
        if outcome.error is not None:  # it was given the batch before its death was noticed
            assert isinstance(outcome.error, WorkerLost)
            engine.submit("process")
            outcome = collect(engine, 1)[0]
        assert outcome.value != first


def test_work_that_workers_cannot_import_is_said_once(tmp_path, monkeypatch):
    module = tmp_path / "vanishing_work.py"
    module.write_text("def work(batch):\n    return batch\n")
    monkeypatch.syspath_prepend(tmp_path)
    import vanishing_work

    module.unlink()
    with LocalProcesses(vanishing_work.work, 2) as engine:
        engine.submit(1)
        with pytest.raises(RuntimeError, match="cannot import the work .*vanishing_work"):
            collect(engine, 1)


def test_workers_have_one_thread_and_the_parent_keeps_its_environment():
    before = dict(os.environ)
    outcomes = run(LocalProcesses(engine_work.obey, 1), ["environment"])
    assert dict(os.environ) == before
    inside = outcomes[0].value
    assert {inside[name] for name in ("NPROC", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")} == {"1"}
    assert inside["JAX_COMPILATION_CACHE_DIR"].startswith(before["XDG_CACHE_HOME"])


def test_variables_are_put_back_even_after_an_error(monkeypatch):
    monkeypatch.setenv("CURLFLOW_TEST_OLD", "old")

    def fail():
        with variables_set({"CURLFLOW_TEST_OLD": "new", "CURLFLOW_TEST_NEW": "new"}):
            raise KeyError(os.environ["CURLFLOW_TEST_OLD"], os.environ["CURLFLOW_TEST_NEW"])

    with pytest.raises(KeyError, match="'new', 'new'"):
        fail()
    assert os.environ["CURLFLOW_TEST_OLD"] == "old"
    assert "CURLFLOW_TEST_NEW" not in os.environ


def test_a_second_process_compiles_nothing_and_computes_on_one_thread():
    size = 40
    first, second = (run(LocalProcesses(engine_work.compile_something, 1), [size])[0].value for _ in range(2))
    assert first["compiled"] > 0
    assert second["compiled"] == 0
    assert second["found"] == first["compiled"] + first["found"]
    assert first["trace"] == second["trace"] == pytest.approx(size * np.tanh(1 / size), rel=1e-14)
    if sys.platform == "linux":
        assert first["threads"] == second["threads"] == 1


def test_where_no_cache_can_be_written_there_is_none(cache):
    cache.write_text("a file where the folder should be")
    assert cache_folder() is None
    assert "JAX_COMPILATION_CACHE_DIR" not in worker_variables()
    assert run(LocalProcesses(engine_work.square, 1), [3])[0].value == 9


def test_a_cache_that_the_user_has_chosen_is_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "mine"))
    monkeypatch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.5")
    variables = worker_variables()
    assert variables["JAX_COMPILATION_CACHE_DIR"] == str(tmp_path / "mine")
    assert variables["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] == "0.5"


def test_torn_entries_of_the_cache_are_removed_once_they_are_settled(tmp_path):
    whole = zlib.compress(os.urandom(1000))
    contents = {"whole-cache": whole, "torn-cache": whole[:500], "empty-cache": b"", "fresh-cache": whole[:500]}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        age = 0 if name.startswith("fresh") else 60
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    discard_torn(tmp_path)
    assert {path.name for path in tmp_path.glob("*-cache")} == {"whole-cache", "fresh-cache"}
    os.utime(tmp_path / "fresh-cache", (time.time() - 5,) * 2)
    discard_torn(tmp_path)  # perhaps somebody writes it still
    assert (tmp_path / "fresh-cache").exists()


def test_compiled_code_is_dropped_when_it_has_grown():
    import jax

    traced = []

    @jax.jit
    def double(x):
        traced.append(x)
        return 2 * x

    patient, impatient = CompiledCode(growth=2**50), CompiledCode(growth=-1)
    for code, expected in ((patient, 1), (impatient, 2)):
        for _ in range(2):
            double(1.0)
            code.bound()
        double(1.0)
        assert len(traced) == expected
    double(1.0)
    assert len(traced) == 2


def script(tmp_path, body):
    path = tmp_path / "sweeping_script.py"
    path.write_text(
        "import sys\n"
        f"sys.path.insert(0, {str(TESTS)!r})\n"
        "from curlflow.sweeping.engines.local import LocalProcesses\n" + textwrap.dedent(body)
    )
    return [sys.executable, str(path)]


def test_work_of_a_guarded_script(tmp_path):
    command = script(
        tmp_path,
        """
        def cube(batch):
            return batch**3

        if __name__ == "__main__":
            with LocalProcesses(cube, 2) as engine:
                engine.submit(3)
                print(*(outcome.value for outcome in engine.completed(60.0)))
        """,
    )
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "27\n", "")


def test_a_script_without_guard_is_told_so(tmp_path):
    command = script(
        tmp_path,
        """
        def cube(batch):
            return batch**3

        with LocalProcesses(cube, 2) as engine:
            for n in range(5):
                engine.submit(n)
            engine.completed(60.0)
        """,
    )
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 1
    assert done.stderr.count("Traceback") == 1
    assert 'put the sweep under `if __name__ == "__main__":`' in done.stderr


def test_a_script_that_fails_when_workers_import_it(tmp_path):
    command = script(
        tmp_path,
        """
        if __name__ != "__main__":
            raise LookupError("not in a worker")

        if __name__ == "__main__":
            with LocalProcesses(abs, 2) as engine:
                engine.submit(1)
                engine.completed(60.0)
        """,
    )
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 1
    assert "LookupError: not in a worker" in done.stderr
    assert "a worker process ended while it started (exit code 1)" in done.stderr


WAITING = """
    from engine_work import announce_and_wait

    if __name__ == "__main__":
        with LocalProcesses(announce_and_wait, 2) as engine:
            for name in sys.argv[1:]:
                engine.submit(name)
            engine.completed(600.0)
"""


def heed_ctrl_c():
    """Shells start what runs in the background deaf to it, and tests may run there."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGKILL, signal.SIGTERM])
def test_nobody_is_left_behind(tmp_path, sign):
    # The workers compute and do not listen, when Ctrl-C comes (to the whole group), or their parent is killed.
    said = [tmp_path / "first", tmp_path / "second"]
    command = [*script(tmp_path, WAITING), *map(str, said)]
    parent = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=heed_ctrl_c
    )
    until(lambda: all(path.exists() and path.read_text() for path in said))
    workers = [int(path.read_text()) for path in said]
    assert not any(gone(worker) for worker in workers)
    if sign is signal.SIGINT:
        os.killpg(parent.pid, sign)
    else:
        parent.send_signal(sign)
    _, stderr = parent.communicate(timeout=PATIENCE)
    until(lambda: all(gone(worker) for worker in workers))
    assert parent.returncode == -sign
    assert stderr.count("Traceback") == (1 if sign is signal.SIGINT else 0), stderr
    assert "curlflow worker" not in stderr


def test_no_file_or_process_is_kept_after_many_engines():
    def open_files():
        return len(os.listdir("/proc/self/fd"))

    if not Path("/proc/self/fd").exists():
        pytest.skip("counts files in /proc")
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        run(LocalProcesses(engine_work.square, 1), [1])  # starts multiprocessing's own helper, once
        before = open_files()
        for _ in range(3):
            run(LocalProcesses(engine_work.square, 2), [1, 2, 3])
        assert open_files() == before
