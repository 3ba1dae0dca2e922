"""The dataset of `curlflow.covariant_vectors`: exponents, angles, and where the vectors live."""

from typing import Any, NamedTuple

import jax
import numpy as np
import xarray as xr
from jaxtyping import Bool, Float, Int

from ... import results
from ...measures.standard_error import batch_means_error
from ...problem import Problem
from ...variable import Variable
from ..assemble import assembled
from .covariant_runs import Backward, FramedRun, blocks_of


class Places(NamedTuple):
    """What the entries of a state are, where it is the weights of a network.

    **Attributes:**

    - `shapes`: (post, pre) of every layer.
    - `flipped`: which weights learn with a negative gain; None where the rule's gains are not known.
    """

    shapes: list[tuple[int, int]]
    flipped: Bool[np.ndarray, " weights"] | None

    @classmethod
    def of(cls, problem: Problem) -> "Places":
        """Those of the student of a problem."""
        weights = problem.student.weights
        signal = problem.rule.signal(problem.student)
        if signal is None:
            return cls([w.shape for w in weights], None)
        gains = [np.broadcast_to(g, w.shape).ravel() for g, w in zip(signal.gains, weights, strict=True)]
        return cls([w.shape for w in weights], np.concatenate(gains) < 0)

    @property
    def layer(self) -> Int[np.ndarray, " weights"]:
        """The layer of every weight, from 0."""
        return np.repeat(np.arange(len(self.shapes)), [post * pre for post, pre in self.shapes])

    @property
    def presynaptic(self) -> Int[np.ndarray, " weights"]:
        """The presynaptic unit of every weight: inputs first, then hidden units, layer by layer."""
        before = np.concatenate([[0], np.cumsum([pre for _, pre in self.shapes])])
        parts = [np.tile(np.arange(pre), post) + b for (post, pre), b in zip(self.shapes, before, strict=False)]
        return np.concatenate(parts)


def covariant_dataset(
    runs: list[FramedRun],
    places: Places | None,
    settings: dict[str, Any],
    attributes: dict[str, Any],
) -> xr.Dataset:
    """All realizations, finished or not."""
    options = runs[0].options
    window = blocks_of(options.duration, options) if options.block else 0
    rows = [_row(r, r.backward(window, options.seed), places) for r in runs]
    number = np.arange(1, options.exponents + 1)
    coordinates = {
        "exponent": (("exponent",), number, "rank of the exponent"),
        "other": (("other",), number, "rank of the other exponent"),
    }
    if places is not None:
        coordinates |= _unit_coordinates(places)
    return assembled("covariant_vectors", VARIABLES, rows, coordinates, settings, attributes)


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
        coordinates["unit_flipped"] = (
            ("unit",),
            flipped,
            "whether all synapses from the unit learn with a flipped sign",
        )
    return coordinates


def _row(r: FramedRun, b: Backward | None, places: Places | None) -> dict[str, Any]:
    """All variables of one realization; NaN where there is nothing."""
    options = r.options
    k, n = options.exponents, sum(leaf.size for leaf in jax.tree.leaves(r.system.state))
    one, pair = np.full(k, np.nan), np.full((k, k), np.nan)
    found = {
        "status": np.int8(r.status), "lyapunov_exponent": one, "lyapunov_exponent_se": one, "covariant_exponent": one,
        "covariant_exponent_se": one, "angle": pair, "smallest_angle": pair, "participation": one,
        "covariant_vector": np.full((k, n), np.nan),
    }  # fmt: skip
    if b is not None:
        forward, backward = b.log_stretch / options.block, b.covariant.log_stretch / options.block
        angles, squares = b.angles, b.vectors**2
        found |= {
            "lyapunov_exponent": forward.mean(axis=0), "lyapunov_exponent_se": batch_means_error(forward),
            "covariant_exponent": backward.mean(axis=0), "covariant_exponent_se": batch_means_error(backward),
            "angle": angles.mean(axis=0), "smallest_angle": angles.min(axis=0),
            "participation": (1 / np.sum(squares**2, axis=2)).mean(axis=0), "covariant_vector": b.vectors[-1],
        }  # fmt: skip
    return found | (_shares(b, k, places) if places is not None else {})


def _shares(b: Backward | None, k: int, places: Places) -> dict[str, Any]:
    """How the squared length of every vector is spread over layers, units and flipped synapses."""
    layers, units = len(places.shapes), sum(pre for _, pre in places.shapes)
    squares = None if b is None else b.vectors**2
    by_layer = _summed(squares, places.layer, layers, k)
    found = {
        "layer_share": by_layer.mean(axis=0), "layer_share_se": batch_means_error(by_layer),
        "unit_share": _summed(squares, places.presynaptic, units, k).mean(axis=0),
    }  # fmt: skip
    if places.flipped is None:
        return found
    flipped = _summed(None if squares is None else squares * places.flipped, places.layer, layers, k)
    synapses = np.bincount(places.layer, places.flipped, minlength=layers) / places.flipped.size
    return found | {
        "flipped_share": flipped.mean(axis=0), "flipped_share_se": batch_means_error(flipped),
        "flipped_synapses": synapses,
    }  # fmt: skip


def _summed(
    squares: Float[np.ndarray, "kept vectors n"] | None, group: Int[np.ndarray, " n"], groups: int, vectors: int
) -> Float[np.ndarray, "kept vectors groups"]:
    """Sums over the entries of every group."""
    if squares is None:
        return np.full((1, vectors, groups), np.nan)
    rows = [np.bincount(group, row, minlength=groups) for row in squares.reshape(-1, squares.shape[2])]
    return np.array(rows).reshape(*squares.shape[:2], groups)


R = ("realization", "exponent")
VARIABLES = (
    results.status_variable(),
    Variable("lyapunov_exponent", R, "Lyapunov exponent, per unit of time"),
    Variable("lyapunov_exponent_se", R, "standard error of the Lyapunov exponent"),
    Variable("covariant_exponent", R, "mean rate at which the covariant vector grows, per unit of time"),
    Variable("covariant_exponent_se", R, "standard error of that rate"),
    Variable("angle", (*R, "other"), "mean angle between two covariant vectors", "rad"),
    Variable("smallest_angle", (*R, "other"), "smallest angle between two covariant vectors", "rad"),
    Variable("participation", R, "over how many entries the vector is spread, 1/Σ v⁴"),
    Variable("covariant_vector", (*R, "state_variable"), "unit covariant vector at the end of the window"),
    Variable("layer_share", (*R, "layer"), "share of the squared length in a layer of weights"),
    Variable("layer_share_se", (*R, "layer"), "standard error of that share"),
    Variable("unit_share", (*R, "unit"), "share of the squared length on synapses from a unit"),
    Variable("flipped_share", (*R, "layer"), "share of the squared length on synapses of a layer with flipped sign"),
    Variable("flipped_share_se", (*R, "layer"), "standard error of that share"),
    Variable("flipped_synapses", ("realization", "layer"), "share of all synapses that are such synapses"),
)
