"""What verdicts at several step sizes, and of the flow, say together: chaos of learning, or of its steps."""

from enum import IntEnum

import numpy as np
from jaxtyping import Bool, Float, Int, Int8

from ..status import Status
from .motion import Verdict

CHAOTIC = int(Verdict.chaotic), int(Verdict.partially_predictable)
"""Verdicts that are chaos."""


class ChaoticIn(IntEnum):
    """Which of the flow and the updates at the largest learning rate are chaotic."""

    neither = 0
    both = 1
    flow_only = 2
    updates_only = 3
    undecided = 4


def moves_like_the_flow(
    steps: Float[np.ndarray, " steps"],
    verdicts: Int[np.ndarray, "steps realizations"],
    status: Int[np.ndarray, "steps realizations"],
) -> Bool[np.ndarray, "steps realizations"]:
    """Which updates have the flow's kind of motion, as far as verdicts tell; the flow is the last, at step 0."""
    alike = (status == int(Status.completed)) & (steps > 0)[:, None]
    if steps[-1] != 0:
        return alike
    irregular = np.isin(verdicts, (*CHAOTIC, int(Verdict.undecided)))
    return alike & ((verdicts == verdicts[-1]) | (irregular & irregular[-1]))


def chaotic_in(verdicts: Int[np.ndarray, "steps realizations"], with_flow: bool) -> Int8[np.ndarray, " realizations"]:
    """What is chaotic, at the first step and in the last row; undecided where one verdict is, or there is no flow."""
    ends = verdicts[[0, -1]]
    updates, flow = np.isin(ends, CHAOTIC)
    unknown = (ends == Verdict.undecided).any(axis=0) | (not with_flow)
    cases = {"undecided": unknown, "both": updates & flow, "updates_only": updates, "flow_only": flow}
    return np.select(list(cases.values()), [np.int8(ChaoticIn[name]) for name in cases], np.int8(ChaoticIn.neither))
