"""Many runs of one shape as one batch, for accelerators: the same records and the same early stops, run by run.

On a CPU one run at a time is faster: the lanes of a batch that have stopped still cost their share, a batch of
another size is compiled anew, and the weights of one network stay in the cache. A GPU is idle with one.
"""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ..measures.recording import Recorded
from ..status import Status
from .exponent_runs import as_numpy
from .training_plan import Plan
from .training_runs import Run, follow, stepped
from .workers import Progress


def learn_together(
    runs: Sequence[Run], plan: Plan, may_stop: bool, threshold: float | None, report: Progress
) -> None:
    """Run all to their ends, those of equal shapes side by side."""
    going = list(runs)
    while going:
        # Those that are behind go first, so that all of a kind are at the same record.
        behind = min(run.done for run in going)
        kinds: dict[Any, list[Run]] = {}
        for run in going:
            if run.done == behind:
                kinds.setdefault(_shapes(run), []).append(run)
        for kind in kinds.values():
            for run, recorded in zip(kind, _advanced(kind, plan), strict=True):
                follow(run, plan, recorded, may_stop, threshold)
                report(run.index, "learning", 1.0 if run.stop is not None else run.done / plan.epochs.size)
        going = [run for run in going if run.stop is None]


def _shapes(run: Run) -> Any:
    """What runs must have in common to share compiled code."""
    leaves, structure = jax.tree.flatten((stepped(run), run.observer, run.state, run.clock))
    return structure, tuple((np.shape(leaf), getattr(leaf, "dtype", type(leaf))) for leaf in leaves)


def _advanced(runs: Sequence[Run], plan: Plan) -> list[Recorded]:
    """The next record of every run."""
    lanes = [(stepped(run), run.observer, run.state, run.clock) for run in runs]
    # A power of two, so that runs that stop do not compile the batch anew each time.
    lanes += [lanes[-1]] * ((1 << (len(lanes) - 1).bit_length()) - len(lanes))
    arrays, rest = zip(*(eqx.partition(lane, eqx.is_array) for lane in lanes), strict=True)
    stacked = eqx.combine(jax.tree.map(_stacked, *arrays), rest[0])
    at = runs[0].done
    state, clock, status, errors = as_numpy(_record(*stacked, plan.spans[at], plan.pieces[at]))

    def lane(i: int) -> Recorded:
        good = status[i] == Status.completed
        parts = jax.tree.map(lambda leaf: leaf[i], (state, clock))
        return Recorded(*parts, status[i], errors[i][None], np.asarray(int(good)))

    return [lane(i) for i in range(len(runs))]


def _stacked(*leaves: Any) -> Any:
    """One array with a leading axis of lanes (keys of random numbers are no NumPy arrays)."""
    return jnp.stack(leaves) if isinstance(leaves[0], jax.Array) else np.stack(leaves)


@eqx.filter_jit
def _record(systems: Any, observers: Any, states: Any, clocks: Any, span: Any, pieces: Any) -> Any:
    """Advance every lane by `pieces` times `span`, which all have in common, and observe it."""

    def one(system, observe, state, clock):
        def piece(_, inner):
            state, clock, status = inner
            after = system.advance(state, None, span, clock)
            return after.state, after.clock, jnp.where(status == Status.completed, after.status, status)

        start = (*jax.tree.map(jnp.asarray, (state, clock)), jnp.asarray(int(Status.completed)))
        state, clock, status = jax.lax.fori_loop(0, pieces, piece, start)
        return state, clock, status, observe(state)

    return eqx.filter_vmap(one)(systems, observers, states, clocks)
