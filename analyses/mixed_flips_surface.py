"""With flips among inputs and hidden units at once: how many flipped hidden units does a solution bear?

The critical fraction of hidden units over the fraction of flipped inputs at nine compression ratios, and samples: in
a sampled network hidden units are flipped one after the other until λ_min(H) falls below zero.

Variables: `critical_hidden_fraction(c, inputs_fraction)`, with `limit_of_few_inputs(c)`, its limit for a vanishing
fraction of inputs that is not zero, (2 − 3c)/8 for 1/4 ≤ c ≤ 2/3; `sampled_critical(sampled_c, sampled_inputs, size,
sample)`.

Writes `data/mixed_flips_surface.nc` and `docs/figures/mixed_flips_surface.png`:

    python analyses/mixed_flips_surface.py            (about a minute; --quick: smaller samples, in results/)
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

import curlflow
from curlflow import random_matrix
from curlflow.plot.style import styled
from curlflow.results import labelled, provenance
from curlflow.variable import Variable

ROOT = Path(__file__).parent.parent
RATIOS = np.array([0.01, 0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 1.0])
INPUTS = np.concatenate([[0.0], np.geomspace(1e-6, 1e-2, 25)[:-1], np.linspace(0.01, 1.0, 199)])
SAMPLED_RATIOS = np.array([0.1, 0.2, 0.4])
COLOURS = ("#4c2a85", "#c8553d", "#2a7f8f")
SAMPLED_INPUTS = np.array([0.0, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0])

VARIABLES = (
    Variable("critical_hidden_fraction", ("c", "inputs_fraction"), "smallest unstable fraction of hidden units"),
    Variable("limit_of_few_inputs", ("c",), "its limit for a vanishing fraction of flipped inputs"),
    Variable(
        "sampled_critical",
        ("sampled_c", "sampled_inputs", "size", "sample"),
        "smallest unstable fraction of hidden units of a sampled network",
    ),
)


def sampled_critical(c: float, inputs: float, size: int, rng: np.random.Generator) -> float:
    """The number of flipped hidden units at which one sampled network loses stability, over their number.

    λ_min never rises with a flip, so the number is found by bisection.
    """
    units = round(size / c)
    w1 = rng.normal(size=(units, size)) / np.sqrt(size)
    unflipped = w1.T @ w1 + np.diag(np.where(np.arange(size) < int(inputs * size + 1e-9), -1.0, 1.0))

    def stable(flips: int) -> bool:
        return np.linalg.eigvalsh(unflipped - 2 * w1[:flips].T @ w1[:flips])[0] > 0

    low, high = -1, units
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if stable(middle) else (low, middle)
    return max(high, 0) / units


def limit_of_few_inputs(c: np.ndarray) -> np.ndarray:
    """The limit α_h → 0: continuous up to c = 1/4, then (2 − 3c)/8, then 0."""
    return np.where(c <= 0.25, random_matrix.phase_boundary(c, "hidden"), np.maximum(2 - 3 * c, 0) / 8)


def compute(sizes: tuple[int, ...], samples: int) -> xr.Dataset:
    """Theory and samples, labelled."""
    rng = np.random.default_rng(0)
    found = [
        [[[sampled_critical(c, a, m, rng) for _ in range(samples)] for m in sizes] for a in SAMPLED_INPUTS]
        for c in SAMPLED_RATIOS
    ]
    data = {
        "critical_hidden_fraction": random_matrix.phase_surface(RATIOS[:, None], INPUTS),
        "limit_of_few_inputs": limit_of_few_inputs(RATIOS),
        "sampled_critical": np.array(found),
    }
    coordinates = {
        "c": (("c",), RATIOS, "compression ratio, inputs per hidden unit"),
        "inputs_fraction": (("inputs_fraction",), INPUTS, "fraction of flipped inputs"),
        "sampled_c": (("sampled_c",), SAMPLED_RATIOS, "compression ratio of the samples"),
        "sampled_inputs": (("sampled_inputs",), SAMPLED_INPUTS, "fraction of flipped inputs of the samples"),
        "size": (("size",), np.array(sizes), "number of inputs of the samples"),
    }
    settings = {"samples": samples, "law": "normal entries of variance 1/M", "seed": 0}
    attributes = provenance("mixed_flips_surface", settings, "none: theory and NumPy samples")
    return labelled(VARIABLES, data, coordinates, attributes)


def draw(ds: xr.Dataset) -> plt.Figure:
    """Curves over the fraction of inputs for all ratios; samples with their standard deviation for some."""
    with styled():
        figure, (left, right) = plt.subplots(1, 2, figsize=(9.6, 3.8))
        colours = plt.get_cmap("viridis")(np.linspace(0, 0.92, ds.sizes["c"]))
        for colour, c in zip(colours, ds.c.to_numpy(), strict=True):
            curve = ds.critical_hidden_fraction.sel(c=c)
            left.plot(ds.inputs_fraction[1:], curve[1:], color=colour, label=f"{c:g}")
            left.plot(0, curve[0], "o", color=colour, markersize=3.5, clip_on=False)
        left.legend(title="c", ncols=3)
        left.set(title="theory; dots: no flipped input", ylim=(0, 0.6))
        for index, c in enumerate(ds.sampled_c.to_numpy()):
            curve, colour = random_matrix.phase_surface(c, ds.inputs_fraction.to_numpy()), COLOURS[index]
            right.plot(ds.inputs_fraction[1:], curve[1:], color=colour, label=f"c = {c:g}")
            right.plot(0, curve[0], "_", color=colour)
            for size, marker, shift in zip(ds["size"].to_numpy(), "ov", (-0.006, 0.006), strict=True):
                one = ds.sampled_critical.sel(sampled_c=c, size=size)
                right.errorbar(
                    one.sampled_inputs + shift, one.mean("sample"), one.std("sample"), fmt=marker, color=colour,
                    markersize=3.5, linewidth=0.8, fillstyle="none" if marker == "o" else "full",
                )  # fmt: skip
        right.legend()
        small, large = ds["size"].to_numpy()
        right.set(title=f"samples; open: M = {small}, filled: M = {large}", ylim=(0, None))
        for axes in (left, right):
            axes.set(xlabel="fraction of flipped inputs α_h", ylabel="critical fraction of hidden units α_r")
    return figure


def main() -> None:
    """Compute, save and draw."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="smaller samples, three of each")
    quick = parser.parse_args().quick
    folder, figures = (ROOT / "results",) * 2 if quick else (ROOT / "data", ROOT / "docs" / "figures")
    folder.mkdir(exist_ok=True)
    ds = compute(*(((40, 80), 3) if quick else ((100, 400), 8)))
    name = "mixed_flips_surface_quick" if quick else "mixed_flips_surface"
    curlflow.save(ds, folder / f"{name}.nc")
    draw(ds).savefig(figures / f"{name}.png")
    theory = random_matrix.phase_surface(SAMPLED_RATIOS[:, None], SAMPLED_INPUTS)
    for size in ds["size"].to_numpy():
        excess = ds.sampled_critical.sel(size=size).mean("sample").to_numpy() - theory
        print(f"M = {size}: samples exceed the limit by {excess.min():.4f} to {excess.max():.4f}")


if __name__ == "__main__":
    main()
