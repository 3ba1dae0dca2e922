"""What can be wrong with an orbit and its tangents although every number is finite.

Sources: Müller, Chaos, Solitons & Fractals 5 (1995) 1671, for fields that jump; Grebogi, Ott & Yorke, Phys. Rev. A 38
(1988) 3688, for orbits on a grid of numbers.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, PyTree

from ..outside import compiled
from ..status import Status
from ..tangents import as_rows, from_rows
from .lyapunov import TangentState, factored, lyapunov_blocks

CROSSING = 1e-3
"""From this residual on the derivative is taken to have missed something; 100 times rtol is allowed as well."""
RETURNS = 64
"""After how many iterations a state may come back that fell onto the grid of numbers."""


def flow_residual(system: Any, tracked: Any, run: TangentState, span: Any) -> float:
    """The `velocity_error` of one block from `run` on, whose first tangent makes way for the velocity.

    **Returns:** NaN where the block fails, or where nothing moves up to the solver's tolerance.

    **Arguments:**

    - `system`: a flow, with `rate(state, clock)`; `tracked` is what is advanced with tangents.
    """
    tangents, moves = jax.tree.map(np.asarray, _velocity_first(system, run))
    if not moves:
        return np.nan
    blocks = lyapunov_blocks(tracked, run._replace(tangents=tangents), np.asarray(span), np.asarray(1))
    return float(blocks.velocity_error)


@compiled
def _velocity_first(system: Any, run: TangentState) -> tuple[PyTree, Bool[Array, ""]]:
    """Orthonormal tangents of which the first is along the velocity, and whether there is one."""
    velocity = ravel_pytree(system.rate(run.state, run.clock))[0]
    length = jnp.linalg.norm(velocity)
    rows = as_rows(run.tangents).at[0].set(velocity)
    return factored(from_rows(rows, run.state), run.state)[0], (length > 0) & jnp.isfinite(length)


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
    return bool(_comes_back(system, run._replace(tangents=None)))


@compiled
def _comes_back(system: Any, run: TangentState) -> Bool[Array, ""]:
    start = ravel_pytree(run.state)[0]

    def iterate(carry):
        run, _, number = carry
        after = system.advance(run.state, None, 1, run.clock)
        back = jnp.all(ravel_pytree(after.state)[0] == start)
        return run._replace(state=after.state, clock=after.clock, status=after.status), back, number + 1

    def unfinished(carry):
        run, back, number = carry
        return ~back & (number < RETURNS) & (run.status == Status.completed)

    begin = jax.tree.map(jnp.asarray, run), jnp.asarray(False), jnp.asarray(0)
    return jax.lax.while_loop(unfinished, iterate, begin)[1]
