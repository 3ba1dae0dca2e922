"""`SymbolicField`: a vector field or a map as expressions, and what follows from them.

With the field F and the Jacobian Jᵢⱼ = ∂Fᵢ/∂xⱼ of equations (2) and (3) of docs/model.md, written out: F is the
gradient of some potential, in the Euclidean metric and on a space without holes, if and only if J = Jᵀ (the
integrability condition, after Poincaré). The antisymmetric part of J is the curl.
"""

import functools
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy

from .conserved import polynomial_integrals
from .exact import NUMERIC
from .potential import potential_of
from .vanishing import Generators, not_finite, vanishes


@dataclass(frozen=True)
class SymbolicField:
    """The right-hand side of dx/dt = F(t, x) or of xᵢ₊₁ = F(i, xᵢ), as `symbolic_field` makes it.

    **Attributes:**

    - `kind`: `"flow"` or `"map"`.
    - `states`: the symbols of the state, leaf by leaf, row by row.
    - `parameters`: the symbols of parameters, and `values` their numbers.
    - `time`: the symbol of time t, or of the index i of the iteration.
    - `field`: F, a matrix of one column. Its numbers are exact.
    """

    kind: str
    states: tuple[sympy.Symbol, ...]
    parameters: tuple[sympy.Symbol, ...]
    values: dict[sympy.Symbol, sympy.Expr]
    time: sympy.Symbol
    field: sympy.Matrix

    @functools.cached_property
    def jacobian(self) -> sympy.Matrix:
        """J, with Jᵢⱼ = ∂Fᵢ/∂xⱼ. At a jump of the field it is that of one side, as in automatic differentiation."""
        matrix = sympy.Matrix([list(map(_partial(state), self.field)) for state in self.states]).T
        return matrix.replace(sympy.DiracDelta, lambda *_: sympy.S.Zero) if matrix.has(sympy.DiracDelta) else matrix

    @property
    def divergence(self) -> sympy.Expr:
        """tr J."""
        return self.jacobian.trace()

    @functools.cached_property
    def curl(self) -> sympy.Matrix:
        """J − Jᵀ, with zeros where an entry is zero identically."""
        raw = self.jacobian - self.jacobian.T
        generators = Generators()
        return raw.applyfunc(lambda entry: sympy.S.Zero if vanishes(entry, generators) else entry)

    @functools.cached_property
    def is_gradient(self) -> bool | None:
        """Whether J = Jᵀ everywhere: True if it was proved, False if it was refuted, None if neither.

        Where numbers that are not finite occur in F, in a case of `jnp.where` say, nothing is proved.
        """
        raw = self.jacobian - self.jacobian.T
        generators = Generators()
        verdict = None if any(map(not_finite, self.field)) else True
        for i, j in itertools.combinations(range(len(self.states)), 2):
            zero = vanishes(raw[i, j], generators)
            if zero is False:
                return False
            verdict = verdict and zero
        return verdict

    def potential(self) -> sympy.Expr:
        """V with F = −∇V, up to a constant.

        **Returns:** an expression in functions of SymPy, `logistic` and `step`. That −∇V = F was proved; at a jump
        of F that V is continuous was not.

        **Raises:** `ValueError` where F is no gradient, or no closed form was found.
        """
        if self.is_gradient is False:
            raise ValueError("system: its Jacobian is not symmetric, so that there is no potential.")
        return potential_of(self.field, self.states)

    def fixed_points(self) -> list[dict[sympy.Symbol, sympy.Expr]]:
        """The solutions of F = 0, or for a map of F(x) = x, as SymPy finds them.

        **Returns:** a dictionary for each solution. Symbols that are missing are free: it is a curve or a manifold.

        **Raises:** `ValueError` where SymPy finds no closed form.
        """
        equations = self.field - sympy.Matrix(self.states) if self.kind == "map" else self.field
        try:
            found = sympy.solve(list(equations), self.states, dict=True)
        except NotImplementedError:
            raise ValueError("system: SymPy finds no closed form of its fixed points.") from None
        return [point for point in found if all(value.is_real is not False for value in point.values())]

    def conserved_quantities(self, degree: int = 2) -> list[sympy.Expr]:
        """Polynomials C(x) that are constant along the dynamics.

        **Returns:** polynomials of which all polynomial first integrals up to `degree` are made by sums and products;
        none is made from those before it.

        **Description:** ∇C · F = 0 (C(F(x)) = C(x) for a map) is linear in the coefficients of C. Functions such as
        tanh in F count as independent of the state and of each other: what is found is conserved, and where they are
        not independent something may be missed. With symbols as parameters, C is conserved for all their values.

        **Raises:** `ValueError` for a degree that is not a positive whole number, or too many monomials.
        """
        if isinstance(degree, bool) or not isinstance(degree, int) or degree < 1:
            raise ValueError(f"degree: got {degree!r}, allowed are whole numbers from 1.")
        return polynomial_integrals(self.field, self.states, self.time, degree, self.kind)

    def lambdify(self, what: str = "field") -> Callable[..., np.ndarray]:
        """A numeric function of (t, x) or (t, x, parameters).

        **Returns:** a function that takes the time, the state in the order of `states` (its first axis; further axes
        are points of a grid) and, optionally, numbers in place of `values`; it returns an array.

        **Arguments:** `what`, one of `"field"`, `"jacobian"` and `"divergence"`.

        **Raises:** `ValueError` for another name; the function, for arguments of other shapes and for no numbers.
        """
        if what not in ("field", "jacobian", "divergence"):
            raise ValueError(f"what: got {what!r}, allowed are field, jacobian, divergence.")
        matrix = sympy.Matrix([getattr(self, what)])
        arguments = (self.time, self.states, self.parameters)
        compiled = sympy.lambdify(arguments, list(matrix), modules=NUMERIC, cse=True, dummify=True)
        defaults = [float(self.values[p]) for p in self.parameters]
        known = ", ".join(map(str, self.parameters)) or "none"
        shape = {"field": (len(self.states),), "jacobian": matrix.shape, "divergence": ()}[what]

        def numeric(t: Any, x: Any, parameters: Any = None) -> np.ndarray:
            time, x = _numbers("t", t), _numbers("x", x)
            if x.shape[:1] != (len(self.states),):
                raise ValueError(f"x: got shape {x.shape}, the first axis must have length {len(self.states)}.")
            if isinstance(parameters, Mapping):
                raise ValueError(f"parameters: got {parameters!r}, required are {len(defaults)} in a list ({known}).")
            given = _numbers("parameters", defaults if parameters is None else parameters)
            if given.shape != (len(defaults),):
                got = given.size if given.ndim == 1 else f"shape {given.shape}"
                raise ValueError(f"parameters: got {got}, required are {len(defaults)} ({known}).")
            values = compiled(time[()], tuple(x), tuple(given))
            return np.stack([np.broadcast_to(v, x.shape[1:]) for v in values]).reshape((*shape, *x.shape[1:]))

        return numeric

    def __str__(self) -> str:
        """One line for each state, long fractions as decimals."""
        line = "d{}/dt = {}" if self.kind == "flow" else "{} → {}"
        return "\n".join(line.format(x, readable(f)) for x, f in zip(self.states, self.field, strict=True))


def _partial(state: sympy.Symbol) -> Callable[[sympy.Expr], sympy.Expr]:
    """∂/∂x by the chain rule. Unlike `sympy.diff` it differentiates once what occurs often: twenty times faster."""

    @functools.cache
    def derivative(e: sympy.Expr) -> sympy.Expr:
        if e.is_Atom:
            return sympy.nan if e is sympy.nan or e.is_infinite else sympy.Integer(e == state)
        if isinstance(e, sympy.Piecewise):
            return sympy.Piecewise(*((derivative(value), condition) for value, condition in e.args))
        if not (e.is_Add or e.is_Mul or e.is_Function or (e.is_Pow and e.exp.is_number)):
            return sympy.diff(e, state)
        inner = [(i, d) for i, d in enumerate(map(derivative, e.args)) if d != 0]
        if e.is_Add:
            return sympy.Add(*(d for _, d in inner))
        if e.is_Mul:
            return sympy.Add(*(sympy.Mul(*e.args[:i], d, *e.args[i + 1 :]) for i, d in inner))
        if e.is_Pow:
            return sympy.Add(*(e.exp * e.base ** (e.exp - 1) * d for _, d in inner))
        return sympy.Add(*(e.fdiff(i + 1) * d for i, d in inner))

    return derivative


def _numbers(name: str, value: Any) -> np.ndarray:
    """`value` as float64; NaN and infinite numbers are computed with."""
    try:
        array = np.asarray(value)
    except ValueError:
        array = np.asarray(None)
    if isinstance(value, np.ma.MaskedArray) or array.dtype.kind not in "biuf":
        raise ValueError(f"{name}: got {value!r}, required are real numbers.")
    return array.astype(float)


def readable(expression: Any, digits: int = 6) -> Any:
    """`expression` with long fractions as decimals, to be printed and not to be computed with.

    **Returns:** an expression or matrix of the same form. Fractions are long where their denominator is over 1000.

    **Arguments:** `expression`, a SymPy expression or matrix, and `digits` of the decimals, a positive whole number.

    **Raises:** `ValueError` for anything else.
    """
    if not isinstance(expression, sympy.Basic | sympy.MatrixBase):
        raise ValueError(f"expression: got {expression!r}, required is a SymPy expression or matrix.")
    if isinstance(digits, bool) or not isinstance(digits, int) or digits < 1:
        raise ValueError(f"digits: got {digits!r}, allowed are whole numbers from 1.")
    long = [r for r in expression.atoms(sympy.Rational) if r.q > 1000]
    return expression.xreplace({r: sympy.Float(r, digits) for r in long})
