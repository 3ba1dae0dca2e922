"""The losses of the players of a game, and the gradient of each with respect to its own player's strategy.

With the strategies x = (x₁, …, xₙ) and the losses ℓ₁, …, ℓₙ, all of which may depend on all of x,

    ξ(x) = (∇₁ℓ₁(x), …, ∇ₙℓₙ(x)),    J = Dξ = S + A,    S = (J + Jᵀ)/2,    A = (J − Jᵀ)/2.

ξ is the gradient of one function, a *potential game*, if and only if A = 0 everywhere; where S = 0 the game is
*Hamiltonian*, and simultaneous descent keeps |ξ|² (for constant J).

Source: Balduzzi, Racanière, Martens, Foerster, Tuyls & Graepel, ICML 2018, arXiv:1802.05642.
"""

from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jax.extend.core import Literal
from jaxtyping import PyTree

from ..precision import double_precision, to_float64
from ..systems.checks import check_real_function

Strategies = dict[str, PyTree]


class PlayerLosses(eqx.Module):
    """What every player descends.

    **Attributes:**

    - `functions`: by the name of the player, a function of all strategies, or of (strategies, args) where there are
      `args`, to one number.
    - `args`: parameters of all losses. Their values may change without compiling again.
    - `players`: their names, in the order in which they move if they take turns.
    """

    functions: dict[str, Callable]
    args: PyTree
    players: tuple[str, ...] = eqx.field(static=True)

    def __init__(self, functions: Mapping[str, Callable], args: PyTree = None):
        self.functions, self.args, self.players = dict(functions), to_float64(args, "args"), tuple(functions)

    def value(self, player: str, strategies: Strategies) -> Any:
        """The loss of a player."""
        loss = self.functions[player]
        return loss(strategies) if self.args is None else loss(strategies, self.args)

    def own_gradient(self, player: str, strategies: Strategies) -> PyTree:
        """The gradient of a player's loss with respect to its own strategy."""
        return jax.grad(lambda own: self.value(player, strategies | {player: own}))(strategies[player])

    def gradients(self, strategies: Strategies) -> Strategies:
        """ξ: the gradient of every player's loss with respect to its own strategy."""
        return {player: self.own_gradient(player, strategies) for player in self.players}


def check_players(losses: Any, state: Any) -> None:
    """Refuse losses and strategies that are not of the same players."""
    for field, given, values in (("losses", losses, "functions"), ("state", state, "arrays")):
        if not isinstance(given, Mapping) or not given or not all(isinstance(name, str) for name in given):
            raise ValueError(
                f"{field}: got {given!r:.60}, required is a mapping from the names of players to {values}."
            )
    for player in state:
        if player not in losses:
            raise ValueError(f"losses: got none for {player!r}, required is one for every player in the state.")
    for player in losses:
        if player not in state:
            raise ValueError(
                f"losses: got one for {player!r}, allowed are the players in the state, {', '.join(state)}."
            )


@double_precision
def check_losses(losses: PlayerLosses, strategies: Strategies) -> None:
    """Refuse a loss that JAX cannot trace, that is no real number, or that does not depend on its own player.

    A derivative counts as zero where the program that JAX traces for it does not use the direction.
    """
    given = () if losses.args is None else (losses.args,)
    for player, loss in losses.functions.items():
        check_real_function(loss, f"losses[{player!r}]", strategies, *given)
        if not _varies(
            lambda own, player=player: losses.value(player, strategies | {player: own}), strategies[player]
        ):
            raise ValueError(
                f"losses[{player!r}]: its gradient with respect to the strategy of {player!r} is zero everywhere, so "
                "that this player would never move; required is a loss that depends on it."
            )


def _varies(function: Callable, x: PyTree) -> bool:
    """Whether the derivative of a function, as JAX traces it, is anything but a constant zero."""
    leaves, structure = jax.tree.flatten(jax.tree.map(np.asarray, x))

    def derivative(direction: list) -> Any:
        return jax.jvp(lambda x: function(jax.tree.unflatten(structure, x)), (leaves,), (direction,))[1]

    program = jax.make_jaxpr(derivative)(leaves).jaxpr
    reached = set(program.invars)
    for equation in program.eqns:
        if any(v in reached for v in equation.invars if not isinstance(v, Literal)):
            reached.update(equation.outvars)
    return any(v in reached for v in program.outvars if not isinstance(v, Literal))
