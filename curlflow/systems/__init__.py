"""Systems: anything with a state that moves and tangent vectors that move with it."""

from ..former import former_names
from .base import AbstractSystem
from .classical import henon, linear, logistic, lorenz63, lorenz96, rossler, standard_map
from .diffusion import Diffusion
from .flow import Flow
from .inner import inner_dynamics
from .map import Map

__all__ = [
    "AbstractSystem",
    "Diffusion",
    "Flow",
    "Map",
    "henon",
    "inner_dynamics",
    "linear",
    "logistic",
    "lorenz63",
    "lorenz96",
    "rossler",
    "standard_map",
]

_LINEARISED = ("kernels", "linearisation", "origin", "symmetry")
__getattr__ = former_names(
    __name__,
    {name: f"curlflow.systems.linearised.{name}" for name in _LINEARISED}
    | {"deviations": "curlflow.systems.fast.deviations", "diffusions": "curlflow.systems.diffusion"},
)
