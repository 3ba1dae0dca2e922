"""What sweeps and studies make together: diagrams along parameters."""

from .bifurcations import bifurcation

__all__ = ["bifurcation"]
