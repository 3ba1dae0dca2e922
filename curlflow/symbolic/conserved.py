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
        made = f"which makes {count} monomials in {len(states)} states"
        raise ValueError(f"degree: got {degree}, {made}; allowed are {MOST_MONOMIALS}.")
    found: list[sympy.Poly] = []
    for d in range(1, degree + 1):
        monomials = sorted(itermonomials(states, d, 1), key=monomial_key("grlex", states), reverse=True)
        groups = itertools.chain(*(itertools.combinations_with_replacement(found, n) for n in range(1, d + 1)))
        known = [math.prod(group) for group in groups if sum(p.total_degree() for p in group) <= d]
        new = _null_space(field, states, time, monomials, kind)
        rows = [[polynomial.coeff_monomial(m) for m in monomials] for polynomial in (*known, *new)]
        found += [new[p - len(known)] for p in sympy.Matrix(rows).T.rref()[1] if p >= len(known)] if new else []
    return [_primitive(p) for p in found]


def _null_space(field, states, time, monomials, kind) -> list[sympy.Poly]:
    """Polynomials whose change along the dynamics is zero identically."""
    generators = Generators()
    rational = [sympy.fraction(sympy.together(generators.rational(f))) for f in field]
    denominator = sympy.lcm_list([bottom for _, bottom in rational]) if rational else sympy.S.One
    tops = [sympy.cancel(top * denominator / bottom) for top, bottom in rational]
    symbols = [*states, time, *generators.functions.values(), *generators.switches.values()]
    image = dict(zip(states, tops, strict=True))
    if kind == "flow":  # ∇C · F times the common denominator
        changes = [sympy.Add(*(sympy.diff(m, x) * top for x, top in image.items())) for m in monomials]
    else:  # C∘F − C times a power of it
        powers = [denominator ** sympy.Poly(m, *states).total_degree() for m in monomials]
        changes = [m.subs(image, simultaneous=True) - m * power for m, power in zip(monomials, powers, strict=True)]
    columns = [generators.reduced(sympy.Poly(change, *symbols)).as_dict() for change in changes]
    rows = sorted({powers for column in columns for powers in column})
    if not rows:
        return [sympy.Poly(m, *states) for m in monomials]
    matrix = sympy.Matrix([[column.get(powers, sympy.S.Zero) for column in columns] for powers in rows])
    null = DomainMatrix.from_Matrix(matrix).to_field().nullspace(divide_last=True).to_Matrix()
    return [sympy.Poly((null.row(i) * sympy.Matrix(monomials))[0], *states) for i in range(null.rows)]


def _primitive(polynomial: sympy.Poly) -> sympy.Expr:
    """Without common factors of the coefficients, the leading one positive."""
    top = sympy.numer(sympy.together(polynomial.as_expr()))
    polynomial = sympy.Poly(top, *polynomial.gens).primitive()[1]
    return (-polynomial if polynomial.LC().could_extract_minus_sign() else polynomial).as_expr()
