"""How fast rules learn, side by side on the same problems: `convergence`."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import xarray as xr

from ... import results
from ...problem import EPOCH, Problem
from ...variable import EXACT, SOLVER, Variable, flag_variable
from ..arguments import Bar, Batching, Flag, Function, Graph, Natural, Positive, study
from ..assemble import ACCURACIES, along_coordinates, assembled
from ..runs import finished, side_by_side
from ..subject import Subject
from ..train.records import Plan, Stop
from ..train.runs import learn
from ..train.starts import prepared, subject_with_loss
from ..train.study import Epochs, Records
from .comparison import compare_rules
from .rules import named_rules
from .runs import ConvergenceRun, Ending, advanced_to_crossing, arrive, compiled_first, on_device

RR = ("rule", "realization")
CURVE = (*RR, "epoch")
QUALIFIED = {"ancillary_variables": "outcome status"}
OF_A_RUN = {"attributes": QUALIFIED, "uncertainty": SOLVER}
VARIABLES = (
    Variable("convergence_time", RR, "time at which the error first is at the threshold", **OF_A_RUN),
    Variable("convergence_epoch", RR, "number, from 0, of the first recorded epoch with an error below the "
             "threshold; else of the last epoch", attributes=QUALIFIED),
    Variable("converged", RR, "whether a record has an error below the threshold"),
    flag_variable("outcome", RR, "how the run ended", Ending),
    Variable("test_error", RR, "test error at the end of the run, half the mean squared error", **OF_A_RUN),
    Variable("train_error", RR, "training error at the end of the run", **OF_A_RUN),
    *(Variable(name, RR, f"{text}, at the end of the run", **OF_A_RUN) for name, text in ACCURACIES.items()),
    Variable("peak_error", RR, "largest training error at any record", **OF_A_RUN),
    Variable("stop_epoch", RR, "epochs that were computed"),
    flag_variable("stopped_by", RR, "what ended the run", Stop),
    results.status_variable(RR),
    Variable("test_error_curve", CURVE, "test error at a record; NaN after the end of the run", uncertainty=SOLVER),
    Variable("train_error_curve", CURVE, "training error at a record; NaN after the end of the run",
             uncertainty=SOLVER),
    Variable("threshold", ("realization",), "error that has to be reached", uncertainty=EXACT),
    Variable("output_variance", ("realization",), "variance of the teacher's outputs, summed over the outputs",
             uncertainty=EXACT),
    Variable("horizon", (), "time at which runs end that have not reached the threshold", uncertainty=EXACT),
)  # fmt: skip


@study
def convergence(
    spec_or_system: Any,
    *,
    threshold: Positive = 1e-3,
    error: Literal["train", "test"] = "test",
    relative: Flag = False,
    rules: Sequence[Any] | Mapping[str, Any] | None = None,
    epochs: Epochs = 100_000,
    records: Records = 100,
    to_end: Flag = False,
    seed: Natural = 0,
    compress: Flag = True,
    loss: Function | None = None,
    progress: Bar = None,
    batching: Batching = "auto",
    graph: Graph = None,
) -> xr.Dataset:
    """When learning reaches an error, under several rules on the same problems.

    ```python
    spec = curlflow.preset("fig5c").replace("dynamics", {"kind": "flow", "solver": "rkc2", "rtol": 1e-4})
    ds = curlflow.convergence(spec)
    print(ds.speed_up.values, ds.speed_up_lower.values, ds.speed_up_upper.values)
    ```

    **Returns:** a dataset over `rule` and `realization`: `convergence_time`, when the error first is at the
    threshold, in units of time, NaN if it never is; `convergence_epoch`, the published convention; `converged`;
    `outcome` (converged, not by the end, failed); `test_error`, `train_error` at the end of the run, with
    `test_accuracy`, `train_accuracy` where the loss knows classes, and `peak_error`; `test_error_curve`,
    `train_error_curve` along `epoch`; `stop_epoch`, `stopped_by`, `status`; and what `curlflow.compare_rules` finds
    of them, with the first rule as the baseline.

    **Arguments:**

    - `spec_or_system`: a `curlflow.Spec`, whose realizations are run side by side, as a flow or by updates; or a
      `Flow` or `Map`, with a `loss`, in the place of a rule under the name `system`.
    - `threshold`: the error to reach.
    - `error`: `"test"` or `"train"`, which error that is; of a system it is the loss.
    - `relative`: whether the threshold is in units of the variance of the teacher's outputs (of the test or the
      training set). With teachers of a small scale a network of zeros has a small error already.
    - `rules`: which are compared, the first one with all others. Default: gradient descent and the spec's own rule.
      It is a list of kinds (`"gradient"`), tables (`{"kind": "curl", "flipped": {"hidden": {"count": 1}}}`), rule
      objects and functions of (model, x, y), or a mapping from names to them. Other studies take one rule object,
      `rule`.
    - `epochs`: how long at most; an epoch of a flow is 0.1 units of time, as in the published updates, of a map an
      iteration.
    - `records`: errors are recorded after so many epochs, from 1 to `epochs` in equal steps of the logarithm.
    - `to_end`: whether runs go on to the last epoch once they have converged, for their errors at the end.
    - `seed`: of the bootstrap.
    - `compress`: whether networks that are linear and wide run at the exact smaller width; docs/compression.md.
    - `loss`: of a system, as for `curlflow.train`.
    - `progress`: True for a bar, or a function of (run, phase, fraction).
    - `batching`: whether runs are one program, `"together"`, or on threads, `"apart"`. Default: `"auto"`, together
      where there is an accelerator. Both agree up to rounding.
    - `graph`: a `networkx.DiGraph` of the spec's widths: which synapses there are, and their signs; docs/graphs.md.

    **Description:** it is the *first* crossing: the error need not stay below, since test errors are not monotone. A
    flow is looked at after every step of the solver, and the crossing located on the interpolation of that step;
    updates are looked at after every epoch. The published convention looks at records alone, counts epochs from 0,
    and takes the last epoch for runs that never converge. A run ends at its first record below the threshold.

    **Raises:** `ValueError` for arguments out of range; `curlflow.Interrupted` on Ctrl-C, with what was finished in
    its attribute `dataset`. A run that diverges, or never gets there, is no error.

    **Sources:** docs/model.md, "Convergence"; docs/convergence.md.
    """
    subject, of_state = subject_with_loss(spec_or_system, loss, graph=graph)
    settings = {
        "threshold": threshold, "error": error, "relative": relative, "epochs": epochs, "records": records,
        "to_end": to_end, "seed": seed,
    }  # fmt: skip
    if of_state is None:
        runs, about, variances = _under_rules(subject, rules, compress, settings)
    else:
        settings["error"] = "train"
        for name, given in {"rules": rules, "relative": relative}.items():
            if given:
                raise ValueError(f"{name}: got {given!r}, which goes with a spec; leave it out.")
        of_all = {"of_error": 0, "to_end": to_end}
        runs = [ConvergenceRun.of_system(0, subject.given, of_state, rule="system", threshold=threshold, **of_all)]
        about, variances = subject.identity, [float("nan")]
    on_device(runs)
    plan = Plan.of(runs[0].system, epochs=epochs, records=records)
    interrupted = side_by_side(
        lambda run, report: learn(run, plan, report, advanced_to_crossing, arrive),
        runs,
        progress,
        compiled=lambda: compiled_first(runs, plan),
        names=[f"{run.rule}, realization {run.index % len(variances)}" for run in runs],
    )
    dataset = finished(_dataset(about, runs, plan, variances, settings), interrupted)
    return compare_rules(dataset, seed=seed)


def _under_rules(
    subject: Subject, rules: Any, compress: bool, settings: Mapping[str, Any]
) -> tuple[list[ConvergenceRun], dict[str, Any], list[float]]:
    """The runs of every rule, what they are about, and the variances of the teachers' outputs."""
    subjects, error = named_rules(subject, rules), settings["error"]
    starts = {name: _starts(name, of_rule, of_rule is subject, compress) for name, of_rule in subjects.items()}
    first = next(iter(subjects.values()))
    if error == "test":
        first.problems[0].check_tested("error")
    variances = [_variance(p, error) for p in first.problems]
    if settings["relative"] and not all(variances):
        raise ValueError(
            f"relative: got True, but the teacher of realization {variances.index(0.0)} has the same outputs for all "
            f"{error} samples, a variance of 0; give the threshold in absolute units, or more samples."
        )
    of_all = {"of_error": ("train", "test").index(error), "to_end": settings["to_end"]}
    thresholds = [settings["threshold"] * (variance if settings["relative"] else 1.0) for variance in variances]
    runs = []
    for name, some in starts.items():
        for start, least in zip(some, thresholds, strict=True):
            runs.append(ConvergenceRun.of(len(runs), *start, rule=name, threshold=least, **of_all))
    return runs, subject.identity | first.fingerprint, variances


def _starts(name: str, subject: Subject, own: bool, compress: bool) -> list[tuple]:
    """Where the runs of a rule start; sentences about rules that are not the spec's own begin with their names."""
    try:
        return [prepared(problem, compress, deviate=False) for problem in subject.problems]
    except ValueError as error:
        if own:
            raise
        raise ValueError(f"rules: {name}: {error}") from None


def _variance(problem: Problem, error: str) -> float:
    """The variance of the teacher's outputs, summed over the outputs."""
    if error == "train" and problem.y_train is None:
        product = problem.linear_map[0]
        return float(np.trace(product @ problem.covariance @ product.T))
    targets = problem.y_test if error == "test" else problem.y_train
    return float(np.var(targets, axis=-1).sum())


def _dataset(
    about: Mapping[str, Any],
    runs: Sequence[ConvergenceRun],
    plan: Plan,
    variances: list[float],
    settings: dict[str, Any],
) -> xr.Dataset:
    """What every run has shown, finished or not."""
    system, rules = runs[0].system, {run.rule: _table(run) for run in runs}
    per_epoch = EPOCH if system.continuous else float(system.time(1))
    along = {
        "rule": (("rule",), np.array(list(rules)), "learning rule"),
        "realization": (("realization",), np.arange(len(variances)), "realization"),
    }
    whole = {
        "threshold": np.array([run.threshold for run in runs[: len(variances)]]),
        "output_variance": np.array(variances),
        "horizon": np.asarray(int(plan.epochs[-1]) * per_epoch),
    }
    rows, coordinates = [_row(run, plan) for run in runs], along_coordinates("epoch", plan.epochs, per_epoch)
    settings = settings | {"rules": rules}
    return assembled("convergence", VARIABLES, rows, coordinates, settings, about, along=along, whole=whole)


def _table(run: ConvergenceRun) -> dict[str, Any] | None:
    """The rule of a run, as a spec has it; None for a system."""
    return None if run.problem is None else run.problem.spec.rule.model_dump(mode="json")


def _row(run: ConvergenceRun, plan: Plan) -> dict[str, Any]:
    # The published convention counts epochs from 0.
    published = int(plan.epochs[-1 if run.arrived is None else run.arrived]) - 1
    # Behind the records a run that settled has its errors at the last epoch.
    curves = np.reshape(run.errors[: run.done], (-1, 2))
    return {
        "convergence_time": run.crossed * float(run.system.time(1)),
        "convergence_epoch": max(published, 0),
        "converged": run.arrived is not None,
        "outcome": np.int8(run.ending),
        **run.row(Stop.failed, Stop.interrupted),
        "test_error_curve": curves[:, 1],
        "train_error_curve": curves[:, 0],
    }
