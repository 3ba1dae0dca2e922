"""Sampled matrices H = W1ᵀ D2 W1 + D1 and the approach of their smallest eigenvalue to its limit.

At a lower edge x₀ where ρ(x) ≈ (κ/π) √(x − x₀), the smallest eigenvalue of a real matrix of size M has the mean

    ⟨λ_min⟩ = x₀ + 1.2065 (κ M)^(−2/3) + …,                                                            (random.7)

where −1.2065 is the mean of the Tracy–Widom law of β = 1: samples lie on the inner side of the edge, where the matrix
is more stable than the limit says. From x(ω) ≈ x₀ + ½ x″ (ω − ω₀)² follows κ = |G′(ω₀)| √(2/|x″(ω₀)|).

Sources: Tracy & Widom, Commun. Math. Phys. 177 (1996) 727 (law of β = 1); Soshnikov, J. Stat. Phys. 108 (2002) 1033
and Péché, Probab. Theory Relat. Fields 143 (2009) 481 (it does not depend on the law of the entries).
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from .branches import FreeSum, end_below
from .checks import check_choice, check_count, check_real, check_scalars, quoted
from .density import spectral_distribution
from .edges import STEP, lowest_atom, spectral_atoms

LAWS = ("normal", "uniform")
TRACY_WIDOM_MEAN = -1.2065335745820
MOST_INPUTS, MOST_UNITS, MOST_SAMPLES = 100_000, 10**9, 10**9
ROWS = 4096  # of W1, drawn at a time: memory stays bounded for wide hidden layers


class Extrapolation(NamedTuple):
    """A straight line in M^(−2/3): its value at infinite M and its slope, with standard errors."""

    limit: float
    limit_standard_error: float
    slope: float
    slope_standard_error: float


def sample_matrix(
    c: Any, size: Any, *, inputs: Any = 0.0, hidden: Any = 0.0, law: Any = "normal", seed: Any = 0
) -> Float[np.ndarray, "_ _"]:
    """`sample_matrix(0.5, 400, inputs=0.3)` is one draw of H = W1ᵀ D2 W1 + D1.

    **Returns:** a symmetric matrix of `size` rows.

    **Arguments:**

    - `c`: compression ratio; the number of hidden units is `size`/c, rounded, and at least 1.
    - `size`: number of inputs M, at most 100,000.
    - `inputs`, `hidden`: fractions of flipped units; the first ⌊fraction · number + 1e-9⌋ of a layer are flipped.
    - `law`: the law of the entries of W1, `"normal"` or `"uniform"`, of variance 1/M.
    - `seed`: a whole number, or a `numpy.random.Generator` to draw from.

    **Raises:** `ValueError` for values out of range.
    """
    c, inputs, hidden = check_scalars(c, inputs, hidden)
    size = check_count("size", size, MOST_INPUTS)
    check_choice("law", law, LAWS)
    rng = generator(seed)
    units = max(round(size / c), 1)
    if units > MOST_UNITS:
        raise ValueError(f"c: got {c:g} with {size} inputs, allowed are at most {MOST_UNITS:,} hidden units.")
    flipped = int(hidden * units + 1e-9)
    matrix = np.diag(np.where(np.arange(size) < int(inputs * size + 1e-9), -1.0, 1.0))
    for first, last, sign in ((0, flipped, -1.0), (flipped, units, 1.0)):
        for start in range(first, last, ROWS):
            shape = min(ROWS, last - start), size
            unit = rng.normal(size=shape) if law == "normal" else rng.uniform(-np.sqrt(3), np.sqrt(3), size=shape)
            matrix += sign / size * (unit.T @ unit)
    return matrix


def sample_eigenvalues(
    c: Any, size: Any, *, inputs: Any = 0.0, hidden: Any = 0.0, samples: Any = 1, law: Any = "normal", seed: Any = 0
) -> Float[np.ndarray, "samples size"]:
    """`sample_eigenvalues(0.5, 400, inputs=0.3)` are the eigenvalues of sampled matrices H.

    **Returns:** one row for each sample, in increasing order.

    **Arguments:** as for `sample_matrix`, and `samples`, the number of independent draws.

    **Raises:** `ValueError` for values out of range.
    """
    settings = {"inputs": inputs, "hidden": hidden, "law": law, "seed": generator(seed)}
    samples = check_count("samples", samples, MOST_SAMPLES)
    return np.array([np.linalg.eigvalsh(sample_matrix(c, size, **settings)) for _ in range(samples)])


def smallest_eigenvalues(
    c: Any, sizes: Any, *, inputs: Any = 0.0, hidden: Any = 0.0, samples: Any = 50, law: Any = "normal", seed: Any = 0
) -> Float[np.ndarray, "sizes samples"]:
    """`smallest_eigenvalues(0.5, [50, 100, 200], inputs=0.3)` are λ_min of sampled matrices of several sizes.

    **Returns:** one row for each size, to be given to `extrapolate`.

    **Arguments:** as for `sample_eigenvalues`, and `sizes`, numbers of inputs. Choose them such that the numbers of
    hidden and flipped units are whole: rounding shifts λ_min by up to a multiple of 1/M.

    **Raises:** `ValueError` for values out of range.
    """
    settings = {"inputs": inputs, "hidden": hidden, "samples": samples, "law": law, "seed": generator(seed)}
    array = isinstance(sizes, np.ndarray) and not isinstance(sizes, np.ma.MaskedArray) and sizes.ndim == 1
    if not (array or isinstance(sizes, list | tuple | range)) or len(sizes) == 0:
        raise ValueError(f"sizes: got {quoted(sizes)}, required is a list of positive whole numbers.")
    sizes = [check_count("sizes", size, MOST_INPUTS) for size in sizes]
    return np.array([sample_eigenvalues(c, size, **settings)[:, 0] for size in sizes])


def extrapolate(sizes: Any, values: Any) -> Extrapolation:
    """`extrapolate(sizes, smallest_eigenvalues(0.5, sizes))` is the limit of λ_min for infinite networks.

    **Returns:** `Extrapolation`: limit and slope of the straight line through the means over M^(−2/3), fitted by
    least squares weighted with the standard errors of the means.

    **Arguments:** `sizes`, numbers of inputs M of which at least two differ, and `values`, a row of two or more
    samples, not all equal, for each size.

    **Raises:** `ValueError` for other shapes, sizes that determine no line, and rows without spread.
    """
    given, sizes, values = sizes, check_real("sizes", sizes), check_real("values", values)
    if values.ndim != 2 or min(values.shape, default=0) < 2 or sizes.shape != values.shape[:1]:
        raise ValueError(
            f"values: got shape {values.shape} for {sizes.size} sizes, required is one row of at least "
            "two samples for each of at least two sizes."
        )
    if (sizes <= 0).any() or np.ptp(sizes) == 0:
        raise ValueError(
            f"sizes: got {quoted(given)}, required are positive numbers, at least two of them different."
        )
    equal = np.flatnonzero(np.ptp(values, axis=1) == 0)
    if equal.size:
        raise ValueError(
            f"values: got a row {equal[0]} without spread, required are rows of samples that differ: "
            "their standard errors are the weights of the fit."
        )
    errors = values.std(axis=1, ddof=1) / np.sqrt(values.shape[1])
    line = np.stack([np.ones(sizes.size), sizes ** (-2 / 3)], axis=1) / errors[:, None]
    covariance = np.linalg.inv(line.T @ line)
    (limit, slope), spread = covariance @ line.T @ (values.mean(axis=1) / errors), np.sqrt(np.diag(covariance))
    return Extrapolation(float(limit), float(spread[0]), float(slope), float(spread[1]))


def finite_size_slope(c: Any, *, inputs: Any = 0.0, hidden: Any = 0.0) -> float:
    """`finite_size_slope(0.5, inputs=0.3)` is the coefficient of M^(−2/3) in the mean of λ_min: 1.2065 κ^(−2/3).

    **Returns:** the slope that `extrapolate` should find, by (random.7). NaN where λ_min is an atom, and 0 where an
    atom is about to form at an edge at ±1: the approach is faster there.

    **Arguments:** `c`, `inputs` and `hidden`, one number each.

    **Raises:** `ValueError` for values out of range.
    """
    c, inputs, hidden = check_scalars(c, inputs, hidden)
    law = FreeSum.of(c, inputs, hidden)
    pole, distance = end_below(law)
    if law.position(distance, pole) > lowest_atom(c, inputs):
        return float("nan")
    step = STEP * abs(distance)
    bend = law.one_minus_slope(distance + 1j * step, pole).imag / step  # F′ = −x″ by a complex step, which is exact
    with np.errstate(divide="ignore"):  # infinite where the edge is at an atom of D1
        kappa = law.fall(pole + distance) * np.sqrt(2 / bend)
    return float(-TRACY_WIDOM_MEAN * kappa ** (-2 / 3))


def kolmogorov_smirnov(eigenvalues: Any, c: Any, *, inputs: Any = 0.0, hidden: Any = 0.0) -> float:
    """`kolmogorov_smirnov(sample_eigenvalues(0.5, 400), 0.5)` is the distance of a sample from the theory.

    **Returns:** sup |F_sample − F| over the line, the atoms included.

    **Arguments:** `eigenvalues`, an array of any shape; within 1e-9 of an atom they count as on it. `c`, `inputs` and
    `hidden` are the parameters of the theory.

    **Raises:** `ValueError` for values out of range.
    """
    values = np.sort(check_real("eigenvalues", eigenvalues).ravel())
    if values.size == 0:
        raise ValueError("eigenvalues: got none, required is at least one.")
    atoms = spectral_atoms(c, inputs=inputs, hidden=hidden)
    for place in atoms.positions:
        values = np.where(np.abs(values - place) < 1e-9, place, values)
    at, counts = np.unique(values, return_counts=True)
    sampled = np.r_[0.0, np.cumsum(counts) / values.size]
    theory = spectral_distribution(at, c, inputs=inputs, hidden=hidden)
    before = theory - sum(mass * (at == place) for place, mass in zip(*atoms, strict=True))
    return float(max(np.abs(sampled[1:] - theory).max(), np.abs(sampled[:-1] - before).max()))


def generator(seed: Any) -> np.random.Generator:
    """A generator from a whole number, or the one given; `ValueError` for anything else."""
    whole = isinstance(seed, int | np.integer) and not isinstance(seed, bool) and seed >= 0
    if not (whole or isinstance(seed, np.random.Generator)):
        allowed = "whole numbers from 0 and generators of numpy.random"
        raise ValueError(f"seed: got {quoted(seed)}, allowed are {allowed}.")
    return np.random.default_rng(seed)
