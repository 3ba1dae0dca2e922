"""What figures 5, 10 and 11 and the map of speed-ups share: panels, sweeps, options, pictures.

No analysis of its own: the scripts of figures 5, 10 and 11 say what varies, and call `run`; `speedup_map.py` sweeps
likewise.
"""

import json
import time
from argparse import ArgumentTypeError, Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from scripts import CELLS, REALIZATIONS, SCHEDULER, Figure, count, main, swept

import curlflow

SAMPLES = (*range(100, 460, 40), 440, 500, 600, 800, 1000, 1200, 1400, 1600, 1800, 2000)
"""100, 140, …, 420, 440, 500, …, 2000."""
SCALES = (0.01, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, *map(float, range(2, 11)))
TEACHER_SCALES = (0.1, *(np.arange(1, 17) / 4).tolist())
FLIPPED = tuple(range(1, 11))
DYNAMICS = {
    "flow": {"kind": "flow", "solver": "rkc2", "rtol": 1e-4, "atol": 1e-7},
    "full_batch": {"kind": "updates", "learning_rate": 0.1, "batch": "full"},
    "minibatch": {"kind": "updates", "learning_rate": 0.1, "batch": 10},
}
"""The flow stands for the published minibatches: both cross within the resolution of the records (tests/)."""
RELU_FLOW = {"kind": "flow", "solver": "bosh3", "rtol": 1e-3, "atol": 1e-6}
"""Flows with kinks, which reject the long steps of other solvers: times of convergence to 0.3 %, errors at the end of
single runs to 10 % (docs/convergence.md, "Figure 10")."""
QUICK_VALUES, QUICK_REALIZATIONS = 4, 3
LABELS = {"gradient": "gradient descent", "curl": "curl descent"}
QUICK = "few values, realizations and samples"


def _at(text: str) -> tuple[float, int]:
    value, _, number = text.partition("=")
    try:
        return float(value), count(number)
    except ValueError:
        raise ArgumentTypeError(f"got {text}, required is VALUE=NUMBER, such as 10=4") from None


OF_DYNAMICS = {
    "--dynamics": {
        "choices": list(DYNAMICS), "default": "flow",
        "help": "what is run; names of files end with it unless it is the flow (default: %(default)s)",
    },
    **REALIZATIONS, **CELLS, **SCHEDULER,
}  # fmt: skip
AT = {
    "--at": {
        "type": _at, "metavar": "VALUE=NUMBER", "nargs": "+", "default": (),
        "help": "other numbers of realizations at single values, such as 9=8 10=4 (default: none); of one panel, "
        "with --only",
    }
}  # fmt: skip


def flipped_hidden(counts: Sequence[int]) -> curlflow.Axis:
    """Numbers of flipped hidden units."""
    return curlflow.Axis(list(counts), changes=[{"rule.flipped.hidden": {"count": n}} for n in counts])


@dataclass(frozen=True)
class Panel:
    """One panel of a figure: a preset, what varies, and for how long.

    **Attributes:**

    - `name`: of the dataset and the pictures.
    - `preset`: the network, data, rule, constraint and start.
    - `axis`: the name of what varies; `make` makes a sweep's axis of `values`.
    - `text`: what varies, in words.
    - `to_end`: whether errors at the end of all epochs are wanted (the panels that show them).
    - `published`: the protocol of the published figure, in words.
    - `flow`: the dynamics that is called the flow.
    """

    name: str
    preset: str
    axis: str
    values: tuple[Any, ...]
    make: Callable[[Sequence[Any]], curlflow.Axis]
    text: str
    published: str
    epochs: int = 100_000
    to_end: bool = False
    flow: Mapping[str, Any] = field(default_factory=lambda: DYNAMICS["flow"])

    def dynamics(self, kind: str) -> Mapping[str, Any]:
        """The dynamics of one kind, as a table of a spec."""
        return self.flow if kind == "flow" else DYNAMICS[kind]

    def quick(self) -> "Panel":
        """A few values."""
        return replace(
            self, name=f"{self.name}_quick", values=self.values[:: max(1, len(self.values) // QUICK_VALUES)]
        )


def by_field(field: str) -> Callable[[Sequence[Any]], curlflow.Axis]:
    """Axes along one field of a spec."""
    return lambda values: curlflow.Axis(field, list(values))


def four_panels(samples: str, flipped: str, scale: str, teacher_scale: str, protocol: str) -> tuple[Panel, ...]:
    """The panels of figures 5c–f, from presets of these names, in the order of their cost.

    **Arguments:**

    - `protocol`: the published one, with `{}` for the number of epochs.
    """
    usual, longer = protocol.format("1e5"), protocol.format("2e5")
    text = "number of training samples"
    return (
        Panel(samples, samples, "samples", SAMPLES, by_field("data.samples"), text, usual, to_end=True),
        Panel(flipped, flipped, "flipped", FLIPPED, flipped_hidden, "flipped hidden units", usual),
        Panel(scale, scale, "scale", SCALES, by_field("start.scale"), "starting scale", usual),
        Panel(
            teacher_scale, teacher_scale, "teacher_scale", TEACHER_SCALES, by_field("teacher.scale"),
            "scale of the teacher", longer, epochs=200_000,
        ),
    )  # fmt: skip


def setting(preset: str, dynamics: Mapping[str, Any], given: Namespace) -> curlflow.Spec:
    """A preset with other dynamics, as small as the options ask for."""
    spec = curlflow.preset(preset).replace("dynamics", dynamics)
    if given.quick:
        samples = min(spec.data.samples, 500)
        spec = spec.replace({"data.samples": samples, "realizations": QUICK_REALIZATIONS})
    return spec.replace("realizations", given.realizations or spec.realizations)


def computed(whole: Panel, given: Namespace, path: Path) -> xr.Dataset:
    """Run what is missing of the panel's sweep, and compare the rules at every value."""
    panel, numbers = whole.quick() if given.quick else whole, dict(given.at)
    known = whole.values if len(given.only) == 1 else ()
    if unknown := [f"{value:g}" for value in numbers if value not in known]:
        allowed = ", ".join(f"{v:g}" for v in known) or "values of one panel: choose it by --only"
        raise ValueError(f"--at: got {', '.join(unknown)}, allowed are {allowed}")
    spec, axis = setting(panel.preset, panel.dynamics(given.dynamics), given), panel.make(panel.values)
    if numbers:
        other = [{"realizations": numbers[v]} if v in numbers else {} for v in axis.values]
        axis = curlflow.Axis(axis.values, changes=[a | b for a, b in zip(axis.changes, other, strict=True)])
    print(f"{panel.name}, {given.dynamics}: {spec.realizations} realizations, {panel.epochs:,} epochs", flush=True)
    start = time.perf_counter()
    options = {"epochs": panel.epochs, "to_end": panel.to_end}
    dataset = swept(given, f"{panel.name}/{given.dynamics}", spec, {panel.axis: axis}, "convergence", options)
    print(f"{panel.name}: {time.perf_counter() - start:.0f} s for the cells that were missing", flush=True)
    dataset = curlflow.compare_rules(dataset)
    dataset[panel.axis].attrs["long_name"] = panel.text
    runs = {
        "dynamics": given.dynamics,
        "realizations": spec.realizations,
        **({"realizations_at": {f"{v:g}": n for v, n in numbers.items()}} if numbers else {}),
        "epochs": panel.epochs,
        **panel.dynamics(given.dynamics),
    }
    return dataset.assign_attrs(published=panel.published, runs=json.dumps(runs))


def ending(given: Namespace) -> str:
    """What the names of files end with: dynamics other than the flow."""
    return "" if given.dynamics == "flow" else f"_{given.dynamics}"


def run(description: str, panels: Sequence[Panel]) -> None:
    """Compute, save and draw the panels of a script."""
    figures = [
        Figure(p.name, partial(computed, p), partial(pictures, panel=p), partial(summarize, panel=p), ending)
        for p in panels
    ]
    main(description, figures, QUICK, OF_DYNAMICS | AT)


def pictures(dataset: xr.Dataset, panel: Panel) -> Mapping[str, Any]:
    """The published convention, censoring done right, and errors at the end where they are wanted."""
    drawn = {
        "": curlflow.plot.convergence_times(dataset, convention="published", labels=LABELS),
        "_censored": curlflow.plot.convergence_times(dataset, labels=LABELS),
    }
    return drawn | ({"_errors": errors(dataset, panel)} if panel.to_end else {})


def errors(dataset: xr.Dataset, panel: Panel) -> Any:
    """Test errors at the end: log₁₀ with the published floor, mean ± standard error over realizations."""
    figure, axes = plt.subplots(figsize=(4.4, 3.2))
    final = np.log10(np.round(dataset.test_error, 15) + 1e-15)
    for name in dataset["rule"].to_numpy():
        one = final.sel(rule=name)
        spread = one.std("realization", ddof=1) / np.sqrt(one.count("realization"))
        axes.errorbar(
            dataset[panel.axis], one.mean("realization"), spread, marker="o", markersize=3, capsize=2,
            label=LABELS.get(name, name),
        )  # fmt: skip
    axes.set(xlabel=panel.text, ylabel="log₁₀ final test error, mean ± SEM")
    axes.legend(frameon=False)
    return figure


def summarize(dataset: xr.Dataset, panel: Panel) -> None:
    """Print how many runs converge, and the speed-up, at every value."""
    one = dataset.sel(compared="curl")
    for i, value in enumerate(dataset[panel.axis].to_numpy()):
        shares = ", ".join(
            f"{name} {int(dataset.converged.sel(rule=name)[{panel.axis: i}].sum())}"
            for name in dataset["rule"].to_numpy()
        )
        at, here = one.isel({panel.axis: i}), dataset.convergence_epoch[{panel.axis: i}]
        print(
            f"  {panel.axis} {value:g}: converged {shares} of {int((here >= 0).all('rule').sum())}; "
            f"speed-up {float(at.speed_up):.3g} ({float(at.speed_up_lower):.3g} to {float(at.speed_up_upper):.3g}), "
            f"restricted means {float(at.mean_time_ratio):.3g}, won {int(at.won)} : {int(at.lost)}"
        )
