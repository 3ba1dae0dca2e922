"""The dataset of `curlflow.plane_decomposition`."""

from typing import Any

import numpy as np
import xarray as xr

from ... import results
from ...measures.helmholtz import Edges, HelmholtzHodge, Rectangle
from ...variable import Variable
from .dataset import described, device

CELLS, NODES = ("first", "second"), ("first_node", "second_node")
VECTOR = ("component", *CELLS)
VARIABLES = (
    Variable("field", VECTOR, "velocity in the plane, mean over the edges of a cell"),
    Variable("gradient_part", VECTOR, "gradient part: ∇φ with φ = 0 on the boundary"),
    Variable("curl_part", VECTOR, "curl part: rot ψ with ψ = 0 on the boundary"),
    Variable("harmonic_part", VECTOR, "harmonic part: free of divergence and curl"),
    Variable("stream_function", CELLS, "stream function ψ of the curl part, zero on the boundary"),
    Variable("gradient_potential", NODES, "potential φ of the gradient part, zero on the boundary"),
    Variable("harmonic_potential", NODES, "potential χ of the harmonic part, of mean zero"),
    Variable("curl", CELLS, "curl in the plane, mean over a cell"),
    Variable("loss", CELLS, "training error, half the mean squared error; or the loss that was given"),
    Variable("gradient_share", (), "share of the gradient part in the energy ∫|F|² of the velocity in the plane"),
    Variable("curl_share", (), "share of the curl part in the energy"),
    Variable("harmonic_share", (), "share of the harmonic part in the energy"),
    Variable("direction", ("component", "weight"), "orthonormal directions of the plane"),
    Variable("centre", ("weight",), "centre of the plane"),
)


def plane_dataset(
    parts: HelmholtzHodge,
    grid: Rectangle,
    losses: np.ndarray | None,
    least: float,
    centre: np.ndarray,
    across: np.ndarray,
    settings: dict[str, Any],
    subject: dict[str, str],
) -> xr.Dataset:
    """The labelled parts, their potentials and shares; no shares of an energy of `least` or less."""
    vectors = {f"{name}_part": grid.at_centres(getattr(parts, name)) for name in ("gradient", "curl", "harmonic")}
    field = Edges(*(sum(arrays) for arrays in zip(parts.gradient, parts.curl, parts.harmonic, strict=True)))
    data = {
        "field": grid.at_centres(field),
        **vectors,
        "stream_function": parts.stream_function,
        "gradient_potential": parts.gradient_potential,
        "harmonic_potential": parts.harmonic_potential,
        "curl": grid.circulation(field) / np.prod(grid.spacing),
        **_shares(parts, field, grid, least),
        "direction": across,
        "centre": centre,
    }
    if losses is not None:
        data["loss"] = losses
    cells, nodes = grid.centres, (grid.x, grid.y)
    texts = ("weight along the first direction", "weight along the second direction")
    coordinates: dict[str, Any] = {
        name: ((name,), values, text)
        for names, arrays in ((CELLS, cells), (NODES, nodes))
        for name, values, text in zip(names, arrays, texts, strict=True)
    }
    coordinates["component"] = (("component",), ["first", "second"], "direction of the plane")
    named = settings | {"directions": described(settings["directions"])}
    attributes = {
        **results.provenance("plane_decomposition", named, device()),
        **subject,
        "at": settings["at"],
        "directions": named["directions"],
        "boundary": "gradient part normal, curl part parallel to the boundary of the rectangle",
    }
    return results.labelled(VARIABLES, data, coordinates, attributes)


def _shares(parts: HelmholtzHodge, field: Edges, grid: Rectangle, least: float) -> dict[str, float]:
    """⟨part, part⟩ / ⟨F, F⟩ over the edges; NaN for a field that vanishes up to rounding."""
    energy = grid.inner(field, field)
    return {
        f"{name}_share": grid.inner(part, part) / energy if energy > least else np.nan
        for name, part in zip(("gradient", "curl", "harmonic"), parts[:3], strict=True)
    }
