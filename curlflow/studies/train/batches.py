"""Runs that share a covariance as a batch: the same records and the same early stops, run by run.

On a CPU one run at a time is faster, since its weights stay in the cache and runs that have stopped cost nothing.
There is one exception: full batches of a linear network with flipped inputs multiply a dense covariance Σ at every
update, the same for all realizations. With `WIDTH` vectors at once Σ is read once (1.1 to 1.5 times as fast,
benchmarks/).
"""

from collections.abc import Iterator, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from ...measures.recording import Recorded
from ...measures.repetition import Advance
from ...outside import compiled
from ...status import Status
from ...systems.fast.rank_one import RankOneUpdates
from ..runs import Progress, as_numpy
from .records import Plan, TrainingRun
from .runs import advanced, follow, stepped

WIDTH = 5
"""Runs in a batch on a CPU: with more of them the weights of all leave the cache."""


def shares_covariance(runs: Sequence[TrainingRun]) -> bool:
    """Whether runs are updates that multiply one dense covariance, and there are enough of them for a batch."""
    if len(runs) < WIDTH or not all(isinstance(getattr(r.system, "iterate", None), RankOneUpdates) for r in runs):
        return False
    first = runs[0].system.args[1].covariance
    return first.ndim == 2 and all(np.array_equal(first, run.system.args[1].covariance) for run in runs)


def learn_in_batches(runs: Sequence[TrainingRun], plan: Plan, report: Progress) -> Iterator[None]:
    """Run all to their ends, those of equal shapes in batches of at most `WIDTH`."""
    going, known = list(runs), {}
    while going:
        used = {}
        # Those that are behind go first, so that all of a kind are at the same record.
        behind = min(run.done for run in going)
        kinds: dict[Any, list[TrainingRun]] = {}
        for run in going:
            if run.done == behind:
                kinds.setdefault(_shapes(run), []).append(run)
        for some in (part for kind in kinds.values() for part in parts_of(kind, WIDTH)):
            # The systems of updates stay the same from record to record, and so do their batches, which hold them.
            key = tuple(id(part) for run in some for part in _fixed(run))
            batch = used[key] = known.get(key) or RunBatch(some)
            for place, (run, recorded) in enumerate(zip(some, batch.advanced(plan), strict=True)):
                if recorded.status == Status.max_steps_reached:
                    recorded = advanced(run, plan, 1)
                follow(run, plan, recorded, batch.updating(place))
                report(run.index, "learning", 1.0 if run.stop is not None else run.done / plan.epochs.size)
            yield
        going, known = [run for run in going if run.stop is None], used


def parts_of(runs: list[TrainingRun], width: int) -> list[list[TrainingRun]]:
    """The runs in lists of `width`, of which the last may be shorter."""
    return [runs[first : first + width] for first in range(0, len(runs), width)]


def _fixed(run: TrainingRun) -> tuple[Any, Any]:
    return stepped(run), run.observer


def _shapes(run: TrainingRun) -> Any:
    """What runs must have in common to share compiled code."""
    leaves, structure = jax.tree.flatten((*_fixed(run), run.state, run.clock))
    return structure, tuple((np.shape(leaf), getattr(leaf, "dtype", type(leaf))) for leaf in leaves)


class RunBatch:
    """Runs of equal shapes whose systems and observers are stacked, but for arrays that are the same in all of them.

    The batch always has `WIDTH` places, so that it is not compiled anew for every run that stops.
    """

    def __init__(self, runs: Sequence[TrainingRun]):
        self.runs, self.padding = list(runs), WIDTH - len(runs)
        self.fixed = [_fixed(run) for run in runs]
        arrays, rest = zip(*(eqx.partition(fixed, eqx.is_array) for fixed in self.fixed), strict=True)
        leaves, structures = zip(*(jax.tree.flatten(a) for a in arrays), strict=True)
        self.structure, self.rest = structures[0], rest[0]
        columns = list(zip(*leaves, strict=True))
        self.axes = [None if _same(column) else 0 for column in columns]
        pairs = zip(columns, self.axes, strict=True)
        self.arrays = [column[0] if axis is None else self._stacked(*column) for column, axis in pairs]
        self.states: list[list[PyTree]] = []

    def advanced(self, plan: Plan) -> list[Recorded]:
        """The next record of every run."""
        at = self.runs[0].done
        state, clock, status, errors = self._run([run.state for run in self.runs], plan.spans[at], plan.pieces[at])
        self.states = [self._unstacked(state)]
        each = zip(self.states[0], self._unstacked(clock), status, errors, strict=False)  # errors also of the padding
        return [Recorded(s, c, how, e[None], np.asarray(int(how == Status.completed))) for s, c, how, e in each]

    def updating(self, i: int) -> Advance:
        """From a state of one run and a number of updates to the state after them, in its place in the batch."""

        def updated(state: Any, number: int) -> Any:
            # Whether states repeat is asked of all of them: they take one and two updates together.
            for steps in range(2):
                if number == 1 and state is self._after(steps)[i]:
                    return self._after(steps + 1)[i]
            states = [state if j == i else s for j, s in enumerate(self.states[0])]
            return self._unstacked(self._run(states, number, 1)[0])[i]

        return updated

    def _after(self, steps: int) -> list[PyTree]:
        """The states of all runs so many updates after the last record."""
        while len(self.states) <= steps:
            self.states.append(self._unstacked(self._run(self.states[-1], 1, 1)[0]))
        return self.states[steps]

    def _run(self, states: Sequence[PyTree], span: Any, pieces: Any) -> Any:
        clocks = jax.tree.map(self._stacked, *(run.clock for run in self.runs))
        states = jax.tree.map(self._stacked, *states)
        span, pieces = np.asarray(span), np.asarray(pieces)
        return as_numpy(_record(self.arrays, self.axes, self.structure, self.rest, states, clocks, span, pieces))

    def _stacked(self, *leaves: Any) -> Any:
        """One array with a leading axis of places, the last repeated (keys of random numbers are no NumPy arrays)."""
        leaves += (leaves[-1],) * self.padding
        return jnp.stack(leaves) if isinstance(leaves[0], jax.Array) else np.stack(leaves)

    def _unstacked(self, stacked: PyTree) -> list[PyTree]:
        return [jax.tree.map(lambda leaf, i=i: leaf[i], stacked) for i in range(len(self.runs))]


def _same(leaves: Sequence[Any]) -> bool:
    """Whether all runs have the same numbers."""
    return not isinstance(leaves[0], jax.Array) and all(np.array_equal(leaves[0], leaf) for leaf in leaves[1:])


@compiled
def _record(
    arrays: list, axes: Any, structure: Any, rest: Any, states: Any, clocks: Any, span: Any, pieces: Any
) -> Any:
    """Advance every run by `pieces` times `span`, which all have in common, and observe it."""

    def one(arrays, state, clock):
        system, observe = eqx.combine(jax.tree.unflatten(structure, arrays), rest)

        def piece(_, inner):
            state, clock, status = inner
            after = system.advance(state, None, span, clock)
            return after.state, after.clock, jnp.where(status == Status.completed, after.status, status)

        start = (*jax.tree.map(jnp.asarray, (state, clock)), jnp.asarray(int(Status.completed)))
        state, clock, status = jax.lax.fori_loop(0, pieces, piece, start)
        return state, clock, status, observe(state)

    return jax.vmap(one, in_axes=(axes, 0, 0))(arrays, states, clocks)
