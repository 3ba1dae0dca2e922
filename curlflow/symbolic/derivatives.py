"""Jacobians of expressions with common parts: the chain rule, each part differentiated once.

`sympy.diff` walks through every occurrence of a part again; in a traced network the error of a sample occurs in every
entry, and remembering its derivative makes the Jacobian several times faster. Derivatives of functions are SymPy's.
"""

import sympy


def jacobian(field: sympy.Matrix, states: tuple[sympy.Symbol, ...]) -> sympy.Matrix:
    """Jᵢⱼ = ∂Fᵢ/∂xⱼ, without delta functions: at a jump of the field the derivative is that of one side."""
    columns = []
    for state in states:
        known: dict[sympy.Basic, sympy.Expr] = {state: sympy.S.One}
        columns.append([_derivative(entry, state, known) for entry in field])
    matrix = sympy.Matrix(columns).T
    return matrix.replace(sympy.DiracDelta, lambda *_: sympy.S.Zero) if matrix.has(sympy.DiracDelta) else matrix


def _derivative(e: sympy.Expr, state: sympy.Symbol, known: dict[sympy.Basic, sympy.Expr]) -> sympy.Expr:
    if e not in known:
        known[e] = _by_rule(e, state, known)
    return known[e]


def _by_rule(e: sympy.Expr, state: sympy.Symbol, known: dict[sympy.Basic, sympy.Expr]) -> sympy.Expr:
    if e.is_Atom:
        return sympy.nan if e is sympy.nan or e.is_infinite else sympy.S.Zero
    if isinstance(e, sympy.Piecewise):
        return sympy.Piecewise(*((_derivative(value, state, known), condition) for value, condition in e.args))
    if not (e.is_Add or e.is_Mul or e.is_Function or (e.is_Pow and e.exp.is_number)):
        return sympy.diff(e, state)
    inner = [_derivative(arg, state, known) for arg in e.args]
    if e.is_Add:
        return sympy.Add(*inner)
    if e.is_Mul:
        terms = [(i, d) for i, d in enumerate(inner) if d != 0]
        return sympy.Add(*(sympy.Mul(*e.args[:i], d, *e.args[i + 1 :]) for i, d in terms))
    if e.is_Pow:
        return e.exp * e.base ** (e.exp - 1) * inner[0] if inner[0] != 0 else sympy.S.Zero
    return sympy.Add(*(e.fdiff(i) * d for i, d in enumerate(inner, start=1) if d != 0))
