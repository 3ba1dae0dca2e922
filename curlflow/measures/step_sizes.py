"""What verdicts at several step sizes, and of the flow, say together: chaos of learning, or of its steps."""

from enum import IntEnum

import numpy as np
from jaxtyping import Bool, Float, Int, Int8

from ..status import Status
from .motion import Verdict


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
    irregular = np.isin(verdicts, (int(Verdict.chaotic), int(Verdict.undecided)))
    return alike & ((verdicts == verdicts[-1]) | (irregular & irregular[-1]))


def chaotic_in(verdicts: Int[np.ndarray, "steps realizations"], with_flow: bool) -> Int8[np.ndarray, " realizations"]:
    """What is chaotic, at the first step and in the last row; undecided where one verdict is, or there is no flow."""
    if not with_flow:
        return np.full(verdicts.shape[1], int(ChaoticIn.undecided), dtype=np.int8)
    names = {(False, False): ChaoticIn.neither, (True, True): ChaoticIn.both, (False, True): ChaoticIn.flow_only}
    found = [
        ChaoticIn.undecided
        if Verdict.undecided in (updates, flow)
        else names.get((bool(updates == Verdict.chaotic), bool(flow == Verdict.chaotic)), ChaoticIn.updates_only)
        for updates, flow in zip(verdicts[0], verdicts[-1], strict=True)
    ]
    return np.array([int(w) for w in found], dtype=np.int8)
