"""With flips among inputs and hidden units at once: how many flipped hidden units does a solution bear?

The critical fraction of hidden units over the fraction of flipped inputs at nine compression ratios, and samples: in
a sampled network hidden units are flipped one after the other until λ_min(H) falls below zero.

Variables: `critical_hidden_fraction(c, inputs_fraction)`, with `limit_of_few_inputs(c)`, its limit for a vanishing
fraction of inputs that is not zero, (2 − 3c)/8 for 1/4 ≤ c ≤ 2/3; `sampled_critical(sampled_c, sampled_inputs, size,
sample)`.

Writes `data/mixed_flips_surface.nc` and `docs/figures/mixed_flips_surface.png`:

    python analyses/mixed_flips_surface.py            (about a minute; --quick: smaller samples; --help: more)
"""

import matplotlib.pyplot as plt
import numpy as np
from scripts import Figure, dataset_of, main

from curlflow import random_matrix

RATIOS = np.array([0.01, 0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 1.0])
INPUTS = np.concatenate([[0.0], np.geomspace(1e-6, 1e-2, 25)[:-1], np.linspace(0.01, 1.0, 199)])
SAMPLED_RATIOS = np.array([0.1, 0.2, 0.4])
COLOURS = ("#4c2a85", "#c8553d", "#2a7f8f")
SAMPLED_INPUTS = np.array([0.0, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0])


def sampled_critical(c, inputs, size, rng):
    """The number of flipped hidden units at which one sampled network loses stability, over their number.

    λ_min never rises with a flip, so the number is found by bisection.
    """
    units = round(size / c)
    w1 = rng.normal(size=(units, size)) / np.sqrt(size)
    unflipped = w1.T @ w1 + np.diag(np.where(np.arange(size) < int(inputs * size + 1e-9), -1.0, 1.0))

    def stable(flips):
        return np.linalg.eigvalsh(unflipped - 2 * w1[:flips].T @ w1[:flips])[0] > 0

    low, high = -1, units
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if stable(middle) else (low, middle)
    return max(high, 0) / units


def compute(given, path):
    """Theory and samples, labelled."""
    sizes, samples = ((40, 80), 3) if given.quick else ((100, 400), 8)
    rng = np.random.default_rng(0)
    found = [
        [[[sampled_critical(c, a, m, rng) for _ in range(samples)] for m in sizes] for a in SAMPLED_INPUTS]
        for c in SAMPLED_RATIOS
    ]
    surface = random_matrix.phase_surface(RATIOS[:, None], INPUTS)
    # The limit α_h → 0 is continuous up to c = 1/4, then (2 − 3c)/8, then 0.
    unflipped = random_matrix.phase_boundary(RATIOS, "hidden")
    limit = np.where(RATIOS <= 0.25, unflipped, np.maximum(2 - 3 * RATIOS, 0) / 8)
    dims, text = ("sampled_c", "sampled_inputs", "size", "sample"), "smallest unstable fraction of hidden units"
    data = {
        "critical_hidden_fraction": (("c", "inputs_fraction"), surface, text),
        "limit_of_few_inputs": (("c",), limit, "its limit for a vanishing fraction of flipped inputs"),
        "sampled_critical": (dims, np.array(found), f"{text} of a sampled network"),
    }
    coordinates = {
        "c": ("c", RATIOS, "compression ratio, inputs per hidden unit"),
        "inputs_fraction": ("inputs_fraction", INPUTS, "fraction of flipped inputs"),
        "sampled_c": ("sampled_c", SAMPLED_RATIOS, "compression ratio of the samples"),
        "sampled_inputs": ("sampled_inputs", SAMPLED_INPUTS, "fraction of flipped inputs of the samples"),
        "size": ("size", np.array(sizes), "number of inputs of the samples"),
    }
    settings = {"samples": samples, "law": "normal entries of variance 1/M", "seed": 0}
    return dataset_of("mixed_flips_surface", data, coordinates, settings)


def summarize(ds):
    """Print by how much samples exceed the limit of large networks."""
    theory = random_matrix.phase_surface(SAMPLED_RATIOS[:, None], SAMPLED_INPUTS)
    for size in ds["size"].to_numpy():
        excess = ds.sampled_critical.sel(size=size).mean("sample").to_numpy() - theory
        print(f"M = {size}: samples exceed the limit by {excess.min():.4f} to {excess.max():.4f}")


def draw(ds):
    """Curves over the fraction of inputs for all ratios; samples with their standard deviation for some."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.6, 3.8))
    colours = plt.get_cmap("viridis")(np.linspace(0, 0.92, ds.sizes["c"]))
    for colour, c in zip(colours, ds.c.to_numpy(), strict=True):
        curve = ds.critical_hidden_fraction.sel(c=c)
        left.plot(ds.inputs_fraction[1:], curve[1:], color=colour, label=f"{c:g}")
        left.plot(0, curve[0], "o", color=colour, markersize=3.5, clip_on=False)
    left.legend(title="c", ncols=3)
    left.set(title="theory; dots: no flipped input", ylim=(0, 0.6))
    for colour, c in zip(COLOURS, ds.sampled_c.to_numpy(), strict=True):
        curve = random_matrix.phase_surface(c, ds.inputs_fraction.to_numpy())
        right.plot(ds.inputs_fraction[1:], curve[1:], color=colour, label=f"c = {c:g}")
        right.plot(0, curve[0], "_", color=colour)
        for size, marker, fill, shift in zip(ds["size"], "ov", ("none", "full"), (-0.006, 0.006), strict=True):
            one = ds.sampled_critical.sel(sampled_c=c, size=size)
            right.errorbar(
                one.sampled_inputs + shift, one.mean("sample"), one.std("sample"), fmt=marker, color=colour,
                markersize=3.5, linewidth=0.8, fillstyle=fill,
            )  # fmt: skip
    right.legend()
    small, large = ds["size"].to_numpy()
    right.set(title=f"samples; open: M = {small}, filled: M = {large}", ylim=(0, None))
    for axes in (left, right):
        axes.set(xlabel="fraction of flipped inputs α_h", ylabel="critical fraction of hidden units α_r")
    return figure


if __name__ == "__main__":
    main(__doc__, [Figure("mixed_flips_surface", compute, draw, summarize)], "smaller samples, three of each")
