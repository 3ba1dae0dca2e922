"""Uncorrelated inputs for linear networks: an exact change of coordinates that takes the covariance out of a step.

Where all inputs have the same gain, rule, spheres and errors do not change under a rotation of the inputs, x → Uᵀx
with W1 → W1 U. With the eigenvectors of Σ as the columns of U, Σ becomes the variances of the principal components,
and a product with it a multiplication of vectors; for more inputs than hidden units that is most of a step.
(Flips of single inputs pick out coordinates: such problems stay as they are.)
"""

import dataclasses

import numpy as np
from jaxtyping import Float

from ...constraints import Free, FrobeniusSpheres
from ...networks import Feedforward
from ...problem import Problem
from ...tasks import SecondMoments

Components = Float[np.ndarray, "inputs inputs"]


def principal_components(problem: Problem) -> Components | None:
    """The eigenvectors of Σ in columns, or None where a rotation of the inputs would change the problem."""
    if not isinstance(problem.constraint, Free | FrobeniusSpheres) or problem.architecture is not None:
        return None
    signal = problem.rule.signal(problem.student)
    alike = signal is not None and np.all(signal.gains[0] == signal.gains[0][:, :1])
    if not alike or not isinstance(problem.task, SecondMoments) or problem.covariance.ndim == 1:
        return None
    return np.linalg.eigh(problem.covariance)[1]


def in_components(problem: Problem, components: Components) -> Problem:
    """`problem` with x → Uᵀx and W1 → W1 U."""
    return dataclasses.replace(
        problem,
        student=turned(problem.student, components),
        teacher=turned(problem.teacher, components),
        x_train=None if problem.x_train is None else components.T @ problem.x_train,
        x_test=components.T @ problem.x_test,
        covariance=np.sum(components * (problem.covariance @ components), axis=0),
    )


def turned(network: Feedforward, components: Components) -> Feedforward:
    """The network for inputs Uᵀx: W1 U."""
    return network.with_weights([network.weights[0] @ components, *network.weights[1:]])
