"""Sweeps as a user meets them: TOML, sub-commands, exit codes, several terminals, and kill -9."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import command_line
import numpy as np
import pytest
import xarray as xr
from waiting import PATIENCE, until

import curlflow
from curlflow import Axis, Spec, sweeping

SWEEP = """
study = "sweep_cells:patient"
options = { folder = "FOLDER" }

[spec.network]
inputs = 3
hidden = 4

[over]
seed = { range = [0, 12] }
network.inputs = [2, 3]
"""
TESTS = Path(__file__).parent.parent


def start(*words, cwd):
    command = [sys.executable, "-m", "curlflow.cli", "sweep", *map(str, words)]
    path = os.pathsep.join([str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])])  # the package that is tested
    environment = {**os.environ, "COLUMNS": "120", "PYTHONPATH": path, "XDG_CACHE_HOME": str(cwd / "cache")}
    return subprocess.Popen(
        command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def run(*words, cwd):
    return command_line.run("sweep", *words, cwd=cwd)


def stored(directory):
    return len(list((directory / "cells").glob("*.npz")))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "calls").mkdir()
    (tmp_path / "s.toml").write_text(SWEEP.replace("FOLDER", str(tmp_path / "calls")))
    return tmp_path


@pytest.fixture
def expected(folder):
    """The dataset of an uninterrupted run in this process, and its file."""
    (folder / "calls" / "go").touch()
    ds = curlflow.sweep(**sweeping.from_toml(folder / "s.toml"), engine="serial", directory=folder / "whole")
    curlflow.save(ds, folder / "whole.nc")
    for path in (folder / "calls").iterdir():
        path.unlink()
    return ds, (folder / "whole.nc").read_bytes()


def calls(folder):
    return len([path for path in (folder / "calls").iterdir() if path.name != "go"])


def test_run_status_collect(folder):
    (folder / "calls" / "go").touch()
    done = run("s.toml", "--serial", "--quiet", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "dataset: sweep_s.nc\n"
    ds = curlflow.load(folder / "sweep_s.nc")
    for seed in range(12):
        np.testing.assert_array_equal(ds.numbers.sel(seed=seed)[0], np.random.default_rng(seed).normal(size=4))
    assert dict(ds.sizes) == {"seed": 12, "network_inputs": 2, "n": 4}
    status = run("status", "s", cwd=folder)
    assert "sweep_cells:patient, version 1: 24 of 24 done" in status.stdout
    assert "finished" in status.stdout
    collected = run("collect", "s", "-o", "again.nc", cwd=folder)
    assert collected.returncode == 0
    assert (folder / "again.nc").read_bytes() == (folder / "sweep_s.nc").read_bytes()
    again = run("run", "s", "--workers", "1", "-o", "once_more.nc", cwd=folder)
    assert again.returncode == 0, again.stderr
    assert (folder / "once_more.nc").read_bytes() == (folder / "sweep_s.nc").read_bytes()
    assert calls(folder) == 24


def test_quick_cells_are_on_the_disk_while_a_slow_one_runs_and_status_sees_it(folder, expected):
    process = start("s.toml", "--serial", "-q", cwd=folder)
    until(lambda: (folder / "s" / "cells").exists() and sweeping.status(folder / "s").tally.done >= 5)
    report = json.loads(run("status", "s", "--json", cwd=folder).stdout)
    assert report["done"] >= 5
    assert report["missing"] > 0
    assert [runner["process"] for runner in report["runners"]] == [process.pid]
    process.kill()
    process.communicate()
    assert sweeping.status(folder / "s").runners == []  # a runner that was killed is not taken for one that works
    (folder / "calls" / "go").touch()
    kept = sweeping.status(folder / "s").tally.done
    for path in (folder / "calls").glob("[0-9]*"):
        path.unlink()
    done = run("run", "s", "--serial", "-q", "-o", "a.nc", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert calls(folder) == 24 - kept
    assert (folder / "a.nc").read_bytes() == expected[1]


@pytest.mark.slow
@pytest.mark.parametrize("engine", [["--serial"], ["--workers", "2"]])
def test_killed_at_any_moment_it_ends_with_the_same_dataset(folder, expected, engine):
    (folder / "calls" / "go").touch()
    rng = np.random.default_rng(len(engine))
    for _ in range(4):
        before = stored(folder / "s")
        process = start("s.toml", *engine, "-q", cwd=folder)
        until(lambda: stored(folder / "s") > before or process.poll() is not None)  # noqa: B023
        time.sleep(rng.uniform(0, 0.5))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        partial = sweeping.collect(folder / "s")
        kept = (partial.cell_status == 0).to_numpy()
        np.testing.assert_array_equal(partial.numbers.to_numpy()[kept], expected[0].numbers.to_numpy()[kept])
    done = run("run", "s", *engine, "-q", "-o", "a.nc", cwd=folder)
    assert done.returncode == 0, done.stderr
    xr.testing.assert_identical(curlflow.load(folder / "a.nc"), curlflow.load(folder / "whole.nc"))
    assert (folder / "a.nc").read_bytes() == expected[1]


@pytest.mark.slow
def test_several_terminals_share_the_work(folder, expected):
    (folder / "calls" / "go").touch()
    (folder / "s.toml").write_text((folder / "s.toml").read_text().replace("12]", "120]"))
    processes = [start("s.toml", "--serial", "-q", "-o", f"{i}.nc", cwd=folder) for i in range(3)]
    for process in processes:
        _, stderr = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, stderr
    files = [(folder / f"{i}.nc").read_bytes() for i in range(3)]
    assert files[0] == files[1] == files[2]
    ds = curlflow.load(folder / "0.nc")
    assert (ds.cell_status == 0).all()
    assert 240 <= calls(folder) <= 300
    makers = {path.name.rpartition("-")[2] for path in (folder / "calls").iterdir() if path.name != "go"}
    assert len(makers) > 1


def test_interrupts_say_how_to_go_on(folder, expected):
    process = start("s.toml", "--workers", "1", cwd=folder)
    until(lambda: stored(folder / "s") > 0)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert "Traceback" not in stderr
    assert "go on with: curlflow sweep run s" in stderr
    (folder / "calls" / "go").touch()
    assert run("run", "s", "--serial", "-o", "a.nc", cwd=folder).returncode == 0
    assert (folder / "a.nc").read_bytes() == expected[1]


def test_failed_cells_exit_three_and_are_listed(folder):
    (folder / "f.toml").write_text(
        f'spec = {{ network = {{ inputs = 3, hidden = 4 }} }}\nstudy = "sweep_cells:unlucky"\n'
        f'options = {{ folder = "{folder}" }}\nover = {{ seed = [0, 1, 2] }}\n'
    )
    done = run("f.toml", "--serial", cwd=folder)
    assert done.returncode == 3
    assert "1 of 3 cells failed" in done.stderr
    status = run("status", "f", cwd=folder)
    assert "2 of 3 done, 1 failed" in status.stdout
    assert "seed = 1" in status.stdout
    assert "ArithmeticError: seed 1 is odd" in status.stdout
    (folder / "mended").touch()
    again = run("run", "f", "--serial", "--retry-failed", "-q", cwd=folder)
    assert (again.returncode, again.stderr) == (0, "")
    assert curlflow.load(folder / "sweep_f.nc").value.to_numpy().tolist() == [0, 1, 2]


def test_plan_and_set(folder):
    done = run("plan", "s.toml", "-d", "p", "--set", "network.hidden=9", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "24 cells (seed 12 × inputs 2) of sweep_cells:patient in p" in done.stdout
    assert not stored(folder / "p")
    collected = run("collect", "p", cwd=folder)
    assert "24 of 24 cells are missing" in collected.stderr
    ds = curlflow.load(folder / "sweep_p.nc")
    assert (ds.cell_status == 2).all()
    assert Spec.from_json(ds.attrs["spec"]).network.hidden == 9
    assert not ds.data_vars.keys() - {"cell_status"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["none.toml"], "none.toml: cannot be read as a sweep"),
        (["statsu", "s"], "statsu"),
        (["status", "calls"], "calls has no sweep.json"),
        (["collect", "none"], "directory: none does not exist"),
        (["run", "calls"], "calls has no sweep.json"),
        (["s.toml", "--workers", "0"], "workers: got 0"),
        (["s.toml", "-d", "calls"], "calls holds other files"),
        (["s.toml", "--set", "network.hidden=0"], "network.hidden: got 0"),
        (["s.toml", "--scheduler", "nowhere"], "scheduler: got 'nowhere'"),
        (["s.toml", "-o", "none/a.nc"], "output: the folder none does not exist"),
        (["s.toml", "--other-version", "any"], "other_version: got 'any'"),
        (["status", "s.toml"], "directory: s.toml is a file; required is the folder of a sweep"),
    ],
)
def test_mistakes_are_one_line_and_exit_two(folder, words, message):
    (folder / "calls" / "file").touch()
    done = run(*words, cwd=folder)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.startswith("curlflow: ")
    assert done.stderr.count("\n") == 1


# TOML


@pytest.mark.parametrize(
    ("axis", "message"),
    [
        ("{ field = 'seed', range = [0, 1, 0] }", "range: got [0, 1, 0], required is [FIRST, LAST, STEP]"),
        ("{ field = ['seed'], values = [1] }", "over: a: got the field ['seed'], required is the dotted name"),
        (
            "{ field = 'seed', linspace = [0, 1, 3.7] }",
            "linspace: got [0, 1, 3.7], required is [FIRST, LAST, NUMBER]",
        ),
        ("{ field = 'seed', linspace = [0, 1] }", "linspace: got [0, 1], required is [FIRST, LAST, NUMBER]"),
    ],
)
def test_axes_in_toml_that_make_no_sense(axis, message, tmp_path):
    (tmp_path / "s.toml").write_text(f"spec = 'fig4'\n[over]\na = {axis}\n")
    with pytest.raises(ValueError, match=re.escape(message)):
        sweeping.from_toml(tmp_path / "s.toml")


def test_fields_of_an_axis_are_not_set_beside_it(tmp_path):
    (tmp_path / "s.toml").write_text(
        "spec = 'fig4'\n[over]\na = { field = 'rule.flipped.hidden', values = [0, 1] }\n"
    )
    done = run("s.toml", "--set", "rule.flipped.hidden=0.2", cwd=tmp_path)
    assert done.returncode == 2
    assert "--set: rule.flipped.hidden is what the axis a sets" in done.stderr


def test_toml_says_what_python_says(tmp_path):
    (tmp_path / "base.toml").write_text("[network]\ninputs = 5\nhidden = 6\n[rule]\nkind = 'curl'\n")
    (tmp_path / "s.toml").write_text(
        """
        spec = "base.toml"
        study = "stability"
        options = { at = "origin" }
        set = { realizations = 2, start = { kind = "teacher" }, "rule.gain" = -0.5 }
        [over]
        c = { compression_ratio = { total = 20 }, logspace = [-1, 1, 3] }
        fraction = { field = "rule.flipped.hidden", linspace = [0, 1, 5] }
        seed = { range = [2, 8, 2] }
        scale = { field = "teacher.scale", geomspace = [0.1, 10, 3] }
        load = { values = [1, 2], fields = { "data.samples" = [50, 100] } }
        dynamics = { values = ["flow"], changes = [{ "dynamics.kind" = "flow" }] }
        network.activation = ["linear", "tanh"]
        """
    )
    given = sweeping.from_toml(tmp_path / "s.toml")
    spec = Spec.from_toml(tmp_path / "base.toml")
    assert given["spec"] == spec.replace({"realizations": 2, "start": {"kind": "teacher"}, "rule.gain": -0.5})
    assert (given["study"], given["options"]) == ("stability", {"at": "origin"})
    expected = {
        "c": Axis.compression_ratio(np.logspace(-1, 1, 3), total=20),
        "fraction": Axis("rule.flipped.hidden", np.linspace(0, 1, 5)),
        "seed": [2, 4, 6],
        "scale": Axis("teacher.scale", np.geomspace(0.1, 10, 3)),
        "load": Axis([1, 2], fields={"data.samples": [50, 100]}),
        "dynamics": Axis(["flow"], changes=[{"dynamics.kind": "flow"}]),
        "network.activation": ["linear", "tanh"],
    }
    assert list(given["over"]) == list(expected)
    for name, axis in expected.items():
        if isinstance(axis, Axis):
            assert vars(given["over"][name]) == vars(axis), name
        else:
            assert list(given["over"][name]) == axis


def test_presets_are_specs_of_sweeps(tmp_path):
    (tmp_path / "s.toml").write_text('spec = "fig4"\n[over]\nseed = [1]\n')
    assert sweeping.from_toml(tmp_path / "s.toml")["spec"] == curlflow.preset("fig4")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("spec = 3", "spec: got 3"),
        ("over = {}", "spec: required"),
        ('spec = "fig4"\nstdy = "train"', "stdy: no key of a sweep; did you mean study"),
        ("spec = ", "no valid TOML"),
        ('spec = "fig4"\nover = { seed = { linspace = [0] } }', r"over: seed: linspace: got \[0\]"),
        ('spec = "fig4"\nover = { x = { field = "seed" } }', "over: x: got no values"),
        ('spec = "fig4"\nover = { x = { field = "seed", values = [1], range = [0, 1] } }', "got values, range"),
        (
            'spec = "fig4"\nover = { x = { feld = "seed", values = [1] } }',
            "got feld, allowed are.*did you mean field",
        ),
        ('spec = "fig4"\nover = { c = { compression_ratio = true, values = [1] } }', "compression_ratio: required"),
        ('spec = "fig4"\nover = 3', "over: got 3"),
        ('spec = "fig5"\nover = { seed = [1] }', "preset: got 'fig5'"),
    ],
)
def test_mistakes_in_toml(text, message, tmp_path):
    (tmp_path / "s.toml").write_text(text)
    with pytest.raises(ValueError, match=message):
        sweeping.from_toml(tmp_path / "s.toml")
