"""What a measure declares about each number it yields: dimensions, units and a name to print."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Variable:
    """One labelled output.

    **Arguments:**

    - `name`: the name in the dataset.
    - `dims`: names of the dimensions, in order.
    - `long_name`: one phrase for axes and tables.
    - `units`: CF units; `"1"` for numbers without units (time in these models has none).
    - `attributes`: further CF attributes, such as `ancillary_variables`.
    """

    name: str
    dims: tuple[str, ...]
    long_name: str
    units: str = "1"
    attributes: Mapping[str, Any] = field(default_factory=dict)
