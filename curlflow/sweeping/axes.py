"""What varies in a sweep: values along an axis, and the fields of the spec that each of them sets."""

import contextlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ..spec import Spec
from ..spec.arguments import as_plain, check, whole
from ..spec.sentences import field_names, nearest

Scalar = bool | int | float | str
RESERVED = ("cell", "cell_status", "cell_message")
"""Names that a collected dataset has of its own."""


class Axis:
    """`Axis(field, values)`: one axis of a sweep, under a name of its own.

    ```python
    over = {
        "fraction": curlflow.Axis("rule.flipped.hidden", np.linspace(0, 1, 21)),
        "c": curlflow.Axis.compression_ratio(np.logspace(-2, 1, 20), total=220),
        "size": curlflow.Axis([1, 2], fields={"network.inputs": [10, 20], "network.hidden": [30, 60]}),
        "start": curlflow.Axis(["far", "near"], changes=[{"start.kind": "random"}, {"start.kind": "teacher"}]),
        "load": curlflow.Axis.derived([1, 2, 4], lambda load: {"data.samples": 50 * load, "data.seed": 7}),
    }
    ```

    **Arguments:**

    - `field`: a dotted name of the spec, which takes the `values`; or one entry of a list that the spec has, counted
      from 0, such as `"dynamics.layer_rates[1]"`.
    - `values`: numbers, strings or truth values, each once: the coordinate of the axis. They may stand first where
      `fields` or `changes` say what they set.
    - `fields`: several fields that move together: for each a list as long as `values`. Those of numbers or words
      become coordinates along the axis.
    - `changes`: for each value a mapping of the fields that it sets, for alternatives with a name, such as rules.

    **Raises:** `ValueError` for axes without values, values that occur twice, and lists of unequal lengths.
    """

    def __init__(
        self, field: Any = None, values: Any = None, *, fields: Mapping[str, Any] | None = None, changes: Any = None
    ):
        if values is None and not isinstance(field, str):
            field, values = None, field
        if sum(way is not None for way in (field, fields, changes)) != 1:
            raise ValueError("Axis: required is one of field, fields and changes, to say what the values set.")
        self.values: tuple[Scalar, ...] = _values(values)
        if field is not None and not isinstance(field, str):
            raise ValueError(f"Axis: got the field {field!r}, required is the dotted name of a field.")
        if fields is not None:
            changes = _together(fields, self.values)
        elif field is not None:
            changes = [{field: value} for value in self.values]
        self.changes = _changes(changes, self.values)
        self.coordinates = {} if fields is None else _scalars(self.changes)

    @classmethod
    def derived(cls, values: Any, function: Any) -> "Axis":
        """An axis whose fields follow from each value by a function; what it returns is stored, not the function."""
        if not callable(function):
            raise ValueError(f"Axis.derived: got {function!r}, required is a function of the value.")
        axis = cls(values, changes=map(function, _values(values)))
        axis.coordinates = _scalars(axis.changes)
        return axis

    @classmethod
    def compression_ratio(cls, values: Any, total: Any = 220) -> "Axis":
        """c = M/N at a fixed total width, as in the published phase diagrams (docs/model.md).

        Sets `network.inputs` = M = ⌊total/(1 + 1/c)⌋ and `network.hidden` = `teacher.width` = N = ⌊total/(1 + c)⌋;
        the widths become the coordinates `inputs` and `hidden`.
        """
        total = check("total", total, whole(2))
        ratios = _values(values)
        if not all(isinstance(c, int | float) and not isinstance(c, bool) and c > 0 for c in ratios):
            raise ValueError(f"compression_ratio: got {list(ratios)}, allowed are numbers above 0.")
        inputs, hidden = [int(total / (1 + 1 / c)) for c in ratios], [int(total / (1 + c)) for c in ratios]
        axis = cls(ratios, fields={"network.inputs": inputs, "network.hidden": hidden, "teacher.width": hidden})
        del axis.coordinates["teacher.width"]
        return axis


def dotted(tables: Mapping[str, Any], nested: Callable[[str, Any], bool], prefix: str = "") -> dict[str, Any]:
    """Values by dotted names, from tables in tables; `nested` says of which values those within are meant."""
    found: dict[str, Any] = {}
    for key, value in tables.items():
        name = prefix + key
        found |= dotted(value, nested, f"{name}.") if nested(name, value) else {name: value}
    return found


def _values(given: Any) -> tuple[Scalar, ...]:
    """The values of an axis, of one type, each once."""
    given = as_plain(given)
    if isinstance(given, str | Mapping) or not isinstance(given, Iterable):
        raise ValueError(f"Axis: got {given!r}, required is a list of values.")
    values = as_plain(list(given))
    if not values:
        raise ValueError("Axis: got no values, at least one is required.")
    for value in values:
        if not isinstance(value, Scalar) or (isinstance(value, float) and not math.isfinite(value)):
            raise ValueError(
                f"Axis: got the value {value!r}, allowed are finite numbers, strings and truth values; anything else "
                "takes a label, with changes=."
            )
    if len(set(values)) < len(values):
        twice = next(value for i, value in enumerate(values) if value in values[:i])
        raise ValueError(f"Axis: got {twice!r} twice, allowed is every value once.")
    return tuple(values)


def _together(fields: Any, values: Sequence[Scalar]) -> list[dict[str, Any]]:
    if not isinstance(fields, Mapping) or not fields:
        raise ValueError(f"Axis: got fields={fields!r}, required is a mapping from names of fields to lists.")
    columns = {name: as_plain(column) for name, column in fields.items()}
    for name, column in columns.items():
        if not isinstance(column, list) or len(column) != len(values):
            got = f"{len(column)} values" if isinstance(column, list) else repr(column)
            raise ValueError(f"Axis: got {got} for {name}, required is a list of {len(values)}, one for each value.")
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _changes(given: Any, values: Sequence[Scalar]) -> tuple[dict[str, Any], ...]:
    changes = [as_plain(change) for change in given] if isinstance(given, Iterable) else [given]
    if len(changes) != len(values):
        raise ValueError(f"Axis: got {len(changes)} changes, required is one for each of the {len(values)} values.")
    for change in changes:
        if not isinstance(change, Mapping) or not all(isinstance(name, str) for name in change):
            raise ValueError(f"Axis: got the change {change!r}, required is a mapping from fields to values.")
    return tuple(dict(change) for change in changes)


def _scalars(changes: Sequence[Mapping[str, Any]]) -> dict[str, tuple[Scalar, ...]]:
    """The fields that every value sets to a number or a word, all of one type."""
    columns = {field: tuple(change.get(field) for change in changes) for field in changes[0]}
    kinds = {field: {type(value) for value in column} for field, column in columns.items()}
    return {field: columns[field] for field, kind in kinds.items() if kind <= {int, float} or kind == {str}}


class Dimension(NamedTuple):
    """One axis as it is stored: its name in the collected dataset, and for each value the fields that it sets.

    `field` is the full name of the field that it is named after, None for a name that was chosen; `coordinates` are
    further ones along the axis, by field.
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


def dimensions_of(spec: Any, over: Any) -> tuple[Dimension, ...]:
    """The dimensions that `over` describes, in its order.

    **Raises:** `ValueError` for what is no field, names and fields that occur twice, and values that `spec` refuses.
    """
    if not isinstance(over, Mapping) or not over:
        raise ValueError(f"over: got {over!r}, required is a mapping from fields or names to the values of an axis.")
    names = field_names(Spec) if isinstance(spec, Spec) else spec.fields
    axes = {key: _axis_of(key, given, names) for key, given in over.items()}
    short = [as_word(key.rpartition(".")[2]) for key in axes]
    dimensions = []
    for (key, axis), last in zip(axes.items(), short, strict=True):
        chosen = isinstance(over[key], Axis)
        name = key if chosen else last if short.count(last) == 1 else as_word(key)
        if not name.isidentifier() or name in RESERVED:
            hint = " Values along a field need no Axis." if name in names else ""
            allowed = f"letters, digits and _, but not {', '.join(RESERVED)}"
            raise ValueError(f"over: got the name {name!r}, allowed are {allowed}.{hint}")
        if any(name == dimension.name for dimension in dimensions):
            raise ValueError(f"over: got two axes named {name}; give one an Axis under a name of your own.")
        dimensions.append(Dimension(name, None if chosen else key, axis.values, axis.changes, axis.coordinates))
    _check_fields(dimensions, names)
    _check_values(spec, dimensions)
    return tuple(dimensions)


def as_word(field: str) -> str:
    """The name of a dimension along a field: the whole name, with _ in place of dots and brackets."""
    return field.replace(".", "_").replace("[", "_").removesuffix("]")


def _axis_of(key: Any, given: Any, names: list[str]) -> Axis:
    if not isinstance(key, str):
        raise ValueError(f"over: got {key!r}, required is the name of a field, or of an Axis.")
    if isinstance(given, Axis):
        return given
    _check_field(key, names)
    try:
        return Axis(key, given)
    except ValueError as error:
        raise ValueError(f"over: {key}: {str(error).removeprefix('Axis: ')}") from None


def _check_field(name: str, names: list[str]) -> None:
    if name.partition("[")[0] not in names:
        kind = "field of a spec" if "network" in names else "argument of the function"
        raise ValueError(
            f"over: got {name!r}, which is no {kind}{nearest(name, names) or '.'} A name of your own goes with an "
            "Axis, which says what it sets."
        )


def _check_fields(dimensions: list[Dimension], names: list[str]) -> None:
    """Refuse what is no field, and what two axes would set."""
    seen: dict[str, str] = {}
    for dimension in dimensions:
        for field in sorted(dimension.fields):
            _check_field(field, names)
            for other, owner in seen.items():
                short, long = sorted((field, other), key=len)
                if long == short or long.startswith((f"{short}.", f"{short}[")):
                    raise ValueError(f"over: {owner} and {dimension.name} both set {field}, allowed is one axis.")
        seen |= dict.fromkeys(dimension.fields, dimension.name)


def _check_values(spec: Any, dimensions: list[Dimension]) -> None:
    """Refuse values that the spec refuses, both alone and beside the first values of the other axes."""
    for dimension in dimensions:
        beside = {k: v for other in dimensions if other is not dimension for k, v in other.changes[0].items()}
        for value, change in zip(dimension.values, dimension.changes, strict=True):
            try:
                spec.replace(change)
            except ValueError as error:
                with contextlib.suppress(ValueError):
                    spec.replace({**beside, **change})
                    continue
                raise ValueError(f"over: {dimension.name} = {value!r}: {error}") from None
