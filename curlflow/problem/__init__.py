"""From a spec to arrays: networks, data and a rule that learns."""

from .problem import Problem

__all__ = ["Problem"]
