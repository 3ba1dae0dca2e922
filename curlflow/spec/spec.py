"""`Spec`: the tables together, replacement of fields, TOML in and out."""

import contextlib
import copy
import json
import typing
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any

import tomli_w
from pydantic import Field, ValidationError, model_validator

from . import tables
from .arguments import as_plain
from .optimizers import OPTIMIZERS, NoOptimizer
from .rules import RULES, GradientRule
from .sentences import field_names, inconsistencies, kinds, nearest, sentences
from .words import tables_from, tables_in

if typing.TYPE_CHECKING:
    from ..problem import Problem


_drawn: ContextVar[dict[str, str] | None] = ContextVar("curlflow_drawn", default=None)


@contextlib.contextmanager
def fingerprints() -> Iterator[dict[str, str]]:
    """A dictionary that collects the fingerprints of all problems which specs build meanwhile."""
    token = _drawn.set({})
    try:
        yield _drawn.get()
    finally:
        _drawn.reset(token)


def _tagged(*kinds: type[tables.Table]) -> Any:
    return Annotated[typing.Union[kinds], Field(discriminator="kind")]  # noqa: UP007


class Spec(tables.Table):
    """An experiment.

    ```python
    spec = curlflow.Spec(network={"inputs": 73, "hidden": 146}, rule={"kind": "curl", "flipped": {"inputs": 0.3}})
    spec = spec.replace("rule.flipped.inputs", 0.6)
    ```

    **Raises:** `ValueError` with a sentence for every field that is unknown or out of range.
    """

    YOUNGER = ("model", "definition", "loss", "optimizer")

    seed: int = Field(0, ge=0, lt=2**63, description="seed of teachers, starts, feedback and batches")
    realizations: tables.Positive = Field(1, description="number of teachers and starts")
    network: tables.Network | None = Field(None, description="the student")
    model: tables.CustomModel | None = Field(None, description="what an Experiment was given in place of a network")
    teacher: tables.Teacher = Field(default_factory=tables.Teacher, description="the network that gives the targets")
    data: tables.DataSets = Field(default_factory=tables.DataSets, description="training and test sets")
    definition: str | None = Field(None, description="a checksum of what the objects of an Experiment compute")
    loss: tables.LossName = Field(
        "squared",
        description="what is learned to be small: half the squared error, or for targets of your own "
        "the cross-entropy of logits: logistic with targets from 0 to 1, softmax with labels",
    )
    rule: _tagged(*RULES) = Field(default_factory=GradientRule, description="the learning rule")
    constraint: _tagged(tables.NoConstraint, tables.FrobeniusConstraint, tables.CustomConstraint) = Field(
        default_factory=tables.NoConstraint, description="the constraint on the weights"
    )
    start: _tagged(tables.RandomStart, tables.TeacherStart, tables.CustomStart) = Field(
        default_factory=tables.RandomStart, description="the weights to start from"
    )
    dynamics: _tagged(tables.FlowDynamics, tables.UpdateDynamics, tables.DiffusionDynamics) = Field(
        default_factory=tables.FlowDynamics,
        description="continuous flow, discrete updates, or their limit with noise",
    )
    optimizer: _tagged(*OPTIMIZERS) = Field(
        NoOptimizer(), description="what updates make of the velocity of the rule"
    )

    def __init__(self, **fields: Any):
        try:
            super().__init__(**as_plain(fields))
        except ValidationError as error:
            raise ValueError(sentences(error, Spec)) from None

    @model_validator(mode="after")
    def _consistent(self) -> "Spec":
        for problem in inconsistencies(self):
            raise ValueError(problem)
        return self

    @property
    def widths(self) -> tuple[int, ...]:
        """The student's numbers of units from the inputs to the outputs; none of a model of your own."""
        if self.network is None:
            return ()
        return (self.network.inputs, *self.network.hidden_widths, self.network.outputs)

    @property
    def has_biases(self) -> bool:
        """Whether the student is a layered network with biases."""
        return self.network is not None and self.network.biases

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """The shapes of the student's arrays: weights (post, pre) of all layers, then biases (post,) if any."""
        weights = [(post, pre) for pre, post in zip(self.widths, self.widths[1:], strict=False)]
        return weights + [shape[:1] for shape in weights if self.has_biases]

    @property
    def teacher_widths(self) -> tuple[int, ...]:
        """The teacher's numbers of units from the inputs to the outputs; none of a model of your own."""
        if self.network is None:
            return ()
        width = self.network.hidden_widths if self.teacher.width is None else self.teacher.width
        hidden = width if isinstance(width, tuple) else (width,)
        return (self.network.inputs, *hidden, self.network.outputs)

    def replace(self, field: str | Mapping[str, Any], value: Any = None) -> "Spec":
        """A copy with another value of `field`, a dotted name such as `"rule.flipped.inputs"`.

        Several fields are replaced together by a mapping. `"dynamics.layer_rates[1]"` is one entry, counted from 0,
        of a list that is there. Replacing a `kind` keeps what the new kind has and
        takes defaults for the rest.

        **Raises:** `ValueError` for unknown fields and entries, and values out of range.
        """
        fields = {"optimizer": self.optimizer.model_dump(), **self.model_dump()}
        changes = dict(field) if isinstance(field, Mapping) else {field: value}
        if not all(isinstance(name, str) for name in changes):
            raise ValueError(f"field: got {field!r}, required is a dotted name, or a mapping of such names.")
        for name in sorted(changes, key=lambda name: not name.endswith("kind")):
            _set(fields, name, copy.deepcopy(changes[name]))
        return self._with_tables(fields)

    def _with_tables(self, fields: dict[str, Any]) -> "Spec":
        return Spec(**fields)

    @classmethod
    def from_toml(cls, path: str | Path) -> "Spec":
        """Read a spec from a TOML file.

        **Raises:** `ValueError` for a missing or malformed file, and as for the spec itself.
        """
        return cls(**tables_from(path, "a spec"))

    @classmethod
    def from_toml_string(cls, text: str, name: str = "TOML") -> "Spec":
        """Read a spec from TOML text; error messages call it `name`."""
        return cls(**tables_in(text, name))

    def sealed(self) -> "Spec":
        """This spec, complete as text: with checksums of a data file, and of what an experiment's objects do."""
        if self.data.file is None or self.data.digest is not None:
            return self
        from ..problem.given import data_in_file

        return self.replace("data.digest", data_in_file(self).digest)

    def restored(self, text: str) -> "Spec":
        """A spec like this one from JSON, with the objects of an `Experiment`."""
        return Spec.from_json(text)

    @classmethod
    def from_json(cls, text: str) -> "Spec":
        """Read a spec from JSON, as datasets carry it in the attribute `spec`."""
        return cls(**json.loads(text))

    def to_toml(self) -> str:
        """This spec as TOML text, every field written out."""
        return tomli_w.dumps(self.model_dump(exclude_none=True))

    def to_json(self) -> str:
        """This spec as one line of JSON."""
        return json.dumps(self.model_dump(exclude_none=True), ensure_ascii=False)

    def build(self, *, realization: int = 0, rule: Any = None, graph: Any = None) -> "Problem":
        """Draw the arrays of one realization.

        **Arguments:**

        - `realization`: which one; any number ≥ 0, even beyond `realizations`.
        - `rule`: a rule object of your own, in place of the one that the spec names.
        - `graph`: a `networkx.DiGraph` with the spec's widths, or an `Architecture` from
          `curlflow.networks.from_graph`. Synapses that it lacks stay 0, in the student and in a teacher of the same
          widths; its rule signs multiply the rule; its weights, where it has any, are those that the student starts
          with.

        **Returns:** a `curlflow.problem.Problem`.

        **Raises:** `ValueError` for arguments out of range, a graph of other widths or activations, and signs in both
        the graph and the rule.
        """
        from ..problem.problem import build

        return noted(build(self, realization=realization, rule=rule, graph=graph))


def noted(problem: "Problem") -> "Problem":
    """A problem whose fingerprint is taken down, where that is asked for."""
    if (known := _drawn.get()) is not None:
        known |= problem.fingerprint
    return problem


def _set(fields: dict, name: str, value: Any) -> None:
    """Set the field with the dotted `name` in nested dictionaries."""
    whole, bracket, index = name.partition("[")
    *path, last = whole.split(".")
    table = fields
    for depth, part in enumerate(path):
        inner = table.setdefault(part, {} if depth else None)
        if not isinstance(inner, dict):
            raise ValueError(f"{name}: unknown field{nearest('.'.join(path[: depth + 1]), field_names(Spec)) or '.'}")
        table = inner
    if last == "kind" and path and value in kinds(Spec, path[0]):
        for stale in table.keys() - kinds(Spec, path[0])[value].model_fields.keys():
            del table[stale]
    table[last] = _with_entry(table.get(last), index, value, name) if bracket else value


def _with_entry(given: Any, index: str, value: Any, name: str) -> list[Any]:
    """The list `given` with another value at `index`, which still ends with a bracket."""
    entries, number = list(given) if isinstance(given, list | tuple) else [], index.removesuffix("]")
    if number == index or not number.isdecimal() or int(number) >= len(entries):
        raise ValueError(f"{name}: no such entry, counted from 0; {name.partition('[')[0]} is {given}.")
    entries[int(number)] = value
    return entries
