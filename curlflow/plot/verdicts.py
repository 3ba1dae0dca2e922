"""The evidence for a verdict: exponents over short times, power spectra, the 0-1 test."""

from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .style import check_realization, needs, styled

SHOWN = 4
"""Most spectra that are drawn."""


def classification(dataset: xr.Dataset, realization: Any = 0) -> Figure:
    """Draw one realization of `curlflow.classify`: the largest exponent over segments of the window with its mean and
    standard error, power spectra with their peaks (● lines, ○ broad), K of the 0–1 test with quartiles.

    **Raises:** `ValueError` for a dataset without verdicts, and realizations that it does not have.
    """
    if isinstance(dataset, xr.Dataset) and dataset.attrs.get("study") == "step_sizes":
        raise ValueError(
            "dataset: curlflow.step_sizes keeps no spectra; draw what curlflow.classify returns for one learning "
            "rate, or lyapunov_exponent over learning_rate."
        )
    needs(dataset, "verdict", "zero_one", "power")
    check_realization(dataset, realization)
    one = dataset.isel(realization=realization)
    name = dataset.verdict.attrs["flag_meanings"].split()[int(one.verdict)].replace("_", " ")
    with styled():
        figure, (segments, spectra, test) = plt.subplots(1, 3, figsize=(10.5, 3.4))
        _segments(segments, one)
        _spectra(spectra, one)
        _test(test, one)
        figure.suptitle(f"{name}: {one.reason.item()}", fontsize="medium")
    return figure


def _segments(axes: Axes, one: xr.Dataset) -> None:
    values = one.finite_time_exponent.to_numpy()
    values = values[np.isfinite(values)]
    mean, error = float(one.lyapunov_exponent[0]), float(one.lyapunov_exponent_se[0])
    if values.size:
        axes.hist(values, bins=25, color=mpl.rcParams["axes.prop_cycle"].by_key()["color"][0], alpha=0.5)
    if np.isfinite(mean):
        axes.axvline(mean, color="black")
        axes.axvspan(mean - error, mean + error, color="black", alpha=0.2, linewidth=0)
    axes.axvline(0, color="black", linewidth=0.6, linestyle=":")
    axes.set_xlabel(f"λ₁ over {float(one.finite_time):.3g} units of time")
    axes.set_ylabel("segments of the window")
    axes.set_title(f"λ₁ = {mean:.3g} ± {error:.1g}")


def _spectra(axes: Axes, one: xr.Dataset) -> None:
    moving = np.flatnonzero(one.moves.to_numpy())[:SHOWN]
    frequency = one.frequency.to_numpy()
    for i in moving:
        power = one.power.transpose("observable", "frequency").to_numpy()[i]
        (line,) = axes.plot(frequency[1:], power[1:], linewidth=0.9, label=str(one.observable.to_numpy()[i]))
        for place, narrow in zip(one.peak_frequency.to_numpy()[i], one.peak_is_line.to_numpy()[i], strict=True):
            if place > 0:
                height = power[np.argmin(np.abs(frequency - place))]
                style = "full" if narrow else "none"
                axes.plot(place, height, "o", color=line.get_color(), fillstyle=style, markersize=4)
    if moving.size and frequency.size > 1:
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.legend(fontsize="x-small")
    axes.set_xlabel("frequency")
    axes.set_title("power spectra")


def _test(axes: Axes, one: xr.Dataset) -> None:
    k, places = one.zero_one.to_numpy(), np.arange(one.sizes["observable"])
    ends = np.abs(np.stack([k - one.zero_one_lower, one.zero_one_upper - k]))
    oversampled = one.zero_one_oversampled.to_numpy().astype(bool)
    color = mpl.rcParams["axes.prop_cycle"].by_key()["color"][0]
    for chosen, style in ((~oversampled, "full"), (oversampled, "none")):
        axes.errorbar(places[chosen], k[chosen], ends[:, chosen], fmt="o", color=color, fillstyle=style, markersize=5)
    axes.set_ylim(-0.6, 1.1)
    for level in (0, 1):
        axes.axhline(level, color="black", linewidth=0.6, linestyle=":")
    axes.set_xticks(places, [str(n) for n in one.observable.to_numpy()], rotation=60, ha="right", fontsize="x-small")
    axes.set_title("K of the 0–1 test (○ oversampled)")
