"""Windows of datasets whose weights or states were recorded: the same indicators, from arrays in memory."""

import reprlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float

from ...status import Status
from .dataset import Axes, Sampled
from .options import FluctuationOptions

WITHOUT_MEANING = {
    "interval": ("a dataset has its own", (None,)),
    "observables": ("the run of a dataset is over", (None,)),
    "rule": ("the run of a dataset is over", (None,)),
    "graph": ("the run of a dataset is over", (None,)),
    "compress": ("the run of a dataset is over", (True,)),
    "progress": ("a dataset is looked at in one go", (None, False)),
}
"""Arguments that go with specs and systems: why not with datasets, and what says nothing there."""


def sampled_windows(dataset: xr.Dataset, given: Mapping[str, Any]) -> tuple[list[Sampled], FluctuationOptions, Axes]:
    """What a dataset of `curlflow.simulate`, or one like it, shows of a window.

    **Raises:** `ValueError` for datasets without weights or states or with values that are no finite real numbers,
    and windows that are longer than the run, or that are not evenly sampled.
    """
    name = next((n for n in ("weights", "state") if n in dataset.data_vars), None)
    along = next((n for n in ("epoch", "iteration", "time") if name and n in dataset[name].dims), None)
    if along is None:
        raise ValueError(
            "dataset: required are weights or states along a run, as in curlflow.simulate(spec, weights=100), over "
            f"epoch, iteration or time; it has {', '.join(f'{n} {v.dims}' for n, v in dataset.data_vars.items())}."
        )
    values, places = _columns(dataset, dataset[name], along)
    times = _increasing(dataset[along], along)
    if along != "time" and (times % 1).any():
        raise ValueError(f"{along}: got {times[times % 1 > 0][0]:g}, required are whole numbers; or name it time.")
    statuses, per_unit = _statuses(dataset, len(values)), _per_unit(dataset, along, times)
    inside, start, interval = _inside(times, given["window"])
    values = _finite(name, values[:, inside], statuses)
    samples, columns = values.shape[1:]
    weights = columns if given["weights"] is None else given["weights"]
    options = FluctuationOptions.of_samples({**given, "weights": weights}, start, interval, samples, columns)
    chosen = options.chosen(columns)
    sampled = []
    for run, status in zip(values, statuses, strict=True):
        shifted = run - run[0]
        mean = shifted.mean(axis=0)
        variance = ((shifted - mean) ** 2).mean(axis=0)
        sampled.append(Sampled(status, run[0] + mean, variance, run[:, chosen], run[options.shown]))
    return sampled, options, Axes(along, per_unit, places[chosen], [])


def check_meaning(given: Mapping[str, Any]) -> None:
    """Refuse arguments that have no meaning for datasets."""
    for name, (why, nothing) in WITHOUT_MEANING.items():
        if not any(given[name] is value for value in nothing):
            value = f"{given[name]:g}" if name == "interval" else reprlib.repr(given[name])
            raise ValueError(f"{name}: got {value}; {why}, leave it out.")


def _columns(dataset: xr.Dataset, array: xr.DataArray, along: str) -> tuple[np.ndarray, np.ndarray]:
    """Realizations × times × weights or states, and the places of these among all."""
    if array.dtype.kind not in "biuf":
        instead = "; give real and imaginary parts as columns of their own" if array.dtype.kind == "c" else ""
        raise ValueError(f"{array.name}: got {array.dtype}, required are real numbers{instead}.")
    rest = [d for d in array.dims if d not in ("realization", along)]
    if len(rest) > 1 or array.size == 0:
        raise ValueError(
            f"{array.name}: got {dict(array.sizes)}, allowed are {along}, at most one dimension of weights or "
            "states, and realization, none of them empty; choose among others with isel or sel."
        )
    column = rest[0] if rest else "state_variable"
    array = array.expand_dims([d for d in ("realization", column) if d not in array.dims])
    values = array.transpose("realization", along, column).to_numpy().astype(float, copy=False)
    places = dataset[column].to_numpy() if column in dataset.coords else np.arange(values.shape[2])
    return values, places if places.dtype.kind in "iu" else np.arange(values.shape[2])


def _statuses(dataset: xr.Dataset, number: int) -> list[Status]:
    """How every realization ended; completed, where the dataset does not say."""
    if "status" not in dataset.variables:
        return [Status.completed] * number
    dims, values = dataset["status"].dims, dataset["status"].to_numpy()
    known = values.dtype.kind in "iuf" and np.isin(values, list(Status)).all()
    if not known or dims not in ((), ("realization",)):
        raise ValueError(
            f"status: got {reprlib.repr(values.tolist())} over {dims}, required is one of curlflow.Status, "
            f"{min(Status):d} to {max(Status):d}, for every realization; without status all are completed."
        )
    return [Status(int(one)) for one in np.broadcast_to(values, number)]


def _increasing(coordinate: xr.DataArray, along: str) -> Float[np.ndarray, " times"]:
    name, values = coordinate.name, coordinate.to_numpy()
    if coordinate.dims != (along,) or values.dtype.kind not in "iuf":
        raise ValueError(f"{name}: got {values.dtype} over {coordinate.dims}, required are numbers over {along}.")
    if unknown := int((~np.isfinite(values)).sum()):
        raise ValueError(f"{name}: {unknown} of its {values.size} values are not finite, required are times.")
    values = values.astype(float)
    wrong = np.flatnonzero(np.diff(values) <= 0)
    if wrong.size:
        raise ValueError(
            f"{name}: got {values[wrong[0]]:g} and then {values[wrong[0] + 1]:g}, required are values that increase."
        )
    return values


def _per_unit(dataset: xr.Dataset, along: str, times: np.ndarray) -> float:
    """Units of time in one unit along the run: one, where the dataset does not say."""
    if along == "time" or "time" not in dataset.variables:
        return 1.0
    time = _increasing(dataset["time"], along)
    return float((time[-1] - time[0]) / (times[-1] - times[0])) if times.size > 1 else 1.0


def _finite(name: str, values: np.ndarray, statuses: list[Status]) -> np.ndarray:
    """Values in the window, NaN for those of failed runs that are not finite; completed runs must have none such."""
    wrong = ~np.isfinite(values)
    for realization, (missing, status) in enumerate(zip(wrong, statuses, strict=True)):
        if missing.any() and status == Status.completed:
            raise ValueError(
                f"{name}: {int(missing.sum()):,} of {missing.size:,} values in the window, in "
                f"{int(missing.any(axis=0).sum())} of {missing.shape[1]} columns, are not finite in realization "
                f"{realization}, which is completed; leave these columns out, choose another window, or say by a "
                "variable status that the run failed."
            )
    values[wrong] = np.nan
    return values


def _inside(times: np.ndarray, window: Any) -> tuple[np.ndarray, float, float]:
    """Which records are in the window, when it begins, and how far they are apart."""
    inside = np.arange(times.size)
    if window is not None:
        start, stop = window
        if stop > times[-1] * (1 + 1e-12) or start < times[0]:
            raise ValueError(
                f"window: got {start:g} to {stop:g}, but the run was recorded from {times[0]:g} to {times[-1]:g}."
            )
        inside = np.flatnonzero((times > start * (1 + 1e-12)) & (times <= stop * (1 + 1e-12)))
    steps = np.diff(times[inside])
    if inside.size < 2:
        raise ValueError(f"window: {inside.size} records are in it, required are 2 or more.")
    if np.ptp(steps) > 1e-9 * steps.max():
        raise ValueError(
            f"window: its records are {steps.min():g} to {steps.max():g} apart, required are equal intervals; "
            "choose another window, or simulate with evenly spaced times."
        )
    apart = float(steps.mean())
    return inside, float(times[inside[0]]) - apart, apart
