"""From a spec to arrays: the student, its teacher, the data, and the systems they make.

Random streams depend on the seed, on a role and on the realization, never on the rule, the flips, a scale or
the dynamics (scales multiply the same unit draws). Rules are therefore compared on the same problems, and
results do not depend on the order in which they are computed.
"""

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float, Int

from .constraints import AbstractConstraint, Free, FrobeniusSpheres, Masked
from .integrate import Adaptive
from .networks import Feedforward
from .networks.architecture import Architecture
from .networks.graph import from_graph, to_graph
from .networks.signs import gains
from .precision import double_precision
from .rules import AbstractLearningRule, FeedbackAlignment, Gradient, SignFlipped
from .rules.base import second_moments_suffice
from .rules.graph_signs import unflipped, with_graph_signs
from .systems import Flow, Map
from .systems.learning import batches, full_batch_updates, learning_flow, minibatch_updates
from .tasks import AbstractTask, Samples, SecondMoments

if TYPE_CHECKING:
    import networkx as nx

    from .spec import Spec

TRAIN, TEST, TEACHER, START, BATCHES, FEEDBACK, FLIPS = range(7)
"""Roles of the random streams."""


@dataclass(frozen=True)
class Problem:
    """One realization of a spec, as plain float64 arrays.

    **Attributes:**

    - `student`, `teacher`: networks; `.weights` is a tuple of arrays of shape (post, pre).
    - `x_train`, `y_train`: training inputs (inputs × samples) and targets (outputs × samples); None for the
      population.
    - `x_test`, `y_test`: likewise for the test set.
    - `covariance`: ⟨x xᵀ⟩ (inputs × inputs) over the training set or the population.
    - `rule`: a `curlflow.rules.AbstractLearningRule`.
    - `constraint`: `Free()` or `FrobeniusSpheres(radii)`; within `Masked(masks, …)` where synapses are missing.
    - `batch_key`: the key from which `batches` shuffles.
    - `spec`: where it comes from.
    - `architecture`: what the graph said that was given to `build`, a `curlflow.networks.Architecture`, or None.
    """

    student: Feedforward
    teacher: Feedforward
    x_train: Float[np.ndarray, "inputs samples"] | None
    y_train: Float[np.ndarray, "outputs samples"] | None
    x_test: Float[np.ndarray, "inputs test_samples"]
    y_test: Float[np.ndarray, "outputs test_samples"]
    covariance: Float[np.ndarray, "inputs inputs"]
    rule: AbstractLearningRule
    constraint: AbstractConstraint
    batch_key: Array
    spec: "Spec"
    architecture: Architecture | None = None

    @property
    def task(self) -> AbstractTask:
        """What a full batch learns from: second moments where the network and the rule allow, else samples."""
        if self.student.is_linear and second_moments_suffice(self.rule):
            return SecondMoments(self.covariance, np.asarray(self.teacher.product()))
        return self.samples

    @property
    def samples(self) -> Samples:
        """The training samples as a task."""
        if self.x_train is None:
            raise ValueError(
                f'data.samples: got "population", but {type(self.rule).__qualname__} needs samples '
                "(it does not set second_moments_suffice); give a number."
            )
        return Samples(self.x_train, self.y_train)

    @property
    def training_error(self) -> AbstractTask:
        """A task whose `error` is the training error."""
        if self.student.is_linear:
            return SecondMoments(self.covariance, np.asarray(self.teacher.product()))
        return self.samples

    @property
    def test(self) -> Samples:
        """The test samples as a task."""
        return Samples(self.x_test, self.y_test)

    def graph(self) -> "nx.DiGraph":
        """The student as a graph: neurons with rule signs, synapses with weights; docs/graphs.md.

        It is the graph that was given, with the student's weights and the gains of the rule; or one with the names
        x1, h1, y1, …. A rule that wraps a flipped one hides its gains: they are not written.
        """
        signs = unflipped(self.rule)[1]
        if self.architecture is None:
            return to_graph(self.student, gains=signs)
        return self.architecture.graph(self.student, gains=signs)

    def system(self) -> Flow | Map:
        """The dynamics that the spec names."""
        return self.flow() if self.spec.dynamics.kind == "flow" else self.updates()

    @double_precision
    def flow(self, *, solver: str | None = None, rtol: float | None = None, atol: float | None = None) -> Flow:
        """The rule as a flow. What is not given comes from the spec if its dynamics is a flow, or from defaults."""
        settings = self._settings("flow", solver=solver, rtol=rtol, atol=atol)
        return learning_flow(self.student, self.rule, self.task, self.constraint, Adaptive(**settings))

    @double_precision
    def updates(self, *, learning_rate: float | None = None, batch: int | str | None = None) -> Map:
        """The rule as a map, one epoch per iteration. What is not given comes as for `flow`."""
        settings = self._settings("updates", learning_rate=learning_rate, batch=batch)
        rate, batch = settings["learning_rate"], settings["batch"]
        if batch == "full":
            return full_batch_updates(self.student, self.rule, self.task, self.constraint, rate)
        return minibatch_updates(self.student, self.rule, self.samples, self.constraint, rate, batch, self.batch_key)

    @double_precision
    def batches(self, epoch: int, batch: int | None = None) -> Int[np.ndarray, "slices batch"]:
        """The indices of the samples in every batch of an epoch (counted from 0), in order."""
        if self.x_train is None:
            raise ValueError('data.samples: got "population", which has no batches; give a number of samples.')
        if isinstance(epoch, bool) or not isinstance(epoch, int | np.integer) or epoch < 0:
            raise ValueError(f"epoch: got {epoch!r}, allowed are whole numbers from 0.")
        samples = self.x_train.shape[1]
        batch = self._settings("updates", batch=batch)["batch"]
        return np.asarray(batches(self.batch_key, epoch, samples, samples if batch == "full" else batch))

    def _settings(self, kind: str, **given: Any) -> dict[str, Any]:
        """Fields of the spec's dynamics, validated by the spec, with what was given in their place."""
        changes = {f"dynamics.{name}": value for name, value in given.items() if value is not None}
        dynamics = self.spec.replace({"dynamics.kind": kind, **changes}).dynamics
        return dynamics.model_dump(exclude={"kind"})


@double_precision
def build(spec: "Spec", *, realization: int = 0, rule: Any = None, graph: Any = None) -> Problem:
    """Draw the arrays of one realization of `spec`; see `Spec.build`."""
    if isinstance(realization, bool) or not isinstance(realization, int | np.integer) or realization < 0:
        raise ValueError(f"realization: got {realization!r}, allowed are whole numbers from 0.")
    architecture = None if graph is None else _architecture(spec, graph)

    def key(role: int) -> Array:
        return _key(spec.seed, role, int(realization))

    teacher = _teacher(spec, key(TEACHER), architecture)
    student = _student(spec, teacher, key(START), architecture)
    drawn = _rule(spec, key) if rule is None else _checked_rule(rule)
    m, n = spec.network.inputs, spec.data.samples
    x_train = None if n == "population" else _inputs(spec, TRAIN, n)
    x_test = _inputs(spec, TEST, spec.data.test_samples)
    covariance = spec.data.input_std**2 * np.eye(m) if x_train is None else x_train @ x_train.T / n
    return Problem(
        student=student,
        teacher=teacher,
        x_train=x_train,
        y_train=None if x_train is None else np.asarray(teacher(x_train)),
        x_test=x_test,
        y_test=np.asarray(teacher(x_test)),
        covariance=covariance,
        rule=drawn if architecture is None else with_graph_signs(drawn, architecture),
        constraint=_constraint(spec, student, architecture),
        batch_key=key(BATCHES),
        spec=spec if rule is None else spec.replace("rule", {"kind": "custom", "name": qualified_name(rule)}),
        architecture=architecture,
    )


def qualified_name(rule: Any) -> str:
    """Module and class of a rule object, for the provenance of a dataset."""
    return f"{type(rule).__module__}.{type(rule).__qualname__}"


@jax.jit
def _key(seed: int | Int[Array, ""], role: int | Int[Array, ""], realization: int | Int[Array, ""]) -> Array:
    return jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), role), realization)


@functools.partial(jax.jit, static_argnums=(1, 2))
def _unit_draws(key: Array, law: str, shape: tuple[int, int]) -> Float[Array, "post pre"]:
    if law == "uniform":
        return jax.random.uniform(key, shape, minval=-1.0, maxval=1.0)
    return jax.random.normal(key, shape)


def _weights(widths: tuple[int, ...], law: str, scale: float, key: Array) -> list[Float[np.ndarray, "post pre"]]:
    """One matrix per layer, of scale s/√fan-in."""
    return [
        np.asarray(_unit_draws(jax.random.fold_in(key, layer), law, (post, pre))) * (scale / math.sqrt(pre))
        for layer, (pre, post) in enumerate(zip(widths, widths[1:], strict=False))
    ]


def _inputs(spec: "Spec", role: int, samples: int) -> Float[np.ndarray, "inputs samples"]:
    key = _key(spec.data.seed, role, 0)
    draws = _unit_draws(key, "normal", (spec.network.inputs, samples))
    return spec.data.input_std * np.asarray(draws)


def _architecture(spec: "Spec", graph: Any) -> Architecture:
    """The architecture of `graph`, which must be that of the spec."""
    architecture = graph if isinstance(graph, Architecture) else from_graph(graph)
    fields = {"inputs": slice(0, 1), "hidden": slice(1, -1), "outputs": slice(-1, None)}
    for name, part in fields.items():
        given, drawn = list(spec.widths[part]), list(architecture.widths[part])
        if given != drawn:
            raise ValueError(f"network.{name}: got {given} of the spec, but the graph has layers of {drawn} neurons.")
    for name in ("activation", "output_activation"):
        given, drawn = getattr(spec.network, name), getattr(architecture, name)
        if drawn not in (None, given):
            raise ValueError(f"network.{name}: got {given!r} of the spec, but the graph has {drawn!r}.")
    return architecture


def _teacher(spec: "Spec", key: Array, architecture: Architecture | None) -> Feedforward:
    weights = _weights(spec.teacher_widths, spec.teacher.law, spec.teacher.scale, key)
    given = None if architecture is None or spec.start.kind != "teacher" else architecture.weights
    if architecture is not None and spec.teacher_widths == spec.widths:
        weights = architecture.masked(weights)
    if given is not None:
        weights = list(given)
    elif spec.teacher.rescaled:
        weights = [w * (math.sqrt(len(w)) / np.linalg.norm(w)) for w in weights]
    return Feedforward(weights, spec.network.activation, spec.network.output_activation)


def _student(spec: "Spec", teacher: Feedforward, key: Array, architecture: Architecture | None) -> Feedforward:
    if spec.start.kind == "random":
        weights = _weights(spec.widths, spec.start.law, spec.start.scale, key)
        weights = weights if architecture is None or architecture.weights is None else architecture.weights
    else:
        weights = [w.copy() for w in teacher.weights]
        if spec.start.offset is not None:
            weights[spec.start.offset.layer - 1] += spec.start.offset.value
    return teacher.with_weights(weights if architecture is None else architecture.masked(weights))


def _constraint(spec: "Spec", student: Feedforward, architecture: Architecture | None) -> AbstractConstraint:
    within = Free()
    if spec.constraint.kind != "none":
        within = FrobeniusSpheres(tuple(np.asarray(np.linalg.norm(w)) for w in student.weights))
        if not all(r > 0 for r in within.radii):
            raise ValueError('weight: got a layer of zeros, which has no sphere; set constraint.kind to "none".')
    masked = architecture is not None and not architecture.is_fully_connected
    return Masked(architecture.masks, within) if masked else within


def _rule(spec: "Spec", key: Any) -> AbstractLearningRule:
    rule = spec.rule
    if rule.kind == "gradient":
        return Gradient()
    if rule.kind == "custom":
        raise ValueError(f"rule.kind: got custom ({rule.name}); give the rule object itself by rule=.")
    base = Gradient()
    if rule.kind == "feedback_alignment":
        base = FeedbackAlignment(_weights(spec.widths, "uniform", rule.scale, key(FEEDBACK))[1:])
    if all(selection == 0.0 for selection in _selections(spec)):
        return base
    names = _selected(spec)
    return SignFlipped(base, gains(spec.widths, rule.side, _selections(spec), rule.gain, names, key=key(FLIPS)))


def _selected(spec: "Spec") -> list[str]:
    """For each layer of weights, the field that says which of its gains are flipped."""
    hidden = [f"hidden[{i}]" for i in range(len(spec.widths) - 2)] if len(spec.widths) > 3 else ["hidden"]
    hidden = hidden if len(spec.widths) > 2 else []
    populations = [*hidden, "outputs"] if spec.rule.side == "postsynaptic" else ["inputs", *hidden]
    return [f"rule.flipped.{name}" for name in populations]


def _selections(spec: "Spec") -> list[Any]:
    """For each layer of weights, which of its gains are flipped."""
    flipped, layers = spec.rule.flipped, len(spec.widths) - 1
    hidden = flipped.hidden if isinstance(flipped.hidden, list) else [flipped.hidden] * (layers - 1)
    return [*hidden, flipped.outputs] if spec.rule.side == "postsynaptic" else [flipped.inputs, *hidden]


def _checked_rule(rule: Any) -> AbstractLearningRule:
    if not isinstance(rule, AbstractLearningRule) or not isinstance(rule, eqx.Module):
        raise ValueError(
            f"rule: got {rule!r}, required is an instance of a subclass of curlflow.rules.AbstractLearningRule."
        )
    return rule


__all__ = ["Problem", "build", "qualified_name"]
