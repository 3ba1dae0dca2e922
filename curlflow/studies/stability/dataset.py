"""The dataset of `curlflow.stability`."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from ... import results
from ...measures import decision
from ...measures.decision import Decision
from ...systems.linearised import origin
from ...systems.linearised.origin import OriginType, origin_rates, origin_types
from ...variable import Variable, flag_variable
from ..assemble import assembled
from .linearised import Method
from .runs import UNKNOWN, PointRun

PARTS = ("symmetry", "manifold", "constraint")
_ONE = ("realization",)
_UNKNOWN = {"comment": f"{UNKNOWN}: not known"}
VARIABLES = (
    *decision.VARIABLES,
    Variable("neutral_dimension", _ONE, "number of directions along which nothing changes", attributes=_UNKNOWN),
    Variable(
        "neutral_part",
        ("realization", "part"),
        "neutral directions: symmetry orbits, the rest of the manifold, taken away by the constraint",
        attributes=_UNKNOWN,
    ),
    Variable("training_error", _ONE, "training error at the point"),
    Variable("speed", _ONE, "norm of the velocity at the point"),
    *origin.VARIABLES,
    flag_variable("method", _ONE, "what the eigenvalues were computed from", Method),
    results.status_variable(),
)


def stability_dataset(
    points: Sequence[PointRun], settings: Mapping[str, Any], attributes: Mapping[str, Any]
) -> xr.Dataset:
    """The labelled dataset; realizations that were not reached are `not_run`."""
    width = max(p.found.eigenvalues.size for p in points)
    units = next((len(p.found.squares) for p in points if p.found.squares is not None), None)
    coordinates: dict[str, Any] = {
        "eigenvalue": (("eigenvalue",), np.arange(1, width + 1), "rank of the eigenvalue, by decreasing real part"),
        "part": (("part",), np.array(PARTS), "kind of neutral direction"),
    }
    if units is not None:
        coordinates["hidden_unit"] = (("hidden_unit",), np.arange(units), "hidden unit")
    rows = [_row(p) | ({} if units is None else _origin(p.found.squares, units)) for p in points]
    return assembled("stability", VARIABLES, rows, coordinates, settings, attributes)


def _row(p: PointRun) -> dict[str, Any]:
    found = p.found
    return {
        "eigenvalue_real": found.eigenvalues.real,
        "eigenvalue_imag": found.eigenvalues.imag,
        "leading_real_part": found.leading,
        "stable": p.decision == Decision.stable,
        "verdict": np.int8(p.decision),
        "neutral_threshold": found.threshold,
        "numerical_abscissa": found.abscissa,
        "neutral_dimension": UNKNOWN if found.neutral is None else found.neutral,
        "neutral_part": np.array(p.parts),
        "critical_learning_rate": p.critical_rate,
        "training_error": p.error,
        "speed": p.speed,
        "method": np.int8(found.method),
        "status": np.int8(p.status),
    }


def _origin(squares: Any, units: int) -> dict[str, Any]:
    """What is known of every hidden unit at the origin."""
    if squares is None:
        nothing = np.full(units, np.nan)
        undefined = np.full(units, OriginType.undefined, dtype=np.int8)
        return {"origin_type": undefined, "growth_rate": nothing, "frequency": nothing}
    rate, frequency = origin_rates(squares)
    return {"origin_type": origin_types(squares).astype(np.int8), "growth_rate": rate, "frequency": frequency}
