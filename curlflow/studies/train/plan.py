"""When `curlflow.train` looks at a run: whole epochs in equal steps of their logarithm."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int

from ...measures.recording import CAPACITY
from ...systems.base import LONGEST_SEGMENT

EPOCH = 0.1
"""Units of time in an epoch of a flow, as in the published updates."""

STABILISED_PIECE = 1000.0
"""Units of time after which a flow with stabilised steps is retracted at the latest: its steps are long."""


def shorter_pieces(span: Any) -> int:
    """Into how many shorter ones a piece of a flow is cut whose solver used up its steps: 1 where it is short."""
    return int(np.ceil(span / LONGEST_SEGMENT - 1e-9))


@dataclass(frozen=True)
class Plan:
    """When to record: after how many epochs, and how to get from one record to the next."""

    epochs: Int[np.ndarray, " records"]
    spans: np.ndarray
    pieces: Int[np.ndarray, " records"]

    @classmethod
    def of(cls, dynamics: Any, epochs: int, records: int) -> "Plan":
        """The plan of runs with these `dynamics` of a spec."""
        stabilised = getattr(dynamics, "solver", None) == "rkc2"
        longest = STABILISED_PIECE if stabilised else LONGEST_SEGMENT
        return cls.spaced(epochs, records, dynamics.kind == "flow", longest)

    @classmethod
    def spaced(cls, epochs: int, records: int, flow: bool, longest: float = LONGEST_SEGMENT) -> "Plan":
        """The start, whole epochs from 1 in equal steps of their logarithm, each once, and always the last.

        **Arguments:**

        - `longest`: units of time after which a flow is retracted at the latest.
        """
        spaced = np.round(np.geomspace(1, epochs, records)).astype(np.int64)
        at = np.unique(np.concatenate([[0], spaced[spaced < epochs], [epochs]]))
        gaps = np.diff(at, prepend=0)
        if not flow:
            return cls(at, gaps, (gaps > 0).astype(np.int64))
        pieces = np.ceil(gaps * EPOCH / longest).astype(np.int64)
        return cls(at, gaps * EPOCH / np.maximum(pieces, 1), pieces)

    def within(self, first: int, most: int, span: Any) -> int:
        """How many of the next records, at most `most`, are at most `span` away."""
        part = slice(first, first + most)
        return int((np.cumsum(self.spans[part] * self.pieces[part]) <= span).sum())

    def window(self, first: int) -> list[np.ndarray]:
        """Spans and pieces of the next records, as long as one compiled call takes."""
        part = slice(first, first + CAPACITY)
        return [
            np.concatenate([a[part], np.zeros(CAPACITY - a[part].size, a.dtype)]) for a in (self.spans, self.pieces)
        ]
