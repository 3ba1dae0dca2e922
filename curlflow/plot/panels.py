"""What the panels of a phase diagram have in common: edges of cells, boundaries of the theory, marks, labels."""

from typing import Any

import matplotlib.patheffects as effects
import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from ..random_matrix import phase_boundary, phase_surface

FINE = 400
"""Points of a boundary that is drawn from the theory."""
BOUNDARIES = ("critical_fraction", "critical_hidden_fraction")
LINES = {
    "": ("limit of large networks", {"linestyle": "-", "linewidth": 1.6}),
    "_finite": ("half of the networks of these widths", {"linestyle": "--", "linewidth": 1.4}),
    "_finite_lower": ("10 % and 90 % of them", {"linestyle": ":", "linewidth": 1.1}),
    "_finite_upper": ("10 % and 90 % of them", {"linestyle": ":", "linewidth": 1.1}),
}
"""Endings of the names of boundaries: what they are called and how they are drawn."""
FLAGS = {
    "failed": (("diverged", "max_steps_reached", "step_size_underflow"), "x", "some realization failed"),
    "period_two": (("period_two",), "o", "some realization alternates between two states"),
    "held_by_rounding": (("held_by_rounding",), "_", "some realization is held by rounding"),
}
"""Marks: flags of `status`, marker and label."""
WORDS = {
    "c": "compression ratio c = M/N",
    "dynamics": "",
    "flow": "flow",
    "full_batch": "updates, full batches",
    "minibatch": "updates, minibatches",
}
OUTLINE = (effects.withStroke(linewidth=3.0, foreground="white"),)
"""A white outline, so that black lines and marks are visible on dark cells too."""


def cell_edges(centres: np.ndarray, logarithmic: bool) -> np.ndarray:
    """Edges half-way between neighbouring centres, on a logarithmic axis between their logarithms.

    **Returns:** one more than there are centres, in the order of these; the first and the last cell extend as far
    outwards as inwards.
    """
    at = np.log(centres) if logarithmic else centres
    if at.size == 1:
        edges = at + np.array([-0.5, 0.5])
    else:
        inner = (at[1:] + at[:-1]) / 2
        edges = np.concatenate([[2 * at[0] - inner[0]], inner, [2 * at[-1] - inner[-1]]])
    return np.exp(edges) if logarithmic else edges


def is_geometric(values: np.ndarray) -> bool:
    """Whether values are more evenly spaced on a logarithmic axis than on a linear one."""
    if values.size < 3 or (values <= 0).any():
        return False
    spread = [np.ptp(np.diff(at)) / np.abs(at[-1] - at[0]) for at in (np.log(values), values)]
    return bool(spread[0] < spread[1])


def overlay(axes: Axes, dataset: xr.Dataset, x: str, y: str) -> dict[str, Any]:
    """Boundaries and marks of one panel; handles for a legend by their labels."""
    handles: dict[str, Any] = {}
    for name in BOUNDARIES:
        for ending, (label, style) in LINES.items():
            if name + ending in dataset and dataset[name + ending].dims == (x,):
                place = _fine(dataset, name, x) if not ending else None
                place = place or (dataset[x].to_numpy(), dataset[name + ending].to_numpy())
                handles[label] = axes.plot(*place, color="black", path_effects=OUTLINE, **style)[0]
    return handles | _marks(axes, dataset, x, y)


def _fine(dataset: xr.Dataset, name: str, x: str) -> tuple[np.ndarray, np.ndarray] | None:
    """The boundary of the theory between the points of the dataset too, if its parameters are known."""
    at = dataset[x].to_numpy()
    if at.size < 2:
        return None
    low, high = float(at.min()), float(at.max())
    if name == "critical_fraction" and x == "c" and dataset[name].attrs.get("layer") in ("inputs", "hidden"):
        # For flipped inputs it begins at c = 1/4, and ends at 2/3.
        fine = np.union1d(np.geomspace(low, high, FINE), [0.25, 2 / 3])
        fine = fine[(fine >= low) & (fine <= high)]
        return fine, phase_boundary(fine, dataset[name].attrs["layer"])
    if name == "critical_hidden_fraction" and x == "inputs_fraction" and "c" in dataset and not dataset.c.ndim:
        fine = np.linspace(max(low, 1e-9), high, FINE)  # for c > 1/4 the value without flips is a separate point
        return fine, phase_surface(float(dataset.c), fine)
    return None


def _marks(axes: Axes, dataset: xr.Dataset, x: str, y: str) -> dict[str, Any]:
    """Marks on the cells in which a realization has one of the statuses in `FLAGS`."""
    if "status" not in dataset or not {x, y} <= {*dataset.status.dims}:
        return {}
    flags = dict(
        zip(
            str(dataset.status.attrs.get("flag_meanings", "")).split(),
            np.ravel(dataset.status.attrs.get("flag_values", [])).tolist(),
            strict=True,
        )
    )
    handles = {}
    for names, marker, label in FLAGS.values():
        there = dataset.status.isin([flags[name] for name in names if name in flags])
        others = [dim for dim in there.dims if dim not in (x, y)]
        columns, rows = np.nonzero(there.any(others).transpose(x, y).to_numpy())
        if columns.size:
            places = dataset[x].to_numpy()[columns], dataset[y].to_numpy()[rows]
            style = {"markersize": 3.0, "markeredgewidth": 0.8, "fillstyle": "none", "linestyle": "none"}
            handles[label] = axes.plot(
                *places, marker, color="black", path_effects=[effects.withStroke(linewidth=1.8, foreground="white")],
                **style,
            )[0]  # fmt: skip
    return handles


def panel_title(dataset: xr.Dataset, place: dict[str, Any]) -> str:
    """What a panel shows."""
    return ", ".join(
        WORDS.get(value, value) if isinstance(value, str) else f"{name} = {value:g}" for name, value in place.items()
    )


def axis_label(dataset: xr.Dataset, name: str) -> str:
    """What is along an axis."""
    return WORDS.get(name, str(dataset[name].attrs.get("long_name", name)))
