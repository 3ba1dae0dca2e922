"""What a bifurcation diagram shows at one value of its parameter: a cell of a sweep."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float, PyTree

from ... import results
from ...measures.motion import Verdict, verdict
from ...spec import Spec
from ...status import Status
from ...systems import AbstractSystem
from ...variable import Variable
from ..arguments import Count, Length, Positive, Seed, study
from ..runs import silent
from ..stability.study import stability
from .indicators import columns, indicators, named_status
from .observables import given as given_observables
from .observed import moves_at_end
from .runs import Classified, run_all
from .starts import started

EXTREMA = 200
"""The most that are kept, the last ones."""
OWN = "observable_1"
"""The name of an observable that is given as a function."""


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
    runs, options, names, scales, _ = started(spec_or_system, given, None, None, None)
    place, name = chosen(observable, names)
    if callable(observable):
        _beside(runs, observable)
    run_all(runs, options, silent, align=False)
    rows = []
    for r, scale in zip(runs, scales, strict=True):
        found = columns(r, options, scale)
        kind, _ = verdict(indicators(r, found, names))
        kept = {name: found[name] for name in ("lyapunov_exponent", "lyapunov_exponent_se")}
        late = late_extrema(r, place, scale[place] if place < len(scale) else 0.0)
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
    return results.labelled(VARIABLES, data, coordinates, {"observable": name})


class Beside(eqx.Module):
    """What a verdict rests on, and one number more."""

    usual: Callable
    further: Callable

    def __call__(self, state: PyTree) -> Float[Array, " observables"]:
        return jnp.concatenate([self.usual(state), self.further(state)])


def _beside(runs: list[Classified], function: Callable) -> None:
    """Let the number that a function gives be recorded behind all that verdicts rest on.

    **Raises:** `ValueError` for anything but a function of the state to one number.
    """
    further, names = given_observables(function, runs[0].system.state, "observable")
    if len(names) > 1:
        raise ValueError(f"observable: got {len(names)} numbers, required is a function of the state to one.")
    for r in runs:
        r.observe = Beside(r.observe, further)


def chosen(observable: Any, names: list[str], functions: bool = True) -> tuple[int, str]:
    """The place of an observable among `names`, and its own name; that of a function is behind them.

    **Arguments:**

    - `functions`: whether the sentence of an error allows them.

    **Raises:** `ValueError` for a name that is none of them.
    """
    if observable is None:
        return 0, names[0]
    if callable(observable):
        return len(names), OWN
    if observable not in names:
        further = ", or a function of the state" if functions else ""
        raise ValueError(f"observable: got {observable!r}, allowed are {', '.join(names)}{further}.")
    return names.index(observable), observable


def late_extrema(r: Classified, place: int, scale: float) -> Float[np.ndarray, " extremum"]:
    """The last local extrema of an observable: of the late samples, or of even ones where these have more of them."""
    moves, continuous = r.status == Status.completed and moves_at_end(r, place, scale), r.system.continuous
    late, even = (extrema(s[np.isfinite(s)], moves, continuous) for s in (r.late[:, place], r.even[:, place]))
    known, of_even = np.isfinite(late).sum(), np.isfinite(even).sum()
    return even if of_even > known and (continuous or known == 0) else late


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
