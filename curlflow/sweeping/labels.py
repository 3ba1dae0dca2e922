"""Dimensions whose positions have names: cells with other names, or in another order, are put together by name."""

from typing import Any

import numpy as np

from .layout import Constant, Layout


def put_by_name(layout: Layout, data: dict[str, np.ndarray], constants: dict[str, Constant]) -> None:
    """Move what cells have along a dimension with names (text) to the places of all names, in the order in which they
    come, where the names differ between cells; `layout`, `data` and `constants` are changed.

    Such a dimension is `rule` in a sweep over rules. A dimension stays as it is where a cell has a name twice.
    """
    for dim in [name for name, constant in constants.items() if not constant.holds and _has_names(layout, name)]:
        names = data[dim]
        known = [name for name in dict.fromkeys(names.ravel()) if name != ""]
        if any(np.unique(own[own != ""]).size < (own != "").sum() for own in names.astype(str)):
            continue
        for name in [name for name, dims in layout.dims.items() if dim in dims and name != dim]:
            constant = constants.get(name)
            if constant is not None and constant.holds:
                constant.holds = False
                data[name] = np.broadcast_to(constant.values, (layout.cells, *layout.shape(name)))
            axis = 1 + layout.dims[name].index(dim)
            data[name] = _moved(data[name], axis, names, known, layout.fill(name))
        layout.sizes[dim] = len(known)
        constants[dim].values, constants[dim].holds = np.array(known, dtype=str), True


def _has_names(layout: Layout, name: str) -> bool:
    return layout.dims[name] == (name,) and layout.fill(name) == ""


def _moved(values: np.ndarray, axis: int, names: np.ndarray, known: list[Any], fill: Any) -> np.ndarray:
    """`values`, cells first, with as many places along `axis` as names are known."""
    before = np.moveaxis(values, axis, 1)
    after = np.full((len(before), len(known), *before.shape[2:]), fill, dtype=before.dtype)
    for place, name in enumerate(known):
        cells, positions = np.nonzero(names == name)
        after[cells, place] = before[cells, positions]
    return np.moveaxis(after, 1, axis)
