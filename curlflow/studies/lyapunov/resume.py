"""From a dataset of `curlflow.lyapunov` back to runs that go on exactly where they stopped."""

import json
import warnings
from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
import xarray as xr
from jax.flatten_util import ravel_pytree
from jaxtyping import PyTree
from pydantic import PlainValidator

from ...status import Status
from ...systems import AbstractSystem
from ...systems.linearised.tangent_spaces import TangentSpace
from ...tangents import from_rows, size
from ..runs import as_numpy
from ..subject import check_drawn, flat
from .options import LyapunovOptions
from .runs import TangentRun


def restored(
    previous: xr.Dataset,
    given: Mapping[str, Any],
    identity: dict[str, str],
    fingerprint: Mapping[str, str],
    systems: list[AbstractSystem],
    spaces: list[TangentSpace],
) -> list[TangentRun]:
    """The runs with which `previous` goes on; `identity` and `fingerprint` are those of their subject.

    **Raises:** `ValueError` where `previous` is of another spec or system, was made with other options or of
    other arrays.
    """
    check_graph(previous, identity)
    options = _options(previous, given, systems[0], spaces[0])
    defined = "definition" in previous.attrs and "definition" in identity
    if defined:
        _check_definition(json.loads(previous.attrs["definition"]), json.loads(identity["definition"]))
    for name, now in identity.items():
        before = previous.attrs.get(name, "something else")
        # Functions may be called otherwise. Datasets of earlier versions have no definition.
        if before != now and name != "definition" and not (defined and name == "system"):
            raise ValueError(f"resume: the dataset is about another {name}: {_difference(before, now)}.")
    check_drawn("resume", previous, fingerprint)
    there = previous.sizes["realization"]
    if there != len(systems):
        raise ValueError(f"resume: realizations: the dataset has {there}, required: {len(systems)}.")
    pairs = enumerate(zip(systems, spaces, strict=True))
    return [_run(previous, i, system, space, options) for i, (system, space) in pairs]


def tolerances_of(previous: xr.Dataset) -> tuple[float | None, float | None]:
    """The tolerances of the solver with which `previous` was made; None for what has none."""
    used = json.loads(previous.attrs["settings"])
    return used.get("rtol"), used.get("atol")


def stretches(previous: xr.Dataset, now: xr.Dataset) -> str:
    """What each call added to `now`, which goes on with `previous`, as JSON; `duration` is that of all so far."""
    before = json.loads(previous.attrs["stretches"]) if "stretches" in previous.attrs else [_stretch(previous)]
    return json.dumps([*before, _stretch(now)])


def _stretch(dataset: xr.Dataset) -> dict[str, Any]:
    settings = json.loads(dataset.attrs["settings"])
    own = {name: settings.get(name) for name in ("duration", "tolerance")} | {
        "blocks": dataset.blocks.values.tolist()
    }
    return own | {
        name: dataset.attrs[name] for name in ("created", "commit", "versions", "device") if name in dataset.attrs
    }


def starts_of(previous: xr.Dataset, given: Any) -> PyTree | None:
    """Where the realizations of a system go on, if `previous` has several; None for those of a spec."""
    if not isinstance(given, AbstractSystem) or previous.sizes["realization"] == 1:
        return None
    if previous.sizes["state_variable"] != size(given.state):
        return None  # of another system, which is refused later
    return as_numpy(from_rows(previous.final_state.to_numpy(), given.state))


def _resumable(previous: Any) -> xr.Dataset:
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
    return previous


Resumable = Annotated[xr.Dataset, PlainValidator(_resumable)]


def _options(
    previous: xr.Dataset, given: Mapping[str, Any], system: AbstractSystem, space: TangentSpace
) -> LyapunovOptions:
    used = json.loads(previous.attrs["settings"])
    for name, value in given.items():
        if name not in ("duration", "tolerance") and value is not None and value != used.get(name):
            raise ValueError(
                f"resume: {name} = {value!r} was given, but the dataset was made with {used.get(name)!r}; "
                f"leave {name} out to go on with that."
            )
    kept = ("exponents", "transient", "alignment", "block", "seed")
    kept += ("stepping", "rtol", "atol") if system.continuous else ()
    options = {name: used.get(name) for name in kept} | {name: given[name] for name in ("duration", "tolerance")}
    options["before"] = used["duration"] if used.get("block") is not None else 0.0
    return LyapunovOptions.of(options, system, space)


def _check_definition(before: dict[str, Any], now: dict[str, Any]) -> None:
    """Refuse to go on with what computes something else. Another release of JAX may write one program otherwise."""
    different = [name for name in now if name != "jax" and before.get(name) != now[name]]
    if different == ["law"] and before["jax"] != now["jax"]:
        warnings.warn(
            f"resume: the dataset was made with JAX {before['jax']}, this is {now['jax']}; whether the function "
            "still computes the same cannot be told.",
            stacklevel=5,
        )
    elif different:
        name = different[0]
        other = f"its {name.replace('_', ' ')}: {before.get(name)} there, {now[name]} here"
        what = "its function computes something else" if name == "law" else other
        raise ValueError(f"resume: the dataset is about another system: {what}.")


def _difference(before: str, now: str) -> str:
    try:
        a, b = flat(json.loads(before)), flat(json.loads(now))
    except (ValueError, AttributeError):
        return f"{before!r}, not {now!r}"
    different = [f"{k} = {a.get(k)!r}, not {b.get(k)!r}" for k in sorted({*a, *b}) if a.get(k) != b.get(k)]
    return "; ".join(different) or "another order of fields"


def _run(
    previous: xr.Dataset, index: int, system: AbstractSystem, space: TangentSpace, options: LyapunovOptions
) -> TangentRun:
    """One run as `previous` left it. What had no block yet starts again."""
    r = TangentRun.fresh(index, system, options, space)
    saved = previous.isel(realization=index)
    done, status = int(saved.blocks), Status(int(saved.status))
    if done == 0 and status in (Status.interrupted, Status.not_run):
        return r
    if options.stepping == "fixed" and system.continuous:
        r.system = system.with_fixed_steps(float(saved.step))
    r.state = as_numpy(ravel_pytree(system.state)[1](saved.final_state.to_numpy()))
    r.tangents = as_numpy(from_rows(np.asarray(saved.final_tangent), system.state))
    r.clock = r.system.clock_at(saved.final_position.to_numpy(), saved.step.to_numpy())
    if r.system.stepping == "fixed":
        r.clock = r.clock._replace(step=np.asarray(0.0))
    if space.splits:
        r.local_exponents = [saved.local_exponent_of_tangent.to_numpy()[:done]]
    else:
        order = np.argsort(saved.tangent_of_exponent.to_numpy())
        r.local_exponents = [saved.local_exponent.to_numpy()[:done, order]]
    if "local_divergence" in saved:
        r.local_divergences = [saved.local_divergence.to_numpy()[:done]]
    r.status, r.done, r.started = status, done, True
    r.condition = float(saved.largest_condition)
    if "flow_residual" in saved:  # datasets of earlier versions have none
        r.flow_residual, r.factorisations = float(saved.flow_residual), int(saved.factorisations)
    return r


def check_graph(previous: xr.Dataset, identity: dict[str, str]) -> None:
    """Refuse to go on with a dataset of another graph, or of one where there is none now, or none where there is one.

    **Raises:** `ValueError` that names the first difference.
    """
    before, now = previous.attrs.get("graph"), identity.get("graph")
    if before == now:
        return
    if before is None:
        raise ValueError("resume: the dataset was made without a graph; leave graph out to go on with it.")
    if now is None:
        raise ValueError("resume: the dataset was made with a graph; give the same one by graph=.")
    raise ValueError(f"resume: the dataset is about another graph: {_graph_difference(before, now)}.")


def _graph_difference(before: str, now: str) -> str:
    """The first neuron or synapse in which two graphs differ."""
    if before.startswith("sha256:") or now.startswith("sha256:"):
        return f"{before[:15]}…, not {now[:15]}…"
    a, b = (_graph_parts(json.loads(text)) for text in (before, now))
    for part in (*a, *b):
        if a.get(part) != b.get(part):
            return f"{part}: {a.get(part, 'missing')}, not {b.get(part, 'missing')}"
    return "its nodes are in another order"


def _graph_parts(graph: dict) -> dict[str, Any]:
    parts = {f"attribute {name}": value for name, value in graph["graph"].items()}
    parts |= {f"node {node.pop('id')!r}": node for node in graph["nodes"]}
    return parts | {f"edge {e.pop('source')!r} → {e.pop('target')!r}": e for e in graph["edges"]}
