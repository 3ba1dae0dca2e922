"""A learning rule on a plane through weight space, split into gradient, curl and harmonic part."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import xarray as xr

from ...measures import helmholtz
from ...measures.helmholtz import CELLS, NODES, Rectangle, edge_integrals, helmholtz_hodge, in_cells
from ...measures.jacobian_parts import NOISE, Plane
from ...measures.surfaces import FlatPlane, components, evaluated, norm, value
from ...spec import Spec
from ...systems import AbstractSystem, Flow, Map
from ...systems.flat import OnConstraint
from ...variable import EXACT, Variable
from ..arguments import Function, Graph, Rule, check, study, whole
from ..assemble import assembled
from ..points import point_at
from ..subject import Subject
from .directions import RESOLVED, Directions, check_directions, described, length, plane
from .flat_fields import WITHOUT_VELOCITY, FlatField

VARIABLES = (
    *helmholtz.VARIABLES,
    Variable(
        "loss", CELLS, "training error, half the mean squared error; or the loss that was given", uncertainty=EXACT
    ),
    Variable("direction", ("component", "weight"), "orthonormal directions of the plane", uncertainty=EXACT),
    Variable("centre", ("weight",), "centre of the plane", uncertainty=EXACT),
)


@study
def plane_decomposition(
    spec_or_system: Spec | AbstractSystem,
    *,
    at: Literal["start", "solution", "origin"] | Any = "start",
    directions: Directions | None = None,
    extent: float | Sequence[float] | np.ndarray = 1.0,
    grid: int | Sequence[int] | np.ndarray = 48,
    realization: whole(0, 2**32 - 1) = 0,  # streams of random numbers are told apart by 32 bits
    rule: Rule = None,
    graph: Graph = None,
    loss: Function | None = None,
) -> xr.Dataset:
    """A learning rule on a plane through weight space: its gradient, curl and harmonic parts on a grid.

    ```python
    ds = curlflow.plane_decomposition(curlflow.preset("fig1"), at="origin", extent=2)
    curlflow.plot.decomposition(ds)
    ```

    **Returns:** a dataset over `first` and `second`, coordinates of the centres of the cells along the two directions
    (units of weight, 0 at the centre), and `component`: `field`, the components of the velocity in the plane, and
    `gradient_part`, `curl_part` and `harmonic_part`, whose sum it is; `stream_function` ψ in the cells, and
    `gradient_potential` φ and `harmonic_potential` χ on the nodes (`first_node`, `second_node`); `curl`, its mean
    over each cell; `loss`; the shares of the parts in the energy ∫|F|², `gradient_share`, `curl_share` and
    `harmonic_share`; `direction` and `centre` in weight space.

    **Arguments:**

    - `spec_or_system`: a `curlflow.Spec`, a `Flow` or a `Map`, as `curlflow.decomposition` takes them.
    - `at`: the centre of the plane, as `curlflow.decomposition` takes it, but no dataset.
    - `directions`: as `curlflow.decomposition` takes them; `ds.direction` of an earlier call gives its plane again.
    - `extent`: half the width of the rectangle in units of weight, or two numbers, one for each direction. Its cells
      must be wider than 10⁻¹² of the largest weight.
    - `grid`: the number of cells along each direction, at least 2, or two numbers.
    - `realization`: of the spec; any number from 0, also beyond its `realizations`.
    - `rule`: a rule object of your own in place of the spec's.
    - `graph`: a `networkx.DiGraph` of the spec's widths: which synapses there are, and their signs; docs/graphs.md.
    - `loss`: for a system of your own, a function of the state; for a spec it is the training error.

    **Description:** F = ∇φ + rot ψ + h with φ = ψ = 0 on the boundary and h free of divergence and curl. The parts
    are unique, orthogonal and add up. ∇φ + h is the largest curl-free part: a rule that is a gradient has no curl
    part, and −(φ + χ) is then the function it descends, up to a constant. What the rectangle alone cannot tell apart
    is harmonic: of a pure rotation on a square 84 % of the energy are curl part and 16 % harmonic. Components that
    leave the plane are not seen. `field` is the mean over two edges of a cell and agrees with the velocity in its
    middle to second order in the spacing. Under a constraint with retraction R the plane becomes the surface
    w = R(centre + p₁u + p₂v), and the components are F · ∂w/∂p₁ and F · ∂w/∂p₂, so that a gradient on the constraint
    has no curl part either. Integrals along edges are exact for linear units without a constraint; for smooth fields
    their error is of tenth order in the spacing. With relu the field jumps, and the error of the edges that meet a
    jump leaves a gradient a small curl part that vanishes with the spacing only. Shares are NaN where the constraint
    leaves nothing but rounding.

    **Raises:** `ValueError` for arguments out of range, and where the velocity is not finite on the rectangle.

    **Sources:** `curlflow.measures.helmholtz`; docs/model.md, section on gradient and curl parts.
    """
    subject = Subject.of(spec_or_system, rule=rule, graph=graph, systems=(Flow, Map), others=WITHOUT_VELOCITY)
    half_widths = tuple(length("extent", a) for a in _pair("extent", extent))
    cells = tuple(check("grid", n, whole(2)) for n in _pair("grid", grid))
    if realization and not subject.learning:
        raise ValueError(f"realization: got {realization}, but a system has one only; leave it out.")
    field = FlatField.of(subject, loss, realization)
    if field.size < 2:
        raise ValueError("spec_or_system: it has one weight or state variable, and a plane needs two.")
    check_directions(directions, field)
    centre = field.flat(point_at(field.problem or field.flow, at))
    if min(2 * a / n for a, n in zip(half_widths, cells, strict=True)) < RESOLVED * np.abs(centre).max():
        raise ValueError(
            f"extent: got {extent!r}, whose cells are narrower than the digits of the weights; make it larger."
        )
    field = field.through(centre)
    across, rectangle = plane(directions, field, centre), Rectangle.centred(half_widths, cells)
    numbers = _measured(field, centre, across, rectangle) | {"direction": across, "centre": centre}
    labels = {"at": at if isinstance(at, str) else "weights", "directions": described(directions)}
    settings = {"extent": half_widths, "grid": cells, "realization": realization} | labels
    boundary = "gradient part normal, curl part parallel to the boundary of the rectangle"
    attributes = subject.attributes | labels | {"boundary": boundary}
    names, texts = (*CELLS, *NODES), ("weight along the first direction", "weight along the second direction")
    axes = zip(names, (*rectangle.centres, rectangle.x, rectangle.y), texts * 2, strict=True)
    coordinates = {name: ((name,), values, text) for name, values, text in axes}
    coordinates["component"] = (("component",), ["first", "second"], "direction of the plane")
    return assembled("plane_decomposition", VARIABLES, [numbers], coordinates, settings, attributes, along={})


def _pair(name: str, value: Any) -> tuple[Any, Any]:
    """One value for both directions, or a pair."""
    if isinstance(value, str) or not hasattr(value, "__len__") or getattr(value, "ndim", 1) == 0:
        return value, value
    if len(value) != 2:
        raise ValueError(f"{name}: got {value!r}, allowed are one number or two.")
    return tuple(value)


def _measured(field: FlatField, centre: np.ndarray, across: Plane, grid: Rectangle) -> dict[str, np.ndarray]:
    """The parts and, if there is one, the loss in the cells."""
    surface, velocity = OnConstraint(FlatPlane(centre, across), field.flow), field.velocity()

    def in_the_plane(x, y):
        found = evaluated(components, velocity, surface, x, y)
        if not np.isfinite(found).all():
            where = " (the norm constraint is not defined where a layer has no weights)" if field.has_spheres else ""
            raise ValueError(
                f"extent: the velocity is not finite everywhere on the rectangle; move or shrink it{where}."
            )
        return found[..., 0], found[..., 1]

    parts = helmholtz_hodge(edge_integrals(in_the_plane, grid), grid)
    mesh = np.meshgrid(*grid.centres, indexing="ij")
    least = 0.0
    if field.is_projected:
        sizes = evaluated(norm, field.vector_field(), surface, *mesh)
        least = NOISE**2 * float(np.sum(sizes**2) * np.prod(grid.spacing))
    losses = {} if field.loss is None else {"loss": evaluated(value, field.loss, surface, *mesh)[..., 0]}
    return in_cells(parts, grid, least) | losses
