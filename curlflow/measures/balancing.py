"""The positive diagonal metric in which a matrix is closest to symmetric, by balancing its squares.

In a metric G = diag(g) a matrix J has the coordinates J′ = G^½ J G^−½, and the squares A = J∘J become, with s = ln g,

    A′_ij = A_ij exp(s_i − s_j).

tr J′² = tr J² does not change, and the antisymmetric and the symmetric part have ‖A′‖² = (‖J′‖² − tr J²)/2 and
‖S′‖² = (‖J′‖² + tr J²)/2. Both norms are therefore least where

    f(s) = ‖J′‖² = Σ_ij A_ij exp(s_i − s_j)

is. Their ratio is least there as well if tr J² > 0, that is where ‖A‖ < ‖S‖. Where ‖A‖ > ‖S‖ it is so in every
diagonal metric; the ratio is then largest there, and approaches 1 as both norms grow: it measures nothing.

f and ln f are convex, so that every minimum is the least value there is; it is where A′ is balanced: the sums of each
row and of the column of the same number agree. It is attained if and only if every entry has a way back, a chain
of entries from j to i for every A_ij > 0, and is then unique up to one number for each set of connected indices
(Eaves, Hoffman, Rothblum & Schneider 1985). Signs of J do not enter: J = D H with H symmetric and D diagonal has
g = 1/|D|, and is symmetric there only if D has one sign. In every diagonal metric a pair of different signs has
|A′_ij| ≥ √|J_ij J_ji|, so that ‖A′‖² ≥ Σ_ij max(−J_ij J_ji, 0); for D H this is what remains. In general J′ can be
symmetric only if no such pair exists and the products around every cycle agree in both directions (Kolmogorov).

Sources: Osborne, J. ACM 7 (1960) 338; Parlett & Reinsch, Numer. Math. 13 (1969) 293; Eaves, Hoffman, Rothblum &
Schneider, Math. Program. Study 25 (1985) 124.
"""

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

SMALLEST = 1e-26
"""Squares below this share of the largest count as zeros: entries below 10⁻¹³."""
GRADIENT = 1e-9
"""Relative differences of sums of rows and columns at which the search ends."""
POLISHING = 2
"""Newton steps after it: from 10⁻⁹ one comes to rounding, which the values of ln f cannot tell apart."""
LONGEST_STEP = 50.0
"""Of s in the search, so that exp(s) stays a number."""

Squares = Float[np.ndarray, "n n"]
Logarithms = Float[np.ndarray, " n"]


def balancing(squares: Squares) -> Logarithms:
    """s = ln g of the metric in which the matrix with these squares is closest to symmetric.

    **Returns:** s, of mean zero in every set of connected indices; NaN where the least value is not attained, since
    some entry has no way back, and for squares that are not finite.

    **Arguments:**

    - `squares`: J∘J, or its sums over blocks: the metric is then one number for each block.
    """
    if not np.isfinite(squares).all():
        return np.full(len(squares), np.nan)
    a = np.where(np.eye(len(squares), dtype=bool), 0.0, squares)
    a[a <= SMALLEST * np.max(squares)] = 0.0
    free = _shared(a)
    if connected_components(csr_array(a), connection="strong")[0] > connected_components(csr_array(a))[0]:
        return np.full(len(a), np.nan)
    if not a.any():
        return np.zeros(len(a))

    def value(s):
        rows, columns = _sums(a, s)
        return np.log(rows.sum()), (rows - columns) / rows.sum()

    def curvature(s, v):
        (rows, columns), up, down = _sums(a, s), np.exp(s), np.exp(-s)
        gradient = (rows - columns) / rows.sum()
        laplacian_v = (rows + columns) * v - up * (a @ (down * v)) - down * (up * v @ a)
        return laplacian_v / rows.sum() - gradient * (gradient @ v)

    options = {"gtol": GRADIENT, "max_trust_radius": LONGEST_STEP}
    s = minimize(value, _from_pairs(a), jac=True, hessp=curvature, method="trust-ncg", options=options).x
    for _ in range(POLISHING):
        rows, columns = _sums(a, s)
        s = s - np.linalg.solve(_laplacian(a * np.exp(s[:, None] - s)) + rows.sum() * free, rows - columns)
    return s - free @ s


def _from_pairs(a: Squares) -> Logarithms:
    """Where A_ij and A_ji both are, s_i − s_j = ½ ln(A_ji/A_ij) by least squares: exact where A can be symmetric."""
    pairs = np.where((a > 0) & (a.T > 0), 1.0, 0.0)
    logarithms = np.log(a, out=np.zeros_like(a), where=pairs > 0)
    return np.linalg.solve(_laplacian(pairs / 2) + _shared(pairs), np.sum(logarithms.T - logarithms, axis=1) / 2)


def _sums(a: Squares, s: Logarithms) -> tuple[Logarithms, Logarithms]:
    """The sums of the rows and of the columns of A′."""
    up, down = np.exp(s), np.exp(-s)
    return up * (a @ down), down * (up @ a)


def _laplacian(a: Squares) -> Squares:
    """The matrix of Σ_ij A_ij (v_i − v_j)²."""
    both = a + a.T
    return np.diag(both.sum(axis=1)) - both


def _shared(a: Squares) -> Squares:
    """The projection onto what connected indices have in common, which a Laplacian leaves free."""
    members = np.eye(len(a))[connected_components(csr_array(a), directed=False)[1]]
    return members / members.sum(axis=0).clip(1) @ members.T
