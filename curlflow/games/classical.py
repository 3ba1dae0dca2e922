"""Textbook games whose dynamics are known: a check of any method, and a place to start.

Parameters are data: changing them does not compile again.
"""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from .game import Game


def bilinear_game(matrix: Any, state: Mapping[str, Any] | None = None) -> Game:
    """ℓ_x = xᵀAy = −ℓ_y, with the equilibrium 0.

    With the singular values σ of A the eigenvalues of simultaneous descent are ±iσ: its flow circles, and its updates
    grow by ½ ln(1 + η²σ²) in every iteration, however small η is.

    **Arguments:**

    - `matrix`: A.
    - `state`: the strategies `x` and `y` to start with, by default 0.
    """
    matrix = np.asarray(matrix, dtype=float)
    if matrix.ndim != 2:
        raise ValueError(f"matrix: a matrix is required, got shape {matrix.shape}.")
    start = {"x": np.zeros(matrix.shape[0]), "y": np.zeros(matrix.shape[1])} if state is None else state
    return Game({"x": _bilinear, "y": _minus_bilinear}, start, matrix)


def _bilinear(s, matrix):
    return s["x"] @ matrix @ s["y"]


def _minus_bilinear(s, matrix):
    return -_bilinear(s, matrix)


def dirac_gan(penalty: float = 0.0, state: Mapping[str, Any] | None = None) -> Game:
    """The Dirac-GAN: a point θ that is to become 0, and a linear discriminator x ↦ ψx, with the equilibrium 0.

    L = f(θψ) + f(0), f(t) = −ln(1 + e⁻ᵗ), which the generator descends and the discriminator ascends, with the
    gradient penalty R1 on the data, ½γψ². The eigenvalues of simultaneous descent at the equilibrium are
    −γ/2 ± (γ²/4 − ¼)^½. Without a penalty it circles: θ² + ψ² is conserved.

    **Arguments:**

    - `penalty`: γ.
    - `state`: the strategies `generator` (θ) and `discriminator` (ψ) to start with, by default 1.

    **Sources:** Mescheder, Geiger & Nowozin, ICML 2018, arXiv:1801.04406.
    """
    start = {"generator": 1.0, "discriminator": 1.0} if state is None else state
    return Game({"generator": _generator_loss, "discriminator": _discriminator_loss}, start, float(penalty))


def _generator_loss(s, penalty):
    return -jax.nn.softplus(-s["generator"] * s["discriminator"])


def _discriminator_loss(s, penalty):
    return penalty / 2 * s["discriminator"] ** 2 - _generator_loss(s, penalty)


def matrix_game(payoffs_x: Any, payoffs_y: Any = None, state: Mapping[str, Any] | None = None) -> Game:
    """Two players with mixed strategies x and y and the expected payoffs xᵀAy and yᵀBx.

    **Arguments:**

    - `payoffs_x`: A (actions of x × actions of y).
    - `payoffs_y`: B (actions of y × actions of x); by default −Aᵀ, a zero-sum game.
    - `state`: the strategies `x` and `y` to start with, by default uniform.
    """
    a = np.asarray(payoffs_x, dtype=float)
    b = -a.T if payoffs_y is None else np.asarray(payoffs_y, dtype=float)
    if a.ndim != 2 or b.shape != a.T.shape:
        raise ValueError(
            f"payoffs_y: got shape {b.shape}, required are matrices, and that of payoffs_x.T, {a.T.shape}."
        )
    start = {name: np.full(n, 1 / n) for name, n in zip("xy", a.shape, strict=True)} if state is None else state
    return Game({"x": _loss_of_x, "y": _loss_of_y}, start, (a, b), mixed=True)


def _loss_of_x(s, payoffs):
    return -s["x"] @ payoffs[0] @ s["y"]


def _loss_of_y(s, payoffs):
    return -s["y"] @ payoffs[1] @ s["x"]


def rock_paper_scissors(
    tie_x: float = 0.0, tie_y: float | None = None, state: Mapping[str, Any] | None = None
) -> Game:
    """Rock, paper, scissors: 1 for winning, −1 for losing, and ε_x or ε_y for a tie.

    For ε_y = −ε_x it has zero sum, and replicator dynamics is Hamiltonian: Σ ln xₐ + Σ ln yₐ is conserved, and
    exponents come in pairs ±λ. For ε_x = 0 it is integrable; at ε_x = ½ there are chaotic and regular orbits.

    **Arguments:**

    - `tie_x`, `tie_y`: ε_x and ε_y, by default −ε_x.
    - `state`: the strategies `x` and `y` to start with, by default (0.5, 0.01, 0.49) and (0.5, 0.25, 0.25).

    **Sources:** Sato, Akiyama & Farmer, PNAS 99 (2002) 4748.
    """
    start = {"x": [0.5, 0.01, 0.49], "y": [0.5, 0.25, 0.25]} if state is None else state
    cycle = np.array([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]])
    ties = tie_x, -tie_x if tie_y is None else tie_y
    return matrix_game(*(cycle + tie * np.eye(3) for tie in ties), start)
