"""Is the curl genuine? How much of it remains in the metric that suits the learning rates, with and without flips.

A tanh network at its start, with flipped hidden units and learning rates that are equal, differ by layer (1 and 4) or
are drawn for every weight, in the Euclidean metric and in the best ones of numbers by layer and by weight.

Variables: `curl_ratio` and `antisymmetric_norm` (rates, metric, flipped, realization).
Writes `data/genuine_curl.nc` and `docs/figures/genuine_curl.png`:

    python analyses/genuine_curl.py            (a minute; --quick: seconds, in results/; --help: more)
"""

import matplotlib.pyplot as plt
import numpy as np
from scripts import Figure, dataset_of, main

import curlflow
from curlflow.rules import Gradient, SignFlipped

SHAPES, METRICS = ((5, 10), (1, 5)), ("euclidean", "layerwise", "diagonal")
TEXTS = {"curl_ratio": "‖A‖/‖S‖", "antisymmetric_norm": "‖A‖"}
RATES = {
    "equal": [np.ones(shape) for shape in SHAPES],
    "by layer": [np.full(SHAPES[0], 1.0), np.full(SHAPES[1], 4.0)],
    "by weight": [np.exp(np.random.default_rng(0).normal(size=shape)) for shape in SHAPES],
}


def compute(given, path):
    """Decompositions for all rates, metrics and numbers of flipped hidden units."""
    network = {"inputs": 10, "hidden": 5, "activation": "tanh"}
    runs, counts = (2, np.array([0, 1, 5])) if given.quick else (20, np.arange(6))
    spec = curlflow.Spec(network=network, data={"samples": 100}, realizations=runs)
    found = np.empty((2, len(RATES), len(METRICS), len(counts), runs))
    for place in np.ndindex(found.shape[1:-1]):
        (hidden, readout), metric, count = list(RATES.values())[place[0]], METRICS[place[1]], counts[place[2]]
        rule = SignFlipped(Gradient(), [hidden, readout * np.where(np.arange(5) < count, -1.0, 1.0)])
        ds = curlflow.decomposition(spec, rule=rule, metric=metric)
        found[(slice(None), *place)] = ds.curl_ratio, ds.antisymmetric_norm
    dims = ("rates", "metric", "flipped", "realization")
    data = {name: (dims, values, text) for (name, text), values in zip(TEXTS.items(), found, strict=True)}
    places = (list(RATES), list(METRICS), counts, np.arange(runs))
    coordinates = {name: (name, at, name) for name, at in zip(dims, places, strict=True)}
    return dataset_of("genuine_curl", data, coordinates, {"spec": spec.to_json()}, ds.attrs["device"])


def draw(dataset):
    """Ratio and norm over flipped units, for each kind of rates: means and standard errors over realizations."""
    figure, grid = plt.subplots(2, 3, figsize=(9.6, 5.6), sharex=True, sharey="row")
    means, errors = dataset.mean("realization"), dataset.std("realization", ddof=1) / dataset.realization.size**0.5
    for row, name in zip(grid, TEXTS, strict=True):
        row[0].set_ylabel(TEXTS[name])
        for axes, rates in zip(row, RATES, strict=True):
            for metric, marker, size in zip(METRICS, "os.", (9, 6, 6), strict=True):
                mean, error = (of[name].sel(rates=rates, metric=metric) for of in (means, errors))
                axes.errorbar(dataset.flipped, mean, error, marker=marker, ms=size, capsize=3, label=metric)
            axes.set_title(f"learning rates: {rates}" if name == "curl_ratio" else "")
    grid[0, 2].legend(title="metric")
    figure.supxlabel("flipped hidden units of 5")
    return figure


if __name__ == "__main__":
    main(__doc__, [Figure("genuine_curl", compute, draw)], "two realizations, three numbers of flips")
