"""Worker processes: two against one on batches that compute, and what a batch costs that does nothing."""

from busy import learn, nothing
from interleaved import interleaved, report

from curlflow.sweeping.engines import Serial
from curlflow.sweeping.engines.local import LocalProcesses


def through(engine, batches):
    """Everything through the engine, in the order in which it comes back."""
    for batch in batches:
        engine.submit(batch)
    outcomes = []
    while len(outcomes) < len(batches):
        outcomes += engine.completed(1.0)
    assert not any(outcome.error for outcome in outcomes)
    return {outcome.batch: outcome.value for outcome in outcomes}


def test_two_workers_against_one(benchmark):
    seeds = range(8)
    with LocalProcesses(learn, 1) as one, LocalProcesses(learn, 2) as two:
        assert through(one, seeds) == through(two, seeds)
        seconds = interleaved({"one worker": lambda: through(one, seeds), "two workers": lambda: through(two, seeds)})
        report("8 networks of figure 4, 20,000 full-batch updates each", seconds, 1 / len(seeds), "s a network")
        benchmark.pedantic(lambda: through(two, seeds), rounds=1)


def test_a_batch_that_does_nothing(benchmark):
    batches = range(2000)
    with LocalProcesses(nothing, 1) as one, LocalProcesses(nothing, 2) as two:
        through(one, batches)
        through(two, batches)
        cases = {
            "in this process": lambda: through(Serial(nothing), batches),
            "one worker": lambda: through(one, batches),
            "two workers": lambda: through(two, batches),
        }
        report("a batch that does nothing", interleaved(cases), 1e3 / len(batches), "ms a batch")
        benchmark.pedantic(lambda: through(two, batches), rounds=1)
