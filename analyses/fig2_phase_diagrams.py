"""Figure 2: over which compression ratios and fractions of flips is the solution manifold stable?

The phase boundaries of large linear networks for flipped inputs and for flipped hidden units at 500 ratios c from
1e-3 to 1e2, and on top samples: the share of sampled matrices H with λ_min > 0 at ten ratios and twenty fractions.

Variables: `critical_fraction(layer, c)`, NaN where every fraction is stable and 0 where no positive one is;
`stable_share(layer, sampled_c, cell)` at the fractions `sampled_fraction(layer, sampled_c, cell)`, which are whole
numbers of units over their number.

Writes `data/fig2.nc` and `docs/figures/fig2.png`:

    python analyses/fig2_phase_diagrams.py            (about a minute; --quick: few samples; --help: more)
"""

import itertools

import matplotlib.pyplot as plt
import numpy as np
from scripts import Figure, dataset_of, main

from curlflow import random_matrix
from curlflow.plot.boundaries import shade

TITLES = {"inputs": "flipped inputs α_h", "hidden": "flipped hidden units α_r"}
RATIOS, CELLS = np.geomspace(1e-3, 1e2, 500), np.linspace(0.025, 0.975, 20)
SAMPLED = np.array([0.01, 0.03, 0.1, 0.2, 0.3, 0.4, 0.5, 1.0, 3.0, 10.0])


def compute(given, path):
    """The limit of large networks, and shares of stable samples at the fractions that whole numbers of flips make."""
    size, samples = (60, 3) if given.quick else (240, 5)
    cells, rng = [], np.random.default_rng(0)
    for layer, c, fraction in itertools.product(TITLES, SAMPLED, CELLS):
        units = size if layer == "inputs" else max(round(size / c), 1)
        lowest = random_matrix.smallest_eigenvalues(c, [size], **{layer: fraction}, samples=samples, seed=rng)
        cells.append((np.mean(lowest > 0), int(fraction * units + 1e-9) / units))
    shares, fractions = np.reshape(cells, (len(TITLES), SAMPLED.size, CELLS.size, 2)).transpose(3, 0, 1, 2)
    critical, dims = [random_matrix.phase_boundary(RATIOS, layer) for layer in TITLES], ("layer", "sampled_c", "cell")
    data = {
        "critical_fraction": (("layer", "c"), np.stack(critical), "smallest unstable fraction of flips"),
        "stable_share": (dims, shares, "share of sampled matrices with a positive λ_min"),
        "sampled_fraction": (dims, fractions, "fraction of flipped units of the samples"),
    }
    coordinates = {
        "layer": ("layer", list(TITLES), "layer whose signs are flipped"),
        "c": ("c", RATIOS, "compression ratio, inputs per hidden unit"),
        "sampled_c": ("sampled_c", SAMPLED, "compression ratio of the samples"),
        "cell": ("cell", CELLS, "fraction asked for"),
    }
    settings = {"sampled_inputs": size, "samples": samples, "law": "normal entries of variance 1/M", "seed": 0}
    ds = dataset_of("fig2", data, coordinates, settings).assign_attrs(
        theory="limit of infinite networks, curlflow.random_matrix.phase_boundary",
        thresholds="inputs: every fraction is stable for c < 1/4, no positive one for c >= 2/3",
    )
    ds.critical_fraction.attrs["comment"] = "NaN: stable for every fraction; 0: unstable for every positive one"
    return ds


def summarize(ds):
    """Print how many sampled cells are mostly on the other side than the limit says."""
    other = stable_side = 0
    for layer, c in itertools.product(TITLES, ds.sampled_c.to_numpy()):
        one = ds.sel(layer=layer, sampled_c=c)
        theory = random_matrix.is_stable(c, **{layer: one.sampled_fraction.to_numpy()})
        sample = one.stable_share.to_numpy() > 0.5
        other, stable_side = other + int((theory != sample).sum()), stable_side + int((sample & ~theory).sum())
    print(f"{other} of {ds.stable_share.size} sampled cells differ from the limit, {stable_side} of them stable")


def draw(ds):
    """Two panels: shaded theory with samples on top."""
    figure, grid = plt.subplots(1, 2, figsize=(8.4, 3.5), sharey=True)
    for axes, (layer, title) in zip(grid, TITLES.items(), strict=True):
        one = ds.sel(layer=layer)
        shade(axes, one.c.to_numpy(), one.critical_fraction.to_numpy())
        ratios = np.broadcast_to(one.sampled_c.to_numpy()[:, None], one.sampled_fraction.shape)
        points = axes.scatter(
            ratios, one.sampled_fraction, c=one.stable_share, cmap="RdYlGn", vmin=0, vmax=1, s=11,
            edgecolors="0.35", linewidths=0.3, zorder=3, clip_on=False,
        )  # fmt: skip
        axes.set_xlabel("compression ratio c = M/N")
        axes.set_title(title, pad=14)
        for text in axes.texts:
            text.set(zorder=4, bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 1.5})
    for place, text, side in ((0.25, "1/4", "right"), (2 / 3, "2/3", "left")):
        grid[0].axvline(place, color="0.4", linewidth=0.8, linestyle=":")
        grid[0].text(place, 1.01, text, ha=side, va="bottom", fontsize="x-small")
    grid[0].set_ylabel("fraction of flips")
    figure.colorbar(points, ax=grid, label="share of stable samples", shrink=0.85)
    return figure


if __name__ == "__main__":
    main(__doc__, [Figure("fig2", compute, draw, summarize)], "samples of 60 inputs, three of each")
