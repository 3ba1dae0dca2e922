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

import convergence_figures as shared
import matplotlib.pyplot as plt
import numpy as np

import curlflow

PANELS = {"mean_time_ratio": "ratio of restricted mean times, all runs", "speed_up": "speed-up where both arrive"}


def compute(given, path):
    """The sweep over scales, with comparisons along `flipped`."""
    counts, scales = ((1, 5, 10), (0.5, 2.0, 5.0)) if given.quick else (shared.FLIPPED, shared.SCALES)
    rules = {f"{n} flipped": {"kind": "curl", "flipped": {"hidden": {"count": n}}} for n in counts}
    options = {"rules": {"gradient": "gradient"} | rules}
    dynamics = shared.DYNAMICS[given.dynamics]
    spec, over = shared.setting("fig5f", dynamics, given), {"scale": curlflow.Axis("start.scale", list(scales))}
    folder = f"{'map_quick' if given.quick else 'speedup_map'}/{given.dynamics}"
    dataset = curlflow.compare_rules(shared.swept(given, folder, spec, over, "convergence", options))
    flipped = ("compared", np.array(counts), {"long_name": "flipped hidden units", "units": "1"})
    dataset = dataset.assign_coords(flipped=flipped).swap_dims(compared="flipped").drop_vars("compared")
    dataset["scale"].attrs["long_name"] = "starting scale"
    runs = {"realizations": spec.realizations, "samples": spec.data.samples, **dynamics}
    return dataset.assign_attrs(runs=json.dumps(runs))


def draw(dataset):
    """Ratios of restricted means and speed-ups over both axes; dots where p of the sign test is small."""
    figure, grid = plt.subplots(1, 2, figsize=(9.6, 3.6), sharey=True, dpi=160)
    sure = dataset.sign_test_p_adjusted.transpose("flipped", "scale").to_numpy() < 0.05
    for axes, (name, text) in zip(grid, PANELS.items(), strict=True):
        values = np.log2(dataset[name].transpose("flipped", "scale").to_numpy())
        most = np.nanmax(np.abs(values))
        mesh = axes.pcolormesh(values, cmap="PuOr_r", vmin=-most, vmax=most)
        axes.plot(*(0.5 + np.argwhere(sure).T[::-1]), ".", color="black", markersize=3)
        axes.set_xticks(0.5 + np.arange(values.shape[1]), [f"{s:g}" for s in dataset.scale.to_numpy()], rotation=60)
        axes.set_yticks(0.5 + np.arange(values.shape[0]), dataset.flipped.to_numpy())
        axes.set(xlabel="starting scale", title=text)
        figure.colorbar(mesh, ax=axes, label="log₂, above 0: curl descent is faster")
    grid[0].set_ylabel("flipped hidden units of 10")
    return figure


if __name__ == "__main__":
    figure = shared.Figure("speedup_map", compute, draw, ending=shared.ending)
    shared.main(__doc__, [figure], shared.QUICK, shared.OF_DYNAMICS)
