"""Random matrices: the spectrum of H for large networks, and where the solution loses stability.

H = W1ᵀ D2 W1 + D1 decides the stability of a linear network's solution (equation (4) of docs/model.md). For W1 with
independent entries of variance 1/M and N, M → ∞ at fixed c = M/N it is the sum of three free parts, and everything
follows from one rational function x(ω): `symbolic` derives it, `branches` inverts it, and the other modules read off
edges, density, phase boundary and finite-size corrections. Fractions of flips are `inputs` (α_h) and `hidden` (α_r).
"""

from .boundary import phase_boundary, phase_surface
from .density import Density, spectral_density, spectral_distribution
from .edges import Atoms, is_stable, smallest_eigenvalue, spectral_atoms, spectral_edges
from .ensembles import (
    Extrapolation,
    extrapolate,
    finite_size_slope,
    kolmogorov_smirnov,
    sample_eigenvalues,
    sample_matrix,
    smallest_eigenvalues,
)
from .finite_size import CriticalFraction, critical_fraction_at, probability_unstable
from .gains import critical_gain
from .symbolic import Curve, Surface, boundary_curve, critical_surface, resolvent_polynomial

__all__ = [
    "Atoms",
    "CriticalFraction",
    "Curve",
    "Density",
    "Extrapolation",
    "Surface",
    "boundary_curve",
    "critical_fraction_at",
    "critical_gain",
    "critical_surface",
    "extrapolate",
    "finite_size_slope",
    "is_stable",
    "kolmogorov_smirnov",
    "phase_boundary",
    "phase_surface",
    "probability_unstable",
    "resolvent_polynomial",
    "sample_eigenvalues",
    "sample_matrix",
    "smallest_eigenvalue",
    "smallest_eigenvalues",
    "spectral_atoms",
    "spectral_density",
    "spectral_distribution",
    "spectral_edges",
]
