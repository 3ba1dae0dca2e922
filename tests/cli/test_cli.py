"""The command line as a user meets it: output, exit codes, one line per mistake, interrupts."""

import json
import os
import subprocess
import sys

import pytest
from command_line import run

import curlflow
from curlflow import Status, results

SMALL = """
realizations = 2
[network]
inputs = 4
hidden = 3
[constraint]
kind = "frobenius"
[rule]
kind = "curl"
flipped = { inputs = 0.5 }
"""
SHORT = ["--duration", "20", "--transient", "5", "--alignment", "5", "--exponents", "2"]


def process(*words, cwd):
    """`run`, as a user has it: in a process of its own."""
    command = [sys.executable, "-m", "curlflow.cli", *words]
    environment = {**os.environ, "COLUMNS": "120"}
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment, check=False)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "small.toml").write_text(SMALL)
    return tmp_path


def test_lyapunov_writes_table_file_and_picture(folder):
    done = process("lyapunov", "small.toml", *SHORT, "--set", "rule.gain=-0.5", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "± SE" in done.stdout
    assert "completed" in done.stdout
    ds = curlflow.load(folder / "lyapunov_small.nc")
    assert dict(ds.sizes)["realization"] == 2
    assert json.loads(ds.attrs["spec"])["rule"]["gain"] == -0.5
    assert (folder / "lyapunov_small.png").stat().st_size > 10_000
    info = run("info", "lyapunov_small.nc", cwd=folder)
    assert "kaplan_yorke_dimension" in info.stdout
    again = run("plot", "lyapunov_small.nc", "-o", "again.png", cwd=folder)
    assert again.returncode == 0
    assert (folder / "again.png").exists()
    longer = run(
        "lyapunov", "small.toml", "--set", "rule.gain=-0.5", "--resume", "lyapunov_small.nc", "--duration", "10",
        "-o", "longer.nc", "--no-picture", "--quiet", cwd=folder,
    )  # fmt: skip
    assert longer.returncode == 0, longer.stderr
    assert curlflow.load(folder / "longer.nc").blocks.to_numpy().tolist() == [30, 30]
    assert not (folder / "longer.png").exists()


def test_simulate(folder):
    done = run("simulate", "small.toml", "--until", "5", "--records", "10", "--realizations", "1", cwd=folder)
    assert done.returncode == 0, done.stderr
    ds = curlflow.load(folder / "simulate_small.nc")
    assert dict(ds.sizes) == {"realization": 1, "time": 11, "layer": 2}
    assert (folder / "simulate_small.png").exists()


def test_stability(folder):
    done = run("stability", "small.toml", "--set", "start.kind=teacher", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "product kernel" in done.stdout
    ds = curlflow.load(folder / "stability_small.nc")
    expected = curlflow.stability(curlflow.Spec.from_toml(folder / "small.toml").replace("start.kind", "teacher"))
    assert ds.leading_real_part.equals(expected.leading_real_part)
    assert (folder / "stability_small.png").stat().st_size > 10_000
    origin = run("stability", "small.toml", "--at", "origin", "--no-picture", cwd=folder)
    assert origin.returncode == 3
    assert "excluded_by_constraint" in origin.stderr


def test_points_that_are_not_fixed_are_no_failures(folder):
    words = ["--realizations", "1", "--no-picture"]
    start = run("stability", "small.toml", "--at", "start", *words, cwd=folder)
    assert start.returncode == 0, start.stderr
    assert "not a fixed point" in start.stdout
    ds = curlflow.load(folder / "stability_small.nc")
    assert ds.status[0] == Status.not_a_fixed_point
    assert not results.failures(ds).any()
    assert results.failures(ds.assign(status=0 * ds.status + Status.diverged)).all()


def test_commands_of_a_dataset_and_of_vectors(folder):
    made = run("convergence", "small.toml", "--epochs", "50", "--threshold", "0.05", "-q", "--no-picture", cwd=folder)
    assert made.returncode == 0, made.stderr
    done = run("compare_rules", "convergence_small.nc", "--baseline", "curl", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert curlflow.load(folder / "compare_rules_convergence_small.nc").attrs["baseline"] == "curl"
    words = ["--directions", "0,3", "--grid", "5,4", "--extent", "0.5", "--realization", "1"]
    plane = run("plane-decomposition", "small.toml", *words, cwd=folder)
    assert plane.returncode == 0, plane.stderr
    ds = curlflow.load(folder / "plane_decomposition_small.nc")
    expected = curlflow.plane_decomposition(
        curlflow.Spec.from_toml(folder / "small.toml"), directions=(0, 3), grid=(5, 4), extent=0.5, realization=1
    )
    assert ds.curl_part.equals(expected.curl_part)
    assert (folder / "plane_decomposition_small.png").stat().st_size > 10_000


def test_boundary(folder):
    done = run("boundary", "--c", "0.1,0.5,1", "--layer", "inputs", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "always stable" in done.stdout
    ds = curlflow.load(folder / "boundary.nc")
    assert ds.critical_fraction.shape == (1, 3)
    assert ds.critical_fraction[0, 2] == 0
    both = run("boundary", "--c", "0.1:1:3", "--inputs", "0,0.1", "-o", "mixed.nc", "-q", cwd=folder)
    assert both.returncode == 0, both.stderr
    assert curlflow.load(folder / "mixed.nc").critical_hidden_fraction.shape == (3, 2)
    again = run("plot", "mixed.nc", cwd=folder)
    assert again.returncode == 0
    for words, message in (
        (("--c", "0"), "c: got"),
        (("--c", "1:0:3"), "--c: got '1:0:3'"),
        (("--layer", "readout"), "layer: got 'readout', allowed are inputs, hidden, both"),
        (("--inputs", "1.5"), "inputs: got"),
    ):
        wrong = run("boundary", *words, cwd=folder)
        assert wrong.returncode == 2
        assert wrong.stderr.startswith(f"curlflow: {message}")
        assert wrong.stderr.count("\n") == 1


@pytest.mark.quick
def test_presets_and_schema(folder):
    listing = run("presets", cwd=folder)
    assert "hidden_chaos" in listing.stdout
    (folder / "my.toml").write_text(run("preset", "hidden_chaos", cwd=folder).stdout)
    assert curlflow.Spec.from_toml(folder / "my.toml") == curlflow.preset("hidden_chaos")
    schema = json.loads(run("schema", cwd=folder).stdout)
    assert schema["properties"]["network"]


def test_help_teaches(folder):
    for start, words in ((process, ()), (run, ("--help",)), (run, ("lyapunov", "--help"))):
        done = start(*words, cwd=folder)
        assert done.returncode == 0
        assert "lyapunov" in done.stdout
    for name in ("covariant_vectors", "covariant-vectors"):
        done = run(name, "--help", cwd=folder)
        assert "How many vectors, those of the largest" in done.stdout
        assert "curlflow covariant-vectors hidden_chaos --exponents 3" in done.stdout
    assert run("--version", cwd=folder).stdout == f"curlflow {curlflow.__version__}\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["lyapunov", "hiden_chaos"], "did you mean hidden_chaos?"),
        (["lyapunov", "none.toml"], "none.toml: cannot be read as a spec"),
        (["lyapunov", "small.toml", "--set", "rule.flipped.inputs=1.5"], "rule.flipped.inputs: got 1.5; allowed"),
        (["lyapunov", "small.toml", "--set", "rule.gain"], "--set: got 'rule.gain', required is FIELD=VALUE"),
        (["lyapunov", "small.toml", "--set", "network.hidden=0"], "network.hidden: got 0"),
        (
            ["lyapunov", "small.toml", "--exponents", "99"],
            "exponents: got 99, allowed are whole numbers from 1 to",
        ),
        (["lyapunov", "small.toml", "--exponents", "many"], "'--exponents'"),
        (["lyapunov", "small.toml", "--duration", "-1"], "duration: got -1.0"),
        (["lyapunov", "small.toml", "-o", "none/a.nc"], "output: the folder none does not exist"),
        (["lyapunov", "small.toml", "--resume", "none.nc"], "none.nc: no such file"),
        (["lyapunov", "small.toml", "--colour"], "--colour"),
        (["lyapunov"], "SPEC"),
        (["simulate", "small.toml", "--spacing", "cubic"], "--spacing: got 'cubic'"),
        (
            ["simulate", "small.toml", "--weights", "some"],
            "weights: got 'some', allowed are none, all and whole numb",
        ),
        (["stability", "small.toml", "--at", "end"], "at: got 'end', allowed are solution, origin, start"),
        (["bifurcation", "small.toml", "--over", "rule.gain"], "--over: got 'rule.gain', required is FIELD=VALUES"),
        (["fluctuations", "small.toml", "--window", "3"], "--window: got '3', required is FROM:TO"),
        (["convergence", "small.toml", "--error", "peak"], "error: got 'peak', allowed are train, test"),
        (["compare-rules", "none.nc"], "none.nc: no such file"),
        (["plot", "small.toml"], "cannot be read as NetCDF"),
        (["analyse"], "analyse"),
    ],
)
def test_mistakes_are_one_line_and_exit_two(folder, words, message):
    done = run(*words, cwd=folder)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.startswith("curlflow: ")
    assert done.stderr.count("\n") == 1
    assert not list(folder.glob("*.nc"))


def test_a_folder_that_cannot_be_written_to_is_refused_before_computing(folder):
    done = process("lyapunov", "small.toml", "-o", "/proc/a.nc", cwd=folder)
    assert done.returncode == 2
    assert done.stderr.startswith("curlflow: output: the folder /proc cannot be written to")


def test_failed_realizations_exit_three(folder):
    (folder / "wild.toml").write_text(
        SMALL.replace('"frobenius"', '"none"').replace("0.5", "1.0, hidden = 1.0")
        + "[start]\nkind='random'\nscale=3.0\n"
    )
    done = process("lyapunov", "wild.toml", "--duration", "500", "--transient", "5", cwd=folder)
    assert done.returncode == 3, done.stderr
    assert "diverged" in done.stderr
    assert (curlflow.load(folder / "lyapunov_wild.nc").status == Status.diverged).any()


INTERRUPTED = """
import os, signal, sys
from curlflow import cli
from curlflow.studies import runs as workers

def interrupt_once(realization, phase, fraction):
    # What Ctrl-C does, from the first moment at which both realizations have finished blocks.
    seen.add((realization, phase))
    if {(0, "exponents"), (1, "exponents")} <= seen:
        os.kill(os.getpid(), signal.SIGINT)

seen = set()
workers.silent = interrupt_once
sys.argv = ["curlflow", "lyapunov", "small.toml", "--duration", "1e6", "--transient", "1", "--quiet"]
cli.main()
"""


def test_interrupts_write_what_was_finished(folder):
    command = [sys.executable, "-c", INTERRUPTED]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 130, done.stderr
    assert "Traceback" not in done.stderr
    assert "what was finished is in lyapunov_small.nc" in done.stderr
    ds = curlflow.load(folder / "lyapunov_small.nc")
    assert (ds.status == Status.interrupted).all()
    assert (ds.blocks > 0).all()


def test_convergence_compares_rules(folder):
    done = run("convergence", "small.toml", "--epochs", "300", "--threshold", "0.05", "--quiet", cwd=folder)
    assert done.returncode == 0, done.stderr
    ds = curlflow.load(folder / "convergence_small.nc")
    assert ds["rule"].to_numpy().tolist() == ["gradient", "curl"]
    assert (folder / "convergence_small.png").stat().st_size > 10_000
    shown = run("info", "convergence_small.nc", cwd=folder)
    assert "speed_up" in shown.stdout
    blown = run(
        "convergence", "small.toml", "--epochs", "50", "--rules", "gradient", "--set", "constraint.kind=none",
        "--set", "dynamics.kind=updates", "--set", "dynamics.learning_rate=1e9", "--no-picture", cwd=folder,
    )  # fmt: skip
    assert blown.returncode == 3
    assert "gradient, realization 1: diverged" in blown.stderr
    refused = run("convergence", "small.toml", "--rules", "adam", cwd=folder)
    assert refused.returncode == 2
    assert "rules: adam" in refused.stderr
