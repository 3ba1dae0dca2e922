"""What a sweep costs besides its cells: hashing, batches, files, collecting."""

import resource
import shutil
import time

import numpy as np
import pytest
import sweep_cells

import curlflow
from curlflow import sweeping

CELLS = 10_000
SPEC = curlflow.Spec(network={"inputs": 3, "hidden": 4})


def over(cells):
    return {"seed": range(cells // 100), "network.hidden": range(1, 101)}


@pytest.mark.parametrize(
    "engine", [{"engine": "serial"}, {"workers": 1}, {"workers": 2}], ids=["serial", "one", "two"]
)
def test_overhead_per_cell(benchmark, tmp_path, engine):
    def run():
        shutil.rmtree(tmp_path / "s", ignore_errors=True)
        return curlflow.sweep(SPEC, over(CELLS), sweep_cells.product, directory=tmp_path / "s", **engine)

    ds = run()
    np.testing.assert_array_equal(ds.value[:, 0], 3 * np.arange(CELLS // 100))
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    print(f"\n{CELLS} trivial cells, {engine}: {1e3 * min(seconds) / CELLS:.3f} ms a cell, all included")
    assert min(seconds) / CELLS < 2e-3
    benchmark.pedantic(run, rounds=1)


def test_a_hundred_thousand_cells(benchmark, tmp_path):
    memory = {}
    for cells in (1000, 10 * CELLS):
        start = time.perf_counter()
        curlflow.sweep(SPEC, over(cells), sweep_cells.product, directory=tmp_path / str(cells), engine="serial")
        seconds = {"run": time.perf_counter() - start}
        for name, call in {"status": sweeping.status, "collect": sweeping.collect}.items():
            start = time.perf_counter()
            call(tmp_path / str(cells))
            seconds[name] = time.perf_counter() - start
        memory[cells] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"\n{cells} cells:", ", ".join(f"{name} {s:.2f} s" for name, s in seconds.items()))
    small, large = memory.values()
    print(f"memory {small:.0f} MB with 1000 cells, {large:.0f} MB with {10 * CELLS}")
    benchmark.pedantic(lambda: sweeping.collect(tmp_path / str(10 * CELLS)), rounds=1)
