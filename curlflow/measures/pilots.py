"""Pilot runs: how long a block may be, and how long a fixed step."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from ..status import Status
from .lyapunov import VANISHING, Blocks, TangentState, conditions, lyapunov_blocks

BLOCK = 1.0
"""The longest block, in units of time, and the length of the blocks of a transient."""
CONDITION = 1e6
"""The condition number that the tangents of one block may reach."""
PILOT_BLOCKS = 10
LARGEST_LOG = 200.0
"""The growth ln Rᵢᵢ that one block may have, far from where squares overflow."""
ACCURACY = 100.0
"""A fixed step may differ from the adaptive solver by this times rtol, relative, over one block."""
SAFETY = 0.7
"""The share of the longest accurate step that is used, because stretches stiffer than the pilot will come."""


def block_length(system: Any, tracked: Any, start: TangentState) -> Any:
    """The longest span of 1, 0.5, 0.2, 0.1, … units of time over which a pilot's condition number stays below 1e6.

    Blocks of a map may have ten iterations even if these are longer than one unit of time; unless an iteration of the
    pilot squeezes a tangent to nothing, which must be seen where it happens.

    It does not depend on how long the exponents are averaged, so that a run can be continued exactly. `tracked` is
    what is advanced with tangents, and `start` is behind the transient, with random ones.
    """
    unit = max(BLOCK, system.unit)
    if unit > BLOCK and np.any(_pilot(tracked, start, np.int64(1), 10 * PILOT_BLOCKS) < np.log(VANISHING)):
        unit = BLOCK
    span = system.nonempty_span(unit)
    for k in range(1, 40):
        stretch = _pilot(tracked, start, span, PILOT_BLOCKS)
        short = len(stretch) == PILOT_BLOCKS and not np.fmax.reduce(conditions(stretch)) > CONDITION
        short &= not np.any(np.abs(stretch[np.isfinite(stretch)]) > LARGEST_LOG)
        shorter = system.span(unit * (1, 0.5, 0.2)[k % 3] * 10.0 ** -(k // 3))
        if short or (not system.continuous and (span == 1 or shorter < 1)):
            break
        span = shorter
    return span


def _pilot(tracked: Any, start: TangentState, span: Any, number: int) -> Float[np.ndarray, "blocks vectors"]:
    """ln Rᵢᵢ of the first blocks."""
    blocks = lyapunov_blocks(tracked, start, np.asarray(span), np.asarray(number))
    return np.asarray(blocks.log_stretch)[: int(blocks.number)]


def fixed_step(flow: Any, inside: Callable[[Any], Any], start: TangentState, span: Any) -> tuple[float, Status]:
    """The longest step at which fixed steps agree with the adaptive solver over a pilot run from random tangents.

    Every pilot block, of length `span`, starts from the adaptive trajectory. The fixed-step state and tangents at its
    end may differ by `ACCURACY` · rtol, relative and root-mean-square. `inside` leads from the flow, or that with
    fixed steps, to what is advanced with tangents.

    **Returns:** the step, and a status: `step_size_underflow` if no step is short enough, or what stopped
    the adaptive solver.
    """
    starts, ends = [start], []
    for _ in range(PILOT_BLOCKS):
        blocks = _one_block(inside(flow), starts[-1], span)
        if int(blocks.number) == 0:
            return float("nan"), Status(int(blocks.run.status))
        ends.append(blocks)
        starts.append(jax.tree.map(np.asarray, blocks.run))
    allowed = ACCURACY * flow.tolerances["rtol"]
    number = max(1, int(np.ceil(span / max(float(start.clock.step) for start in starts[1:]))))
    for _ in range(20):
        fixed = inside(flow.with_fixed_steps(span / number))
        pairs = zip(starts, ends, strict=False)
        if all(_close(_one_block(fixed, start, span), end, allowed) for start, end in pairs):
            return SAFETY * float(span) / number, Status.completed
        number = int(np.ceil(1.4 * number))
    return float("nan"), Status.step_size_underflow


def _one_block(system: Any, run: TangentState, span: Any) -> Blocks:
    return lyapunov_blocks(system, run, np.asarray(span), np.asarray(1))


def _close(a: Blocks, b: Blocks, allowed: float) -> bool:
    if int(a.number) == 0:
        return False
    leaves = (jax.tree.leaves((blocks.run.state, blocks.run.tangents)) for blocks in (a, b))
    pairs = zip(*leaves, strict=True)
    return all(np.linalg.norm(np.asarray(x) - np.asarray(y)) <= allowed * np.linalg.norm(y) for x, y in pairs)
