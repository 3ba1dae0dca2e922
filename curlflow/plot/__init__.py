"""Pictures from a dataset alone: whatever was saved can be drawn again by whoever has the file."""

from .boundaries import boundary
from .curves import convergence, convergence_times, learning_curves, numbers
from .exponents import covariant_vectors, lyapunov, step_sizes
from .jacobians import parts_of_jacobian, stability
from .motion import bifurcation, classification, fluctuations
from .networks import graph
from .phase_diagrams import phase_diagram
from .planes import decomposition

__all__ = [
    "bifurcation", "boundary", "classification", "convergence", "convergence_times", "covariant_vectors",
    "decomposition", "fluctuations", "graph", "learning_curves", "lyapunov", "numbers", "parts_of_jacobian",
    "phase_diagram", "stability", "step_sizes",
]  # fmt: skip
