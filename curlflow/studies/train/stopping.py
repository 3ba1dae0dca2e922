"""When a run of learning may stop before its end without changing what it ends in.

A run that starts near a solution sits at the floor of rounding until its instability has grown, so that a small error
alone never stops it. It stops only if

- *repeated*: its state repeats bit for bit with period one or two (for full batches: every update is the same),
- *at_solution*: its error is below 1e-20 and has stopped falling, and the linearised updates (or flow) at the current
  weights, constraint included, have all multipliers that are not neutral inside the unit circle by a margin (not with
  minibatches, where stability is that of a product of random updates),
- *failed*: it is no longer finite, or the solver gave up,
- *crossed*: only the first crossing of a threshold was asked for.

Errors below 1e-20 mean "at a solution" and nothing finer. The multipliers come from the signed tangent kernel
(`curlflow.systems.linearised.kernels`), equation (4′) of docs/model.md: 1 + ημ for updates with the step η of one
batch, e^μ for a flow. An unstable solution with the spectral radius ρ would show within ln(1e15)/ln ρ epochs; one
that still holds the weights after three times as many is held there by rounding.
"""

import math
from collections.abc import Callable
from enum import IntEnum
from typing import Any, NamedTuple

import jax
import numpy as np

from ...measures import spectrum
from ...networks import Feedforward
from ...problem import Problem
from ...systems.fast.rank_one import ANCHOR
from ...systems.linearised.kernels import geometry, tangent_kernel, virtual_samples

AT_SOLUTION = 1e-20
"""A training error below this means that the weights solve the task."""
FLOOR = 1e-28
"""Below this an error has stopped falling, as far as the published arithmetic can tell."""
FALLING = 0.5
"""An error below this times the least of the records before it is falling."""
MARGIN = 1e-6
"""Rates must be below minus this times the largest, multipliers below one by this times the largest step."""
LARGEST = 3000
"""Kernels of more rows are not made: such runs go on to their end."""
SETTLED = 1e-4
"""Two states alternate if two updates lead back to within this share of the distance between them, and that distance
is more than `APART` of their norm."""
APART = 1e-6


Advance = Callable[[Any, int], Any]
"""From a state and a number of updates to the state after them."""


class Stop(IntEnum):
    """What ended a run."""

    end = 0
    repeated = 1
    at_solution = 2
    failed = 3
    crossed = 4
    interrupted = 5


class Rates(NamedTuple):
    """The linearisation at a solution: is it stable by the margin, and how fast does it grow per unit of time, or
    per update, if it is not (ln ρ; 0 if nothing grows)."""

    stable: bool
    growth: float


def rates_at(problem: Problem, network: Feedforward) -> Rates | None:
    """The linearised dynamics of `problem` at the solution `network`; None where no kernel tells."""
    signal, shape = problem.rule.signal(network), geometry(problem.constraint)
    samples = virtual_samples(network, problem.task)
    if signal is None or shape is None or samples.inputs.shape[1] * network.widths[-1] > LARGEST:
        return None
    parts = tangent_kernel(network, signal, samples, shape)
    if not np.isfinite(parts.kernel).all():
        return None
    values = spectrum.without_neutral(spectrum.eigenvalues(parts.kernel), parts.scale)[0]
    if not values.size:
        return None
    step, largest = problem.step, float(np.abs(values).max())
    stable = bool((values.real < -MARGIN * largest).all())
    if step is None:
        return Rates(stable, max(0.0, float(values.real.max())))
    multipliers = np.abs(1 + step * values)
    inside = bool((multipliers < 1 - MARGIN * min(1.0, step * largest)).all())
    return Rates(stable and inside, max(0.0, math.log(float(multipliers.max()))))


def held_time(growth: float) -> float:
    """How long an instability of this rate may take to grow from rounding, three times over."""
    return math.inf if growth <= 0 else 3 * math.log(1e15) / growth


class Repeated(NamedTuple):
    """States that follow each other for ever: one, or two that alternate."""

    states: tuple[Any, Any]
    period: int


def repetition(advanced: Advance, state: Any) -> Repeated | None:
    """Whether updates from `state` repeat bit for bit, also in blocks of `ANCHOR` (see `systems.rank_one`).

    **Arguments:**

    - `advanced`: a function of a state and a number of updates; what the run itself is advanced by.
    """
    after = advanced(state, 1)
    if not _same(advanced(after, 1), state):
        return None
    if not (_same(advanced(state, ANCHOR), state) and _same(advanced(after, ANCHOR), after)):
        return None
    return Repeated((state, after), 1 if _same(after, state) or _distance(after, state) < APART else 2)


def alternates(advanced: Advance, state: Any) -> bool:
    """Whether `state` belongs to a cycle of two states, up to rounding."""
    after = advanced(state, 1)
    return alternating(state, after, advanced(after, 1))


def alternating(first: Any, second: Any, third: Any) -> bool:
    """Whether three successive states are two that alternate, up to rounding."""
    apart = _distance(second, first)
    return bool(apart > APART and _distance(third, first) < SETTLED * apart)


def _same(a: Any, b: Any) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))


def _distance(a: Any, b: Any) -> float:
    """The distance of two states over the norm of the second."""
    pairs = list(zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))
    with np.errstate(over="ignore", invalid="ignore"):
        apart, norm = sum(np.sum((x - y) ** 2) for x, y in pairs), sum(np.sum(y**2) for _, y in pairs)
        return float(np.sqrt(apart / norm)) if norm > 0 else math.inf
