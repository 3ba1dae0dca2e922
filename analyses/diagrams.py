"""What one phase diagram is: a preset, a grid over it, the dynamics that are run. No analysis of its own."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

import curlflow

TOTAL = 220
"""M + N, up to rounding: N = int(220/(1 + c)), M = int(220/(1 + 1/c))."""
FRACTIONS = tuple(np.linspace(0, 1, 21).tolist())
DYNAMICS = {
    "flow": {"dynamics.kind": "flow"},
    "full_batch": {"dynamics.kind": "updates", "dynamics.batch": "full"},
    "minibatch": {"dynamics.kind": "updates", "dynamics.batch": 10},
}
"""What is replaced in a preset, whose updates have the published learning rate of 0.1."""
SAMPLES, QUICK_SAMPLES = 50, 10
"""Networks of each pair of widths that the finite-size correction is drawn from."""
QUICK_EPOCHS, QUICK_REALIZATIONS, QUICK_RATIOS, QUICK_FRACTIONS = 2_000, 2, 6, 4
"""Of a quick run; of both axes every so many values."""
TEXTS = {"inputs": "fraction of flipped inputs α_h", "hidden": "fraction of flipped hidden units α_r"}


class Runs(NamedTuple):
    """One kind of dynamics: how many realizations, at every how many values of c and of the fractions."""

    dynamics: str
    realizations: int
    every: int = 1


@dataclass(frozen=True)
class Diagram:
    """One figure: a preset, the grid over it, and what is run by default.

    **Attributes:**

    - `name`: of the dataset and the picture.
    - `preset`: the network, data, start, constraint and dynamics of one cell.
    - `ratios`: values of c.
    - `flips`: for each axis of fractions the layer whose units it flips.
    - `epochs`, `records`: how long, and at how many epochs errors are looked at.
    - `runs`: the dynamics that are run.
    - `published`: the protocol of the published figure, in words.
    - `floor`: of the logarithm of errors in pictures.
    - `solver`: of flows. `rkc2` takes long steps where learning has come to rest.
    - `solver_at_zero`: axes of fractions at whose 0 flows have another solver, and which. `tsit5` is several times
      faster where learning never rests.
    """

    name: str
    preset: str
    ratios: tuple[float, ...]
    flips: Mapping[str, str]
    epochs: int
    records: int
    runs: tuple[Runs, ...]
    published: str
    floor: float
    fractions: tuple[float, ...] = FRACTIONS
    samples: int = SAMPLES
    solver: str = "tsit5"
    solver_at_zero: Mapping[str, str] = field(default_factory=dict)

    def quick(self) -> "Diagram":
        """A coarse grid, few epochs, few realizations."""
        runs = tuple(run._replace(realizations=min(run.realizations, QUICK_REALIZATIONS)) for run in self.runs)
        ratios = self.ratios[::QUICK_RATIOS] if len(self.ratios) > QUICK_RATIOS else self.ratios
        fractions, epochs = self.fractions[::QUICK_FRACTIONS], min(self.epochs, QUICK_EPOCHS)
        return replace(
            self, name=f"{self.name}_quick", runs=runs, ratios=ratios, fractions=fractions, epochs=epochs,
            samples=QUICK_SAMPLES,
        )  # fmt: skip

    def spec(self, run: Runs) -> curlflow.Spec:
        """The preset with the dynamics of `run`."""
        spec = curlflow.preset(self.preset).replace({**DYNAMICS[run.dynamics], "realizations": run.realizations})
        return spec.replace("dynamics.solver", self.solver) if run.dynamics == "flow" else spec

    def over(self, every: int = 1, dynamics: str = "") -> dict[str, curlflow.Axis]:
        """The axes, or every so many values of them."""
        axes = {"c": curlflow.Axis.compression_ratio(self.ratios[::every], TOTAL)}
        for name, layer in self.flips.items():
            values = self.fractions[::every]
            changes = [{f"rule.flipped.{layer}": value} for value in values]
            if dynamics == "flow" and name in self.solver_at_zero:
                changes[0]["dynamics.solver"] = self.solver_at_zero[name]
            axes[name] = curlflow.Axis(values, changes=changes)
        return axes

    def coordinates(self) -> dict[str, Any]:
        """Axes, actual widths and numbers of flips, as xarray takes them."""
        widths = {field.rpartition(".")[2]: np.array(v) for field, v in self.over()["c"].coordinates.items()}
        found: dict[str, Any] = {"c": (("c",), np.array(self.ratios), "compression ratio, inputs per hidden unit")}
        for layer, text in (("inputs", "number of inputs M"), ("hidden", "number of hidden units N")):
            found[layer] = (("c",), widths[layer], text)
        for name, layer in self.flips.items():
            found[name] = ((name,), np.array(self.fractions), TEXTS[layer])
            counts = np.floor(np.outer(widths[layer], self.fractions) + 1e-9).astype(int)
            flipped = "flipped" if len(self.flips) == 1 else f"flipped_{layer}"
            found[flipped] = (("c", name), counts, "number of flipped units: ⌊αn + 1e-9⌋")
        return {k: (dims, values, {"long_name": text, "units": "1"}) for k, (dims, values, text) in found.items()}
