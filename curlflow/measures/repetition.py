"""Whether the states of a map repeat: bit for bit, and so for ever, or up to rounding."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

SETTLED = 1e-4
"""Two states alternate if two updates lead back to within this share of the distance between them, and that distance
is more than `APART` of their norm."""
APART = 1e-6

Advance = Callable[[Any, int], Any]
"""From a state and a number of updates to the state after them."""


class Repeated(NamedTuple):
    """States that follow each other for ever: one, or two that alternate."""

    states: tuple[Any, Any]
    period: int


def repetition(advanced: Advance, state: Any, block: int) -> Repeated | None:
    """Whether updates from `state` repeat bit for bit, also in a `block`, which may be computed in another way."""
    after = advanced(state, 1)
    if not _same(advanced(after, 1), state):
        return None
    if not (_same(advanced(state, block), state) and _same(advanced(after, block), after)):
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
    return jax.tree.all(jax.tree.map(np.array_equal, a, b))


def _distance(a: Any, b: Any) -> float:
    """The distance of two states over the norm of the second."""
    pairs = list(zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))
    with np.errstate(over="ignore", invalid="ignore"):
        apart, norm = sum(np.sum((x - y) ** 2) for x, y in pairs), sum(np.sum(y**2) for _, y in pairs)
        return float(np.sqrt(apart / norm)) if norm > 0 else math.inf
