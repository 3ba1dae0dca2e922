"""An exact change of coordinates that takes the covariance of the inputs of a linear network out of a step.

Where all inputs have the same gain, rule, spheres and errors do not change under a rotation of the inputs, x → Uᵀx
with W1 → W1 U. With the eigenvectors of Σ as the columns of U, Σ becomes the variances of the principal components,
and a product with it a multiplication of vectors; for more inputs than hidden units that is most of a step.
"""

import dataclasses

import numpy as np
from jaxtyping import Float

from ..constraints import Free, FrobeniusSpheres
from ..networks import Feedforward
from ..tasks import SecondMoments
from .problem import Problem

Axes = Float[np.ndarray, "inputs inputs"]


def principal_axes(problem: Problem) -> Axes | None:
    """The eigenvectors of Σ in columns, or None where a rotation of the inputs would change the problem."""
    if not isinstance(problem.constraint, Free | FrobeniusSpheres) or problem.architecture is not None:
        return None
    signal = problem.signal(problem.student)
    alike = signal is not None and np.all(signal.gains[0] == signal.gains[0][:, :1])
    if not alike or not isinstance(problem.task, SecondMoments) or problem.covariance.ndim == 1:
        return None
    return np.linalg.eigh(problem.covariance)[1]


def along_axes(problem: Problem, axes: Axes) -> Problem:
    """`problem` with x → Uᵀx and W1 → W1 U."""
    return dataclasses.replace(
        problem,
        student=turned(problem.student, axes),
        teacher=None if problem.teacher is None else turned(problem.teacher, axes),
        x_train=None if problem.x_train is None else axes.T @ problem.x_train,
        x_test=axes.T @ problem.x_test,
        covariance=np.sum(axes * (problem.covariance @ axes), axis=0),
    )


def turned(network: Feedforward, axes: Axes) -> Feedforward:
    """The network for inputs Uᵀx: W1 U."""
    return network.with_weights([network.weights[0] @ axes, *network.weights[1:]])
