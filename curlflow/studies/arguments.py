"""Arguments of studies: what they may be, and one decorator that checks them."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import networkx as nx

from ..networks.architecture import Architecture
from ..outside import public_call
from ..precision import jax_settings
from ..rules import AbstractLearningRule
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
from ..together import Batching, batching
from .runs import Progress

__all__ = [
    "Bar", "Batching", "Count", "Flag", "Function", "Graph", "Length", "Natural", "Positive", "Rule", "Seed",
    "Tolerance", "allowed", "check", "checked", "plain", "study", "whole",
]  # fmt: skip

F = TypeVar("F", bound=Callable[..., Any])
Rule = AbstractLearningRule | None
Graph = nx.DiGraph | Architecture | None
Bar = bool | Progress | None
"""What a study's argument `progress` may be."""


def study(function: F) -> F:
    """Decorate a study: its keyword arguments are checked by their annotations, and it computes in float64.

    Functions from outside are looked at once in every call. An argument `batching` holds inside.
    """

    @functools.wraps(function)
    def wrapped(*subject: Any, **given: Any) -> Any:
        given = checked(function, given)
        with jax_settings(), public_call(), batching(given.get("batching", "auto")):
            return function(*subject, **given)

    return wrapped  # type: ignore[return-value]
