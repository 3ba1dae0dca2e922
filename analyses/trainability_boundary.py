"""The boundary of trainability in the plane of two learning rates: is it fractal, and does stability foretell it?

After Sohl-Dickstein, "The boundary of neural network trainability is fractal", arXiv:2402.06184: a network of 16
inputs, 16 tanh units and one output, y = W1 tanh(√(2/16) W0 x)/16, with weights, inputs and targets from normal laws;
500 steps of full-batch gradient descent of the mean squared error, η0 for W0 and η1 for W1; training converges if the
last 20 losses are on average below the first one. All this and the measure, Σ ℓ/ℓ(0) or where it diverges Σ ℓ(0)/ℓ,
is the paper's. Its 272 samples are 16 here, which is 10 times faster, and its grids of 4,096² cells 256².

All cells of a row are one program, `jax.vmap` of the updates of a `curlflow.Experiment` over the gains that its
`layer_rates` become: sweeps run cell by cell. `zoom` is the plane, and three times the sixteenth of it (in either
direction) with most of the boundary; `sample` are windows of that size about points of the boundary at random. Along
rays of equal η0/η1 are compared the first rate that diverges, and the largest stable ones (`curlflow.stability`) at
the minima that the flow reaches and that training reaches with nine tenths of the first rate that diverges.

Variables: `converges` and `log_sum`, the decimal logarithm of the measure (zoom, row, column); `dimension` and
`sample_dimension` (estimator, zoom or sample); `rate`, of η1 (kind, ratio).
Writes `data/trainability_boundary.nc` and `docs/figures/trainability_boundary.png`:

    python analyses/trainability_boundary.py            (five minutes on two cores; --quick: seconds; --help: more)
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from scripts import Figure, dataset_of, main

import curlflow
from curlflow.measures.fractal_dimension import boundary_cells, box_dimension, uncertainty_dimension
from curlflow.precision import jax_settings

UNITS, STEPS, RATIOS = np.array([4 / 16, 2 / 16**2]), 500, 10.0 ** np.arange(-3.0, 2.5, 0.5)
"""What the paper's rates are for weights √(2/16) W0 and W1/16 and half the mean squared error; η0/η1 along rays."""
PLANE, TURNS = np.array([[-1.0, 4.0], [1.0, 2.5]]), np.geomspace(0.5, 1000, 2000)
KINDS = "first that diverges", "stable where the flow ends", "stable where training ends"
METHODS = {"boxes": lambda kinds: box_dimension(boundary_cells(kinds)), "uncertainty": uncertainty_dimension}


def experiment(ratio=1.0, **dynamics):
    """Learning with the rates η·ratio and η of the paper."""
    rng = np.random.default_rng(0)
    start = [rng.normal(size=(16, 16)) * np.sqrt(2 / 16), rng.normal(size=(1, 16)) / 16]
    data = curlflow.Data(rng.normal(size=(16, 16)), rng.normal(size=(16, 1)))
    rates, network = {"layer_rates": list(UNITS * [ratio, 1.0])}, {"hidden": 16, "activation": "tanh"}
    return curlflow.Experiment(network=network, data=data, start=start, dynamics={**dynamics, **rates})


def trained():
    """A function of pairs of rates (pairs × 2) that returns whether training converges, and log₁₀ of the measure."""
    updates = experiment(kind="updates", learning_rate=1.0).build().updates()

    def measured(rates):
        rule, task, rate = updates.args
        gains = tuple(g * r for g, r in zip(rule.gains, rates, strict=True))
        rule = eqx.tree_at(lambda rule: rule.gains, rule, gains)
        update = lambda network, i: (updates.step(i, network, (rule, task, rate)), task.error(network))  # noqa: E731
        losses = jax.lax.scan(update, updates.state, jnp.arange(STEPS))[1]
        losses = jnp.clip(jnp.nan_to_num(losses / losses[0], nan=1e6), max=1e6)
        converges = losses[-20:].mean() < 1
        return converges, jnp.log10(jnp.where(converges, losses, 1 / losses).sum())

    return jax.jit(jax.vmap(measured))


def window(run, ends, size):
    """Both numbers for all cells (row, column) of a window, whose `ends` are log₁₀ of the rates (layer × 2)."""
    inputs, readouts = 10.0 ** np.linspace(*ends.T, size, axis=1)
    rows = [run(np.stack([inputs, np.full(size, η)], axis=1)) for η in readouts]
    return [np.stack(both) for both in zip(*rows, strict=True)]


def about(ends, row, column, size):
    """The window of a sixteenth of both sides about a cell."""
    centre = ends[:, 0] + np.diff(ends)[:, 0] * (np.array([column, row]) + 0.5) / size
    return centre[:, None] + np.diff(ends) / 32 * [-1, 1]


def stable_rate(spec, time):
    """The largest stable η at the point that is reached in this time, or these epochs; NaN where it still moves."""
    weights = curlflow.simulate(spec, times=[0, time], weights="all").weights.to_numpy()[0, -1]
    at = [weights[:256].reshape(16, 16), weights[256:].reshape(1, 16)]
    return curlflow.stability(spec, at=at).critical_learning_rate.item()


def along(run, ratio):
    """η1 for all of `KINDS` at η0/η1 = `ratio`."""
    of_flow = stable_rate(experiment(ratio, kind="flow"), 1e4 * max(1.0, ratio**-0.5))
    rates = of_flow * TURNS
    first = rates[np.argmin(run(rates[:, None] * [ratio, 1.0])[0])]
    return first, of_flow, stable_rate(experiment(ratio, kind="updates", learning_rate=0.9 * first), 20_000)


def compute(given, path):
    """All windows and rays."""
    size, zooms, samples, ratios = (64, 2, 2, RATIOS[2:3]) if given.quick else (256, 4, 6, RATIOS)
    run, ends, found, chosen = trained(), [PLANE], [], np.random.default_rng(0)
    with jax_settings():
        for _ in range(zooms):
            found.append(window(run, ends[-1], size))
            cells = boundary_cells(found[-1][0])
            blocks = cells.reshape(16, size // 16, 16, size // 16).sum(axis=(1, 3))
            row, column = (np.array(np.unravel_index(blocks.argmax(), blocks.shape)) + 0.5) * size // 16
            ends.append(about(ends[-1], row, column, size))
        places = chosen.permutation(np.argwhere(boundary_cells(found[0][0])))[:samples]
        others = [window(run, about(PLANE, *place, size), size)[0] for place in places]
        rays = np.array([along(run, ratio) for ratio in ratios]).T
    converges, log_sum = (np.stack(values) for values in zip(*found, strict=True))
    cells = ("zoom", "row", "column")
    dimensions = [[[f(kinds) for kinds in many] for f in METHODS.values()] for many in (converges, others)]
    data = {
        "converges": (cells, converges, "whether training converges"),
        "log_sum": (cells, log_sum.round(1), "log10 of the sum of relative losses, or where it diverges of inverses"),
        "ends": (("zoom", "layer", "end"), np.stack(ends[:-1]), "log10 of the first and the last rate of a window"),
        "dimension": (("estimator", "zoom"), dimensions[0], "dimension of the boundary"),
        "sample_dimension": (("estimator", "sample"), dimensions[1], "dimension of the boundary"),
        "rate": (("kind", "ratio"), rays, "learning rate of the readout"),
    }
    coordinates = {
        "estimator": ("estimator", list(METHODS), "how it is estimated"),
        "kind": ("kind", list(KINDS), "which rate"),
        "ratio": ("ratio", ratios, "learning rate of the input weights over that of the readout"),
    }
    settings = {"spec": experiment(kind="updates", learning_rate=1.0).to_json(), "steps": STEPS}
    return dataset_of("trainability_boundary", data, coordinates, settings, str(jax.devices()[0].device_kind))


def draw(dataset):
    """The plane and its zooms, each with the place of the next; rates along rays; dimensions."""
    zooms = dataset.sizes["zoom"]
    mosaic = [[0, 1, "rays"], [2, 3, "sizes"]] if zooms == 4 else [[0, 1, "rays", "sizes"]]
    figure, grid = plt.subplot_mosaic(mosaic, figsize=(12.5, 3.75 * len(mosaic)), layout="constrained")
    for i in range(zooms):
        one, ends, axes = dataset.isel(zoom=i), dataset.ends.to_numpy(), grid[i]
        middle = ends[i].mean(axis=1)[:, None] * (i > 0)
        for kind, colors in ((True, "Blues_r"), (False, "Reds")):
            values = one.log_sum.where(one.converges == kind)
            low, high = values.quantile([0.02, 0.98]).to_numpy()
            values, width = values.clip(low, high), high - low
            limits = (low, high + 0.7 * width) if kind else (low - 0.7 * width, high)  # nothing is white
            extent = (ends[i] - middle).ravel()
            axes.imshow(values, colors, origin="lower", extent=extent, aspect="auto", vmin=limits[0], vmax=limits[1])
        axes.grid(visible=False)
        axes.locator_params(nbins=4)
        if i + 1 < zooms:
            (left, right), (low, high) = ends[i + 1] - middle
            axes.add_patch(plt.Rectangle((left, low), right - left, high - low, fill=False, linewidth=1.5))
        axes.set_title(f"×{16**i}, about ({middle[0, 0]:.5g}, {middle[1, 0]:.5g})" if i else "the plane")
        axes.set(xlabel="log₁₀ η0" + " − centre" * (i > 0), ylabel="log₁₀ η1" + " − centre" * (i > 0))
    logs = np.log10(dataset.rate)
    for style, kind in zip(("k-", "k--", "k:"), KINDS, strict=True):
        line = logs.sel(kind=kind)
        grid[0].plot(np.log10(dataset.ratio) + line, line, style, linewidth=1.2)
        grid["rays"].plot(dataset.ratio, 10**line, style, label=kind)
    grid[0].set(xlim=PLANE[0], ylim=PLANE[1])
    grid["rays"].set(xscale="log", yscale="log", xlabel="η0/η1", ylabel="η1")
    grid["rays"].legend()
    for name, marker in (("dimension", "o"), ("sample_dimension", "x")):
        for color, method in zip(("C0", "C1"), METHODS, strict=True):
            values, of = dataset[name].sel(estimator=method), "zooms" if marker == "o" else "windows at random"
            grid["sizes"].plot(np.arange(values.size), values, marker, color=color, label=f"{method}, {of}")
    grid["sizes"].set(xlabel="number of zoom or window", ylabel="dimension of the boundary", ylim=(1, 2.02))
    grid["sizes"].legend()
    return figure


def summarize(dataset):
    """Print dimensions with standard errors over windows, and rates."""
    samples, number = dataset.sample_dimension, dataset.sizes["sample"]
    error = samples.std("sample", ddof=1) / number**0.5
    for method in METHODS:
        mean, se = float(samples.mean("sample").sel(estimator=method)), float(error.sel(estimator=method))
        zooms = ", ".join(f"{d:.2f}" for d in dataset.dimension.sel(estimator=method).to_numpy())
        print(f"dimension by {method}: {mean:.2f} ± {se:.2f} of {number} windows; of zooms {zooms}")
    print(dataset.rate.to_pandas().T.to_string(float_format="{:.4g}".format))


if __name__ == "__main__":
    figure = Figure("trainability_boundary", compute, draw, summarize)
    main(__doc__, [figure], "64² cells, two zooms, two windows, one ray")
