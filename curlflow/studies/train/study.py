"""How learning ends: final and peak errors of long runs, stopped early only where that changes nothing: `train`."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import xarray as xr

from ... import results
from ...former import former_names
from ...spec import Spec
from ...systems import AbstractSystem
from ...systems.flat import flattened
from ...together import as_one
from ...variable import SOLVER, Variable, flag_variable
from ..arguments import Bar, Batching, Flag, Function, Graph, Positive, Rule, study, whole
from ..assemble import ACCURACIES, assembled, weight_coordinates
from ..runs import Progress, attended, finished, in_turns
from ..subject import Subject, compression_attribute
from .batches import WIDTH, learn_in_batches, parts_of, shares_covariance
from .records import Plan, Stop, TrainingRun
from .runs import advanced, learn
from .starts import prepared, subject_with_loss

Epochs, Records = whole(1, 10**15), whole(1, 10**6)
R = ("realization",)
STATUS = {"ancillary_variables": "status"}
VARIABLES = (
    Variable(
        "test_error", R, "test error at the end, half the mean squared error", attributes=STATUS, uncertainty=SOLVER
    ),
    Variable(
        "train_error",
        R,
        "training error at the end, half the mean squared error",
        attributes=STATUS,
        uncertainty=SOLVER,
    ),
    Variable("peak_error", R, "largest training error at any record", attributes=STATUS, uncertainty=SOLVER),
    *(
        Variable(name, R, f"{text}, at the end", attributes=STATUS, uncertainty=SOLVER)
        for name, text in ACCURACIES.items()
    ),
    Variable("weights", ("realization", "weight"), "synaptic weights at the end", uncertainty=SOLVER),
    Variable("stop_epoch", R, "epochs that were computed"),
    flag_variable("stopped_by", R, "what ended the run", Stop),
    results.status_variable(),
)


@study
def train(
    spec_or_system: Spec | AbstractSystem,
    *,
    epochs: Epochs = 100_000,
    records: Records = 100,
    threshold: Positive | None = None,
    stop: Flag = True,
    weights: Literal["none", "all"] = "none",
    compress: Flag = True,
    loss: Function | None = None,
    progress: Bar = None,
    batching: Batching = "auto",
    rule: Rule = None,
    graph: Graph = None,
) -> xr.Dataset:
    """Run learning to its end: final errors, the peak on the way, and whether it settled.

    ```python
    ds = curlflow.train(curlflow.preset("fig4"))
    ds = curlflow.train(spec, epochs=20_000, threshold=1e-3)
    ds = curlflow.train(flow, loss=lambda x: jnp.sum(x**2))
    ```

    **Returns:** a dataset over `realization`: `test_error`, `train_error` (½ · mean over samples of |ŷ − y|²) at the
    end, with `train_accuracy` and `test_accuracy` where the loss knows classes, `peak_error`, the largest training
    error at any record, `stop_epoch`, how many epochs were computed, `stopped_by` (end, repeated, at_solution,
    failed, crossed, interrupted) and `status`.

    **Arguments:**

    - `spec_or_system`: a `curlflow.Spec`, whose realizations are run side by side; or a `Flow` or `Map`, with a
      `loss`.
    - `epochs`: how long; an epoch of a flow is 0.1 units of time, as in the published updates, of a map an iteration.
    - `records`: how often, besides the start, errors are looked at: from epoch 1 to `epochs`, in equal ratios.
    - `threshold`: stop at the first record with a test error below this, of a system with a loss below this.
    - `stop`: whether a run stops where the rest of it changes nothing; one of a system does not.
    - `weights`: whether `weights` at the end are recorded, `"all"` or `"none"`. Networks then run as they are,
      neither narrowed nor turned.
    - `compress`: whether networks that are linear and wide run at the exact smaller width; docs/compression.md.
    - `loss`: of a system, the function of its state, written with jax.numpy, that stands for the training error;
      the test error is NaN.
    - `progress`: True for a bar, or a function of (realization, phase, fraction).
    - `batching`: whether realizations run as one program, `"together"`, or on threads, `"apart"`. Default: `"auto"`,
      together where there is an accelerator. Both agree up to rounding.
    - `rule`: a rule object of your own in place of the spec's.
    - `graph`: a `networkx.DiGraph` of the spec's widths: which synapses there are, and their signs; docs/graphs.md.

    **Description:** a start at the teacher's weights is stepped as the deviation from them
    (`curlflow.systems.fast.deviations`), so that a growing 1e-15 is not rounded away. A run stops early only where
    its state repeats bit for bit, where it has reached a solution that is stable by its linearisation, or where it is
    no longer finite (`curlflow.studies.train.stopping`): its errors at the end are then those that the remaining
    epochs would give, errors below 1e-20 meaning "at a solution" and nothing finer. The status `period_two` marks
    runs that end in two alternating states, `held_by_rounding` those that stay at an unstable solution for three
    times as long as its instability needs to grow from rounding.

    **Raises:** `ValueError` for arguments out of range; `curlflow.Interrupted` on Ctrl-C, with what was finished in
    its attribute `dataset`. A run that diverges is no error: it has a `status`.

    **Sources:** docs/model.md, "Errors" and "The published protocols"; docs/training.md.
    """
    subject, of_state = subject_with_loss(spec_or_system, loss, rule=rule, graph=graph)
    settings = {"epochs": epochs, "records": records, "threshold": threshold, "stop": stop}
    whole = weights == "all"
    if of_state is not None:
        if whole:
            raise ValueError("weights: they are those of a spec; leave it out.")
        runs = [TrainingRun.of_system(0, subject.given, of_state)]
    else:
        how = {"compress": compress and not whole, "rotate": not whole}
        runs = [TrainingRun.of(i, *prepared(subject.build(i), **how)) for i in range(subject.realizations)]
    if threshold is not None and subject.learning:
        runs[0].problem.check_tested("threshold")
    plan = Plan.of(runs[0].system, **settings)
    interrupted = attended(lambda report: _run_all(runs, plan, report), runs, progress)
    return finished(_dataset(subject, runs, plan, settings, whole), interrupted)


def _run_all(runs: list[TrainingRun], plan: Plan, report: Progress) -> None:
    """Every run by itself, or as one program with the others; on a CPU a few that share a covariance as a batch."""
    if shares_covariance(runs) and not as_one():
        in_turns(lambda some: learn_in_batches(some, plan, report), parts_of(runs, WIDTH))
    else:
        in_turns(lambda run: learn(run, plan, report), runs, compiled=lambda: advanced(runs[0], plan, 0))


def _dataset(
    subject: Subject, runs: Sequence[TrainingRun], plan: Plan, settings: Mapping[str, Any], whole: bool
) -> xr.Dataset:
    """What every run ended in, finished or not; with all weights where they are `whole`."""
    rows, coordinates = [run.row(Stop.failed) for run in runs], {}
    if whole:
        rows = [row | {"weights": np.asarray(flattened(run.network))} for row, run in zip(rows, runs, strict=True)]
        coordinates = weight_coordinates(subject.shapes, np.arange(subject.size))
    settings = {**settings, "recorded_epochs": f"0 and {plan.epochs.size - 1} from 1 to {plan.epochs[-1]}"}
    compression = runs[0].problem.compression if subject.learning else None
    attributes = subject.identity | subject.fingerprint | compression_attribute(compression)
    return assembled("train", VARIABLES, rows, coordinates, settings, attributes)


__getattr__ = former_names(__name__, {"train_together": "curlflow.studies.cells.train"})
