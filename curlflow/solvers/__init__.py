"""Solvers of flows: diffrax's, and what is observed along the way."""

from .integrate import Adaptive, FixedSteps

__all__ = ["Adaptive", "FixedSteps"]
