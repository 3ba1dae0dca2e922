"""Learning curves: errors, norms and weights along a run of a spec, `simulate`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float, Int

from .. import results
from ..measures.recording import CAPACITY, record
from ..networks import Feedforward
from ..precision import double_precision
from ..problem import Problem
from ..spec import Spec
from ..status import Status
from ..systems import AbstractSystem, Flow
from ..tangents import size
from ..tasks import AbstractTask
from ..variable import Variable
from .exponent_runs import as_numpy
from .options import check_subject, whole
from .subjects import subject_attributes
from .workers import Interrupted, Pace, Progress, in_turns, reporting

LONGEST_PIECE = 10.0
"""Flows are retracted onto their constraint at least this often, in units of time."""
WEIGHT_KEY = 0
"""Seed of the random sample of weights."""


class Observer(eqx.Module):
    """Errors, layer norms and some weights of a network, as one vector."""

    training: AbstractTask
    test: AbstractTask
    indices: Int[np.ndarray, " weights"] | Int[Array, " weights"]

    def __call__(self, network: Feedforward) -> Float[Array, " observables"]:
        norms = [jnp.linalg.norm(w) for w in network.weights]
        errors = [self.training.error(network), self.test.error(network)]
        flat = jnp.concatenate([w.ravel() for w in network.weights])
        return jnp.concatenate([jnp.stack([*errors, *norms]), flat[self.indices]])


@dataclass
class Trajectory:
    """One realization, and what was recorded so far."""

    index: int
    system: AbstractSystem
    observer: Observer
    state: Any
    clock: Any
    status: Status = Status.completed
    done: int = 0
    finished: bool = False
    records: list[np.ndarray] = field(default_factory=list)


@double_precision
def simulate(
    spec: Spec,
    *,
    times: Sequence[float] | np.ndarray | None = None,
    weights: str | int = "none",
    progress: bool | Progress | None = None,
    rule: Any = None,
) -> xr.Dataset:
    """Errors, norms and weights along the dynamics of a spec, for all its realizations.

    ```python
    ds = curlflow.simulate(curlflow.preset("hidden_chaos"), times=np.linspace(0, 500, 101))
    ```

    **Returns:** a dataset with `train_error`, `test_error` (½ · mean over samples of |ŷ − y|²), `layer_norm`,
    `weights` if asked for, and `status`, over `realization` and `time`. For updates the dimension is `epoch`, with
    `time` along it; an epoch counts the passes through the data that are complete, so that 0 is the start.

    **Arguments:**

    - `spec`: what to run.
    - `times`: when to record, increasing, from 0: times for a flow, whole epochs for updates. Default: 0 and 100
      logarithmically spaced times from 0.1 to 1,000, or epochs from 1 to 10,000.
    - `weights`: `"none"`, `"all"`, or how many, drawn at random and the same for all realizations.
    - `progress`: True for a bar, or a function of (realization, phase, fraction).
    - `rule`: a rule object of your own in place of the spec's.

    **Raises:** `ValueError` for arguments out of range; `curlflow.Interrupted` on Ctrl-C, with what was finished in
    its attribute `dataset`. A run that diverges has a `status` and NaN from there on.
    """
    check_subject(spec, rule)
    if not isinstance(spec, Spec):
        raise ValueError("spec: a curlflow.Spec is required; systems have no errors to record.")
    flow = spec.dynamics.kind == "flow"
    times = _times(times, flow)
    problems = [spec.build(realization=i, rule=rule) for i in range(spec.realizations)]
    indices = _chosen(weights, size(problems[0].student))
    trajectories = [_trajectory(i, problem, indices) for i, problem in enumerate(problems)]
    spans, pieces = _spans(trajectories[0].system, times, flow)
    interrupted = False
    with reporting(progress, len(trajectories)) as report:
        try:
            _compile(trajectories[0], spans, pieces)
            in_turns(lambda t: _run(t, spans, pieces, report), trajectories)
        except KeyboardInterrupt:
            interrupted = True
            for t in trajectories:
                if t.status == Status.completed and not t.finished:
                    t.status = Status.interrupted if t.done else Status.not_run
    dataset = _dataset(trajectories, times, indices, problems[0], subject_attributes(spec, rule))
    if interrupted:
        raise Interrupted(dataset)
    return dataset


def _times(times: Any, flow: bool) -> Float[np.ndarray, " times"]:
    if times is None:
        spaced = np.geomspace(0.1, 1e3, 100) if flow else np.unique(np.round(np.geomspace(1, 1e4, 100)))
        return np.concatenate([[0.0], spaced])
    times = np.atleast_1d(np.asarray(times, dtype=float))
    if (
        times.ndim != 1
        or times.size == 0
        or not np.isfinite(times).all()
        or times[0] < 0
        or (np.diff(times) <= 0).any()
    ):
        raise ValueError(f"times: got {_short(times)}, allowed are finite increasing numbers from 0.")
    if not flow and (times != np.round(times)).any():
        raise ValueError(f"times: got {_short(times)}; for updates they are epochs, whole numbers.")
    return times


def _short(values: np.ndarray) -> str:
    return np.array2string(values, threshold=6, edgeitems=3, precision=6)


def _chosen(weights: str | int, total: int) -> Int[np.ndarray, " weights"]:
    if weights == "none":
        return np.arange(0)
    if weights == "all":
        return np.arange(total)
    if isinstance(weights, str):
        raise ValueError(f'weights: got {weights!r}, allowed are "none", "all" or a number.')
    number = whole("weights", weights, 0, total, ", the number of weights")
    return np.sort(np.random.default_rng(WEIGHT_KEY).choice(total, number, replace=False))


def _trajectory(index: int, problem: Problem, indices: np.ndarray) -> Trajectory:
    system = problem.system()
    observer = Observer(problem.training_error, problem.test, indices)
    return Trajectory(index, system, observer, system.state, system.clock())


def _spans(system: AbstractSystem, times: np.ndarray, flow: bool) -> tuple[np.ndarray, np.ndarray]:
    """How far to go before each record, and in how many pieces of that length."""
    gaps = np.diff(times, prepend=0.0)
    if not flow:
        return gaps.astype(np.int64), (gaps > 0).astype(np.int64)
    pieces = np.ceil(gaps / LONGEST_PIECE).astype(np.int64)
    return gaps / np.maximum(pieces, 1), pieces


def _compile(t: Trajectory, spans: np.ndarray, pieces: np.ndarray) -> None:
    """Compile once, before threads that would all compile the same."""
    jax.block_until_ready(_records(t, spans, pieces, 0))


def _records(t: Trajectory, spans: np.ndarray, pieces: np.ndarray, number: int):
    window = slice(t.done, t.done + CAPACITY)
    padded = [np.concatenate([a[window], np.zeros(CAPACITY - a[window].size, a.dtype)]) for a in (spans, pieces)]
    return record(t.system, t.observer, t.state, t.clock, *padded, np.asarray(number))


def _run(t: Trajectory, spans: np.ndarray, pieces: np.ndarray, report: Progress) -> Iterator[None]:
    pace = Pace(CAPACITY)
    while t.done < spans.size and t.status == Status.completed:
        number = min(pace.number, spans.size - t.done)
        with pace.timed(number):
            recorded = as_numpy(_records(t, spans, pieces, number))
        t.state, t.clock, t.status = recorded.state, recorded.clock, Status(int(recorded.status))
        t.records.append(recorded.records[: int(recorded.number)])
        t.done += int(recorded.number)
        report(t.index, "learning", t.done / spans.size)
        yield
    t.finished = True


def _dataset(
    trajectories: list[Trajectory], times: np.ndarray, indices: np.ndarray, problem: Problem, subject: dict[str, str]
) -> xr.Dataset:
    shapes = [w.shape for w in problem.student.weights]
    layers, system = len(shapes), trajectories[0].system
    values = np.full((len(trajectories), times.size, 2 + layers + indices.size), np.nan)
    for i, t in enumerate(trajectories):
        if t.records:
            values[i, : t.done] = np.concatenate(t.records)
    flow = isinstance(system, Flow)
    along = "time" if flow else "epoch"
    data = {
        "train_error": values[:, :, 0],
        "test_error": values[:, :, 1],
        "layer_norm": values[:, :, 2 : 2 + layers],
        "status": np.array([t.status for t in trajectories], dtype=np.int8),
    }
    coordinates = {
        "realization": (("realization",), np.arange(len(trajectories)), "realization: teacher and start"),
        "layer": (("layer",), np.arange(1, layers + 1), "layer of weights"),
        "time": ((along,), times if flow else times * float(system.time(1)), "time"),
    }
    if not flow:
        coordinates["epoch"] = (("epoch",), times.astype(np.int64), "complete passes through the training data")
    if indices.size:
        data["weights"] = values[:, :, 2 + layers :]
        coordinates |= _weight_coordinates(shapes, indices)
    device = jax.devices()[0]
    settings = {"weights": int(indices.size), "times": f"{times.size} from {times[0]:g} to {times[-1]:g}"}
    attributes = results.provenance("simulate", settings, f"{device.platform}: {device.device_kind}") | subject
    return results.labelled(_variables(along), data, coordinates, attributes)


def _variables(along: str) -> tuple[Variable, ...]:
    dims = ("realization", along)
    status = {"ancillary_variables": "status"}
    return (
        Variable("train_error", dims, "training error, half the mean squared error", attributes=status),
        Variable("test_error", dims, "test error, half the mean squared error", attributes=status),
        Variable("layer_norm", (*dims, "layer"), "Frobenius norm of the weights of a layer"),
        Variable("weights", (*dims, "weight"), "synaptic weights"),
        results.status_variable(),
    )


def _weight_coordinates(shapes: list[tuple[int, int]], indices: np.ndarray) -> dict[str, Any]:
    """Where each recorded weight stands: its place among all, its layer (from 1), post- and presynaptic unit."""
    table = np.concatenate(
        [
            np.stack([np.full(post * pre, layer), *(c.ravel() for c in np.indices((post, pre)))])
            for layer, (post, pre) in enumerate(shapes, start=1)
        ],
        axis=1,
    )[:, indices]
    names = ("weight_layer", "post", "pre")
    texts = ("layer of the weight", "postsynaptic unit", "presynaptic unit")
    coordinates = {n: (("weight",), row, text) for n, row, text in zip(names, table, texts, strict=True)}
    return {"weight": (("weight",), indices, "place among all weights, row by row"), **coordinates}
