"""Lyapunov exponents by discrete QR over blocks.

A block of length Δ carries orthonormal tangent vectors Q to new ones, whose QR factorisation gives

    Φ(t + Δ, t) Q = Q′ R,        local exponents  ln Rᵢᵢ / Δ,                                          (8)

and the exponents are the means of the local ones over many blocks. Householder reflections do the
factorisation: they are never wrong, whereas modified Gram–Schmidt loses ε·cond and Cholesky QR ε·cond². In systems
of up to four variables Gram–Schmidt is done twice, which loses nothing.

Sources: Benettin, Galgani, Giorgilli & Strelcyn, Meccanica 15 (1980) 9; Shimada & Nagashima, Prog. Theor.
Phys. 61 (1979) 1605; von Bremen, Udwadia & Proskurowski, Physica D 101 (1997) 1; Geist, Parlitz &
Lauterborn, Prog. Theor. Phys. 83 (1990) 875; Giraud, Langou, Rozložník & van den Eshof, Numer. Math. 101 (2005) 87.
"""

from collections.abc import Callable
from enum import IntEnum
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PyTree

from ..former import former_names
from ..outside import compiled
from ..precision import double_precision, random_key
from ..status import Status
from ..tangents import as_rows, count, from_rows, size
from ..variable import CHECK, SINGLE, Variable, flag_variable


class KaplanYorke(IntEnum):
    """Whether there is a Kaplan–Yorke dimension, and if not, why."""

    known = 0
    too_few_exponents = 1
    exponents_missing = 2


KY_STATUS = "kaplan_yorke_status"
CAPACITY = 2048
"""The most blocks in one compiled call. More would only delay interrupts and progress reports."""
VANISHING = 16 * np.finfo(float).eps
"""Multipliers of an iteration below this are zero but for the rounding of the state."""
ILL_CONDITIONED = 1e10
"""From here on rounding reaches the last exponents of a block: the block is too long for its spread."""
SMALL = 4
"""Tangents of so few entries are made orthonormal without LAPACK, whose calls take longer than all else there."""
SOUND = 1e-11
"""Where less than this share of a vector is left, rounding decides its direction."""
STILL = 1e3
"""Velocities below this times the solver's tolerance are not compared."""
OUTSIDE = 1e-4
"""The share of a velocity that may lie, after a block, outside the space of the tangents."""

R, E = ("realization",), ("realization", "exponent")
TRUSTED = {"ancillary_variables": "status converged"}
VARIABLES = (
    Variable("lyapunov_exponent", E, "Lyapunov exponent, per unit of time", attributes=TRUSTED),
    Variable("local_exponent", ("realization", "block", "exponent"), "exponent of one block, per unit of time",
             uncertainty=SINGLE),
    Variable("kaplan_yorke_dimension", R, "Kaplan–Yorke dimension",
             attributes={"ancillary_variables": KY_STATUS}),
    Variable("kaplan_yorke_dimension_se", R, "standard error of the Kaplan–Yorke dimension"),
    flag_variable(KY_STATUS, R, "why the Kaplan–Yorke dimension is known or not", KaplanYorke),
    Variable("largest_condition", R, "largest condition number of the tangents of one block", uncertainty=CHECK),
    Variable("local_divergence", ("realization", "block"), "divergence averaged over one block", uncertainty=SINGLE),
    Variable("mean_divergence", R, "mean of tr J (flow) or ln|det J| per unit of time (map)"),
    Variable("mean_divergence_se", R, "standard error of the mean divergence"),
    Variable("divergence_residual", R, "sum of all exponents less the mean divergence"),
    Variable("divergence_residual_se", R, "standard error of that difference, the errors of the solver included"),
    Variable("flow_residual", R,
             "largest relative error of the velocity as the derivative of a flow carries it over a block",
             uncertainty=CHECK),
)  # fmt: skip


class TangentState(NamedTuple):
    """Where a run stands: all that is needed to continue it exactly."""

    state: PyTree
    tangents: PyTree
    clock: PyTree
    status: Array | int


class Blocks(NamedTuple):
    """ln Rᵢᵢ and log|det| of a `number` of blocks, then NaN. Where a block fails the run stands where that began.

    `velocity_error` is the largest relative error with which a block of a flow carried the velocity; see
    `velocity_error`.
    """

    run: TangentState
    log_stretch: Float[Array, "capacity vectors"]
    log_volume: Float[Array, " capacity"]
    velocity_error: Array
    number: Array


class LyapunovSpectrum(NamedTuple):
    """Lyapunov exponents per unit of time, in decreasing order for random tangents, and what they are the means of.

    **Attributes:**

    - `log_stretch`: ln Rᵢᵢ of every block.
    - `log_volume`: log|det| of every block where there are as many tangents as dimensions, else NaN.
    - `end`: where the run stands, to continue from.
    - `velocity_error`: of flows, the largest relative error with which a block carried the velocity; see the function
      of this name.
    """

    exponents: Float[np.ndarray, " vectors"]
    log_stretch: Float[np.ndarray, "blocks vectors"]
    log_volume: Float[np.ndarray, " blocks"]
    end: TangentState
    velocity_error: float = float("nan")


@double_precision
def lyapunov_spectrum(
    system: Any, *, block: float, number: int, vectors: int = 1, key: Any = None, start: TangentState | None = None
) -> LyapunovSpectrum:
    """The leading Lyapunov exponents of a system, by discrete QR, equation (8).

    ```python
    henon = curlflow.systems.henon()
    found = curlflow.measures.lyapunov_spectrum(henon, block=1, number=10_000, vectors=2, key=jax.random.key(0))
    longer = curlflow.measures.lyapunov_spectrum(henon, block=1, number=10_000, start=found.end)
    ```

    **Returns:** a `LyapunovSpectrum`. It has fewer blocks than asked for where the run diverges or stalls;
    `end.status` says which.

    **Arguments:**

    - `system`: anything with `state`, `clock()`, `span(time)` and `advance(state, tangents, span, clock)`, as
      `curlflow.systems` has.
    - `block`: time between two factorisations.
    - `number`: how many blocks.
    - `vectors`: how many exponents, the largest first.
    - `key`: the key of the random tangents with which the run begins, from `jax.random.key`.
    - `start`: where to begin instead, the `end` of an earlier call.

    The transients of the state and of the tangents are not discarded. `curlflow.lyapunov` discards both, and gives
    standard errors.
    """
    if start is None:
        key = random_key(0) if key is None else key
        tangents = random_tangents(system, system.state, vectors, key=key)
        start = TangentState(system.state, tangents, system.clock(), np.asarray(Status.completed.value))
    end, span, done = jax.tree.map(np.asarray, start), np.asarray(system.span(block)), 0
    stretches, volumes, error = [np.empty((0, count(end.tangents)))], [np.empty(0)], np.nan
    while done < number and end.status == Status.completed:
        blocks = lyapunov_blocks(system, end, span, np.asarray(min(CAPACITY, number - done)))
        end, good = jax.tree.map(np.asarray, blocks.run), int(blocks.number)
        stretches.append(np.asarray(blocks.log_stretch)[:good])
        volumes.append(np.asarray(blocks.log_volume)[:good])
        error = float(np.fmax(error, blocks.velocity_error))
        done += good
    log_stretch = np.concatenate(stretches)
    exponents = log_stretch.mean(axis=0) / block if done else np.full(log_stretch.shape[1], np.nan)
    return LyapunovSpectrum(exponents, log_stretch, np.concatenate(volumes), end, error)


@compiled
def random_tangents(system: Any, state: PyTree, vectors: int, *, key: Array) -> PyTree:
    """Orthonormal random tangent vectors at `state`, a pytree like it with a leading axis."""
    rows = jax.random.normal(key, (vectors, size(state)))
    return factored(system.project(state, from_rows(rows, state)), state)[0]


def factored(tangents: PyTree, state: PyTree) -> tuple[PyTree, Float[Array, "vectors vectors"]]:
    """Orthonormal vectors with the same span, flag by flag, and the factor R, whose diagonal is not negative."""
    rows = as_rows(tangents)
    if rows.shape[1] <= SMALL:
        q, r = _gram_schmidt(rows)
    else:
        columns, r = jnp.linalg.qr(rows.T)
        signs = jnp.where(jnp.diagonal(r) < 0, -1.0, 1.0)
        q, r = (columns * signs).T, signs[:, None] * r
    return from_rows(q, state), r


def _gram_schmidt(
    rows: Float[Array, "vectors n"],
) -> tuple[Float[Array, "vectors n"], Float[Array, "vectors vectors"]]:
    """Every vector less its parts along those before it, twice; where rounding is all that is left, a unit vector.

    A loop, which compiles in a quarter of the time that it takes written out, and which has no branch and no argmin:
    these would keep XLA from compiling the loop over blocks as one function.
    """
    vectors, n = rows.shape

    def add(i, carry):
        q, r = carry
        rest, along = _twice_less(rows[i], q)
        length = _length(rest)
        covered = jnp.sum(q**2, axis=0) + 1e-9 * jnp.arange(n)  # the first of those that are covered least
        other, _ = _twice_less(jnp.where(covered == jnp.min(covered), 1.0, 0.0), q)
        sound = length > SOUND * _length(rows[i])
        q = q.at[i].set(jnp.where(sound, rest / jnp.where(sound, length, 1.0), other / _length(other)))
        return q, r.at[i].set(along.at[i].set(length))

    q, r = jax.lax.fori_loop(0, vectors, add, (jnp.zeros((vectors, n)), jnp.zeros((vectors, vectors))))
    return q, r.T


def _twice_less(
    vector: Float[Array, " n"], directions: Float[Array, "vectors n"]
) -> tuple[Float[Array, " n"], Float[Array, " vectors"]]:
    """`vector` less its parts along orthonormal `directions`, of which some may be zero, and these parts."""
    first = directions @ vector
    vector = vector - first @ directions
    second = directions @ vector
    return vector - second @ directions, first + second


def _length(vector: Float[Array, " n"]) -> Array:
    """The norm, also where squares would overflow or vanish."""
    largest = jnp.max(jnp.abs(vector))
    scale = jnp.where(largest > 0, largest, 1.0)
    return scale * jnp.sqrt(jnp.sum((vector / scale) ** 2))


def factored_block(
    system: Any, run: TangentState, span: Any
) -> tuple[TangentState, Float[Array, "vectors vectors"], Array]:
    """`run` after one block, its factor R and log|det|; where the block fails the run stands where it began."""
    after = system.advance(run.state, run.tangents, span, run.clock)
    tangents, r = factored(after.tangents, after.state)
    failed = (after.status == Status.completed) & ~jnp.all(jnp.isfinite(r))
    status = jnp.where(failed, int(Status.diverged), after.status)
    new, stays = TangentState(after.state, tangents, after.clock, status), run._replace(status=status)
    return jax.tree.map(lambda a, b: jnp.where(status == Status.completed, a, b), new, stays), r, after.log_volume


def while_completed(step: Callable[[tuple], tuple], run: TangentState, number: Any, *kept: Array) -> tuple:
    """`run`, what is `kept` of every step, and how many were done: up to `number` of them, or until the run fails."""

    def unfinished(carry):
        run, *_, done = carry
        return (done < number) & (run.status == Status.completed)

    return jax.lax.while_loop(unfinished, step, (jax.tree.map(jnp.asarray, run), *kept, jnp.asarray(0)))


@compiled
def lyapunov_blocks(system: Any, run: TangentState, span: Any, number: Any) -> Blocks:
    """Advance `run` by up to `number` ≤ `CAPACITY` blocks, with a QR after each.

    Compiled once per kind of system and shape: states, parameters, lengths and numbers are data.

    **Arguments:**

    - `system`: anything with `advance(state, tangents, span, clock)`, as `curlflow.systems` has.
    - `span`: the length of a block in the unit of `system.advance`.
    """

    def block(carry):
        before, before_velocity, stretch, volume, error, done = carry
        run, r, log_volume = factored_block(system, before, span)
        good = run.status == Status.completed
        velocity = _velocity(system, run)
        found = velocity_error(before, before_velocity, r, run, velocity, system)
        error = jnp.fmax(error, jnp.where(good, found, jnp.nan))
        # A direction that was squeezed to nothing has ln 0 = −∞; its column of Q is arbitrary.
        stretch = stretch.at[done].set(jnp.where(good, jnp.log(jnp.diagonal(r)), jnp.nan))
        volume = volume.at[done].set(jnp.where(good, log_volume, jnp.nan))
        return run, velocity, stretch, volume, error, done + good

    empty = jnp.full((CAPACITY, count(run.tangents)), jnp.nan), jnp.full(CAPACITY, jnp.nan)
    run, _, *found = while_completed(block, run, number, _velocity(system, run), *empty, jnp.asarray(jnp.nan))
    return Blocks(run, *found)


def _velocity(system: Any, run: TangentState) -> Float[Array, " n"]:
    """The velocity of a flow; empty for maps."""
    if not getattr(system, "continuous", False):
        return jnp.empty(0)
    return ravel_pytree(system.rate(run.state, run.clock))[0]


def velocity_error(
    before: TangentState,
    start: Float[Array, " n"],
    r: Float[Array, "vectors vectors"],
    after: TangentState,
    end: Float[Array, " n"],
    system: Any,
) -> Array:
    """How far the velocity that the tangent map of a flow carries over one block is from that at its end, relative.

    The velocity of an autonomous flow is itself a tangent vector, and the derivative of its motion maps one to the
    other exactly. Differentiation of a vector field that jumps, or has kinks, misses what happens at each crossing.

    **Returns:** NaN for maps; where the velocity is not a combination of the tangents that are carried, whose images
    are Q′R; and where nothing moves up to the tolerance of the solver.
    """
    if start.size == 0:
        return jnp.asarray(jnp.nan)
    rows = as_rows(before.tangents)
    along = rows @ start
    outside = jnp.linalg.norm(start - along @ rows) * jnp.max(jnp.abs(r))
    carried = (r @ along) @ as_rows(after.tangents)
    scale = jnp.maximum(jnp.linalg.norm(start), jnp.linalg.norm(end))
    # The solver may err by this much in the state: of what moves no faster, the direction is not known.
    moves = scale > STILL * system.allowed_error(after.state)
    return jnp.where(moves & (outside < OUTSIDE * scale), jnp.linalg.norm(carried - end) / scale, jnp.nan)


@compiled
def transient_blocks(system: Any, run: TangentState, span: Any, number: Any) -> TangentState:
    """Advance the state alone by `number` blocks of length `span`; the tangents of `run` are left unchanged."""

    def block(carry):
        run, done = carry
        after = system.advance(run.state, None, span, run.clock)
        return run._replace(state=after.state, clock=after.clock, status=after.status), done + 1

    after, _ = while_completed(block, run._replace(tangents=None), number)
    return after._replace(tangents=run.tangents)


def conditions(log_stretch: Float[np.ndarray, "*blocks vectors"]) -> Float[np.ndarray, "*blocks"]:
    """The ratio of the largest to the smallest Rᵢᵢ of each block, without directions that shrink to exactly zero."""
    finite = np.where(np.isneginf(log_stretch), np.nan, log_stretch)
    with np.errstate(over="ignore", invalid="ignore"):
        return np.exp(np.fmax.reduce(finite, axis=-1) - np.fmin.reduce(finite, axis=-1))


def kaplan_yorke_dimension(
    exponents: Float[np.ndarray, " vectors"], complete: bool, error: Float[np.ndarray, " vectors"] | None = None
) -> tuple[float, str]:
    """The Kaplan–Yorke dimension j + (λ₁ + … + λⱼ)/|λⱼ₊₁|, where j is the last with a sum ≥ 0; Kaplan & Yorke,
    Lecture Notes in Mathematics 730 (1979) 204.

    **Returns:** the dimension, and an empty string; or NaN and the reason.

    **Arguments:**

    - `exponents`: in decreasing order.
    - `complete`: whether they are all; if so and their sum is not negative, the dimension is that of the system.
    - `error`: sums λ₁ + … + λⱼ that are closer to zero than this count as zero. Default: up to rounding.
    """
    exponents = np.asarray(exponents, dtype=float)
    if np.isnan(exponents).any():
        return np.nan, "exponents_missing"
    sums = np.cumsum(exponents)
    # A sum that is zero up to rounding (an area-preserving map) counts as zero.
    allowed = 1e-9 * np.maximum(1.0, np.cumsum(np.abs(np.where(np.isinf(exponents), 0.0, exponents))))
    if error is not None:
        allowed = np.maximum(allowed, np.nan_to_num(error, posinf=0.0))
    below = np.flatnonzero(~(sums >= -allowed))
    if below.size == 0:
        return (float(exponents.size), "") if complete else (np.nan, "too_few_exponents")
    j = int(below[0])
    return (0.0 if j == 0 else j + max(float(sums[j - 1]), 0.0) / abs(float(exponents[j]))), ""


__getattr__ = former_names(__name__, {"Run": "TangentState"})
