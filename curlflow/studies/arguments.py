"""Arguments of studies: what they may be, checked in one place, and subjects that no study takes."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import networkx as nx

from ..networks.architecture import Architecture
from ..rules import AbstractLearningRule
from ..spec import Spec
from ..spec.arguments import (
    Count,
    Flag,
    Function,
    Length,
    Natural,
    Positive,
    Seed,
    Tolerance,
    allowed,
    check,
    checked,
    plain,
    whole,
)
from ..systems import AbstractSystem, Diffusion
from .runs import Progress

__all__ = [
    "Bar", "Count", "Flag", "Function", "Graph", "Length", "Natural", "Positive", "Rule", "Seed", "Tolerance",
    "allowed", "check", "check_free_of_noise", "check_subject", "checked", "plain", "study", "whole",
]  # fmt: skip

F = TypeVar("F", bound=Callable[..., Any])
Rule = AbstractLearningRule | None
Graph = nx.DiGraph | Architecture | None
Bar = bool | Progress | None
"""What a study's argument `progress` may be."""


def study(function: F) -> F:
    """Decorate a study: its keyword arguments are checked by their annotations, and it computes in float64."""

    @functools.wraps(function)
    def wrapped(*subject: Any, **given: Any) -> Any:
        given = checked(function, given)
        with jax.enable_x64(True):
            return function(*subject, **given)

    return wrapped  # type: ignore[return-value]


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
