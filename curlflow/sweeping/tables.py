"""Sweeps as TOML: a spec, what varies, and what is computed. Data only; a function is named, never written there."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..spec import Spec
from ..spec.arguments import Count, check
from ..spec.sentences import field_names, nearest
from ..spec.words import spec_from, tables_from
from .axes import Axis, dotted

KEYS = ("spec", "set", "over", "study", "options", "version")
RANGES = {"linspace": np.linspace, "logspace": np.logspace, "geomspace": np.geomspace, "range": np.arange}
"""Ways to write many values, with NumPy's arguments: the ends of `logspace` are exponents of ten."""
VALUES = ("values", *RANGES)
SETTING = ("field", "fields", "changes", "compression_ratio")


def from_toml(path: str | Path) -> dict[str, Any]:
    """The arguments `spec`, `over`, `study`, `options` and `version` of `curlflow.sweep` that a TOML file describes.

    ```toml
    spec = "fig4"                   # a preset, the path of a spec's TOML, or a table [spec]
    study = "train"                 # or "package.module:function"
    set = { realizations = 2 }      # fields of the spec to replace
    options = { epochs = 1000 }     # keyword arguments of the study

    [over]
    fraction = { field = "rule.flipped.hidden", linspace = [0, 1, 21] }
    c = { compression_ratio = { total = 220 }, logspace = [-2, 1, 20] }
    ```

    **Raises:** `ValueError` for what is no such file.
    """
    path = Path(path)
    tables = tables_from(path, "a sweep")
    for key in [key for key in tables if key not in KEYS]:
        hint = nearest(key, list(KEYS)) or "."
        raise ValueError(f"{path}: {key}: no key of a sweep{hint} Allowed are {', '.join(KEYS)}.")
    if "spec" not in tables:
        raise ValueError(f"{path}: spec: required, but not given; a sweep has spec and over.")
    arguments = {key: tables[key] for key in ("study", "options", "version") if key in tables}
    spec = _spec(tables["spec"], path.parent)
    # TOML makes tables of the dots in the names of fields.
    if changes := _flat(tables, "set", "fields", set(Spec.model_fields), {"kind"}):
        spec = spec.replace(changes)
    owners = {field.rpartition(".")[0] for field in field_names(Spec)}
    over = {name: _axis(name, axis) for name, axis in _flat(tables, "over", "axes", owners, set(VALUES)).items()}
    return {"spec": spec, "over": over, **arguments}


def _spec(given: Any, folder: Path) -> Spec:
    if isinstance(given, Mapping):
        return Spec(**given)
    if not isinstance(given, str):
        raise ValueError(f"spec: got {given!r}, required is a preset, a path or a table.")
    return spec_from(str(folder / given) if given.endswith(".toml") else given, None, None)


def _flat(tables: Mapping[str, Any], key: str, what: str, owners: set[str], own: set[str]) -> dict[str, Any]:
    """The table `key` by dotted names of fields: tables of `owners` hold fields, unless they have a key of `own`."""
    given = tables.get(key, {})
    if not isinstance(given, Mapping):
        raise ValueError(f"{key}: got {given!r}, required is a table of {what}.")
    return dotted(given, lambda name, value: isinstance(value, Mapping) and name in owners and not own & set(value))


def _axis(name: str, given: Any) -> Any:
    """A list stays what it is; a table becomes a list or an `Axis`."""
    if not isinstance(given, Mapping):
        return given
    try:
        values = _values({way: given[way] for way in VALUES if way in given})
        rest = {key: value for key, value in given.items() if key not in VALUES}
        for key in [key for key in rest if key not in SETTING]:
            ways = [*VALUES, *SETTING]
            raise ValueError(f"got {key}, allowed are {', '.join(ways)}{nearest(key, ways) or '.'}")
        if "compression_ratio" in rest:
            settings = rest.pop("compression_ratio")
            if rest or not isinstance(settings, Mapping) or set(settings) - {"total"}:
                raise ValueError("compression_ratio: required is a table like { total = 220 }, and no other field.")
            return Axis.compression_ratio(values, **settings)
        field = rest.pop("field", None)
        return Axis(field, values, **rest) if field is not None or rest else values
    except ValueError as error:
        raise ValueError(f"over: {name}: {str(error).removeprefix('Axis: ')}") from None


def _values(given: Mapping[str, Any]) -> Any:
    """The values of an axis, of which there is one way to write them."""
    if len(given) != 1:
        raise ValueError(f"got {', '.join(given) or 'no values'}, required is one of {', '.join(VALUES)}.")
    ((way, numbers),) = given.items()
    if way == "values":
        return numbers
    try:
        first, last, *number = numbers
        if way != "range":
            (count,) = number
            number = [check("NUMBER", count, Count)]
        return RANGES[way](first, last, *number)
    except (TypeError, ValueError, ZeroDivisionError):
        what = "STEP" if way == "range" else "NUMBER"
        raise ValueError(f"{way}: got {numbers!r}, required is [FIRST, LAST, {what}].") from None
