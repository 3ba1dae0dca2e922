"""How learning ends: final and peak errors of long runs, stopped early only where that changes nothing: `train`."""

import dataclasses
from typing import Any

import jax
import numpy as np
import xarray as xr

from ..networks import Feedforward
from ..precision import double_precision
from ..problem import Problem
from ..rules import AbstractLearningRule, SignFlipped
from ..spec import Spec
from ..systems.deviations import applicable
from .options import positive, whole
from .principal_inputs import in_components, principal_components, turned
from .subjects import architecture_of, subject_attributes
from .training_batches import learn_together
from .training_dataset import assemble
from .training_runs import Plan, Run, advanced, learn
from .workers import Interrupted, Progress, in_turns, reporting


@double_precision
def train(
    spec: Spec,
    *,
    epochs: float = 100_000,
    records: float = 100,
    threshold: float | None = None,
    stop: bool = True,
    compress: bool = True,
    progress: bool | Progress | None = None,
    rule: Any = None,
    graph: Any = None,
) -> xr.Dataset:
    """Run learning to its end: final errors, the peak on the way, and whether it settled.

    ```python
    ds = curlflow.train(curlflow.preset("fig4"))
    ds = curlflow.train(spec, epochs=20_000, threshold=1e-3)
    ```

    **Returns:** a dataset over `realization`: `test_error`, `train_error` (½ · mean over samples of |ŷ − y|²) at the
    end, `peak_error`, the largest training error at any record, `stop_epoch`, how many epochs were computed,
    `stopped_by` (end, repeated, at_solution, failed, crossed) and `status`.

    **Arguments:**

    - `spec`: a `curlflow.Spec`, whose realizations are run side by side.
    - `epochs`: how long; an epoch of a flow is 0.1 units of time, as in the published updates.
    - `records`: errors are looked at after so many epochs, from 1 to `epochs` in equal steps of the logarithm, and at
      the start.
    - `threshold`: stop at the first record with a test error below this.
    - `stop`: False computes every epoch.
    - `compress`: whether networks that are linear and wide run at the exact smaller width; docs/compression.md.
    - `progress`: True for a bar, or a function of (realization, phase, fraction).
    - `rule`: a rule object of your own in place of the spec's.
    - `graph`: a `networkx.DiGraph` of the spec's widths: which synapses there are, and their signs; docs/graphs.md.

    **Description:** a start at the teacher's weights is stepped as the deviation from them
    (`curlflow.systems.deviations`), so that a growing 1e-15 is not rounded away. A run stops early only where its
    state repeats bit for bit, where it has reached a solution that is stable by its linearisation, or where it is no
    longer finite (`curlflow.studies.early_stopping`): its errors at the end are then those that the remaining epochs
    would give, errors below 1e-20 meaning "at a solution" and nothing finer.

    The status `period_two` marks runs that end in two alternating states, `held_by_rounding` those that stay at an
    unstable solution for three times as long as its instability needs to grow from rounding.

    **Raises:** `ValueError` for arguments out of range; `curlflow.Interrupted` on Ctrl-C, with what was finished in
    its attribute `dataset`. A run that diverges is no error: it has a `status`.

    **Sources:** docs/model.md, "Errors" and "The published protocols"; docs/training.md.
    """
    if not isinstance(spec, Spec):
        raise ValueError(f"spec: got {type(spec).__name__}, required is a curlflow.Spec.")
    epochs, records = whole("epochs", epochs, 1), whole("records", records, 1)
    threshold = None if threshold is None else positive("threshold", threshold)
    architecture = architecture_of(spec, graph)
    problems = [spec.build(realization=i, rule=rule, graph=architecture) for i in range(spec.realizations)]
    runs = [_prepared(i, problem, compress) for i, problem in enumerate(problems)]
    plan = Plan.spaced(epochs, records, spec.dynamics.kind == "flow")
    interrupted = False
    with reporting(progress, len(runs)) as report:
        try:
            _run_all(runs, plan, stop, threshold, report)
        except KeyboardInterrupt:
            interrupted = True
    settings = {"epochs": epochs, "records": records, "threshold": threshold, "stop": stop}
    dataset = assemble(runs, plan, settings, subject_attributes(spec, rule, architecture))
    if interrupted:
        raise Interrupted(dataset)
    return dataset


def _run_all(runs: list[Run], plan: Plan, may_stop: bool, threshold: float | None, report: Progress) -> None:
    """On a CPU one run per core at a time, on an accelerator those of one shape as a batch."""
    if jax.default_backend() != "cpu":
        learn_together(runs, plan, may_stop, threshold, report)
        return
    # Compile once, before threads that would all compile the same.
    advanced(runs[0], plan, 0)
    in_turns(lambda run: learn(run, plan, may_stop, threshold, report), runs)


def _prepared(index: int, problem: Problem, compress: bool) -> Run:
    """The run of one realization: narrowed where that is exact, as a deviation where it starts at the teacher."""
    problem = dataclasses.replace(problem, rule=_with_gains(problem))
    deviation = deviation_from_teacher(problem)
    if compress:
        spans = None if deviation is None else _spans(problem, deviation)
        problem = problem.compressed(pad=True, extra=spans)
    around = None if deviation is None else (problem.teacher, deviation)
    if around is not None and problem.compression is not None:
        around = tuple(problem.compression.rotate(network) for network in around)
    components = principal_components(problem)
    if components is not None:
        problem = in_components(problem, components)
        around = around and tuple(turned(network, components) for network in around)
    return Run.of(index, problem, around)


def _with_gains(problem: Problem) -> AbstractLearningRule:
    """The rule, with gains of one where nothing happens to be flipped: a sweep compiles once for all fractions."""
    named = problem.spec.rule.kind in ("curl", "feedback_alignment")
    if not named or isinstance(problem.rule, SignFlipped) or problem.architecture is not None:
        return problem.rule
    return SignFlipped(problem.rule, [np.ones((1, w.shape[1])) for w in problem.student.weights])


def deviation_from_teacher(problem: Problem) -> Feedforward | None:
    """The deviation of the start from the teacher, where the run can be stepped in it."""
    spec, student = problem.spec, problem.student
    full_batches = spec.dynamics.kind == "flow" or spec.dynamics.batch == "full"
    if spec.start.kind != "teacher" or spec.start.offset is None or not full_batches:
        return None
    if not applicable(student, problem.rule, problem.task, problem.constraint):
        return None
    deviation = [np.zeros_like(w) for w in student.weights]
    deviation[spec.start.offset.layer - 1] += spec.start.offset.value
    return student.with_weights(deviation)


def _spans(problem: Problem, deviation: Feedforward) -> list[np.ndarray]:
    """A column of ones for every hidden layer: the deviation adds one number to all weights of a layer."""
    return [np.ones((w.shape[0], 1)) for w in deviation.weights[:-1]]
