"""Pictures from a dataset alone: whatever was saved can be drawn again by whoever has the file."""

from .boundaries import boundary
from .curves import learning_curves
from .exponents import lyapunov
from .networks import graph
from .phase_diagrams import phase_diagram
from .planes import decomposition
from .spectra import stability
from .verdicts import classification
from .windows import fluctuations

__all__ = [
    "boundary",
    "classification",
    "decomposition",
    "fluctuations",
    "graph",
    "learning_curves",
    "lyapunov",
    "phase_diagram",
    "stability",
]
