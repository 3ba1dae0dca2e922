"""Values from the words of a command line."""

import tomllib
from pathlib import Path
from typing import Any


def spec_from(name: str, changes: list[str] | None, realizations: int | None) -> Any:
    """The spec that a preset's name or a path means, with its fields replaced."""
    from . import Spec, preset, presets

    is_path = name.endswith(".toml") or "/" in name or (Path(name).is_file() and name not in presets())
    spec = Spec.from_toml(name) if is_path else preset(name)
    replaced = dict(change_from(change) for change in changes or [])
    if realizations is not None:
        replaced["realizations"] = realizations
    return spec.replace(replaced) if replaced else spec


def tables_from(path: str | Path, what: str) -> dict[str, Any]:
    """What a TOML file holds, which is read as `what`; a `ValueError` for a missing or malformed file."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError, TypeError) as error:
        reason = getattr(error, "strerror", None) or "a path of UTF-8 text is required"
        raise ValueError(f"{path}: cannot be read as {what}: {reason}.") from None
    return tables_in(text, str(path))


def tables_in(text: str, name: str) -> dict[str, Any]:
    """What TOML text holds; error messages call it `name`."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{name}: no valid TOML: {error}.") from None


def change_from(text: str) -> tuple[str, Any]:
    """A field and its value, read as TOML where it is TOML and as a word otherwise."""
    field, equals, value = text.partition("=")
    if not equals or not field:
        raise ValueError(f"--set: got {text!r}, required is FIELD=VALUE, for example rule.flipped.inputs=0.6.")
    try:
        return field.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return field.strip(), value


def numbers_from(
    option: str, text: str, *, logarithmic: bool = False, several: bool = False, whole: bool = False
) -> Any:
    """Numbers as `0.5`, as `0.1,0.5`, or as `FIRST:LAST:NUMBER`; a single one in a list if `several`.

    `whole` numbers come as such, and others are left as they are for the study to refuse.
    """
    import numpy as np

    try:
        if ":" not in text:
            values = [float(word) for word in text.split(",")]
            values = [int(value) if whole and value.is_integer() else value for value in values]
            return values if several or len(values) > 1 else values[0]
        first, last, number = text.split(":")
        if int(number) < 1 or (logarithmic and not 0 < float(first) <= float(last)):
            raise ValueError
        spaced = np.geomspace if logarithmic else np.linspace
        return spaced(float(first), float(last), int(number))
    except ValueError:
        first = "0 < FIRST ≤ LAST" if logarithmic else "FIRST and LAST any numbers"
        raise ValueError(
            f"{option}: got {text!r}, required are numbers such as 0.5 or 0.1,0.5, or a range FIRST:LAST:NUMBER with "
            f"{first} and NUMBER at least 1."
        ) from None


def times_from(until: float | None, records: int, spacing: str, flow: bool) -> Any:
    """The start and `records` times (epochs for updates) up to `until`."""
    import numpy as np

    if spacing not in ("log", "linear"):
        raise ValueError(f"--spacing: got {spacing!r}, allowed are log and linear.")
    if records < 1:
        raise ValueError(f"--records: got {records}, at least 1 is required.")
    until = until if until is not None else 1e3 if flow else 1e4
    if not 0 < until < np.inf:
        raise ValueError(f"--until: got {until}, it must be positive and finite.")
    first = min(0.1 if flow else 1.0, until)
    times = np.geomspace(first, until, records) if spacing == "log" else np.linspace(0, until, records + 1)[1:]
    return np.concatenate([[0.0], np.unique(times if flow else np.round(times))])


def over_from(text: str) -> dict[str, Any]:
    """A field and its values, from FIELD=VALUES."""
    field, found, values = text.partition("=")
    if not found:
        raise ValueError(f"--over: got {text!r}, required is FIELD=VALUES, as in rule.gain=-1:1:41.")
    return {field: numbers_from("--over", values)}


def directions_from(text: str) -> Any:
    """A word, or two indices as `0,3`."""
    try:
        return tuple(int(index) for index in text.split(","))
    except ValueError:
        return text


def window_from(text: str) -> tuple[float, float]:
    """The two ends of FROM:TO."""
    try:
        first, last = map(float, text.split(":"))
    except ValueError:
        raise ValueError(f"--window: got {text!r}, required is FROM:TO, for example 99001:100000.") from None
    return first, last
