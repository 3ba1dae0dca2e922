"""Maps xᵢ₊₁ = f(i, xᵢ, args)."""

from collections.abc import Callable
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from ..constraints import AbstractConstraint, Free
from ..outside import from_outside
from ..precision import Scalar, double_precision, to_float64
from ..solvers.integrate import Clock
from ..status import Status
from .base import AbstractSystem, Advanced, iterated, with_divergence
from .checks import check_positive, checked_constraint, checked_state
from .functions import check_function


class Map(AbstractSystem):
    """xᵢ₊₁ = f(i, xᵢ, args).

    **Arguments:**

    - `step`: a function of (i, x, args) that JAX can trace; it receives the index of the iteration, starting
      at 0, and returns a pytree like x.
    - `state`: where the map starts: float64 arrays in any pytree. A list of plain numbers means a vector.
    - `time_per_step`: how much time one iteration stands for; exponents are per unit of this time.
    - `args`: parameters, passed to `step`. Their values may change without compiling again.
    - `constraint`: a set onto which every iterate is retracted.
    - `iterate`: optionally, a faster way to take many steps, a function of (state, index, number, args).

    ```python
    doubling = curlflow.Map(lambda i, x, args: 2 * x % 1, 0.1)
    ```

    **Raises:** `ValueError` for a state in single precision, a step with other arguments, another result or no right
    derivative (docs/systems.md), and a time per step that is not positive.
    """

    continuous: ClassVar[bool] = False
    label: ClassVar[str] = "map"

    step: Callable
    state: PyTree
    time_per_step: Scalar = 1.0
    args: PyTree = None
    constraint: AbstractConstraint = Free()
    iterate: Callable | None = None

    def __init__(self, step, state, time_per_step=1.0, args=None, *, constraint=None, iterate=None):
        check_positive("time_per_step", time_per_step)
        self.step = step
        self.state = checked_state(state)
        self.time_per_step = to_float64(time_per_step, "time_per_step")
        self.args = to_float64(args, "args")
        self.constraint = checked_constraint(constraint)
        self.iterate = iterate
        check_function(self.step, "step", "i, x, args", 0, self.state, self.args)

    def law(self, state: PyTree, clock: Clock) -> Any:
        own = self.iterate is not None and from_outside(self.iterate) - from_outside(self.step)
        first = jnp.asarray(clock.position)
        faster = self.iterate(state, first, np.int64(1), self.args) if own else ()
        return self.constraint.retract(self.step(first, state, self.args)), faster

    @property
    def described(self) -> tuple[tuple[Callable, ...], Any]:
        return (self.step,), self.args

    def time(self, span: Any) -> Any:
        return span * self.time_per_step

    @double_precision
    def advance(self, state: PyTree, tangents: PyTree | None, span: Any, clock: Clock) -> Advanced:
        first = jnp.asarray(clock.position).astype(int)
        step = lambda i, x: self.constraint.retract(self.step(i, x, self.args))  # noqa: E731
        if tangents is None and self.iterate is not None:
            state, log_volume = self.iterate(state, first, span, self.args), jnp.asarray(jnp.nan)
        else:
            state, tangents, log_volume = iterated(self, step, state, tangents, first, span)
        status = with_divergence(Status.completed, state, tangents)
        return Advanced(state, tangents, Clock(first + span, clock.step), log_volume, status)
