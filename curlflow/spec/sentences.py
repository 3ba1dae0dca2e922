"""What is wrong with a spec, in sentences: the field's name, what was given, what is allowed."""

import difflib
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from .rules import CurlRule
from .tables import DiffusionDynamics, FlowDynamics, TeacherStart

WITH_FLOWS = ("momentum", "adam", "rmsprop")
"""The kinds of optimizers that also have a flow."""


def inconsistencies(spec: Any) -> Iterator[str]:
    """Sentences about fields that are right by themselves but do not fit together."""
    if spec.network is None and spec.model is None:
        yield "network: required, but not given."
        return
    samples, dynamics = spec.data.samples, spec.dynamics
    yield from _about_samples_of_ones_own(spec)
    linear = (
        spec.model is None
        and spec.network.output_activation == "linear"
        and (len(spec.widths) == len(spec.teacher_widths) == 2 or spec.network.activation == "linear")
        and not spec.network.biases
    )
    full = isinstance(dynamics, FlowDynamics) or dynamics.batch == "full"
    if samples == "population" and not (linear and full):
        yield (
            'data.samples: got "population", which needs linear activations, no biases and full batches; '
            "give a number of samples."
        )
    if not full and samples not in ("population", "all") and samples % dynamics.batch:
        whole = "" if isinstance(dynamics, DiffusionDynamics) else ', or "full"'
        yield (
            f"dynamics.batch: got {dynamics.batch}, allowed is a divisor of data.samples = {samples}{whole}; "
            "what is left over would be lost."
        )
    yield from _about_dynamics(spec)
    yield from _about_models(spec) if spec.model is not None else _about_layers(spec)


def _about_dynamics(spec: Any) -> Iterator[str]:
    dynamics = spec.dynamics
    if isinstance(dynamics, DiffusionDynamics) and dynamics.step is not None:
        rate, number = dynamics.learning_rate, dynamics.learning_rate / dynamics.step
        if not (number >= 1 and abs(number - round(number)) <= 1e-9 * number):
            yield (
                f"dynamics.step: got {dynamics.step}, allowed are whole fractions of an epoch, "
                f"dynamics.learning_rate = {rate}: {rate:g}, {rate / 2:g}, {rate / 3:g}, …"
            )
    if isinstance(dynamics, DiffusionDynamics) and spec.optimizer.kind != "none":
        yield (
            f'optimizer.kind: got "{spec.optimizer.kind}", but dynamics.kind is "sde", the limit of plain updates; '
            'set dynamics.kind to "updates", or leave the optimizer out.'
        )
    if isinstance(dynamics, FlowDynamics) and spec.optimizer.kind not in ("none", "custom", *WITH_FLOWS):
        yield (
            f'optimizer.kind: got "{spec.optimizer.kind}", of which no flow is known for constant β; set '
            f'dynamics.kind to "updates", or the optimizer to {" or ".join(WITH_FLOWS)}.'
        )


def _about_models(spec: Any) -> Iterator[str]:
    if spec.dynamics.layer_rates is not None:
        yield (
            "dynamics.layer_rates: a model of your own has no layers that are known; give a network, or multiply "
            "the velocities in a rule of your own."
        )
    if isinstance(spec.rule, CurlRule):
        yield (
            f'rule.kind: got "{spec.rule.kind}", a rule of layered networks, but the experiment has a model; '
            'take "gradient", or a rule of your own.'
        )


def _about_layers(spec: Any) -> Iterator[str]:
    layers, rates = len(spec.widths) - 1, spec.dynamics.layer_rates
    if rates is not None and len(rates) != layers:
        yield (
            f"dynamics.layer_rates: got {len(rates)} factors, required is one for each of the {layers} layers of "
            "weights."
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
        hidden, side = spec.rule.flipped.hidden, spec.rule.side
        if isinstance(hidden, list) and len(hidden) != layers - 1:
            yield (
                f"rule.flipped.hidden: got a list of {len(hidden)}, required is one selection for each of the "
                f"{layers - 1} hidden layers."
            )
        if layers == 1 and not isinstance(hidden, list) and hidden != 0.0:
            yield f"rule.flipped.hidden: got {hidden}, but the network has no hidden units; leave it out."
        useless, place = ("inputs", "postsynaptic") if side == "postsynaptic" else ("outputs", "presynaptic")
        given = getattr(spec.rule.flipped, useless)
        if given != 0.0:
            yield (
                f"rule.flipped.{useless}: got {given}, but {useless} are on no synapse's {place} side, and rule.side "
                f"is {side}."
            )


def _about_samples_of_ones_own(spec: Any) -> Iterator[str]:
    own = spec.data.file is not None or spec.data.digest is not None
    if spec.data.file is None and spec.data.samples == "all":
        yield 'data.samples: got "all", which goes with data.file; give a number of samples.'
    if own and spec.data.samples == "population":
        yield 'data.samples: got "population", but samples of your own are finite; give their number.'
    if spec.model is not None and not own:
        yield "data: required with a model, as a curlflow.Data or by data.file."
    if not own and spec.loss in ("logistic", "softmax"):
        yield (
            f'loss: got "{spec.loss}", which needs targets of your own, by data.file or curlflow.Data; the outputs '
            "of a teacher are no labels."
        )
    if spec.loss in ("logistic", "softmax") and spec.network and spec.network.output_activation != "linear":
        yield (
            f'network.output_activation: got "{spec.network.output_activation}", but the loss "{spec.loss}" is a '
            'function of logits; leave it "linear".'
        )
    if isinstance(spec.start, TeacherStart) and (own or spec.model) and spec.teacher.digest is None:
        yield 'start.kind: got "teacher", but samples of your own have none; give one to an Experiment by teacher=.'


def kinds(spec: type[BaseModel], table: str) -> dict[str, type[BaseModel]]:
    """The models of a table of `spec` with a `kind`, by kind."""
    union = spec.model_fields[table].annotation if table in spec.model_fields else None
    tables = (m for m in typing.get_args(union) if "kind" in getattr(m, "model_fields", {}))
    return {m.model_fields["kind"].default: m for m in tables}


def field_names(spec: type[BaseModel]) -> list[str]:
    """Dotted names of all fields of all kinds."""
    names: set[str] = set()

    def walk(model: type[BaseModel], prefix: str):
        for name, info in model.model_fields.items():
            names.add(prefix + name)
            for inner in (info.annotation, *typing.get_args(info.annotation)):
                if isinstance(inner, type) and issubclass(inner, BaseModel):
                    walk(inner, f"{prefix}{name}.")

    walk(spec, "")
    return sorted(names)


def nearest(name: str, names: list[str]) -> str:
    """A hint at the name that was probably meant, or nothing."""
    close = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def sentences(error: ValidationError, spec: type[BaseModel]) -> str:
    """What pydantic found, one sentence per field: its name, what was given, what is allowed."""
    return "\n".join(dict.fromkeys(_sentence(entry, spec) for entry in error.errors()))


def _sentence(entry: Any, spec: type[BaseModel]) -> str:
    # pydantic's path has the tag of a union after the table; a user does not write it.
    tags = kinds(spec, str(entry["loc"][0])) if entry["loc"] else {}
    path = [str(p) for i, p in enumerate(entry["loc"]) if not (i == 1 and p in tags)]
    name, given, kind = ".".join(path), entry["input"], entry["type"]
    if kind == "extra_forbidden":
        names = field_names(spec)
        if name in names:
            users = [f'"{k}"' for k, model in tags.items() if ".".join(path[1:2]) in model.model_fields]
            elsewhere = f", or choose {path[0]}.kind = {' or '.join(users)}" if users else ""
            return (
                f"{name}: got {given!r}, but the kind of {path[0]} that was chosen has no use for it; leave it "
                f"out{elsewhere}."
            )
        siblings = [n.rpartition(".")[2] for n in names if n.rpartition(".")[0] == name.rpartition(".")[0]]
        here = f" (fields here: {', '.join(siblings)})" if siblings else ""
        said = f"{name}: unknown field{nearest(name, names)}{here}"
        return said if said.endswith("?") else f"{said}."
    if kind == "missing":
        return f"{name}: required, but not given."
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        allowed = ", ".join(k for k in kinds(spec, path[0]) if k != "custom")
        if isinstance(given, Mapping) and "kind" not in given:
            return f"{name}.kind: required, but not given; allowed are {allowed}."
        got = given["kind"] if isinstance(given, Mapping) else given
        return f"{name}.kind: got {got!r}, allowed are {allowed}."
    if kind == "model_attributes_type":
        return f"{name}: got {given!r}, required is a table."
    message = entry["msg"].removeprefix("Value error, ").replace(" or 'custom'", ", or a function in an Experiment")
    if not path:
        return message
    # Alternatives of a plain union add the type to the path; drop it.
    name = ".".join(
        p for p in path if not p.startswith(("constrained", "literal", "int", "float", "function")) or p == "inputs"
    )
    return f"{name}: got {given!r}; {message[0].lower() + message[1:]}."
