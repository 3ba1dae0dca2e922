"""How a computation ended: a result, never an exception.

Kept free of JAX and xarray, so that the code that computes and the code that labels share one list.
"""

from enum import IntEnum


class Status(IntEnum):
    """How one realization ended. Files store the number (`flag_values`) and name it in `flag_meanings`."""

    completed = 0
    interrupted = 1
    not_run = 2
    diverged = 3
    max_steps_reached = 4
    step_size_underflow = 5
    not_a_fixed_point = 6
    not_differentiable = 7
    excluded_by_constraint = 8
    not_converged = 9
    undecided = 10
    period_two = 11
    held_by_rounding = 12
    rank_one = 13
    sliding = 14


FAILURES = frozenset(
    {
        Status.interrupted, Status.not_run, Status.diverged, Status.max_steps_reached, Status.step_size_underflow,
        Status.not_differentiable, Status.excluded_by_constraint, Status.not_converged, Status.sliding,
    }
)  # fmt: skip
"""Endings without what was asked for. The others say something about what was found."""

MEANINGS = {
    Status.completed: "ran to the end",
    Status.interrupted: "stopped by the user; what was finished is here",
    Status.not_run: "not started",
    Status.diverged: "the state or its tangents grew beyond all bounds or stopped being finite numbers",
    Status.max_steps_reached: (
        "the solver used up max_steps within one block; the problem may be stiff (try an implicit solver), "
        "the tolerances too tight or the block too long"
    ),
    Status.step_size_underflow: (
        "the solver's step shrank below its minimum; the solution may blow up in finite time, "
        "or the vector field may not be smooth"
    ),
    Status.not_a_fixed_point: (
        "the velocity does not vanish there; the eigenvalues are those of the Jacobian at that point"
    ),
    Status.not_differentiable: "the vector field has a kink there, and so no Jacobian",
    Status.excluded_by_constraint: "no point of the constraint: a layer of zeros lies on no sphere",
    Status.not_converged: "the iteration for the eigenvalues did not converge; those that did are here",
    Status.undecided: "the eigenvalues that were found do not decide whether the point is stable",
    Status.period_two: "two states alternate: a cycle of the updates that the flow does not have",
    Status.held_by_rounding: (
        "the weights stay at an unstable solution longer than its instability needs to grow from rounding"
    ),
    Status.rank_one: "a layer of weights has collapsed to rank one, and cannot leave it",
    Status.sliding: (
        "both sides of a jump of the vector field lead to it; the solution slides along it, and is not followed"
    ),
}
