"""Tiny networks on a CPU: full-batch updates of 20 runs one after the other, and as one batch; then whole cells.

The updates alone are faster in batches up to some thousand weights. A whole cell is not: runs of a batch that have
stopped go on at the cost of the others, and looking at 20 runs after every record takes what the batch has saved.
"""

import equinox as eqx
import jax
import numpy as np
import pytest
from interleaved import interleaved, report

import curlflow
from curlflow.studies.train import study as training

LANES, EPOCHS = 20, 2000
SIZES = ((2, 8), (6, 16), (14, 32), (28, 60), (50, 104))


def spec(inputs, hidden):
    widths = {"network.inputs": inputs, "network.hidden": hidden, "teacher.width": hidden}
    return curlflow.preset("fig4").replace({**widths, "rule.flipped.hidden": 1.0, "realizations": LANES})


@eqx.filter_jit
def alone(updates, number):
    return updates.advance(updates.state, None, number, updates.clock()).state


@eqx.filter_jit
def together(stacked, number):
    return eqx.filter_vmap(lambda updates: updates.advance(updates.state, None, number, updates.clock()).state)(
        stacked
    )


@pytest.mark.parametrize(("inputs", "hidden"), SIZES)
def test_updates(benchmark, inputs, hidden):
    with jax.enable_x64(True):
        base = spec(inputs, hidden).replace("start", {"kind": "random"})
        runs = [base.build(realization=i).updates() for i in range(LANES)]
        arrays, rest = zip(*(eqx.partition(run, eqx.is_array) for run in runs), strict=True)
        stacked = eqx.combine(jax.tree.map(lambda *leaves: np.stack(leaves), *arrays), rest[0])
        number = np.int64(EPOCHS)
        for one, other in zip(alone(runs[3], number).weights, together(stacked, number).weights, strict=True):
            np.testing.assert_allclose(one, other[3], atol=1e-9)
        cases = {
            "one batch": lambda: jax.block_until_ready(together(stacked, number)),
            "one after the other": lambda: [jax.block_until_ready(alone(run, number)) for run in runs],
        }
        seconds = interleaved(cases, rounds=5)
        report(f"{LANES} runs of {inputs}×{hidden}", seconds, 1e6 / EPOCHS / LANES, "µs an update")
        benchmark.pedantic(cases["one batch"], rounds=3)


@pytest.mark.parametrize("inputs", [2, 6, 14])
def test_whole_cells(benchmark, inputs):
    cell = spec(inputs, 220 - inputs)

    def run(how):
        return curlflow.train(cell, epochs=20_000, records=200, batching=how)

    cases = {"one batch": lambda: run("together"), "one after the other": lambda: run("apart")}
    report(f"cell of {LANES} runs, M = {inputs}", interleaved(cases, rounds=3), 1.0, "s")
    benchmark.pedantic(cases["one after the other"], rounds=1)


@pytest.mark.parametrize(("inputs", "hidden"), [(110, 110), (176, 44), (209, 10)])
def test_realizations_that_share_a_covariance(benchmark, inputs, hidden, monkeypatch):
    """Figure 3a: ten realizations, five of them side by side on a CPU, against one after the other."""
    widths = {"network.inputs": inputs, "network.hidden": hidden, "teacher.width": hidden}
    changes = {**widths, "rule.flipped.inputs": 0.5, "dynamics.batch": "full", "realizations": 10}
    cell, share = curlflow.preset("fig3a").replace(changes), training.shares_covariance

    def run(side_by_side):
        monkeypatch.setattr(training, "shares_covariance", share if side_by_side else lambda runs: False)
        return curlflow.train(cell, epochs=20_000, records=100)

    cases = {"one after the other": lambda: run(False), "five side by side": lambda: run(True)}
    title = f"full batches of {inputs}×{hidden}, flipped inputs"
    report(title, interleaved(cases, rounds=3), 1e6 / 10 / 20_000, "µs an update")
    benchmark.pedantic(cases["five side by side"], rounds=1)
