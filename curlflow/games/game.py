"""Games as systems: `Game`, whose flows and updates every study takes."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np
from jaxtyping import PyTree

from ..constraints import Free, Simplex
from ..precision import double_precision
from ..solvers.integrate import Adaptive, FixedSteps
from ..systems import Flow, Map
from ..systems.checks import check_positive
from . import updates as steps
from .flows import Play, consensus, descent, replicator, symplectic
from .losses import PlayerLosses, Strategies, check_losses, checked_strategies


class GameMethod(NamedTuple):
    """How players learn: the velocity of the flow and the step of the updates, None where there is none.

    `instead` is the method whose flow the updates follow for small learning rates, or whose updates follow the flow.
    """

    velocity: Callable | None
    step: Callable | None
    instead: str = ""
    mixed: bool = False
    has_coefficient: bool = False


METHODS = {
    "simultaneous": GameMethod(descent, steps.simultaneous_updates),
    "alternating": GameMethod(None, steps.alternating_updates, "simultaneous"),
    "extragradient": GameMethod(None, steps.extragradient_updates, "simultaneous"),
    "optimistic": GameMethod(None, steps.optimistic_updates, "simultaneous"),
    "consensus": GameMethod(consensus, steps.consensus_updates, has_coefficient=True),
    "symplectic": GameMethod(symplectic, steps.symplectic_updates, has_coefficient=True),
    "replicator": GameMethod(replicator, None, "multiplicative_weights", mixed=True),
    "multiplicative_weights": GameMethod(None, steps.multiplicative_weights_updates, "replicator", mixed=True),
}
"""The methods of `Game.flow` and `Game.updates`, by name; their equations are in `curlflow.games.flows` and
`curlflow.games.updates`."""


class Game(eqx.Module):
    """Players that each descend a loss of their own.

    ```python
    game = curlflow.Game({"x": lambda s: s["x"] * s["y"], "y": lambda s: -s["x"] * s["y"]}, {"x": 1.0, "y": 0.0})
    curlflow.lyapunov(game.flow())
    curlflow.lyapunov(game.updates("extragradient", learning_rate=0.1))
    ```

    **Arguments:**

    - `losses`: by the name of the player, a function of all strategies (a mapping like `state`) that JAX can trace
      and differentiate twice, which returns one number; with `args`, a function of (strategies, args). Players who
      take turns do so in this order.
    - `state`: by the name of the player, the strategy to start with: float64 arrays in any pytree. A list of plain
      numbers means a vector. Flat states and tangents have the players in alphabetical order.
    - `args`: parameters of the losses. Their values may change without compiling again.
    - `mixed`: whether strategies are mixed: every array holds probabilities along its last axis. They then learn by
      `"replicator"` and `"multiplicative_weights"`, and by these alone.

    **Raises:** `ValueError` for losses and strategies that are not of the same players, a loss that is no real number
    or whose gradient with respect to its own player is zero everywhere, and mixed strategies that are none.
    """

    losses: PlayerLosses
    state: Strategies
    mixed: bool = eqx.field(static=True)

    def __init__(
        self,
        losses: Any,
        state: Any,
        args: PyTree = None,
        *,
        mixed: bool = False,
    ):
        arrays = checked_strategies(state, mixed)
        check_losses(losses, arrays, args)
        self.losses, self.state, self.mixed = PlayerLosses(losses, args), arrays, mixed

    def flow(
        self,
        method: Any = "simultaneous",
        *,
        coefficient: Any = None,
        integrator: Adaptive | FixedSteps | None = None,
    ) -> Flow:
        """The flow of all players.

        **Arguments:**

        - `method`: `"simultaneous"`, `"consensus"`, `"symplectic"`, or, for mixed strategies, `"replicator"`.
        - `coefficient`: of consensus (γ) and of symplectic gradient adjustment (λ). Default: 1.
        - `integrator`: as `curlflow.Flow` takes it.

        Alternating, extragradient and optimistic updates have no flow of their own: for small learning rates they
        follow that of simultaneous descent.

        **Raises:** `ValueError` for other methods, and a coefficient that is no number or goes with another method.
        """
        velocity = self._method(method, "velocity").velocity
        play = Play(self.losses, None, _coefficient(method, coefficient))
        return Flow(velocity, self.state, play, constraint=self._constraint, integrator=integrator)

    def updates(self, method: Any = "simultaneous", *, learning_rate: Any, coefficient: Any = None) -> Map:
        """Updates of all players, one an iteration; an iteration is `learning_rate` units of time.

        **Arguments:**

        - `method`: `"simultaneous"`, `"alternating"`, `"extragradient"`, `"optimistic"`, `"consensus"`,
          `"symplectic"`, or, for mixed strategies, `"multiplicative_weights"`. The state of optimistic updates is a
          `curlflow.games.Remembering`; their first step is a simultaneous one.
        - `learning_rate`: η. A player whose loss is multiplied by a number has so many times that learning rate, with
          methods that have no coefficient.
        - `coefficient`: as for `flow`.

        **Raises:** `ValueError` as `flow`, and for a learning rate that is not positive.
        """
        step = self._method(method, "step").step
        check_positive("learning_rate", learning_rate)
        state = self._remembering() if method == "optimistic" else self.state
        play = Play(self.losses, float(learning_rate), _coefficient(method, coefficient))
        return Map(step, state, float(learning_rate), play, constraint=self._constraint)

    @property
    def _constraint(self) -> Free | Simplex:
        return Simplex() if self.mixed else Free()

    @double_precision
    def _remembering(self) -> steps.Remembering:
        return steps.Remembering(self.state, jax.tree.map(np.asarray, self.losses.gradients(self.state)))

    def _method(self, name: Any, part: str) -> GameMethod:
        """The method of that name. **Raises:** `ValueError` where the game or the method has no such part."""
        allowed = [n for n, m in METHODS.items() if m.mixed == self.mixed and getattr(m, part) is not None]
        if name in allowed:
            return METHODS[name]
        why, known = "", METHODS.get(name) if isinstance(name, str) else None
        if known is not None and known.mixed != self.mixed:
            why = "; its steps leave the simplex of mixed strategies" if self.mixed else "; it takes mixed=True"
        elif known is not None:
            way = "updates follow the flow" if part == "velocity" else "flow is followed by the updates"
            why = f"; its {way} of {known.instead!r} for small learning rates"
        raise ValueError(f"method: got {name!r}, allowed are {', '.join(allowed)}{why}.")


def _coefficient(method: str, coefficient: Any) -> Any:
    """The coefficient, 1 by default, of a method that has one."""
    if not METHODS[method].has_coefficient:
        if coefficient is not None:
            raise ValueError(f"coefficient: got {coefficient!r}, but {method!r} has none; leave it out.")
        return None
    value = 1.0 if coefficient is None else coefficient
    if isinstance(value, bool | str) or np.ndim(value) != 0 or not np.isfinite(value):
        raise ValueError(f"coefficient: got {coefficient!r}, allowed are finite numbers.")
    return float(value)
