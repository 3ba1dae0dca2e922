"""The velocity, the tangent projection and the loss of a spec or a flow, on flat vectors."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float, PyTree

from ...constraints import Free, FreeBiases, FrobeniusSpheres, Masked
from ...games.flat import FlatLosses, FlatOwnGradients, losses_of, own_entries
from ...games.losses import PlayerLosses, check_losses, checked_strategies
from ...games.updates import strategies_of
from ...measures.jacobian_parts import Plane, Scales, orthonormal, scales
from ...measures.metrics import Composed, Metric, Projected
from ...measures.players import of_players
from ...outside import rely_on
from ...problem import Problem
from ...rules.memory import check_without_memory
from ...systems import Flow
from ...systems.checks import check_real_function
from ...systems.flat import (
    FlatProjection,
    FlatVectorField,
    FlatVelocity,
    OnConstraint,
    StateFunction,
    flow_of,
    unflattened,
)
from ...tangents import size
from ..subject import Subject

WITHOUT_VELOCITY = (
    "which has no velocity; required is a Flow, a Map or a Spec (of updates the flow of the same rule is taken)"
)


@dataclass(frozen=True)
class FlatField:
    """The velocity of `flow` and the `loss` that it may be compared with, for a spec with its `problem`.

    Of a game `losses` are those of its players.
    """

    flow: Flow
    loss: Callable | None
    problem: Problem | None = None
    losses: PlayerLosses | None = None

    @classmethod
    def of(cls, subject: Subject, loss: Any = None, realization: int = 0) -> "FlatField":
        """The field of a flow or a map, or of a realization of a spec, with its training error as the loss.

        **Raises:** `ValueError` for a rule with a memory, and for a loss that goes with a spec, or that is neither a
        function nor one for each player.
        """
        if subject.learning:
            if loss is not None:
                raise ValueError("loss: a spec has its own, the training error; leave it out.")
            problem = subject.build(realization).without_optimizer()  # it is about the velocity of the rule
            why = "so that its velocity is no field on the weights alone; give problem.flow() in place of the spec."
            check_without_memory(problem.rule, problem.student, why)
            return cls(problem.flow(), StateFunction(problem.training_error.error, problem.student), problem)
        flow = flow_of(subject.given)
        if isinstance(loss, Mapping):
            check_losses(loss, checked_strategies(strategies_of(flow.state), mixed=False), field="loss")
            return cls(flow, None, losses=PlayerLosses(loss))
        return cls(flow, None if loss is None else _checked_loss(loss, flow.state), losses=losses_of(subject.given))

    @property
    def size(self) -> int:
        """The number of weights, or of state variables."""
        return size(self.flow.state)

    @property
    def sizes(self) -> list[int]:
        """The numbers of weights layer by layer: those in the leaves of the state."""
        return [np.size(leaf) for leaf in jax.tree.leaves(self.flow.state)]

    @property
    def is_projected(self) -> bool:
        """Whether a projection may leave rounding in place of zeros (that onto existing synapses leaves zeros)."""
        return not isinstance(_innermost(self.flow), Free)

    @property
    def has_spheres(self) -> bool:
        """Whether weights are bound to spheres."""
        return isinstance(_innermost(self.flow), FrobeniusSpheres)

    def scales(self, x: Float[np.ndarray, " n"], time: float = 0.0) -> Scales:
        """The sizes at `x` before any projection; zeros where there is none."""
        if not self.is_projected:
            return Scales(*np.zeros(3))
        return Scales(*map(np.asarray, scales(self.vector_field(time), self.loss, x)))

    def through(self, x: Float[np.ndarray, " n"]) -> "FlatField":
        """The same field where the spheres of its constraint are those through `x`."""
        if not self.has_spheres:
            return self
        leaves = self._on_spheres(jax.tree.leaves(unflattened(x, self.flow.state)))
        norms = tuple(np.asarray(np.linalg.norm(leaf)) for leaf in leaves)
        return replace(self, flow=eqx.tree_at(lambda flow: _innermost(flow).radii, self.flow, norms))

    @property
    def projection(self) -> FlatProjection:
        """Onto the tangent space."""
        return FlatProjection(self.flow)

    def velocity(self, time: float = 0.0) -> FlatVelocity:
        """The field at `time`."""
        return FlatVelocity(self.flow, np.float64(time))

    def vector_field(self, time: float = 0.0) -> FlatVectorField:
        """What the field at `time` is a projection of."""
        return FlatVectorField(self.flow, np.float64(time))

    def of_players(self, x: Float[np.ndarray, " n"], time: float) -> dict[str, np.ndarray]:
        """The numbers of the players of a game; nothing of other fields."""
        if self.losses is None:
            return {}
        functions = (kind(self.losses, self.flow.state) for kind in (FlatLosses, FlatOwnGradients))
        own = own_entries(self.losses, self.flow.state)
        found = of_players(self.velocity(time), *functions, self.projection, x, own, self.scales(x, time))
        return {name: np.asarray(values) for name, values in found.items()}

    def on_constraint(self, loop: Callable) -> Callable:
        """A loop or a surface, retracted onto the constraint."""
        return OnConstraint(loop, self.flow)

    def plane(self, plane: Plane) -> Plane:
        """The same plane by two directions that are orthonormal."""
        return plane

    def flat(self, state: PyTree) -> Float[np.ndarray, " n"]:
        """A state as a flat vector.

        **Raises:** `ValueError` for a layer of zeros on the spheres.
        """
        leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(state)]
        for layer, leaf in enumerate(self._on_spheres(leaves), start=1):
            if not leaf.any():
                raise ValueError(
                    f"at: all weights of layer {layer} are 0, so that the point lies on no sphere of the norm "
                    'constraint; choose another point, or set constraint.kind to "none".'
                )
        return np.concatenate([np.ravel(leaf) for leaf in leaves])

    def _on_spheres(self, leaves: list[Any]) -> list[Any]:
        """Those of the leaves that are bound to spheres; biases, which come last, may be free."""
        return leaves[: len(_innermost(self.flow).radii)] if self.has_spheres else []


@dataclass(frozen=True, kw_only=True)
class MetricField(FlatField):
    """A field and its loss in orthonormal coordinates u = G^½ w of a metric, with which its projection commutes."""

    metric: Metric

    @classmethod
    def in_metric(cls, field: FlatField, metric: Metric) -> "MetricField":
        loss = None if field.loss is None else Composed((metric.back, field.loss))
        return cls(flow=field.flow, loss=loss, problem=field.problem, metric=metric)

    @property
    def projection(self) -> Projected:
        return Projected(super().projection, self.metric)

    def velocity(self, time: float = 0.0) -> Composed:
        return Composed((self.metric.back, super().velocity(time), self.metric.into))

    def vector_field(self, time: float = 0.0) -> Composed:
        return Composed((self.metric.back, super().vector_field(time), self.metric.into))

    def on_constraint(self, loop: Callable) -> Composed:
        return Composed((super().on_constraint(Composed((loop, self.metric.back))), self.metric.into))

    def plane(self, plane: Plane) -> Plane:
        return orthonormal(*(np.asarray(self.metric.into(direction)) for direction in plane))


def _innermost(flow: Flow) -> Any:
    """The constraint of a flow, of a masked one or one with free biases that within it."""
    return flow.constraint.within if isinstance(flow.constraint, Masked | FreeBiases) else flow.constraint


def _checked_loss(loss: Any, state: PyTree) -> StateFunction:
    """A real function of the state that JAX can differentiate; anything else is refused."""
    check_real_function(loss, "loss", state)
    rely_on(loss, state)
    return StateFunction(loss, state)
