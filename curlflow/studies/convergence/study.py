"""How fast rules learn, side by side on the same problems: `convergence`."""

import contextlib
import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import xarray as xr

from ...problem import Problem
from ...spec import Spec
from ..arguments import Bar, Flag, Graph, Natural, Positive, study
from ..runs import Interrupted, in_turns, reporting, stopped
from ..subject import architecture_of, subject_attributes
from ..train.plan import Plan
from ..train.starts import prepared
from ..train.study import Epochs, Records
from .comparison import compare_rules
from .dataset import assemble
from .rules import named_rules
from .runs import Arriving, arrive, compiled, on_device

ERRORS = ("train", "test")
Rules = Sequence[Any] | Mapping[str, Any]


@study
def convergence(
    spec: Any,
    *,
    threshold: Positive = 1e-3,
    error: Literal["train", "test"] = "test",
    relative: Flag = False,
    rules: Rules | None = None,
    epochs: Epochs = 100_000,
    records: Records = 100,
    to_end: Flag = False,
    seed: Natural = 0,
    compress: Flag = True,
    progress: Bar = None,
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
    `outcome` (converged, not by the end, failed); `test_error`, `train_error` at the end of the run, `peak_error`;
    `test_error_curve`, `train_error_curve` along `epoch`; `stop_epoch`, `stopped_by`, `status`; and what
    `curlflow.compare_rules` finds of them, with the first rule as the baseline.

    **Arguments:**

    - `spec`: a `curlflow.Spec`, whose realizations are run side by side, as a flow or by updates.
    - `threshold`: the error to reach.
    - `error`: `"test"` or `"train"`, which error that is.
    - `relative`: whether the threshold is in units of the variance of the teacher's outputs (of the test or the
      training set). With teachers of a small scale a network of zeros has a small error already.
    - `rules`: which are compared, the first one with all others. Default: gradient descent and the spec's own rule.
      It is a list of kinds (`"gradient"`), tables (`{"kind": "curl", "flipped": {"hidden": {"count": 1}}}`) and rule
      objects, or a mapping from names to them. Other studies take one rule object, `rule`.
    - `epochs`: how long at most; an epoch of a flow is 0.1 units of time, as in the published updates.
    - `records`: errors are recorded after so many epochs, from 1 to `epochs` in equal steps of the logarithm.
    - `to_end`: whether runs go on to the last epoch once they have converged, for their errors at the end.
    - `seed`: of the bootstrap.
    - `compress`: whether networks that are linear and wide run at the exact smaller width; docs/compression.md.
    - `progress`: True for a bar, or a function of (run, phase, fraction).
    - `graph`: a `networkx.DiGraph` of the spec's widths: which synapses there are, and their signs; docs/graphs.md.

    **Description:** it is the *first* crossing: the error need not stay below, since test errors are not monotone. A
    flow is looked at after every step of the solver, and the crossing located on the interpolation of that step;
    updates are looked at after every epoch. The published convention looks at records alone, counts epochs from 0,
    and takes the last epoch for runs that never converge. A run ends at its first record below the threshold.

    **Raises:** `ValueError` for arguments out of range; `curlflow.Interrupted` on Ctrl-C, with what was finished in
    its attribute `dataset`. A run that diverges, or never gets there, is no error.

    **Sources:** docs/model.md, "Convergence"; docs/convergence.md.
    """
    if not isinstance(spec, Spec):
        raise ValueError(f"spec: got {type(spec).__name__}, required is a curlflow.Spec.")
    settings = {
        "threshold": threshold, "error": error, "relative": relative, "epochs": epochs, "records": records,
        "to_end": to_end, "seed": seed,
    }  # fmt: skip
    architecture = architecture_of(spec, graph)
    chosen = named_rules(spec, rules)
    problems = {name: _problems(spec, name, rule, architecture) for name, rule in chosen.items()}
    first = next(iter(problems.values()))
    variances = [_variance(problem, settings["error"]) for problem in first]
    if settings["relative"] and not all(variances):
        raise ValueError(
            f"relative: got True, but the teacher of realization {variances.index(0.0)} has the same outputs for all "
            f"{settings['error']} samples, a variance of 0; give the threshold in absolute units, or more samples."
        )
    runs = _runs(spec, chosen, problems, variances, settings, compress)
    on_device(runs)
    plan = Plan.of(spec.dynamics, settings["epochs"], settings["records"])
    with reporting(progress, [f"{r.rule}, realization {r.run.index}" for r in runs]) as report:
        compiled(runs, plan)
        interrupted = stopped(lambda: in_turns(lambda r: arrive(r, plan, report), runs))
    named = {name: problems[name][0].spec.rule.model_dump(mode="json") for name in chosen}
    settings |= {"rules": named}
    dataset = assemble(list(chosen), runs, plan, variances, settings, subject_attributes(spec, None, architecture))
    if interrupted:
        raise Interrupted(dataset)
    return compare_rules(dataset, seed=settings["seed"])


def _problems(spec: Spec, name: str, rule: Any, architecture: Any) -> list[Problem]:
    build = rule.build if isinstance(rule, Spec) else functools.partial(spec.build, rule=rule)
    with _named(name, rule is not spec):
        return [build(realization=i, graph=architecture) for i in range(spec.realizations)]


@contextlib.contextmanager
def _named(name: str, given: bool) -> Iterator[None]:
    """Sentences about a rule that was given begin with its name."""
    try:
        yield
    except ValueError as error:
        if not given:
            raise
        raise ValueError(f"rules: {name}: {error}") from None


def _runs(
    spec: Spec,
    rules: dict[str, Any],
    problems: dict[str, list[Problem]],
    variances: list[float],
    settings: dict[str, Any],
    compress: bool,
) -> list[Arriving]:
    thresholds = [settings["threshold"] * (variance if settings["relative"] else 1.0) for variance in variances]
    of = ERRORS.index(settings["error"])
    runs = []
    for name, some in problems.items():
        with _named(name, rules[name] is not spec):
            prepared_runs = [prepared(i, problem, compress, deviate=False) for i, problem in enumerate(some)]
        for run, threshold in zip(prepared_runs, thresholds, strict=True):
            runs.append(Arriving(name, len(runs), run, threshold, of, settings["to_end"]))
    return runs


def _variance(problem: Problem, error: str) -> float:
    """The variance of the teacher's outputs, summed over the outputs."""
    if error == "train" and problem.y_train is None:
        product = np.asarray(problem.teacher.product())
        return float(np.trace(product @ problem.covariance @ product.T))
    targets = problem.y_test if error == "test" else problem.y_train
    return float(np.var(targets, axis=1).sum())
