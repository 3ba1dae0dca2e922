"""Learning curves of specs, trajectories of systems: `simulate`."""

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float, Int, PyTree

from ..measures.recording import CAPACITY, record
from ..networks import Feedforward
from ..precision import double_precision
from ..problem import Problem
from ..spec import Spec
from ..status import Status
from ..systems import AbstractSystem, Flow
from ..systems.base import LONGEST_PIECE
from ..tangents import size
from ..tasks import AbstractTask
from .arguments import check_subject, whole
from .lyapunov.runs import as_numpy
from .runs import Interrupted, Pace, Progress, in_turns, reporting
from .simulate_dataset import learning_dataset, state_dataset
from .subject import architecture_of, built, compressed_alike, compression_attribute, subject_attributes

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


class FlatState(eqx.Module):
    """The state of any system, as one vector."""

    def __call__(self, state: PyTree) -> Float[Array, " observables"]:
        return jnp.concatenate([jnp.ravel(leaf) for leaf in jax.tree.leaves(state)])


@dataclass
class Trajectory:
    """One realization, and what was recorded so far."""

    index: int
    system: AbstractSystem
    observer: Callable
    state: Any
    clock: Any
    status: Status = Status.completed
    done: int = 0
    finished: bool = False
    records: list[np.ndarray] = field(default_factory=list)


@double_precision
def simulate(
    spec_or_system: Spec | AbstractSystem,
    *,
    times: Sequence[float] | np.ndarray | None = None,
    weights: str | int = "none",
    progress: bool | Progress | None = None,
    rule: Any = None,
    graph: Any = None,
    compress: bool = True,
) -> xr.Dataset:
    """Errors, norms and weights along the dynamics of a spec, for all its realizations; or states of any system.

    ```python
    ds = curlflow.simulate(curlflow.preset("hidden_chaos"), times=np.linspace(0, 500, 101))
    ds = curlflow.simulate(curlflow.systems.lorenz63(), times=np.linspace(0, 20, 2001))
    ```

    **Returns:** a dataset over `realization` and `time`, with `status`. For a spec: `train_error`, `test_error`
    (½ · mean over samples of |ŷ − y|²), `layer_norm` and, if asked for, `weights`. For a system: `state`. For
    updates the second dimension is `epoch`, with `time` along it; an epoch counts the passes through the data that
    are complete, so that 0 is the start. For other maps it is `iteration`.

    **Arguments:**

    - `spec_or_system`: a `curlflow.Spec`, or a `Flow` or `Map`.
    - `times`: when to record, increasing, from 0: times for a flow, whole epochs for updates, whole iterations for
      other maps. Default: 0 and 100 logarithmically spaced times from 0.1 to 1,000, or numbers from 1 to 10,000.
    - `weights`: of a spec: `"none"`, `"all"`, or how many, drawn at random and the same for all realizations.
    - `progress`: True for a bar, or a function of (realization, phase, fraction).
    - `rule`: a rule object of your own in place of the spec's.
    - `graph`: a `networkx.DiGraph` of the spec's widths: which synapses there are, and their signs; docs/graphs.md.
    - `compress`: whether wide networks with linear hidden units run as narrow ones where that is exact; weights and
      norms are those of the wide network, and the attribute `compression` says so; docs/compression.md.

    **Raises:** `ValueError` for arguments out of range; `curlflow.Interrupted` on Ctrl-C, with what was finished in
    its attribute `dataset`. A run that diverges has a `status` and NaN from there on.
    """
    check_subject(spec_or_system, rule)
    learning = isinstance(spec_or_system, Spec)
    if not learning and weights != "none":
        raise ValueError(f"weights: got {weights!r}; a system's whole state is recorded, leave it out.")
    architecture = architecture_of(spec_or_system, graph)
    problems = _problems(spec_or_system, rule, architecture, compress) if learning else []
    systems = [p.system() for p in problems] if learning else [spec_or_system]
    times = _times(times, systems[0], learning)
    indices = _chosen(weights, _shapes(spec_or_system)) if learning else np.arange(0)
    observers = [_observer(p, indices) for p in problems] if learning else [FlatState()]
    trajectories = [
        Trajectory(i, system, observer, system.state, system.clock())
        for i, (system, observer) in enumerate(zip(systems, observers, strict=True))
    ]
    interrupted = _run_all(trajectories, times, progress)
    values, status = _values(trajectories, times.size), [t.status for t in trajectories]
    subject = subject_attributes(spec_or_system, rule, architecture)
    if learning:
        subject |= compression_attribute(problems[0].compression)
        values = _of_wide_networks(values, problems, indices)
        dataset = learning_dataset(values, status, times, indices, systems[0], _shapes(spec_or_system), subject)
    else:
        dataset = state_dataset(values, status, times, systems[0], subject)
    if interrupted:
        raise Interrupted(dataset)
    return dataset


def _problems(spec: Spec, rule: Any, graph: Any, compress: bool) -> list[Problem]:
    build = functools.partial(spec.build, rule=rule, graph=graph)
    return compressed_alike(build, spec.realizations) if compress else built(build, spec.realizations)


def _shapes(spec: Spec) -> list[tuple[int, int]]:
    """The shapes of the weights, (post, pre)."""
    return [(post, pre) for pre, post in zip(spec.widths, spec.widths[1:], strict=False)]


def _observer(problem: Problem, indices: Int[np.ndarray, " weights"]) -> Observer:
    """What to record; of a compressed network all weights where any are asked for, to make the wide ones of."""
    if problem.compression is not None and indices.size:
        indices = np.arange(size(problem.student))
    return Observer(problem.training_error, problem.test, indices)


def _of_wide_networks(
    values: Float[np.ndarray, "realization times observables"],
    problems: list[Problem],
    indices: Int[np.ndarray, " weights"],
) -> Float[np.ndarray, "realization times recorded"]:
    """Records with the weights of the wide networks in place of those of compressed ones."""
    if indices.size == 0 or problems[0].compression is None:
        return values
    first = 2 + len(problems[0].student.weights)
    wide = [p.compression.entries(v[:, first:], indices) for p, v in zip(problems, values, strict=True)]
    return np.concatenate([values[:, :, :first], wide], axis=2)


def _run_all(trajectories: list[Trajectory], times: np.ndarray, progress: bool | Progress | None) -> bool:
    """Run all trajectories side by side; whether the user interrupted."""
    spans, pieces = _spans(trajectories[0].system, times)
    with reporting(progress, len(trajectories)) as report:
        try:
            _compile(trajectories[0], spans, pieces)
            in_turns(lambda t: _run(t, spans, pieces, report), trajectories)
        except KeyboardInterrupt:
            for t in trajectories:
                if t.status == Status.completed and not t.finished:
                    t.status = Status.interrupted if t.done else Status.not_run
            return True
    return False


def _values(trajectories: list[Trajectory], length: int) -> Float[np.ndarray, "realization times observables"]:
    """All records, with NaN where there are none."""
    width = eqx.filter_eval_shape(trajectories[0].observer, trajectories[0].state).shape[0]
    values = np.full((len(trajectories), length, width), np.nan)
    for i, t in enumerate(trajectories):
        if t.records:
            values[i, : t.done] = np.concatenate(t.records)
    return values


def _times(times: Any, system: AbstractSystem, learning: bool) -> Float[np.ndarray, " times"]:
    flow = isinstance(system, Flow)
    if times is None:
        spaced = np.geomspace(0.1, 1e3, 100) if flow else np.unique(np.round(np.geomspace(1, 1e4, 100)))
        return np.concatenate([[0.0], spaced])
    try:
        times = np.atleast_1d(np.asarray(times, dtype=float))
    except (TypeError, ValueError):
        raise ValueError(f"times: got {times!r}, allowed are finite increasing numbers from 0.") from None
    if (
        times.ndim != 1
        or times.size == 0
        or not np.isfinite(times).all()
        or times[0] < 0
        or (np.diff(times) <= 0).any()
    ):
        raise ValueError(f"times: got {_short(times)}, allowed are finite increasing numbers from 0.")
    if not flow and (times != np.round(times)).any():
        what = "for updates they are epochs" if learning else "for maps they are iterations"
        raise ValueError(f"times: got {_short(times)}; {what}, whole numbers.")
    return times


def _short(values: np.ndarray) -> str:
    return np.array2string(values, threshold=6, edgeitems=3, precision=6)


def _chosen(weights: str | int, shapes: list[tuple[int, int]]) -> Int[np.ndarray, " weights"]:
    total = sum(post * pre for post, pre in shapes)
    if weights == "none":
        return np.arange(0)
    if weights == "all":
        return np.arange(total)
    if weights is None or isinstance(weights, str):
        raise ValueError(f'weights: got {weights!r}, allowed are "none", "all" or a number.')
    number = whole("weights", weights, 0, total, ", the number of weights")
    return np.sort(np.random.default_rng(WEIGHT_KEY).choice(total, number, replace=False))


def _spans(system: AbstractSystem, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far to go before each record, and in how many pieces of that length."""
    gaps = np.diff(times, prepend=0.0)
    if not isinstance(system, Flow):
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
