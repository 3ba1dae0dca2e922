"""Pictures from a dataset alone: whatever was saved can be drawn again by whoever has the file."""

from .curves import learning_curves
from .exponents import lyapunov

__all__ = ["learning_curves", "lyapunov"]
