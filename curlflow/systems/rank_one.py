"""Fast updates of two-layer linear networks with one output on Frobenius spheres.

With K = 1 and presynaptic signs the update of W1 is of rank one, W1 ← W1 − η w uᵀ with w = W2ᵀ and
u = D1 Σ (W2W1 − V)ᵀ, and its norm follows from products that the step needs anyway:

    ‖W1 − η w uᵀ‖² = ‖W1‖² − 2η (W2W1)·u + η² |w|² |u|².

That saves two passes over W1 out of five. Taken alone the closed form lets ‖W1‖ run away from its sphere, so every
`ANCHOR` updates the norm is computed and rescaled exactly. Equal to plain rescaling to rounding (tests/).
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from ..constraints import AbstractConstraint, FrobeniusSpheres
from ..networks import Feedforward
from ..precision import Scalar
from ..rules import AbstractLearningRule, Gradient, SignFlipped
from ..tasks import AbstractTask, SecondMoments

ANCHOR = 10
"""Updates between two exact rescalings."""


class RankOneUpdates(eqx.Module):
    """Many updates of a network, a function of (network, index, number, (rule, task, learning rate)).

    **Arguments:**

    - `radii`: of the spheres of W1 and W2.
    """

    radii: tuple[Scalar, ...]

    @classmethod
    def applicable(
        cls, student: Feedforward, rule: AbstractLearningRule, task: AbstractTask, constraint: AbstractConstraint
    ) -> bool:
        """Whether updates are of rank one, and both layers stay on spheres."""
        return isinstance(constraint, FrobeniusSpheres) and updates_are_of_rank_one(student, rule, task)

    def __call__(self, network: Feedforward, index, number, args) -> Feedforward:
        rule, task, rate = args
        (d1, d2), target, (r1, r2) = gains_of(rule), task.teacher[0], self.radii
        # Rows that are long are read faster than columns: the longer side of the matrix comes first.
        tall = network.widths[0] > network.widths[1]

        def update(w1, w):
            p = w1 @ w if tall else w @ w1
            x = task.times_covariance(p - target)
            u = d1 * x
            # One sum in place of three dot products: small operations cost as much as their launch.
            norm = r1 * r1 + jnp.sum(u * (rate * rate * r2 * r2 * u - 2 * rate * p))
            scale = r1 * jax.lax.rsqrt(norm)
            new = w - rate * d2 * (x @ w1 if tall else w1 @ x)
            step = u[:, None] * (scale * rate * w) if tall else (scale * rate * w)[:, None] * u
            return w1 * scale - step, new * (r2 * jax.lax.rsqrt(jnp.sum(new * new)))

        def anchored(state, updates):
            # In pairs: XLA then saves a copy of the state at every update. More of them would only compile longer.
            if updates > 1:
                state = jax.lax.fori_loop(0, updates // 2, lambda _, s: update(*update(*s)), state)
            state = update(*state) if updates % 2 else state
            return state[0] * (r1 * jax.lax.rsqrt(jnp.sum(state[0] * state[0]))), state[1]

        w1, w2 = map(jnp.asarray, network.weights)
        state = (w1.T if tall else w1, w2[0])
        state = jax.lax.fori_loop(0, number // ANCHOR, lambda _, s: anchored(s, ANCHOR), state)
        w1, w = jax.lax.fori_loop(0, number % ANCHOR, lambda _, s: anchored(s, 1), state)
        return network.with_weights((w1.T if tall else w1, w[None]))


def updates_are_of_rank_one(network: Feedforward, rule: AbstractLearningRule, task: AbstractTask) -> bool:
    """Whether the update of W1 is of rank one: gradient descent of linear networks of two layers with one output, or
    its flips on the presynaptic side."""
    presynaptic = isinstance(rule, SignFlipped) and all(g.shape[0] == 1 for g in rule.gains)
    base = rule.rule if presynaptic else rule
    two_layers = len(network.weights) == 2 and network.widths[-1] == 1
    return isinstance(base, Gradient) and isinstance(task, SecondMoments) and two_layers


def gains_of(rule: AbstractLearningRule) -> tuple[Any, Any]:
    """The diagonals of D1 and D2; one number where nothing is flipped."""
    gains = rule.gains if isinstance(rule, SignFlipped) else (jnp.ones((1, 1)), jnp.ones((1, 1)))
    return gains[0][0], gains[1][0]
