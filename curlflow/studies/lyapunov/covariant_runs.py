"""The runs behind `curlflow.covariant_vectors`: forward with the factors of every block, backward without a solver.

Forward all triangular factors are kept, and some of the frames; backward all is algebra with small matrices.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from ...measures import lyapunov
from ...measures.frames import CAPACITY, Covariant, angles, covariant, frames, vectors_in
from ...measures.lyapunov import lyapunov_blocks, random_tangents
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

    def backward(self, window: int, seed: int) -> "Backward | None":
        """Covariant vectors of the blocks in the window; None where the run did not get to its end."""
        if not self.finished:
            return None
        r = np.concatenate(self.factors)
        found = covariant(r, seed=seed)
        kept = np.array(self.kept)
        vectors = np.stack([vectors_in(q, found.coefficients[t]) for q, t in zip(self.q, kept, strict=True)])
        with np.errstate(divide="ignore"):  # directions that are squeezed to nothing
            forward = np.log(np.diagonal(r[:window], axis1=1, axis2=2))
        return Backward(forward, Covariant(*(part[:window] for part in found)), vectors)


@dataclass
class Backward:
    """What was found of one realization in its window.

    **Attributes:**

    - `log_stretch`: ln Rᵢᵢ of every block.
    - `covariant`: coefficients and growth of covariant vectors.
    - `vectors`: some of them, in full.
    """

    log_stretch: Float[np.ndarray, "blocks vectors"]
    covariant: Covariant
    vectors: Float[np.ndarray, "kept vectors n"]

    @property
    def angles(self) -> Float[np.ndarray, "blocks vectors vectors"]:
        """Between every two of them."""
        return angles(self.covariant.coefficients)


def blocks_of(time: float, options: LyapunovOptions) -> int:
    """How many blocks cover `time`."""
    return max(1, math.ceil(time / options.block - 1e-9))


def run_forward(runs: list[FramedRun], report: Progress) -> None:
    """All realizations side by side: tangents align, then come the window and as long again as they aligned."""
    in_turns(lambda r: _forward(r, report), [r for r in runs if r.status == Status.completed])


def _forward(r: FramedRun, report: Progress) -> Iterator[None]:
    options, tracked = r.options, r.tracked()
    span = np.asarray(r.system.span(options.block))
    r.tangents = as_numpy(random_tangents(tracked, r.state, r.vectors, key=r.key))
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
