"""Learning rules with a memory of their own: weights W and memory m move together,

    dW/dt = F(W, m),    dm/dt = G(W, m).                                                                (48)

The memory may be feedback weights that learn, thresholds, or traces of earlier velocities. Updates take the Euler
step W → W + η F, m → m + η G, both from the old W and m; batches take η b/n for η. An optimizer acts on the weights
alone, and so do constraints. The state of learning is a `curlflow.systems.optimized.Learner`.
"""

from abc import abstractmethod
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree

from ..precision import Scalar
from ..tasks import AbstractTask
from .base import AbstractLearningRule


class AbstractRuleWithMemory(AbstractLearningRule):
    """A rule of the form (48). *For developers:* a new member supplies `memory0` and `velocity`.

    A rule that wraps another one, as `EligibilityTrace` does, asks `velocities` for what that one does.
    """

    @abstractmethod
    def memory0(self, network: Any) -> PyTree:
        """The memory with which learning begins: a pytree of arrays of float64."""

    @abstractmethod
    def velocity(self, network: Any, task: AbstractTask, memory: PyTree) -> tuple[Any, PyTree]:
        """dW/dt as a network of the same shapes, and dm/dt as a tree like the memory."""


def velocities(rule: AbstractLearningRule, network: Any, task: AbstractTask, memory: PyTree) -> tuple[Any, PyTree]:
    """dW/dt and dm/dt of any rule; of one without a memory, for which `memory` is None, the second is None.

    **Raises:** `ValueError` for a dm/dt of another structure or of other shapes than the memory.
    """
    if memory is None:
        return rule.velocity(network, task), None
    velocity, change = rule.velocity(network, task, memory)
    if _described(change) != _described(memory):
        raise ValueError(
            f"rule: {name_of(rule)} changes its memory by {_described(change)}, required is what is like the memory: "
            f"{_described(memory)}."
        )
    return velocity, change


def _described(tree: PyTree) -> str:
    return str(jax.tree.map(lambda leaf: list(np.shape(leaf)), tree))


def name_of(rule: AbstractLearningRule) -> str:
    """What messages call a rule: its class, without flips."""
    return type(rule.unflipped()[0]).__qualname__


def check_without_memory(rule: AbstractLearningRule, network: Any, why: str) -> None:
    """Refuse a rule with a memory; `why` ends the sentence."""
    if rule.memory0(network) is not None:
        raise ValueError(f"rule: {name_of(rule)} has a memory of its own, {why}")


def checked_rate(name: str, value: Any, zero: bool = False) -> Scalar:
    """A finite number above 0, or with `zero` from 0, in double precision (that of a traced one is not known yet).

    **Raises:** `ValueError` for anything else.
    """
    if isinstance(value, jax.core.Tracer):
        return value
    number = isinstance(value, int | float | np.integer | np.floating | np.ndarray) and np.ndim(value) == 0
    if isinstance(value, bool) or not number or not 0 <= value < np.inf or (value == 0 and not zero):
        raise ValueError(f"{name}: got {value!r}, allowed are finite numbers {'from' if zero else 'above'} 0.")
    return np.asarray(float(value))
