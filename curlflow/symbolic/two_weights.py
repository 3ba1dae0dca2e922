"""The two-weight model ŷ = w2 w1 x, derived from the learning rule: equation (6) of docs/model.md.

Nothing here is typed in. The velocity of `Gradient` or `SignFlipped` on a network with one input, one hidden unit and
one output is traced, with the variance σ² of the input, the teacher v and the signs d1, d2 as symbols:

    dw1/dt = −d1 σ² e w2,    dw2/dt = −d2 σ² e w1,    e = w2 w1 − v,

and conserved quantities, fixed points and their linearisation follow by algebra. We take v > 0; the case v < 0 is its
mirror image under w1 → −w1, v → −v. Source: Ninou, Kadmon & Cayco-Gajic, arXiv:2510.02765, figure 1.
"""

import dataclasses
from dataclasses import dataclass

import numpy as np
import sympy

from ..constraints import Free
from ..networks import Feedforward
from ..rules import Gradient, SignFlipped
from ..systems.learning import learning_flow
from ..tasks import SecondMoments
from .field import SymbolicField
from .tracing import symbolic_field

SIGNS = {"none": (1, 1), "input": (-1, 1), "hidden": (1, -1), "both": (-1, -1)}
"""d1 and d2 for what is flipped: nothing, the input's synapse w1, the hidden unit's synapse w2, or both."""


@dataclass(frozen=True)
class TwoWeightModel:
    """What is known of the two-weight model, as `two_weight_model` derives it.

    **Attributes:**

    - `field`: the `SymbolicField` with the states w1, w2 and the parameters σ, v.
    - `conserved`: the quantity C(w1, w2) that the flow conserves.
    - `fixed_points`: the origin, and the hyperbola w1 w2 = v with one weight free.
    - `manifold_eigenvalues`: of the Jacobian on the hyperbola, as functions of w1 and w2: along it, and across it.
    - `origin`: (eigenvalue, direction) of the Jacobian at the origin.
    - `stability_changes`: points of the hyperbola where the second eigenvalue changes its sign.
    - `separatrices`: level sets of C that divide flows of different kinds: through the origin where it is a saddle,
      and those that touch the hyperbola.
    """

    field: SymbolicField
    conserved: sympy.Expr
    fixed_points: tuple[dict[sympy.Symbol, sympy.Expr], ...]
    manifold_eigenvalues: tuple[sympy.Expr, sympy.Expr]
    origin: tuple[tuple[sympy.Expr, tuple[sympy.Expr, sympy.Expr]], ...]
    stability_changes: tuple[tuple[sympy.Expr, sympy.Expr], ...]
    separatrices: tuple[sympy.Eq, ...]

    def solutions_through(self, w1: float, w2: float, v: float) -> list[tuple[float, float, bool]]:
        """The solutions that the level set of C through a point meets.

        **Returns:** (w1, w2, whether it attracts) for each, by increasing w1.

        **Arguments:**

        - `w1`, `w2`: the point, for example a start.
        - `v`: the teacher, a number that is not 0.

        **Raises:** `ValueError` for v = 0.
        """
        if v == 0 or not np.isfinite([w1, w2, v]).all():
            raise ValueError(f"v: got {v!r} with w1 = {w1!r} and w2 = {w2!r}; allowed are finite numbers, v not 0.")
        mirror = 1 if v > 0 else -1
        x, y = self.field.states
        sigma, teacher = self.field.parameters
        level = self.conserved.subs({x: mirror * w1, y: w2})
        on_hyperbola = (self.conserved - level).subs(y, teacher / x).subs(teacher, abs(v))
        roots = sympy.Poly(sympy.numer(sympy.together(on_hyperbola)), x).nroots(n=15)
        real = sorted(mirror * float(root) for root in roots if root.is_real)
        across = sympy.lambdify((x, y), self.manifold_eigenvalues[1].subs(sigma, 1))
        return [(a, v / a, bool(across(a, v / a) < 0)) for a in real]


def two_weight_model(flipped: str = "none") -> TwoWeightModel:
    """Derive field, conserved quantity, fixed points, stability and separatrices of the two-weight model.

    ```python
    model = curlflow.symbolic.two_weight_model("hidden")
    print(model.conserved, model.manifold_eigenvalues)  # w1**2 + w2**2 (0, sigma**2*(w1**2 - w2**2))
    ```

    **Returns:** a `TwoWeightModel`.

    **Arguments:**

    - `flipped`: `"none"` (gradient descent), `"input"` (the synapse w1 learns with the other sign), `"hidden"`
      (w2 does), or `"both"`.

    **Raises:** `ValueError` for another name.
    """
    if flipped not in SIGNS:
        raise ValueError(f"flipped: got {flipped!r}, allowed are {', '.join(SIGNS)}.")
    field = _traced(SIGNS[flipped])
    w1, w2 = field.states
    _, v = field.parameters
    (conserved,) = field.conserved_quantities(2)
    points = tuple(sorted(field.fixed_points(), key=len, reverse=True))
    solved = field.jacobian.subs(v, w1 * w2)  # v = w1 w2 on the hyperbola
    along, across = sorted(map(sympy.factor, solved.eigenvals(multiple=True)), key=lambda value: not value.is_zero)
    origin = field.jacobian.subs({w1: 0, w2: 0}).eigenvects()
    return TwoWeightModel(
        field=field,
        conserved=conserved,
        fixed_points=points,
        manifold_eigenvalues=(along, across),
        origin=tuple((value, tuple(vectors[0])) for value, _, vectors in origin),
        stability_changes=_on_hyperbola(across, field),
        separatrices=_separatrices(field, conserved, [value for value, _, _ in origin]),
    )


def _traced(signs: tuple[int, int]) -> SymbolicField:
    """The velocity of the rule with σ and v as symbols."""
    one = np.ones((1, 1))
    rule = SignFlipped(Gradient(), [one, one])
    flow = learning_flow(Feedforward([one, one]), rule, SecondMoments(one, one), Free())
    names = {"gains1": "d1", "gains2": "d2", "teacher": "v"}
    field = symbolic_field(flow, parameters="symbols", names=names)
    d1, d2, covariance, teacher = field.parameters
    sigma, v = sympy.symbols("sigma v", positive=True)
    known = {d1: signs[0], d2: signs[1], covariance: sigma**2, teacher: v}
    return dataclasses.replace(
        field, parameters=(sigma, v), values={sigma: sympy.S.One, v: sympy.S.One}, field=field.field.subs(known)
    )


def _on_hyperbola(expression: sympy.Expr, field: SymbolicField) -> tuple[tuple[sympy.Expr, sympy.Expr], ...]:
    """Real zeros of `expression` on w1 w2 = v."""
    w1, w2 = field.states
    v = field.parameters[1]
    numerator = sympy.numer(sympy.together(expression.subs(w2, v / w1)))
    roots = [root for root in sympy.roots(sympy.Poly(numerator, w1)) if root.is_real]
    return tuple((root, sympy.simplify(v / root)) for root in roots)


def _separatrices(field: SymbolicField, conserved: sympy.Expr, origin: list[sympy.Expr]) -> tuple[sympy.Eq, ...]:
    """Level sets of C through a saddle at the origin, and those that touch the hyperbola."""
    w1, w2 = field.states
    v = field.parameters[1]
    saddle = any(value.is_positive for value in origin) and any(value.is_negative for value in origin)
    levels = {conserved.subs({w1: 0, w2: 0})} if saddle else set()
    hyperbola = w1 * w2 - v
    parallel = sympy.Matrix([conserved, hyperbola]).jacobian([w1, w2]).det()
    levels |= {
        sympy.simplify(conserved.subs({w1: a, w2: b}, simultaneous=True)) for a, b in _on_hyperbola(parallel, field)
    }
    return tuple(sympy.Eq(conserved, level) for level in sorted(levels, key=sympy.default_sort_key))
