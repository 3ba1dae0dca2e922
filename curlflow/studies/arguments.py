"""Checks of the arguments of studies: one sentence that names the argument, what was given, what is allowed."""

import math
import numbers
from typing import Any

from ..spec import Spec
from ..systems import AbstractSystem, Diffusion


def check_subject(subject: Any, rule: Any, systems: str = "a Flow, a Map or a Diffusion") -> None:
    """Refuse anything that is neither a spec nor a system.

    **Arguments:**

    - `systems`: those that the study allows, in words.
    """
    if not isinstance(subject, Spec | AbstractSystem):
        raise ValueError(
            f"spec_or_system: got {type(subject).__name__}, required is a curlflow.Spec, {systems}; "
            "curlflow.preset(NAME) and curlflow.Spec.from_toml(PATH) give specs."
        )
    if rule is not None and not isinstance(subject, Spec):
        raise ValueError("rule: a rule object goes with a spec; the system that was given has its own dynamics.")


def check_free_of_noise(subject: Any, why: str, instead: str) -> None:
    """Refuse what moves by random numbers: a `Diffusion`, and specs that name one or draw batches.

    **Arguments:**

    - `why`: what goes wrong with noise.
    - `instead`: what to do with a spec.
    """
    if isinstance(subject, Diffusion):
        raise ValueError(f"spec_or_system: got a Diffusion; {why}.")
    if isinstance(subject, Spec) and getattr(subject.dynamics, "batch", "full") != "full":
        what = f'dynamics.kind: got "{subject.dynamics.kind}" with batches of {subject.dynamics.batch}'
        raise ValueError(f"{what}; {why}. {instead}")


def whole(name: str, value: Any, least: int, most: int | None = None, why: str = "") -> int:
    """A whole number in a range."""
    if not _is_number(value) or value != value // 1 or value < least or (most is not None and value > most):
        allowed = f"from {least} to {most}" if most is not None else f"of at least {least}"
        raise ValueError(f"{name}: got {value!r}, allowed are whole numbers {allowed}{why}.")
    return int(value)


def flag(name: str, value: Any) -> bool:
    """True or False."""
    if not isinstance(value, bool):
        raise ValueError(f"{name}: got {value!r}, allowed are True and False.")
    return value


def positive(name: str, value: Any, zero: bool = False) -> float:
    """A finite number above zero, or not below it."""
    if not _is_number(value):
        raise ValueError(f"{name}: got {value!r}, a number is required.")
    try:
        value = float(value)
    except OverflowError:
        value = math.inf
    if not math.isfinite(value) or value < 0 or (value == 0 and not zero):
        raise ValueError(f"{name}: got {value}, allowed are finite numbers {'from 0' if zero else 'above 0'}.")
    return float(value)


def below_one(name: str, value: Any) -> float:
    """A tolerance: a number above zero and below one."""
    if not positive(name, value) < 1:
        raise ValueError(f"{name}: got {value}, allowed are numbers above 0 and below 1.")
    return float(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def one_of(name: str, value: Any, allowed: tuple[str, ...]) -> str:
    """A word out of a few."""
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{name}: got {value!r}, allowed are {', '.join(allowed)}.")
    return value
