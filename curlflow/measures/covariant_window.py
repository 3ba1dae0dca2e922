"""What covariant Lyapunov vectors do over a window of a run, and where they live: on which synapses of a network."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from ..variable import EXACT, Variable
from .finite_time import EXPONENT_VARIABLES
from .frames import Covariant, angles, covariant, vectors_in
from .standard_error import long_run_error

R = ("realization", "exponent")
GROWTH = (
    *EXPONENT_VARIABLES,
    Variable("covariant_exponent", R, "mean rate at which the covariant vector grows, per unit of time"),
    Variable("covariant_exponent_se", R, "standard error of that rate"),
    Variable("angle", (*R, "other"), "mean angle between two covariant vectors", "rad"),
    Variable("angle_se", (*R, "other"), "standard error of that mean", "rad"),
    Variable(
        "smallest_angle",
        (*R, "other"),
        "smallest angle between two covariant vectors",
        "rad",
        uncertainty="the smallest value that was met; it falls with the length of the window",
    ),
    Variable("participation", R, "over how many entries the vector is spread, 1/Σ v⁴"),
    Variable("participation_se", R, "standard error of that number"),
    Variable(
        "covariant_vector",
        (*R, "state_variable"),
        "unit covariant vector at the end of the window",
        uncertainty="of one instant; no error is known of how far the backward iteration has converged",
    ),
)
SHARES = (
    Variable("layer_share", (*R, "layer"), "share of the squared length in a layer of weights"),
    Variable("layer_share_se", (*R, "layer"), "standard error of that share"),
    Variable("unit_share", (*R, "unit"), "share of the squared length on synapses from a unit"),
    Variable("unit_share_se", (*R, "unit"), "standard error of that share"),
)
OF_FLIPPED = (
    Variable("flipped_share", (*R, "layer"), "share of the squared length on synapses of a layer with flipped sign"),
    Variable("flipped_share_se", (*R, "layer"), "standard error of that share"),
    Variable(
        "flipped_synapses",
        ("realization", "layer"),
        "share of all synapses that are such synapses",
        uncertainty=EXACT,
    ),
)


class Places(NamedTuple):
    """What the entries of a state are that consists of the weights of a network, with layers of `shapes` (post, pre).

    `flipped` says which weights learn with a negative gain; None where the rule's gains are not known.
    """

    shapes: list[tuple[int, int]]
    flipped: Bool[np.ndarray, " weights"] | None

    @property
    def layer(self) -> Int[np.ndarray, " weights"]:
        """The layer of every weight, from 0."""
        return np.repeat(np.arange(len(self.shapes)), [post * pre for post, pre in self.shapes])

    @property
    def presynaptic(self) -> Int[np.ndarray, " weights"]:
        """The presynaptic unit of every weight: inputs first, then hidden units, layer by layer."""
        before = np.cumsum([0, *(pre for _, pre in self.shapes)])
        pairs = zip(self.shapes, before, strict=False)
        return np.concatenate([np.tile(np.arange(pre), post) + first for (post, pre), first in pairs])

    @property
    def flipped_synapses(self) -> Float[np.ndarray, " layers"]:
        """The share of all synapses that are flipped and in a layer."""
        return np.bincount(self.layer, self.flipped, minlength=len(self.shapes)) / self.flipped.size


class CovariantWindow(NamedTuple):
    """What was found of one realization in its window: ln Rᵢᵢ of every block, and covariant vectors, some in full."""

    log_stretch: Float[np.ndarray, "blocks vectors"]
    covariant: Covariant
    vectors: Float[np.ndarray, "kept vectors n"]

    @property
    def angles(self) -> Float[np.ndarray, "blocks vectors vectors"]:
        """Between every two of them."""
        return angles(self.covariant.coefficients)

    def growth(self, block: float) -> dict[str, Any]:
        """Exponents, angles and participation of all vectors, for blocks of this length."""
        spread = 1 / np.sum((self.vectors**2) ** 2, axis=2)
        forward, backward, apart = self.log_stretch / block, self.covariant.log_stretch / block, self.angles
        return {
            "lyapunov_exponent": forward.mean(axis=0), "lyapunov_exponent_se": long_run_error(forward),
            "covariant_exponent": backward.mean(axis=0), "covariant_exponent_se": long_run_error(backward),
            "angle": apart.mean(axis=0), "angle_se": long_run_error(apart), "smallest_angle": apart.min(axis=0),
            "participation": spread.mean(axis=0), "participation_se": long_run_error(spread),
            "covariant_vector": self.vectors[-1],
        }  # fmt: skip

    def shares(self, places: Places) -> dict[str, Any]:
        """How the squared length of every vector is spread over layers, units and flipped synapses."""
        squares, layers = self.vectors**2, len(places.shapes)
        by_layer = _summed(squares, places.layer, layers)
        by_unit = _summed(squares, places.presynaptic, sum(pre for _, pre in places.shapes))
        found = {
            "layer_share": by_layer.mean(axis=0), "layer_share_se": long_run_error(by_layer),
            "unit_share": by_unit.mean(axis=0), "unit_share_se": long_run_error(by_unit),
        }  # fmt: skip
        if places.flipped is None:
            return found
        flipped = _summed(squares * places.flipped, places.layer, layers)
        return found | {"flipped_share": flipped.mean(axis=0), "flipped_share_se": long_run_error(flipped)}


def covariant_window(
    r: Float[np.ndarray, "blocks vectors vectors"],
    frames: Sequence[Float[np.ndarray, "vectors n"]],
    kept: Sequence[int],
    window: int,
    *,
    seed: int = 0,
) -> CovariantWindow:
    """Covariant vectors of the first `window` blocks.

    **Arguments:**

    - `r`: the factors of all blocks, those behind the window included.
    - `frames`: Q at the end of the blocks `kept`, from which vectors are made.
    - `seed`: as for `curlflow.measures.frames.covariant`.
    """
    found = covariant(r, seed=seed)
    vectors = np.stack([vectors_in(q, found.coefficients[t]) for q, t in zip(frames, kept, strict=True)])
    with np.errstate(divide="ignore"):  # directions that are squeezed to nothing
        forward = np.log(np.diagonal(r[:window], axis1=1, axis2=2))
    return CovariantWindow(forward, Covariant(*(part[:window] for part in found)), vectors)


def _summed(
    squares: Float[np.ndarray, "kept vectors n"], group: Int[np.ndarray, " n"], groups: int
) -> Float[np.ndarray, "kept vectors groups"]:
    """Sums over the entries of every group."""
    rows = [np.bincount(group, row, minlength=groups) for row in squares.reshape(-1, squares.shape[2])]
    return np.array(rows).reshape(*squares.shape[:2], groups)
