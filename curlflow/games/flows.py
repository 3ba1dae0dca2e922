"""Velocities of players: functions of (t, strategies, `Play`) with the gradients ξ of `curlflow.games.losses`.

    simultaneous descent             x′ = −ξ                                                        (1)
    consensus                        x′ = −ξ − γ ∇½|ξ|² = −(1 + γJᵀ) ξ                              (2)
    symplectic gradient adjustment   x′ = −ξ − λ Aᵀ ξ,    Aᵀξ = ½(Jᵀξ − Jξ)                         (3)
    replicator                       xₐ′ = xₐ (Σ_b x_b g_b − g_a),    g = ∇ℓ of one's own strategy  (4)

J is never formed: Jξ takes one forward derivative of ξ and Jᵀξ a backward one. In (4), x is a probability for every
action a and −g_a the expected payoff of that action; the sum of x and whatever is zero stay so.

Sources: (2) Mescheder, Nowozin & Geiger, NeurIPS 2017, arXiv:1705.10461. (3) Balduzzi et al., ICML 2018,
arXiv:1802.05642, without the sign that its algorithm chooses for λ at every step, which makes the velocity jump.
(4) Taylor & Jonker, Math. Biosci. 40 (1978) 145; Hofbauer & Sigmund, Evolutionary Games and Population Dynamics,
Cambridge 1998.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from ..precision import Scalar
from .losses import PlayerLosses, Strategies


class Play(eqx.Module):
    """The parameters of a game's flows and updates; a coefficient is γ of (2) or λ of (3)."""

    losses: PlayerLosses
    learning_rate: Scalar | None = None
    coefficient: Scalar | None = None


def descent(t: Any, strategies: Strategies, play: Play) -> Strategies:
    """(1): every player descends its own loss."""
    return jax.tree.map(jnp.negative, play.losses.gradients(strategies))


def consensus(t: Any, strategies: Strategies, play: Play) -> Strategies:
    """(2): all players also descend ½|ξ|²."""
    xi, transposed = jax.vjp(play.losses.gradients, strategies)
    return jax.tree.map(lambda g, jt_g: -(g + play.coefficient * jt_g), xi, *transposed(xi))


def symplectic(t: Any, strategies: Strategies, play: Play) -> Strategies:
    """(3): the antisymmetric part of J turns the gradients."""
    xi, transposed = jax.vjp(play.losses.gradients, strategies)
    _, j_xi = jax.jvp(play.losses.gradients, (strategies,), (xi,))
    turned = lambda g, jt_g, j_g: -(g + play.coefficient * (jt_g - j_g) / 2)  # noqa: E731
    return jax.tree.map(turned, xi, *transposed(xi), j_xi)


def replicator(t: Any, strategies: Strategies, play: Play) -> Strategies:
    """(4): actions grow at the rate by which their payoff exceeds the mean."""
    growth = lambda x, g: x * (jnp.sum(x * g, axis=-1, keepdims=True) - g)  # noqa: E731
    return jax.tree.map(growth, strategies, play.losses.gradients(strategies))
