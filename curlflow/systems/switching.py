"""Vector fields that jump: where a switching function g(t, x) changes its sign the field is another one, f₋ or f₊.

Tangents jump too when a trajectory crosses such a surface, because of two neighbours one crosses a little earlier:

    v → S v,    S = I + (f₊ − f₋) nᵀ / (n·f₋ + ∂g/∂t),    n = ∇g,    det S = (n·f₊ + ∂g/∂t) / (n·f₋ + ∂g/∂t).

The crossing is located by the root finder of the solver. Where both fields point at the surface the trajectory cannot
leave it: it slides, along a convex combination of both fields, and has no unique past. Runs end there, with a status.

Sources: Aizerman & Gantmakher, Quart. J. Mech. Appl. Math. 11 (1958) 382, for S; Müller, Chaos, Solitons & Fractals 5
(1995) 1671; Filippov, Differential Equations with Discontinuous Righthand Sides (1988), for sliding.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PyTree

from ..precision import Scalar
from ..solvers.integrate import Clock, adaptive
from ..status import Status
from ..tangents import as_rows, from_rows

BESIDE = 1e-9
"""How far from a surface, relative, both fields are evaluated, and where a trajectory goes on that has crossed it."""
NEAR = 1e-3
"""A solver that gave up this near to a surface, relative, gave up because of it."""


class SwitchingSurface(NamedTuple):
    """A switching surface and what happens on its two sides, the near one and the far one.

    - `normal`: the gradient of the switching function, times its sign on the near side.
    - `rates`: of the switching function, times that sign: a trajectory arrives where the first is negative, and goes
      on where the second is.
    - `beyond`: the state moved just across.
    """

    normal: Float[Array, " n"]
    rates: Float[Array, " 2"]
    fields: Float[Array, "2 n"]
    beyond: PyTree


def switching_surface(flow: Any, time: Scalar, state: PyTree, which: Any, sign: Any) -> SwitchingSurface:
    """The surface of the switching function number `which`, on which a state is that came from this side."""
    flat, shaped = ravel_pytree(state)

    def switching(t, x):
        return sign * jnp.ravel(flow.switching(t, shaped(x), flow.args))[which]

    value, (by_time, normal) = jax.value_and_grad(switching, (0, 1))(jnp.asarray(time, dtype=float), flat)
    square = jnp.maximum(normal @ normal, jnp.finfo(float).tiny)
    # Farther than the root finder errs, which is a tiny part of a step in time.
    apart = BESIDE * jnp.sqrt(square) * (1 + jnp.linalg.norm(flat))
    near, beyond = (flat + normal * (side * apart - value) / square for side in (1, -1))
    fields = jnp.stack([ravel_pytree(flow.velocity(time, shaped(x)))[0] for x in (near, beyond)])
    return SwitchingSurface(normal, fields @ normal + by_time, fields, shaped(beyond))


def slides(flow: Any, time: Scalar, state: PyTree) -> Array:
    """Whether the fields on both sides of the nearest surface, if it is near, point at it."""
    flat, shaped = ravel_pytree(state)
    values = jnp.ravel(flow.switching(time, state, flow.args))
    gradients = jax.jacrev(lambda x: jnp.ravel(flow.switching(time, shaped(x), flow.args)))(flat)
    distance = jnp.abs(values) / jnp.maximum(jnp.linalg.norm(gradients, axis=1), jnp.finfo(float).tiny)
    which = jnp.argmin(distance)
    rates = switching_surface(flow, time, state, which, jnp.where(values[which] >= 0, 1.0, -1.0)).rates
    return (rates[0] < 0) & (rates[1] > 0) & (distance[which] < NEAR * (1 + jnp.linalg.norm(flat)))


def across_surfaces(
    flow: Any, field: Callable, y: tuple, span: Scalar, clock: Clock, norm: Callable
) -> tuple[tuple, Clock, Array]:
    """`adaptive` for a state with tangents and a volume, y = (x, v, volume), which jump at every crossing."""
    end = clock.position + span

    def unfinished(carry):
        _, clock, status, crossings = carry
        return (clock.position < end - 1e-12 * span) & (status == int(Status.completed)) & (crossings <= limit)

    def segment(carry):
        y, clock, _, crossings = carry
        values = jnp.ravel(flow.switching(clock.position, y[0], flow.args))
        signs = jnp.where(values >= 0, 1.0, -1.0)

        def above(t, y):
            return jnp.min(signs * jnp.ravel(flow.switching(t, y[0], flow.args)))

        left = end - clock.position
        after, new, status, _ = adaptive(field, y, left, clock, flow.integrator, norm, until=above)
        crossed = (new.position < end - 1e-12 * span) & (status == int(Status.completed))
        after, status = jax.lax.cond(
            crossed, lambda: jumped(after, new.position, signs), lambda: (after, jnp.asarray(status))
        )
        return after, new, status, crossings + crossed

    def jumped(y, time, signs):
        x, v, volume = y
        which = jnp.argmin(signs * jnp.ravel(flow.switching(time, x, flow.args)))
        found = switching_surface(flow, time, x, which, signs[which])
        (arriving, leaving), (before, after) = found.rates, found.fields
        rows = as_rows(v)
        rows = rows + jnp.outer(rows @ found.normal, after - before) / arriving
        status = jnp.where(leaving < 0, int(Status.completed), int(Status.sliding))
        return (found.beyond, from_rows(rows, x), volume + jnp.log(jnp.abs(leaving / arriving))), status

    limit = flow.integrator.max_steps
    start = *jax.tree.map(jnp.asarray, (y, clock)), jnp.asarray(int(Status.completed)), jnp.asarray(0)
    y, clock, status, crossings = jax.lax.while_loop(unfinished, segment, start)
    return y, clock, jnp.where(crossings > limit, int(Status.max_steps_reached), status)
