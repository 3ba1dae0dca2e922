"""Whether perturbations of a fixed point decay, from the eigenvalues μ of the linearisation there.

    a flow:                             they decay if Re μ < 0 for every μ,
    updates with step η of that flow:   if |1 + ημ| < 1, which for Re μ < 0 means η < −2 Re μ/|μ|²,
    a map with multipliers m:           if |m| < 1, with rates μ = ln m per iteration,
    updates that remember earlier ones: if |m| < 1 for all multipliers m that an optimizer makes of every μ.

Eigenvalues up to a threshold in modulus are *neutral* and say nothing. For large matrices only the leading
eigenvalues are known, and those of largest modulus, the *extreme* ones: one unstable eigenvalue decides, and
stability follows where no other eigenvalue could leave the region first.
"""

from collections.abc import Callable
from enum import IntEnum
from typing import Any

import numpy as np
from jaxtyping import Complex

from ..variable import EXACT, Variable, flag_variable
from .spectrum import NEUTRAL, in_order

Eigenvalues = Complex[np.ndarray, " _"]


class Decision(IntEnum):
    """Whether perturbations decay."""

    stable = 0
    unstable = 1
    undecided = 2


_ONE, _EACH = ("realization",), ("realization", "eigenvalue")
_STATUS = {"ancillary_variables": "status method"}
_UNKNOWN = {"comment": "NaN: no step is small enough, or it is not known"}
_SOLVED = "exact up to rounding, or to the tolerance of iterations; see method"
VARIABLES = (
    Variable(
        "eigenvalue_real",
        _EACH,
        "real part of an eigenvalue, per unit of time",
        attributes=_STATUS,
        uncertainty=_SOLVED,
    ),
    Variable(
        "eigenvalue_imag",
        _EACH,
        "imaginary part of an eigenvalue, per unit of time",
        attributes=_STATUS,
        uncertainty=_SOLVED,
    ),
    Variable(
        "leading_real_part", _ONE, "largest real part of the eigenvalues that are not neutral", uncertainty=_SOLVED
    ),
    Variable("stable", _ONE, "whether the point was found to be stable", attributes={"comment": "see verdict"}),
    flag_variable("verdict", _ONE, "whether all eigenvalues that are not neutral decay", Decision),
    Variable(
        "neutral_threshold",
        _ONE,
        "modulus up to which an eigenvalue counts as neutral, per unit of time",
        uncertainty=EXACT,
    ),
    Variable(
        "numerical_abscissa",
        _ONE,
        "largest initial growth rate of any perturbation within the constraint",
        uncertainty=_SOLVED,
    ),
    Variable(
        "critical_learning_rate",
        _ONE,
        "largest stable step of one update, of one batch",
        attributes=_UNKNOWN,
        uncertainty=_SOLVED,
    ),
)


def decided(
    eigenvalues: Eigenvalues,
    threshold: float,
    *,
    step: float | None = None,
    multipliers: Callable[[Any], Any] | None = None,
    extreme: Eigenvalues | None = None,
    converged: bool = True,
) -> Decision:
    """The decision that follows from the eigenvalues.

    **Arguments:**

    - `eigenvalues`: those above the `threshold` in modulus, or the leading ones of them.
    - `step`: the step of updates; None for a flow.
    - `multipliers`: a function of the eigenvalues to what perturbations are multiplied by. Default: for updates
      1 + `step` · μ.
    - `extreme`: those of largest modulus where not all are known, empty if they are not known either; None where all
      are known.
    - `converged`: whether all that were asked for are known.
    """
    known = eigenvalues if extreme is None else np.concatenate([eigenvalues, extreme])
    known = known[np.abs(known) > threshold]
    if multipliers is not None:
        inside = np.abs(multipliers(known)) < 1
    else:
        inside = known.real < -threshold if step is None else np.abs(1 + step * known) < 1
    if not inside.all():
        return Decision.unstable
    complete = converged and eigenvalues.size > 0
    if complete and extreme is not None and (step is not None or multipliers is not None):
        # Between the two ends there may be a complex eigenvalue that leaves the unit circle first.
        complete = extreme.size > 0 and bool((known.imag == 0).all())
    return Decision.stable if complete else Decision.undecided


def critical_step(
    eigenvalues: Eigenvalues,
    threshold: float,
    *,
    least: Callable[[Any], float] | None = None,
    extreme: Eigenvalues | None = None,
    converged: bool = True,
) -> float:
    """The largest η with |1 + ημ| < 1 for every μ: the least of −2 Re μ/|μ|²; NaN if none or unknown. The arguments
    are those of `decided`; other updates are stable up to the `least` η, a function of the eigenvalues."""
    values = eigenvalues
    if extreme is not None:
        values = np.concatenate([values, extreme[np.abs(extreme) > threshold]])
        if not extreme.size or not converged or (values.imag != 0).any():
            return float("nan")
    if not values.size or not (values.real < -threshold).all():
        return float("nan")
    if least is not None:
        return least(values)
    return float(np.min(-2 * (values.real / np.abs(values)) / np.abs(values)))


def rates_of_multipliers(multipliers: Eigenvalues, zeros: int, time: float) -> Eigenvalues:
    """The rates of a map, per unit of time, except those of multipliers at one.

    `multipliers` are the eigenvalues of the Jacobian of one iteration, which takes this `time`, that are not zero;
    there are `zeros` others, whose rate is −∞.
    """
    rates = np.concatenate([np.log(multipliers) / time, np.full(zeros, -np.inf, dtype=complex)])
    return in_order(rates[np.abs(rates) * time > NEUTRAL])
