"""The tables of learning rules: a class per kind, which also makes its rule; the kinds are listed at the end.

`build(widths, key)` gives the rule of a table for a student with these `widths`. Its random streams are `key(role)`,
with the roles of `curlflow.problem.draw`. JAX and the rules are imported only then.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, PlainValidator, TypeAdapter, WithJsonSchema

from .tables import Nonnegative, Positive, PositiveFloat, Table

if TYPE_CHECKING:
    from jaxtyping import Array

    from ..rules import AbstractLearningRule

    Key = Callable[[int], Array]

_FRACTION = TypeAdapter(Annotated[float, Field(strict=True, ge=0, le=1)])
_INDEX = Annotated[int, Field(strict=True, ge=0)]
_KINDS = {"count": TypeAdapter(_INDEX), "indices": TypeAdapter(list[_INDEX]), "random": _FRACTION}


def _selection(value: Any) -> float | dict:
    try:
        if not isinstance(value, Mapping):
            return _FRACTION.validate_python(value)
        ((kind, given),) = value.items()
        return {kind: _KINDS[kind].validate_python(given)}
    except (KeyError, ValueError):
        raise ValueError(
            "allowed is a fraction from 0 to 1 (the first ones), { count = 21 }, { indices = [0, 3] } or "
            "{ random = 0.3 }"
        ) from None


def _selections(value: Any) -> float | dict | list:
    return [_selection(v) for v in value] if isinstance(value, list | tuple) else _selection(value)


_TABLES = [
    {"type": "object", "properties": {kind: of.json_schema()}, "required": [kind], "additionalProperties": False}
    for kind, of in _KINDS.items()
]
_SCHEMA = {"anyOf": [_FRACTION.json_schema(), *_TABLES]}
Selection = Annotated[float | dict, PlainValidator(_selection), WithJsonSchema(_SCHEMA)]
Selections = Annotated[
    float | dict | list,
    PlainValidator(_selections),
    WithJsonSchema({"anyOf": [*_SCHEMA["anyOf"], {"type": "array", "items": _SCHEMA}]}),
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

        base, flipped, depth = self.base_rule(widths, key), self.flipped, len(widths) - 2
        names = ["hidden"] if depth == 1 else [f"hidden[{i}]" for i in range(depth)]
        each = flipped.hidden if isinstance(flipped.hidden, list) else [flipped.hidden] * depth
        hidden = dict(zip(names, each, strict=True))
        behind = self.side == "postsynaptic"
        selections = hidden | {"outputs": flipped.outputs} if behind else {"inputs": flipped.inputs} | hidden
        if all(selection == 0.0 for selection in selections.values()):
            return base
        fields = [f"rule.flipped.{name}" for name in selections]
        drawn = gains(widths, self.side, [*selections.values()], self.gain, fields, key=key(FLIPS))
        return SignFlipped(base, drawn, biases=behind)

    def base_rule(self, widths: tuple[int, ...], key: "Key") -> "AbstractLearningRule":
        """The rule that is flipped; arguments as for `build`."""
        from ..rules import Gradient

        return Gradient()


class FeedbackAlignmentRule(CurlRule):
    """Feedback alignment, optionally with flips."""

    kind: Literal["feedback_alignment"] = "feedback_alignment"  # type: ignore[assignment]
    scale: PositiveFloat = Field(1.0, description="s of the fixed feedback weights, U(±s/√fan-in)")

    def base_rule(self, widths: tuple[int, ...], key: "Key") -> "AbstractLearningRule":
        from ..problem.draw import FEEDBACK, drawn_weights
        from ..rules import FeedbackAlignment

        return FeedbackAlignment(drawn_weights(widths, "uniform", self.scale, key(FEEDBACK))[1:])


class DirectFeedbackAlignmentRule(FeedbackAlignmentRule):
    """Direct feedback alignment, optionally with flips: every hidden layer has a feedback matrix of its own."""

    kind: Literal["direct_feedback_alignment"] = "direct_feedback_alignment"  # type: ignore[assignment]

    def base_rule(self, widths: tuple[int, ...], key: "Key") -> "AbstractLearningRule":
        """Of two layers of weights the matrix is that of feedback alignment."""
        from ..problem.draw import FEEDBACK, drawn_weights
        from ..rules import DirectFeedbackAlignment

        *_, outputs = widths
        ways = [(*widths[: layer + 1], outputs) for layer in range(1, len(widths) - 1)]
        return DirectFeedbackAlignment(drawn_weights(way, "uniform", self.scale, key(FEEDBACK))[-1] for way in ways)


class ExponentiatedGradientRule(CurlRule):
    """The exponentiated gradient, optionally with flips: synapses keep their signs."""

    kind: Literal["exponentiated_gradient"] = "exponentiated_gradient"  # type: ignore[assignment]

    def base_rule(self, widths: tuple[int, ...], key: "Key") -> "AbstractLearningRule":
        from ..rules import ExponentiatedGradient

        return ExponentiatedGradient()


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


class KolenPollackRule(FeedbackAlignmentRule):
    """Kolen–Pollack learning, optionally with flips: feedback weights learn with the products of the weights."""

    kind: Literal["kolen_pollack"] = "kolen_pollack"  # type: ignore[assignment]
    decay: Nonnegative = Field(0.01, description="λ of weights and feedback weights, per unit of time")

    def base_rule(self, widths: tuple[int, ...], key: "Key") -> "AbstractLearningRule":
        from ..rules import KolenPollack

        return KolenPollack(super().base_rule(widths, key).matrices, self.decay)


class WeightMirrorRule(FeedbackAlignmentRule):
    """Weight mirrors, optionally with flips: feedback weights are driven towards the weights."""

    kind: Literal["weight_mirror"] = "weight_mirror"  # type: ignore[assignment]
    rate: Nonnegative = Field(1.0, description="ρ of the feedback weights, noise power included, per unit of time")
    decay: Nonnegative = Field(1.0, description="λ of the feedback weights, per unit of time")

    def base_rule(self, widths: tuple[int, ...], key: "Key") -> "AbstractLearningRule":
        from ..rules import WeightMirror

        return WeightMirror(super().base_rule(widths, key).matrices, self.rate, self.decay)


class BCMRule(CurlRule):
    """The rule of Bienenstock, Cooper and Munro, optionally with flips."""

    kind: Literal["bcm"] = "bcm"  # type: ignore[assignment]
    time_constant: PositiveFloat = Field(0.1, description="τ of the thresholds, in units of time")
    threshold: Nonnegative = Field(1.0, description="θ of all units at the start")

    def base_rule(self, widths: tuple[int, ...], key: "Key") -> "AbstractLearningRule":
        from ..rules import BCM

        return BCM(self.time_constant, self.threshold)


class EligibilityTraceRule(CurlRule):
    """An eligibility trace: a low-pass filter of the velocity of another rule, optionally with flips."""

    kind: Literal["eligibility_trace"] = "eligibility_trace"  # type: ignore[assignment]
    filtered: Literal["gradient", "feedback_alignment", "predictive_coding", "oja", "sanger", "kolen_pollack"] = (
        Field("gradient", description="the kind of the rule that is filtered, with its default values")
    )
    time_constant: PositiveFloat = Field(1.0, description="τ of the trace, in units of time")

    def base_rule(self, widths: tuple[int, ...], key: "Key") -> "AbstractLearningRule":
        from ..rules import EligibilityTrace

        kinds = {table.model_fields["kind"].default: table for table in RULES}
        return EligibilityTrace(kinds[self.filtered]().build(widths, key), self.time_constant)


class CustomRule(Table):
    """A rule object that was given to `build` or a study by `rule=`; TOML never imports code."""

    kind: Literal["custom"] = "custom"
    name: str = Field(description="the qualified name of its class")

    def build(self, widths: tuple[int, ...], key: "Key") -> "AbstractLearningRule":
        raise ValueError(f"rule.kind: got custom ({self.name}); give the rule object itself by rule=.")


RULES = (
    GradientRule,
    CurlRule,
    FeedbackAlignmentRule,
    PredictiveCodingRule,
    OjaRule,
    SangerRule,
    KolenPollackRule,
    WeightMirrorRule,
    BCMRule,
    EligibilityTraceRule,
    DirectFeedbackAlignmentRule,
    ExponentiatedGradientRule,
    CustomRule,
)
"""The kinds of rules, in the order in which messages name them."""
