"""Lyapunov exponents over a window of finite length, and how they are spread over short pieces of it."""

from typing import Any

import numpy as np
from jaxtyping import Float

from ..variable import EXACT, SINGLE, Variable
from .standard_error import batch_means_error, halves_agree

PIECES = 100
"""Into so many pieces a window is cut for the distribution of finite-time exponents."""
R = ("realization",)
EXPONENT_VARIABLES = (
    Variable("lyapunov_exponent", ("realization", "exponent"), "Lyapunov exponent, per unit of time"),
    Variable("lyapunov_exponent_se", ("realization", "exponent"), "standard error of the Lyapunov exponent"),
)
VARIABLES = (
    *EXPONENT_VARIABLES,
    Variable("averaged_time", R, "time that exponents were averaged over", uncertainty=EXACT),
    Variable("converged", R, "whether both halves of that time agree on the largest exponent"),
    Variable(
        "finite_time_exponent",
        ("realization", "piece"),
        "largest exponent over a piece of the window",
        uncertainty=SINGLE,
    ),
    Variable("finite_time", R, "duration of a piece", uncertainty=EXACT),
)


def grows_throughout(pieces: Float[np.ndarray, " pieces"], significant: float) -> bool:
    """Whether exponents over short pieces of a window have a mean above zero in both of its halves, by so many
    standard errors."""
    halves = pieces[: len(pieces) // 2], pieces[len(pieces) // 2 :]
    return all(bool(half.mean() > significant * batch_means_error(half)) for half in halves)


def of_local_exponents(
    local: Float[np.ndarray, "blocks vectors"], block: float | None, number: int
) -> dict[str, Any]:
    """Exponents in decreasing order, with errors, and the largest one over short pieces of the window, by name.

    `local` are those of every block of the length `block`; without blocks there is a `number` of NaNs.
    """
    found = dict.fromkeys(("lyapunov_exponent", "lyapunov_exponent_se"), np.full(number, np.nan))
    found |= {"finite_time_exponent": np.full(PIECES, np.nan), "finite_time": np.nan}
    found |= {"averaged_time": 0.0, "converged": np.bool_(False)}
    if not len(local):
        return found
    local = local[:, np.argsort(-local.mean(axis=0), kind="stable")]
    length = len(local) // PIECES
    if length > 0:
        pieces = local[len(local) - PIECES * length :, 0].reshape(PIECES, length)
        found |= {"finite_time_exponent": pieces.mean(axis=1), "finite_time": length * block}
    return found | {
        "lyapunov_exponent": local.mean(axis=0), "lyapunov_exponent_se": batch_means_error(local),
        "averaged_time": float(len(local) * block), "converged": halves_agree(local[:, :1]).all(),
    }  # fmt: skip
