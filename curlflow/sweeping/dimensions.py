"""The dimensions of a sweep: axes with names, checked against the spec before anything runs."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from ..spec import Spec
from ..spec.sentences import field_names, nearest
from .axes import Axis, Scalar

RESERVED = ("cell", "cell_status", "cell_message")
"""Names that a collected dataset has of its own."""


class Dimension(NamedTuple):
    """One axis as it is stored.

    **Attributes:**

    - `name`: of the dimension in the collected dataset.
    - `field`: its name in full where `name` is only the last part of a field's; None for a name that was chosen.
    - `values`: along it.
    - `changes`: for each value the fields that it sets.
    - `coordinates`: further coordinates along it, by the field that they come from.
    """

    name: str
    field: str | None
    values: tuple[Scalar, ...]
    changes: tuple[Mapping[str, Any], ...]
    coordinates: Mapping[str, tuple[Scalar, ...]]

    @property
    def fields(self) -> set[str]:
        """All fields that it sets."""
        return {field for change in self.changes for field in change}

    def as_json(self) -> dict[str, Any]:
        """This as plain lists and mappings."""
        lists = {"values": list(self.values), "changes": list(self.changes)}
        return {**self._asdict(), **lists, "coordinates": {k: list(v) for k, v in self.coordinates.items()}}

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> "Dimension":
        """The inverse of `as_json`."""
        coordinates = {name: tuple(values) for name, values in given["coordinates"].items()}
        changes, values = tuple(given["changes"]), tuple(given["values"])
        return cls(given["name"], given["field"], values, changes, coordinates)


def dimensions_of(spec: Spec, over: Any) -> tuple[Dimension, ...]:
    """The dimensions that `over` describes, in its order.

    **Raises:** `ValueError` for what is no field, for names and fields that occur twice, and for values that the spec
    refuses.
    """
    if not isinstance(over, Mapping) or not over:
        raise ValueError(
            f"over: got {over!r}, required is a mapping from fields or names to the values of each axis."
        )
    axes = {key: _axis(key, given) for key, given in over.items()}
    short = [key.rpartition(".")[2] for key in axes]
    dimensions = []
    for (key, axis), last in zip(axes.items(), short, strict=True):
        chosen = isinstance(over[key], Axis)
        name = key if chosen else last if short.count(last) == 1 else key.replace(".", "_")
        if not name.isidentifier() or name in RESERVED:
            hint = " Values along a field need no Axis." if name in field_names(Spec) else ""
            allowed = f"letters, digits and _, but not {', '.join(RESERVED)}"
            raise ValueError(f"over: got the name {name!r}, allowed are {allowed}.{hint}")
        dimensions.append(Dimension(name, None if chosen else key, axis.values, axis.changes, axis.coordinates))
    _check_fields(dimensions)
    _check_values(spec, dimensions)
    return tuple(dimensions)


def _axis(key: Any, given: Any) -> Axis:
    if not isinstance(key, str):
        raise ValueError(f"over: got {key!r}, required is the name of a field, or of an Axis.")
    if isinstance(given, Axis):
        return given
    _check_field(key)
    try:
        return Axis(key, given)
    except ValueError as error:
        raise ValueError(f"over: {key}: {str(error).removeprefix('Axis: ')}") from None


def _check_field(name: str) -> None:
    names = field_names(Spec)
    if name not in names:
        raise ValueError(
            f"over: got {name!r}, which is no field of a spec{nearest(name, names) or '.'} A name of your own goes "
            "with an Axis, which says what it sets."
        )


def _check_fields(dimensions: list[Dimension]) -> None:
    """Refuse what is no field, and what two axes would set."""
    seen: dict[str, str] = {}
    for dimension in dimensions:
        for field in sorted(dimension.fields):
            _check_field(field)
            for other, owner in seen.items():
                if field == other or field.startswith(other + ".") or other.startswith(field + "."):
                    raise ValueError(f"over: {owner} and {dimension.name} both set {field}, allowed is one axis.")
        seen |= dict.fromkeys(dimension.fields, dimension.name)
    names = [dimension.name for dimension in dimensions]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"over: got two axes named {name}; give one an Axis under a name of your own.")


def _check_values(spec: Spec, dimensions: list[Dimension]) -> None:
    """Refuse values that the spec refuses, both alone and beside the first values of the other axes."""
    for dimension in dimensions:
        beside: dict[str, Any] = {}
        for other in dimensions:
            beside |= other.changes[0] if other is not dimension else {}
        for value, change in zip(dimension.values, dimension.changes, strict=True):
            try:
                spec.replace(change)
            except ValueError as error:
                try:
                    spec.replace({**beside, **change})
                except ValueError:
                    raise ValueError(f"over: {dimension.name} = {value!r}: {error}") from None
