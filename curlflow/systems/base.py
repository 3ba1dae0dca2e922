"""Dynamical systems: flows dx/dt = f(t, x) and maps xᵢ₊₁ = f(i, xᵢ), over any pytree.

Both advance a state together with tangent vectors,

    flow:  d(x, v)/dt = (f(t, x), Df(t, x) v),        map:  (x, v) → (f(i, x), Df(i, x) v),

and that one method is all that a measure knows of a system, so that Lyapunov exponents have one code path.
"""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from ..constraints import AbstractConstraint, Free
from ..precision import Scalar, double_precision, to_float64
from ..solvers.integrate import Adaptive, Clock, FixedSteps, adaptive, all_finite, rms, runge_kutta_4
from ..status import Status
from ..tangents import as_rows, count, from_rows, push_forward, size
from .checks import check_function, check_implicit, check_kind, check_positive, checked_state

LONGEST_PIECE = 10.0
"""Units of time after which a flow is retracted onto its constraint at the latest; studies cut longer spans."""


class Advanced(NamedTuple):
    """A state, its tangents and its clock at the end of a span, and how it went.

    `log_volume` is log|det| of the tangent map over the span where there are as many tangents as dimensions
    (for flows the integral of the divergence), else NaN. `status` is a `curlflow.status.Status`.
    """

    state: PyTree
    tangents: PyTree
    clock: Clock
    log_volume: Scalar
    status: Array


class AbstractSystem(eqx.Module):
    """A state that moves, with the tangent space of the set on which it moves.

    *For developers:* a new kind of system supplies `advance`, `clock`, `span` and `time`.
    """

    state: eqx.AbstractVar[PyTree]
    constraint: eqx.AbstractVar[AbstractConstraint]

    @abstractmethod
    def advance(self, state: PyTree, tangents: PyTree | None, span: Any, clock: Clock) -> Advanced:
        """Move `state` and `tangents` (leaves with a leading axis of vectors, or None) over `span`."""

    @abstractmethod
    def clock(self) -> Clock:
        """The clock at the start of a run."""

    @abstractmethod
    def span(self, time: float) -> Any:
        """A stretch of time in the unit of `advance`: time for flows, whole iterations for maps."""

    @abstractmethod
    def time(self, span: Any) -> Any:
        """The inverse of `span`."""

    @property
    def dimension(self) -> int:
        """The dimension of the space that tangent vectors live in: that of the state less the constraint's."""
        return size(self.state) - self.constraint.codimension(self.state)

    def project(self, state: PyTree, tangents: PyTree) -> PyTree:
        """Every tangent vector projected onto the tangent space at `state`."""
        return jax.vmap(lambda v: self.constraint.tangent(state, v))(tangents)


class Flow(AbstractSystem):
    """dx/dt = f(t, x, args).

    **Arguments:**

    - `vector_field`: a function of (t, x, args) that JAX can trace; it returns a pytree like x.
    - `state`: where the flow starts: float64 arrays in any pytree. A list of plain numbers means a vector.
    - `args`: parameters, handed to `vector_field`. Their values may change without compiling again.
    - `constraint`: a set that the flow stays on; the vector field is projected onto its tangent space.
    - `integrator`: `Adaptive(...)`, or `FixedSteps(step)`.
    - `integrate`: optionally, a faster way to take adaptive steps without tangents, a function of (state, span,
      clock, args, integrator) that returns the state, the clock and a status.

    ```python
    flow = curlflow.Flow(lambda t, x, args: -args * x, [1.0, 2.0], args=0.5)
    curlflow.lyapunov(flow)
    ```

    **Raises:** `ValueError` for a state in single precision and for a vector field with other arguments or
    another result.
    """

    vector_field: Callable
    state: PyTree
    args: PyTree = None
    constraint: AbstractConstraint = Free()
    integrator: Adaptive | FixedSteps = Adaptive()
    integrate: Callable | None = None

    def __init__(self, vector_field, state, args=None, *, constraint=None, integrator=None, integrate=None):
        self.vector_field = vector_field
        self.state = checked_state(state)
        self.args = to_float64(args, "args")
        self.constraint = Free() if constraint is None else constraint
        self.integrator = to_float64(Adaptive() if integrator is None else integrator, "integrator")
        self.integrate = integrate
        check_kind("integrator", self.integrator, Adaptive | FixedSteps, "curlflow.solvers.Adaptive or FixedSteps")
        check_kind("constraint", self.constraint, AbstractConstraint, "one of curlflow.constraints")
        check_function(self.vector_field, "vector_field", "t, x, args", 0.0, self.state, self.args)

    def velocity(self, t: Any, state: PyTree) -> PyTree:
        """The vector field at time `t`, projected onto the constraint."""
        return self.constraint.tangent(state, self.vector_field(t, state, self.args))

    def clock(self) -> Clock:
        return Clock(np.float64(0.0), np.float64(0.0))

    def span(self, time: float) -> np.float64:
        return np.float64(time)

    def time(self, span: Any) -> Any:
        return span

    @double_precision
    def advance(self, state: PyTree, tangents: PyTree | None, span: Any, clock: Clock) -> Advanced:
        if isinstance(self.integrator, FixedSteps):
            return self._advance_fixed(state, tangents, span, clock)
        return self._advance_adaptive(state, tangents, span, clock)

    def _advance_fixed(self, state, tangents, span, clock):
        steps = jnp.ceil(span / self.integrator.step - 1e-9).astype(int)
        h = span / steps

        def step(i, x):
            return runge_kutta_4(self.velocity, clock.position + i * h, x, h)

        state, tangents, log_volume = iterated(self, step, state, tangents, 0, steps)
        return self._retracted(state, tangents, Clock(clock.position + span, clock.step), log_volume)

    def _advance_adaptive(self, state, tangents, span, clock):
        check_implicit(self.integrator, state, tangents)
        if tangents is None and self.integrate is not None:
            state, clock, status = self.integrate(state, span, clock, self.args, self.integrator)
            return self._retracted(state, None, clock, jnp.asarray(jnp.nan), status)
        full = tangents is not None and count(tangents) == self.dimension

        def field(t, y):
            x, v, _ = y
            velocity = lambda x: self.velocity(t, x)  # noqa: E731
            if v is None:
                return velocity(x), None, 0.0
            f, df_v = push_forward(velocity, x, v)
            return f, df_v, self._divergence(velocity, x) if full else 0.0

        def norm(y):
            x, v, _ = y
            return rms(x) if v is None else jnp.maximum(rms(x), rms(v))

        y = (state, tangents, jnp.asarray(0.0))
        (state, tangents, volume), clock, status, _ = adaptive(field, y, span, clock, self.integrator, norm)
        volume = volume if full else jnp.asarray(jnp.nan)
        return self._retracted(state, tangents, clock, volume, status)

    def _divergence(self, velocity, x):
        basis = _tangent_basis(self, x)
        _, images = push_forward(velocity, x, from_rows(basis, x))
        return jnp.sum(basis * as_rows(images))

    def _retracted(self, state, tangents, clock, log_volume, status=Status.completed):
        state = self.constraint.retract(state)
        if tangents is not None:
            tangents = self.project(state, tangents)
        return Advanced(state, tangents, clock, log_volume, with_divergence(status, state, tangents))


class Map(AbstractSystem):
    """xᵢ₊₁ = f(i, xᵢ, args).

    **Arguments:**

    - `step`: a function of (i, x, args) that JAX can trace; it receives the index of the iteration, starting
      at 0, and returns a pytree like x.
    - `state`: where the map starts: float64 arrays in any pytree. A list of plain numbers means a vector.
    - `time_per_step`: how much time one iteration stands for; exponents are per unit of this time.
    - `args`: parameters, handed to `step`. Their values may change without compiling again.
    - `constraint`: a set onto which every iterate is retracted.
    - `iterate`: optionally, a faster way to take many steps, a function of (state, index, number, args).

    ```python
    doubling = curlflow.Map(lambda i, x, args: 2 * x % 1, 0.1)
    ```

    **Raises:** `ValueError` for a state in single precision, a step with other arguments or another result,
    and a time per step that is not positive.
    """

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
        self.constraint = Free() if constraint is None else constraint
        self.iterate = iterate
        check_kind("constraint", self.constraint, AbstractConstraint, "one of curlflow.constraints")
        check_function(self.step, "step", "i, x, args", 0, self.state, self.args)

    def clock(self) -> Clock:
        return Clock(np.int64(0), np.float64(0.0))

    def span(self, time: float) -> np.int64:
        return np.int64(round(float(time / self.time_per_step)))

    def time(self, span: Any) -> Any:
        return span * self.time_per_step

    @double_precision
    def advance(self, state: PyTree, tangents: PyTree | None, span: Any, clock: Clock) -> Advanced:
        first = jnp.asarray(clock.position).astype(int)

        def step(i, x):
            return self.constraint.retract(self.step(i, x, self.args))

        if tangents is None and self.iterate is not None:
            state, log_volume = self.iterate(state, first, span, self.args), jnp.asarray(jnp.nan)
        else:
            state, tangents, log_volume = iterated(self, step, state, tangents, first, span)
        status = with_divergence(Status.completed, state, tangents)
        return Advanced(state, tangents, Clock(first + span, clock.step), log_volume, status)


def iterated(
    system: AbstractSystem, step: Callable, state: PyTree, tangents: PyTree | None, first: Any, number: Any
) -> tuple[PyTree, PyTree | None, Array]:
    """Take `number` times a `step`, a function of its index (from `first`) and the state.

    **Returns:** the state, the tangents and the volume as in `Advanced`.
    """
    if tangents is None:
        return _iterate_pairs(step, state, first, number), None, jnp.asarray(jnp.nan)
    full = count(tangents) == system.dimension

    def body(i, carry):
        x, v, volume = carry
        function = lambda x: step(first + i, x)  # noqa: E731
        if not full:
            return *push_forward(function, x, v), volume
        basis = _tangent_basis(system, x)
        image, derivative = push_forward(function, x, from_rows(basis, x))
        derivative = as_rows(derivative)
        determinant = jnp.linalg.slogdet(derivative @ _tangent_basis(system, image).T)[1]
        v = from_rows((as_rows(v) @ basis.T) @ derivative, x)
        return image, v, volume + determinant

    volume = jnp.asarray(0.0 if full else jnp.nan)
    return jax.lax.fori_loop(0, number, body, (state, tangents, volume))


def _iterate_pairs(step, state, first, number):
    """Take `number` steps, two at a time: XLA then saves a copy of the state at every step."""
    state = jax.lax.fori_loop(0, number // 2, lambda j, x: step(first + 2 * j + 1, step(first + 2 * j, x)), state)
    return jax.lax.cond(number % 2 == 1, lambda x: step(first + number - 1, x), lambda x: x, state)


def _tangent_basis(system: AbstractSystem, state: PyTree) -> Float[Array, "dimension n"]:
    """Orthonormal rows that span the tangent space at `state`, for small systems."""
    identity = jnp.eye(size(state))
    codimension = system.constraint.codimension(state)
    if codimension == 0:
        return identity
    projector = as_rows(system.project(state, from_rows(identity, state)))
    return jnp.linalg.eigh((projector + projector.T) / 2)[1][:, codimension:].T


def with_divergence(status: Any, state: PyTree, tangents: PyTree | None) -> Array:
    """`status`, unless something stopped being finite."""
    return jnp.where(all_finite((state, tangents)), jnp.asarray(status), int(Status.diverged))
