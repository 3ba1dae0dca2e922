"""The signs of a graph (`curlflow.networks.graph`) applied to a rule."""

import numpy as np

from ..networks.architecture import Architecture
from .base import AbstractLearningRule
from .sign_flipped import SignFlipped


def with_graph_signs(rule: AbstractLearningRule, architecture: Architecture) -> AbstractLearningRule:
    """`SignFlipped(rule, architecture.gains)`, or `rule` itself where all gains are 1.

    **Raises:** `ValueError` where both the graph and the rule have gains other than 1: it would be ambiguous whether
    they are meant to multiply or to replace one another.
    """
    if not architecture.has_signs:
        return rule
    base, own = rule.unflipped()
    if own is not None and any((np.asarray(g) != 1).any() for g in own):
        raise ValueError(
            "graph: got rule signs other than 1 (an inhibitory neuron has −1) with a rule that has flips of its own; "
            "give signs in one of the two."
        )
    return SignFlipped(base, architecture.gains)
