"""The losses of the players of a game, and the gradient of each with respect to its own player's strategy.

With the strategies x = (x₁, …, xₙ) and the losses ℓ₁, …, ℓₙ, all of which may depend on all of x,

    ξ(x) = (∇₁ℓ₁(x), …, ∇ₙℓₙ(x)),    J = Dξ = S + A,    S = (J + Jᵀ)/2,    A = (J − Jᵀ)/2.

ξ is the gradient of one function, a *potential game*, if and only if A = 0 everywhere; where S = 0 the game is
*Hamiltonian*, and the flow x′ = −ξ keeps |ξ|², whose derivative is −2ξᵀSξ.

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
from ..systems.checks import check_real_function, checked_state

Strategies = dict[str, PyTree]
ROUNDING = 1e-12
"""By how much the sum of a mixed strategy may differ from 1."""


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


def checked_strategies(state: Any, mixed: bool) -> Strategies:
    """The strategies of all players as float64 arrays; lists of plain numbers become vectors.

    **Raises:** `ValueError` for anything but a mapping, numbers that are not finite, and, where strategies are
    `mixed`, for what are no probabilities.
    """
    _check_mapping("state", state, "arrays")
    strategies = {player: checked_state(strategy) for player, strategy in state.items()}
    for player, strategy in strategies.items() if mixed else ():
        for x in jax.tree.leaves(strategy):
            if x.ndim == 0 or (x < 0).any() or np.abs(x.sum(axis=-1) - 1).max() > ROUNDING:
                raise ValueError(
                    f"state[{player!r}]: got {x!r:.60}, required are probabilities, not negative and of sum 1 along "
                    "the last axis."
                )
    return strategies


@double_precision
def check_losses(losses: Any, state: Strategies, args: PyTree = None, field: str = "losses") -> None:
    """Refuse losses of other players than those of the state, and losses that their players cannot descend.

    These are losses that JAX cannot trace, that are no real number, or that do not depend on their own player: the
    program that JAX traces for the derivative then does not use the direction.

    **Arguments:**

    - `field`: what messages call the losses.
    """
    _check_mapping(field, losses, "functions")
    for player in state:
        if player not in losses:
            raise ValueError(f"{field}: got none for {player!r}, required is one for every player in the state.")
    for player, loss in losses.items():
        if player not in state:
            raise ValueError(
                f"{field}: got one for {player!r}, allowed are the players in the state, {', '.join(state)}."
            )
        check_real_function(loss, f"{field}[{player!r}]", state, *(() if args is None else (args,)))
        if not _varies(lambda own, p=player: PlayerLosses(losses, args).value(p, state | {p: own}), state[player]):
            raise ValueError(
                f"{field}[{player!r}]: its gradient with respect to the strategy of {player!r} is zero everywhere, "
                "and this player would never move; required is a loss that depends on it."
            )


def _check_mapping(field: str, given: Any, values: str) -> None:
    if not isinstance(given, Mapping) or not given or not all(isinstance(player, str) for player in given):
        raise ValueError(f"{field}: got {given!r:.60}, required is a mapping from names of players to {values}.")


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
