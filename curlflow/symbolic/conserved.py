"""Polynomial first integrals: C with ∇C · F = 0, by linear algebra on the coefficients of C.

For C = Σ cₐ xᵃ over all monomials up to a degree, ∇C · F (for a map C∘F − C) is a polynomial whose coefficients are
linear in c. First integrals are the null space of that matrix; no unknown is guessed.
"""

import itertools
import math

import sympy
from sympy.polys.matrices import DomainMatrix
from sympy.polys.monomials import itermonomials
from sympy.polys.orderings import monomial_key

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
        monomials = sorted(itermonomials(states, d, 1), key=monomial_key("grlex", states), reverse=True)
        known, new = _products(found, d), _null_space(field, states, time, monomials, kind)
        rows = [[polynomial.coeff_monomial(m) for m in monomials] for polynomial in (*known, *new)]
        found += [new[p - len(known)] for p in sympy.Matrix(rows).T.rref()[1] if p >= len(known)] if new else []
    return [_primitive(p) for p in found]


def _products(found: list[sympy.Poly], degree: int) -> list[sympy.Poly]:
    """All products of what was found before, up to `degree`."""
    numbers = range(1, degree + 1)
    groups = itertools.chain(*(itertools.combinations_with_replacement(found, number) for number in numbers))
    return [math.prod(group) for group in groups if sum(p.total_degree() for p in group) <= degree]


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
    return [sympy.Poly((null.row(i) * sympy.Matrix(monomials))[0], *states) for i in range(null.rows)]


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
