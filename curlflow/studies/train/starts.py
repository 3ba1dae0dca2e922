"""Where runs of `curlflow.train` start: narrowed where that is exact, near a solution as the deviation from it."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from ...networks import Feedforward
from ...problem import Problem
from ...problem.axes import along_axes, principal_axes, turned
from ...rules.sign_flipped import with_gains
from ...systems import Flow, Map
from ...systems.fast.deviations import applicable
from ..observables import own_observables
from ..subject import Subject


def subject_with_loss(given: Any, loss: Any, **more: Any) -> tuple[Subject, Callable | None]:
    """What is to be learned: a spec; or a flow or map, with the function of its state that is to become small.

    **Raises:** `ValueError` for a loss of a spec, a system without one, a loss that is no number, and as
    `Subject.of`, which takes what is in `more`.
    """
    noisy = "whose noise never lets a loss settle; give a Flow or a Map"
    subject = Subject.of(given, systems=(Flow, Map), others=noisy, **more)
    if subject.learning:
        if loss is not None:
            raise ValueError("loss: it goes with a system; a spec or Experiment has a loss of its own.")
        return subject, None
    if loss is None:
        raise ValueError("loss: required with a system: a function of its state that is to become small.")
    return subject, own_observables(loss, subject.systems[0].state, "loss", 0).observe


def prepared(
    problem: Problem, compress: bool, deviate: bool = True, rotate: bool = True
) -> tuple[Problem, tuple[Feedforward, Feedforward] | None]:
    """A problem narrowed where that is exact, and where it starts at its teacher that and the deviation from it.

    Without `deviate` the weights are stepped wherever a run starts, and with a memory, as they are, in any case.
    Without `rotate` inputs stay as they are.
    """
    plain = problem.spec.rule.kind != "custom" and problem.architecture is None
    if plain and isinstance(problem.student, Feedforward):
        # Gains of one where nothing happens to be flipped: a sweep compiles once for all fractions.
        problem = dataclasses.replace(problem, rule=with_gains(problem.rule, problem.student))
    if problem.remembers:
        return problem, None
    deviation = _deviation_from_teacher(problem) if deviate else None
    if compress:
        # A column of ones for every hidden layer: the deviation adds one number to all weights of a layer.
        ones = None if deviation is None else [np.ones((w.shape[0], 1)) for w in deviation.weights[:-1]]
        problem = problem.compressed(pad=True, extra=ones)
    around = None if deviation is None else (problem.teacher, deviation)
    if around is not None and problem.compression is not None:
        around = tuple(problem.compression.rotate(network) for network in around)
    axes = principal_axes(problem) if rotate else None
    if axes is not None:
        problem = along_axes(problem, axes)
        around = around and tuple(turned(network, axes) for network in around)
    return problem, around


def _deviation_from_teacher(problem: Problem) -> Feedforward | None:
    """The deviation of the start from the teacher, where the run can be stepped in it."""
    spec, student = problem.spec, problem.student
    full_batches = spec.dynamics.kind == "flow" or spec.dynamics.batch == "full"
    if spec.start.kind != "teacher" or spec.start.offset is None or not full_batches:
        return None
    known = problem.signal(student) is not None
    if not known or not applicable(student, problem.rule, problem.task, problem.constraint):
        return None
    deviation = [np.zeros_like(w) for w in student.weights]
    deviation[spec.start.offset.layer - 1] += spec.start.offset.value
    return student.with_weights(deviation)
