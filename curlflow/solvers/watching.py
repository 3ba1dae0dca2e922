"""What is seen of a flow at chosen times while its solver goes on with steps of its own.

diffrax's `SaveAt(ts=…)` does this too, but it checks times that are only known when it runs by calling Python from
compiled code, which JAX then cannot keep on disk.
"""

from collections.abc import Callable
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


class Watching(diffrax.AbstractWrappedSolver):
    """Any solver of diffrax, with a look at its interpolation at `times`.

    *State:* that of the solver, and what was seen, a row for each time: NaN until it is reached. A step that is
    rejected leaves nothing behind, since diffrax then keeps the state from before.

    **Attributes:**

    - `times`: when to look, in increasing order; infinite for rows that are not used.
    - `observe`: a function of the state, with a vector as result.
    """

    solver: diffrax.AbstractSolver
    times: Float[Array, " rows"]
    observe: Callable

    def __init__(self, solver, times, observe):
        if isinstance(solver, diffrax.AbstractRungeKutta):
            # `ForwardMode` does the same, but only to a solver whose own field this is.
            solver = eqx.tree_at(lambda s: s.scan_kind, solver, "lax", is_leaf=lambda x: x is None)
        self.solver, self.times, self.observe = solver, times, observe

    @property
    def scan_kind(self):
        return self.solver.scan_kind

    @property
    def root_finder(self):
        return self.solver.root_finder

    @property
    def term_structure(self):
        return self.solver.term_structure

    @property
    def interpolation_cls(self):
        return self.solver.interpolation_cls

    def order(self, terms):
        return self.solver.order(terms)

    def error_order(self, terms):
        return self.solver.error_order(terms)

    def func(self, terms, t0, y0, args):
        return self.solver.func(terms, t0, y0, args)

    def init(self, terms, t0, t1, y0, args):
        width = eqx.filter_eval_shape(self.observe, y0).shape[0]
        return self.solver.init(terms, t0, t1, y0, args), jnp.full((self.times.size, width), jnp.nan)

    def step(self, terms, t0, t1, y0, args, solver_state, made_jump):
        inner, seen = solver_state
        y1, error, dense, inner, result = self.solver.step(terms, t0, t1, y0, args, inner, made_jump)
        seen = self._with_looks(self.interpolation_cls(t0=t0, t1=t1, **dense), t0, t1, seen)
        return y1, error, dense, (inner, seen), result

    def _with_looks(self, interpolation: Any, t0: Any, t1: Any, seen: Array) -> Array:
        """`seen`, with the rows of all times after t0 and up to t1."""

        def before_end(carry):
            row, _ = carry
            return (row < self.times.size) & (self.times[row] <= t1)

        def look(carry):
            row, seen = carry
            return row + 1, seen.at[row].set(self.observe(interpolation.evaluate(self.times[row])))

        first = jnp.searchsorted(self.times, t0, side="right")
        return jax.lax.while_loop(before_end, look, (first, seen))[1]
