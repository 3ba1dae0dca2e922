"""What it costs to look at a run: sums, records and snapshots of every sample against the bare run."""

import subprocess
import sys

import jax
import numpy as np
from interleaved import interleaved, report

import curlflow
from curlflow.measures.lyapunov import TangentState, transient_blocks
from curlflow.measures.window import Schedule, observe_window, open_window, places_ahead, snapshot_places
from curlflow.studies.fluctuations.runs import Entries
from curlflow.studies.runs import as_numpy

SAMPLES = 20_000
LARGE = """
import resource
import curlflow
spec = curlflow.preset("fig3cd").replace({"network.inputs": 98, "realizations": 1})
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
ds = curlflow.fluctuations(spec, window=(1000, 101_000))
print(ds.sizes["weight"], int(ds.samples[0]), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3)
"""


def cases_of(system, span, samples):
    """The bare run over a window, and the window itself."""
    state = as_numpy(transient_blocks(system, start(system), np.asarray(system.span(100.0)), np.asarray(10)))
    entries = Entries.of(np.arange(0, 12_000, 120), state.state)
    schedule = Schedule(np.asarray(samples), np.asarray(max(1, samples // 1000)), span, 1)
    window = as_numpy(open_window(state.state, state.clock))
    shown, every = snapshot_places(samples, int(schedule.every)), int(schedule.every)

    def bare():
        block = np.asarray(span * 10 if isinstance(span, int) else span * 20)
        number = samples // 10 if isinstance(span, int) else samples // 20
        return jax.block_until_ready(transient_blocks(system, state, block, np.asarray(number)))

    def observing():
        at = window
        while int(at.done) < samples:
            blocks = np.asarray(schedule.most_blocks)
            places = places_ahead(shown, every, int(at.done))
            observed = observe_window(system, entries, at, schedule, places, np.asarray(schedule.group), blocks)
            at = as_numpy(observed.window)

    return {"with a window": observing, "bare": bare}


def start(system):
    return as_numpy(TangentState(system.state, None, system.clock(), 0))


def test_updates_and_flow(benchmark):
    spec = curlflow.preset("fig3cd").replace({"network.inputs": 98, "rule.flipped.inputs": 0.5})
    with jax.enable_x64(True):
        problem = spec.build()
        updates = cases_of(problem.updates(), 1, SAMPLES)
        seconds = interleaved(updates, rounds=5)
        benchmark.extra_info.update(
            report("window over updates, 98×122, every epoch", seconds, 1e6 / SAMPLES, "µs an epoch")
        )
        flow = cases_of(problem.flow(), np.asarray(0.5), 1000)
        report("window over a flow, 98×122, every 0.5", interleaved(flow, rounds=3), 1e3 / 500, "ms per unit of time")
        benchmark.pedantic(updates["bare"], rounds=2)


def test_memory_of_a_long_window():
    found = subprocess.run([sys.executable, "-c", LARGE], capture_output=True, text=True, check=True).stdout.split()
    print(f"\nwindow of {int(found[1]):,} samples of {int(found[0]):,} weights: {float(found[2]):.0f} MB at most")
