"""Games: players that each descend a loss of their own, which depends on the strategies of all."""

from .classical import bilinear_game, dirac_gan, matrix_game, rock_paper_scissors
from .game import METHODS, Game
from .losses import PlayerLosses
from .updates import Remembering

__all__ = [
    "METHODS",
    "Game",
    "PlayerLosses",
    "Remembering",
    "bilinear_game",
    "dirac_gan",
    "matrix_game",
    "rock_paper_scissors",
]
