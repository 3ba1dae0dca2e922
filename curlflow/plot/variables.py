"""The picture of a dataset that has none of its own: its variables one by one."""

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from ..catalogue import named
from .style import needs, styled


def numbers(dataset: xr.Dataset) -> Figure:
    """Draw the variables that the catalogue names for the study of a dataset, each in a panel.

    Along a time, epochs or iterations every realization is a line; numbers without such a dimension are points, with
    bars of two standard errors where there are any.

    **Raises:** `ValueError` for datasets of no study, and where there are no numbers.
    """
    needs(dataset)
    study = named(dataset.attrs.get("study", ""))
    columns = study.columns if study is not None and not isinstance(study.columns, str) else ()
    names = [n for n in columns if n in dataset and dataset[n].dtype.kind == "f" and not n.endswith("_se")]
    if not names:
        raise ValueError(f"dataset: it has no numbers that the catalogue names for {dataset.attrs.get('study')!r}.")
    with styled():
        figure, grid = plt.subplots(1, len(names), figsize=(3.4 * len(names), 2.8), squeeze=False)
        for name, axes in zip(names, grid[0], strict=True):
            along = next((d for d in ("time", "epoch", "iteration") if d in dataset[name].dims), None)
            values = dataset[name].transpose(*(() if along is None else (along,)), ...).to_numpy()
            if along is not None:
                axes.plot(dataset[along], values.reshape(len(values), -1))
            else:
                errors = 2 * dataset[f"{name}_se"].to_numpy().ravel() if f"{name}_se" in dataset else None
                axes.errorbar(np.arange(values.size), values.ravel(), errors, fmt="o", markersize=4)
            axes.set_xlabel(along or ", ".join(map(str, dataset[name].dims)))
            axes.set_title(name.replace("_", " "))
    return figure
