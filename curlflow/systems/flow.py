"""Flows dx/dt = f(t, x, args), integrated with adaptive or fixed steps."""

from collections.abc import Callable
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import PyTree

from ..constraints import AbstractConstraint, Free
from ..outside import from_outside
from ..precision import Scalar, double_precision, to_float64
from ..solvers.integrate import Adaptive, Clock, FixedSteps, adaptive, rms, runge_kutta_4
from ..status import Status
from ..tangents import as_rows, count, from_rows, push_forward, size
from .base import AbstractSystem, Advanced, iterated, with_divergence
from .checks import check_implicit, checked_constraint, checked_state
from .functions import check_function
from .switching import across_surfaces, slides


class Flow(AbstractSystem):
    """dx/dt = f(t, x, args).

    **Arguments:**

    - `vector_field`: a function of (t, x, args) that JAX can trace; it returns a pytree like x.
    - `state`: where the flow starts: float64 arrays in any pytree. A list of plain numbers means a vector.
    - `args`: parameters, passed to `vector_field`. Their values may change without compiling again.
    - `constraint`: a set that the flow stays on; the vector field is projected onto its tangent space.
    - `integrator`: `Adaptive(...)`, or `FixedSteps(step)`.
    - `integrate`: a faster way to take adaptive steps without tangents, a function of (state, span, clock, args,
      integrator) that returns the state, the clock and a status. If it has a method `carries_tangents` that is
      true of the state, its method `with_tangents` is used with the solver `auto`.
    - `switching`: for vector fields that jump, a function of (t, x, args) to one number or several, of which one
      changes its sign wherever the field jumps. Crossings are then located, and tangents are carried across them.

    ```python
    flow = curlflow.Flow(lambda t, x, args: -args * x, [1.0, 2.0], args=0.5)
    curlflow.lyapunov(flow)
    ```

    **Raises:** `ValueError` for states in single precision and vector fields with other arguments, another result or
    no right derivative; see docs/systems.md.
    """

    continuous: ClassVar[bool] = True

    vector_field: Callable
    state: PyTree
    args: PyTree = None
    constraint: AbstractConstraint = Free()
    integrator: Adaptive | FixedSteps = Adaptive()
    integrate: Callable | None = None
    switching: Callable | None = None

    def __init__(
        self, vector_field, state, args=None, *, constraint=None, integrator=None, integrate=None, switching=None
    ):
        self.vector_field = vector_field
        self.state = checked_state(state)
        self.args = to_float64(args, "args")
        self.constraint = checked_constraint(constraint)
        if not isinstance(integrator, Adaptive | FixedSteps | None):
            raise ValueError(f"integrator: got {integrator!r}, required is curlflow.solvers.Adaptive or FixedSteps.")
        self.integrator = to_float64(Adaptive() if integrator is None else integrator, "integrator")
        self.integrate, self.switching = integrate, switching
        check_function(self.vector_field, "vector_field", "t, x, args", 0.0, self.state, self.args)
        if switching is not None and not callable(switching):
            raise ValueError(f"switching: got {switching!r}, a function of (t, x, args) is required.")
        if switching is not None and isinstance(self.integrator, FixedSteps):
            raise ValueError("switching: it goes with adaptive steps, between which crossings can be located.")

    def velocity(self, t: Any, state: PyTree) -> PyTree:
        """The vector field at time `t`, projected onto the constraint."""
        return self.constraint.tangent(state, self.vector_field(t, state, self.args))

    def law(self, state: PyTree, clock: Clock) -> Any:
        own = self.integrate is not None and from_outside(self.integrate) - from_outside(self.vector_field)
        faster = self.integrate(state, np.float64(1), clock, self.args, self.integrator)[0] if own else ()
        switching = () if self.switching is None else self.switching(clock.position, state, self.args)
        return self.velocity(clock.position, state), self.constraint.retract(state), faster, switching

    @property
    def label(self) -> str:
        if isinstance(self.integrator, FixedSteps):
            return "rk4"
        return f"{self.integrator.method}, rkc2 with tangents" if self.stabilised else self.integrator.method

    @property
    def stabilised(self) -> bool:
        """Whether tangents are carried by steps of their own, which are stable for longer."""
        automatic = isinstance(self.integrator, Adaptive) and self.integrator.solver == "auto"
        return (
            automatic and hasattr(self.integrate, "carries_tangents") and self.integrate.carries_tangents(self.state)
        )

    @property
    def looser(self) -> float:
        return self.integrate.looser if self.stabilised else 1.0

    @property
    def described(self) -> tuple[tuple[Callable, ...], Any]:
        return (self.vector_field,), self.args

    def rate(self, state: PyTree, clock: Clock) -> PyTree:
        return self.velocity(clock.position, state)

    @property
    def stepping(self) -> str:
        return "fixed" if isinstance(self.integrator, FixedSteps) else "adaptive"

    @property
    def tolerances(self) -> dict[str, float]:
        if isinstance(self.integrator, FixedSteps):
            return {}
        return {"rtol": float(self.integrator.rtol), "atol": float(self.integrator.atol)}

    def allowed_error(self, state: PyTree) -> Scalar:
        if isinstance(self.integrator, FixedSteps):
            return jnp.asarray(0.0)
        return self.integrator.rtol * jnp.linalg.norm(ravel_pytree(state)[0]) + self.integrator.atol

    def with_tolerances(self, **tolerances: float) -> "Flow":
        if isinstance(self.integrator, FixedSteps):
            return AbstractSystem.with_tolerances(self, **tolerances)
        flow = self
        for name, value in tolerances.items():
            flow = eqx.tree_at(lambda s, name=name: getattr(s.integrator, name), flow, np.asarray(value, dtype=float))
        return flow

    def with_fixed_steps(self, step: float) -> "Flow":
        """The flow integrated with classical Runge–Kutta steps of this length."""
        return eqx.tree_at(lambda s: s.integrator, self, FixedSteps(np.asarray(step)))

    def next_step(self, clock: Clock) -> float:
        return float(self.integrator.step if isinstance(self.integrator, FixedSteps) else clock.step)

    def clock(self) -> Clock:
        return Clock(np.float64(0.0), np.float64(0.0))

    def span(self, time: float) -> np.float64:
        return np.float64(time)

    def time(self, span: Any) -> Any:
        return span

    @double_precision
    def advance(self, state: PyTree, tangents: PyTree | None, span: Any, clock: Clock) -> Advanced:
        fixed = isinstance(self.integrator, FixedSteps)
        return (self._advance_fixed if fixed else self._advance_adaptive)(state, tangents, span, clock)

    def _advance_fixed(self, state, tangents, span, clock):
        steps = jnp.ceil(span / self.integrator.step - 1e-9).astype(int)
        h = span / steps
        step = lambda i, x: runge_kutta_4(self.velocity, clock.position + i * h, x, h)  # noqa: E731
        state, tangents, log_volume = iterated(self, step, state, tangents, 0, steps)
        return self._retracted(state, tangents, Clock(clock.position + span, clock.step), log_volume)

    def _advance_adaptive(self, state, tangents, span, clock):
        check_implicit(self.integrator, state, tangents)
        if tangents is None and self.integrate is not None:
            state, clock, status = self.integrate(state, span, clock, self.args, self.integrator)
            return self._retracted(state, None, clock, jnp.asarray(jnp.nan), status)
        full = tangents is not None and count(tangents) == self.dimension
        if tangents is not None and self.stabilised and not full:
            carried = self.integrate.with_tangents(state, tangents, span, clock, self.args, self.integrator)
            state, tangents, clock, status = carried
            return self._retracted(state, tangents, clock, jnp.asarray(jnp.nan), status)

        def field(t, y):
            x, v, _ = y
            velocity = lambda x: self.velocity(t, x)  # noqa: E731
            if v is None:
                return velocity(x), None, 0.0
            f, df_v = push_forward(velocity, x, v)
            if not full:
                return f, df_v, 0.0
            # The trace of the Jacobian in the tangent space, tr(PJ), where P projects onto it.
            _, images = push_forward(velocity, x, from_rows(jnp.eye(size(x)), x))
            return f, df_v, jnp.trace(as_rows(self.project(x, images)))

        def norm(y):
            x, v, _ = y
            return rms(x) if v is None else jnp.maximum(rms(x), rms(v))

        y = (state, tangents, jnp.asarray(0.0))
        if tangents is None or self.switching is None:
            (state, tangents, volume), clock, status, _ = adaptive(field, y, span, clock, self.integrator, norm)
        else:
            (state, tangents, volume), clock, status = across_surfaces(self, field, y, span, clock, norm)
        if self.switching is not None:
            stuck = (status == int(Status.max_steps_reached)) | (status == int(Status.step_size_underflow))
            sliding = jax.lax.cond(stuck, lambda: slides(self, clock.position, state), lambda: jnp.asarray(False))
            status = jnp.where(sliding, int(Status.sliding), status)
        volume = volume if full else jnp.asarray(jnp.nan)
        return self._retracted(state, tangents, clock, volume, status)

    def _retracted(self, state, tangents, clock, log_volume, status=Status.completed):
        state = self.constraint.retract(state)
        tangents = None if tangents is None else self.project(state, tangents)
        return Advanced(state, tangents, clock, log_volume, with_divergence(status, state, tangents))
