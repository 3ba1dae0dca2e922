"""A learning rule on a plane through weight space, split into gradient, curl and harmonic part."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float

from ...measures.helmholtz import HelmholtzHodge, Rectangle, edge_integrals, helmholtz_hodge
from ...measures.jacobian_parts import NOISE
from ...spec import Spec
from ...systems import AbstractSystem
from ..arguments import Function, Graph, Rule, check, check_subject, study, whole
from ..subject import architecture_of, subject_attributes
from .directions import RESOLVED, Directions, check_directions, length, plane
from .flat_fields import FlatPlane, FlatVectorField, OnConstraint, Subject, point, subjects_of
from .plane_dataset import plane_dataset

POINTS = 4_096
"""Points of the plane in one compiled call; the last call is filled up, so that one program does for all grids."""
LAST_REALIZATION = 2**32 - 1
"""Streams of random numbers are told apart by 32 bits."""
TOGETHER = 16
"""Points under one `vmap`."""


@study
def plane_decomposition(
    spec_or_system: Spec | AbstractSystem,
    *,
    at: Literal["start", "solution", "origin"] | Any = "start",
    directions: Directions | None = None,
    extent: float | Sequence[float] | np.ndarray = 1.0,
    grid: int | Sequence[int] | np.ndarray = 48,
    realization: whole(0, LAST_REALIZATION) = 0,
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

    - `spec_or_system`: a `curlflow.Spec` or a `Flow`. For updates the velocity is that of the flow of the same rule.
    - `at`: the centre of the plane. It is as `curlflow.decomposition` takes it, but no dataset.
    - `directions`: of the plane. They are as `curlflow.decomposition` takes them; `ds.direction` of an earlier
      call gives its plane again.
    - `extent`: half the width of the rectangle in units of weight, or two numbers, one for each direction. Its cells
      must be wider than 10⁻¹² of the largest weight.
    - `grid`: the number of cells along each direction, at least 2, or two numbers.
    - `realization`: of the spec; any number from 0, also beyond its `realizations`.
    - `rule`: a rule object of your own in place of the spec's.
    - `graph`: a `networkx.DiGraph` of the spec's widths: which synapses there are, and their signs; docs/graphs.md.
    - `loss`: for a flow of your own, a function of the state; for a spec it is the training error.

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
    check_subject(spec_or_system, rule)
    half_widths = tuple(length("extent", a) for a in _pair("extent", extent))
    cells = tuple(check("grid", n, whole(2)) for n in _pair("grid", grid))
    architecture = architecture_of(spec_or_system, graph)
    if realization and not isinstance(spec_or_system, Spec):
        raise ValueError(f"realization: got {realization}, but a flow has one only; leave it out.")
    (subject,) = subjects_of(spec_or_system, rule, loss, architecture, realization)
    if subject.size < 2:
        raise ValueError("spec_or_system: it has one weight or state variable, and a plane needs two.")
    check_directions(directions, subject)
    centre = point(at, subject)
    if min(2 * a / n for a, n in zip(half_widths, cells, strict=True)) < RESOLVED * np.abs(centre).max():
        raise ValueError(
            f"extent: got {extent!r}, whose cells are narrower than the digits of the weights; make it larger."
        )
    subject = subject.through(centre)
    across = plane(directions, subject, centre)
    rectangle = Rectangle.centred(half_widths, cells)
    parts, losses, least = _measured(subject, centre, across, rectangle)
    settings = {"extent": half_widths, "grid": cells, "realization": realization}
    labels = {"at": at if isinstance(at, str) else "weights", "directions": directions}
    attributes = subject_attributes(spec_or_system, rule, architecture)
    return plane_dataset(parts, rectangle, losses, least, centre, across, settings | labels, attributes)


def _pair(name: str, value: Any) -> tuple[Any, Any]:
    """One value for both directions, or a pair."""
    if isinstance(value, str) or not hasattr(value, "__len__") or getattr(value, "ndim", 1) == 0:
        return value, value
    if len(value) != 2:
        raise ValueError(f"{name}: got {value!r}, allowed are one number or two.")
    return tuple(value)


def _measured(
    subject: Subject, centre: np.ndarray, across: np.ndarray, grid: Rectangle
) -> tuple[HelmholtzHodge, np.ndarray | None, float]:
    """The parts, the loss in the cells if there is one, and the energy below which the field is rounding."""
    surface = OnConstraint(FlatPlane(centre, across), subject.flow)
    mesh = np.meshgrid(*grid.centres, indexing="ij")

    bound = subject.has_spheres

    def field(x, y):
        components = _evaluated(_components, subject.velocity(), surface, x, y)
        if not np.isfinite(components).all():
            raise ValueError(
                "extent: the velocity is not finite everywhere on the rectangle; move or shrink it"
                + (" (the norm constraint is not defined where a layer has no weights)." if bound else ".")
            )
        return components[..., 0], components[..., 1]

    parts = helmholtz_hodge(edge_integrals(field, grid), grid)
    least = 0.0
    if subject.is_projected:
        sizes = _evaluated(_size, FlatVectorField(subject.flow, np.float64(0)), surface, *mesh)
        least = NOISE**2 * float(np.sum(sizes**2) * np.prod(grid.spacing))
    losses = None if subject.loss is None else _evaluated(_value, subject.loss, surface, *mesh)[..., 0]
    return parts, losses, least


def _components(field: Any, surface: Any, p: Any) -> Float[Array, " 2"]:
    """F · ∂w/∂p₁ and F · ∂w/∂p₂."""
    w, pull_back = jax.vjp(surface, p)
    return pull_back(field(w))[0]


def _value(function: Any, surface: Any, p: Any) -> Float[Array, " 1"]:
    return function(surface(p))[None]


def _size(field: Any, surface: Any, p: Any) -> Float[Array, " 1"]:
    return jnp.linalg.norm(field(surface(p)))[None]


def _evaluated(observe: Callable, function: Any, surface: Any, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """`observe` at all points with coordinates `x` and `y`; its numbers come along a last axis."""
    points = np.stack([np.ravel(x), np.ravel(y)], axis=1)
    results = []
    for start in range(0, len(points), POINTS):
        part = points[start : start + POINTS]
        padded = np.concatenate([part, np.zeros((POINTS - len(part), 2))])
        results.append(np.asarray(_on_surface(observe, function, surface, padded))[: len(part)])
    return np.concatenate(results).reshape(*np.shape(x), -1)


@eqx.filter_jit
def _on_surface(observe, function, surface, points):
    return jax.lax.map(lambda p: observe(function, surface, p), points, batch_size=TOGETHER)
