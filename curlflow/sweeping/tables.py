"""Sweeps as TOML: a spec, what varies, and what is computed. Data only; a function is named, never written there."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..spec import Spec
from ..spec.sentences import field_names, nearest
from ..spec.words import spec_from
from .axes import Axis, dotted

KEYS = ("spec", "set", "over", "study", "options", "version")
RANGES = {
    "linspace": np.linspace,
    "logspace": np.logspace,
    "geomspace": np.geomspace,
    "range": np.arange,
}
"""Ways to write many values: FIRST, LAST, NUMBER as in NumPy (of `logspace` the exponents of ten); `range` as in
Python."""


def from_toml(path: str | Path) -> dict[str, Any]:
    """The arguments `spec`, `over`, `study`, `options` and `version` of `curlflow.sweep` that a TOML file describes.

    ```toml
    spec = "fig4"               # a preset, the path of a spec's TOML, or a table [spec]
    study = "train"             # or "package.module:function"

    [set]                       # fields of the spec to replace
    realizations = 2

    [options]                   # keyword arguments of the study
    epochs = 1000

    [over]
    fraction = { field = "rule.flipped.hidden", linspace = [0, 1, 21] }
    c = { compression_ratio = { total = 220 }, logspace = [-2, 1, 20] }
    ```

    **Raises:** `ValueError` for what is no such file.
    """
    path = Path(path)
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path}: no valid TOML: {error}.") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "UTF-8 text is required"
        raise ValueError(f"{path}: cannot be read as a sweep: {reason}.") from None
    for key in tables:
        if key not in KEYS:
            hint = nearest(key, list(KEYS)) or "."
            raise ValueError(f"{path}: {key}: no key of a sweep{hint} Allowed are {', '.join(KEYS)}.")
    if "spec" not in tables:
        raise ValueError(f"{path}: spec: required, but not given; a sweep has spec and over.")
    arguments = {key: tables[key] for key in ("study", "options", "version") if key in tables}
    spec = _spec(tables["spec"], path.parent)
    changed = _replaced(spec, tables["set"]) if tables.get("set") else spec
    return {"spec": changed, "over": _over(tables.get("over", {})), **arguments}


def _spec(given: Any, folder: Path) -> Spec:
    if isinstance(given, Mapping):
        return Spec(**given)
    if not isinstance(given, str):
        raise ValueError(f"spec: got {given!r}, required is a preset, a path or a table.")
    return spec_from(str(folder / given) if given.endswith(".toml") else given, None, None)


def _replaced(spec: Spec, given: Any) -> Spec:
    """With fields that were written with dots, or as tables of tables."""
    if not isinstance(given, Mapping):
        raise ValueError(f"set: got {given!r}, required is a table of fields.")

    def nested(name: str, value: Any) -> bool:
        return isinstance(value, Mapping) and name in Spec.model_fields and "kind" not in value

    return spec.replace(dotted(given, nested))


def _over(given: Any) -> dict[str, Any]:
    """Axes by name, also where TOML has made tables of the dots in the names of fields."""
    if not isinstance(given, Mapping):
        raise ValueError(f"over: got {given!r}, required is a table of axes.")
    tables = {field.rpartition(".")[0] for field in field_names(Spec)}

    def nested(name: str, axis: Any) -> bool:
        return isinstance(axis, Mapping) and name in tables and not set(axis) & {"values", *RANGES}

    return {name: _axis(name, axis) for name, axis in dotted(given, nested).items()}


def _axis(name: str, given: Any) -> Any:
    """A list stays what it is; a table becomes a list or an `Axis`."""
    if not isinstance(given, Mapping):
        return given
    try:
        rest = dict(given)
        values = _values(rest)
        allowed = ("field", "fields", "changes", "compression_ratio")
        for key in rest:
            if key not in allowed:
                ways = ", ".join(("values", *RANGES, *allowed))
                raise ValueError(f"got {key}, allowed are {ways}{nearest(key, ['values', *RANGES, *allowed]) or '.'}")
        if not rest:
            return values
        if "compression_ratio" in rest:
            settings = rest.pop("compression_ratio")
            if rest or not isinstance(settings, Mapping) or set(settings) - {"total"}:
                raise ValueError(
                    "compression_ratio: required is a table such as { total = 220 }, and no other field."
                )
            return Axis.compression_ratio(values, **settings)
        return Axis(rest.pop("field", None) or values, values if "field" in given else None, **rest)
    except ValueError as error:
        raise ValueError(f"over: {name}: {str(error).removeprefix('Axis: ')}") from None


def _values(axis: dict[str, Any]) -> Any:
    """The values of an axis; taken out of its table."""
    ways = [key for key in ("values", *RANGES) if key in axis]
    if len(ways) != 1:
        raise ValueError(f"got {', '.join(ways) or 'no values'}, required is one of values, {', '.join(RANGES)}.")
    given = axis.pop(ways[0])
    if ways[0] == "values":
        return given
    try:
        first, last, *number = given
        if ways[0] == "range":
            return np.arange(first, last, *number)
        (count,) = number
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise ValueError
        return RANGES[ways[0]](first, last, count)
    except (TypeError, ValueError, ZeroDivisionError):
        what = "FIRST, LAST, STEP" if ways[0] == "range" else "FIRST, LAST, NUMBER"
        raise ValueError(f"{ways[0]}: got {given!r}, required is [{what}].") from None
