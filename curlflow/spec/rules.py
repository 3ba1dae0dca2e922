"""The tables of learning rules: a class per kind, which also makes its rule; the kinds are listed at the end.

`build(widths, key)` gives the rule of a table for a student with these `widths`. Its random streams are `key(role)`,
with the roles of `curlflow.problem.draw`. JAX and the rules are imported only then.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, PlainValidator, WithJsonSchema

from .tables import Positive, PositiveFloat, Table

if TYPE_CHECKING:
    from jaxtyping import Array

    from ..rules import AbstractLearningRule

    Key = Callable[[int], Array]

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

    def build(self, widths: tuple[int, ...], key: "Key") -> "AbstractLearningRule":
        from ..rules import Gradient

        return Gradient()


class CurlRule(Table):
    """Curl descent: gradient descent with some gains of another sign."""

    kind: Literal["curl"] = "curl"
    side: Literal["presynaptic", "postsynaptic", "synapse"] = Field(
        "presynaptic",
        description="whether a sign belongs to the neuron before or after a synapse, or to the synapse",
    )
    gain: float = Field(-1.0, description="gain of what is flipped; all others have gain 1")
    flipped: Flipped = Field(default_factory=Flipped, description="what is flipped")

    def build(self, widths: tuple[int, ...], key: "Key") -> "AbstractLearningRule":
        """The rule of `base_rule`, with flips where any are asked for."""
        from ..networks.signs import gains
        from ..problem.draw import FLIPS
        from ..rules import SignFlipped

        base, selections = self.base_rule(widths, key), self._selections(widths)
        if all(selection == 0.0 for selection in selections):
            return base
        names = self._selected(widths)
        return SignFlipped(base, gains(widths, self.side, selections, self.gain, names, key=key(FLIPS)))

    def base_rule(self, widths: tuple[int, ...], key: "Key") -> "AbstractLearningRule":
        """The rule that is flipped; arguments as for `build`."""
        from ..rules import Gradient

        return Gradient()

    def _selections(self, widths: tuple[int, ...]) -> list[Any]:
        """For each layer of weights, which of its gains are flipped."""
        flipped = self.flipped
        hidden = flipped.hidden if isinstance(flipped.hidden, list) else [flipped.hidden] * (len(widths) - 2)
        return [*hidden, flipped.outputs] if self.side == "postsynaptic" else [flipped.inputs, *hidden]

    def _selected(self, widths: tuple[int, ...]) -> list[str]:
        """For each layer of weights, the field that says which of its gains are flipped."""
        hidden = [f"hidden[{i}]" for i in range(len(widths) - 2)] if len(widths) > 3 else ["hidden"]
        hidden = hidden if len(widths) > 2 else []
        populations = [*hidden, "outputs"] if self.side == "postsynaptic" else ["inputs", *hidden]
        return [f"rule.flipped.{name}" for name in populations]


class FeedbackAlignmentRule(CurlRule):
    """Feedback alignment, optionally with flips."""

    kind: Literal["feedback_alignment"] = "feedback_alignment"  # type: ignore[assignment]
    scale: PositiveFloat = Field(1.0, description="s of the fixed feedback weights, U(±s/√fan-in)")

    def base_rule(self, widths: tuple[int, ...], key: "Key") -> "AbstractLearningRule":
        from ..problem.draw import FEEDBACK, drawn_weights
        from ..rules import FeedbackAlignment

        return FeedbackAlignment(drawn_weights(widths, "uniform", self.scale, key(FEEDBACK))[1:])


class PredictiveCodingRule(CurlRule):
    """Predictive coding, optionally with flips."""

    kind: Literal["predictive_coding"] = "predictive_coding"  # type: ignore[assignment]
    output_precision: PositiveFloat = Field(1.0, description="π, how strongly targets pull, against hidden errors")
    steps: Positive = Field(
        50, description="steps of the relaxation of activities; linear networks are solved exactly"
    )
    rate: PositiveFloat = Field(0.1, description="size of such a step")

    def base_rule(self, widths: tuple[int, ...], key: "Key") -> "AbstractLearningRule":
        from ..rules import PredictiveCoding

        return PredictiveCoding(self.output_precision, steps=self.steps, rate=self.rate)


class OjaRule(CurlRule):
    """Oja's rule, optionally with flips: every layer finds the principal subspace of its own inputs."""

    kind: Literal["oja"] = "oja"  # type: ignore[assignment]

    def base_rule(self, widths: tuple[int, ...], key: "Key") -> "AbstractLearningRule":
        from ..rules import Oja

        return Oja()


class SangerRule(CurlRule):
    """Sanger's rule, optionally with flips: every unit of a layer finds a principal component of its inputs."""

    kind: Literal["sanger"] = "sanger"  # type: ignore[assignment]

    def base_rule(self, widths: tuple[int, ...], key: "Key") -> "AbstractLearningRule":
        from ..rules import Sanger

        return Sanger()


class CustomRule(Table):
    """A rule object that was given to `build` or a study by `rule=`; TOML never imports code."""

    kind: Literal["custom"] = "custom"
    name: str = Field(description="the qualified name of its class")

    def build(self, widths: tuple[int, ...], key: "Key") -> "AbstractLearningRule":
        raise ValueError(f"rule.kind: got custom ({self.name}); give the rule object itself by rule=.")


RULES = (GradientRule, CurlRule, FeedbackAlignmentRule, PredictiveCodingRule, OjaRule, SangerRule, CustomRule)
"""The kinds of rules, in the order in which messages name them."""
