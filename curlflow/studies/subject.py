"""What a study is about: the systems of a spec's realizations, or one system of the user's own."""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import numpy as np
import xarray as xr

from ..compression import Compression
from ..compression.sectors import Sectors
from ..networks.architecture import Architecture
from ..networks.graph import from_graph
from ..problem.problem import Problem, qualified_name
from ..rules.signals import error_signal
from ..solvers.integrate import Adaptive
from ..spec import Spec
from ..systems import AbstractSystem, Diffusion, Flow
from ..systems.linearised.kernels import geometry
from ..systems.linearised.tangent_spaces import TangentSpace, Whole
from ..systems.linearised.transverse import OffOrbits
from ..tangents import size
from .arguments import below_one

LONGEST_GRAPH = 100_000
"""Graphs that take more characters than this as JSON are named by a digest in the attributes of a dataset."""


def architecture_of(subject: Spec | AbstractSystem, graph: Any) -> Architecture | None:
    """What a study's argument `graph` says, read once for all realizations.

    **Raises:** `ValueError` for a graph with a system, and for what `from_graph` refuses.
    """
    if graph is None:
        return None
    if not isinstance(subject, Spec):
        raise ValueError("graph: a graph goes with a spec; the system that was given has its own dynamics.")
    return graph if isinstance(graph, Architecture) else from_graph(graph)


def systems_of(
    subject: Spec | AbstractSystem,
    *,
    rule: Any,
    rtol: float | None,
    atol: float | None,
    graph: Any = None,
    compress: bool = False,
    transverse: bool = False,
) -> tuple[list[AbstractSystem], list[TangentSpace], dict[str, Any]]:
    """The system of every realization, with other tolerances where they are given.

    **Returns:** the systems; the tangent spaces of their exponents: those of compressed ones have a sector with one
    idle unit for every group, unless `transverse`; and the attributes that say so.
    """
    tolerances = {"rtol": rtol, "atol": atol}
    tolerances = {name: below_one(name, value) for name, value in tolerances.items() if value is not None}
    if isinstance(subject, Spec):
        build = functools.partial(subject.build, rule=rule, graph=graph)
        problems = (compressed_alike if compress else built)(build, subject.realizations)
        problems = problems if transverse else [with_idle_units(p) for p in problems]
        systems = [p.system() for p in problems]
        spaces = [_space(*pair, transverse) for pair in zip(problems, systems, strict=True)]
        attributes = compression_attribute(problems[0].compression) | ({"transverse": True} if transverse else {})
    elif transverse:
        raise ValueError("transverse: it goes with a spec; of other systems no symmetry is known, leave it out.")
    else:
        systems, spaces, attributes = [subject], [Whole(subject)], {}
    if tolerances and not (isinstance(systems[0], Flow) and isinstance(systems[0].integrator, Adaptive)):
        raise ValueError(f"{next(iter(tolerances))}: maps and fixed steps have no tolerance; leave it out.")
    return [with_tolerances(s, **tolerances) for s in systems], spaces, attributes


def _space(problem: Problem, system: AbstractSystem, transverse: bool) -> TangentSpace:
    if transverse:
        signal, shape = error_signal(problem.rule, problem.student), geometry(problem.constraint)
        if signal is None or shape is None:
            raise ValueError(
                "transverse: symmetries are known for rules of equation (2), not for constraints of your own; "
                "leave it out."
            )
        return OffOrbits.of(system, signal, shape.masks)
    return Whole(system) if problem.compression is None else Sectors.of(problem.compression, system)


def built(build: Callable[..., Problem], realizations: int) -> list[Problem]:
    """All realizations."""
    return [build(realization=i) for i in range(realizations)]


def compressed_alike(build: Callable[..., Problem], realizations: int) -> list[Problem]:
    """All realizations, compressed where that makes them smaller and leaves them all of the same shape."""
    # One after the other, so that only one wide network is in memory.
    problems = [build(realization=i).compressed() for i in range(realizations)]
    layouts = {None if p.compression is None else p.compression.layout for p in problems}
    return problems if len(layouts) == 1 else built(build, realizations)


def with_idle_units(problem: Problem) -> Problem:
    """A compressed problem with an idle unit for every group; any other as it is."""
    if problem.compression is None:
        return problem
    idle = problem.compression.with_idle_units()
    return dataclasses.replace(problem, student=idle.network, rule=idle.rule, compression=idle)


def compression_attribute(compression: Compression | None) -> dict[str, Any]:
    """The attribute of a dataset that was computed on a narrower network; nothing where it was not."""
    return {} if compression is None else {"compression": compression.summary}


def with_tolerances(system: AbstractSystem, **tolerances: float) -> AbstractSystem:
    """`system` with other tolerances."""
    for name, value in tolerances.items():
        system = eqx.tree_at(lambda s, name=name: getattr(s.integrator, name), system, np.asarray(value))
    return system


def system_name(system: AbstractSystem) -> str:
    """A line that tells one system from another: its kind, function, dimension and a digest of its parameters."""
    functions = [system.vector_field if isinstance(system, Flow) else getattr(system, "step", system)]
    parameters = system.args
    if isinstance(system, Diffusion):
        functions = [system.drift, system.diffusion]
        parameters = system.args, system.key, system.step, system.steps, system.motions
    name = " and ".join(
        f"{getattr(f, '__module__', '')}.{getattr(f, '__qualname__', type(f).__qualname__)}" for f in functions
    )
    return f"{type(system).__name__} {name}, {size(system.state)} dimensions, parameters {_digest(parameters)}"


def _digest(parameters: Any) -> str:
    """A short hash of all numbers in a pytree."""
    digest = hashlib.sha256()
    for leaf in jax.tree.leaves(parameters):
        if isinstance(leaf, jax.Array) and jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            leaf = jax.random.key_data(leaf)
        digest.update(np.asarray(leaf).tobytes() if hasattr(leaf, "dtype") else repr(leaf).encode())
    return digest.hexdigest()[:12]


def subject_attributes(
    subject: Spec | AbstractSystem, rule: Any, architecture: Architecture | None = None
) -> dict[str, str]:
    """Attributes that say what a dataset is about: the spec as JSON, or the name of the system.

    With a graph also `graph`: itself as JSON, or its digest where that is longer than `LONGEST_GRAPH`.
    """
    if not isinstance(subject, Spec):
        return {"system": system_name(subject)}
    attributes = {}
    if architecture is not None:
        text = architecture.to_json()
        digest = f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
        attributes = {"graph": text if len(text) <= LONGEST_GRAPH else digest}
    if rule is None:
        return {"spec": subject.to_json(), **attributes}
    subject = subject.replace("rule", {"kind": "custom", "name": qualified_name(rule)})
    return {"spec": subject.to_json(), "rule_parameters": _digest(rule), **attributes}


def check_resumed_graph(previous: Any, subject: dict[str, str]) -> None:
    """Refuse to go on with a dataset of another graph, or of one where there is none now, or none where there is one.

    **Raises:** `ValueError` that names the first difference.
    """
    if not isinstance(previous, xr.Dataset):
        return
    before, now = previous.attrs.get("graph"), subject.get("graph")
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
