"""What a study is about: the realizations of a spec, or one system of the user's own."""

import dataclasses
import functools
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from ..compression import Compression
from ..compression.sectors import Sectors
from ..experiment import Experiment
from ..networks.architecture import Architecture
from ..networks.graph import from_graph
from ..outside import digest
from ..problem.problem import Problem, qualified_name
from ..results import FINGERPRINT
from ..rules.memory import check_without_memory
from ..spec import Spec
from ..systems import AbstractSystem, Diffusion, Flow, Map
from ..systems.checks import started_at
from ..systems.linearised.kernels import geometry
from ..systems.linearised.tangent_spaces import TangentSpace, Whole
from ..systems.linearised.transverse import OffOrbits
from ..tangents import size

LONGEST_GRAPH = 100_000
"""Graphs that take more characters than this as JSON are named by a digest in the attributes of a dataset."""


@dataclass(frozen=True)
class Subject:
    """What a study is about; everything that is studied comes in through `Subject.of`, which makes all refusals.

    **Attributes:**

    - `given`: a spec, or a system.
    - `rule`, `architecture`: a rule object and a graph that take the place of the spec's own; None for none.
    - `compress`: whether wide networks run as narrow ones where that is exact.
    - `transverse`: whether tangents are kept off the orbits of rotations of hidden units.
    - `tangents`: whether tangents are carried. Compressed networks then keep an idle unit for every group.
    - `starts`: of a system, the states with which its realizations start, with a leading axis. None: its own alone.
    """

    given: Any
    rule: Any = None
    architecture: Architecture | None = None
    compress: bool = False
    transverse: bool = False
    tangents: bool = False
    starts: Any = None

    @classmethod
    def of(
        cls,
        given: Any,
        *,
        rule: Any = None,
        graph: Any = None,
        compress: bool = False,
        transverse: bool = False,
        tangents: bool = False,
        starts: Any = None,
        systems: tuple[type[AbstractSystem], ...] = (Flow, Map, Diffusion),
        argument: str = "spec_or_system",
        others: str = "",
    ) -> "Subject":
        """The subject that a study's arguments mean.

        **Arguments:**

        - `systems`: the kinds of systems that the study takes besides specs; `others` is what to say of any other.
        - `argument`: what the study calls its first argument.

        **Raises:** `ValueError` for anything else, and for what goes with a spec alone.
        """
        if others and isinstance(given, AbstractSystem) and not isinstance(given, systems):
            raise ValueError(f"{argument}: got a {type(given).__name__}, {others}.")
        if not isinstance(given, (Spec, *systems)):
            raise ValueError(f"{argument}: got {type(given).__name__}, required is {_allowed(systems)}.")
        if not isinstance(given, Spec):
            own = "goes with a spec; the system that was given has its own dynamics."
            if rule is not None:
                raise ValueError(f"rule: a rule object {own}")
            if graph is not None:
                raise ValueError(f"graph: a graph {own}")
            if transverse:
                raise ValueError(
                    "transverse: it goes with a spec; of other systems no symmetry is known, leave it out."
                )
            given.look_at_law()
        elif starts is not None:
            raise ValueError("starts: they go with a system; the realizations of a spec have starts of their own.")
        elif rule is None and isinstance(given, Experiment):
            rule = given.parts.get("rule")
        if isinstance(given, Spec) and given.data.file is not None:
            given = given.sealed()
        if graph is not None and not isinstance(graph, Architecture):
            graph = from_graph(graph)
        return cls(given, rule, graph, compress, transverse, tangents, starts)

    @property
    def learning(self) -> bool:
        """Whether it is a network that learns, by a spec."""
        return isinstance(self.given, Spec)

    @property
    def realizations(self) -> int:
        """How many there are; one of a system for every start."""
        return self.given.realizations if self.learning else len(self.systems)

    @property
    def continuous(self) -> bool:
        """Whether time is continuous; updates and maps go by whole epochs and iterations."""
        return self.systems[0].continuous

    @property
    def along(self) -> str:
        """The dimension along a run: `time` of flows, `epoch` of updates, `iteration` of other maps."""
        return "time" if self.continuous else "epoch" if self.learning else "iteration"

    @property
    def size(self) -> int:
        """How many numbers are in a state: weights, or state variables."""
        return sum(map(math.prod, self.shapes)) if self.learning else size(self.given.state)

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """The shapes of the weights, (post, pre), layer by layer, and then of biases, or of a model's arrays."""
        if self.learning and self.given.network is None:
            return [np.shape(w) for w in self.problems[0].student.weights]
        return self.given.shapes if self.learning else []

    def build(self, realization: int = 0) -> Problem:
        """The problem of one realization, as it stands in the spec."""
        problem = self.given.build(realization=realization, rule=self.rule, graph=self.architecture)
        self.drawn.update(problem.fingerprint)
        return problem

    @functools.cached_property
    def drawn(self) -> dict[str, str]:
        """The fingerprints of all problems that were built."""
        return {}

    @property
    def fingerprint(self) -> dict[str, Any]:
        """The attribute of a dataset that says which arrays its problems were drawn to be; nothing of a system."""
        return {FINGERPRINT: dict(sorted(self.drawn.items()))} if self.drawn else {}

    @functools.cached_property
    def problems(self) -> list[Problem]:
        """The problem of every realization, compressed where that is asked for; nothing of a system.

        They are compressed only if that leaves all of them of the same shape.
        """
        if self.learning and self.compress:
            # One after the other, so that only one wide network is in memory.
            problems = [self.build(i).compressed() for i in range(self.realizations)]
            if len({None if p.compression is None else p.compression.layout for p in problems}) == 1:
                return [with_idle_units(p) for p in problems] if self.tangents and not self.transverse else problems
        return [self.build(i) for i in range(self.realizations)] if self.learning else []

    @functools.cached_property
    def systems(self) -> list[AbstractSystem]:
        """The system of every realization."""
        if self.learning:
            return [p.system() for p in self.problems]
        return [self.given] if self.starts is None else started_at(self.given, self.starts)

    def with_tolerances(self, rtol: Any, atol: Any) -> list[AbstractSystem]:
        """The systems, with other tolerances where they are given.

        **Raises:** `ValueError` for tolerances out of range, and for systems without any.
        """
        given = {name: value for name, value in {"rtol": rtol, "atol": atol}.items() if value is not None}
        return [system.with_tolerances(**given) for system in self.systems]

    def space(self, realization: int) -> TangentSpace:
        """The tangent space to which the exponents of a realization belong."""
        system = self.systems[realization]
        if not self.learning:
            return Whole(system)
        problem = self.problems[realization]
        if not self.transverse:
            return Whole(system) if problem.compression is None else Sectors.of(problem.compression, system)
        if problem.optimizer is not None:
            raise ValueError(
                "transverse: with an optimizer, whose memory turns as well, no orbits are known; leave it out."
            )
        alone = "which turns as well, so that no orbits are known; leave transverse out."
        check_without_memory(problem.rule, problem.student, alone)
        signal, shape = problem.signal(problem.student), geometry(problem.constraint)
        if signal is None or shape is None:
            raise ValueError(
                "transverse: symmetries are known for rules of equation (2) and the squared error in layered "
                "networks without network.biases, not for constraints of your own; leave it out."
            )
        return OffOrbits.of(system, signal, shape.masks)

    @property
    def spaces(self) -> list[TangentSpace]:
        """The tangent space of every realization."""
        return [self.space(i) for i in range(self.realizations)]

    @functools.cached_property
    def identity(self) -> dict[str, str]:
        """Attributes that say what a dataset is about: the spec as JSON, or the name of the system.

        With a graph also `graph`: itself as JSON, or its digest where that is longer than `LONGEST_GRAPH`. Systems,
        and rules of the user's own, also have a `definition`: that of `AbstractSystem.definition` as JSON.
        """
        if not self.learning:
            return {"system": _described(self.given), "definition": json.dumps(self.given.definition)}
        attributes = {}
        if self.architecture is not None:
            text = self.architecture.to_json()
            short = f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
            attributes = {"graph": text if len(text) <= LONGEST_GRAPH else short}
        parts = self.given.parts if isinstance(self.given, Experiment) else {}
        if self.rule is None and not parts:
            return {"spec": self.given.to_json(), **attributes}
        spec, own = self.given, {"definition": json.dumps(self.systems[0].definition)}
        if self.rule is not None:
            own["rule_parameters"] = digest(self.rule)
            if parts.get("rule") is not self.rule:
                spec = spec.replace("rule", {"kind": "custom", "name": qualified_name(self.rule)})
        return {"spec": spec.to_json(), **own, **attributes}

    @property
    def attributes(self) -> dict[str, Any]:
        """`identity` with `fingerprint`, and how it was run: on narrower networks, with tangents off the orbits."""
        compression = self.problems[0].compression if self.compress and self.learning else None
        run = compression_attribute(compression) | ({"transverse": True} if self.transverse else {})
        return self.identity | self.fingerprint | run


def _allowed(systems: tuple[type[AbstractSystem], ...]) -> str:
    """What a study takes, in words."""
    if not systems:
        return "a curlflow.Spec"
    *names, last = ("a curlflow.Spec", *(f"a {kind.__name__}" for kind in systems))
    return f"{', '.join(names)} or {last}; curlflow.preset(NAME) and curlflow.Spec.from_toml(PATH) give specs"


def flat(tables: dict, prefix: str = "") -> dict[str, Any]:
    """Names with dots, and their values, of tables in tables."""
    found = {}
    for name, value in tables.items():
        found |= flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return found


def check_drawn(argument: str, dataset: xr.Dataset, now: Mapping[str, str], streams_only: bool = False) -> None:
    """Refuse a dataset of other arrays than `now`, or of other random streams; older ones do not say what theirs are.

    **Raises:** `ValueError`, with the first realization that differs.
    """
    before = json.loads(dataset.attrs.get(FINGERPRINT, "{}"))
    part = 0 if streams_only else slice(None)
    for seeds in before.keys() & now.keys():
        if before[seeds].split("-")[part] != now[seeds].split("-")[part]:
            raise ValueError(
                f"{argument}: the dataset is about other random numbers: what the seeds {seeds} gave has the "
                f"fingerprint {before[seeds]} there and {now[seeds]} here; they do not go together; compute it anew."
            )


def with_idle_units(problem: Problem) -> Problem:
    """A compressed problem with an idle unit for every group; any other as it is."""
    if problem.compression is None:
        return problem
    idle = problem.compression.with_idle_units()
    return dataclasses.replace(problem, student=idle.network, rule=idle.rule, compression=idle)


def compression_attribute(compression: Compression | None) -> dict[str, Any]:
    """The attribute of a dataset that was computed on a narrower network; nothing where it was not."""
    return {} if compression is None else {"compression": compression.summary}


def _described(system: AbstractSystem) -> str:
    """A line that tells one system from another: its kind, function, dimension and a digest of its parameters."""
    functions, parameters = system.described
    names = [f"{getattr(f, '__module__', '')}.{getattr(f, '__qualname__', type(f).__qualname__)}" for f in functions]
    kind, dimensions = type(system).__name__, size(system.state)
    return f"{kind} {' and '.join(names)}, {dimensions} dimensions, parameters {digest(parameters)}"
