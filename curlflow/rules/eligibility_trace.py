"""An eligibility trace: weights follow a low-pass filter of the velocity F of another rule,

    τ de/dt = F(W) − e,    dW/dt = e.

As τ W″ + W′ = F shows, without a constraint this is a heavy ball of mass τ and friction 1, with the rule in place of
−∇E; for τ → 0 it is the rule itself. The trace begins at zero.

Sources: Barto, Sutton & Anderson, IEEE Trans. Syst. Man Cybern. SMC-13 (1983) 834; Gerstner, Lehmann, Liakoni,
Corneil & Brea, Front. Neural Circuits 12 (2018) 53; for the heavy ball Polyak, USSR Comput. Math. Math. Phys. 4
(1964) 1.
"""

from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree

from ..precision import Scalar, double_precision
from ..tasks import AbstractTask
from .base import AbstractLearningRule, checked_rule
from .memory import AbstractRuleWithMemory, checked_rate, velocities


class EligibilityTrace(AbstractRuleWithMemory):
    """The velocity of `rule`, filtered; the memory is the pair of the trace and the memory of that rule, if any.

    **Arguments:**

    - `rule`: any rule, for example `Gradient()`.
    - `time_constant`: τ, in units of time, above 0.

    **Raises:** `ValueError` for what is no rule and for a time constant out of range.
    """

    rule: AbstractLearningRule
    time_constant: Scalar

    def __init__(self, rule: Any, time_constant: Any = 1.0):
        self.rule = checked_rule(rule)
        self.time_constant = checked_rate("time_constant", time_constant)

    @property
    def second_moments_suffice(self) -> bool:
        """As for the rule that is filtered, whose velocity enters linearly."""
        return self.rule.second_moments_suffice

    @property
    def needs_layers(self) -> bool:
        """As for the rule that is filtered."""
        return self.rule.needs_layers

    def memory0(self, network: Any) -> tuple[Any, PyTree]:
        return jax.tree.map(lambda w: np.zeros(np.shape(w)), network), self.rule.memory0(network)

    @double_precision
    def velocity(
        self, network: Any, task: AbstractTask, memory: tuple[Any, PyTree]
    ) -> tuple[Any, tuple[Any, PyTree]]:
        trace, own = memory
        driven, change = velocities(self.rule, network, task, own)
        return trace, (jax.tree.map(lambda f, e: (f - e) / self.time_constant, driven, trace), change)
