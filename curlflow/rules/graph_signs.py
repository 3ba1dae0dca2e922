"""The signs of a graph upon a rule: dWₗ/dt = Gₗ ∘ Fₗ(W), with the gains Gₗ that the neurons and synapses carry.

Equation (2) of docs/model.md; how a graph gives gains is said in `curlflow.networks.graph`.
"""

from typing import Any

import numpy as np

from ..networks.architecture import Architecture
from .base import AbstractLearningRule
from .sign_flipped import SignFlipped


def with_graph_signs(rule: AbstractLearningRule, architecture: Architecture) -> AbstractLearningRule:
    """`rule` with the signs of a graph.

    **Returns:** `SignFlipped(rule, architecture.gains)`, or `rule` itself where all gains are 1.

    **Arguments:**

    - `rule`: any learning rule without flips of its own.
    - `architecture`: from `curlflow.networks.from_graph`.

    **Raises:** `ValueError` where both the graph and the rule have gains other than 1: it would be ambiguous whether
    they are meant to multiply or to replace one another.
    """
    if not architecture.has_signs:
        return rule
    base, own = unflipped(rule)
    if own is not None and any((np.asarray(g) != 1).any() for g in own):
        raise ValueError(
            "graph: got rule signs other than 1 (an inhibitory neuron has −1) with a rule that has flips of its own; "
            "give signs in one of the two."
        )
    return SignFlipped(base, architecture.gains)


def unflipped(rule: AbstractLearningRule) -> tuple[AbstractLearningRule, tuple[Any, ...] | None]:
    """The rule within all flips, and the product of their gains; None where there are none."""
    product = None
    while isinstance(rule, SignFlipped):
        inner = rule.gains if product is None else [a * b for a, b in zip(product, rule.gains, strict=True)]
        product, rule = tuple(inner), rule.rule
    return rule, product
