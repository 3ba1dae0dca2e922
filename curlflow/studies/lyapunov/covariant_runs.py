"""The runs behind `curlflow.covariant_vectors`: forward with the factors of every block, backward without a solver.

Forward all triangular factors are kept, and some of the frames; backward all is algebra with small matrices.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from ...measures import lyapunov
from ...measures.covariant_window import CovariantWindow, covariant_window
from ...measures.frames import CAPACITY, frames
from ...measures.lyapunov import lyapunov_blocks
from ...status import Status
from ..runs import Progress, as_numpy, in_turns, paced
from .options import LyapunovOptions
from .runs import TangentRun

KEPT = 200
"""At most so many frames are kept, evenly spaced, from which vectors are made."""


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

    def backward(self, window: int, seed: int) -> CovariantWindow | None:
        """Covariant vectors of the blocks in the window; None where the run did not get to its end."""
        if not self.finished:
            return None
        return covariant_window(np.concatenate(self.factors), self.q, self.kept, window, seed=seed)


def blocks_of(time: float, options: LyapunovOptions) -> int:
    """How many blocks cover `time`."""
    return max(1, math.ceil(time / options.block - 1e-9))


def run_forward(runs: list[FramedRun], report: Progress) -> None:
    """All realizations side by side: tangents align, then come the window and as long again as they aligned."""
    in_turns(lambda r: _forward(r, report), [r for r in runs if r.status == Status.completed])


def _forward(r: FramedRun, report: Progress) -> Iterator[None]:
    options, tracked = r.options, r.tracked()
    span = np.asarray(r.system.span(options.block))
    r.tangents = r.random_tangents()
    before, window = blocks_of(options.alignment, options), blocks_of(options.duration, options)
    every = math.ceil(window / KEPT)

    def aligned(take: int) -> int:
        r.move(lyapunov_blocks(tracked, r.here, span, np.asarray(take)).run)
        return take

    def framed(take: int) -> int:
        found = as_numpy(frames(tracked, r.here, span, np.asarray(take)))
        r.move(found.run)
        if r.status == Status.completed:
            r.factors.append(found.r[:take])
            chosen = [t for t in range(r.done, min(r.done + take, window)) if t % every == every - 1]
            r.kept += chosen
            r.q += [found.q[t - r.done].copy() for t in chosen]
            r.done += take
        return take

    yield from paced(r, before, lyapunov.CAPACITY, aligned, report, "alignment")
    yield from paced(r, window + before, CAPACITY, framed, report, "vectors")
    r.finished = r.status == Status.completed
