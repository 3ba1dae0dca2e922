"""Learning from independently drawn batches as a stochastic differential equation.

With h = η b/n and fₛ the velocity that sample s alone (of n) would give, updates from batches of b samples have the
mean and covariance per unit of time of

    dW = F dt + √(h (n − b)/(b (n − 1) n)) Σₛ fₛ (dBₛ − ⟨dB⟩),                                            (24)

with one Brownian motion for every sample and ⟨dB⟩ their mean: n numbers per step instead of a matrix over all
weights. The velocity of an error-driven rule is linear in the errors, and Σₛ fₛ ξₛ is its velocity where the error of
every sample is multiplied by ξₛ: one backward pass. Updates follow (24) to weak order one in h. With the drift

    F − (h/2) F′F,                                                                                       (26)

they follow it to weak order two. Under a constraint, with X the velocity projected onto its tangent space and the
retraction R, F is replaced by X in F′F, and the curvature of R, (h/2) d²/ds² R(W + s F) at s = 0, is added.

Sources: Li, Tai and E, J. Mach. Learn. Res. 20 (2019) 40; for drawing without replacement Cochran, Sampling
Techniques (1977), section 2.4. The numbers of equations are those of docs/model.md.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..constraints import AbstractConstraint
from ..networks import Feedforward
from ..networks.model import Model
from ..precision import Scalar, double_precision
from ..rules import AbstractLearningRule
from ..rules.memory import check_without_memory
from ..tasks import AbstractTask, GivenErrors, Samples
from .diffusion import Diffusion
from .learning import learning_velocity

SAME = 1e-9
"""Velocities whose relative difference is below this differ by rounding only."""


def learning_diffusion(
    student: Feedforward | Model,
    rule: AbstractLearningRule,
    task: AbstractTask,
    samples: Any,
    constraint: AbstractConstraint,
    learning_rate: Scalar,
    batch: int,
    key: Array,
    *,
    steps: int,
    correction: bool = False,
) -> Diffusion:
    """Equation (24), with one epoch of η units of time per iteration.

    **Arguments:**

    - `task`: what the drift learns from; for linear networks second moments do.
    - `samples`: the `Samples` that batches are drawn from.
    - `learning_rate`: η, the time of an epoch.
    - `steps`: how many Euler–Maruyama steps an epoch has.
    - `correction`: whether the drift is (26).

    **Raises:** `ValueError` for a task without samples, a batch that is larger than their number, and a rule that has
    a memory or whose velocity is not a sum over samples of terms linear in their errors.
    """
    if not isinstance(samples, Samples):
        raise ValueError(
            f"samples: got {type(samples).__name__}, required are curlflow.tasks.Samples; second moments do not say "
            "how single samples scatter."
        )
    n = samples.x.shape[1]
    if not 1 <= batch <= n:
        raise ValueError(f"batch: got {batch}, allowed are 1 to {n}, the number of samples.")
    check_without_memory(rule, student, 'whose noise is not known; set dynamics.kind to "updates".')
    noise = _noise
    if rule.signal(student) is None:
        check_linear_in_errors(rule, student, samples)
        noise = _noise_beside_constant
    update = learning_rate * batch / n
    amplitude = (n * (n - batch) / (batch * max(n - 1, 1)) * update) ** 0.5
    args = rule, task, samples, amplitude, update, constraint
    drift, step = _corrected if correction else learning_velocity, learning_rate / steps
    return Diffusion(drift, noise, student, step, key, args, motions=n, steps=steps, constraint=constraint)


def _corrected(t, network, args):
    """Equation (26)."""
    rule, task, _, _, update, constraint = args
    network = jax.tree.map(jnp.asarray, network)
    velocity = rule.velocity(network, task)

    def tangential(w):
        return constraint.tangent(w, rule.velocity(w, task))

    def retracted(s):
        return constraint.retract(jax.tree.map(lambda w, f: w + s * f, network, velocity))

    def moving(s):
        return jax.jvp(retracted, (s,), (jnp.ones_like(s),))[1]

    _, turned = jax.jvp(tangential, (network,), (tangential(network),))
    zero = jnp.zeros(())
    _, curvature = jax.jvp(moving, (zero,), (jnp.ones_like(zero),))
    return jax.tree.map(lambda f, c, a: f + update / 2 * (c - a), velocity, curvature, turned)


def _noise(t, network, args, increments):
    """The second term of (24)."""
    rule, _, samples, amplitude = args[:4]
    x, errors = samples.residuals(network)
    return rule.velocity(network, GivenErrors(x, errors * (amplitude * (increments - jnp.mean(increments)))))


def _noise_beside_constant(t, network, args, increments):
    """`_noise` for a rule with a term that does not depend on the samples, such as decay; the drift has that term."""
    rule, _, samples = args[:3]
    constant = rule.velocity(network, GivenErrors(samples.x, jnp.zeros_like(samples.y)))
    return jax.tree.map(jnp.subtract, _noise(t, network, args, increments), constant)


@double_precision
def check_linear_in_errors(rule: AbstractLearningRule, network: Feedforward | Model, samples: Samples) -> None:
    """Refuse a rule whose velocity is not Σₛ fₛ, fₛ linear in the error of sample s, plus a constant.

    It is evaluated at the weights of `network` with random errors on all samples, on parts of them, and on none.

    **Raises:** `ValueError` for such a rule, and for one that uses more of a task than its residuals.
    """
    x, name = np.asarray(samples.x), type(rule.unflipped(most=1)[0]).__qualname__
    first, second = np.random.default_rng(0).normal(size=(2, *np.shape(samples.y))) / x.shape[1]
    half = max(1, x.shape[1] // 2)

    def velocity(inputs: Any, errors: Any) -> Float[np.ndarray, " weights"]:
        try:
            found = rule.velocity(network, GivenErrors(inputs, errors))
        except AttributeError as error:
            looked = f" (task.{error.name})" if error.name else ""
            raise ValueError(
                f"rule: {name} looks at more of a task than task.residuals(network){looked}; "
                'the noise of batches cannot be found from it. Set dynamics.kind to "updates".'
            ) from None
        return np.concatenate([np.ravel(w) for w in jax.tree.leaves(found)])

    constant = velocity(x, 0 * first)
    both = velocity(x, first + second)
    alone = velocity(x[:, :half], 0 * first[:, :half])
    scale = SAME * max(np.abs(both).max(), np.abs(constant).max(), np.abs(velocity(x, first)).max())
    linear = np.abs(both + constant - velocity(x, first) - velocity(x, second)).max() <= scale
    scaled = np.abs(velocity(x, -3 * first) + 3 * velocity(x, first) - 4 * constant).max() <= 10 * scale
    added = np.abs(alone - constant).max() <= scale
    if half < x.shape[1]:
        parts = velocity(x[:, :half], first[:, :half]) + velocity(x[:, half:], first[:, half:])
        added = added and np.abs(parts - velocity(x, first) - constant).max() <= scale
    if not (linear and scaled and added):
        raise ValueError(
            f"rule: the velocity of {name} is no sum over samples that is linear in their errors; "
            'the noise of batches cannot be found from it. Set dynamics.kind to "updates".'
        )
