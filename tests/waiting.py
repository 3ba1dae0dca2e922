"""Waiting for what other processes do."""

import time

PATIENCE = 120
"""Seconds after which a test gives up instead of hanging."""


def until(condition):
    """Return once `condition()` is true."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def collect(engine, number):
    """The next `number` outcomes of an engine."""
    outcomes = []
    deadline = time.monotonic() + PATIENCE
    while len(outcomes) < number:
        assert time.monotonic() < deadline, f"{len(outcomes)} of {number} outcomes came: {outcomes}"
        outcomes += engine.completed(1.0)
    return outcomes
