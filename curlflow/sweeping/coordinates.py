"""The coordinates of a collected sweep: values along the axes, actual widths, and how many units were flipped."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from .dimensions import Dimension
from .manifest import Manifest

FLIPPED = {f"rule.flipped.{units}": f"network.{units}" for units in ("inputs", "hidden", "outputs")}
"""Fields that are fractions of units, and the fields that say how many units there are."""


def axis_names(dimensions: tuple[Dimension, ...], taken: set[str]) -> tuple[str, ...]:
    """The names of the axes, other than those that the study has for its own dimensions and variables."""
    names = []
    for dimension in dimensions:
        name = dimension.name
        if name in taken and dimension.field is not None:
            name = dimension.field.replace(".", "_")
        while name in taken or name in names:
            name = f"{name}_axis"
        names.append(name)
    return tuple(names)


def axis_coordinates(manifest: Manifest, names: tuple[str, ...], taken: set[str]) -> dict[str, Any]:
    """Coordinates by name, as xarray takes them; none that has a name which is `taken`."""
    found: dict[str, Any] = {}
    for name, dimension in zip(names, manifest.dimensions, strict=True):
        text = dimension.field or ", ".join(sorted(dimension.fields))
        found[name] = ((name,), _array(dimension.values), {"long_name": text, "units": "1"})
    last = [field.rpartition(".")[2] for d in manifest.dimensions for field in d.coordinates]
    for name, dimension in zip(names, manifest.dimensions, strict=True):
        for field, values in dimension.coordinates.items():
            short = field.rpartition(".")[2]
            free = short not in found and short not in taken and last.count(short) == 1
            found[short if free else field.replace(".", "_")] = (
                (name,),
                _array(values),
                {"long_name": field, "units": "1"},
            )
    found |= _flipped(manifest, names, found)
    return {name: given for name, given in found.items() if name not in taken}


def _array(values: tuple[Any, ...]) -> np.ndarray:
    """The values as one array; of mixed kinds as text."""
    kinds = {np.asarray(value).dtype.kind for value in values}
    return np.array([str(v) for v in values]) if len(kinds) > 1 and not kinds <= {"i", "f"} else np.array(values)


def _flipped(manifest: Manifest, names: tuple[str, ...], taken: Mapping[str, Any]) -> dict[str, Any]:
    """How many units each fraction flips: ⌊αn + 10⁻⁹⌋ of n, over the axes that set α and n."""
    tables = manifest.spec.model_dump()
    swept = [d for d in manifest.dimensions if any(_is_fraction(d, field) for field in FLIPPED)]
    if tables["rule"].get("side") not in ("presynaptic", "postsynaptic"):
        return {}
    found = {}
    for field, width in FLIPPED.items():
        by = next((i for i, d in enumerate(manifest.dimensions) if _is_fraction(d, field)), None)
        if by is None:
            continue
        setting = next((i for i, d in enumerate(manifest.dimensions) if width in d.fields), None)
        fractions = [change[field] for change in manifest.dimensions[by].changes]
        units = [tables["network"][width.rpartition(".")[2]]] * len(fractions)
        dims: tuple[str, ...] = (names[by],)
        if setting is not None:
            units = [change.get(width) for change in manifest.dimensions[setting].changes]
        if not all(isinstance(n, int) for n in units):
            continue
        if setting in (None, by):
            counts = np.array([_count(a, n) for a, n in zip(fractions, units, strict=True)])
        else:
            counts = np.array([[_count(a, n) for a in fractions] for n in units])
            dims = (names[setting], names[by])
            counts, dims = (counts, dims) if setting < by else (counts.T, dims[::-1])
        name = "flipped" if len(swept) == 1 else f"flipped_{field.rpartition('.')[2]}"
        if name not in taken:
            text = f"number of flipped units, of {width}"
            found[name] = (dims, counts, {"long_name": text, "units": "1"})
    return found


def _is_fraction(dimension: Dimension, field: str) -> bool:
    """Whether an axis sets `field` to a number in all its cells."""
    return all(type(change.get(field)) in (int, float) for change in dimension.changes)


def _count(fraction: float, units: int) -> int:
    return math.floor(fraction * units + 1e-9)
