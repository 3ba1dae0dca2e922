"""What the analyses of fluctuations share: order parameters along lines, windows of single settings, options.

No analysis of its own: `fig3bcd_hidden_layer.py` and `fig4cd_readout_layer.py` name what is seen and call `main`.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib

matplotlib.use("Agg")  # pictures go into files

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from diagrams import DYNAMICS, TOTAL
from scripts import ROOT, count, folders, loaded

import curlflow
from curlflow.plot.style import styled

EPOCHS, SEEN, EPOCH = 100_000, 999, 0.1
"""The published window is the last 999 epochs; an epoch of the flow is 0.1 units of time."""
QUICK_EPOCHS, QUICK_REALIZATIONS = 5_000, 2
KEPT = (
    "order_parameter", "layer_order_parameter", "decay_time", "integrated_time", "participation_ratio",
    "window_status", "samples", "status",
)  # fmt: skip
FLOOR = 1e-6
"""Order parameters below are drawn there: such runs are at rest, or on their way to it."""
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


def swept(line: Line, epochs: int, realizations: int, directory: Path, engine: Mapping[str, Any]) -> xr.Dataset:
    """Both kinds of dynamics along a line."""
    parts = []
    for kind in KINDS:
        print(f"{line.name}, {kind}: {realizations} of {epochs:,} epochs a cell", flush=True)
        spec = curlflow.preset(line.preset).replace({**DYNAMICS[kind], "realizations": realizations})
        over = {
            "c": curlflow.Axis.compression_ratio(line.ratios, TOTAL),
            "fraction": curlflow.Axis("rule.flipped.inputs", line.fractions),
        }
        folder = directory / line.name / kind
        folder.mkdir(parents=True, exist_ok=True)
        options = {"kind": kind, "epochs": epochs}
        parts.append(
            curlflow.sweep(
                spec, over, order, options, directory=folder, extend=True, progress=True, version=1, **engine
            )
        )
    names = xr.DataArray(list(KINDS), dims="dynamics", name="dynamics")
    whole = xr.concat(parts, names, combine_attrs="override")
    whole.attrs |= {
        "title": f"curlflow {line.name}",
        "settings": f'{{"epochs": {epochs}, "window": {SEEN}, "realizations": {realizations}}}',
        "published": "full batches, learning rate 0.1, 1e5 epochs, 10 realizations",
    }
    return whole


def draw_lines(datasets: Sequence[xr.Dataset], along: Sequence[str]) -> Any:
    """q along every line, a row for each of the dynamics: medians, and all realizations as points; ○ two states."""
    with styled():
        figure, grid = plt.subplots(len(KINDS), len(datasets), figsize=(4.6 * len(datasets), 5.4), squeeze=False)
        for column, (dataset, name) in enumerate(zip(datasets, along, strict=True)):
            other = "c" if name == "fraction" else "fraction"
            for axes, kind in zip(grid[:, column], KINDS, strict=True):
                _line(axes, dataset.sel(dynamics=kind), name, other)
                axes.set_title(LABELS[kind])
            grid[-1, column].set_xlabel({"c": "compression ratio c = M/N", "fraction": "flipped inputs α_h"}[name])
        for row in grid:
            row[0].set_ylabel("order parameter q (at least 10⁻⁶)")
    return figure


def _line(axes: Any, dataset: xr.Dataset, along: str, other: str) -> None:
    colors = plt.rcParams["axes.prop_cycle"].by_key()["color"]
    cycle = dataset.status == int(curlflow.Status.period_two)
    for value, color in zip(dataset[other].to_numpy(), colors, strict=False):
        q, two = (
            part.sel({other: value}).transpose(along, "realization")
            for part in (np.maximum(dataset.order_parameter, FLOOR), cycle)
        )
        x = dataset[along].to_numpy()
        symbol = "c" if other == "c" else "α_h"
        axes.plot(x, q.median("realization"), color=color, label=f"{symbol} = {value:g}")
        points = np.repeat(x[:, None], q.sizes["realization"], axis=1)
        axes.plot(points[~two.to_numpy()], q.to_numpy()[~two.to_numpy()], ".", color=color, markersize=3, alpha=0.6)
        axes.plot(
            points[two.to_numpy()], q.to_numpy()[two.to_numpy()], "o", color=color, markersize=3.5, fillstyle="none"
        )
    axes.set_yscale("log")
    axes.legend()


def options(description: str) -> argparse.Namespace:
    """The options that both scripts have."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few cells, 5,000 epochs, two realizations; in results/")
    parser.add_argument("--draw", action="store_true", help="draw what is in data/ again, and compute nothing")
    parser.add_argument("--realizations", type=count, help="in place of the published number")
    parser.add_argument("--directory", type=Path, help="folder of the finished cells (default: results/sweeps)")
    parser.add_argument("--workers", type=count, help="how many processes (default: all cores)")
    return parser.parse_args()


def main(description: str, lines: Sequence[Line], figure: str, preset: str, traces: str) -> None:
    """Compute, save and draw; stop it and run it again, and the lines go on.

    **Arguments:**

    - `lines`: along which q is measured, drawn into one picture of the name `figure`.
    - `preset`: the setting whose windows are shown, in files of the name `traces`.
    """
    given = options(description)
    folder, figures = folders(given.quick)
    epochs = QUICK_EPOCHS if given.quick else EPOCHS
    published = QUICK_REALIZATIONS if given.quick else curlflow.preset(preset).realizations
    realizations = given.realizations or published
    lines = [line.quick() for line in lines] if given.quick else list(lines)
    suffix = "_quick" if given.quick else ""
    directory = given.directory or ROOT / "results" / "sweeps"
    for line in lines if not given.draw else ():
        try:
            dataset = swept(line, epochs, realizations, directory, {"workers": given.workers})
        except (curlflow.Interrupted, KeyboardInterrupt):
            sys.exit(f"interrupted; finished cells are in {directory / line.name}, and the same command goes on")
        curlflow.save(dataset, folder / f"{line.name}.nc")
    if lines:
        datasets = [loaded(folder / f"{line.name}.nc") for line in lines]
        draw_lines(datasets, [line.along for line in lines]).savefig(figures / f"{figure}{suffix}.png")
    for kind in KINDS:
        path = folder / f"{traces}_{kind}{suffix}.nc"
        if not given.draw:
            spec = curlflow.preset(preset).replace({**DYNAMICS[kind], "realizations": realizations})
            dataset = curlflow.fluctuations(spec, window=window(kind, epochs), progress=True)
            summarize(dataset, kind)
            curlflow.save(smaller(dataset), path)
        curlflow.plot.fluctuations(loaded(path)).savefig(figures / path.with_suffix(".png").name)


def smaller(dataset: xr.Dataset) -> xr.Dataset:
    """Without what fills megabytes: what is there for every weight, of all realizations but the first."""
    of_weights = [v for v in dataset.data_vars.values() if {"weight", "recorded"} & set(v.dims)]
    first = {v.name: v.isel(realization=slice(0, 1)).reindex(realization=dataset.realization) for v in of_weights}
    comment = "what is there for every weight was kept of the first realization only"
    return dataset.assign(first).assign_attrs(comment=comment)


def summarize(dataset: xr.Dataset, kind: str) -> None:
    """Print what the realizations look like."""
    for run in (dataset.isel(realization=i) for i in range(dataset.sizes["realization"])):
        q, decay, ratio = (float(run[name]) for name in ("order_parameter", "decay_time", "participation_ratio"))
        status = curlflow.Status(int(run.status)).name
        print(f"{kind} {int(run.realization)}: q = {q:.3g}, 1/e {decay:.3g}, participation {ratio:.3g}, {status}")
