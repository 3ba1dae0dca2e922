"""The two-weight model ŷ = w2 w1 x, derived from the learning rule: equation (6) of docs/model.md.

Nothing here is typed in. The velocity of `Gradient` or `SignFlipped` on a network with one input, one hidden unit and
one output is traced, with the variance σ² of the input, the teacher v and the signs d1, d2 as symbols:

    dw1/dt = −d1 σ² e w2,    dw2/dt = −d2 σ² e w1,    e = w2 w1 − v,

and conserved quantities, fixed points and their linearisation follow by algebra. We take v > 0; the case v < 0 is its
mirror image under w1 → −w1, v → −v. Source: Ninou, Kadmon & Cayco-Gajic, arXiv:2510.02765, figure 1.
"""

import dataclasses
import sys
from typing import Any

import numpy as np
import sympy

from ..constraints import Free
from ..networks import Feedforward
from ..rules import Gradient, SignFlipped
from ..systems.learning import learning_flow
from ..tasks import SecondMoments
from .field import SymbolicField
from .tracing import symbolic_field

SIGNS = {"none": (1, 1), "input": (-1, 1), "hidden": (1, -1), "both": (-1, -1)}  # d1 and d2


@dataclasses.dataclass(frozen=True)
class TwoWeightModel:
    """What is known of the two-weight model, as `two_weight_model` derives it.

    **Attributes:**

    - `field`: the `SymbolicField` with the states w1, w2 and the parameters σ, v.
    - `conserved`: the quantity C(w1, w2) that the flow conserves.
    - `fixed_points`: the origin, and the hyperbola w1 w2 = v with one weight free.
    - `manifold_eigenvalues`: of the Jacobian on the hyperbola, as functions of w1 and w2: along it, and across it.
    - `origin`: (eigenvalue, direction) of the Jacobian at the origin.
    - `stability_changes`: points of the hyperbola where the second eigenvalue changes its sign.
    - `separatrices`: level sets of C through the origin where it is a saddle, and those that touch the hyperbola.
    """

    field: SymbolicField
    conserved: sympy.Expr
    fixed_points: tuple[dict[sympy.Symbol, sympy.Expr], ...]
    manifold_eigenvalues: tuple[sympy.Expr, sympy.Expr]
    origin: tuple[tuple[sympy.Expr, tuple[sympy.Expr, sympy.Expr]], ...]
    stability_changes: tuple[tuple[sympy.Expr, sympy.Expr], ...]
    separatrices: tuple[sympy.Eq, ...]

    def solutions_through(self, w1: Any, w2: Any, v: Any) -> list[tuple[float, float, bool]]:
        """The solutions that the level set of C through a point meets.

        **Returns:** (w1, w2, whether it attracts) for each, by increasing w1. Where the level set touches the
        hyperbola, the point is given once and does not attract: the flow leaves it on one side.

        **Arguments:** `w1` and `w2`, the point, for example a start; `v`, the teacher, a number that is not 0.

        **Description:** on w1 w2 = v the level set of C = w1² ± w2² is a quadratic equation in w1², with the roots
        C/2 ± √D, D = C²/4 ∓ v². A circle touches the hyperbola where |D| is within rounding, 1e-12 C²/4.

        **Raises:** `ValueError` for what is no finite number, and for v = 0.
        """
        w1, w2, v = (_number(name, value) for name, value in (("w1", w1), ("w2", w2), ("v", v)))
        if v == 0:
            raise ValueError("v: got 0, allowed are finite numbers that are not 0.")
        x, y = self.field.states
        kind = float(self.conserved.coeff(y, 2) / self.conserved.coeff(x, 2))  # C = w1² + kind · w2²
        scale = max(abs(w1), abs(w2), np.sqrt(abs(v)))
        half, product = ((w1 / scale) ** 2 + kind * (w2 / scale) ** 2) / 2, abs(v) / scale / scale
        touches = kind > 0 and abs(half - product) * (half + product) <= 1e-12 * half**2
        if kind > 0 and half < product and not touches:
            return []
        root = np.hypot(half, product) if kind < 0 else np.sqrt(max((half - product) * (half + product), 0.0))
        # The smaller root is v over the larger one: no difference of nearly equal numbers.
        larger = float(np.sqrt(product if touches else abs(half) + root) * scale)
        ends = [larger, -larger]
        points = [(a, v / a) for a in ends] if kind > 0 or half >= 0 else []
        points += [(v / a, a) for a in ends] if (kind > 0 and not touches) or half < 0 else []
        across = sympy.lambdify((x, y), self.manifold_eigenvalues[1].subs(self.field.parameters[0], 1))
        return [(a, b, not touches and bool(across(a / larger, b / larger) < 0)) for a, b in sorted(points)]


def _number(name: str, value: Any) -> float:
    scalar = np.asarray(value).item() if hasattr(value, "__array__") and np.ndim(value) == 0 else value
    if isinstance(scalar, bool) or not isinstance(scalar, int | float) or not abs(scalar) <= sys.float_info.max:
        raise ValueError(f"{name}: got {value!r}, allowed are finite numbers.")
    return float(scalar)


def two_weight_model(flipped: Any = "none") -> TwoWeightModel:
    """Derive field, conserved quantity, fixed points, stability and separatrices of the two-weight model.

    ```python
    model = curlflow.symbolic.two_weight_model("hidden")
    print(model.conserved, model.manifold_eigenvalues)  # w1**2 + w2**2 (0, sigma**2*(w1**2 - w2**2))
    ```

    **Returns:** a `TwoWeightModel`.

    **Arguments:** `flipped`, which synapse learns with the other sign: `"none"` (gradient descent), `"input"` (w1),
    `"hidden"` (w2) or `"both"`.

    **Raises:** `ValueError` for another name.
    """
    if not isinstance(flipped, str) or flipped not in SIGNS:
        raise ValueError(f"flipped: got {flipped!r}, allowed are {', '.join(SIGNS)}.")
    field = _traced(SIGNS[flipped])
    (w1, w2), (_, v) = field.states, field.parameters
    (conserved,) = field.conserved_quantities(2)
    solved = field.jacobian.subs(v, w1 * w2)  # v = w1 w2 on the hyperbola
    along, across = sorted(map(sympy.factor, solved.eigenvals(multiple=True)), key=lambda value: not value.is_zero)
    origin = field.jacobian.subs({w1: 0, w2: 0}).eigenvects()
    # Level sets of C that divide flows of different kinds: through a saddle, and where they touch the hyperbola.
    saddle = any(value.is_positive for value, *_ in origin) and any(value.is_negative for value, *_ in origin)
    parallel = sympy.Matrix([conserved, w1 * w2 - v]).jacobian([w1, w2]).det()
    divides = [(sympy.S.Zero, sympy.S.Zero)] * saddle + list(_on_hyperbola(parallel, field))
    levels = {sympy.simplify(conserved.subs({w1: a, w2: b}, simultaneous=True)) for a, b in divides}
    return TwoWeightModel(
        field=field,
        conserved=conserved,
        fixed_points=tuple(sorted(field.fixed_points(), key=len, reverse=True)),
        manifold_eigenvalues=(along, across),
        origin=tuple((value, tuple(vectors[0])) for value, _, vectors in origin),
        stability_changes=_on_hyperbola(across, field),
        separatrices=tuple(sympy.Eq(conserved, level) for level in sorted(levels, key=sympy.default_sort_key)),
    )


def _traced(signs: tuple[int, int]) -> SymbolicField:
    """The velocity of the rule with σ and v as symbols."""
    one = np.ones((1, 1))
    rule = SignFlipped(Gradient(), [one, one])
    flow = learning_flow(Feedforward([one, one]), rule, SecondMoments(one, one), Free())
    field = symbolic_field(flow, parameters="symbols", names={"gains1": "d1", "gains2": "d2", "teacher": "v"})
    d1, d2, covariance, teacher = field.parameters
    sigma, v = sympy.symbols("sigma v", positive=True)
    known = {d1: signs[0], d2: signs[1], covariance: sigma**2, teacher: v}
    return dataclasses.replace(
        field, parameters=(sigma, v), values={sigma: sympy.S.One, v: sympy.S.One}, field=field.field.subs(known)
    )


def _on_hyperbola(expression: sympy.Expr, field: SymbolicField) -> tuple[tuple[sympy.Expr, sympy.Expr], ...]:
    """Real zeros of `expression` on w1 w2 = v."""
    (w1, w2), (_, v) = field.states, field.parameters
    numerator = sympy.numer(sympy.together(expression.subs(w2, v / w1)))
    roots = [root for root in sympy.roots(sympy.Poly(numerator, w1)) if root.is_real]
    return tuple((root, sympy.simplify(v / root)) for root in roots)
