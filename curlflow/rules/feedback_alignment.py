"""Feedback alignment: B fixed and random in equation (2), Lillicrap et al., Nat. Commun. 7 (2016) 13276."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..networks import Feedforward
from ..networks.feedforward import Matrix
from ..precision import to_float64
from .base import AbstractErrorDrivenRule


class FeedbackAlignment(AbstractErrorDrivenRule):
    """The error travels backwards through fixed matrices.

    **Arguments:**

    - `matrices`: B₂, …, B_L, of the shapes of W₂, …, W_L (post × pre).
    """

    rotates_with_hidden_units = True

    matrices: tuple[Matrix, ...]

    def __init__(self, matrices: Iterable[Matrix]):
        self.matrices = tuple(to_float64(list(matrices), "matrices"))

    def feedback(self, network: Feedforward) -> tuple[Matrix, ...]:
        shapes, required = [b.shape for b in self.matrices], [w.shape for w in network.weights[1:]]
        if shapes != required:
            raise ValueError(f"matrices: got shapes {shapes}, required are those of W2, …, WL: {required}.")
        return self.matrices

    def kept_columns(self, network: Feedforward, layer: int) -> list[Any]:
        return [np.asarray(self.feedback(network)[layer]).T]

    def narrowed(self, turned: Callable, chosen: Callable) -> "FeedbackAlignment":
        return FeedbackAlignment(turned((None, *self.matrices))[1:])
