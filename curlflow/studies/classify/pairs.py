"""Runs that begin close to others, where only the 0–1 test stands against chaos: is it partially predictable?"""

from collections.abc import Iterator

import jax
import numpy as np
from jaxtyping import Array, PyTree

from ...measures.close_pairs import INITIAL, cross_distance, followed
from ...measures.lyapunov import random_tangents
from ...measures.motion import asks_for_pairs
from ...status import Status
from ...systems import AbstractSystem
from ...tangents import as_rows
from ..runs import Progress, Run, as_numpy, in_turns
from .indicators import indicators, measured
from .options import ClassifyOptions
from .runs import Classified

RECORDS, TOGETHER = 512, 32
"""How often a pair is recorded, and how many records are made in one call; the second half is what counts."""
PERTURBED = 2**30
"""What is added to a realization's number to draw in which directions runs are displaced."""


def compare_pairs(runs: list[Classified], options: ClassifyOptions, names: list[str], report: Progress) -> None:
    """Follow pairs of close runs through the window, for the realizations whose verdict hangs on them."""
    asking = []
    for r in runs:
        if r.status == Status.completed and asks_for_pairs(indicators(r, measured(r, options), names)):
            length, number = followed(float(measured(r, options)["lyapunov_exponent"][0]), options.duration)
            if number > 0:
                r.finished = False
                asking.append((r, length, number))
    in_turns(lambda one: _pairs(*one, options, report), asking)


def _pairs(r: Classified, length: float, number: int, options: ClassifyOptions, report: Progress) -> Iterator[None]:
    """One run through the window, in a `number` of pieces, and others that begin close to where each of them does."""
    spans, calls = _spans(r.system, length), 0

    def late(run: Run) -> Iterator[None]:
        """Go on by one piece. Its observables in the second half are what the generator returns, and the states."""
        nonlocal calls
        records, states = [], []
        for first in range(0, len(spans), TOGETHER):
            if run.status == Status.completed:
                records.append(run.record(r.observe, run.system.cut(spans), first, TOGETHER))
                states.append(run.state)
            calls += 1
            report(r.index, "pairs", calls * TOGETHER / (len(spans) * number * (1 + len(INITIAL))))
            yield
        return np.concatenate(records)[len(spans) // 2 :, : len(r.seen.scale)], states

    window = as_numpy(r.window)
    run, starts, first, states = Run(r.index, r.system, window.state, window.clock), [], [], []
    for _ in range(number):
        starts.append((run.state, run.clock))
        records, passed = yield from late(run)
        first.append(records)
        states += passed
    extent, key = _extent(states), jax.random.fold_in(jax.random.key(options.seed), PERTURBED + r.index)
    others = [
        Run(r.index, r.system, _displaced(r, state, δ * extent, jax.random.fold_in(key, i)), clock)
        for δ in INITIAL
        for i, (state, clock) in enumerate(starts)
    ]
    second = []
    for other in others:
        second.append((yield from late(other))[0])
    if all(one.status == Status.completed for one in (run, *others)):
        moves = measured(r, options)["moves"]
        spread = r.seen.spread[:, : moves.size][:, moves].std(axis=0)
        second = np.stack(second).reshape(len(INITIAL), *np.shape(first))
        r.pairs = cross_distance(np.stack(first)[..., moves], second[..., moves], spread)
    r.finished = True


def _spans(system: AbstractSystem, length: float) -> np.ndarray:
    """`RECORDS` equal spans that a piece of this length is cut into, or as many iterations of a map."""
    if system.continuous:
        return np.full(RECORDS, length / RECORDS)
    iterations = int(system.span(length))
    return np.full(min(RECORDS, iterations // TOGETHER * TOGETHER), max(1, iterations // RECORDS))


def _extent(states: list[PyTree]) -> float:
    """The root mean square distance of states from their mean."""
    rows = np.concatenate([as_rows(jax.tree.map(lambda leaf: leaf[None], state)) for state in states])
    return float(np.sqrt(np.var(rows, axis=0).sum()))


def _displaced(r: Classified, state: PyTree, distance: float, key: Array) -> PyTree:
    """The state at this distance in a random direction within the tangent space."""
    direction = random_tangents(r.space.inside(r.system, 1), state, 1, key=key)
    moved = jax.tree.map(lambda x, v: x + distance * np.asarray(v)[0], state, direction)
    return as_numpy(r.system.constraint.retract(moved))
