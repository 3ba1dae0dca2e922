"""Polynomial first integrals: C with ∇C · F = 0, by linear algebra on the coefficients of C.

For C = Σ cₐ xᵃ over all monomials up to a degree, ∇C · F (for a map C∘F − C) is a polynomial whose coefficients are
linear in c. First integrals are the null space of that matrix; no unknown is guessed.
"""

import itertools
import math

import sympy
from sympy.polys.matrices import DomainMatrix

from .vanishing import Generators

MOST_MONOMIALS = 2000


def polynomial_integrals(
    field: sympy.Matrix, states: tuple[sympy.Symbol, ...], time: sympy.Symbol, degree: int, kind: str
) -> list[sympy.Expr]:
    """Generators of all polynomial first integrals up to `degree`; see `SymbolicField.conserved_quantities`."""
    count = math.comb(len(states) + degree, degree) - 1
    if count > MOST_MONOMIALS:
        raise ValueError(
            f"degree: got {degree}, which makes {count} monomials in {len(states)} states; allowed are "
            f"{MOST_MONOMIALS}."
        )
    found: list[sympy.Poly] = []
    for d in range(1, degree + 1):
        monomials = _monomials(states, d)
        known = [_vector(p, monomials) for p in _products(found, d)]
        new = [_vector(p, monomials) for p in _null_space(field, states, time, monomials, kind)]
        if not new:
            continue
        columns = sympy.Matrix([*known, *new]).T
        pivots = columns.rref()[1]
        for pivot in (p for p in pivots if p >= len(known)):
            coefficients = new[pivot - len(known)]
            found.append(sympy.Poly(sum(c * m for c, m in zip(coefficients, monomials, strict=True)), *states))
    return [_primitive(p) for p in found]


def _monomials(states: tuple[sympy.Symbol, ...], degree: int) -> list[sympy.Expr]:
    """All monomials of degree 1 to `degree`, the highest first."""
    return [
        sympy.Mul(*factors)
        for d in range(degree, 0, -1)
        for factors in itertools.combinations_with_replacement(states, d)
    ]


def _vector(polynomial: sympy.Poly, monomials: list[sympy.Expr]) -> list[sympy.Expr]:
    return [polynomial.coeff_monomial(m) for m in monomials]


def _products(found: list[sympy.Poly], degree: int) -> list[sympy.Poly]:
    """All products of what was found before, up to `degree`."""
    products = []
    for number in range(1, degree + 1):
        for factors in itertools.combinations_with_replacement(found, number):
            if sum(p.total_degree() for p in factors) <= degree:
                products.append(math.prod(factors[1:], start=factors[0]))
    return products


def _null_space(field, states, time, monomials, kind) -> list[sympy.Poly]:
    """Polynomials whose change along the dynamics is zero identically."""
    generators = Generators()
    rational = [sympy.fraction(sympy.together(generators.rational(f))) for f in field]
    denominator = sympy.lcm_list([bottom for _, bottom in rational]) if rational else sympy.S.One
    tops = [sympy.cancel(top * denominator / bottom) for top, bottom in rational]
    symbols = [*states, time, *generators.functions.values(), *generators.switches.values()]
    changes = [_change(m, states, tops, denominator, kind) for m in monomials]
    columns = [generators.reduced(sympy.Poly(change, *symbols)).as_dict() for change in changes]
    rows = sorted({powers for column in columns for powers in column})
    if not rows:
        return [sympy.Poly(m, *states) for m in monomials]
    matrix = sympy.Matrix([[column.get(powers, sympy.S.Zero) for column in columns] for powers in rows])
    null = DomainMatrix.from_Matrix(matrix).to_field().nullspace(divide_last=True).to_Matrix()
    return [sympy.Poly(sum(c * m for c, m in zip(null.row(i), monomials, strict=True)), *states)
            for i in range(null.rows)]  # fmt: skip


def _change(monomial, states, tops, denominator, kind) -> sympy.Expr:
    """∇C · F times the common denominator, or C∘F − C times a power of it."""
    if kind == "flow":
        return sympy.Add(*(sympy.diff(monomial, x) * top for x, top in zip(states, tops, strict=True)))
    degree = sympy.Poly(monomial, *states).total_degree()
    mapped = monomial.subs(dict(zip(states, tops, strict=True)), simultaneous=True)
    return mapped - monomial * denominator**degree


def _primitive(polynomial: sympy.Poly) -> sympy.Expr:
    """Without common factors of the coefficients, the leading one positive."""
    top = sympy.numer(sympy.together(polynomial.as_expr()))
    polynomial = sympy.Poly(top, *polynomial.gens).primitive()[1]
    return (-polynomial if polynomial.LC().could_extract_minus_sign() else polynomial).as_expr()
