"""From a spec to arrays: networks, data and a rule that learns."""

from .own_data import Data
from .problem import EPOCH, Problem

__all__ = ["EPOCH", "Data", "Problem"]
