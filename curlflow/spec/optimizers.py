"""The tables of optimizers: a class per kind, which also makes its optimizer; the kinds are listed at the end."""

from typing import TYPE_CHECKING, Annotated, Literal

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


class MomentumOptimizer(Table):
    """The heavy ball."""

    kind: Literal["momentum"] = "momentum"
    momentum: Share = Field(0.9, description="β, the share of the last increment that is kept")
    weight_decay: Nonnegative = Field(0.0, description=DECAY)

    def build(self) -> "AbstractOptimizer":
        from ..optimizers import Momentum

        return Momentum(self.momentum, self.weight_decay)


class NesterovOptimizer(Table):
    """Nesterov's momentum."""

    kind: Literal["nesterov"] = "nesterov"
    momentum: Share = Field(0.9, description="β, the share of the last increment that is kept")
    weight_decay: Nonnegative = Field(0.0, description=DECAY)

    def build(self) -> "AbstractOptimizer":
        from ..optimizers import Nesterov

        return Nesterov(self.momentum, self.weight_decay)


class AdamOptimizer(Table):
    """Adam; with weight decay AdamW."""

    kind: Literal["adam"] = "adam"
    beta1: Share = Field(0.9, description="β₁, the share of the mean velocity that is kept")
    beta2: Share = Field(0.999, description="β₂, the share of its mean square that is kept")
    epsilon: PositiveFloat = Field(1e-8, description="ε, added to the root of the mean square")
    weight_decay: Nonnegative = Field(0.0, description=DECAY)

    def build(self) -> "AbstractOptimizer":
        from ..optimizers import Adam

        return Adam(self.beta1, self.beta2, self.epsilon, self.weight_decay)


class RMSpropOptimizer(Table):
    """RMSprop."""

    kind: Literal["rmsprop"] = "rmsprop"
    beta2: Share = Field(0.9, description="β₂, the share of the mean square that is kept")
    epsilon: PositiveFloat = Field(1e-8, description="ε, added to the root of the mean square")
    weight_decay: Nonnegative = Field(0.0, description=DECAY)

    def build(self) -> "AbstractOptimizer":
        from ..optimizers import RMSprop

        return RMSprop(self.beta2, self.epsilon, self.weight_decay)


class CustomOptimizer(Table):
    """An optimizer that was given to an `Experiment`."""

    kind: Literal["custom"] = "custom"
    name: str = Field(description="the qualified name of its class")

    def build(self) -> "AbstractOptimizer":
        raise ValueError(f"optimizer.kind: got custom ({self.name}); give the object itself to an Experiment.")


OPTIMIZERS = (NoOptimizer, MomentumOptimizer, NesterovOptimizer, AdamOptimizer, RMSpropOptimizer, CustomOptimizer)
"""The kinds of optimizers, in the order in which messages name them."""
