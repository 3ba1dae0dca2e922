"""What an optimizer is: from a velocity F and a memory to an increment of the weights and the next memory.

With decoupled weight decay ω the weights also shrink by ηωW at every update, apart from any memory (Loshchilov &
Hutter, ICLR 2019, arXiv:1711.05101):

    W → W + Δ − ηωW,    Δ the increment without decay.                                                  (40)

The *flow of an optimizer* is the limit of its updates for small η, in the time of plain learning: an update takes η
units.

Near a fixed point with F = J δW, an eigenvalue μ of J turns the update into a small linear map, whose eigenvalues are
its *multipliers*: perturbations decay where all of them are inside the unit circle.

The numbers of equations are those of docs/optimizers.md.
"""

from abc import abstractmethod
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Complex, PyTree
from scipy.optimize import brentq

from ..precision import Scalar

RATES = np.geomspace(1e-12, 1e6, 3600)
"""Learning rates, in units of what makes ημ one, between which a first crossing of the unit circle is bracketed."""
ROUNDING = 1e-13
"""A multiplier whose modulus differs from one by less than this says nothing."""

Multipliers = Complex[np.ndarray, "..."]


class Memory(eqx.Module):
    """What an optimizer remembers; parts that it has no use for are None.

    **Attributes:**

    - `momentum`: a vector like the weights, which belongs to the tangent space of a constraint.
    - `squares`: a number for every weight, such as a second moment, which is no vector.
    - `rest`: anything else, in float64.
    """

    momentum: PyTree = None
    squares: PyTree = None
    rest: PyTree = None


class AbstractOptimizer(eqx.Module):
    """How updates follow a velocity.

    *For developers:* a new optimizer supplies `start` and `step`; `multipliers` where they have a closed form; and
    `field`, with `rates_of_flow`, where its updates have a limit as a flow.
    """

    @abstractmethod
    def start(self, weights: PyTree) -> Memory:
        """The memory before the first update; its leaves are float64, so that tangents can be carried."""

    @abstractmethod
    def step(self, velocity: PyTree, memory: Memory, weights: PyTree, learning_rate: Scalar) -> tuple[PyTree, Memory]:
        """What is added to the weights, and the next memory."""

    def start_of_flow(self, velocity: PyTree, weights: PyTree, learning_rate: Scalar) -> Memory:
        """The memory with which a flow begins: that of the first update, unless the optimizer says otherwise."""
        return self.step(velocity, self.start(weights), weights, learning_rate)[1]

    def field(
        self, velocity: PyTree, memory: Memory, weights: PyTree, learning_rate: Scalar
    ) -> tuple[PyTree, Memory]:
        """The time derivatives of weights and memory in the flow that updates with a small η follow.

        **Raises:** `ValueError` where no flow is known.
        """
        raise ValueError(f"optimizer: no flow of {type(self).__name__} is known; take updates.")

    def rates_of_flow(self, eigenvalues: Any, learning_rate: Scalar) -> Multipliers:
        """The eigenvalues of the flow near a fixed point; arguments and errors as for `multipliers`."""
        raise ValueError(f"optimizer: no closed form of the rates of {type(self).__name__} is known.")

    def multipliers(self, eigenvalues: Any, learning_rate: Any) -> Multipliers:
        """The multipliers of an update near a fixed point, those of every eigenvalue along the first axis.

        **Arguments:**

        - `eigenvalues`: of the Jacobian of F there, per unit of time, real or complex.
        - `learning_rate`: η of one update; the two broadcast.

        **Raises:** `ValueError` where no closed form is known.
        """
        raise ValueError(
            f"optimizer: no closed form of the multipliers of {type(self).__name__} is known; give its system to "
            "curlflow.stability, which takes the Jacobian of the map."
        )

    def critical_learning_rate(self, eigenvalues: Any) -> float:
        """The least η at which a multiplier of any of the eigenvalues reaches the unit circle; NaN if no η is stable.

        Moduli of multipliers are followed from small learning rates on, and the crossing is found by Brent's method.
        Eigenvalues at zero are neutral at every learning rate.
        """
        values = np.atleast_1d(np.asarray(eigenvalues, dtype=complex)).ravel()
        return float(
            min(map(self._critical, values[values != 0]), key=lambda rate: (rate == rate, rate), default=np.inf)
        )

    def _critical(self, eigenvalue: complex) -> float:
        def excess(rate: Any) -> Any:
            return np.abs(self.multipliers(eigenvalue, rate)).max(axis=0) - 1

        rates = RATES / self.sharpest(abs(eigenvalue))
        found = excess(rates)
        (telling,) = np.nonzero(np.abs(found) > ROUNDING)
        if telling.size == 0 or found[telling[0]] > 0:
            return float("nan")
        outside = telling[found[telling] > 0]
        return brentq(excess, rates[outside[0] - 1], rates[outside[0]], rtol=1e-14) if outside.size else np.inf

    def sharpest(self, curvature: float) -> float:
        """The inverse of the learning rate that moves weights by as much as they are off, for |μ| = `curvature`."""
        return curvature


def checked_optimizer(optimizer: Any) -> AbstractOptimizer:
    """`optimizer`, if it is one. **Raises:** `ValueError` otherwise."""
    if not isinstance(optimizer, AbstractOptimizer):
        raise ValueError(
            f"optimizer: got {optimizer!r}, required is one of curlflow.optimizers; transformations of optax are "
            "given as curlflow.optimizers.Optax(transformation)."
        )
    return optimizer


def check_numbers(optimizer: AbstractOptimizer, **lowest_and_highest: tuple[float, float]) -> None:
    """Refuse fields that are no numbers from the first to below the second (of traced ones nothing is known yet)."""
    for name, (low, high) in lowest_and_highest.items():
        value = getattr(optimizer, name)
        if isinstance(value, jax.core.Tracer):
            continue
        if isinstance(value, bool | str | None) or np.ndim(value) != 0 or not low <= float(value) < high:
            raise ValueError(f"{name}: got {value!r}, allowed are numbers from {low:g} to below {high:g}.")


def like(weights: PyTree) -> PyTree:
    """Zeros of the shapes of the weights."""
    return jax.tree.map(lambda w: np.zeros(np.shape(w)), weights)


def decayed(increment: PyTree, weights: PyTree, shrinking: Scalar) -> PyTree:
    """The increment of (40), with `shrinking` = ηω."""
    return jax.tree.map(lambda d, w: d - shrinking * jnp.asarray(w), increment, weights)


def roots_of_quadratic(total: Any, product: Any) -> Multipliers:
    """Both solutions of z² − total z + product = 0, the larger one in modulus first."""
    total, product = np.broadcast_arrays(np.asarray(total, dtype=complex), product)
    apart = np.sqrt(total**2 - 4 * product)
    apart = np.where((np.conj(total) * apart).real < 0, -apart, apart)
    larger = (total + apart) / 2
    return np.stack([larger, np.divide(product, larger, out=np.zeros_like(larger), where=larger != 0)])
