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
from ..runs import Pace, Progress, in_turns
from .options import Options
from .runs import Realization, as_numpy

KEPT = 200
"""At most so many frames are kept, evenly spaced, from which vectors are made."""


@dataclass
class Forward:
    """One realization, and the factors of its blocks so far.

    **Attributes:**

    - `factors`: R of every block of the window, and of the stretch behind it.
    - `kept`: the numbers of the blocks whose frames are in `q`.
    - `finished`: whether all blocks are there.
    """

    realization: Realization
    factors: list[np.ndarray] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)
    q: list[np.ndarray] = field(default_factory=list)
    finished: bool = False

    @property
    def status(self) -> Status:
        """How it went so far."""
        status = self.realization.status
        return Status.interrupted if status == Status.completed and not self.finished else status

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


def blocks_of(time: float, options: Options) -> int:
    """How many blocks cover `time`."""
    return max(1, math.ceil(time / options.block - 1e-9))


def run_forward(runs: list[Forward], options: Options, report: Progress) -> None:
    """All realizations side by side: tangents align, then come the window and as long again as they aligned."""
    in_turns(lambda f: _forward(f, options, report), [f for f in runs if f.status == Status.interrupted])


def _forward(f: Forward, options: Options, report: Progress) -> Iterator[None]:
    r = f.realization
    tracked, span = r.tracked(r.system, options.exponents), np.asarray(r.system.span(options.block))
    tangents = random_tangents(tracked, r.run.state, r.vectors, key=r.tangent_key)
    r.run = as_numpy(r.run._replace(tangents=tangents))
    before, window = blocks_of(options.alignment, options), blocks_of(options.duration, options)
    done, pace = 0, Pace(lyapunov.CAPACITY)
    while done < before:
        take = min(pace.number, before - done)
        with pace.timed(take):
            r.run = as_numpy(lyapunov_blocks(tracked, r.run, span, np.asarray(take)).run)
        if r.status != Status.completed:
            return
        done += take
        report(r.index, "alignment", done / before)
        yield
    every, total, done, pace = math.ceil(window / KEPT), window + before, 0, Pace(CAPACITY)
    while done < total:
        take = min(pace.number, total - done)
        with pace.timed(take):
            seen = as_numpy(frames(tracked, r.run, span, np.asarray(take)))
        r.run = seen.run
        if r.status != Status.completed:
            return
        f.factors.append(seen.r[:take])
        chosen = [t for t in range(done, min(done + take, window)) if t % every == every - 1]
        f.kept += chosen
        f.q += [seen.q[t - done].copy() for t in chosen]
        done += take
        report(r.index, "vectors", done / total)
        yield
    f.finished = True
