"""Learning curves of specs, trajectories of systems: `simulate`."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float, Int

from .. import results
from ..measures.recording import CAPACITY
from ..networks import Feedforward
from ..networks.model import Model
from ..problem import Problem
from ..spec import Spec
from ..systems import AbstractSystem
from ..systems.flat import flattened
from ..systems.optimized import Learner, network_of
from ..tangents import size
from ..tasks import AbstractTask
from ..variable import SOLVER, Variable
from .arguments import Bar, Batching, Flag, Graph, Natural, Rule, check, study, whole
from .assemble import ACCURACIES, along_coordinates, assembled, weight_coordinates
from .observables import Beside, Observables, named_observables
from .runs import Progress, Run, finished, paced, side_by_side
from .subject import Subject

SCORES = "train_error", "test_error", "train_accuracy", "test_accuracy"
TAKEN = *SCORES, "layer_norm", "weights", "state", "status", "time", "epoch", "iteration", "realization"


class Observer(eqx.Module):
    """Errors, accuracies, norms of all layers, and of biases behind them, some weights, and further observables."""

    training: AbstractTask
    test: AbstractTask
    indices: Int[np.ndarray, " weights"] | Int[Array, " weights"]
    further: Callable

    def __call__(self, state: Feedforward | Model | Learner) -> Float[Array, " observables"]:
        network = network_of(state)
        norms = [jnp.linalg.norm(w) for w in jax.tree.leaves(network)]
        tasks = self.training, self.test
        scores = [task.error(network) for task in tasks]
        if self.training.classifies:
            scores += [task.accuracy(network) for task in tasks]
        numbers, some = jnp.stack([*scores, *norms]), flattened(network)[self.indices]
        return jnp.concatenate([numbers, some, self.further(network)])


@dataclass(kw_only=True)
class Trajectory(Run):
    """One realization, what is observed of it, and the records so far."""

    observer: Callable
    records: list[np.ndarray] = field(default_factory=list)


@study
def simulate(
    spec_or_system: Spec | AbstractSystem,
    *,
    times: Sequence[float] | np.ndarray | None = None,
    weights: Literal["none", "all"] | Natural = "none",
    progress: Bar = None,
    observables: Any = None,
    batching: Batching = "auto",
    rule: Rule = None,
    graph: Graph = None,
    compress: Flag = True,
) -> xr.Dataset:
    """Errors, norms and weights along the dynamics of a spec, for all its realizations; or states of any system.

    ```python
    ds = curlflow.simulate(curlflow.preset("hidden_chaos"), times=np.linspace(0, 500, 101))
    ds = curlflow.simulate(curlflow.systems.lorenz63(), times=np.linspace(0, 20, 2001))
    ```

    **Returns:** a dataset over `realization` and `time`, with `status`. For a spec: `train_error`, `test_error`
    (½ · mean over samples of |ŷ − y|², or another loss, with which go `train_accuracy` and `test_accuracy` where it
    knows classes), `layer_norm` and, if asked for, `weights`. For a system: `state`. For
    updates the second dimension is `epoch`, with `time` along it; an epoch counts the passes through the data that
    are complete, so that 0 is the start. For other maps it is `iteration`.

    **Arguments:**

    - `spec_or_system`: a `curlflow.Spec`, or a `Flow` or `Map`.
    - `times`: when to record, increasing, from 0: times for a flow, whole epochs for updates, whole iterations for
      other maps. Default: 0 and 100 logarithmically spaced times from 0.1 to 1,000, or numbers from 1 to 10,000.
    - `weights`: of a spec: `"none"`, `"all"`, or how many, drawn at random and the same for all realizations.
    - `observables`: a mapping from names to functions of the state (of a spec: the network, or the model as you gave
      it), written with jax.numpy, whose values are recorded under these names; wide networks then run as they are.
    - `progress`: True for a bar, or a function of (realization, phase, fraction).
    - `batching`: whether realizations run as one program, `"together"`, or on threads, `"apart"`. Default: `"auto"`,
      together where there is an accelerator. Both agree up to rounding.
    - `rule`: a rule object of your own in place of the spec's.
    - `graph`: a `networkx.DiGraph` of the spec's widths: which synapses there are, and their signs; docs/graphs.md.
    - `compress`: whether wide networks with linear hidden units run as narrow ones where that is exact; weights and
      norms are those of the wide network, and the attribute `compression` says so; docs/compression.md.

    **Raises:** `ValueError` for arguments out of range; `curlflow.Interrupted` on Ctrl-C, with what was finished in
    its attribute `dataset`. A run that diverges has a `status` and NaN from there on.
    """
    subject = Subject.of(spec_or_system, rule=rule, graph=graph, compress=compress and not observables)
    if not subject.learning and weights != "none":
        raise ValueError(f"weights: got {weights!r}; a system's whole state is recorded, leave it out.")
    times = _times(times, subject)
    indices = _chosen(weights, subject.size)
    further = named_observables(observables, subject.systems[0].state, TAKEN)
    observers = [_observer(p, indices, further) for p in subject.problems] or [Beside(flattened, further.observe)]
    pairs = enumerate(zip(subject.systems, observers, strict=True))
    runs = [Trajectory.at_start(i, system, observer=observer) for i, (system, observer) in pairs]
    segments = subject.systems[0].cut(np.diff(times, prepend=0.0))
    interrupted = side_by_side(
        lambda run, report: _run(run, segments, report),
        runs,
        progress,
        compiled=lambda: runs[0].record(observers[0], segments, 0, 0),
    )
    return finished(_dataset(subject, runs, times, indices, further), interrupted)


def _times(times: Any, subject: Subject) -> Float[np.ndarray, " times"]:
    flow = subject.continuous
    if times is None:
        spaced = np.geomspace(0.1, 1e3, 100) if flow else np.unique(np.round(np.geomspace(1, 1e4, 100)))
        return np.concatenate([[0.0], spaced])
    allowed = "allowed are finite increasing numbers from 0."
    try:
        times = np.atleast_1d(np.asarray(times, dtype=float))
    except (TypeError, ValueError):
        raise ValueError(f"times: got {times!r}, {allowed}") from None
    short = np.array2string(times, threshold=6, edgeitems=3, precision=6)
    in_range = times.ndim == 1 and times.size > 0 and np.isfinite(times).all() and times[0] >= 0
    if not in_range or (np.diff(times) <= 0).any():
        raise ValueError(f"times: got {short}, {allowed}")
    if not flow and (times != np.round(times)).any():
        what = "for updates they are epochs" if subject.learning else "for maps they are iterations"
        raise ValueError(f"times: got {short}; {what}, whole numbers.")
    return times


def _chosen(weights: str | int, total: int) -> Int[np.ndarray, " weights"]:
    """The places of the weights to record, among all."""
    if weights == "none":
        return np.arange(0)
    if weights == "all":
        return np.arange(total)
    number = check("weights", weights, whole(0, total), ", the number of weights")
    return np.sort(np.random.default_rng(0).choice(total, number, replace=False))


def _observer(problem: Problem, indices: Int[np.ndarray, " weights"], further: Observables) -> Observer:
    """What to record; of a compressed network all weights where any are asked for, to make the wide ones of."""
    if problem.compression is not None and indices.size:
        indices = np.arange(size(problem.student))
    return Observer(problem.training_error, problem.test, indices, further.observe)


def _run(run: Trajectory, segments: tuple[np.ndarray, np.ndarray], report: Progress) -> Iterator[None]:
    def recorded(number: int) -> None:
        run.records.append(run.record(run.observer, segments, run.done, number))
        run.done += len(run.records[-1])

    yield from paced(run, segments[0].size, CAPACITY, recorded, report, "learning")
    run.finished = True


def _dataset(
    subject: Subject,
    runs: list[Trajectory],
    times: Float[np.ndarray, " times"],
    indices: Int[np.ndarray, " weights"],
    further: Observables,
) -> xr.Dataset:
    """All realizations, as far as they got."""
    problems = subject.problems or [None]
    recorded = [some for run in runs for some in run.records]
    if not recorded:
        recorded = [np.empty((0, *eqx.filter_eval_shape(runs[0].observer, runs[0].state).shape))]
    pairs = zip(runs, problems, strict=True)
    rows = [_row(run, problem, indices, recorded[0][:0], further) for run, problem in pairs]
    coordinates = along_coordinates(subject.along, times, float(subject.systems[0].time(1)))
    if subject.learning:
        coordinates["layer"] = (("layer",), np.arange(1, len(subject.shapes) + 1), "layer of weights")
    if indices.size:
        coordinates |= weight_coordinates(subject.shapes, indices)
    settings = {"weights": int(indices.size), "times": f"{times.size} from {times[0]:g} to {times[-1]:g}"}
    declared = [*_variables(subject.along), *further.variables(("realization", subject.along))]
    return assembled("simulate", declared, rows, coordinates, settings, subject.attributes)


def _row(
    run: Trajectory,
    problem: Problem | None,
    indices: Int[np.ndarray, " weights"],
    none: np.ndarray,
    further: Observables,
) -> dict[str, Any]:
    """Errors, norms and weights along learning, those of the wide network where it is compressed; or states."""
    values, status = np.concatenate([none, *run.records]), np.int8(run.status)
    values, own = np.split(values, [values.shape[1] - further.size], axis=1)
    last = further.split(own) | {"status": status}
    if problem is None:
        return {"state": values} | last
    scores = SCORES if problem.training_error.classifies else SCORES[:2]
    first = len(scores) + len(jax.tree.leaves(problem.student))
    found = {name: values[:, i] for i, name in enumerate(scores)} | {"layer_norm": values[:, len(scores) : first]}
    if indices.size:
        narrow, weights = problem.compression, values[:, first:]
        found["weights"] = weights if narrow is None else narrow.entries(weights, indices)
    return found | last


def _variables(along: str) -> tuple[Variable, ...]:
    dims = ("realization", along)
    status = {"ancillary_variables": "status"}
    return (
        Variable(
            "train_error", dims, "training error, half the mean squared error", attributes=status, uncertainty=SOLVER
        ),
        Variable(
            "test_error", dims, "test error, half the mean squared error", attributes=status, uncertainty=SOLVER
        ),
        *(Variable(name, dims, text, attributes=status, uncertainty=SOLVER) for name, text in ACCURACIES.items()),
        Variable("layer_norm", (*dims, "layer"), "Frobenius norm of the weights of a layer", uncertainty=SOLVER),
        Variable("weights", (*dims, "weight"), "synaptic weights", uncertainty=SOLVER),
        Variable("state", (*dims, "state_variable"), "state", attributes=status, uncertainty=SOLVER),
        results.status_variable(),
    )
