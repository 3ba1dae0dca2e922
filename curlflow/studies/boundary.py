"""The phase boundary of random-matrix theory as a labelled dataset: `boundary`."""

import functools
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
import xarray as xr
from pydantic import PlainValidator

from .. import random_matrix, results
from ..random_matrix.boundary import VARIABLES
from ..random_matrix.checks import LAYERS, check_fraction, check_ratio
from .arguments import study

Numbers = float | Sequence[float] | np.ndarray
Fractions = Annotated[Numbers, PlainValidator(functools.partial(check_fraction, "inputs"))]


@study
def boundary(
    c: Numbers | None = None,
    *,
    layer: Literal["inputs", "hidden", "both"] = "both",
    inputs: Fractions | None = None,
) -> xr.Dataset:
    """Where the solution of a large linear network loses stability.

    ```python
    ds = curlflow.boundary()                                # both layers, c from 1e-3 to 1e2
    ds = curlflow.boundary([0.1, 1.0], inputs=[0.0, 0.1])   # flips in both layers at once
    curlflow.plot.boundary(ds)
    ```

    **Returns:** a dataset with `critical_fraction(layer, c)`: the smallest fraction of flips in that layer, with
    none in the other, at which the solution is unstable; NaN where it is stable for every fraction, 0 where
    unstable for every positive one. With `inputs` instead `critical_hidden_fraction(c, inputs_fraction)`, the
    smallest unstable fraction of hidden units while that fraction of the inputs is flipped as well.

    **Arguments:**

    - `c`: compression ratios M/N. Default: 500 values from 10⁻³ to 10², log-spaced.
    - `layer`: `"inputs"`, `"hidden"` or `"both"`, one after the other.
    - `inputs`: fractions of flipped inputs, for flips in both layers at once.

    **Raises:** `ValueError` for values out of range.

    **Sources:** docs/random_matrix.md; for single values and other numbers `curlflow.random_matrix`.
    """
    ratios = np.geomspace(1e-3, 1e2, 500) if c is None else _distinct("c", check_ratio(c))
    coordinates: dict[str, Any] = {"c": (("c",), ratios, "compression ratio, inputs per hidden unit")}
    settings = {"layer": layer, "c": _listed(ratios)}
    if inputs is None:
        layers = LAYERS if layer == "both" else (layer,)
        data = {"critical_fraction": np.stack([random_matrix.phase_boundary(ratios, name) for name in layers])}
        coordinates["layer"] = (("layer",), np.array(layers), "layer whose signs are flipped")
    else:
        if layer != "both":
            raise ValueError(f'layer: got {layer!r}; with inputs= both layers are flipped, leave it at "both".')
        fractions = _distinct("inputs", inputs)
        data = {"critical_hidden_fraction": random_matrix.phase_surface(ratios[:, None], fractions[None])}
        coordinates["inputs_fraction"] = (("inputs_fraction",), fractions, "fraction of flipped inputs")
        settings["inputs"] = _listed(fractions)
    attributes = results.provenance("boundary", settings, "none: theory, in double precision")
    return results.labelled(VARIABLES, data, coordinates, attributes)


def _distinct(name: str, values: np.ndarray) -> np.ndarray:
    """The values in increasing order, each once; at least one."""
    if values.size == 0:
        raise ValueError(f"{name}: got no numbers, at least one is required.")
    return np.unique(values)


def _listed(values: np.ndarray) -> list[float] | str:
    """All values if they are few, else how many there are and from where to where."""
    if values.size <= 50:
        return values.tolist()
    return f"{values.size} from {values[0]:g} to {values[-1]:g}, in the coordinates"
