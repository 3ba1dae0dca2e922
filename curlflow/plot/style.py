"""The one style of all pictures, applied to them and to nothing else."""

import contextlib
from collections.abc import Iterator
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr

STYLE = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": "medium",
    "axes.grid": True,
    "axes.prop_cycle": mpl.cycler(
        color=["#4c2a85", "#c8553d", "#2a7f8f", "#d9a441", "#6a994e", "#8d6b94", "#33658a"]
    ),
    "figure.constrained_layout.use": True,
    "figure.dpi": 120,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": "small",
    "lines.linewidth": 1.4,
    "savefig.dpi": 160,
}


@contextlib.contextmanager
def styled() -> Iterator[None]:
    """Draw in the style of curlflow, and leave the user's settings as they were."""
    with mpl.rc_context(STYLE):
        yield


def check_realization(dataset: xr.Dataset, realization: Any) -> None:
    """Refuse anything but the number of a realization of the dataset.

    **Raises:** `ValueError` for anything else, and for a dataset without realizations.
    """
    if "realization" not in dataset.dims:
        raise ValueError("dataset: it has no dimension realization; select one by [0:1], not by 0.")
    number = dataset.sizes["realization"]
    whole = isinstance(realization, int | np.integer) and not isinstance(realization, bool)
    if not whole or not 0 <= realization < number:
        raise ValueError(f"realization: got {realization!r}, allowed are 0 to {number - 1}.")


def needs(dataset: xr.Dataset, *names: str) -> None:
    """Refuse a dataset that lacks a variable.

    **Raises:** `ValueError` that names the missing variables and those of the dataset.
    """
    if not isinstance(dataset, xr.Dataset):
        raise ValueError(f"dataset: got {type(dataset).__name__}, required is an xarray.Dataset.")
    missing = [name for name in names if name not in dataset.variables]
    if missing:
        raise ValueError(
            f"dataset: {', '.join(missing)} required for this picture, but it has {', '.join(dataset.data_vars)}."
        )
