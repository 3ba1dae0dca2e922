"""What a measure declares about each number it yields: dimensions, units and a name to print."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import numpy as np

ERRORS = ("_se", "_lower", "_upper", "_error")
"""The ends of the names of what says how uncertain a number is: its standard error, the ends of its interval, or a
bound of its error. A dataset links them to the number, which is named before."""
EXACT = "exact up to rounding"
"""The uncertainty of what follows from its arguments without any sampling."""
SOLVER = "of one run, exact up to the errors of its solver"
"""The uncertainty of what one run has shown; that of others is their scatter."""
SINGLE = "one of many values, whose scatter is the error of their mean"
"""The uncertainty of what averages are made from."""
CHECK = "a check of other numbers, which has no error of its own"
"""The uncertainty of what says how far to trust other numbers."""

GIVEN = "a function of the user's of one run, exact up to the errors of its solver"
"""The uncertainty of observables."""


@dataclass(frozen=True)
class Variable:
    """One labelled output.

    **Arguments:**

    - `name`: the name in the dataset.
    - `dims`: names of the dimensions, in order.
    - `long_name`: one phrase for axes and tables.
    - `units`: CF units; `"1"` for numbers without units (time in these models has none).
    - `attributes`: further CF attributes, such as `ancillary_variables`.
    - `uncertainty`: why no variable holds its error, in a phrase; empty where one does, see `ERRORS`.
    """

    name: str
    dims: tuple[str, ...]
    long_name: str
    units: str = "1"
    attributes: Mapping[str, Any] = field(default_factory=dict)
    uncertainty: str = ""

    def described(self, others: Iterable[str]) -> dict[str, Any]:
        """Its attributes in a dataset with these `others`, to which it is linked where they hold its error."""
        names = {self.name + end for end in ERRORS} & set(others)
        linked = [*str(self.attributes.get("ancillary_variables", "")).split(), *sorted(names)]
        further = {"ancillary_variables": " ".join(dict.fromkeys(linked)), "uncertainty": self.uncertainty}
        own = {"long_name": self.long_name, "units": self.units, **self.attributes}
        return own | {name: text for name, text in further.items() if text}


def flag_variable(name: str, dims: tuple[str, ...], long_name: str, flags: type[IntEnum]) -> Variable:
    """The declaration of a byte whose values are those of an enumeration."""
    values = np.array([flag.value for flag in flags], dtype=np.int8)
    meanings = " ".join(flag.name for flag in flags)
    return Variable(name, dims, long_name, attributes={"flag_values": values, "flag_meanings": meanings})
