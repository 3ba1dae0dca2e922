"""Does the eigenvalue density of the theory describe sampled matrices H, with flips in either layer and in both?

Eight settings: flipped inputs, flipped hidden units, both, one band and up to four, with and without atoms. Each is
compared with five samples of 800 inputs. (The published panels show −H; here it is H, stable where λ_min > 0.)

Variables: `density(setting, point)` at `position(setting, point)`; `histogram(setting, bin)`, the sampled density
without the atoms, with bins `bin_edge(setting, bin_edges)`; `atom_mass(setting, atom)` and `sampled_atom_mass`;
`kolmogorov_smirnov(setting, sample)`, the largest difference between the distribution functions; `edges(setting,
edge)`.

Writes `data/spectra_theory.nc` and `docs/figures/spectra_theory.png`:

    python analyses/spectra_theory.py            (about 15 s; --quick: smaller samples, in results/)
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
SETTINGS = (
    (0.5, 0.0, 0.0), (0.3, 0.3, 0.0), (0.5, 0.3, 0.0), (0.5, 0.0, 0.3), (0.5, 0.3, 0.2), (2.0, 0.3, 0.3),
    (5.0, 0.3, 0.0), (5.0, 0.5, 0.5),
)  # fmt: skip
"""(c, fraction of inputs, fraction of hidden units)."""
POINTS, BINS, BANDS = 600, 60, 4
ATOMS = np.array([-1.0, 1.0])

VARIABLES = (
    Variable("ratio", ("setting",), "compression ratio, inputs per hidden unit"),
    Variable("inputs", ("setting",), "fraction of flipped inputs"),
    Variable("hidden", ("setting",), "fraction of flipped hidden units"),
    Variable("position", ("setting", "point"), "eigenvalue of H"),
    Variable("density", ("setting", "point"), "density of the theory, without atoms"),
    Variable("bin_edge", ("setting", "bin_edges"), "ends of the bins"),
    Variable("histogram", ("setting", "bin"), "sampled density, without atoms"),
    Variable("edges", ("setting", "edge"), "ends of the bands"),
    Variable("atom_mass", ("setting", "atom"), "share of eigenvalues at the atom, theory"),
    Variable("sampled_atom_mass", ("setting", "atom"), "share of eigenvalues at the atom, samples"),
    Variable("kolmogorov_smirnov", ("setting", "sample"), "largest difference between the distribution functions"),
    Variable("smallest", ("setting",), "smallest eigenvalue, theory"),
    Variable("sampled_smallest", ("setting", "sample"), "smallest eigenvalue of the samples"),
)


def one_setting(c: float, inputs: float, hidden: float, size: int, samples: int) -> dict[str, np.ndarray]:
    """Theory and samples of one setting."""
    flips = {"inputs": inputs, "hidden": hidden}
    values = random_matrix.sample_eigenvalues(c, size, **flips, samples=samples, seed=0)
    edges = random_matrix.spectral_edges(c, **flips)
    margin = 0.04 * (edges[-1, 1] - edges[0, 0])
    x = np.linspace(edges[0, 0] - margin, edges[-1, 1] + margin, POINTS)
    density = random_matrix.spectral_density(x, c, **flips)
    on_atom = np.abs(values[..., None] - ATOMS) < 1e-9
    bins = np.linspace(x[0], x[-1], BINS + 1)
    histogram = np.histogram(values[~on_atom.any(axis=-1)], bins)[0] / (values.size * np.diff(bins))
    padded = np.full(2 * BANDS, np.nan)
    padded[: edges.size] = edges.ravel()
    return {
        "ratio": c, "inputs": inputs, "hidden": hidden, "position": x, "density": density.values, "bin_edge": bins,
        "histogram": histogram, "edges": padded,
        "atom_mass": [float(density.masses[density.atoms == place].sum()) for place in ATOMS],
        "sampled_atom_mass": on_atom.mean(axis=(0, 1)),
        "kolmogorov_smirnov": [random_matrix.kolmogorov_smirnov(row, c, **flips) for row in values],
        "smallest": random_matrix.smallest_eigenvalue(c, **flips), "sampled_smallest": values[:, 0],
    }  # fmt: skip


def compute(size: int, samples: int) -> xr.Dataset:
    """All settings, labelled."""
    rows = [one_setting(*setting, size, samples) for setting in SETTINGS]
    data = {variable.name: np.array([row[variable.name] for row in rows]) for variable in VARIABLES}
    coordinates = {
        "setting": (("setting",), np.arange(len(SETTINGS)), "number of the setting"),
        "atom": (("atom",), ATOMS, "place of the atom"),
    }
    settings = {"sampled_inputs": size, "samples": samples, "law": "normal entries of variance 1/M", "seed": 0}
    attributes = provenance("spectra_theory", settings, "none: theory and NumPy samples")
    return labelled(VARIABLES, data, coordinates, attributes)


def draw(ds: xr.Dataset) -> plt.Figure:
    """A panel for each setting: histogram, density, atoms as spikes."""
    with styled():
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
            axes.text(0.98, 0.92, f"KS {one.kolmogorov_smirnov.mean():.4f}", transform=axes.transAxes, ha="right",
                      va="top", fontsize="small")  # fmt: skip
        grid[0, 0].legend(loc="center right")
        for axes in grid[:, 0]:
            axes.set_ylabel("density")
    return figure


def main() -> None:
    """Compute, save and draw."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="two samples of 200 inputs")
    quick = parser.parse_args().quick
    folder, figures = (ROOT / "results",) * 2 if quick else (ROOT / "data", ROOT / "docs" / "figures")
    folder.mkdir(exist_ok=True)
    ds = compute(*((200, 2) if quick else (800, 5)))
    name = "spectra_theory_quick" if quick else "spectra_theory"
    curlflow.save(ds, folder / f"{name}.nc")
    draw(ds).savefig(figures / f"{name}.png")
    print(f"largest Kolmogorov–Smirnov distance {float(ds.kolmogorov_smirnov.max()):.4f}; by setting:")
    for one in ds.kolmogorov_smirnov.mean("sample").to_numpy():
        print(f"  {one:.4f}")


if __name__ == "__main__":
    main()
