"""What figures 3b–d and 4c, d share: order parameters along lines, windows of single settings, their pictures.

No analysis of its own: `fig3bcd_hidden_layer.py` and `fig4cd_readout_layer.py` say what is seen, and call `run`.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from scripts import CELLS, DYNAMICS, REALIZATIONS, TOTAL, Figure, main, swept

import curlflow

EPOCHS, SEEN, EPOCH = 100_000, 999, 0.1
"""The published window is the last 999 epochs; an epoch of the flow is 0.1 units of time."""
QUICK_EPOCHS, QUICK_REALIZATIONS = 5_000, 2
KEPT = (
    "order_parameter", "layer_order_parameter", "decay_time", "integrated_time", "participation_ratio",
    "window_status", "samples", "status",
)  # fmt: skip
FLOOR = 1e-6
"""Order parameters below are drawn there: such runs are at rest, or on their way to it."""
PERIOD_TWO = int(curlflow.Status.period_two)
KINDS = ("full_batch", "flow")
LABELS = {"full_batch": "updates, full batches", "flow": "flow"}


class Line(NamedTuple):
    """Cells of one preset over c and the fraction of flipped inputs, of which one is along the line."""

    name: str
    preset: str
    ratios: tuple[float, ...]
    fractions: tuple[float, ...]
    along: str

    def quick(self) -> "Line":
        """Every eighth value along the line."""
        ratios = self.ratios[::8] if self.along == "c" else self.ratios
        fractions = self.fractions[::8] if self.along == "fraction" else self.fractions
        return self._replace(name=f"{self.name}_quick", ratios=ratios, fractions=fractions)


def window(kind: str, epochs: int) -> tuple[float, float]:
    """The last 999 epochs, in epochs or in time."""
    unit = EPOCH if kind == "flow" else 1.0
    return (epochs - SEEN) * unit, epochs * unit


def order(spec: curlflow.Spec, kind: str, epochs: int) -> xr.Dataset:
    """What is kept of a window: a cell of the sweeps."""
    return curlflow.fluctuations(spec, window=window(kind, epochs), weights=100, components=1)[list(KEPT)]


def settled(preset: str, kind: str, given: Any) -> tuple[curlflow.Spec, int]:
    """The spec of one kind of dynamics, and for how many epochs it runs."""
    spec = curlflow.preset(preset).replace(DYNAMICS[kind])
    number = given.realizations or (QUICK_REALIZATIONS if given.quick else spec.realizations)
    return spec.replace("realizations", number), QUICK_EPOCHS if given.quick else EPOCHS


def along(line: Line, given: Any, path: Any) -> xr.Dataset:
    """Both kinds of dynamics along a line."""
    line = line.quick() if given.quick else line
    over = {
        "c": curlflow.Axis.compression_ratio(line.ratios, TOTAL),
        "fraction": curlflow.Axis("rule.flipped.inputs", line.fractions),
    }
    parts = []
    for kind in KINDS:
        spec, epochs = settled(line.preset, kind, given)
        print(f"{line.name}, {kind}: {spec.realizations} of {epochs:,} epochs a cell", flush=True)
        options = {"kind": kind, "epochs": epochs}
        parts.append(swept(given, f"{line.name}/{kind}", spec, over, order, options, version=1))
    names = xr.DataArray(list(KINDS), dims="dynamics", name="dynamics")
    whole = xr.concat(parts, names, combine_attrs="override")
    whole.attrs |= {
        "title": f"curlflow {line.name}",
        "settings": f'{{"epochs": {epochs}, "window": {SEEN}, "realizations": {spec.realizations}}}',
        "published": "full batches, learning rate 0.1, 1e5 epochs, 10 realizations",
    }
    return whole


def seen(preset: str, kind: str, given: Any, path: Any) -> xr.Dataset:
    """The window of one setting."""
    spec, epochs = settled(preset, kind, given)
    return smaller(curlflow.fluctuations(spec, window=window(kind, epochs), progress=True))


def run(description: str, preset: str, lines: Mapping[str, Sequence[Line]]) -> None:
    """Compute, save and draw the windows of a preset, in files of its name, and before them lines.

    **Arguments:**

    - `lines`: for each picture those along which q is measured.
    """
    figures = [
        Figure(name, {line.name: partial(along, line) for line in some}, partial(draw_lines, some))
        for name, some in lines.items()
    ]
    figures += [
        Figure(f"{preset}_{kind}", partial(seen, preset, kind), curlflow.plot.fluctuations, partial(summarize, kind))
        for kind in KINDS
    ]
    main(description, figures, "few cells, 5,000 epochs, two realizations", {**REALIZATIONS, **CELLS})


def draw_lines(lines: Sequence[Line], *datasets: xr.Dataset) -> Any:
    """q along every line, a row for each of the dynamics: medians, and all realizations as points; ○ two states."""
    figure, grid = plt.subplots(len(KINDS), len(lines), figsize=(4.6 * len(lines), 5.4), squeeze=False)
    for column, (dataset, line) in enumerate(zip(datasets, lines, strict=True)):
        for axes, kind in zip(grid[:, column], KINDS, strict=True):
            _line(axes, dataset.sel(dynamics=kind), line.along)
            axes.set_title(LABELS[kind])
        text = {"c": "compression ratio c = M/N", "fraction": "flipped inputs α_h"}[line.along]
        grid[-1, column].set_xlabel(text)
    for row in grid:
        row[0].set_ylabel("order parameter q (at least 10⁻⁶)")
    return figure


def _line(axes: Any, dataset: xr.Dataset, along: str) -> None:
    other, symbol = ("c", "c") if along == "fraction" else ("fraction", "α_h")
    colors = plt.rcParams["axes.prop_cycle"].by_key()["color"]
    for value, color in zip(dataset[other].to_numpy(), colors, strict=False):
        one = dataset.sel({other: value}).transpose(along, "realization", ...)
        x, q = one[along].to_numpy(), np.maximum(one.order_parameter, FLOOR)
        axes.plot(x, q.median("realization"), color=color, label=f"{symbol} = {value:g}")
        points, two = np.repeat(x[:, None], q.sizes["realization"], axis=1), one.status.to_numpy() == PERIOD_TWO
        axes.plot(points[~two], q.to_numpy()[~two], ".", color=color, markersize=3, alpha=0.6)
        axes.plot(points[two], q.to_numpy()[two], "o", color=color, markersize=3.5, fillstyle="none")
    axes.set_yscale("log")
    axes.legend()


def smaller(dataset: xr.Dataset) -> xr.Dataset:
    """Without what fills megabytes: what is there for every weight, of all realizations but the first."""
    of_weights = [v for v in dataset.data_vars.values() if {"weight", "recorded"} & set(v.dims)]
    first = {v.name: v.isel(realization=slice(0, 1)).reindex(realization=dataset.realization) for v in of_weights}
    comment = "what is there for every weight was kept of the first realization only"
    return dataset.assign(first).assign_attrs(comment=comment)


def summarize(kind: str, dataset: xr.Dataset) -> None:
    """Print what the realizations look like."""
    for run in (dataset.isel(realization=i) for i in range(dataset.sizes["realization"])):
        q, decay, ratio = (float(run[name]) for name in ("order_parameter", "decay_time", "participation_ratio"))
        status = curlflow.Status(int(run.status)).name
        print(f"{kind} {int(run.realization)}: q = {q:.3g}, 1/e {decay:.3g}, participation {ratio:.3g}, {status}")
