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
