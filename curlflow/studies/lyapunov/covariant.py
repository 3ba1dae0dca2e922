"""The directions that belong to Lyapunov exponents, and where they live: `covariant_vectors`.

Forward all triangular factors are kept, and some of the frames; backward all is algebra with small matrices.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr

from ... import results
from ...measures import lyapunov
from ...measures.covariant_window import GROWTH, OF_FLIPPED, SHARES, Places, covariant_window
from ...measures.frames import CAPACITY, frames
from ...measures.lyapunov import lyapunov_blocks
from ...problem import Problem
from ...status import Status
from ...tangents import size
from ..arguments import Bar, Batching, Count, Flag, Graph, Length, Positive, Rule, Seed, Tolerance, study
from ..assemble import assembled
from ..runs import Progress, as_numpy, attended, finished, in_turns, paced
from ..subject import Subject
from .options import LyapunovOptions
from .runs import TangentRun, prepare

KEPT = 200
"""At most so many frames are kept, evenly spaced, from which vectors are made."""
VARIABLES = (results.status_variable(), *GROWTH, *SHARES, *OF_FLIPPED)


@dataclass(kw_only=True)
class FramedRun(TangentRun):
    """One run, and the factors of its blocks so far.

    **Attributes:**

    - `factors`: R of every block of the window, and of the stretch behind it.
    - `kept`: the numbers of the blocks whose frames are in `q`.
    """

    factors: list[np.ndarray] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)
    q: list[np.ndarray] = field(default_factory=list)


@study
def covariant_vectors(
    spec_or_system: Any,
    *,
    exponents: Count | None = None,
    duration: Positive | None = None,
    transient: Length | None = None,
    alignment: Length | None = None,
    block: Positive | None = None,
    rtol: Tolerance | None = None,
    atol: Tolerance | None = None,
    seed: Seed | None = None,
    progress: Bar = None,
    batching: Batching = "auto",
    rule: Rule = None,
    graph: Graph = None,
    transverse: Flag = False,
) -> xr.Dataset:
    """Covariant Lyapunov vectors: their growth, the angles between them, and the synapses that they live on.

    ```python
    ds = curlflow.covariant_vectors(curlflow.preset("hidden_chaos"), exponents=3)
    print(ds.flipped_share.sum("layer").to_numpy(), ds.flipped_synapses.sum("layer").to_numpy())
    ```

    **Returns:** a dataset over `realization` and `exponent`: `covariant_exponent` beside `lyapunov_exponent`, with
    standard errors; the mean `angle` and the `smallest_angle` between every two vectors, from 0 to π/2; over how many
    entries a vector is spread (`participation`); one `covariant_vector`; for networks without biases the shares of
    its squared length in every layer (`layer_share`), on synapses from every unit (`unit_share`) and on synapses with
    flipped sign (`flipped_share`, to be compared with the share of synapses that are, `flipped_synapses`); and
    `status`.

    **Arguments** (all lengths are in units of time; a map's iteration lasts `time_per_step`):

    - `spec_or_system`: a `curlflow.Spec`, whose realizations are run side by side, or a `Flow` or `Map`.
    - `exponents`: how many vectors, those of the largest exponents first. Default: 5, or all where there are fewer.
    - `duration`: of the window. Default: 1,000; 10,000 iterations for a map.
    - `transient`, `alignment`, `block`, `rtol`, `atol`, `seed`: as for `curlflow.lyapunov`. Behind the window the run
      goes on for `alignment` again: there vectors align backwards in time, as tangents do before the window.
    - `progress`: True for a bar, or a function of (realization, phase, fraction).
    - `batching`: whether realizations run as one program, `"together"`, or on threads, `"apart"`. Default: `"auto"`,
      together where there is an accelerator. Both agree up to rounding.
    - `rule`: a rule object of your own in place of the spec's.
    - `graph`: a `networkx.DiGraph` of the spec's widths: which synapses there are, and their signs; docs/graphs.md.
    - `transverse`: as for `curlflow.lyapunov`: vectors perpendicular to the orbits of rotations of hidden units.

    **Description:** Ginelli's method: forward all factors R of the blocks are kept and at most 200 frames Q, backward
    the coefficients follow from R alone. Shares are means over these frames. Vectors of equal exponents are not
    unique; an angle near zero between two of them says that they cannot be told apart.

    **Raises:** `ValueError` for arguments out of range; `curlflow.Interrupted` on Ctrl-C, with the realizations that
    were finished in its attribute `dataset`. A run that diverges is no error: it has a `status`.

    **Sources:** docs/model.md, equation (15); docs/classification.md.
    """
    given = {
        "exponents": exponents, "duration": duration, "transient": transient, "alignment": alignment, "block": block,
        "rtol": rtol, "atol": atol, "seed": seed,
    }  # fmt: skip
    subject = Subject.of(spec_or_system, rule=rule, graph=graph, transverse=transverse, tangents=True)
    systems, spaces = subject.with_tolerances(rtol, atol), subject.spaces
    options = LyapunovOptions.of(given, systems[0], spaces[0])
    if options.block is not None and options.block > options.duration:
        raise ValueError(
            f"block: got {options.block:g}, allowed are lengths up to the duration, {options.duration:g}."
        )
    pairs = enumerate(zip(systems, spaces, strict=True))
    runs = [FramedRun.fresh(i, system, options, space) for i, (system, space) in pairs]

    def work(report: Progress) -> None:
        prepare(runs, report)
        in_turns(lambda r: _forward(r, report), [r for r in runs if r.status == Status.completed])

    interrupted = attended(work, runs, progress)
    settings = {name: getattr(runs[0].options, name) for name in given}
    return finished(_dataset(runs, subject, settings), interrupted)


def _forward(r: FramedRun, report: Progress) -> Iterator[None]:
    """Tangents align, then come the window and as long again as they aligned."""
    options, tracked = r.options, r.tracked()
    span = np.asarray(r.system.span(options.block))
    r.tangents = r.random_tangents()
    before, window = max(1, options.blocks_of(options.alignment)), options.blocks_of(options.duration)
    every = math.ceil(window / KEPT)

    def aligned(take: int) -> None:
        r.move(lyapunov_blocks(tracked, r.here, span, np.asarray(take)).run)

    def framed(take: int) -> None:
        found = as_numpy(frames(tracked, r.here, span, np.asarray(take)))
        r.move(found.run)
        if r.status == Status.completed:
            r.factors.append(found.r[:take])
            chosen = [t for t in range(r.done, min(r.done + take, window)) if t % every == every - 1]
            r.kept += chosen
            r.q += [found.q[t - r.done].copy() for t in chosen]
            r.done += take

    yield from paced(r, before, lyapunov.CAPACITY, aligned, report, "alignment")
    yield from paced(r, window + before, CAPACITY, framed, report, "vectors")
    r.finished = r.status == Status.completed


def _dataset(runs: list[FramedRun], subject: Subject, settings: dict[str, Any]) -> xr.Dataset:
    """All realizations, finished or not."""
    problem = subject.build() if subject.learning and subject.given.network is not None else None
    # Vectors of a state with biases, or with a memory, do not live on synapses alone.
    alone = problem is not None and not subject.given.has_biases and not problem.remembers
    places = _places(problem) if alone else None
    rows = [_row(r, places) for r in runs]
    number = np.arange(1, runs[0].options.exponents + 1)
    coordinates = {
        "exponent": (("exponent",), number, "rank of the exponent"),
        "other": (("other",), number, "rank of the other exponent"),
    }
    if places is not None:
        coordinates |= _unit_coordinates(places)
    return assembled("covariant_vectors", VARIABLES, rows, coordinates, settings, subject.attributes)


def _places(problem: Problem) -> Places:
    """What the entries of the weights of the student are."""
    weights, signal = problem.student.weights, problem.signal(problem.student)
    flipped = None
    if signal is not None:
        gains = [np.broadcast_to(g, w.shape).ravel() for g, w in zip(signal.gains, weights, strict=True)]
        flipped = np.concatenate(gains) < 0
    return Places([w.shape for w in weights], flipped)


def _unit_coordinates(places: Places) -> dict[str, Any]:
    layers = np.concatenate([np.full(pre, i) for i, (_, pre) in enumerate(places.shapes)])
    index = np.concatenate([np.arange(pre) for _, pre in places.shapes])
    coordinates = {
        "layer": (("layer",), np.arange(1, len(places.shapes) + 1), "layer of weights"),
        "unit_layer": (("unit",), layers, "layer of the unit, 0 for inputs"),
        "unit_index": (("unit",), index, "number of the unit in its layer"),
    }
    if places.flipped is not None:
        outgoing = np.bincount(places.presynaptic)
        flipped = np.bincount(places.presynaptic, places.flipped) == outgoing
        text = "whether all synapses from the unit learn with a flipped sign"
        coordinates["unit_flipped"] = (("unit",), flipped, text)
    return coordinates


def _row(r: FramedRun, places: Places | None) -> dict[str, Any]:
    """All variables of one realization; nothing of one that did not get to its end."""
    options, gains = r.options, places is not None and places.flipped is not None
    declared = (*GROWTH, *(SHARES if places is not None else ()), *(OF_FLIPPED if gains else ()))
    found = {"status": np.int8(r.status)} | {v.name: np.empty((0,) * (len(v.dims) - 1)) for v in declared}
    found["covariant_vector"] = np.empty((0, size(r.system.state)))
    if r.finished:
        window = options.blocks_of(options.duration)
        vectors = covariant_window(np.concatenate(r.factors), r.q, r.kept, window, seed=options.seed)
        found |= vectors.growth(options.block) | ({} if places is None else vectors.shares(places))
    return found | ({"flipped_synapses": places.flipped_synapses} if gains else {})
