"""Losses and own gradients of the players of a game as functions of a flat vector, as in `curlflow.systems.flat`."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PyTree

from ..systems import AbstractSystem
from ..systems.flat import Vector, flattened, unflattened
from .flows import Play
from .losses import PlayerLosses, Strategies
from .updates import Remembering, strategies_of


def losses_of(system: AbstractSystem) -> PlayerLosses | None:
    """The losses of the players of which this is a flow or an update; None for other systems."""
    play = system.described[1]
    return play.losses if isinstance(play, Play) else None


class FlatLosses(eqx.Module):
    """The losses of all players, at states like `like`."""

    losses: PlayerLosses
    like: PyTree

    def __call__(self, x: Vector) -> Float[Array, " players"]:
        strategies = strategies_of(unflattened(x, self.like))
        return jnp.stack([self.losses.value(player, strategies) for player in self.losses.players])


class FlatOwnGradients(eqx.Module):
    """The gradients of all players' losses with respect to their own strategies; zeros for what is no strategy."""

    losses: PlayerLosses
    like: PyTree

    def __call__(self, x: Vector) -> Vector:
        state = unflattened(x, self.like)
        return flattened(_in_place(self.losses.gradients(strategies_of(state)), state))


def own_entries(losses: PlayerLosses, state: PyTree) -> Bool[np.ndarray, "players n"]:
    """Which entries of a flat state are the strategy of which player."""
    strategies = strategies_of(state)

    def owned(player: str) -> np.ndarray:
        ones = {
            p: jax.tree.map(lambda x, p=p: np.full(np.shape(x), float(p == player)), strategies[p])
            for p in strategies
        }
        return np.asarray(flattened(_in_place(ones, state))) == 1

    return np.stack([owned(player) for player in losses.players])


def _in_place(strategies: Strategies, state: Any) -> Any:
    """Like the state, with zeros for what it remembers."""
    if not isinstance(state, Remembering):
        return strategies
    return Remembering(strategies, jax.tree.map(jnp.zeros_like, state.gradients))
