"""From a spec to arrays: networks, data and a rule that learns."""

from .problem import EPOCH, Problem

__all__ = ["EPOCH", "Problem"]
