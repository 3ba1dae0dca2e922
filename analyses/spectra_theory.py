"""Does the eigenvalue density of the theory describe sampled matrices H, with flips in either layer and in both?

Eight settings: flipped inputs, flipped hidden units, both, one band and up to four, with and without atoms. Each is
compared with five samples of 800 inputs. (The published panels show −H; here it is H, stable where λ_min > 0.)

Variables: `density(setting, point)` at `position(setting, point)`; `histogram(setting, bin)`, the sampled density
without the atoms, with bins `bin_edge(setting, bin_edges)`; `atom_mass(setting, atom)` and `sampled_atom_mass`;
`kolmogorov_smirnov(setting, sample)`, the largest difference between the distribution functions; `edges(setting,
edge)`.

Writes `data/spectra_theory.nc` and `docs/figures/spectra_theory.png`:

    python analyses/spectra_theory.py            (about 15 s; --quick: smaller samples, in results/; --help: more)
"""

import matplotlib.pyplot as plt
import numpy as np
from scripts import Figure, dataset_of, main

from curlflow import random_matrix

SETTINGS = (
    (0.5, 0.0, 0.0), (0.3, 0.3, 0.0), (0.5, 0.3, 0.0), (0.5, 0.0, 0.3), (0.5, 0.3, 0.2), (2.0, 0.3, 0.3),
    (5.0, 0.3, 0.0), (5.0, 0.5, 0.5),
)  # fmt: skip
"""(c, fraction of inputs, fraction of hidden units)."""
POINTS, BINS, BANDS = 600, 60, 4
ATOMS = np.array([-1.0, 1.0])


def one_setting(c, inputs, hidden, size, samples):
    """Theory and samples of one setting: for each variable its dimension, value and long name."""
    flips = {"inputs": inputs, "hidden": hidden}
    values = random_matrix.sample_eigenvalues(c, size, **flips, samples=samples, seed=0)
    edges = random_matrix.spectral_edges(c, **flips)
    margin = 0.04 * (edges[-1, 1] - edges[0, 0])
    x = np.linspace(edges[0, 0] - margin, edges[-1, 1] + margin, POINTS)
    density = random_matrix.spectral_density(x, c, **flips)
    on_atom = np.abs(values[..., None] - ATOMS) < 1e-9
    bins = np.linspace(x[0], x[-1], BINS + 1)
    histogram = np.histogram(values[~on_atom.any(axis=-1)], bins)[0] / (values.size * np.diff(bins))
    padded = np.pad(edges.ravel(), (0, 2 * BANDS - edges.size), constant_values=np.nan)
    masses = [float(density.masses[density.atoms == place].sum()) for place in ATOMS]
    distances = [random_matrix.kolmogorov_smirnov(row, c, **flips) for row in values]
    smallest = random_matrix.smallest_eigenvalue(c, **flips)
    return {
        "ratio": ("", c, "compression ratio, inputs per hidden unit"),
        "inputs": ("", inputs, "fraction of flipped inputs"),
        "hidden": ("", hidden, "fraction of flipped hidden units"),
        "position": ("point", x, "eigenvalue of H"),
        "density": ("point", density.values, "density of the theory, without atoms"),
        "bin_edge": ("bin_edges", bins, "ends of the bins"),
        "histogram": ("bin", histogram, "sampled density, without atoms"),
        "edges": ("edge", padded, "ends of the bands"),
        "atom_mass": ("atom", masses, "share of eigenvalues at the atom, theory"),
        "sampled_atom_mass": ("atom", on_atom.mean(axis=(0, 1)), "share of eigenvalues at the atom, samples"),
        "kolmogorov_smirnov": ("sample", distances, "largest difference between the distribution functions"),
        "smallest": ("", smallest, "smallest eigenvalue, theory"),
        "sampled_smallest": ("sample", values[:, 0], "smallest eigenvalue of the samples"),
    }


def compute(given, path):
    """All settings, labelled."""
    size, samples = (200, 2) if given.quick else (800, 5)
    rows = [one_setting(*setting, size, samples) for setting in SETTINGS]
    data = {
        name: (("setting", dim) if dim else ("setting",), np.array([row[name][1] for row in rows]), text)
        for name, (dim, _, text) in rows[0].items()
    }
    coordinates = {
        "setting": ("setting", np.arange(len(SETTINGS)), "number of the setting"),
        "atom": ("atom", ATOMS, "place of the atom"),
    }
    settings = {"sampled_inputs": size, "samples": samples, "law": "normal entries of variance 1/M", "seed": 0}
    return dataset_of("spectra_theory", data, coordinates, settings)


def summarize(ds):
    """Print the distances of all settings."""
    print(f"largest Kolmogorov–Smirnov distance {float(ds.kolmogorov_smirnov.max()):.4f}; by setting:")
    for one in ds.kolmogorov_smirnov.mean("sample").to_numpy():
        print(f"  {one:.4f}")


def draw(ds):
    """A panel for each setting: histogram, density, atoms as spikes."""
    figure, grid = plt.subplots(2, 4, figsize=(11.5, 5.0))
    for axes, setting in zip(grid.flat, ds.setting, strict=True):
        one = ds.sel(setting=setting)
        axes.stairs(one.histogram, one.bin_edge, fill=True, color="#c9c2d8", label="samples")
        axes.plot(one.position, one.density, color="#4c2a85", label="theory")
        top = 1.1 * float(max(one.density.max(), one.histogram.max()))
        for place, mass in zip(one.atom.to_numpy(), one.atom_mass.to_numpy(), strict=True):
            if mass > 0:
                axes.plot([place, place], [0, top], color="#c8553d")
                axes.text(place, top, f"{mass:.2g}", ha="center", va="bottom", color="#c8553d", fontsize="small")
        axes.axvline(0, color="0.3", linewidth=0.8, linestyle=":")
        axes.set(ylim=(0, None), xlabel="eigenvalue of H")
        axes.set_title(f"c = {one.ratio:g}, α_h = {one.inputs:g}, α_r = {one.hidden:g}", pad=14)
        text = f"KS {one.kolmogorov_smirnov.mean():.4f}"
        axes.text(0.98, 0.92, text, transform=axes.transAxes, ha="right", va="top", fontsize="small")
    grid[0, 0].legend(loc="center right")
    for axes in grid[:, 0]:
        axes.set_ylabel("density")
    return figure


if __name__ == "__main__":
    main(__doc__, [Figure("spectra_theory", compute, draw, summarize)], "two samples of 200 inputs")
