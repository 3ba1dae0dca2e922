"""Is learning with flips chaotic, or is it the step? The published unstable settings at four step sizes and as flows.

Settings: figure 3b at c = 0.3 and 0.4 (all inputs flipped), 0.5 and 0.7 (60 %), figure 3c, d (c = 0.8, 60 %), the
preset `hidden_chaos` (c = 0.5, 30 %), and figure 4c, d (c = 1, 60 % of the hidden units). Five realizations each:
full-batch updates at η = 0.1, 0.05, 0.02 and 0.01 and the flow, from the published starts, looked at for 12,000 units
of time after 6,000 of transient (60,000 to 180,000 published epochs): flows have exponents of about 0.002, and chaos
that slow takes 20/λ₁ units to be told from drift.

Variables of `chaos_or_step_size.nc`, as `curlflow.step_sizes` returns them for every `setting`: `lyapunov_exponent`
(setting, learning_rate, realization, exponent) with standard errors, `verdict`, `status` (period two and rank one are
named there), all indicators, `exponent_limit` and `chaotic_in`.

Writes `data/chaos_or_step_size.nc` and `docs/figures/chaos_or_step_size.png`. Stop it and run it again: it goes on.

    python analyses/chaos_or_step_size.py            (an hour on two cores; --quick: minutes; --help: more)
"""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from scripts import CELLS, TOTAL, Figure, flags, main, swept

import curlflow

REALIZATIONS, TRANSIENT, DURATION = 5, 6000.0, 12000.0
QUICK = 1, 300.0, 300.0
EXPONENTS = 2
LEFT_OUT = ("zero_one_lower", "zero_one_upper", "peak_frequency", "peak_width", "peak_is_line", "reason")
"""Text, and what is there for every observable, would be most of the file."""
SYMBOLS = {"chaotic": ("o", "full"), "undecided": ("o", "none")}


def changes(c: float, inputs: float = 0.0, hidden: float = 0.0) -> dict[str, Any]:
    """What a setting replaces in the preset `fig3cd`; with flipped hidden units the start is that of figure 4."""
    widths = int(TOTAL / (1 + 1 / c)), int(TOTAL / (1 + c))
    offset = {"layer": 1, "value": 1e-15} if hidden else {"layer": 2, "value": 1e-10}
    return {
        "network.inputs": widths[0], "network.hidden": widths[1], "teacher.width": widths[1],
        "rule.flipped.inputs": inputs, "rule.flipped.hidden": hidden,
        "teacher.rescaled": not hidden, "start.offset": offset,
    }  # fmt: skip


SETTINGS = {
    "c = 0.3, all inputs": changes(0.3, inputs=1.0),
    "c = 0.4, all inputs": changes(0.4, inputs=1.0),
    "c = 0.5, 30 % of inputs": changes(0.5, inputs=0.3),
    "c = 0.5, 60 % of inputs": changes(0.5, inputs=0.6),
    "c = 0.7, 60 % of inputs": changes(0.7, inputs=0.6),
    "c = 0.8, 60 % of inputs": changes(0.8, inputs=0.6),
    "c = 1, 60 % of hidden units": changes(1.0, hidden=0.6),
}
QUICK_SETTINGS = ("c = 0.5, 30 % of inputs", "c = 0.8, 60 % of inputs")


def studied(spec: curlflow.Spec, transient: float, duration: float) -> xr.Dataset:
    """A cell: one setting at all step sizes."""
    dataset = curlflow.step_sizes(spec, transient=transient, duration=duration, exponents=EXPONENTS)
    return dataset.drop_vars(LEFT_OUT)


def compute(given, path):
    """All settings."""
    names = list(QUICK_SETTINGS if given.quick else SETTINGS)
    realizations, transient, duration = QUICK if given.quick else (REALIZATIONS, TRANSIENT, DURATION)
    spec = curlflow.preset("fig3cd").replace("realizations", realizations)
    axis = curlflow.Axis(names, changes=[SETTINGS[name] for name in names])
    options = {"transient": transient, "duration": duration}
    dataset = swept(given, path.stem, spec, {"setting": axis}, studied, options, version=2)
    dataset.attrs |= {
        "title": "curlflow chaos_or_step_size",
        "published": "full batches at η = 0.1, windows of epochs 99,001 to 100,000; what is here is in `options`",
    }
    return dataset


def draw(dataset):
    """λ₁ against η, a panel for each setting: ● chaotic, ○ undecided, × two states or rank one, · other."""
    number = dataset.sizes["setting"]
    columns = min(number, 4)
    rows = -(-number // columns)
    size = (3.1 * columns + 0.4, 2.7 * rows + 0.5)
    figure, grid = plt.subplots(rows, columns, figsize=size, squeeze=False, sharex=True)
    for axes, name in zip(grid.flat, dataset.setting.to_numpy(), strict=False):
        panel(axes, dataset.sel(setting=name))
        axes.set_title(str(name), fontsize="small")
    for axes in grid.flat[number:]:
        axes.set_axis_off()
    figure.supxlabel("learning rate (0: flow)", fontsize="medium")
    figure.supylabel("λ₁ per unit of time", fontsize="medium")
    figure.suptitle("● chaotic   ○ undecided   × two states alternate, or rank one   · other", fontsize="small")
    return figure


def panel(axes, one):
    """All realizations of a setting, side by side."""
    colors = plt.rcParams["axes.prop_cycle"].by_key()["color"]
    axes.axhline(0, color="black", linewidth=0.6)
    for i in range(one.sizes["realization"]):
        run, color = one.isel(realization=i), colors[i % len(colors)]
        λ, error = (run[v].isel(exponent=0).to_numpy() for v in ("lyapunov_exponent", "lyapunov_exponent_se"))
        x = one.learning_rate.to_numpy() + (i - one.sizes["realization"] / 2) * 0.0008
        λ = np.where(run.status == int(curlflow.Status.held_by_rounding), np.nan, λ)  # of a point, not of motion
        axes.errorbar(x, λ, error, color=color, linewidth=0.8, alpha=0.8)
        for place, value, kind, status in zip(x, λ, run.verdict.values, run.status.values, strict=True):
            marker, fill = SYMBOLS.get(flags(one.verdict).get(kind), (".", "full"))
            trapped = status != int(curlflow.Status.completed)
            axes.plot(place, value, "x" if trapped else marker, fillstyle=fill, color=color, markersize=5)


def summarize(dataset):
    """Print verdicts and exponents at every step size."""
    for setting in dataset.setting.to_numpy():
        print(setting)
        for rate in dataset.learning_rate.to_numpy():
            one = dataset.sel(setting=setting, learning_rate=rate)
            kinds, numbers = np.unique(one.verdict.values[np.isfinite(one.verdict.values)], return_counts=True)
            counts = ", ".join(f"{n} {flags(one.verdict)[kind]}" for kind, n in zip(kinds, numbers, strict=True))
            λ = one.lyapunov_exponent.isel(exponent=0)
            step = f"η = {rate:g}" if rate else "flow"
            print(f"    {step:9}{counts}; λ₁ from {float(λ.min()):.2g} to {float(λ.max()):.2g}")


if __name__ == "__main__":
    figure = Figure("chaos_or_step_size", compute, draw, summarize)
    main(__doc__, [figure], "two settings, one realization, 300 units of time", CELLS)
