"""The dataset of `curlflow.stability`, and the verdict on one realization."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import xarray as xr
from jaxtyping import Complex

from .. import results
from ..measures import spectrum
from ..rules.signals import error_signal
from ..status import Status
from ..systems import Map
from ..systems.kernels import geometry
from ..systems.origin import OriginType, origin_rates, origin_types
from ..systems.symmetry import orbit_dimension
from ..variable import Variable
from .stability_routes import Linearised, Method

PARTS = ("symmetry", "manifold", "constraint")
UNKNOWN = -1
"""What stands for a number of directions that is not known."""


@dataclass(frozen=True)
class Verdict:
    """What is stored of one realization."""

    eigenvalues: Complex[np.ndarray, " nonzero"]
    stable: bool
    abscissa: float
    neutral: int
    parts: tuple[int, int, int]
    critical_rate: float
    error: float
    speed: float
    method: Method
    status: Status
    squares: Any = None

    @property
    def leading(self) -> float:
        """The largest real part, NaN where all eigenvalues are neutral."""
        return float(self.eigenvalues.real.max()) if self.eigenvalues.size else float("nan")


def judged(
    found: Linearised,
    fixed: bool,
    speed: float,
    size: int,
    *,
    problem: Any = None,
    network: Any = None,
    error: float = float("nan"),
    system: Any = None,
) -> Verdict:
    """The verdict on a linearisation of a learning problem, or of a system of the user's own."""
    values, threshold = found.eigenvalues, found.threshold
    if isinstance(system, Map):
        return _judged_map(found, fixed, speed, size, float(system.time(1)))
    step = _step(problem)
    inside = values.real < -threshold if step is None else np.abs(1 + step * values) < 1
    status = found.status if found.status != Status.completed or fixed else Status.not_a_fixed_point
    parts = (UNKNOWN,) * 3
    if problem is not None and found.neutral is not None:
        parts = _parts(problem, network, found.neutral)
    return Verdict(
        values,
        bool(values.size and inside.all()),
        found.abscissa,
        UNKNOWN if found.neutral is None else found.neutral,
        parts,
        _critical_rate(values, threshold),
        error,
        speed,
        found.method,
        status,
        found.squares,
    )


def _judged_map(found: Linearised, fixed: bool, speed: float, size: int, time: float) -> Verdict:
    """Multipliers become rates; neutral are those at one."""
    rates = np.full(size, -np.inf, dtype=complex) if found.neutral is not None else np.zeros(0, complex)
    rates = np.concatenate([np.log(found.eigenvalues) / time, rates[: size - len(found.eigenvalues)]])
    moving = rates[np.abs(rates) * time > 1e-10]
    status = found.status if found.status != Status.completed or fixed else Status.not_a_fixed_point
    neutral = UNKNOWN if found.neutral is None else size - len(moving)
    stable = bool(moving.size and (moving.real < 0).all())
    values = spectrum.in_order(moving)
    nan = float("nan")
    return Verdict(values, stable, nan, neutral, (UNKNOWN,) * 3, nan, nan, speed, found.method, status)


def _step(problem: Any) -> float | None:
    """The step of one update, None for a flow."""
    if problem is None or problem.spec.dynamics.kind == "flow":
        return None
    rate, batch = problem.spec.dynamics.learning_rate, problem.spec.dynamics.batch
    return rate if batch == "full" else rate * batch / problem.spec.data.samples


def _critical_rate(values: Complex[np.ndarray, " nonzero"], threshold: float) -> float:
    """The largest η with |1 + ημ| < 1 for every μ: the least of −2 Re μ/|μ|²."""
    if not values.size or not (values.real < -threshold).all():
        return float("nan")
    return float(np.min(-2 * values.real / np.abs(values) ** 2))


def _parts(problem: Any, network: Any, neutral: int) -> tuple[int, int, int]:
    """How many neutral directions are symmetry orbits, the rest of the manifold, taken away by the constraint."""
    signal, shape = error_signal(problem.rule, network), geometry(problem.constraint)
    constraint = problem.constraint.codimension(network)
    orbit = orbit_dimension(network, signal, shape.masks) if signal is not None and shape is not None else None
    if orbit is None:
        return UNKNOWN, UNKNOWN, constraint
    return orbit, neutral - constraint - orbit, constraint


def assemble(
    verdicts: Sequence[Verdict], realizations: int, at: str, number: int, subject: dict[str, str]
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
    settings = {"at": at, "eigenvalues": number, "neutral_tolerance": spectrum.NEUTRAL}
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
        Variable("stable", one, "whether all eigenvalues that are not neutral decay"),
        Variable("numerical_abscissa", one, "largest initial growth rate of any perturbation"),
        Variable("neutral_dimension", one, "number of directions along which nothing changes", attributes=unknown),
        Variable(
            "neutral_part",
            ("realization", "part"),
            "neutral directions: symmetry orbits, the rest of the manifold, taken away by the constraint",
            attributes=unknown,
        ),
        Variable("critical_learning_rate", one, "largest learning rate at which updates stay; NaN where none does"),
        Variable("training_error", one, "training error at the point"),
        Variable("speed", one, "norm of the velocity at the point"),
        Variable("growth_rate", units, "largest growth rate of a hidden unit at the origin"),
        Variable("frequency", units, "largest angular frequency of a hidden unit at the origin, per unit of time"),
        results.flag_variable("origin_type", units, "what the origin is to a hidden unit", OriginType),
        results.flag_variable("method", one, "what the eigenvalues were computed from", Method),
        results.status_variable(),
    )
