"""From a spec to arrays: the student, its teacher, the data, and the systems they make."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import jax
import networkx as nx
import numpy as np
from jaxtyping import Array, Float, Int, Num

from ..compression import Compression, compress
from ..constraints import AbstractConstraint
from ..losses import LOSSES, squared_error
from ..networks import Feedforward
from ..networks.architecture import Architecture
from ..networks.graph import to_graph
from ..networks.model import Model
from ..optimizers import AbstractOptimizer, Plain
from ..optimizers.base import checked_optimizer
from ..precision import double_precision
from ..rules import AbstractLearningRule
from ..rules.graph_signs import with_graph_signs
from ..rules.sign_flipped import with_layer_rates
from ..rules.signals import ErrorSignal
from ..solvers.integrate import Adaptive
from ..systems import Diffusion, Flow, Map
from ..systems.learning import DRAWINGS, full_batch_updates, learning_flow, minibatch_updates
from ..systems.optimized import optimized_flow, optimized_minibatch_updates, optimized_updates
from ..systems.sampling_noise import learning_diffusion
from ..tasks import AbstractTask, LinearSamples, LossSamples, Samples, SecondMoments
from . import draw, given

if TYPE_CHECKING:
    from ..spec import Spec

EPOCH = 0.1
"""Units of time in an epoch of a flow, as in the published updates."""


@dataclass(frozen=True)
class Problem:
    """One realization of a spec, as plain float64 arrays.

    **Attributes:**

    - `student`, `teacher`: networks; `.weights` is a tuple of arrays of shape (post, pre), `.biases` one of vectors
      (post,), or None. Of a model of your own the
      student is a `curlflow.networks.Model`. The teacher is None where the targets are not its outputs.
    - `x_train`, `y_train`: inputs (inputs × samples) and targets (outputs × samples); None for the population.
    - `x_test`, `y_test`: likewise for the test set.
    - `covariance`: ⟨x xᵀ⟩ (inputs × inputs) over the training set or the population; None for a model of your own.
    - `rule`: a `curlflow.rules.AbstractLearningRule`.
    - `constraint`: `Free()` or `FrobeniusSpheres(radii)`; within `Masked(masks, …)` where synapses are missing, and
      spheres within `FreeBiases(…)` where there are biases.
    - `batch_key`: the key from which `batches` shuffles or draws.
    - `noise_key`: the key of the Brownian path of `diffusion`.
    - `spec`: the spec that it was built from.
    - `fingerprint`: a short hash of the streams and arrays that were drawn, by seeds and realization.
    - `architecture`: the `curlflow.networks.Architecture` of the graph that was given to `build`, or None.
    - `compression`: the `curlflow.compression.Compression` of a problem that `compressed` made; None for others.
    - `loss`: of outputs and targets (both samples × …), a function of `curlflow.losses` or of your own.
    - `optimizer`: a `curlflow.optimizers.AbstractOptimizer`, or None for plain updates.

    What `dataclasses.replace` changes is used, or refused with a sentence: other samples without other targets keep
    the targets, and targets that are not the teacher's outputs are learned without it.
    """

    student: Feedforward | Model
    teacher: Feedforward | None
    x_train: Num[np.ndarray, "*inputs samples"] | None
    y_train: Num[np.ndarray, "*outputs samples"] | None
    x_test: Num[np.ndarray, "*inputs test_samples"]
    y_test: Num[np.ndarray, "*outputs test_samples"]
    covariance: Float[np.ndarray, "inputs inputs"] | Float[np.ndarray, " inputs"] | None
    rule: AbstractLearningRule
    constraint: AbstractConstraint
    batch_key: Array
    noise_key: Array
    spec: "Spec"
    fingerprint: Mapping[str, str]
    architecture: Architecture | None = None
    compression: Compression | None = None
    loss: Callable = squared_error
    optimizer: AbstractOptimizer | None = None
    made_of: tuple[Any, ...] = dataclasses.field(default=(), repr=False, compare=False)

    def __post_init__(self):
        given.check_replaced(self)

    @property
    def regression(self) -> bool:
        """Whether a layered network without biases learns by its squared error: what closed forms are about."""
        layered = isinstance(self.student, Feedforward) and self.student.biases is None
        return layered and self.loss is squared_error

    def signal(self, network: Any) -> ErrorSignal | None:
        """That of the rule at these weights, where errors are those of a `regression`; else None."""
        return self.rule.signal(network) if self.regression else None

    @property
    def remembers(self) -> bool:
        """Whether an optimizer or the rule has a memory; the state of learning is then more than the network."""
        return self.optimizer is not None or self.rule.memory0(self.student) is not None

    @property
    def task(self) -> AbstractTask:
        """What a full batch learns from: second moments where the network and the rule allow, else samples."""
        if self.regression and self.student.is_linear and self.rule.second_moments_suffice:
            return SecondMoments(self.covariance, *self.linear_map)
        return self.samples

    @functools.cached_property
    def linear_map(self) -> tuple[np.ndarray, np.ndarray | None]:
        """V (outputs × inputs), a linear teacher or the best linear map, and the covariance of what it leaves."""
        if self.teacher is not None and self.teacher.is_linear:
            return np.asarray(self.teacher.product()), None
        best = np.linalg.lstsq(self.x_train.T, self.y_train.T)[0].T
        left = self.y_train - best @ self.x_train
        return best, left @ left.T / left.shape[1]

    def _samples(self, x: Any, y: Any) -> Samples | LossSamples:
        return Samples(x, y) if self.loss is squared_error else LossSamples(x, y, self.loss)

    @property
    def samples(self) -> Samples | LossSamples:
        """The training samples as a task."""
        if self.x_train is None:
            raise ValueError(
                f'data.samples: got "population", but {type(self.rule).__qualname__} needs samples '
                "(it does not set second_moments_suffice); give a number."
            )
        return self._samples(self.x_train, self.y_train)

    @property
    def training_error(self) -> AbstractTask:
        """A task whose `error` is the training error."""
        if self.x_train is None:
            return SecondMoments(self.covariance, *self.linear_map)
        return self._with_linear_teacher(self.x_train) or self.samples

    @property
    def test_error(self) -> AbstractTask:
        """A task whose `error` is the test error; NaN where there are no test samples."""
        return self._with_linear_teacher(self.x_test) or self.test

    def _with_linear_teacher(self, x: Any) -> LinearSamples | None:
        linear = self.regression and self.student.is_linear and self.teacher is not None and self.teacher.is_linear
        return LinearSamples(x, self.linear_map[0]) if linear else None

    @property
    def step(self) -> float | None:
        """The step of one update; None for a flow, and for the drift of an equation with noise."""
        dynamics = self.spec.dynamics
        if dynamics.kind != "updates":
            return None
        rate, batch = dynamics.learning_rate, dynamics.batch
        return rate if batch == "full" else rate * batch / self.x_train.shape[-1]

    @property
    def test(self) -> Samples | LossSamples:
        """The test samples as a task."""
        return self._samples(self.x_test, self.y_test)

    def check_tested(self, argument: str) -> None:
        """Refuse an argument that is about the test error where there are no test samples."""
        if not self.x_test.shape[-1]:
            raise ValueError(f"{argument}: it is about the test error, but the data have no test samples; give some.")

    def graph(self) -> nx.DiGraph:
        """The student as a graph: neurons with rule signs, synapses with weights; docs/graphs.md.

        It is the graph that was given, with the student's weights and the gains of the rule, or else one with the
        names x1, h1, y1, …. A rule that wraps a flipped one hides its gains: they are not written, nor are the
        spec's `layer_rates`.
        """
        student, rule = self.student, self.rule
        if self.compression is not None:
            student, rule = self.compression.expand(student), self.compression.wide_rule
        signs, rates = rule.unflipped()[1], self.spec.dynamics.layer_rates
        if rates is not None:
            signs = tuple(gain / rate for gain, rate in zip(signs, rates, strict=True))
        if self.architecture is None:
            return to_graph(student, gains=signs)
        return self.architecture.graph(student, gains=signs)

    def compressed(self, *, pad: bool = False, extra: Any = None, kinds: int | None = None) -> "Problem":
        """The same problem on fewer hidden units, where that is exact (docs/compression.md).

        ```python
        narrow = spec.build().compressed()
        wide = narrow.student if narrow.compression is None else narrow.compression.expand(narrow.student)
        ```

        **Returns:** a problem whose student and rule are the compressed ones, with its `compression`; or the problem
        itself where nothing is gained, and where an optimizer or the rule has a memory. The wide student is not kept:
        `compression.expand` makes it again.

        **Arguments:** `pad`, `extra` and `kinds` as for `curlflow.compression.compress`.
        """
        narrows = not self.remembers and isinstance(self.student, Feedforward)
        if self.compression is not None or not narrows:
            return self
        found = compress(self.student, self.rule, self.constraint, extra=extra, pad=pad, kinds=kinds)
        if found is None:
            return self
        return dataclasses.replace(self, student=found.network, rule=found.rule, compression=found)

    def without_optimizer(self) -> "Problem":
        """The same problem with plain updates, or the flow of the rule itself."""
        return dataclasses.replace(self, optimizer=None, spec=self.spec.replace("optimizer", {"kind": "none"}))

    def system(self) -> Flow | Map | Diffusion:
        """The dynamics that the spec names."""
        kinds = {"flow": self.flow, "updates": self.updates, "sde": self.diffusion}
        return kinds[self.spec.dynamics.kind]()

    @double_precision
    def flow(self, *, solver: str | None = None, rtol: float | None = None, atol: float | None = None) -> Flow:
        """The rule as a flow. What is not given is that of the spec, if its dynamics is a flow, or a default.

        That of an optimizer is the limit of its updates, with a mass and friction as for η = `EPOCH`.
        """
        dynamics = self._dynamics("flow", solver=solver, rtol=rtol, atol=atol)
        integrator = Adaptive(**dynamics.model_dump(include={"solver", "rtol", "atol"}))
        parts = self.student, self.rule, self.task, self.constraint
        if self.remembers:
            return optimized_flow(*parts, EPOCH, self._optimizer(), integrator)
        return learning_flow(*parts, integrator)

    @double_precision
    def updates(
        self,
        *,
        learning_rate: float | None = None,
        batch: int | str | None = None,
        drawing: str | None = None,
        optimizer: Any = None,
    ) -> Map:
        """The rule as a map, one epoch per iteration. What is not given is taken as for `flow`.

        With an optimizer, that of the spec or one of `curlflow.optimizers` that is given, or with a rule that has a
        memory, the state is a `curlflow.systems.optimized.Learner`.
        """
        dynamics = self._dynamics("updates", learning_rate=learning_rate, batch=batch, drawing=drawing)
        rate, parts = dynamics.learning_rate, (self.student, self.rule)
        optimizer = self._optimizer(optimizer)
        if dynamics.batch == "full":
            whole = *parts, self.task, self.constraint, rate
            return full_batch_updates(*whole) if optimizer is None else optimized_updates(*whole, optimizer)
        draws = *parts, self.samples, self.constraint, rate, dynamics.batch, self.batch_key
        if optimizer is None:
            return minibatch_updates(*draws, dynamics.drawing)
        return optimized_minibatch_updates(*draws, optimizer, dynamics.drawing)

    @double_precision
    def diffusion(
        self,
        *,
        learning_rate: float | None = None,
        batch: int | None = None,
        step: float | None = None,
        correction: bool | None = None,
    ) -> Diffusion:
        """Updates by independently drawn batches as a stochastic differential equation, one epoch per iteration.

        What is not given is taken as for `flow`.
        """
        given = {"learning_rate": learning_rate, "batch": batch, "step": step, "correction": correction}
        dynamics, samples = self._dynamics("sde", **given), self.samples
        parts = self.student, self.rule, self.task, samples, self.constraint
        draws = dynamics.learning_rate, dynamics.batch, self.noise_key
        steps = dynamics.steps(samples.x.shape[1])
        return learning_diffusion(*parts, *draws, steps=steps, correction=dynamics.correction)

    @double_precision
    def batches(
        self, epoch: int, batch: int | None = None, drawing: str | None = None
    ) -> Int[np.ndarray, "slices batch"]:
        """The indices of the samples in every batch of an epoch (counted from 0), in order."""
        if self.x_train is None:
            raise ValueError('data.samples: got "population", which has no batches; give a number of samples.')
        if isinstance(epoch, bool) or not isinstance(epoch, int | np.integer) or epoch < 0:
            raise ValueError(f"epoch: got {epoch!r}, allowed are whole numbers from 0.")
        samples = self.x_train.shape[1]
        dynamics = self._dynamics("updates", batch=batch, drawing=drawing)
        size = samples if dynamics.batch == "full" else dynamics.batch
        return np.asarray(DRAWINGS[dynamics.drawing](self.batch_key, epoch, samples, size))

    def _optimizer(self, other: Any = None) -> AbstractOptimizer | None:
        """The optimizer, or `other` in its place; `Plain()` where the rule alone has a memory, else None."""
        if other is not None:
            return checked_optimizer(other)
        return Plain() if self.optimizer is None and self.remembers else self.optimizer

    def _dynamics(self, kind: str, **given: Any) -> Any:
        """The spec's dynamics with the given values in place of its fields, validated by the spec."""
        changes = {f"dynamics.{name}": value for name, value in given.items() if value is not None}
        return self.spec.replace({"dynamics.kind": kind, **changes}).dynamics


@double_precision
def build(
    spec: "Spec",
    *,
    realization: int = 0,
    rule: Any = None,
    graph: Any = None,
    parts: Mapping[str, Any] = MappingProxyType({}),
) -> Problem:
    """Draw the arrays of one realization of `spec`; see `Spec.build`. `parts` are the objects of an `Experiment`."""
    if isinstance(realization, bool) or not isinstance(realization, int | np.integer) or realization < 0:
        raise ValueError(f"realization: got {realization!r}, allowed are whole numbers from 0.")
    if rule is not None and not isinstance(rule, AbstractLearningRule):
        required = "an instance of a subclass of curlflow.rules.AbstractLearningRule"
        raise ValueError(f"rule: got {rule!r}, required is {required}.")
    architecture = None if graph is None else draw.checked_architecture(spec, graph)

    def key(role: int, seed: int | None = None) -> Array:
        return draw.stream(spec.seed if seed is None else seed, role, int(realization))

    given.check_complete(spec, parts)
    noise_seed = getattr(spec.dynamics, "noise_seed", None)
    own = given.samples_of(spec, parts)
    teacher = parts.get("teacher")
    if teacher is None and own is None and spec.network is not None:
        teacher = draw.drawn_teacher(spec, key(draw.TEACHER), architecture)
    if "teacher" in parts:
        given.check_teacher(spec, teacher, own)
    student = given.student_of(spec, parts, int(realization), key(draw.START), teacher, architecture)
    learns = spec.rule.build(spec.widths, key) if rule is None else rule
    x_train, y_train, x_test, y_test = draw.drawn_samples(spec, teacher) if own is None else own
    keys = key(draw.BATCHES, noise_seed), key(draw.NOISE, noise_seed)
    weights = jax.tree.leaves((teacher, student))
    arrays = *weights, *(x for x in (x_train, x_test) if x is not None), *(own or ())[1::2]
    problem = Problem(
        student=student,
        teacher=teacher,
        x_train=x_train,
        y_train=y_train,
        x_test=x_test,
        y_test=y_test,
        covariance=_covariance(spec, student, x_train),
        rule=_with_gains(learns, spec, student, architecture),
        constraint=parts.get("constraint") or draw.drawn_constraint(spec, student, architecture),
        batch_key=keys[0],
        noise_key=keys[1],
        spec=spec if rule is None else spec.replace("rule", {"kind": "custom", "name": qualified_name(rule)}),
        fingerprint=draw.problem_fingerprint(spec, int(realization), map(np.asarray, arrays), keys),
        architecture=architecture,
        loss=parts.get("loss") or LOSSES[spec.loss],
        optimizer=parts.get("optimizer") or spec.optimizer.build(),
    )
    if own is not None or parts or getattr(student, "biases", None) is not None:
        given.check_learning(problem)
    return problem


def _with_gains(
    rule: AbstractLearningRule, spec: "Spec", student: Feedforward | Model, architecture: Architecture | None
) -> AbstractLearningRule:
    """The rule with the signs of a graph and the learning rates of layers."""
    if architecture is not None:
        rule = with_graph_signs(rule, architecture)
    rates = spec.dynamics.layer_rates
    return rule if rates is None else with_layer_rates(rule, student, rates)


def _covariance(spec: "Spec", student: Feedforward | Model, x_train: Any) -> Any:
    if not isinstance(student, Feedforward):
        return None
    if x_train is None:
        return spec.data.input_std**2 * np.eye(spec.network.inputs)
    return x_train @ x_train.T / x_train.shape[1]


def qualified_name(rule: Any) -> str:
    """Module and class of a rule object, for the provenance of a dataset."""
    return f"{type(rule).__module__}.{type(rule).__qualname__}"
