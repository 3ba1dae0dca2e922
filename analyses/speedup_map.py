"""Over which starting scales, and for how many flipped readout neurons, is curl descent faster?

Gradient descent and curl descent with 1 to 10 of 10 hidden units flipped, from the same starts, over the scale of the
starting weights; 2,000 samples, tanh, norms kept. The published figures show one line of this map for each axis.

Variables, along `scale` and `flipped`: `speed_up` (geometric mean of the time ratio where both arrive) with its
interval, `pairs`, `mean_time_ratio` (restricted means, all runs), `won`, `lost`, `sign_test_p` and
`sign_test_p_adjusted`; along `scale`, `rule` and `realization` what `curlflow.convergence` returns.

Writes `data/speedup_map.nc` and `docs/figures/speedup_map.png`:

    python analyses/speedup_map.py            (--quick: minutes, in results/; --help: more)
"""

import json
import sys

import convergence_figures as figures
import matplotlib.pyplot as plt
import numpy as np

import curlflow
from curlflow.plot.style import styled

COUNTS = figures.FLIPPED
QUICK_SCALES, QUICK_COUNTS = (0.5, 2.0, 5.0), (1, 5, 10)


def rules(counts):
    """Gradient descent, and curl descent with so many hidden units flipped."""
    return {"gradient": "gradient"} | {
        f"{n} flipped": {"kind": "curl", "flipped": {"hidden": {"count": n}}} for n in counts
    }


def computed(given):
    """The sweep over scales, with comparisons along `flipped`."""
    counts, scales = (QUICK_COUNTS, QUICK_SCALES) if given.quick else (COUNTS, figures.SCALES)
    spec = curlflow.preset("fig5f").replace("dynamics", figures.DYNAMICS[given.dynamics])
    if given.quick:
        spec = spec.replace({"realizations": figures.QUICK_REALIZATIONS, "data.samples": 500})
    if given.realizations is not None:
        spec = spec.replace("realizations", given.realizations)
    folder = (given.directory or figures.ROOT / "results" / "sweeps") / (
        "map_quick" if given.quick else "speedup_map"
    )
    folder = folder / given.dynamics
    folder.mkdir(parents=True, exist_ok=True)
    dataset = curlflow.sweep(
        spec, over={"scale": curlflow.Axis("start.scale", list(scales))}, study="convergence",
        options={"rules": rules(counts)}, directory=folder, extend=True, progress=True,
        workers=given.workers, scheduler=given.scheduler,
    )  # fmt: skip
    dataset = curlflow.compare_rules(dataset)
    flipped = ("compared", np.array(counts), {"long_name": "flipped hidden units", "units": "1"})
    dataset = dataset.assign_coords(flipped=flipped).swap_dims(compared="flipped").drop_vars("compared")
    dataset["scale"].attrs["long_name"] = "starting scale"
    runs = {"realizations": spec.realizations, "samples": spec.data.samples, **figures.DYNAMICS[given.dynamics]}
    return dataset.assign_attrs(runs=json.dumps(runs))


def draw(dataset):
    """Ratios of restricted means and speed-ups over both axes; dots where p of the sign test is small."""
    panels = {
        "mean_time_ratio": "ratio of restricted mean times, all runs",
        "speed_up": "speed-up where both arrive",
    }
    figure, grid = plt.subplots(1, 2, figsize=(9.6, 3.6), sharey=True)
    for axes, (name, text) in zip(grid, panels.items(), strict=True):
        values = np.log2(dataset[name].transpose("flipped", "scale").to_numpy())
        most = np.nanmax(np.abs(values))
        edges = np.arange(dataset.sizes["scale"] + 1) - 0.5
        rows = np.arange(dataset.sizes["flipped"] + 1) - 0.5
        mesh = axes.pcolormesh(edges, rows, values, cmap="PuOr_r", vmin=-most, vmax=most)
        sure = dataset.sign_test_p_adjusted.transpose("flipped", "scale").to_numpy() < 0.05
        axes.plot(*np.nonzero(sure)[::-1], ".", color="black", markersize=3)
        axes.set_xticks(range(dataset.sizes["scale"]), [f"{s:g}" for s in dataset.scale.to_numpy()], rotation=60)
        axes.set_yticks(range(dataset.sizes["flipped"]), [str(n) for n in dataset.flipped.to_numpy()])
        axes.set(xlabel="starting scale", title=text)
        figure.colorbar(mesh, ax=axes, label="log₂, above 0: curl descent is faster")
    grid[0].set_ylabel("flipped hidden units of 10")
    return figure


def main():
    """Compute, save and draw; stop it and run it again, and it goes on."""
    parser = figures.options()
    parser.description = __doc__
    given = parser.parse_args()
    folder, pictures = figures.folders(given.quick)
    name = "speedup_map_quick" if given.quick else "speedup_map"
    name += "" if given.dynamics == "flow" else f"_{given.dynamics}"
    if not given.draw:
        try:
            curlflow.save(computed(given), folder / f"{name}.nc")
        except (curlflow.Interrupted, KeyboardInterrupt):
            sys.exit("interrupted; finished cells are kept, and the same command goes on")
    with styled():
        draw(figures.loaded(folder / f"{name}.nc")).savefig(pictures / f"{name}.png")


if __name__ == "__main__":
    main()
