"""The Helmholtz–Hodge decomposition of a planar vector field on a rectangle.

    F = ∇φ + rot ψ + h,    rot ψ = (∂ψ/∂y, −∂ψ/∂x),    φ = ψ = 0 on the boundary,    div h = curl h = 0.     (*)

With these conditions (∇φ normal to the boundary, rot ψ parallel to it) the three parts are unique and orthogonal
in L². ∇φ + h is the largest curl-free part of F, rot ψ + h the largest divergence-free part; on a rectangle
h = ∇χ with Δχ = 0. A gradient field F therefore has no curl part, and φ + χ is its potential.

Discretisation: F becomes its line integrals along the edges of a grid, φ and χ live on its nodes, ψ in its cells.
With d₀ the differences along edges, d₁ the sums around cells and ∗ = (length of the dual edge)/(length of the edge),

    d₀ᵀ ∗ d₀ φ = d₀ᵀ ∗ f,    d₁ ∗⁻¹ d₁ᵀ ψ = d₁ f,    f = d₀φ + ∗⁻¹d₁ᵀψ + h.

d₁d₀ = 0 makes the parts orthogonal exactly, in ⟨f, g⟩ = fᵀ∗g, and Stokes' theorem holds exactly in every cell. Sine
transforms diagonalise both operators; the parts converge with the square of the spacing.

Sources: Bhatia, Norgard, Pascucci & Bremer, "The Helmholtz–Hodge decomposition: a survey", IEEE Trans. Vis. Comput.
Graph. 19 (2013) 1386 (normal–parallel boundary conditions); Lim, "Hodge Laplacians on graphs", SIAM Rev. 62 (2020)
685; Desbrun, Hirani, Leok & Marsden, "Discrete exterior calculus", arXiv:math/0508341.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.fft import dstn, idstn

from ..variable import Variable

GAUSS_POINTS = 5
"""Points of the Gauss–Legendre rule on an edge: exact for polynomials of degree 9."""

GRID = "exact up to rounding for means over the cells of this grid; a finer one shows what they miss"
"""The uncertainty of all parts."""
CELLS, NODES = ("first", "second"), ("first_node", "second_node")
_VECTOR = ("component", *CELLS)
VARIABLES = (
    Variable("field", _VECTOR, "velocity in the plane, mean over the edges of a cell", uncertainty=GRID),
    Variable("gradient_part", _VECTOR, "gradient part: ∇φ with φ = 0 on the boundary", uncertainty=GRID),
    Variable("curl_part", _VECTOR, "curl part: rot ψ with ψ = 0 on the boundary", uncertainty=GRID),
    Variable("harmonic_part", _VECTOR, "harmonic part: free of divergence and curl", uncertainty=GRID),
    Variable("stream_function", CELLS, "stream function ψ of the curl part, zero on the boundary", uncertainty=GRID),
    Variable("gradient_potential", NODES, "potential φ of the gradient part, zero on the boundary", uncertainty=GRID),
    Variable("harmonic_potential", NODES, "potential χ of the harmonic part, of mean zero", uncertainty=GRID),
    Variable("curl", CELLS, "curl in the plane, mean over a cell", uncertainty=GRID),
    Variable(
        "gradient_share",
        (),
        "share of the gradient part in the energy ∫|F|² of the velocity in the plane",
        uncertainty=GRID,
    ),
    Variable("curl_share", (), "share of the curl part in the energy", uncertainty=GRID),
    Variable("harmonic_share", (), "share of the harmonic part in the energy", uncertainty=GRID),
)


class Edges(NamedTuple):
    """A number for every edge: those along x (cells in x × nodes in y) and along y (nodes in x × cells in y)."""

    along_x: Float[np.ndarray, "_ _"]
    along_y: Float[np.ndarray, "_ _"]

    def __sub__(self, other: "Edges") -> "Edges":  # type: ignore[override]
        return Edges(self.along_x - other.along_x, self.along_y - other.along_y)


@dataclass(frozen=True)
class Rectangle:
    """A rectangle with an equidistant grid of nodes, whose coordinates increase, at least three along each side."""

    x: Float[np.ndarray, " _"]
    y: Float[np.ndarray, " _"]

    @classmethod
    def centred(cls, half_widths: tuple[float, float], cells: tuple[int, int]) -> "Rectangle":
        """The rectangle −a ≤ x ≤ a, −b ≤ y ≤ b with this number of cells along each side."""
        return cls(*(np.linspace(-a, a, n + 1) for a, n in zip(half_widths, cells, strict=True)))

    @property
    def spacing(self) -> tuple[float, float]:
        """Lengths of the edges along x and along y."""
        return (self.x[-1] - self.x[0]) / (self.x.size - 1), (self.y[-1] - self.y[0]) / (self.y.size - 1)

    @property
    def centres(self) -> tuple[Float[np.ndarray, " _"], Float[np.ndarray, " _"]]:
        """Coordinates of the centres of the cells."""
        return (self.x[1:] + self.x[:-1]) / 2, (self.y[1:] + self.y[:-1]) / 2

    def inner(self, f: Edges, g: Edges) -> float:
        """⟨f, g⟩ = fᵀ ∗ g, the L² product of the fields; edges on the boundary have half a dual edge."""
        hx, hy = self.spacing
        along_x, along_y = f.along_x * g.along_x, f.along_y * g.along_y
        x = along_x.sum() - (along_x[:, 0] + along_x[:, -1]).sum() / 2
        y = along_y.sum() - (along_y[0] + along_y[-1]).sum() / 2
        return float(x * hy / hx + y * hx / hy)

    def gradient(self, nodes: Float[np.ndarray, "_ _"]) -> Edges:
        """d₀: differences along edges, the line integrals of the gradient."""
        return Edges(np.diff(nodes, axis=0), np.diff(nodes, axis=1))

    def rotation(self, cells: Float[np.ndarray, "_ _"]) -> Edges:
        """∗⁻¹d₁ᵀ: the line integrals of rot ψ, with ψ = 0 on the boundary, half a cell beyond the centres."""
        hx, hy = self.spacing
        above_less_below = np.diff(np.pad(cells, ((0, 0), (1, 1))), axis=1)
        left_less_right = -np.diff(np.pad(cells, ((1, 1), (0, 0))), axis=0)
        above_less_below[:, [0, -1]] *= 2
        left_less_right[[0, -1]] *= 2
        return Edges(above_less_below * hx / hy, left_less_right * hy / hx)

    def circulation(self, f: Edges) -> Float[np.ndarray, "_ _"]:
        """d₁: the circulation around every cell, anticlockwise."""
        return np.diff(f.along_y, axis=0) - np.diff(f.along_x, axis=1)

    def outflow(self, f: Edges) -> Float[np.ndarray, "_ _"]:
        """−d₀ᵀ∗: the flux out of the dual cell of every interior node."""
        hx, hy = self.spacing
        return np.diff(f.along_x[:, 1:-1], axis=0) * hy / hx + np.diff(f.along_y[1:-1], axis=1) * hx / hy

    def at_centres(self, f: Edges) -> Float[np.ndarray, "2 _ _"]:
        """The vector field in the middle of every cell, from the means of its two pairs of edges."""
        hx, hy = self.spacing
        x, y = f.along_x[:, 1:] + f.along_x[:, :-1], f.along_y[1:] + f.along_y[:-1]
        return np.stack([x / (2 * hx), y / (2 * hy)])


class HelmholtzHodge(NamedTuple):
    """The parts on the edges, and their potentials: φ and χ on the nodes, ψ in the cells; ∇χ = h, χ has mean 0."""

    gradient: Edges
    curl: Edges
    harmonic: Edges
    gradient_potential: Float[np.ndarray, "_ _"]
    stream_function: Float[np.ndarray, "_ _"]
    harmonic_potential: Float[np.ndarray, "_ _"]


PlanarField = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def edge_integrals(field: PlanarField, grid: Rectangle) -> Edges:
    """The line integrals along all edges, by the Gauss–Legendre rule, of a function of the arrays x and y (of one
    shape) that gives both components."""
    nodes, weights = np.polynomial.legendre.leggauss(GAUSS_POINTS)
    hx, hy = grid.spacing
    cx, cy = grid.centres
    along_x = field(*_mesh(cx[:, None] + hx / 2 * nodes, grid.y))[0]
    along_y = field(*_mesh(cy[:, None] + hy / 2 * nodes, grid.x)[::-1])[1]
    return Edges(along_x @ weights * hx / 2, (along_y @ weights * hy / 2).T)


def _mesh(points: np.ndarray, across: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates along and across of all points: edges × nodes across × points on an edge."""
    along, across = np.broadcast_arrays(points[:, None, :], across[:, None])
    return along.copy(), across.copy()


def helmholtz_hodge(f: Edges, grid: Rectangle) -> HelmholtzHodge:
    """The decomposition (*) of a field given by its line integrals along all edges, as from `edge_integrals`."""
    hx, hy = grid.spacing
    phi = np.zeros((grid.x.size, grid.y.size))
    phi[1:-1, 1:-1] = _solve(-grid.outflow(f), hy / hx, hx / hy, kind=1)
    psi = _solve(grid.circulation(f), hy / hx, hx / hy, kind=2)
    gradient, curl = grid.gradient(phi), grid.rotation(psi)
    harmonic = f - gradient - curl
    # χ is the sum of the curl-free h along edges.
    chi = np.zeros_like(phi)
    chi[1:, 0] = np.cumsum(harmonic.along_x[:, 0])
    chi[:, 1:] = chi[:, :1] + np.cumsum(harmonic.along_y, axis=1)
    return HelmholtzHodge(gradient, curl, harmonic, phi, psi, chi - chi.mean())


def _solve(right: np.ndarray, cx: float, cy: float, kind: int) -> np.ndarray:
    """Solve cx (−δx²) u + cy (−δy²) u = right with u = 0 on the boundary.

    Interior nodes (`kind` 1) have eigenvalues 4 sin²(kπ/2N), k = 1, …, N − 1; cells (`kind` 2) also for k = N.
    """
    kx, ky = (np.arange(1, n + 1) / (2 * (n + 1 if kind == 1 else n)) for n in right.shape)
    eigenvalues = 4 * (cx * np.sin(np.pi * kx)[:, None] ** 2 + cy * np.sin(np.pi * ky) ** 2)
    return idstn(dstn(right, type=kind) / eigenvalues, type=kind)


def in_cells(parts: HelmholtzHodge, grid: Rectangle, least: float) -> dict[str, np.ndarray]:
    """The numbers of `VARIABLES`; of a field whose energy is `least` or less, and so rounding, the shares are NaN."""
    field = Edges(*(sum(arrays) for arrays in zip(*parts[:3], strict=True)))
    energy = grid.inner(field, field)
    found = {
        "field": grid.at_centres(field),
        "stream_function": parts.stream_function,
        "gradient_potential": parts.gradient_potential,
        "harmonic_potential": parts.harmonic_potential,
        "curl": grid.circulation(field) / np.prod(grid.spacing),
    }
    for name, part in zip(("gradient", "curl", "harmonic"), parts[:3], strict=True):
        found[f"{name}_part"] = grid.at_centres(part)
        found[f"{name}_share"] = np.asarray(grid.inner(part, part) / energy if energy > least else np.nan)
    return {v.name: found[v.name] for v in VARIABLES}
