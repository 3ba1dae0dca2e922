"""Eigenvalues of Jacobians: dense, of matrices given by their factors, or of products alone.

A Jacobian J of a learning rule at a solution has many zero eigenvalues, one for every direction along which nothing
changes. They are *neutral* and told apart by a threshold: |μ| ≤ tolerance · max|μ|.

The *numerical abscissa* ω(J) = λ_max((J + Jᵀ)/2) is the largest rate at which any perturbation grows at first:
d|x|/dt ≤ ω |x|, with equality for the best x. Where it exceeds the spectral abscissa max Re μ there is transient
growth although the point may be stable. Source: L. N. Trefethen, M. Embree, Spectra and Pseudospectra (2005), §14
and §17.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.linalg
import scipy.sparse.linalg
from jaxtyping import Complex, Float

NEUTRAL = 1e-10
"""Eigenvalues below this fraction of the largest in modulus count as zero: about a hundred times the rounding of a
matrix of a thousand rows."""
ROUNDING = 1e-13
LEAST = 1e-8
"""Eigenvalues from products alone, whose residuals are larger, count as zero below this fraction of the largest."""
SYMMETRIC = 1e-12
"""A matrix that is symmetric to this fraction of its norm is treated as symmetric, with real eigenvalues."""
WIDTH, RESTARTS = 120, 30
"""Size of the Krylov space and number of restarts of Arnoldi's method: up to three thousand products."""
MOST = 80
"""Leading eigenvalues that are asked for at most, until enough of them are not neutral."""
EXTREME = 6
"""How many eigenvalues of largest modulus are found besides the leading ones."""

Product = Callable[[Float[np.ndarray, " n"]], Float[np.ndarray, " n"]]


class Extreme(NamedTuple):
    """Some eigenvalues by decreasing real part, and whether all that were asked for converged."""

    values: Complex[np.ndarray, " k"]
    converged: bool


class Leading(NamedTuple):
    """The leading eigenvalues, above the `threshold` in modulus, and whether all that were asked for converged.

    `extreme` are those of largest modulus; nothing where they did not converge, None of a matrix of zeros.
    """

    values: Complex[np.ndarray, " k"]
    threshold: float
    extreme: Complex[np.ndarray, " m"] | None
    converged: bool


def eigenvalues(matrix: Float[np.ndarray, "n n"]) -> Complex[np.ndarray, " n"]:
    """All eigenvalues in decreasing order of the real part; exactly real for a symmetric matrix."""
    if is_symmetric(matrix):
        return np.linalg.eigvalsh((matrix + matrix.T) / 2)[::-1].astype(complex)
    return in_order(np.linalg.eigvals(matrix).astype(complex))


def is_symmetric(matrix: Float[np.ndarray, "n n"]) -> bool:
    """Whether a matrix is symmetric up to rounding."""
    return bool(np.abs(matrix - matrix.T).max(initial=0.0) <= SYMMETRIC * np.abs(matrix).max(initial=0.0))


def in_order(values: Complex[np.ndarray, " n"]) -> Complex[np.ndarray, " n"]:
    """The values by decreasing real part; of a conjugate pair the one above the real axis comes first."""
    return values[np.lexsort((-values.imag, -values.real))]


def without_neutral(values: Complex[np.ndarray, " n"], scale: float = 0.0) -> tuple[Complex[np.ndarray, " k"], float]:
    """The eigenvalues above the threshold, and the threshold: 10⁻¹⁰ max|μ|, but no less than the rounding of numbers
    of size `scale`, out of which the matrix came."""
    threshold = max(NEUTRAL * float(np.abs(values).max(initial=0.0)), ROUNDING * scale)
    return values[np.abs(values) > threshold], threshold


def extreme_eigenvalues(
    product: Product, size: int, number: int, *, which: str = "LR", scale: float = 1.0, seed: int = 0
) -> Extreme:
    """The `number` eigenvalues of largest real part, or modulus, of a matrix that is known by its products only.

    **Arguments:**

    - `product`: v → J v on vectors of length `size`.
    - `number`: from 1 to `size` − 2.
    - `which`: `"LR"` for the largest real parts, `"LM"` for the largest moduli.
    - `scale`: the largest modulus of an eigenvalue, from `largest_modulus`; residuals are below 10⁻⁹ of it.
    - `seed`: of the vector that the iteration starts with.

    Implicitly restarted Arnoldi iteration (ARPACK): R. B. Lehoucq, D. C. Sorensen, C. Yang, ARPACK Users' Guide
    (1998). It measures residuals relative to the eigenvalue, a criterion that eigenvalues next to zero would never
    meet: for the largest real parts the matrix is therefore shifted by `scale`. Not all copies of a multiple
    eigenvalue need be found.
    """
    if not 1 <= number <= size - 2:
        raise ValueError(f"number: got {number}, allowed are 1 to {size - 2}, the size less two.")
    shift, width = scale if which == "LR" else 0.0, min(size, max(4 * number, WIDTH))
    operator = _shifted(product, size, shift)
    start = np.random.default_rng(seed).standard_normal(size)
    try:
        values = scipy.sparse.linalg.eigs(
            operator, number, which=which, v0=start, ncv=width, maxiter=RESTARTS, tol=1e-9, return_eigenvectors=False
        )
    except scipy.sparse.linalg.ArpackNoConvergence as stopped:
        return Extreme(in_order(np.asarray(stopped.eigenvalues, dtype=complex) - shift), False)
    return Extreme(in_order(values.astype(complex) - shift), True)


def leading_eigenvalues(product: Product, size: int, number: int) -> Leading:
    """The `number` leading eigenvalues that are not neutral, or fewer where there are `MOST` neutral ones before."""
    scale = largest_modulus(product, size)
    threshold = LEAST * scale
    if scale == 0.0:
        return Leading(np.zeros(0, complex), 0.0, None, True)
    asked = min(number, size - 2)
    while True:
        found = extreme_eigenvalues(product, size, asked, scale=scale)
        values = found.values[np.abs(found.values) > threshold]
        if len(values) >= number or not found.converged or asked >= min(MOST, size - 2):
            break
        asked = min(2 * asked, MOST, size - 2)
    largest = extreme_eigenvalues(product, size, EXTREME, which="LM", scale=scale)
    extreme = largest.values if largest.converged else np.zeros(0, complex)
    return Leading(values[: max(number, 1)], threshold, extreme, found.converged)


def _shifted(product: Product, size: int, shift: float) -> scipy.sparse.linalg.LinearOperator:
    return scipy.sparse.linalg.LinearOperator((size, size), matvec=lambda v: product(v) + shift * v, dtype=float)


def largest_modulus(product: Product, size: int, *, seed: int = 0) -> float:
    """max|μ| of a matrix that is known by its products only, to a few per cent: twenty power iterations."""
    v = np.random.default_rng(seed).standard_normal(size)
    for _ in range(20):
        v = product(v / np.linalg.norm(v))
        growth = float(np.linalg.norm(v))
        if growth == 0.0:
            break
    return growth


def largest_symmetric(product: Product, size: int, *, scale: float = 1.0, seed: int = 0) -> float:
    """The largest eigenvalue of a symmetric matrix known by its products only, to 10⁻¹⁰ of `scale` (Lanczos), with
    the shift of `extreme_eigenvalues`. NaN if the iteration does not converge."""
    start = np.random.default_rng(seed).standard_normal(size)
    operator = _shifted(product, size, scale)
    try:
        found = scipy.sparse.linalg.eigsh(
            operator, 1, which="LA", v0=start, maxiter=20 * RESTARTS, tol=1e-10, return_eigenvectors=False
        )
    except scipy.sparse.linalg.ArpackNoConvergence:
        return float("nan")
    return float(found[0]) - scale


def numerical_abscissa(matrix: Float[np.ndarray, "n n"]) -> float:
    """ω of a dense matrix."""
    return float(np.linalg.eigvalsh((matrix + matrix.T) / 2)[-1]) if len(matrix) else float("nan")


def abscissa_of_product(
    kernel: Float[np.ndarray, "m m"],
    rows: Float[np.ndarray, "m m"],
    columns: Float[np.ndarray, "m m"],
    dimension: int,
) -> float:
    """ω of J = −G U (n × n, n = `dimension`) from products of its factors.

    These are `kernel` = −U G, `rows` = U Uᵀ and `columns` = Gᵀ G.
    With B = (G, Uᵀ) the symmetric part is B C Bᵀ, C = −½ (0 1; 1 0), and with a factor L of BᵀB = L Lᵀ its nonzero
    eigenvalues are those of Lᵀ C L. If these do not fill the whole space the others are zero.
    """
    gram = np.block([[columns, -kernel.T], [-kernel, rows]])
    # Cholesky's factor with pivots, since the matrix may have any rank.
    packed, pivots, rank, _ = scipy.linalg.lapack.dpstrf((gram + gram.T) / 2, lower=1)
    factor = np.zeros((len(gram), rank))
    factor[pivots - 1] = np.tril(packed)[:, :rank]
    m = len(kernel)
    middle = -factor[:m].T @ factor[m:]
    largest = numerical_abscissa(middle) if middle.size else 0.0
    return largest if rank >= dimension else max(0.0, largest)
