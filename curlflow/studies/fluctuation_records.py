"""Windows of datasets whose weights or states were recorded: the same indicators, from arrays in memory."""

from typing import Any

import numpy as np
import xarray as xr

from ..status import Status
from .fluctuation_dataset import Axes, Sampled
from .fluctuation_options import Options, window_from

ALONG = ("epoch", "iteration", "time")


def sampled(dataset: xr.Dataset, given: dict[str, Any]) -> tuple[list[Sampled], Options, Axes]:
    """What a dataset of `curlflow.simulate` shows of a window.

    **Raises:** `ValueError` for datasets without weights or states, and windows that are longer than the run, or that
    are not evenly sampled.
    """
    name = next((n for n in ("weights", "state") if n in dataset), None)
    along = next((n for n in ALONG if n in dataset.dims), None)
    if name is None or along is None:
        raise ValueError(
            "dataset: required are weights or states along a run, as in curlflow.simulate(spec, weights=100); "
            f"it has {', '.join(map(str, dataset.data_vars))}."
        )
    numbers = next(d for d in ("weight", "state_variable") if d in dataset[name].dims)
    values = dataset[name].transpose("realization", along, numbers).to_numpy()
    times = dataset[along].to_numpy().astype(float)
    inside, start, interval = _inside(times, given["window"], given["interval"])
    values = values[:, inside]
    samples, recorded = values.shape[1:]
    options = Options.of_samples(given | {"weights": recorded}, start, interval, samples, recorded)
    found = [
        Sampled(Status(int(status)), *_of(run, options))
        for run, status in zip(values, dataset.status.to_numpy(), strict=True)
    ]
    time = dataset["time"].to_numpy()
    per_unit = 1.0 if along == "time" else float((time[-1] - time[0]) / (times[-1] - times[0]))
    places = dataset[numbers].to_numpy() if numbers in dataset.coords else np.arange(values.shape[2])
    return found, options, Axes(along, per_unit, places, None)


def _of(run: np.ndarray, options: Options) -> tuple[np.ndarray, ...]:
    """Mean, variance, records and snapshots."""
    shifted = run - run[0]
    mean = shifted.mean(axis=0)
    return run[0] + mean, ((shifted - mean) ** 2).mean(axis=0), run, run[options.shown]


def _inside(times: np.ndarray, window: Any, interval: Any) -> tuple[np.ndarray, float, float]:
    """Which records are in the window, when it begins, and how far they are apart."""
    if interval is not None:
        raise ValueError(f"interval: got {interval!r}; a dataset has its own, leave it out.")
    if window is None:
        inside = np.arange(times.size)
    else:
        start, stop = window_from(window)
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
