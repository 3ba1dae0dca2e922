"""Solvers of flows: those of diffrax, a stabilised one, and observation along the way."""

from .integrate import Adaptive, FixedSteps

__all__ = ["Adaptive", "FixedSteps"]
