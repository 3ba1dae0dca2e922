"""What a bifurcation diagram shows at one value of its parameter: a cell of a sweep."""

from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float

from .. import results
from ..precision import double_precision
from ..spec import Spec
from ..systems import AbstractSystem, Flow
from ..variable import Variable
from .classification_measures import columns, indicators, named_status
from .classification_runs import run_all
from .classification_starts import started
from .motion import Verdict, verdict
from .stability import stability
from .workers import silent

EXTREMA = 200
"""The most that are kept, the last ones."""


@double_precision
def at_value(spec_or_system: Spec | AbstractSystem, *, observable: Any = None, **given: Any) -> xr.Dataset:
    """Late extrema of an observable, exponents and verdicts of all realizations; of specs also the solution's rate.

    **Arguments:**

    - `observable`: a name among the observables, or a function of the state. Default: the first of them.
    - `given`: `transient`, `duration`, `exponents`, `seed`.
    """
    function = observable if callable(observable) else None
    runs, options, names, scales, _ = started(spec_or_system, given, function, None, None)
    place = chosen(observable, names)
    if function is not None and len(names) > 1:
        raise ValueError(f"observable: got {len(names)} numbers, required is a function of the state to one.")
    run_all(runs, options, silent, align=False)
    rows = []
    for r, scale in zip(runs, scales, strict=True):
        found = columns(r, options, scale)
        kind, _ = verdict(indicators(r, found))
        kept = {name: found[name] for name in ("lyapunov_exponent", "lyapunov_exponent_se")}
        late = extrema(r.observables[:, place], bool(found["moves"][place]), isinstance(r.system, Flow))
        rows.append(
            kept | {"late_extremum": late, "verdict": np.int8(kind), "status": np.int8(named_status(r, found))}
        )
    data = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    if isinstance(spec_or_system, Spec):
        data["solution_rate"] = solution_rates(spec_or_system)
    coordinates = {
        "realization": (("realization",), np.arange(len(runs)), "realization"),
        "exponent": (("exponent",), np.arange(1, options.exponents + 1), "rank of the exponent"),
    }
    return results.labelled(VARIABLES, data, coordinates, {"observable": names[place]})


def chosen(observable: Any, names: list[str]) -> int:
    """The place of an observable among `names`.

    **Raises:** `ValueError` for a name that is none of them.
    """
    if observable is None or callable(observable):
        return 0
    if observable not in names:
        allowed = f"{', '.join(names)}, or a function of the state"
        raise ValueError(f"observable: got {observable!r}, allowed are {allowed}.")
    return names.index(observable)


def extrema(series: Float[np.ndarray, " samples"], moves: bool, continuous: bool) -> Float[np.ndarray, " extremum"]:
    """The last local extrema of a series, NaN behind them: of what does not move its value, of a map all values.

    For flows the tops of parabolas through an extremal sample and its neighbours.
    """
    late = np.full(EXTREMA, np.nan)
    if len(series) == 0:
        return late
    if not moves:
        values = series[-1:]
    elif not continuous:
        values = series[-EXTREMA:]
    else:
        before, here, after = series[:-2], series[1:-1], series[2:]
        tops = (here - before) * (here - after) > 0
        a, b, c = before[tops], here[tops], after[tops]
        values = (b - (a - c) ** 2 / (8 * (a - 2 * b + c)))[-EXTREMA:]
    late[: len(values)] = values
    return late


def solution_rates(spec: Spec) -> Float[np.ndarray, " realization"]:
    """The largest real part of the rates at the teacher's weights; NaN where they are no weights of the student."""
    if spec.teacher_widths != spec.widths:
        return np.full(spec.realizations, np.nan)
    return stability(spec).leading_real_part.to_numpy()


R = ("realization",)
VARIABLES = (
    Variable("late_extremum", ("realization", "extremum"), "late extrema of the observable"),
    Variable("lyapunov_exponent", ("realization", "exponent"), "Lyapunov exponent, per unit of time"),
    Variable("lyapunov_exponent_se", ("realization", "exponent"), "standard error of the Lyapunov exponent"),
    Variable("solution_rate", R, "largest real part of the rates at the teacher's weights; positive: unstable"),
    results.flag_variable("verdict", R, "kind of motion", Verdict),
    results.status_variable(),
)
