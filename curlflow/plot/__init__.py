"""Pictures from a dataset alone: whatever was saved can be drawn again by whoever has the file."""

from .bifurcations import bifurcation
from .boundaries import boundary
from .convergences import convergence, convergence_times
from .curves import learning_curves
from .exponents import lyapunov
from .networks import graph
from .phase_diagrams import phase_diagram
from .planes import decomposition
from .spectra import stability
from .verdicts import classification
from .windows import fluctuations

__all__ = [
    "bifurcation",
    "boundary",
    "classification",
    "convergence",
    "convergence_times",
    "decomposition",
    "fluctuations",
    "graph",
    "learning_curves",
    "lyapunov",
    "phase_diagram",
    "stability",
]
