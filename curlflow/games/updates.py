"""Updates of players: functions of (i, state, `Play`), with the learning rate η and the velocities of `flows`.

    simultaneous            x ← x − η ξ(x)                                                           (5)
    alternating             (5) for one player after the other, each of which sees the moves before it   (6)
    extragradient           x ← x − η ξ(x − η ξ(x))                                                  (7)
    optimistic              x ← x − 2η ξ(x) + η ξ(x₋),    x₋ the strategies one update before         (8)
    multiplicative weights  xₐ ← xₐ exp(−η gₐ) / Σ_b x_b exp(−η g_b)                                  (9)

Consensus and symplectic gradient adjustment step along (2) and (3) in place of −ξ. For small η (5) to (8) follow the
flow (1), and (9) follows (4).

Sources: (7) Korpelevich, Matecon 12 (1976) 747. (8) Popov, Math. Notes 28 (1980) 845; Daskalakis, Ilyas, Syrgkanis &
Zeng, ICLR 2018, arXiv:1711.00141. (9) Freund & Schapire, Games Econ. Behav. 29 (1999) 79.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from .flows import Play, consensus, descent, symplectic
from .losses import Strategies


class Remembering(eqx.Module):
    """The state of optimistic updates: strategies, and the gradients ξ of the update before."""

    strategies: Strategies
    gradients: Strategies


def strategies_of(state: PyTree) -> PyTree:
    """The strategies in a state with a memory; any other state as it is."""
    return state.strategies if isinstance(state, Remembering) else state


def simultaneous_updates(i: Any, strategies: Strategies, play: Play) -> Strategies:
    """(5)."""
    return _stepped(strategies, descent(i, strategies, play), play)


def alternating_updates(i: Any, strategies: Strategies, play: Play) -> Strategies:
    """(6), in the order of `play.losses.players`."""
    for player in play.losses.players:
        uphill = play.losses.own_gradient(player, strategies)
        moved = jax.tree.map(lambda x, g: x - play.learning_rate * g, strategies[player], uphill)
        strategies = strategies | {player: moved}
    return strategies


def extragradient_updates(i: Any, strategies: Strategies, play: Play) -> Strategies:
    """(7)."""
    return _stepped(strategies, descent(i, simultaneous_updates(i, strategies, play), play), play)


def optimistic_updates(i: Any, state: Remembering, play: Play) -> Remembering:
    """(8)."""
    gradients = play.losses.gradients(state.strategies)
    moved = lambda x, g, before: x - play.learning_rate * (2 * g - before)  # noqa: E731
    return Remembering(jax.tree.map(moved, state.strategies, gradients, state.gradients), gradients)


def consensus_updates(i: Any, strategies: Strategies, play: Play) -> Strategies:
    """(5) along (2)."""
    return _stepped(strategies, consensus(i, strategies, play), play)


def symplectic_updates(i: Any, strategies: Strategies, play: Play) -> Strategies:
    """(5) along (3)."""
    return _stepped(strategies, symplectic(i, strategies, play), play)


def multiplicative_weights_updates(i: Any, strategies: Strategies, play: Play) -> Strategies:
    """(9)."""

    def moved(x, g):
        # Payoffs are compared with that of the best action in use, so that no exponential overflows.
        least = jax.lax.stop_gradient(jnp.min(g, axis=-1, keepdims=True, initial=jnp.inf, where=x > 0))
        weights = x * jnp.exp(play.learning_rate * (least - g))
        return weights / jnp.sum(weights, axis=-1, keepdims=True)

    return jax.tree.map(moved, strategies, play.losses.gradients(strategies))


def _stepped(strategies: Strategies, velocity: PyTree, play: Play) -> Strategies:
    return jax.tree.map(lambda x, v: x + play.learning_rate * v, strategies, velocity)
