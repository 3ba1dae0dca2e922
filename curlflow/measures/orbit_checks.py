"""What can be wrong with an orbit and its tangents although every number is finite.

Sources: Müller, Chaos, Solitons & Fractals 5 (1995) 1671, for fields that jump; Grebogi, Ott & Yorke, Phys. Rev. A 38
(1988) 3688, for orbits on a grid of numbers.
"""

from typing import Any

import jax
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PyTree

from ..outside import compiled
from ..tangents import as_rows, from_rows
from .lyapunov import TangentState, lyapunov_blocks, transient_blocks

CROSSING = 1e-3
"""From this residual on the derivative is taken to have missed something; 100 times rtol is allowed as well."""
STILL = 1e3
"""Velocities below this times the solver's tolerance are not compared."""
RETURNS = 64
"""After how many iterations a state may come back that fell onto the grid of numbers."""


def flow_residual(system: Any, tracked: Any, run: TangentState, span: Any) -> float:
    """How far the velocity that the derivative of a flow carries over one block is from that at its end, relative.

    The velocity of an autonomous flow is itself a tangent vector, and the derivative of its motion maps one to the
    other exactly. Differentiation of a vector field that jumps, or has kinks, misses what happens at each crossing.

    **Returns:** NaN where the block fails, or where nothing moves up to the solver's tolerance.

    **Arguments:**

    - `system`: a flow, with `rate(state, clock)` and `tolerances`; `tracked` is what is advanced with tangents.
    - `run`: where the block starts. Its first tangent makes way for the velocity.
    """
    before = _rate(system, run.state, run.clock)
    speed = float(np.linalg.norm(before))
    if not 0 < speed < np.inf:
        return np.nan
    rows = np.array(as_rows(run.tangents))
    rows[0] = before / speed
    start = run._replace(tangents=jax.tree.map(np.asarray, from_rows(rows, run.state)))
    blocks = lyapunov_blocks(tracked, start, np.asarray(span), np.asarray(1))
    if int(blocks.number) == 0:
        return np.nan
    after = np.asarray(_rate(system, blocks.run.state, blocks.run.clock))
    carried = speed * np.exp(float(blocks.log_stretch[0, 0])) * np.asarray(as_rows(blocks.run.tangents))[0]
    scale = max(speed, float(np.linalg.norm(after)))
    # The solver may err by this much in the state: of what moves no faster, the direction is not known.
    size = np.linalg.norm(np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(run.state)]))
    allowed = system.tolerances.get("rtol", 0.0) * size + system.tolerances.get("atol", 0.0)
    return float(np.linalg.norm(carried - after)) / scale if scale > STILL * allowed else np.nan


@compiled
def _rate(system: Any, state: PyTree, clock: Any) -> Float[Array, " n"]:
    return ravel_pytree(system.rate(state, clock))[0]


def is_autonomous(system: Any, state: PyTree, clock: Any) -> bool:
    """Whether the vector field at a state is the same at other times."""
    times = (clock._replace(position=clock.position + shift) for shift in (0.0, 0.7391, 31.31))
    first, *others = (np.asarray(_rate(system, state, time)) for time in times)
    return all(np.array_equal(first, other) for other in others)


def has_collapsed(system: Any, run: TangentState) -> bool:
    """Whether a map comes back to exactly this state within a few iterations, as on a grid of numbers."""
    state, there = run._replace(tangents=None), np.concatenate([np.ravel(x) for x in jax.tree.leaves(run.state)])
    for _ in range(RETURNS):
        state = transient_blocks(system, state, np.int64(1), np.asarray(1))
        if np.array_equal(np.concatenate([np.ravel(x) for x in jax.tree.leaves(state.state)]), there):
            return True
    return False
