"""The types of arguments of studies, and `checked`, which holds arguments against them.

    def study(spec, *, duration: Positive | None = None, exponents: Count = 3): ...

    checked(study, {"duration": -1})  # ValueError: duration: got -1.0, allowed are finite numbers above 0.

The command line and the plan of a sweep check arguments as studies do, without calling the study.
"""

import collections.abc
import inspect
import math
import numbers
import typing
from collections.abc import Callable, Mapping
from types import UnionType
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainValidator, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from .sentences import nearest


def plain(value: Any) -> Any:
    """A NumPy or JAX number as a Python one, anything else unchanged."""
    return value.item() if getattr(value, "ndim", None) == 0 and hasattr(value, "item") else value


def as_plain(value: Any) -> Any:
    """`value` with NumPy's numbers and arrays as Python's."""
    if isinstance(value, Mapping):
        return {key: as_plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [as_plain(inner) for inner in value]
    return as_plain(value.tolist()) if hasattr(value, "tolist") else value


def _real(value: Any) -> Any:
    value = plain(value)
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise ValueError("no number")
    return value


def _number(value: Any) -> float:
    try:
        return float(_real(value))
    except OverflowError:
        return math.inf


def _whole(value: Any) -> int:
    value = _real(value)
    if value != value // 1:
        raise ValueError("no whole number")
    return int(value)


Whole = Annotated[int, BeforeValidator(_whole)]
"""A whole number; 3.0 is one, True is not."""
Count = Annotated[Whole, Field(ge=1)]
Natural = Annotated[Whole, Field(ge=0)]
Seed = Annotated[Whole, Field(ge=0, le=2**63 - 1)]
Number = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]
Positive = Annotated[Number, Field(gt=0)]
Length = Annotated[Number, Field(ge=0)]
Tolerance = Annotated[Number, Field(gt=0, lt=1)]
Flag = Annotated[bool, Field(strict=True)]
Function = Annotated[Callable[..., Any], Field()]
"""A function of the state."""


def whole(least: int, most: int | None = None) -> Any:
    """The type of whole numbers from `least` to `most`."""
    return Annotated[Whole, Field(ge=least, le=most)]


def parts(annotation: Any) -> tuple[Any, ...]:
    """The types that a union joins, without None; those of any other annotation are itself."""
    union = typing.get_origin(annotation) in (typing.Union, UnionType)
    return tuple(a for a in typing.get_args(annotation) if a is not type(None)) if union else (annotation,)


def words(annotation: Any) -> tuple[str, ...]:
    """The words that an annotation allows."""
    return tuple(word for a in parts(annotation) if typing.get_origin(a) is Literal for word in typing.get_args(a))


def allowed(annotation: Any) -> str:
    """What an annotated type or a choice of words allows, as a phrase."""
    if len(parts(annotation)) > 1:
        return " and ".join(allowed(part) for part in parts(annotation))
    if words(annotation):
        return ", ".join(words(annotation))
    kind, *_ = typing.get_args(annotation)
    if kind is bool:
        return "True and False"
    limits = [limit for part in annotation.__metadata__ if isinstance(part, FieldInfo) for limit in part.metadata]
    bounds = {name: getattr(x, name) for x in limits for name in ("ge", "gt", "le", "lt") if hasattr(x, name)}
    if kind is int:
        least, most = bounds.get("ge"), bounds.get("le")
        return "whole numbers" + (f" of at least {least}" if most is None else f" from {least} to {most}")
    if "lt" in bounds:
        return f"numbers above {bounds['gt']} and below {bounds['lt']}"
    return f"finite numbers {'above 0' if 'gt' in bounds else 'from 0'}"


def check(name: str, value: Any, annotation: Any, why: str = "") -> Any:
    """`value` as the type says, numbers as Python's own.

    The type is one of this module, a choice of words, or a union of them. A `PlainValidator` in it says in a sentence
    of its own, which begins with `name`, what is wrong. `why` follows on what is allowed, beginning with a comma.

    **Raises:** `ValueError` that names the argument, what was given and what is allowed.
    """
    try:
        return TypeAdapter(annotation).validate_python(value)
    except ValidationError as error:
        own = error.errors()[0].get("ctx", {}).get("error")
    if own is not None and str(own).startswith(f"{name}: "):
        raise own from None
    value = plain(value)
    kind = typing.get_args(annotation)[0] if typing.get_origin(annotation) is Annotated else None
    if kind is float:
        try:
            value = _number(value)
        except ValueError:
            raise ValueError(f"{name}: got {value!r}, a number is required.") from None
    if typing.get_origin(kind) is collections.abc.Callable:
        raise ValueError(f"{name}: got {value!r}, required is a function of the state.")
    raise ValueError(f"{name}: got {value!r}, allowed are {allowed(annotation)}{why}.")


def checked(function: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Keyword arguments as a function's annotations say, numbers as Python's own.

    An argument is checked if it is annotated with a type of this module or a choice of words, with or without None.
    Whatever depends on the subject or on other arguments is left to the function.

    **Raises:** `ValueError` that names the first argument that is not allowed, or that the function does not have.
    """
    parameters = inspect.signature(function).parameters
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    for name in given:
        if name not in parameters and not open_ended:
            hint = nearest(name, list(parameters)) or f"; it has {', '.join(parameters)}."
            raise ValueError(f"{name}: {function.__name__} has no argument of this name{hint}")
    found = dict(given)
    for name in [name for name in given if name in parameters]:
        annotation = parameters[name].annotation
        may_be_none = type(None) in typing.get_args(annotation)
        if all(map(_is_checked, parts(annotation))) and not (given[name] is None and may_be_none):
            found[name] = check(name, given[name], typing.Union[parts(annotation)])  # noqa: UP007
    return found


def _is_checked(annotation: Any) -> bool:
    fields = getattr(annotation, "__metadata__", ())
    checks = FieldInfo | BeforeValidator | PlainValidator
    return typing.get_origin(annotation) is Literal or any(isinstance(part, checks) for part in fields)
