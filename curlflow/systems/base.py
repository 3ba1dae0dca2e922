"""What a dynamical system is: a flow dx/dt = f(t, x) or a map xᵢ₊₁ = f(i, xᵢ), over any pytree.

Both advance a state together with tangent vectors, and that one method is all that a measure knows of a system:

    flow:  d(x, v)/dt = (f(t, x), Df(t, x) v),        map:  (x, v) → (f(i, x), Df(i, x) v).
"""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from ..constraints import AbstractConstraint
from ..outside import digest, law_digest, rely_on
from ..precision import Scalar
from ..solvers.integrate import Clock, all_finite
from ..status import Status
from ..tangents import as_rows, count, from_rows, push_forward, size

LONGEST_SEGMENT = 10.0
"""Longest time over which a flow runs before it is retracted onto its constraint; `cut` divides longer spans."""
ITERATIONS_PER_UNIT = 10
"""Iterations of a map in default lengths for each unit of time of a flow."""


class Advanced(NamedTuple):
    """A state, its tangents and its clock at the end of a span, with a volume and a `curlflow.status.Status`.

    `log_volume` is log|det| of the tangent map over the span where there are as many tangents as dimensions
    (for flows the integral of the divergence), else NaN.
    """

    state: PyTree
    tangents: PyTree
    clock: Clock
    log_volume: Scalar
    status: Array


class AbstractSystem(eqx.Module):
    """A state that moves, with the tangent space of the set on which it moves.

    *For developers:* a new kind of system supplies all that is abstract here: `advance` and `time`; `continuous`; and
    what datasets record about it, `label` and `described`. The rest has defaults that hold for systems of iterations.

    **Attributes:**

    - `continuous`: whether any span of time can be asked for; other systems advance by whole iterations.
    """

    state: eqx.AbstractVar[PyTree]
    constraint: eqx.AbstractVar[AbstractConstraint]
    continuous: eqx.AbstractClassVar[bool]

    @abstractmethod
    def advance(self, state: PyTree, tangents: PyTree | None, span: Any, clock: Clock) -> Advanced:
        """Advance `state` and `tangents` (leaves with a leading axis of vectors, or None) over `span`."""

    @abstractmethod
    def time(self, span: Any) -> Any:
        """The inverse of `span`."""

    @property
    @abstractmethod
    def label(self) -> str:
        """The name of the method that advances the state: of the solver of a flow, for example `tsit5`, or `map`."""

    @property
    @abstractmethod
    def described(self) -> tuple[tuple[Callable, ...], Any]:
        """The functions that define the system and their parameters, which distinguish it from others."""

    def law(self, state: PyTree, clock: Clock) -> Any:
        """What the motion of one state follows from, as arrays; how it is integrated does not count."""
        return self.advance(state, None, np.float64(1) if self.continuous else np.int64(1), clock).state

    @property
    def definition(self) -> dict[str, Any]:
        """What a run of this system computes, part by part: two systems with equal parts go the same way."""
        leaves = jax.tree_util.tree_flatten_with_path(self.state)[0]
        shapes = (f"{jax.tree_util.keystr(path)} {leaf.dtype}{list(leaf.shape)}".strip() for path, leaf in leaves)
        return {
            "parameters": digest(self.described[1]),
            "constraint": f"{type(self.constraint).__name__} {digest(self.constraint)}",
            "state": ", ".join(shapes),
            "integrator": f"{self.label} {self.stepping} {self.tolerances or self.next_step(self.clock())}",
            "time_per_step": float(self.time(1)),
            "law": law_digest(_law, self),
            "jax": jax.__version__,
        }

    def look_at_law(self) -> None:
        """Note what this system computes now, should functions of the user's define it; see `curlflow.outside`."""
        rely_on(_law, self)

    def __check_init__(self):
        self.look_at_law()

    def clock(self) -> Clock:
        """The clock at the start of a run."""
        return Clock(np.int64(0), np.float64(0.0))

    def span(self, time: float) -> Any:
        """A stretch of time in the unit of `advance`: time for flows, whole iterations for maps."""
        return np.int64(round(float(time / self.time(1))))

    def rate(self, state: PyTree, clock: Clock) -> PyTree:
        """How fast the state changes: the velocity of a flow, or the change over one iteration, per unit of time."""
        after = self.advance(state, None, 1, clock).state
        return jax.tree.map(lambda a, b: (a - b) / self.time(1), after, state)

    @property
    def unit(self) -> float:
        """The time of which default lengths are multiples: one unit of time for flows, otherwise ten iterations."""
        return 1.0 if self.continuous else ITERATIONS_PER_UNIT * float(self.time(1))

    @property
    def stepping(self) -> str:
        """Whether steps are `adaptive`, `fixed`, or whole iterations (`iteration`)."""
        return "iteration"

    @property
    def tolerances(self) -> dict[str, float]:
        """The relative and absolute tolerance, `rtol` and `atol`, of adaptive steps; empty for other systems."""
        return {}

    def allowed_error(self, state: PyTree) -> Scalar:
        """By how much one adaptive step may err in `state`, its Euclidean norm; 0 for other systems."""
        return jnp.asarray(0.0)

    @property
    def looser(self) -> float:
        """How many times the relative tolerance steps with tangents may err."""
        return 1.0

    def with_tolerances(self, **tolerances: float) -> "AbstractSystem":
        """The system with other tolerances `rtol` or `atol`.

        **Raises:** `ValueError` where there are none to change.
        """
        for name in tolerances:
            raise ValueError(f"{name}: maps and fixed steps have no tolerance; leave it out.")
        return self

    def next_step(self, clock: Clock) -> float:
        """The next step of the solver, in units of time; 0 for a flow that has not begun, and for a map."""
        return float(clock.step)

    def clock_at(self, position: Any, step: Any) -> Clock:
        """The clock at a position (time, or number of the iteration), with the next step of the solver."""
        return Clock(np.asarray(position).astype(np.asarray(self.clock().position).dtype), np.asarray(step))

    def nonempty_span(self, time: float) -> Any:
        """The span of `time`, at least one iteration."""
        span = self.span(time)
        return span if self.continuous else max(span, type(span)(1))

    def cut(self, spans: Any, longest: float = LONGEST_SEGMENT, slack: float = 0.0) -> tuple[Any, Any]:
        """Spans of a flow cut into equal segments, after each of which it is retracted onto its constraint.

        **Returns:** for every span the length of its segments, in the unit of `advance`, and how many there are: one
        for spans of iterations, none for empty ones.

        **Arguments:**

        - `longest`, `slack`: segments of a flow are at most `longest`, times 1 + `slack`, long.
        """
        spans = np.asarray(spans)
        if not self.continuous:
            return spans.astype(np.int64), (spans > 0).astype(np.int64)
        segments = np.ceil(spans / longest - slack).astype(np.int64)
        return spans / np.maximum(segments, 1), segments

    @property
    def dimension(self) -> int:
        """The dimension of the space that tangent vectors live in: that of the state less the constraint's."""
        return size(self.state) - self.constraint.codimension(self.state)

    def project(self, state: PyTree, tangents: PyTree) -> PyTree:
        """Every tangent vector projected onto the tangent space at `state`."""
        return jax.vmap(lambda v: self.constraint.tangent(state, v))(tangents)


def _law(system: AbstractSystem) -> Any:
    return system.law(system.state, system.clock())


def iterated(
    system: AbstractSystem, step: Callable, state: PyTree, tangents: PyTree | None, first: Any, number: Any
) -> tuple[PyTree, PyTree | None, Array]:
    """Apply `step`, a function of its index (from `first`) and the state, `number` times.

    **Returns:** the state, the tangents and the volume as in `Advanced`.
    """
    if tangents is None:
        # Two steps at a time: XLA then saves a copy of the state at every step.
        state = jax.lax.fori_loop(0, number // 2, lambda j, x: step(first + 2 * j + 1, step(first + 2 * j, x)), state)
        state = jax.lax.cond(number % 2 == 1, lambda x: step(first + number - 1, x), lambda x: x, state)
        return state, None, jnp.asarray(jnp.nan)
    full = count(tangents) == system.dimension

    def body(i, carry):
        x, v, volume = carry
        function = lambda x: step(first + i, x)  # noqa: E731
        if not full:
            return *push_forward(function, x, v), volume
        basis = tangent_basis(system, x)
        image, derivative = push_forward(function, x, from_rows(basis, x))
        derivative = as_rows(derivative)
        determinant = log_abs_det(derivative @ tangent_basis(system, image).T)
        v = from_rows((as_rows(v) @ basis.T) @ derivative, x)
        return image, v, volume + determinant

    volume = jnp.asarray(0.0 if full else jnp.nan)
    return jax.lax.fori_loop(0, number, body, (state, tangents, volume))


def log_abs_det(matrix: Float[Array, "n n"]) -> Array:
    """ln |det|; of matrices up to 3 × 3 from the definition, since a call of LAPACK takes longer than all else."""
    if matrix.shape[0] > 3:
        return jnp.linalg.slogdet(matrix)[1]
    if matrix.shape[0] == 3:
        return jnp.log(jnp.abs(jnp.dot(matrix[0], jnp.cross(matrix[1], matrix[2]))))
    if matrix.shape[0] == 2:
        return jnp.log(jnp.abs(matrix[0, 0] * matrix[1, 1] - matrix[0, 1] * matrix[1, 0]))
    return jnp.log(jnp.abs(matrix[0, 0]))


def tangent_basis(system: AbstractSystem, state: PyTree) -> Float[Array, "dimension n"]:
    """Orthonormal rows that span the tangent space at `state`, for small systems."""
    identity = jnp.eye(size(state))
    codimension = system.constraint.codimension(state)
    if codimension == 0:
        return identity
    projector = as_rows(system.project(state, from_rows(identity, state)))
    return jnp.linalg.eigh((projector + projector.T) / 2)[1][:, codimension:].T


def with_divergence(status: Any, state: PyTree, tangents: PyTree | None) -> Array:
    """`status`, or `diverged` where the state or its tangents are not finite."""
    return jnp.where(all_finite((state, tangents)), jnp.asarray(status), int(Status.diverged))
