"""What the players of a game do: their losses, their own gradients, and at what angle to them they move.

A player with the strategy xₚ, a part of x, and the loss ℓₚ(x) would by itself move along −∇ₚℓₚ, the gradient with
respect to its own strategy. Its part Fₚ of a velocity F is at an angle to it where F is another method than
simultaneous descent; under a constraint both are projected onto its tangent space.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool

from ..outside import compiled
from ..variable import EXACT, Variable
from .jacobian_parts import NOISE, Scales, Vector, angle_between, unit_vector

_PLAYERS = ("realization", "player")
VARIABLES = (
    Variable("player_loss", _PLAYERS, "loss of the player", uncertainty=EXACT),
    Variable(
        "player_gradient_norm",
        _PLAYERS,
        "norm of the gradient of the player's loss with respect to its own strategy",
        uncertainty=EXACT,
    ),
    Variable(
        "player_gradient_angle",
        _PLAYERS,
        "angle between the player's part of the velocity and minus that gradient",
        "rad",
        uncertainty=EXACT,
    ),
)
GRADIENT = Variable(
    "player_gradient",
    ("realization", "weight"),
    "gradients of the players' losses with respect to their own strategies, one after the other",
    uncertainty=EXACT,
)


@compiled
def of_players(
    field: Any,
    losses: Any,
    gradients: Any,
    project: Any,
    x: Vector,
    own: Bool[Array, "players n"] | Bool[np.ndarray, "players n"],
    scale: Scales,
) -> dict[str, Array]:
    """The numbers of `VARIABLES` and `GRADIENT` at a point.

    **Arguments:**

    - `field`: the velocity F, a function of a flat vector, as a pytree.
    - `losses`, `gradients`: functions of a flat vector: to the losses of all players, and to a flat vector with the
      gradient of every player's loss in the entries that are its `own`.
    - `project`: a function of (x, v), the orthogonal projection of v onto the tangent space at x.
    - `scale`: the sizes before the projection of F, with which its rounding is compared.
    """

    def descent(x: Vector) -> Vector:
        return -project(x, gradients(x))

    def angle(mine: Bool[Array, " n"]) -> Array:
        part = lambda f: lambda x: jnp.where(mine, f(x), 0.0)  # noqa: E731
        moves = unit_vector(part(field), x, NOISE * scale.speed)
        return angle_between(moves, unit_vector(part(descent), x, NOISE * jnp.linalg.norm(part(gradients)(x))))

    uphill = -descent(x)
    return {
        "player_loss": losses(x),
        "player_gradient_norm": jnp.linalg.norm(jnp.where(own, uphill, 0.0), axis=1),
        "player_gradient_angle": jax.vmap(angle)(jnp.asarray(own)),
        "player_gradient": uphill,
    }
