"""Which matrix the eigenvalues at a point are taken of: the smallest exact one.

At a solution all nonzero eigenvalues of the Jacobian of an error-driven rule are those of its signed tangent kernel
(`curlflow.systems.linearised.kernels`), whose size is outputs · inputs for a linear network and outputs · samples for
others. With fewer weights than that the Jacobian itself is taken, and where both are too large for a dense matrix,
Arnoldi iteration on products with the smaller finds the leading ones. Anywhere else only the Jacobian holds.
"""

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

import numpy as np
from jaxtyping import Complex

from ...measures import spectrum
from ...measures.decision import rates_of_multipliers
from ...networks import Feedforward
from ...networks.model import Model
from ...problem import Problem
from ...status import Status
from ...systems import AbstractSystem, Flow
from ...systems.linearised import linearisation
from ...systems.linearised.kernels import geometry, tangent_kernel, virtual_samples
from ...systems.linearised.origin import origin_abscissa, origin_eigenvalues, origin_squares
from ...tangents import size
from ...tasks import SecondMoments

DENSE = 3000
"""Matrices of at most this many rows are made and all their eigenvalues computed."""
FORMED = 5000
"""Kernels of at most this many rows are made: all eigenvalues if they are symmetric, else the leading ones."""


class Method(IntEnum):
    """What the eigenvalues were computed from."""

    product_kernel = 0
    sample_kernel = 1
    jacobian = 2
    arnoldi_kernel = 3
    arnoldi_jacobian = 4
    closed_form = 5
    none = 6


@dataclass(frozen=True)
class Linearised:
    """The linearisation at one point.

    **Attributes:**

    - `eigenvalues`: all that are not neutral, or the leading ones for Arnoldi's method.
    - `threshold`: below it, in modulus, an eigenvalue is neutral.
    - `abscissa`: numerical abscissa of the full Jacobian, on the tangent space.
    - `neutral`: number of zero directions among all degrees of freedom; None where it is not known.
    - `extreme`: those of largest modulus where only a part of the eigenvalues was computed, else None.
    - `squares`: at the origin, the squares of the eigenvalues of each hidden unit.
    """

    eigenvalues: Complex[np.ndarray, " nonzero"]
    threshold: float
    abscissa: float
    neutral: int | None
    method: Method
    status: Status = Status.completed
    extreme: Any = None
    squares: Any = None

    @property
    def leading(self) -> float:
        """The largest real part, NaN where no eigenvalue is known that is not neutral."""
        return float(self.eigenvalues.real.max()) if self.eigenvalues.size else np.nan


NOTHING = Linearised(np.zeros(0, complex), np.nan, np.nan, None, Method.none)


def is_moved_by_errors_alone(problem: Problem, network: Feedforward | Model, flow: Flow) -> bool:
    """Whether, at a solution, the rule moves the weights by their errors alone, to first order."""
    if not problem.regression:
        return False
    if problem.signal(network) is not None and geometry(flow.constraint) is not None:
        return True
    samples = virtual_samples(network, problem.task)
    return linearisation.is_driven_by_errors(network, problem.rule, flow.constraint, flow, *samples)


def at_solution(problem: Problem, network: Feedforward | Model, flow: Flow, number: int) -> Linearised:
    """The linearisation where the errors vanish, of a rule that is driven by them."""
    samples = virtual_samples(network, problem.task)
    rows, n = samples.inputs.shape[1] * network.widths[-1], size(network)
    signal, shape = problem.signal(network), geometry(flow.constraint)
    if rows > n:
        return of_jacobian(flow, network, number)
    if signal is not None and shape is not None and rows <= FORMED:
        kernel, outputs, velocities, scale = tangent_kernel(network, signal, samples, shape)
        abscissa = spectrum.abscissa_of_product(kernel, outputs, velocities, flow.dimension)
        if rows > DENSE and not spectrum.is_symmetric(kernel):
            return _leading(lambda z: kernel @ z, rows, number, abscissa, Method.arnoldi_kernel)
    else:
        product = linearisation.kernel_product(network, problem.rule, flow.constraint, *samples)
        abscissa, scale = _abscissa_of_products(flow, network), 0.0
        if rows > DENSE:
            return _leading(product, rows, number, abscissa, Method.arnoldi_kernel)
        kernel = np.stack([product(column) for column in np.eye(rows)], axis=1)
    values, threshold = spectrum.without_neutral(spectrum.eigenvalues(kernel), scale)
    method = Method.product_kernel if isinstance(problem.task, SecondMoments) else Method.sample_kernel
    return Linearised(values, threshold, abscissa, n - len(values), method)


def of_jacobian(system: AbstractSystem, state: Any, number: int) -> Linearised:
    """The linearisation of any system at any point."""
    n = size(state)
    if system.dimension == 0:
        return Linearised(np.zeros(0, complex), 0.0, np.nan, n, Method.jacobian)
    if n > DENSE:
        product = linearisation.jacobian_products(system, state).forward
        return _leading(product, n, number, _abscissa_of_products(system, state), Method.arnoldi_jacobian)
    matrix = linearisation.jacobian(system, state)
    if not np.isfinite(matrix).all():
        return replace(NOTHING, status=Status.diverged)
    scale = linearisation.unprojected_norm(system, state)
    values, threshold = spectrum.without_neutral(spectrum.eigenvalues(matrix), scale)
    # Directions that the constraint takes away are pushed below all others: they are no directions of growth zero.
    normal = linearisation.normal_projector(system, state)
    abscissa = spectrum.numerical_abscissa(matrix - 2 * np.linalg.norm(matrix) * normal)
    return Linearised(values, threshold, abscissa, n - len(values), Method.jacobian)


def _leading(product: Any, rows: int, number: int, abscissa: float, method: Method) -> Linearised:
    """The leading eigenvalues that are not neutral, and the extreme ones, of a matrix known by its products."""
    found = spectrum.leading_eigenvalues(product, rows, number)
    status = Status.completed if found.values.size else Status.undecided
    status = status if found.converged else Status.not_converged
    return Linearised(found.values, found.threshold, abscissa, None, method, status, found.extreme)


def _abscissa_of_products(system: AbstractSystem, state: Any) -> float:
    forward, transposed = linearisation.jacobian_products(system, state)
    normal = linearisation.normal_part(system, state)

    def symmetric(v: Any) -> Any:
        return (forward(v) + transposed(v)) / 2

    n = size(state)
    scale = spectrum.largest_modulus(symmetric, n)
    return spectrum.largest_symmetric(lambda v: symmetric(v) - 2 * scale * normal(v), n, scale=scale)


def in_rates(found: Linearised, n: int, removed: int, time: float) -> Linearised:
    """The linearisation of a map with its multipliers as rates per unit of time.

    Of the `n` dimensions of the state the constraint has `removed` some, whose multipliers of zero are no rates.
    """
    zeros = 0 if found.neutral is None else n - removed - len(found.eigenvalues)
    rates = rates_of_multipliers(found.eigenvalues, zeros, time)
    neutral = None if found.neutral is None else n - len(rates)
    return Linearised(rates, spectrum.NEUTRAL / time, np.nan, neutral, found.method, found.status)


def at_origin(problem: Problem, network: Feedforward | Model, flow: Flow, number: int) -> Linearised:
    """The linearisation at zero weights; `network` is that zero."""
    if not problem.regression:
        return of_jacobian(flow, network, number)
    one_hidden_layer, shape = len(network.weights) == 2, geometry(flow.constraint)
    if network.activation == "relu" and one_hidden_layer:
        return replace(NOTHING, status=Status.not_differentiable)
    # Equation (5) holds for φ(0) = 0, φ′(0) = 1 and errors that travel back through the weights.
    closed = one_hidden_layer and network.activation in ("linear", "tanh") and shape is not None
    closed = closed and problem.rule.unflipped()[0].backpropagates
    signal = problem.signal(network) if closed else None
    if signal is None:
        return of_jacobian(flow, network, number)
    squares = origin_squares(network, signal, shape.masks, problem.task)
    values = spectrum.in_order(origin_eigenvalues(squares))
    abscissa = origin_abscissa(network, signal, shape.masks, problem.task)
    return Linearised(values, 0.0, abscissa, size(network) - len(values), Method.closed_form, squares=squares)
