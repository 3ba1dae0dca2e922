"""Solutions drawn at random, and the verdict on each: (random.8) of `curlflow.random_matrix.finite_size`."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from .checks import check_choice, check_count, check_real
from .ensembles import LAWS, MOST_SAMPLES, generator

NEUTRAL, ROUNDING = 1e-10, 1e-13
"""Eigenvalues count as zero below `NEUTRAL` times the largest modulus, or `ROUNDING` times the terms of K."""


class Solution(NamedTuple):
    """One sampled solution: A = W1 L, L, w2, v, ‖W1‖², and whether norms are kept."""

    rows: Float[np.ndarray, "hidden k"]
    root: Float[np.ndarray, "inputs k"]
    w2: Float[np.ndarray, " hidden"]
    v: Float[np.ndarray, " inputs"]
    size: float
    spheres: bool

    @property
    def scale(self) -> float:
        """The size of the terms of K."""
        return float(np.sum(self.rows**2) + self.w2 @ self.w2 * np.sum(self.root**2))

    def kernel(self, inputs: int, hidden: int) -> Float[np.ndarray, "k k"]:
        """K with the first `inputs` inputs and the first `hidden` hidden units flipped."""
        d1 = np.where(np.arange(self.v.size) < inputs, -1.0, 1.0)
        d2 = np.where(np.arange(self.w2.size) < hidden, -1.0, 1.0)
        readout = self.w2 @ self.w2
        k = (self.rows.T * d2) @ self.rows + readout * ((self.root.T * d1) @ self.root)
        if not self.spheres:
            return k
        u = self.root.T @ (d1 * self.v) / self.size + self.rows.T @ (d2 * self.w2) / readout
        return k - np.outer(self.root.T @ self.v, u)


class Ensemble(NamedTuple):
    """How networks are drawn, except for their widths, and how their stability is decided."""

    samples: int
    constraint: str
    learning_rate: float
    data: int | None
    law: str
    scale: float
    input_std: float
    seed: Any

    def solutions(self, inputs: int, hidden: int) -> Iterator[Solution]:
        """Networks of given widths; they depend on the seed alone, whatever else is drawn."""
        given = isinstance(self.seed, np.random.Generator)
        rng = self.seed if given else np.random.default_rng([int(self.seed), inputs, hidden])
        for _ in range(self.samples):
            w1, w2 = self._weights(rng, (hidden, inputs)), self._weights(rng, (1, hidden))[0]
            root = self.input_std * np.eye(inputs)
            if self.data is not None:
                x = self.input_std / np.sqrt(self.data) * rng.normal(size=(self.data, inputs))
                root = np.linalg.qr(x, mode="r").T
            yield Solution(w1 @ root, root, w2, w2 @ w1, float(np.sum(w1 * w1)), self.constraint == "frobenius")

    def _weights(self, rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
        unit = rng.normal(size=shape) if self.law == "normal" else rng.uniform(-1.0, 1.0, size=shape)
        return self.scale / np.sqrt(shape[1]) * unit

    def is_unstable(self, solution: Solution, inputs: int, hidden: int) -> bool:
        """The verdict on one solution with that many flips."""
        k, step = solution.kernel(inputs, hidden), self.learning_rate
        # ‖1 − ηK‖ < 1 is enough for stability, and ten times cheaper than eigenvalues. So are trace and determinant,
        # which may show that some Re μ < 0.
        with contextlib.suppress(np.linalg.LinAlgError):
            np.linalg.cholesky(k + k.T - step * (k.T @ k))
            return False
        if np.trace(k) < -ROUNDING * solution.scale * len(k):
            return True
        # Eigenvalues that are not real come in pairs. With one hidden unit on its sphere one eigenvalue is zero.
        if solution.w2.size > 1 and np.linalg.slogdet(k).sign < 0:
            return True
        values = np.linalg.eigvals(k) if solution.spheres else np.linalg.eigvalsh(k)
        modulus = np.abs(values)
        values = values[modulus > max(NEUTRAL * modulus.max(), ROUNDING * solution.scale)]
        # |1 − ημ|² ≥ 1, over η; a flow is the limit of small steps.
        return bool((step * np.abs(values) ** 2 >= 2 * values.real).any())


def checked_ensemble(
    samples: Any, constraint: Any, learning_rate: Any, data: Any, law: Any, scale: Any, input_std: Any, seed: Any
) -> Ensemble:
    """An ensemble from the user's arguments; `ValueError` for values out of range."""
    generator(seed)
    return Ensemble(
        samples=check_count("samples", samples, MOST_SAMPLES),
        constraint=check_choice("constraint", constraint, ("none", "frobenius")),
        learning_rate=_number("learning_rate", learning_rate, np.greater_equal, "numbers from 0"),
        data=None if data is None else check_count("data", data, MOST_SAMPLES),
        law=check_choice("law", law, LAWS),
        scale=_number("scale", scale),
        input_std=_number("input_std", input_std),
        seed=seed,
    )


def _number(name: str, given: Any, compare: Callable = np.greater, allowed: str = "positive numbers") -> float:
    """One number that compares with 0 in that way."""
    check_real(name, given)
    return float(check_real(name, given, lambda value: value.ndim == 0 and compare(value, 0), allowed))
