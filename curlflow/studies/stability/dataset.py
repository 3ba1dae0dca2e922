"""The dataset of `curlflow.stability`."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
import xarray as xr

from ... import results
from ...status import Status
from ...systems.linearised.origin import OriginType, origin_rates, origin_types
from ...variable import Variable
from .decision import UNKNOWN, Decision, Verdict
from .linearised import Method

PARTS = ("symmetry", "manifold", "constraint")


def assemble(
    verdicts: Sequence[Verdict],
    realizations: int,
    at: str,
    number: int,
    tolerance: float,
    subject: dict[str, Any],
) -> xr.Dataset:
    """The labelled dataset; realizations that were not reached are `not_run`."""
    width = max((v.eigenvalues.size for v in verdicts), default=0)
    values = np.full((realizations, width), np.nan + 1j * np.nan)
    for i, verdict in enumerate(verdicts):
        values[i, : verdict.eigenvalues.size] = verdict.eigenvalues

    def each(name: str, missing: Any, dtype: Any) -> np.ndarray:
        found = [getattr(v, name) for v in verdicts]
        return np.array(found + [missing] * (realizations - len(found)), dtype=dtype)

    nan = float("nan")
    data = {
        "eigenvalue_real": values.real,
        "eigenvalue_imag": values.imag,
        "leading_real_part": each("leading", nan, float),
        "stable": each("stable", False, bool),
        "verdict": each("decision", Decision.undecided, np.int8),
        "neutral_threshold": each("threshold", nan, float),
        "numerical_abscissa": each("abscissa", nan, float),
        "neutral_dimension": each("neutral", UNKNOWN, np.int64),
        "neutral_part": each("parts", (UNKNOWN,) * 3, np.int64).reshape(realizations, 3),
        "critical_learning_rate": each("critical_rate", nan, float),
        "training_error": each("error", nan, float),
        "speed": each("speed", nan, float),
        "method": each("method", Method.none, np.int8),
        "status": each("status", Status.not_run, np.int8),
    }
    coordinates: dict[str, Any] = {
        "realization": (("realization",), np.arange(realizations), "realization"),
        "eigenvalue": (("eigenvalue",), np.arange(1, width + 1), "rank of the eigenvalue, by decreasing real part"),
        "part": (("part",), np.array(PARTS), "kind of neutral direction"),
    }
    data |= _origin(verdicts, realizations, coordinates)
    device = jax.devices()[0]
    settings = {"at": at, "eigenvalues": number, "tolerance": tolerance}
    attributes = results.provenance("stability", settings, f"{device.platform}: {device.device_kind}")
    return results.labelled(_variables(), data, coordinates, attributes | subject)


def _origin(verdicts: Sequence[Verdict], realizations: int, coordinates: dict[str, Any]) -> dict[str, Any]:
    """What is known of every hidden unit at the origin."""
    squares = next((v.squares for v in verdicts if v.squares is not None), None)
    if squares is None:
        return {}
    shape = (realizations, len(squares))
    types = np.full(shape, OriginType.undefined, dtype=np.int8)
    rates, frequencies = np.full(shape, np.nan), np.full(shape, np.nan)
    for i, verdict in enumerate(verdicts):
        if verdict.squares is not None:
            types[i] = origin_types(verdict.squares)
            rates[i], frequencies[i] = origin_rates(verdict.squares)
    coordinates["hidden_unit"] = (("hidden_unit",), np.arange(shape[1]), "hidden unit")
    return {"origin_type": types, "growth_rate": rates, "frequency": frequencies}


def _variables() -> tuple[Variable, ...]:
    one, each, units = ("realization",), ("realization", "eigenvalue"), ("realization", "hidden_unit")
    status = {"ancillary_variables": "status method"}
    unknown = {"comment": f"{UNKNOWN}: not known"}
    return (
        Variable("eigenvalue_real", each, "real part of an eigenvalue, per unit of time", attributes=status),
        Variable("eigenvalue_imag", each, "imaginary part of an eigenvalue, per unit of time", attributes=status),
        Variable("leading_real_part", one, "largest real part of the eigenvalues that are not neutral"),
        Variable("stable", one, "whether the point was found to be stable", attributes={"comment": "see verdict"}),
        results.flag_variable("verdict", one, "whether all eigenvalues that are not neutral decay", Decision),
        Variable("neutral_threshold", one, "modulus up to which an eigenvalue counts as neutral, per unit of time"),
        Variable("numerical_abscissa", one, "largest initial growth rate of any perturbation within the constraint"),
        Variable("neutral_dimension", one, "number of directions along which nothing changes", attributes=unknown),
        Variable(
            "neutral_part",
            ("realization", "part"),
            "neutral directions: symmetry orbits, the rest of the manifold, taken away by the constraint",
            attributes=unknown,
        ),
        Variable(
            "critical_learning_rate",
            one,
            "largest stable step of one update, of one batch",
            attributes={"comment": "NaN: no step is small enough, or it is not known"},
        ),
        Variable("training_error", one, "training error at the point"),
        Variable("speed", one, "norm of the velocity at the point"),
        Variable("growth_rate", units, "largest growth rate of a hidden unit at the origin"),
        Variable("frequency", units, "largest angular frequency of a hidden unit at the origin, per unit of time"),
        results.flag_variable("origin_type", units, "what the origin is to a hidden unit", OriginType),
        results.flag_variable("method", one, "what the eigenvalues were computed from", Method),
        results.status_variable(),
    )
