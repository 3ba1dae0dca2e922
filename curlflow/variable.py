"""What a measure declares about each number it yields: dimensions, units and a name to print."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import numpy as np


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


def flag_variable(name: str, dims: tuple[str, ...], long_name: str, flags: type[IntEnum]) -> Variable:
    """The declaration of a byte whose values are those of an enumeration."""
    values = np.array([flag.value for flag in flags], dtype=np.int8)
    meanings = " ".join(flag.name for flag in flags)
    return Variable(name, dims, long_name, attributes={"flag_values": values, "flag_meanings": meanings})
