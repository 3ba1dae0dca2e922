"""Random dynamical systems in continuous time: stochastic differential equations along a frozen Brownian path.

Ito's equation with independent Brownian motions B and its Euler–Maruyama steps of length Δ are

    dx = f(t, x) dt + g(t, x) dB,        xₖ₊₁ = xₖ + Δ f(tₖ, xₖ) + g(tₖ, xₖ) ΔBₖ,    ΔBₖ ~ N(0, Δ),    (25)

with a retraction after every step where there is a constraint. ΔBₖ depends on a key and on k alone, so that the path
is frozen: a state and its tangents meet the same noise, and so do runs that are divided differently or resumed.
Tangents follow the derivative of the step with respect to x, drift and noise together: a random cocycle with Lyapunov
exponents of its own. (diffrax's `VirtualBrownianTree` needs an interval whose end is known beforehand, which a run
that may be resumed does not have.)

Sources: Kloeden and Platen, Numerical Solution of Stochastic Differential Equations (1992), chapters 10 and 14;
Arnold, Random Dynamical Systems (1998), chapters 3 and 4. The numbers of equations are those of docs/model.md.
"""

from collections.abc import Callable
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, PyTree

from ..constraints import AbstractConstraint
from ..outside import compiled
from ..precision import Scalar, double_precision, to_float64
from ..solvers.integrate import Clock
from ..status import Status
from ..tangents import size
from .base import AbstractSystem, Advanced, iterated, with_divergence
from .checks import check_positive, checked_constraint, checked_state
from .functions import check_function

NOT_LINEAR = 1e-8
"""Noise that deviates from linearity in its increments by more than this, relative, is refused; rounding does not."""


class Diffusion(AbstractSystem):
    """dx = drift(t, x, args) dt + diffusion(t, x, args, dB), in the sense of Ito, along one Brownian path.

    ```python
    def drift(t, x, args):
        return -0.1 * x

    def diffusion(t, x, args, increments):
        return 0.5 * x * increments

    motion = curlflow.Diffusion(drift, diffusion, [1.0], step=0.01, key=jax.random.key(0))
    ds = curlflow.lyapunov(motion)  # −0.1 − 0.5²/2
    ```

    **Arguments:**

    - `drift`: a function of (t, x, args) that JAX can trace; it returns a pytree like x.
    - `diffusion`: g dB, a function of (t, x, args, increments) that returns a pytree like x and is linear in
      `increments`, a vector of `motions` independent normal numbers of variance `step`. No matrix g has to be formed.
    - `state`: where it starts: float64 arrays in any pytree. A list of plain numbers means a vector.
    - `step`: Δ, in units of time.
    - `key`: from `jax.random.key`. Another key gives another path.
    - `args`: parameters, passed to both functions. Their values may change without compiling again.
    - `motions`: how many Brownian motions there are. Default: as many as numbers in the state.
    - `steps`: how many steps make an iteration, the unit of the studies. The path does not depend on it.
    - `constraint`: a set onto which the state is retracted after every step.

    **Raises:** `ValueError` for a state in single precision, functions with other arguments, another result or no
    right derivative (docs/systems.md), a step that is not positive, noise that is not linear in its increments,
    numbers of motions or steps that are not whole numbers from 1, and anything that is not a key.
    """

    continuous: ClassVar[bool] = False
    label: ClassVar[str] = "euler_maruyama"

    drift: Callable
    diffusion: Callable
    state: PyTree
    step: Scalar
    key: Array
    args: PyTree
    constraint: AbstractConstraint
    steps: Any
    motions: int = eqx.field(static=True)

    def __init__(
        self,
        drift: Any,
        diffusion: Any,
        state: Any,
        step: Any,
        key: Any,
        args: Any = None,
        *,
        motions: Any = None,
        steps: Any = 1,
        constraint: Any = None,
    ):
        check_positive("step", step)
        self.drift, self.diffusion = drift, diffusion
        self.state = checked_state(state)
        self.step = to_float64(step, "step")
        if not isinstance(key, jax.Array) or not jax.dtypes.issubdtype(key.dtype, jax.dtypes.prng_key) or key.shape:
            raise ValueError(f"key: got {key!r}, required is one key of jax.random.key(NUMBER).")
        self.key = key
        self.args = to_float64(args, "args")
        self.constraint = checked_constraint(constraint)
        self.motions = _counted("motions", size(self.state) if motions is None else motions)
        self.steps = np.asarray(_counted("steps", steps))
        check_function(drift, "drift", "t, x, args", 0.0, self.state, self.args)
        further = self.state, self.args, np.random.default_rng(0).standard_normal(self.motions)
        check_function(diffusion, "diffusion", "t, x, args, increments", 0.0, *further)
        _check_linear(self)

    @property
    def described(self) -> tuple[tuple[Callable, ...], Any]:
        return (self.drift, self.diffusion), (self.args, self.key, self.step, self.steps, self.motions)

    def law(self, state: PyTree, clock: Clock) -> Any:
        return self._stepped(jnp.asarray(clock.position), state)

    def next_step(self, clock: Clock) -> float:
        return float(self.step)

    def time(self, span: Any) -> Any:
        return span * (self.steps * self.step)

    @double_precision
    def increments(self, step: Any) -> Array:
        """ΔB of every Brownian motion over the step number `step`, counted from 0."""
        return jnp.sqrt(self.step) * jax.random.normal(jax.random.fold_in(self.key, step), (self.motions,))

    @double_precision
    def advance(self, state: PyTree, tangents: PyTree | None, span: Any, clock: Clock) -> Advanced:
        first = jnp.asarray(clock.position).astype(int)
        steps = first * self.steps, span * self.steps
        state, tangents, log_volume = iterated(self, self._stepped, state, tangents, *steps)
        status = with_divergence(Status.completed, state, tangents)
        return Advanced(state, tangents, Clock(first + span, clock.step), log_volume, status)

    def _stepped(self, k, x):
        t = k * self.step
        drift, noise = self.drift(t, x, self.args), self.diffusion(t, x, self.args, self.increments(k))
        return self.constraint.retract(jax.tree.map(lambda a, f, g: a + self.step * f + g, x, drift, noise))


@double_precision
def _check_linear(d: Diffusion) -> None:
    """Refuse noise that is not g dB, at the start, where it may vanish, and at a nearby state at another time."""
    if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves((d.state, d.args, d.step))):
        return
    rng = np.random.default_rng(0)
    one, other = rng.standard_normal((2, d.motions))
    beside = jax.tree.map(lambda x: x + rng.standard_normal(x.shape), d.state)
    for t, x in ((0.0, d.state), (d.step, d.constraint.retract(beside))):
        first, second, both = (_flat_noise(d.diffusion, t, x, d.args, dB) for dB in (one, other, one - 2 * other))
        largest = jnp.max(jnp.abs(jnp.stack([first, second, both])))
        if jnp.max(jnp.abs(both - first + 2 * second)) > NOT_LINEAR * largest:
            raise ValueError(
                "diffusion: got a function that is not linear in its increments, required is g(t, x) dB. (For random "
                "increments a and b, noise of a − 2 b differs from that of a less twice that of b.) What does not "
                "depend on the increments belongs to the drift."
            )


@compiled
def _flat_noise(diffusion, t, state, args, increments):
    return ravel_pytree(diffusion(t, state, args, increments))[0]


def _counted(field: str, value: Any) -> Any:
    """A whole number from 1."""
    if isinstance(value, jax.core.Tracer):
        return value
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(f"{field}: got {value!r}, allowed are whole numbers from 1.")
    return int(value)
