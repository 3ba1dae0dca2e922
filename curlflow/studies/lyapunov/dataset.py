"""From runs to the dataset of `curlflow.lyapunov`, and back from a dataset to runs that go on."""

import dataclasses
import json
import math
from collections.abc import Mapping
from enum import IntEnum
from typing import Any

import jax
import numpy as np
import xarray as xr
from jax.flatten_util import ravel_pytree

from ... import results
from ...measures import lyapunov, standard_error
from ...measures.lyapunov import ILL_CONDITIONED, Run, kaplan_yorke_dimension, largest_condition
from ...measures.standard_error import batch_means_error, error_ratio, halves_agree
from ...solvers.integrate import Adaptive, Clock, FixedSteps
from ...status import Status
from ...systems import AbstractSystem, Diffusion
from ...systems.linearised.tangent_spaces import TangentSpace
from ...tangents import as_rows, from_rows
from ...variable import Variable
from .options import Options
from .runs import Realization, as_numpy, with_fixed_steps


class KaplanYorke(IntEnum):
    """Why a Kaplan–Yorke dimension is there, or is not."""

    known = 0
    too_few_exponents = 1
    exponents_missing = 2


ROUNDING = 1e-12
"""Exponents closer to zero than this, or than the solver's relative tolerance, have no sign that means anything."""
R = ("realization",)
KY_STATUS = "kaplan_yorke_status"
VARIABLES = (
    *lyapunov.VARIABLES,
    *standard_error.VARIABLES,
    results.status_variable(),
    Variable("kaplan_yorke_dimension", R, "Kaplan–Yorke dimension", "1", {"ancillary_variables": KY_STATUS}),
    results.flag_variable(KY_STATUS, R, "why the Kaplan–Yorke dimension is known or not", KaplanYorke),
    Variable(
        "local_exponent_of_tangent",
        ("realization", "block", "tangent"),
        "exponent of one block of every tangent vector of a compressed network, to resume from",
    ),
    Variable("blocks", R, "number of blocks that were averaged"),
    Variable("step", R, "step of the solver in units of time: the fixed one, or the next adaptive one; 0 for a map"),
    Variable("tangent_of_exponent", ("realization", "exponent"), "which tangent vector measured this exponent"),
    Variable("final_state", ("realization", "state_variable"), "state at the end, to resume from"),
    Variable("final_tangent", ("realization", "tangent", "state_variable"), "tangents at the end, to resume from"),
    Variable("final_position", R, "time of a flow, or iteration of a map, at the end, to resume from"),
)  # fmt: skip


def assemble(
    realizations: list[Realization], options: Options, subject: Mapping[str, Any], system: AbstractSystem
) -> xr.Dataset:
    """The dataset of all realizations, finished or not."""
    columns = [_columns(r, options) for r in realizations]
    length = max(r.done for r in realizations)
    data = {name: np.stack([_padded(name, c[name], length) for c in columns]) for name in columns[0]}
    block = np.nan if options.block is None else options.block
    coordinates = {
        "realization": (R, np.arange(len(realizations)), "realization: teacher, start and tangents"),
        "exponent": (("exponent",), np.arange(1, options.exponents + 1), "rank of the exponent"),
        "time": (
            ("block",),
            block * np.arange(1, length + 1),
            "time at the end of a block since averaging began",
        ),
    }
    device = jax.devices()[0]
    method, tolerances = _method(system, options)
    settings = {
        **dataclasses.asdict(options),
        **tolerances,
        "duration": _averaged(realizations, options),
        "method": method,
    }
    del settings["before"]
    attributes = {
        **results.provenance("lyapunov", settings, f"{device.platform}: {device.device_kind}"),
        **subject,
        "stepping": options.stepping,
        "method": method,
        "criterion": _criterion(options),
        "resolution": max(ROUNDING, tolerances.get("rtol", 0.0)),
    }
    return results.labelled(VARIABLES, data, coordinates, attributes)


def _padded(name: str, values: Any, length: int) -> Any:
    """Local values of `length` blocks, with NaN for those that were not run."""
    if not name.startswith("local_"):
        return values
    return np.concatenate([values, np.full((length - len(values), *values.shape[1:]), np.nan)])


def _averaged(realizations: list[Realization], options: Options) -> float:
    """The duration that was asked for in all calls together, or what was done of it where all stopped before."""
    asked, done = options.before + options.duration, max(r.done for r in realizations)
    if options.block is None or done == math.ceil(asked / options.block - 1e-9):
        return asked
    return done * options.block


def _method(system: AbstractSystem, options: Options) -> tuple[str, dict[str, float]]:
    if not system.continuous:
        return ("euler_maruyama" if isinstance(system, Diffusion) else "map"), {}
    if not isinstance(system.integrator, Adaptive):
        return "rk4", {}
    tolerances = {"rtol": float(system.integrator.rtol), "atol": float(system.integrator.atol)}
    return ("rk4" if options.stepping == "fixed" else system.integrator.solver), tolerances


def _criterion(options: Options) -> str:
    block = f"no block has a condition number above {ILL_CONDITIONED:g}"
    if options.tolerance is not None:
        return f"every standard error is at most {options.tolerance:g}, and {block}"
    return f"the means of both halves of the run agree within two standard errors of their difference, and {block}"


def _columns(r: Realization, options: Options) -> dict[str, Any]:
    """What one realization contributes to every variable."""
    order = r.leading(options.exponents)
    local = r.series[:, order]
    mean = (r.series.mean(axis=0) if r.done else np.full(r.vectors, np.nan))[order]
    complete = options.exponents == r.space.dimension
    dimension, reason = kaplan_yorke_dimension(mean, complete)
    condition = np.nan if options.block is None else largest_condition(r.series, options.block)
    agreed = r.reached if options.tolerance is not None else halves_agree(local)
    columns = {
        "lyapunov_exponent": mean,
        "lyapunov_exponent_se": batch_means_error(local),
        "se_ratio": error_ratio(local),
        "local_exponent": local,
        "tangent_of_exponent": order,
        "kaplan_yorke_dimension": dimension,
        "kaplan_yorke_status": np.int8(KaplanYorke[reason or "known"]),
        "status": np.int8(r.status),
        "largest_condition": condition,
        "converged": bool(agreed and r.status == Status.completed and not condition > ILL_CONDITIONED),
        "blocks": r.done,
        "step": _step(r),
        **_final(r),
    }
    if r.space.splits:
        columns["local_exponent_of_tangent"] = r.series
    if complete and r.space.has_volume:
        divergence = r.divergences.mean() if r.done else np.nan
        columns |= {
            "local_divergence": r.divergences,
            "mean_divergence": divergence,
            "divergence_residual": mean.sum() - divergence if np.isfinite(divergence) else np.nan,
        }
    return columns


def _step(r: Realization) -> float:
    if r.system.continuous and isinstance(r.system.integrator, FixedSteps):
        return float(r.system.integrator.step)
    if isinstance(r.system, Diffusion):
        return float(r.system.step)
    return float(r.run.clock.step)


def _final(r: Realization) -> dict[str, Any]:
    state = np.asarray(ravel_pytree(r.run.state)[0])
    tangents = np.asarray(as_rows(r.run.tangents))
    if tangents.shape[1] == 0:
        tangents = np.full((tangents.shape[0], state.size), np.nan)
    return {"final_state": state, "final_tangent": tangents, "final_position": float(r.run.clock.position)}


def restored(
    previous: Any,
    given: Mapping[str, Any],
    systems: list[AbstractSystem],
    spaces: list[TangentSpace],
    subject: Mapping[str, str],
) -> tuple[Options, list[Realization]]:
    """The options and runs with which `previous` goes on.

    **Raises:** `ValueError` where `previous` is of another spec or system, or was made with other options.
    """
    options = _options(previous, given, systems[0], spaces[0])
    _check_subject(previous, subject, len(systems))
    pairs = enumerate(zip(systems, spaces, strict=True))
    return options, [_realization(previous, i, system, part, options) for i, (system, part) in pairs]


def check_resumed(previous: Any) -> None:
    """Refuse to go on with anything but a whole dataset of exponents."""
    if not isinstance(previous, xr.Dataset):
        raise ValueError(
            f"resume: got {previous!r}, required is a dataset; curlflow.load(PATH) reads one from a file."
        )
    if previous.attrs.get("study") != "lyapunov" or "final_tangent" not in previous:
        raise ValueError("resume: a dataset of curlflow.lyapunov is required, with all its variables.")
    rows = previous.local_exponent.notnull().any("exponent").sum("block")
    if (rows != previous.blocks).any():
        raise ValueError(
            f"resume: the dataset has {rows.to_numpy().tolist()} blocks of local_exponent, required are "
            f"{previous.blocks.to_numpy().tolist()}; give it as it was saved, whole."
        )


def _options(previous: xr.Dataset, given: Mapping[str, Any], system: AbstractSystem, space: TangentSpace) -> Options:
    used = json.loads(previous.attrs["settings"])
    for name, value in given.items():
        if name not in ("duration", "tolerance") and value is not None and value != used.get(name):
            raise ValueError(
                f"resume: {name} = {value!r} was given, but the dataset was made with {used.get(name)!r}; "
                f"leave {name} out to go on with that."
            )
    keep = ("exponents", "transient", "alignment", "block", "seed")
    options = {name: used.get(name) for name in keep} | {name: given[name] for name in ("duration", "tolerance")}
    options["before"] = used["duration"] if used.get("block") is not None else 0.0
    if system.continuous:
        options |= {name: used.get(name) for name in ("stepping", "rtol", "atol")}
    return Options.checked(options, system, space)


def _check_subject(previous: xr.Dataset, subject: Mapping[str, str], number: int) -> None:
    for name, now in subject.items():
        before = previous.attrs.get(name, "something else")
        if before != now:
            raise ValueError(f"resume: the dataset is about another {name}: {_difference(before, now)}.")
    if previous.sizes["realization"] != number:
        raise ValueError(
            f"resume: realizations: the dataset has {previous.sizes['realization']}, required: {number}."
        )


def _difference(before: str, now: str) -> str:
    try:
        a, b = _flat(json.loads(before)), _flat(json.loads(now))
    except (ValueError, AttributeError):
        return f"{before!r}, not {now!r}"
    different = [f"{k} = {a.get(k)!r}, not {b.get(k)!r}" for k in sorted({*a, *b}) if a.get(k) != b.get(k)]
    return "; ".join(different) or "another order of fields"


def _flat(tables: dict, prefix: str = "") -> dict[str, Any]:
    flat = {}
    for name, value in tables.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flat


def _realization(
    previous: xr.Dataset, index: int, system: AbstractSystem, space: TangentSpace, options: Options
) -> Realization:
    """One run as `previous` left it. What had no block yet starts again."""
    r = Realization.fresh(index, system, options, space)
    saved = previous.isel(realization=index)
    done, status = int(saved.blocks), Status(int(saved.status))
    if done == 0 and status in (Status.interrupted, Status.not_run):
        return r
    unravel = ravel_pytree(system.state)[1]
    position = saved.final_position.to_numpy()
    clock = Clock(position if system.continuous else position.astype(np.int64), saved.step.to_numpy())
    if system.continuous and options.stepping == "fixed":
        r.system = with_fixed_steps(system, float(saved.step))
        clock = clock._replace(step=np.asarray(0.0))
    tangents = from_rows(np.asarray(saved.final_tangent), system.state)
    r.run = as_numpy(Run(unravel(saved.final_state.to_numpy()), tangents, clock, status.value))
    if not space.splits:
        order = np.argsort(saved.tangent_of_exponent.to_numpy())
        r.local_exponents = [saved.local_exponent.to_numpy()[:done, order]]
    else:
        r.local_exponents = [saved.local_exponent_of_tangent.to_numpy()[:done]]
    if "local_divergence" in saved:
        r.local_divergences = [saved.local_divergence.to_numpy()[:done]]
    r.started = True
    return r
