"""Pictures from a dataset alone: whatever was saved can be drawn again by whoever has the file."""

from .bifurcations import bifurcation
from .boundaries import boundary
from .convergences import convergence, convergence_times
from .covariants import covariant_vectors
from .curves import learning_curves
from .exponents import lyapunov
from .networks import graph
from .parts import parts_of_jacobian
from .phase_diagrams import phase_diagram
from .planes import decomposition
from .rates import step_sizes
from .spectra import stability
from .variables import numbers
from .verdicts import classification
from .windows import fluctuations

__all__ = [
    "bifurcation",
    "boundary",
    "classification",
    "convergence",
    "convergence_times",
    "covariant_vectors",
    "decomposition",
    "fluctuations",
    "graph",
    "learning_curves",
    "lyapunov",
    "numbers",
    "parts_of_jacobian",
    "phase_diagram",
    "stability",
    "step_sizes",
]
