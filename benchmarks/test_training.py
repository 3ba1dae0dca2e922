"""Whole runs of figure 4 (1e5 epochs from the teacher) against a plain NumPy loop of the published protocol.

The loop is timed over some epochs of each setting and scaled to 1e5; curlflow runs them all, early stops counted,
with the time to compile shared by the 21 cells of each width. Ten of the twenty realizations of every cell in a
sample of the grid, on one core, as a worker of a sweep runs them.
"""

import time

import numpy as np
from loops import numpy_on_samples

import curlflow

EPOCHS, TIMED = 100_000, 100
RATIOS = (0.0207, 0.1833, 1.128, 4.833)
FRACTIONS = (0.1, 0.3, 0.5, 0.7, 0.9)
CELLS_OF_A_WIDTH, REALIZATIONS = 21, 10


def spec(c, fraction):
    inputs, hidden = int(220 / (1 + 1 / c)), int(220 / (1 + c))
    widths = {"network.inputs": inputs, "network.hidden": hidden, "teacher.width": hidden}
    return curlflow.preset("fig4").replace({**widths, "rule.flipped.hidden": fraction, "realizations": REALIZATIONS})


def test_figure_4_in_a_sample_of_its_cells(benchmark, monkeypatch):
    monkeypatch.setenv("NPROC", "1")  # one core, as NumPy has
    totals, rows = np.zeros(3), []
    for c in RATIOS:
        start = time.perf_counter()
        curlflow.train(spec(c, 0.5), epochs=EPOCHS, records=200)
        first = time.perf_counter() - start
        for fraction in FRACTIONS:
            start = time.perf_counter()
            ds = curlflow.train(spec(c, fraction), epochs=EPOCHS, records=200)
            ours = time.perf_counter() - start
            problem = spec(c, fraction).build()
            if not hasattr(problem.rule, "gains"):
                continue
            start = time.perf_counter()
            numpy_on_samples(problem, TIMED)
            theirs = (time.perf_counter() - start) * REALIZATIONS * EPOCHS / TIMED
            if fraction == 0.5:
                first -= ours
            totals += theirs, ours, 0.0
            rows.append(f"c = {c:<7g} α = {fraction:.1f}: NumPy {theirs:6.1f} s, curlflow {ours:6.3f} s, "
                        f"stopped after {int(ds.stop_epoch.mean())}")  # fmt: skip
        totals[2] += max(first, 0.0) * len(FRACTIONS) / CELLS_OF_A_WIDTH
    theirs, ours, compiling = totals
    print("\n" + "\n".join(rows))
    print(f"all: NumPy {theirs:.0f} s, curlflow {ours:.2f} s and {compiling:.2f} s of compiling: "
          f"{theirs / (ours + compiling):.0f} times")  # fmt: skip
    benchmark.extra_info.update(numpy=theirs, curlflow=ours, compiling=compiling)
    benchmark.pedantic(lambda: curlflow.train(spec(1.128, 0.5), epochs=EPOCHS, records=200), rounds=2)
