"""The dataset of `curlflow.covariant_vectors`: exponents, angles, and where the vectors live."""

from typing import Any

import numpy as np
import xarray as xr

from ... import results
from ...measures.covariant_window import GROWTH, OF_FLIPPED, SHARES, CovariantWindow, Places
from ...problem import Problem
from ...tangents import size
from ..assemble import assembled
from .covariant_runs import FramedRun, blocks_of

VARIABLES = (results.status_variable(), *GROWTH, *SHARES, *OF_FLIPPED)


def places_of(problem: Problem) -> Places:
    """Those of the student of a problem."""
    weights = problem.student.weights
    signal = problem.rule.signal(problem.student)
    if signal is None:
        return Places([w.shape for w in weights], None)
    gains = [np.broadcast_to(g, w.shape).ravel() for g, w in zip(signal.gains, weights, strict=True)]
    return Places([w.shape for w in weights], np.concatenate(gains) < 0)


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
        text = "whether all synapses from the unit learn with a flipped sign"
        coordinates["unit_flipped"] = (("unit",), flipped, text)
    return coordinates


def _row(r: FramedRun, b: CovariantWindow | None, places: Places | None) -> dict[str, Any]:
    """All variables of one realization; nothing of one that did not get to its end."""
    gains = places is not None and places.flipped is not None
    declared = (*GROWTH, *(SHARES if places is not None else ()), *(OF_FLIPPED if gains else ()))
    found = {"status": np.int8(r.status)} | {v.name: np.empty((0,) * (len(v.dims) - 1)) for v in declared}
    found["covariant_vector"] = np.empty((0, size(r.system.state)))
    if b is not None:
        found |= b.growth(r.options.block) | ({} if places is None else b.shares(places))
    return found | ({"flipped_synapses": places.flipped_synapses} if gains else {})
