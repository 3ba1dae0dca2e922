"""dask workers on loopback: killed workers, killed schedulers, wrong addresses; nothing is lost and nothing hangs."""

import contextlib
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import Future
from pathlib import Path

import engine_work
import numpy as np
import pytest
from waiting import PATIENCE, collect, until

import curlflow
from curlflow.sweeping.engines import Engine, Outcome, WorkerLost, cluster
from curlflow.sweeping.engines.cluster import Cluster
from curlflow.sweeping.sweeps import sweep

distributed = pytest.importorskip("distributed", reason="needs the extra `cluster`")
TESTS = Path(__file__).parent.parent


class Machines:
    """A scheduler and workers as processes of their own, as on a cluster."""

    def __init__(self, folder):
        self.folder = folder
        # Without the tests' own cache of compiled code: workers choose theirs.
        self.environment = {
            **{name: value for name, value in os.environ.items() if name != "JAX_COMPILATION_CACHE_DIR"},
            # The package that is tested, and the modules of the tests.
            "PYTHONPATH": os.pathsep.join([str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])]),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "5s",
            "DASK_DISTRIBUTED__DEPLOY__LOST_WORKER_TIMEOUT": "1s",
        }
        self.processes = []
        self.workers = []
        self.scheduler = None
        self.address = None

    def start(self, command, *arguments):
        """One process, whose words go to a file."""
        with open(self.folder / f"{len(self.processes)}_{command}.log", "w") as log:
            module = f"distributed.cli.dask_{command}"
            process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                env=self.environment, cwd=self.folder, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self.processes.append(process)
        return process

    def start_scheduler(self):
        file = self.folder / "scheduler.json"
        file.unlink(missing_ok=True)
        self.scheduler = self.start(
            "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file)
        )
        until(lambda: file.exists() and file.read_text().strip().endswith("}"))
        self.address = json.loads(file.read_text())["address"]
        return self.address

    def start_worker(self):
        options = ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1"]
        self.workers.append(self.start("worker", self.address, *options, "--local-directory", str(self.folder)))
        return self.workers[-1]

    def stop(self):
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture
def machines(tmp_path):
    machines = Machines(tmp_path)
    machines.start_scheduler()
    yield machines
    machines.stop()


def orders(folder, numbers, dying=()):
    """Batches for `engine_work.die_once`."""
    return [{"number": n, "dies": n in dying, "marker": str(folder / f"died_of_{n}")} for n in numbers]


def test_a_killed_worker_costs_nothing(machines):
    # The first worker that comes to number 10 is killed by it; another is killed from outside when half is done.
    for _ in range(2):
        machines.start_worker()
    batches = orders(machines.folder, range(200), dying=[10])
    with Cluster(engine_work.die_once, machines.address) as engine:
        assert isinstance(engine, Engine)
        for batch in batches:
            engine.submit(batch)
        outcomes = collect(engine, 100)
        until(lambda: any(worker.poll() is not None for worker in machines.workers))
        machines.start_worker()
        survivor = next(worker for worker in machines.workers if worker.poll() is None)
        os.killpg(survivor.pid, signal.SIGKILL)
        outcomes += collect(engine, 200 - len(outcomes))
        assert engine.completed(0.0) == []
    assert [o.error for o in outcomes] == [None] * 200
    assert sorted(o.value for o in outcomes) == [n * n for n in range(200)]
    assert sorted(o.batch["number"] for o in outcomes) == list(range(200))


class Broken(Exception):
    """What dask says when it has lost a result."""


def test_what_the_work_raises_is_an_outcome_and_what_dask_loses_is_run_again(machines, monkeypatch):
    machines.start_worker()
    with Cluster(engine_work.obey, machines.address) as engine:
        engine.submit("refuse")
        (refused,) = collect(engine, 1)
        assert isinstance(refused.error, ArithmeticError)
        for lost, expected in ((2, [(49, None)]), (3, [(None, WorkerLost)])):
            submit, seen = engine._executor.submit, []

            def unlucky(*arguments, submit=submit, seen=seen, lost=lost):
                seen.append(arguments)
                if len(seen) > lost:
                    return submit(*arguments)
                broken = Future()
                broken.set_exception(Broken("cannot unpack"))
                return broken

            monkeypatch.setattr(engine._executor, "submit", unlucky)
            engine.submit(7)
            found = collect(engine, 1)
            assert [(o.value, o.error and type(o.error)) for o in found] == expected
            assert len(seen) == 3
            monkeypatch.setattr(engine._executor, "submit", submit)


def test_a_batch_that_kills_every_worker_is_given_up(machines):
    machines.environment["DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES"] = "0"
    machines.stop()
    machines.start_scheduler()
    for _ in range(2):
        machines.start_worker()
    with Cluster(engine_work.obey, machines.address) as engine:
        outcomes = {}
        for batch in ("die", 3, "refuse"):  # one by one: dask blames whatever a dead worker had been given
            engine.submit(batch)
            outcomes[batch] = collect(engine, 1)[0]
    assert outcomes[3] == Outcome(3, 9, None)
    assert isinstance(outcomes["die"].error, WorkerLost)
    assert isinstance(outcomes["refuse"].error, ArithmeticError)


def test_workers_that_join_later_are_used_and_their_absence_is_said(machines, monkeypatch):
    monkeypatch.setattr(cluster, "IMPATIENCE", 0.0)
    monkeypatch.setattr(cluster, "RECOUNT", 0.0)
    with Cluster(engine_work.obey, machines.address) as engine:
        engine.submit(5)
        with pytest.warns(UserWarning, match="has no worker .* start some with `dask worker tcp://"):
            assert engine.completed(0.1) == []
        assert engine.workers == 1
        machines.start_worker()
        machines.start_worker()
        assert collect(engine, 1) == [Outcome(5, 25, None)]
        until(lambda: engine.workers == 2)
        engine.submit("environment")
        inside = collect(engine, 1)[0].value
        assert inside["NPROC"] == "1"
        assert inside["JAX_COMPILATION_CACHE_DIR"].startswith(str(machines.folder / "cache"))


def test_a_second_worker_compiles_nothing(machines):
    pytest.importorskip("jax")
    results = []
    for _ in range(2):
        worker = machines.start_worker()
        with Cluster(engine_work.compile_something, machines.address) as engine:
            engine.submit(40)
            results.append(collect(engine, 1)[0].value)
        worker.terminate()
        worker.wait(PATIENCE)
    first, second = results
    assert first["compiled"] > 0
    assert second["compiled"] == 0
    assert first["trace"] == second["trace"]
    if sys.platform == "linux":
        assert first["threads"] == second["threads"] == 1


def test_what_has_not_begun_is_cancelled_and_a_given_client_stays_open(machines):
    machines.start_worker()
    with distributed.Client(machines.address, set_as_default=False) as client:
        with Cluster(engine_work.obey, client=client) as engine:
            engine.submit(4)
            assert collect(engine, 1)[0].value == 16
            for n in range(50):
                engine.submit(n)
        assert client.status == "running"
        until(lambda: not client.futures)
        assert client.submit(engine_work.square, 3).result(timeout=PATIENCE) == 9


def test_a_scheduler_that_dies_is_an_error_and_no_traceback_of_dask(machines, caplog):
    loggers = [logging.getLogger(f"distributed.{part}") for part in ("client", "batched", "core")]
    for logger in loggers:
        logger.addHandler(caplog.handler)
    machines.start_worker()
    with Cluster(engine_work.obey, machines.address) as engine:
        engine.submit(4)
        assert collect(engine, 1)[0].value == 16
        engine.submit("sleep")
        machines.scheduler.kill()
        with pytest.raises(ConnectionError, match="scheduler: tcp://.* has gone away"):
            collect(engine, 1)
        with pytest.raises(ConnectionError, match="scheduler: tcp://.* has gone away"):
            engine.submit(5)
        assert engine.workers >= 1
        # What dask says of a connection whose end it notices while it writes, which it does not in every run.
        try:
            raise distributed.comm.CommClosedError("Connection closed by writer.")
        except distributed.comm.CommClosedError:
            loggers[1].info("Batched Comm Closed", exc_info=True)
    for logger in loggers:
        logger.removeHandler(caplog.handler)
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.slow
def test_a_sweep_of_which_a_worker_is_killed_equals_one_in_a_single_process(machines, tmp_path):
    widths = {"network.inputs": 6, "network.hidden": 9, "teacher.width": 9, "rule.flipped.hidden": 0.5}
    spec = curlflow.preset("fig4").replace({**widths, "start": {"kind": "random"}, "realizations": 2})
    plan = {"over": {"seed": list(range(12))}, "study": "simulate", "options": {"times": [0, 100, 200]}}
    expected = sweep(spec, **plan, workers=1)
    for _ in range(2):
        machines.start_worker()
    killed = []

    def kill(tally):
        if tally.done and not killed:
            killed.append(machines.workers[0])
            os.killpg(killed[0].pid, signal.SIGKILL)

    found = sweep(spec, **plan, directory=tmp_path / "swept", scheduler=machines.address, progress=kill)
    assert killed
    assert (found.cell_status == 0).all()
    assert set(found.data_vars) == set(expected.data_vars)
    for name in expected.variables:
        assert found[name].values.tobytes() == expected[name].values.tobytes(), name
    assert len(np.unique(found.test_error)) == found.test_error.size


@pytest.mark.parametrize("address", ["http://host:80", "host:8786", "tcp://host", "", 8786, "tcp://a b:1"])
def test_addresses_are_checked(address):
    with pytest.raises(ValueError, match="scheduler: got .*, allowed are addresses such as tcp://host:8786"):
        Cluster(engine_work.square, address)


@pytest.fixture
def listener():
    """A socket that takes calls."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def address_of(listener):
    return f"tcp://127.0.0.1:{listener.getsockname()[1]}"


def test_nobody_listens(listener, monkeypatch):
    monkeypatch.setattr(cluster, "ANSWER", 1.0)
    address = address_of(listener)
    listener.close()
    with pytest.raises(ValueError, match=r"scheduler: tcp://.* does not answer \(Timed out .*\); does"):
        Cluster(engine_work.square, address)


def test_somebody_listens_and_is_silent(listener, monkeypatch):
    monkeypatch.setattr(cluster, "ANSWER", 1.0)
    with pytest.raises(ValueError, match=r"does not answer \(it is silent\)"):
        Cluster(engine_work.square, address_of(listener))


def test_somebody_listens_and_speaks_another_language(listener):
    def answer():
        with contextlib.suppress(OSError):
            call, _ = listener.accept()
            call.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 10)

    threading.Thread(target=answer, daemon=True).start()
    with pytest.raises(ValueError, match=r"does not answer \(what listens there is no dask scheduler\)"):
        Cluster(engine_work.square, address_of(listener))


def test_an_address_or_a_client():
    with pytest.raises(ValueError, match="either an address or a client"):
        Cluster(engine_work.square)
    with pytest.raises(ValueError, match=r"client: got 3, required is a distributed\.Client"):
        Cluster(engine_work.square, client=3)


def test_without_dask_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ImportError, match=r"install `curlflow\[cluster\]`"):
        Cluster(engine_work.square, "tcp://127.0.0.1:8786")
