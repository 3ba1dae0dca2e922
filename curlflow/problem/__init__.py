"""From a spec to arrays: networks, data and a rule that learns."""

from .own_data import Data
from .problem import EPOCH, Problem
from .time_tasks import delayed_match, integration, sine_generation

__all__ = ["EPOCH", "Data", "Problem", "delayed_match", "integration", "sine_generation"]
