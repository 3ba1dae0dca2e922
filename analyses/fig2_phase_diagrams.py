"""Figure 2: over which compression ratios and fractions of flips is the solution manifold stable?

The phase boundaries of large linear networks for flipped inputs and for flipped hidden units at 500 ratios c from
1e-3 to 1e2, and on top samples: the share of sampled matrices H with λ_min > 0 at ten ratios and twenty fractions.

Variables: `critical_fraction(layer, c)`, NaN where every fraction is stable and 0 where no positive one is;
`stable_share(layer, sampled_c, cell)` at the fractions `sampled_fraction(layer, sampled_c, cell)`, which are whole
numbers of units over their number.

Writes `data/fig2.nc` and `docs/figures/fig2.png`:

    python analyses/fig2_phase_diagrams.py            (about a minute; --quick: few samples, in results/)
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

import curlflow
from curlflow import random_matrix
from curlflow.plot.boundaries import shade
from curlflow.plot.style import styled
from curlflow.results import labelled, provenance
from curlflow.variable import Variable

ROOT = Path(__file__).parent.parent
LAYERS = ("inputs", "hidden")
RATIOS = np.geomspace(1e-3, 1e2, 500)
SAMPLED = np.array([0.01, 0.03, 0.1, 0.2, 0.3, 0.4, 0.5, 1.0, 3.0, 10.0])
CELLS = np.linspace(0.025, 0.975, 20)
TITLES = {"inputs": "flipped inputs α_h", "hidden": "flipped hidden units α_r"}

VARIABLES = (
    Variable(
        "critical_fraction",
        ("layer", "c"),
        "smallest unstable fraction of flips",
        attributes={"comment": "NaN: stable for every fraction; 0: unstable for every positive one"},
    ),
    Variable("stable_share", ("layer", "sampled_c", "cell"), "share of sampled matrices with a positive λ_min"),
    Variable("sampled_fraction", ("layer", "sampled_c", "cell"), "fraction of flipped units of the samples"),
)


def sampled(size: int, samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Shares of stable samples with `size` inputs, and the fractions that whole numbers of flips make."""
    shares, fractions = np.zeros((2, len(LAYERS), SAMPLED.size, CELLS.size))
    rng = np.random.default_rng(0)
    for (row, layer), (column, c), (cell, fraction) in (
        (a, b, d) for a in enumerate(LAYERS) for b in enumerate(SAMPLED) for d in enumerate(CELLS)
    ):
        units = size if layer == "inputs" else max(round(size / c), 1)
        fractions[row, column, cell] = int(fraction * units + 1e-9) / units
        lowest = random_matrix.smallest_eigenvalues(c, [size], **{layer: fraction}, samples=samples, seed=rng)
        shares[row, column, cell] = np.mean(lowest > 0)
    return shares, fractions


def compute(size: int, samples: int) -> xr.Dataset:
    """Theory and samples, labelled."""
    shares, fractions = sampled(size, samples)
    data = {
        "critical_fraction": np.stack([random_matrix.phase_boundary(RATIOS, layer) for layer in LAYERS]),
        "stable_share": shares,
        "sampled_fraction": fractions,
    }
    coordinates = {
        "layer": (("layer",), np.array(LAYERS), "layer whose signs are flipped"),
        "c": (("c",), RATIOS, "compression ratio, inputs per hidden unit"),
        "sampled_c": (("sampled_c",), SAMPLED, "compression ratio of the samples"),
        "cell": (("cell",), CELLS, "fraction asked for"),
    }
    settings = {"sampled_inputs": size, "samples": samples, "law": "normal entries of variance 1/M", "seed": 0}
    ds = labelled(VARIABLES, data, coordinates, provenance("fig2", settings, "none: theory and NumPy samples"))
    return ds.assign_attrs(
        theory="limit of infinite networks, curlflow.random_matrix.phase_boundary",
        thresholds="inputs: every fraction is stable for c < 1/4, no positive one for c >= 2/3",
    )


def disagreements(ds: xr.Dataset) -> tuple[int, int]:
    """How many sampled cells are mostly on the other side than the limit says, and on its stable side of these."""
    other = stable_side = 0
    for layer in LAYERS:
        for c in ds.sampled_c.to_numpy():
            one = ds.sel(layer=layer, sampled_c=c)
            theory = random_matrix.is_stable(c, **{layer: one.sampled_fraction.to_numpy()})
            sample = one.stable_share.to_numpy() > 0.5
            other += int((theory != sample).sum())
            stable_side += int((sample & ~theory).sum())
    return other, stable_side


def draw(ds: xr.Dataset) -> plt.Figure:
    """Two panels: shaded theory with samples on top."""
    with styled():
        figure, grid = plt.subplots(1, 2, figsize=(8.4, 3.5), sharey=True)
        for axes, layer in zip(grid, LAYERS, strict=True):
            one = ds.sel(layer=layer)
            shade(axes, one.c.to_numpy(), one.critical_fraction.to_numpy())
            ratios = np.broadcast_to(one.sampled_c.to_numpy()[:, None], one.sampled_fraction.shape)
            points = axes.scatter(
                ratios, one.sampled_fraction, c=one.stable_share, cmap="RdYlGn", vmin=0, vmax=1, s=11,
                edgecolors="0.35", linewidths=0.3, zorder=3, clip_on=False,
            )  # fmt: skip
            axes.set_xlabel("compression ratio c = M/N")
            axes.set_title(TITLES[layer], pad=14)
            for text in axes.texts:
                text.set(zorder=4, bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 1.5})
        for place, text, side in ((0.25, "1/4", "right"), (2 / 3, "2/3", "left")):
            grid[0].axvline(place, color="0.4", linewidth=0.8, linestyle=":")
            grid[0].text(place, 1.01, text, ha=side, va="bottom", fontsize="x-small")
        grid[0].set_ylabel("fraction of flips")
        figure.colorbar(points, ax=grid, label="share of stable samples", shrink=0.85)
    return figure


def main() -> None:
    """Compute, save and draw."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="samples of 60 inputs, three of each")
    quick = parser.parse_args().quick
    folder, figures = (ROOT / "results",) * 2 if quick else (ROOT / "data", ROOT / "docs" / "figures")
    folder.mkdir(exist_ok=True)
    ds = compute(*((60, 3) if quick else (240, 5)))
    name = "fig2_quick" if quick else "fig2"
    curlflow.save(ds, folder / f"{name}.nc")
    draw(ds).savefig(figures / f"{name}.png")
    other, stable_side = disagreements(ds)
    print(f"{other} of {ds.stable_share.size} sampled cells differ from the limit, {stable_side} of them stable")


if __name__ == "__main__":
    main()
