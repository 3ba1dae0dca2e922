"""What a bifurcation diagram shows at one value of its parameter: a cell of a sweep."""

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float

from ... import results
from ...measures import extrema, motion
from ...measures.finite_time import EXPONENT_VARIABLES
from ...spec import Spec
from ...systems import AbstractSystem
from ...variable import EXACT, Variable
from ..arguments import Count, Length, Positive, Seed, study
from ..observables import Beside, own_observables
from ..runs import silent
from ..stability.study import stability
from .indicators import judged
from .pairs import compare_pairs
from .runs import Classified, observe_motion
from .starts import started

R = ("realization",)
VARIABLES = (
    *extrema.VARIABLES,
    *EXPONENT_VARIABLES,
    Variable(
        "solution_rate",
        R,
        "largest real part of the rates at the teacher's weights; positive: unstable",
        uncertainty=EXACT,
    ),
    motion.VERDICT,
    results.status_variable(),
)
KEPT = "lyapunov_exponent", "lyapunov_exponent_se", "verdict", "status"


@study
def at_value(
    spec_or_system: Spec | AbstractSystem,
    *,
    observable: str | Callable | None = None,
    transient: Length | None = None,
    duration: Positive | None = None,
    exponents: Count | None = None,
    seed: Seed | None = None,
) -> xr.Dataset:
    """Late extrema of an observable, exponents and verdicts of all realizations; of specs also the solution's rate.

    **Arguments:**

    - `observable`: whose extrema: a name among the observables, or a function of the state to a number. Default: the
      first of them. Verdicts rest on all of them, and not on the function.
    - `transient`, `duration`, `exponents`, `seed`: as for `curlflow.classify`.
    """
    given = {"transient": transient, "duration": duration, "exponents": exponents, "seed": seed}
    subject, options, runs, names = started(spec_or_system, given)
    place, name = chosen(observable, names)
    if callable(observable):
        own = own_observables(observable, runs[0].system.state, "observable")
        if own.size > 1:
            raise ValueError(f"observable: got {own.size} numbers, required is a function of the state to one.")
        for r in runs:
            r.observe = Beside(r.observe, own.observe)
    observe_motion(runs, options, silent, align=False)
    compare_pairs(runs, options, names, silent)
    rows = [judged(r, options, names) for r in runs]
    data = {name: np.stack([row[name] for row in rows]) for name in KEPT}
    data["late_extremum"] = np.stack([_late(r, place) for r in runs])
    if subject.learning:
        # NaN where the student cannot have the teacher's weights, or stay there.
        data["solution_rate"] = np.full(len(runs), np.nan)
        problem = subject.problems[0]
        decays = getattr(spec_or_system.optimizer, "weight_decay", 0.0) > 0
        stays = not decays and problem.rule.memory0(problem.student) is None
        if problem.teacher is not None and problem.teacher.widths == spec_or_system.widths and stays:
            data["solution_rate"] = stability(spec_or_system).leading_real_part.to_numpy()
    coordinates = {
        "realization": (R, np.arange(len(runs)), "realization"),
        "exponent": (("exponent",), np.arange(1, options.exponents + 1), "rank of the exponent"),
    }
    return results.labelled(VARIABLES, data, coordinates, {"observable": name})


def chosen(observable: Any, names: list[str], functions: bool = True) -> tuple[int, str]:
    """The place of an observable among `names`, and its own name; that of a function is behind them.

    **Raises:** `ValueError` for a name that is none of them; it says whether `functions` are allowed.
    """
    if observable is None:
        return 0, names[0]
    if callable(observable):
        return len(names), "observable_1"
    if observable not in names:
        further = ", or a function of the state" if functions else ""
        raise ValueError(f"observable: got {observable!r}, allowed are {', '.join(names)}{further}.")
    return names.index(observable), observable


def _late(r: Classified, place: int) -> Float[np.ndarray, " extremum"]:
    """The last local extrema of an observable."""
    moves = r.complete and r.seen.moves(place)
    return extrema.late_extrema(r.seen.late[:, place], r.seen.even[:, place], moves, r.system.continuous)
