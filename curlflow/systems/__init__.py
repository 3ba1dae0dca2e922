"""Systems: anything with a state that moves and tangent vectors that move with it."""

from .base import AbstractSystem
from .classical import henon, linear, logistic, lorenz63, lorenz96, rossler, standard_map
from .diffusion import Diffusion
from .flow import Flow
from .map import Map

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
