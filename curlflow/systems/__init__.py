"""Systems: anything with a state that moves and tangent vectors that move with it."""

from .base import AbstractSystem, Flow, Map
from .classical import henon, linear, logistic, lorenz63, lorenz96, rossler, standard_map
from .diffusion import Diffusion

__all__ = [
    "AbstractSystem",
    "Diffusion",
    "Flow",
    "Map",
    "henon",
    "linear",
    "logistic",
    "lorenz63",
    "lorenz96",
    "rossler",
    "standard_map",
]
