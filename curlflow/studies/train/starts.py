"""Where runs of `curlflow.train` start: narrowed where that is exact, near a solution as the deviation from it.

An exact change of coordinates takes the covariance of the inputs of a linear network out of a step: where all inputs
have the same gain, rule, spheres and errors do not change under a rotation of the inputs, x → Uᵀx with W1 → W1 U.
With the eigenvectors of Σ as the columns of U, Σ becomes the variances of the principal components, and a product
with it a multiplication of vectors; for more inputs than hidden units that is most of a step. (Flips of single inputs
pick out coordinates: such problems stay as they are.)
"""

import dataclasses

import numpy as np
from jaxtyping import Float

from ...constraints import Free, FrobeniusSpheres
from ...networks import Feedforward
from ...problem import Problem
from ...rules import AbstractLearningRule
from ...rules.sign_flipped import with_gains
from ...systems.fast.deviations import applicable
from ...tasks import SecondMoments

Axes = Float[np.ndarray, "inputs inputs"]


def prepared(
    problem: Problem, compress: bool, deviate: bool = True
) -> tuple[Problem, tuple[Feedforward, Feedforward] | None]:
    """A problem narrowed where that is exact, and where it starts at its teacher that and the deviation from it.

    **Arguments:**

    - `deviate`: False steps the weights wherever a run starts.
    """
    problem = dataclasses.replace(problem, rule=_with_gains(problem))
    deviation = deviation_from_teacher(problem) if deviate else None
    if compress:
        # A column of ones for every hidden layer: the deviation adds one number to all weights of a layer.
        ones = None if deviation is None else [np.ones((w.shape[0], 1)) for w in deviation.weights[:-1]]
        problem = problem.compressed(pad=True, extra=ones)
    around = None if deviation is None else (problem.teacher, deviation)
    if around is not None and problem.compression is not None:
        around = tuple(problem.compression.rotate(network) for network in around)
    axes = principal_axes(problem)
    if axes is not None:
        problem = along_axes(problem, axes)
        around = around and tuple(turned(network, axes) for network in around)
    return problem, around


def _with_gains(problem: Problem) -> AbstractLearningRule:
    """The rule, with gains of one where nothing happens to be flipped: a sweep compiles once for all fractions."""
    if problem.spec.rule.kind == "custom" or problem.architecture is not None:
        return problem.rule
    return with_gains(problem.rule, problem.student)


def deviation_from_teacher(problem: Problem) -> Feedforward | None:
    """The deviation of the start from the teacher, where the run can be stepped in it."""
    spec, student = problem.spec, problem.student
    full_batches = spec.dynamics.kind == "flow" or spec.dynamics.batch == "full"
    if spec.start.kind != "teacher" or spec.start.offset is None or not full_batches:
        return None
    if not applicable(student, problem.rule, problem.task, problem.constraint):
        return None
    deviation = [np.zeros_like(w) for w in student.weights]
    deviation[spec.start.offset.layer - 1] += spec.start.offset.value
    return student.with_weights(deviation)


def principal_axes(problem: Problem) -> Axes | None:
    """The eigenvectors of Σ in columns, or None where a rotation of the inputs would change the problem."""
    if not isinstance(problem.constraint, Free | FrobeniusSpheres) or problem.architecture is not None:
        return None
    signal = problem.rule.signal(problem.student)
    alike = signal is not None and np.all(signal.gains[0] == signal.gains[0][:, :1])
    if not alike or not isinstance(problem.task, SecondMoments) or problem.covariance.ndim == 1:
        return None
    return np.linalg.eigh(problem.covariance)[1]


def along_axes(problem: Problem, axes: Axes) -> Problem:
    """`problem` with x → Uᵀx and W1 → W1 U."""
    return dataclasses.replace(
        problem,
        student=turned(problem.student, axes),
        teacher=turned(problem.teacher, axes),
        x_train=None if problem.x_train is None else axes.T @ problem.x_train,
        x_test=axes.T @ problem.x_test,
        covariance=np.sum(axes * (problem.covariance @ axes), axis=0),
    )


def turned(network: Feedforward, axes: Axes) -> Feedforward:
    """The network for inputs Uᵀx: W1 U."""
    return network.with_weights([network.weights[0] @ axes, *network.weights[1:]])
