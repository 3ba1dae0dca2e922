"""The tables of optimizers: a class per kind, which also makes its optimizer; the kinds are listed at the end."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from .tables import Nonnegative, PositiveFloat, Table

if TYPE_CHECKING:
    from ..optimizers import AbstractOptimizer

Share = Annotated[float, Field(ge=0, lt=1)]
DECAY = "ω of decoupled weight decay: an update also takes ηω times the weights away"


class NoOptimizer(Table):
    """Plain updates, or the flow of the rule itself."""

    kind: Literal["none"] = "none"

    def build(self) -> "AbstractOptimizer | None":
        return None


class KnownOptimizer(Table):
    """An optimizer of `curlflow.optimizers`, the class `OBJECT` there, whose arguments are the fields."""

    OBJECT: ClassVar[str]

    def build(self) -> "AbstractOptimizer":
        from .. import optimizers

        return getattr(optimizers, self.OBJECT)(**self.model_dump(exclude={"kind"}))


class MomentumOptimizer(KnownOptimizer):
    """The heavy ball."""

    OBJECT = "Momentum"
    kind: Literal["momentum"] = "momentum"
    momentum: Share = Field(0.9, description="β, the share of the last increment that is kept")
    weight_decay: Nonnegative = Field(0.0, description=DECAY)


class NesterovOptimizer(KnownOptimizer):
    """Nesterov's momentum."""

    OBJECT = "Nesterov"
    kind: Literal["nesterov"] = "nesterov"
    momentum: Share = Field(0.9, description="β, the share of the last increment that is kept")
    weight_decay: Nonnegative = Field(0.0, description=DECAY)


class AdamOptimizer(KnownOptimizer):
    """Adam; with weight decay AdamW."""

    OBJECT = "Adam"
    kind: Literal["adam"] = "adam"
    beta1: Share = Field(0.9, description="β₁, the share of the mean velocity that is kept")
    beta2: Share = Field(0.999, description="β₂, the share of its mean square that is kept")
    epsilon: PositiveFloat = Field(1e-8, description="ε, added to the root of the mean square")
    weight_decay: Nonnegative = Field(0.0, description=DECAY)


class RMSpropOptimizer(KnownOptimizer):
    """RMSprop."""

    OBJECT = "RMSprop"
    kind: Literal["rmsprop"] = "rmsprop"
    beta2: Share = Field(0.9, description="β₂, the share of the mean square that is kept")
    epsilon: PositiveFloat = Field(1e-8, description="ε, added to the root of the mean square")
    weight_decay: Nonnegative = Field(0.0, description=DECAY)


class CustomOptimizer(Table):
    """An optimizer that was given to an `Experiment`."""

    kind: Literal["custom"] = "custom"
    name: str = Field(description="the qualified name of its class")

    def build(self) -> "AbstractOptimizer":
        raise ValueError(f"optimizer.kind: got custom ({self.name}); give the object itself to an Experiment.")


OPTIMIZERS = (NoOptimizer, MomentumOptimizer, NesterovOptimizer, AdamOptimizer, RMSpropOptimizer, CustomOptimizer)
"""The kinds of optimizers, in the order in which messages name them."""
