"""The tables of a spec, except those of rules: every field with its unit and meaning."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
    model_serializer,
    model_validator,
)

Positive = Annotated[int, Field(ge=1)]
Natural = Annotated[int, Field(ge=0)]
PositiveFloat = Annotated[float, Field(gt=0)]
Nonnegative = Annotated[float, Field(ge=0)]
Law = Literal["uniform", "normal"]
ActivationName = Literal["linear", "tanh", "relu", "sigmoid"]
LossName = Literal["squared", "logistic", "softmax", "custom"]


def _widths(value: Any) -> int | tuple[int, ...]:
    many = isinstance(value, list | tuple)
    if any(isinstance(w, bool) or not isinstance(w, int) or w < 1 for w in (value if many else [value])):
        raise ValueError("allowed is a whole number of at least 1, or a list of them, one width per hidden layer")
    return tuple(value) if many else value


_WIDTH = {"type": "integer", "minimum": 1}
Widths = Annotated[
    int | tuple[int, ...],
    PlainValidator(_widths),
    PlainSerializer(lambda w: list(w) if isinstance(w, tuple) else w),
    WithJsonSchema({"anyOf": [_WIDTH, {"type": "array", "items": _WIDTH}]}),
]


class Table(BaseModel):
    """A table of the spec: frozen, with no fields other than those it declares.

    Fields in `YOUNGER` are written only where they differ from their defaults: the text names the cells of sweeps and
    decides whether a run may be resumed, and both are older than these fields.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
    YOUNGER: ClassVar[tuple[str, ...]] = ()

    @model_serializer(mode="wrap")
    def _without_defaults(self, serialize: Any) -> dict[str, Any]:
        fields = type(self).model_fields
        left_out = {name for name in self.YOUNGER if getattr(self, name) == fields[name].default}
        return {name: value for name, value in serialize(self).items() if name not in left_out}


class Network(Table):
    """The student."""

    YOUNGER = ("biases",)

    inputs: Positive = Field(description="M, number of input units")
    hidden: Widths = Field(description="N, number of hidden units; or a list, one width per hidden layer")
    outputs: Positive = Field(1, description="K, number of output units")
    activation: ActivationName = Field("linear", description="φ of the hidden units")
    output_activation: ActivationName = Field("linear", description="φ_out of the outputs")
    biases: bool = Field(False, description="whether all units but the inputs have biases, which learn as well")

    @property
    def hidden_widths(self) -> tuple[int, ...]:
        """One width per hidden layer."""
        return self.hidden if isinstance(self.hidden, tuple) else (self.hidden,)


class Teacher(Table):
    """The network that gives the targets; same depth of description and activations as the student, and
    biases where that has them."""

    YOUNGER = ("digest",)

    width: Widths | None = Field(None, description="its hidden width or widths; by default those of the student")
    law: Law = Field("uniform", description="law of its weights: U(±s/√fan-in), or normal with std s/√fan-in")
    scale: PositiveFloat = Field(1.0, description="s of that law")
    rescaled: bool = Field(False, description="rescale each layer to ‖W‖² = its number of rows")
    digest: str | None = Field(None, description="a checksum of weights of your own, which is written, not given")


class DataSets(Table):
    """Training and test sets, shared by all realizations."""

    YOUNGER = ("file", "x", "y", "x_test", "y_test", "digest")

    samples: Positive | Literal["population", "all"] = Field(
        250,
        description='n, number of training samples; or "population", for linear networks with full batches; of a '
        'file the first n, or "all", the default there',
    )
    test_samples: Natural = Field(100, description="number of test samples; of a file all")
    input_std: PositiveFloat = Field(0.5**0.5, description="standard deviation of every component of the inputs")
    seed: int = Field(0, ge=0, lt=2**63, description="seed of the training and test inputs alone")
    file: str | None = Field(None, description="a .npz or NetCDF file with samples (rows) of your own")
    x: str = Field("x", description="the name of the inputs in the file")
    y: str = Field("y", description="the name of the targets, or labels")
    x_test: str | None = Field(None, description="the name of the test inputs")
    y_test: str | None = Field(None, description="the name of the test targets")
    digest: str | None = Field(None, description="a checksum of samples of your own, which is written, not given")

    @model_validator(mode="before")
    @classmethod
    def _all_of_a_file(cls, given: Any) -> Any:
        whole = isinstance(given, dict) and given.get("file") is not None and "samples" not in given
        return {**given, "samples": "all"} if whole else given


class NoConstraint(Table):
    """Weights move freely."""

    kind: Literal["none"] = "none"


class FrobeniusConstraint(Table):
    """Every layer keeps the Frobenius norm that it starts with."""

    kind: Literal["frobenius"] = "frobenius"


class CustomConstraint(Table):
    """A constraint object that was given to an `Experiment`."""

    kind: Literal["custom"] = "custom"
    name: str = Field(description="the qualified name of its class")


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


class CustomStart(Table):
    """Weights that were given to an `Experiment`."""

    kind: Literal["custom"] = "custom"
    digest: str = Field(description="a checksum of the weights")


class CustomModel(Table):
    """A model that was given to an `Experiment` in place of a network."""

    name: str = Field(description="the qualified name of its class or function")
    parameters: Natural = Field(description="how many numbers it has")


SEED = "seed of the batches or the Brownian path alone, for other noise in the same problem; default: the spec's"
NoiseSeed = Annotated[int | None, Field(ge=0, lt=2**63, description=SEED)]


RATES = "one positive factor for each layer of weights, by which its velocity is multiplied; default: all 1"
LayerRates = Annotated[Annotated[tuple[PositiveFloat, ...], Field(strict=False)] | None, Field(description=RATES)]


class FlowDynamics(Table):
    """Continuous time."""

    YOUNGER = ("layer_rates",)

    kind: Literal["flow"] = "flow"
    solver: Literal["auto", "tsit5", "dopri5", "dopri8", "bosh3", "rkc2", "kvaerno3", "kvaerno5"] = Field(
        "auto",
        description="solver; auto is tsit5, with stabilised steps for tangents of linear networks; rkc2 is stable "
        "for longer steps, for slow learning; kvaerno3 and kvaerno5 are implicit, for small stiff systems",
    )
    rtol: PositiveFloat = Field(1e-6, lt=1, description="relative tolerance of a step")
    atol: PositiveFloat = Field(1e-9, lt=1, description="absolute tolerance of a step")
    layer_rates: LayerRates = None


class UpdateDynamics(Table):
    """Discrete updates."""

    YOUNGER = ("drawing", "noise_seed", "layer_rates")

    kind: Literal["updates"] = "updates"
    learning_rate: PositiveFloat = Field(
        0.1, description="η: an epoch is η units of time; a minibatch step is η · batch/samples"
    )
    batch: Positive | Literal["full"] = Field("full", description="samples per update, a divisor of data.samples")
    drawing: Literal["reshuffled", "independent"] = Field(
        "reshuffled",
        description="batches are slices of samples shuffled anew every epoch, or drawn independently of each other",
    )
    noise_seed: NoiseSeed = None
    layer_rates: LayerRates = None


class DiffusionDynamics(Table):
    """A stochastic differential equation: the limit of updates by independently drawn batches."""

    YOUNGER = ("noise_seed", "layer_rates")

    kind: Literal["sde"] = "sde"
    learning_rate: PositiveFloat = Field(
        0.1, description="η: an epoch is η units of time; the corresponding updates have h = η · batch/samples"
    )
    batch: Positive = Field(description="samples per update, a divisor of data.samples")
    step: PositiveFloat | None = Field(
        None,
        description="an Euler–Maruyama step, a whole fraction of learning_rate; by default h, that of an "
        "update, and h/10 with correction",
    )
    correction: bool = Field(False, description="drift F − (h/2) F′F: second weak order in h, in place of first")
    noise_seed: NoiseSeed = None
    layer_rates: LayerRates = None

    def steps(self, samples: int) -> int:
        """How many steps an epoch has."""
        if self.step is None:
            return samples // self.batch * (10 if self.correction else 1)
        return round(self.learning_rate / self.step)
