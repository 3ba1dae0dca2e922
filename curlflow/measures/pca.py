"""Principal components of a trajectory from snapshots of it.

Of S snapshots x_s in n dimensions with the mean x̄, S much less than n, the eigenvectors of the S × S matrix

    Gₛₛ′ = (x_s − x̄)·(x_s′ − x̄)/S = Σⱼ λⱼ uⱼ uⱼᵀ                                                     (12)

give the components vⱼ = Σₛ (uⱼ)ₛ (x_s − x̄)/√(S λⱼ) and the variances λⱼ along them: the covariance matrix itself,
n × n, is never formed. The participation ratio (Σλ)²/Σλ² says over how many components the variance is spread.

To first order λⱼ is as uncertain as the mean over time of pⱼ², with pⱼ the projection on vⱼ, and functions of all λ
are as uncertain as their linear part in these means. That is not the bias of few independent snapshots, which share
their variance too unevenly: the ratio is at most S − 1.

Source: Sirovich, Q. Appl. Math. 45 (1987) 561 (method of snapshots).
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from .autocorrelation import moving
from .standard_error import long_run_error


class Components(NamedTuple):
    """The principal components of a trajectory.

    **Attributes:**

    - `directions`: orthonormal rows; NaN for components without variance.
    - `shares`: of each in the `variance` of all directions together; NaN where nothing moves.
    - `projections`: of the snapshots, less their mean.
    - `participation_ratio`: (Σλ)²/Σλ² over all components, including those that were not asked for.
    - `variance_errors`, `share_errors`, `participation_ratio_error`: standard errors, to first order, of the variance
      along each component, of its share, and of that ratio.
    """

    directions: Float[np.ndarray, "components n"]
    shares: Float[np.ndarray, " components"]
    projections: Float[np.ndarray, "snapshots components"]
    variance: float
    participation_ratio: float
    variance_errors: Float[np.ndarray, " components"]
    share_errors: Float[np.ndarray, " components"]
    participation_ratio_error: float


def principal_components(snapshots: Float[np.ndarray, "snapshots n"], number: int) -> Components:
    """The leading components of some snapshots, equation (12).

    The sign of a direction is such that its largest entry is positive.

    **Raises:** `ValueError` for fewer than two snapshots, or more components than they span.
    """
    snapshots = np.asarray(snapshots, dtype=float)
    times, size = snapshots.shape
    most = min(times - 1, size)
    if not 1 <= number <= most:
        raise ValueError(
            f"components: got {number}, allowed are 1 to {most}: {times} snapshots of {size} numbers span no more."
        )
    centred = snapshots - snapshots[0]
    centred -= centred.mean(axis=0)
    small = size < times
    gram = (centred.T @ centred if small else centred @ centred.T) / times
    values, vectors = np.linalg.eigh(gram)
    values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
    total = float(np.trace(gram))
    if not moving(snapshots).any():
        nothing, none = np.full((number, size), np.nan), np.full(number, np.nan)
        return Components(nothing, none, np.zeros((times, number)), total, np.nan, none, none, np.nan)
    directions = vectors[:, :number].T if small else (vectors[:, :number].T @ centred)
    norms = np.linalg.norm(directions, axis=1)
    kept = values[:number] > np.finfo(float).eps * values[0] * max(times, size)
    directions = directions / np.where(kept, norms, np.nan)[:, None]
    largest = np.take_along_axis(directions, np.argmax(np.abs(np.nan_to_num(directions)), axis=1)[:, None], axis=1)
    directions = directions * np.where(largest < 0, -1.0, 1.0)
    projections = centred @ np.nan_to_num(directions).T
    shares, ratio = values[:number] / total, total**2 / float(np.sum(values**2))
    squares = (centred @ vectors) ** 2 if small else times * values * vectors**2
    along, whole = squares[:, :number], squares.sum(axis=1, keepdims=True)
    of_ratio = 2 * ratio * (whole[:, 0] / total - squares @ values / np.sum(values**2))
    changes = np.hstack([along, (along - shares * whole) / total, of_ratio[:, None]])
    variance_errors, share_errors, ratio_error = np.split(long_run_error(changes), [number, 2 * number])
    return Components(
        directions, shares, projections, total, ratio, variance_errors, share_errors, float(ratio_error[0])
    )


def of_snapshots(
    snapshots: Float[np.ndarray, "snapshots n"], number: int, places: Int[np.ndarray, " places"], variance: float
) -> dict[str, Any]:
    """Principal components by name: snapshots say how the variance is shared, all samples how much there is.

    `places` among all samples are those of the snapshots, and of any that are missing at the end. If the `variance`
    of all samples is not finite, that of the snapshots is taken.
    """
    if len(snapshots) <= number or np.isnan(snapshots).any():
        found = {"principal_component": np.empty((0, snapshots.shape[1]))}
        names = "explained_variance", "explained_variance_ratio"
        found |= dict.fromkeys((*names, *(f"{name}_se" for name in names)), np.empty(0))
        found |= {"participation_ratio": np.nan, "participation_ratio_se": np.nan}
        return found | {"projection": np.empty((0, number))}
    components = principal_components(snapshots, number)
    variance = variance if np.isfinite(variance) else components.variance
    scale = variance / components.variance if components.variance > 0 else np.nan
    projection = np.full((int(places[-1]) + 1, number), np.nan)
    projection[places[: len(snapshots)]] = components.projections
    return {
        "principal_component": components.directions,
        "explained_variance": components.shares * variance,
        "explained_variance_se": components.variance_errors * scale,
        "explained_variance_ratio": components.shares,
        "explained_variance_ratio_se": components.share_errors,
        "participation_ratio": components.participation_ratio,
        "participation_ratio_se": components.participation_ratio_error,
        "projection": projection,
    }
