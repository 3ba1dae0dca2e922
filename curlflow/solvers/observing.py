"""Observation of a flow at chosen times that leaves the steps of its solver unchanged.

diffrax's `SaveAt(ts=…)` does this too, but it checks times that are known only at run time by calling Python from
compiled code, which JAX then cannot keep on disk.
"""

import operator
from collections.abc import Callable

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


class Observing(diffrax.AbstractWrappedSolver):
    """Any solver of diffrax, whose interpolation is observed at `times`.

    *State:* that of the solver, and the observations, one row for each time, NaN until that time is reached. A
    rejected step leaves nothing behind, since diffrax then keeps the previous state.

    **Attributes:**

    - `times`: when to observe, in increasing order; infinite for rows that are not used.
    - `observe`: a function of the state that returns a vector.
    """

    solver: diffrax.AbstractSolver
    times: Float[Array, " rows"]
    observe: Callable

    def __init__(self, solver, times, observe):
        if isinstance(solver, diffrax.AbstractRungeKutta):
            # `ForwardMode` does the same, but only for a Runge–Kutta solver that is not wrapped.
            solver = eqx.tree_at(lambda s: s.scan_kind, solver, "lax", is_leaf=lambda x: x is None)
        self.solver, self.times, self.observe = solver, times, observe

    scan_kind = property(operator.attrgetter("solver.scan_kind"))
    root_finder = property(operator.attrgetter("solver.root_finder"))
    term_structure = property(operator.attrgetter("solver.term_structure"))
    interpolation_cls = property(operator.attrgetter("solver.interpolation_cls"))

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
        inner, observed = solver_state
        y1, error, dense, inner, result = self.solver.step(terms, t0, t1, y0, args, inner, made_jump)
        interpolation = self.interpolation_cls(t0=t0, t1=t1, **dense)

        def before_end(carry):
            row, _ = carry
            return (row < self.times.size) & (self.times[row] <= t1)

        def record(carry):
            row, observed = carry
            return row + 1, observed.at[row].set(self.observe(interpolation.evaluate(self.times[row])))

        first = jnp.searchsorted(self.times, t0, side="right")
        observed = jax.lax.while_loop(before_end, record, (first, observed))[1]
        return y1, error, dense, (inner, observed), result
