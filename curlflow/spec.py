"""The description of an experiment: validated, immutable, readable as TOML.

A spec says what is learned, by whom, by which rule and from where; it holds no arrays. `Spec.build()` makes
them. Published settings are presets: `curlflow.preset("hidden_chaos")`.
"""

import copy
import difflib
import json
import tomllib
import typing
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli_w
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

if typing.TYPE_CHECKING:
    from .problem import Problem

Positive = Annotated[int, Field(ge=1)]
PositiveFloat = Annotated[float, Field(gt=0)]
Nonnegative = Annotated[float, Field(ge=0)]
Law = Literal["uniform", "normal"]
ActivationName = Literal["linear", "tanh", "relu", "sigmoid"]


def _widths(value: Any) -> int | tuple[int, ...]:
    many = isinstance(value, list | tuple)
    if any(isinstance(w, bool) or not isinstance(w, int) or w < 1 for w in (value if many else [value])):
        raise ValueError("allowed is a whole number of at least 1, or a list of them, one width per hidden layer")
    return tuple(value) if many else value


Widths = Annotated[
    int | tuple[int, ...],
    PlainValidator(_widths),
    PlainSerializer(lambda w: list(w) if isinstance(w, tuple) else w),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1},
                {"type": "array", "items": {"type": "integer", "minimum": 1}},
            ]
        }
    ),
]

SELECTION = (
    "allowed is a fraction from 0 to 1 (the first ones), { count = 21 }, { indices = [0, 3] } or { random = 0.3 }"
)


def _is_fraction(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _is_index(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _selection(value: Any) -> float | dict:
    if _is_fraction(value):
        return float(value)
    if isinstance(value, Mapping) and len(value) == 1:
        ((kind, given),) = value.items()
        if kind == "random" and _is_fraction(given):
            return {"random": float(given)}
        if kind == "count" and _is_index(given):
            return {"count": given}
        if kind == "indices" and isinstance(given, list | tuple) and all(map(_is_index, given)):
            return {"indices": list(given)}
    raise ValueError(SELECTION)


def _selections(value: Any) -> float | dict | list:
    return [_selection(v) for v in value] if isinstance(value, list | tuple) else _selection(value)


_SELECTION_SCHEMA = {
    "anyOf": [
        {"type": "number", "minimum": 0, "maximum": 1},
        *(
            {"type": "object", "properties": {k: v}, "required": [k], "additionalProperties": False}
            for k, v in {
                "count": {"type": "integer", "minimum": 0},
                "indices": {"type": "array", "items": {"type": "integer", "minimum": 0}},
                "random": {"type": "number", "minimum": 0, "maximum": 1},
            }.items()
        ),
    ]
}
Selection = Annotated[float | dict, PlainValidator(_selection), WithJsonSchema(_SELECTION_SCHEMA)]
Selections = Annotated[
    float | dict | list,
    PlainValidator(_selections),
    WithJsonSchema({"anyOf": [*_SELECTION_SCHEMA["anyOf"], {"type": "array", "items": _SELECTION_SCHEMA}]}),
]


class Table(BaseModel):
    """A table of the spec: frozen, with no fields but those it names."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Network(Table):
    """The student."""

    inputs: Positive = Field(description="M, number of input units")
    hidden: Widths = Field(description="N, number of hidden units; or a list, one width per hidden layer")
    outputs: Positive = Field(1, description="K, number of output units")
    activation: ActivationName = Field("linear", description="φ of the hidden units")
    output_activation: ActivationName = Field("linear", description="φ_out of the outputs")

    @property
    def hidden_widths(self) -> tuple[int, ...]:
        """One width per hidden layer."""
        return self.hidden if isinstance(self.hidden, tuple) else (self.hidden,)


class Teacher(Table):
    """The network that gives the targets; same depth of description and activations as the student."""

    width: Widths | None = Field(None, description="its hidden width or widths; by default those of the student")
    law: Law = Field("uniform", description="law of its weights: U(±s/√fan-in), or normal with std s/√fan-in")
    scale: PositiveFloat = Field(1.0, description="s of that law")
    rescaled: bool = Field(False, description="rescale each layer to ‖W‖² = its number of rows")


class Data(Table):
    """Training and test sets, shared by all realizations."""

    samples: Positive | Literal["population"] = Field(
        250,
        description='n, number of training samples; or "population", for linear networks with full batches',
    )
    test_samples: Positive = Field(100, description="number of test samples")
    input_std: PositiveFloat = Field(0.5**0.5, description="standard deviation of every component of the inputs")
    seed: int = Field(0, ge=0, description="seed of the training and test inputs alone")


class Flipped(Table):
    """Which neurons or synapses learn with the other gain."""

    inputs: Selection = Field(0.0, description="of the inputs (presynaptic), or of the synapses that leave them")
    hidden: Selections = Field(
        0.0, description="of the hidden units, or of the synapses that leave them; a list for several layers"
    )
    outputs: Selection = Field(0.0, description="of the outputs; for side = postsynaptic only")


class GradientRule(Table):
    """Gradient descent."""

    kind: Literal["gradient"] = "gradient"


class CurlRule(Table):
    """Curl descent: gradient descent with some gains of another sign."""

    kind: Literal["curl"] = "curl"
    side: Literal["presynaptic", "postsynaptic", "synapse"] = Field(
        "presynaptic",
        description="whether a sign belongs to the neuron before or behind a synapse, or to the synapse",
    )
    gain: float = Field(-1.0, description="gain of what is flipped; all others have gain 1")
    flipped: Flipped = Field(default_factory=Flipped, description="what is flipped")


class FeedbackAlignmentRule(CurlRule):
    """Feedback alignment, optionally with flips."""

    kind: Literal["feedback_alignment"] = "feedback_alignment"  # type: ignore[assignment]
    scale: PositiveFloat = Field(1.0, description="s of the fixed feedback weights, U(±s/√fan-in)")


class CustomRule(Table):
    """A rule object that was given to `build` or a study by `rule=`; TOML never imports code."""

    kind: Literal["custom"] = "custom"
    name: str = Field(description="the qualified name of its class")


class NoConstraint(Table):
    """Weights move freely."""

    kind: Literal["none"] = "none"


class FrobeniusConstraint(Table):
    """Every layer keeps the Frobenius norm that it starts with."""

    kind: Literal["frobenius"] = "frobenius"


class RandomStart(Table):
    """Random starting weights."""

    kind: Literal["random"] = "random"
    law: Law = Field("uniform", description="U(±s/√fan-in), or normal with standard deviation s/√fan-in")
    scale: PositiveFloat = Field(1.0, description="s of that law")


class Offset(Table):
    """A number added to every weight of one layer."""

    layer: Positive = Field(description="which layer, counted from 1")
    value: float = Field(description="what is added to each of its weights")


class TeacherStart(Table):
    """The teacher's weights, optionally with a small offset."""

    kind: Literal["teacher"] = "teacher"
    offset: Offset | None = Field(None, description="a number added to every weight of one layer")


class FlowDynamics(Table):
    """Continuous time."""

    kind: Literal["flow"] = "flow"
    solver: Literal["tsit5", "dopri5", "dopri8", "bosh3", "kvaerno3", "kvaerno5"] = Field(
        "tsit5", description="diffrax solver; kvaerno3 and kvaerno5 are implicit, for small stiff systems"
    )
    rtol: PositiveFloat = Field(1e-6, description="relative tolerance of a step")
    atol: PositiveFloat = Field(1e-9, description="absolute tolerance of a step")


class UpdateDynamics(Table):
    """Discrete updates."""

    kind: Literal["updates"] = "updates"
    learning_rate: PositiveFloat = Field(
        0.1, description="η: an epoch is η units of time; a minibatch step is η · batch/samples"
    )
    batch: Positive | Literal["full"] = Field("full", description="samples per update, a divisor of data.samples")


def _tagged(*kinds: type[Table]) -> Any:
    return Annotated[typing.Union[kinds], Field(discriminator="kind")]  # noqa: UP007


class Spec(Table):
    """An experiment.

    ```python
    spec = curlflow.Spec(network={"inputs": 73, "hidden": 146}, rule={"kind": "curl", "flipped": {"inputs": 0.3}})
    spec = spec.replace("rule.flipped.inputs", 0.6)
    ```

    **Raises:** `ValueError` with a sentence for every field that is unknown or out of range.
    """

    seed: int = Field(0, ge=0, description="seed of teachers, starts, feedback and batches")
    realizations: Positive = Field(1, description="number of teachers and starts")
    network: Network = Field(description="the student")
    teacher: Teacher = Field(default_factory=Teacher, description="the network that gives the targets")
    data: Data = Field(default_factory=Data, description="training and test sets")
    rule: _tagged(GradientRule, CurlRule, FeedbackAlignmentRule, CustomRule) = Field(
        default_factory=GradientRule, description="the learning rule"
    )
    constraint: _tagged(NoConstraint, FrobeniusConstraint) = Field(
        default_factory=NoConstraint, description="what the weights must keep"
    )
    start: _tagged(RandomStart, TeacherStart) = Field(
        default_factory=RandomStart, description="the weights to start from"
    )
    dynamics: _tagged(FlowDynamics, UpdateDynamics) = Field(
        default_factory=FlowDynamics, description="continuous flow or discrete updates"
    )

    def __init__(self, **fields: Any):
        try:
            super().__init__(**fields)
        except ValidationError as error:
            raise ValueError(_sentences(error)) from None

    @model_validator(mode="after")
    def _consistent(self) -> "Spec":
        for problem in _inconsistencies(self):
            raise ValueError(problem)
        return self

    @property
    def widths(self) -> tuple[int, ...]:
        """The student's numbers of units from the inputs to the outputs."""
        return (self.network.inputs, *self.network.hidden_widths, self.network.outputs)

    @property
    def teacher_widths(self) -> tuple[int, ...]:
        """The teacher's numbers of units from the inputs to the outputs."""
        width = self.teacher.width
        hidden = self.network.hidden_widths if width is None else width if isinstance(width, tuple) else (width,)
        return (self.network.inputs, *hidden, self.network.outputs)

    def replace(self, field: str | Mapping[str, Any], value: Any = None) -> "Spec":
        """A copy with another value of `field`, a dotted name such as `"rule.flipped.inputs"`.

        Several fields are replaced together by a mapping. Replacing a `kind` keeps what the new kind has and
        takes defaults for the rest.

        **Raises:** `ValueError` for unknown fields and values out of range.
        """
        tables = self.model_dump()
        changes = dict(field) if isinstance(field, Mapping) else {field: value}
        for name in sorted(changes, key=lambda name: not name.endswith("kind")):
            _set(tables, name, copy.deepcopy(changes[name]))
        return Spec(**tables)

    @classmethod
    def from_toml(cls, path: str | Path) -> "Spec":
        """Read a spec from a TOML file.

        **Raises:** `ValueError` for a missing or malformed file, as for the spec itself.
        """
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
            raise ValueError(f"{path}: cannot be read as a spec: {reason}.") from None
        return cls.from_toml_string(text, str(path))

    @classmethod
    def from_toml_string(cls, text: str, name: str = "TOML") -> "Spec":
        """Read a spec from TOML text; `name` is what to call it in an error."""
        try:
            tables = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ValueError(f"{name}: no valid TOML: {error}.") from None
        return cls(**tables)

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

    def build(self, *, realization: int = 0, rule: Any = None) -> "Problem":
        """Draw the arrays of one realization.

        **Arguments:**

        - `realization`: which one; any number ≥ 0, also beyond `realizations`.
        - `rule`: a rule object of your own, in place of the one that the spec names.

        **Returns:** a `curlflow.problem.Problem`.
        """
        from .problem import build

        return build(self, realization=realization, rule=rule)


def _inconsistencies(spec: Spec):
    """Sentences about fields that are right by themselves but do not fit together."""
    layers, samples, dynamics = len(spec.widths) - 1, spec.data.samples, spec.dynamics
    linear = spec.network.output_activation == "linear" and (layers == 1 or spec.network.activation == "linear")
    full = not isinstance(dynamics, UpdateDynamics) or dynamics.batch == "full"
    if samples == "population" and not (linear and full):
        yield (
            'data.samples: got "population", which needs linear activations and full batches; '
            "give a number of samples."
        )
    if not full and samples != "population" and samples % dynamics.batch:
        yield (
            f"dynamics.batch: got {dynamics.batch}, allowed is a divisor of data.samples = {samples}, "
            'or "full"; what is left over would be lost.'
        )
    if isinstance(spec.start, TeacherStart):
        if spec.teacher_widths != spec.widths:
            yield (
                f"teacher.width: got hidden widths {list(spec.teacher_widths[1:-1])}; a start at the teacher's "
                f"weights needs those of the student, {list(spec.widths[1:-1])}."
            )
        if spec.start.offset and spec.start.offset.layer > layers:
            yield f"start.offset.layer: got {spec.start.offset.layer}, allowed is 1 to {layers}."
    if isinstance(spec.rule, CurlRule):
        yield from _flip_inconsistencies(spec.rule, layers)


def _flip_inconsistencies(rule: CurlRule, layers: int):
    hidden = rule.flipped.hidden
    if isinstance(hidden, list) and len(hidden) != layers - 1:
        yield (
            f"rule.flipped.hidden: got a list of {len(hidden)}, required is one selection for each of the "
            f"{layers - 1} hidden layers."
        )
    useless = "inputs" if rule.side == "postsynaptic" else "outputs"
    if getattr(rule.flipped, useless) != 0.0:
        yield (
            f"rule.flipped.{useless}: got {getattr(rule.flipped, useless)}, but {useless} are on no synapse's "
            f"{'postsynaptic' if useless == 'inputs' else 'presynaptic'} side, and rule.side is {rule.side}."
        )


def _set(tables: dict, name: str, value: Any) -> None:
    """Set the field with the dotted `name` in nested dictionaries."""
    *path, last = name.split(".")
    table = tables
    for depth, part in enumerate(path):
        inner = table.get(part) if part in table else {} if depth else None
        if not isinstance(inner, dict):
            raise ValueError(f"{name}: unknown field{_nearest('.'.join(path[: depth + 1]), _field_names())}.")
        table[part] = inner
        table = inner
    if last == "kind" and path and value in _kinds(path[0]):
        known = _kinds(path[0])[value].model_fields
        for stale in [key for key in table if key not in known]:
            del table[stale]
    table[last] = value


def _kinds(table: str) -> dict[str, type[Table]]:
    """The models of a table with a `kind`, by kind."""
    union = Spec.model_fields[table].annotation if table in Spec.model_fields else None
    return {m.model_fields["kind"].default: m for m in typing.get_args(union)}


def _field_names() -> list[str]:
    """Dotted names of all fields of all kinds."""
    names: set[str] = set()

    def walk(model: type[BaseModel], prefix: str):
        for name, info in model.model_fields.items():
            names.add(prefix + name)
            for inner in (info.annotation, *typing.get_args(info.annotation)):
                if isinstance(inner, type) and issubclass(inner, BaseModel):
                    walk(inner, f"{prefix}{name}.")

    walk(Spec, "")
    return sorted(names)


def _nearest(name: str, names: list[str]) -> str:
    close = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _sentences(error: ValidationError) -> str:
    """What pydantic found, one sentence per field: its name, what was given, what is allowed."""
    return "\n".join(dict.fromkeys(_sentence(entry) for entry in error.errors()))


def _sentence(entry: Any) -> str:
    kinds = {kind for table in ("rule", "constraint", "start", "dynamics") for kind in _kinds(table)}
    # The tag of a union stands in pydantic's path after the table; a reader does not write it.
    path = [str(p) for i, p in enumerate(entry["loc"]) if not (i == 1 and p in kinds)]
    name, given, kind = ".".join(path), entry["input"], entry["type"]
    if kind == "extra_forbidden":
        siblings = [n for n in _field_names() if n.rpartition(".")[0] == name.rpartition(".")[0]]
        allowed = ", ".join(n.rpartition(".")[2] for n in siblings)
        known = name in siblings
        if known:
            return (
                f"{name}: got {given!r}, but the kind of {path[0]} that was chosen has no use for it; leave it out."
            )
        return (
            f"{name}: unknown field{_nearest(name, _field_names())}{f' (fields here: {allowed})' if allowed else ''}."
        )
    if kind == "missing":
        return f"{name}: required, but not given."
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        allowed = ", ".join(k for k in _kinds(path[0]) if k != "custom")
        got = given.get("kind") if isinstance(given, Mapping) else given
        return f"{name}.kind: got {got!r}, allowed are {allowed}."
    message = entry["msg"].removeprefix("Value error, ")
    if not path:
        return message
    # Alternatives of a plain union add the type to the path; drop it.
    name = ".".join(
        p for p in path if not p.startswith(("constrained", "literal", "int", "float", "function")) or p == "inputs"
    )
    return f"{name}: got {given!r}; {message[0].lower() + message[1:]}."


_PRESETS = resources.files("curlflow") / "experiments"


def presets() -> dict[str, str]:
    """The names of all presets, with one line on each."""
    files = sorted((f for f in _PRESETS.iterdir() if f.name.endswith(".toml")), key=lambda f: f.name)
    return {f.name.removesuffix(".toml"): f.read_text("utf-8").partition("\n")[0].lstrip("# ") for f in files}


def preset_text(name: str) -> str:
    """The TOML text of the preset `name`, with its comments."""
    names = presets()
    if name not in names:
        raise ValueError(f"preset: got {name!r}{_nearest(name, list(names))}; allowed are {', '.join(names)}.")
    return (_PRESETS / f"{name}.toml").read_text("utf-8")


def preset(name: str) -> Spec:
    """The spec of a published setting, by name.

    **Raises:** `ValueError` for an unknown name, with the nearest one.
    """
    return Spec.from_toml_string(preset_text(name), name)
