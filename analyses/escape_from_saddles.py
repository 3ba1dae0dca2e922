"""Why is curl descent faster: does it spend less time near saddles?

Gradient and curl descent (one of ten hidden units flipped) from the same starts in the setting of figure 5c, 2,000
samples, as flows. Along the way: errors, speed, the angle between the velocity and −∇error, the ratio of the curl
part of the Jacobian, and its eigenvalues. Near a saddle learning is slow although the error is not small, and the
Jacobian has eigenvalues with a positive real part, of which the leading one sets the pace of the escape.

Variables, along `rule`, `realization`, `time`: `train_error`, `test_error`; at fewer times, along `looked_at`:
`error`, `speed`, `gradient_angle`, `curl_ratio`, `leading_real_part`, `unstable_directions`; along `rule`,
`realization`: `convergence_time`, and `slow_time`, for how long before that the training error fell by less than a
factor of e^½ while time grew by e (`SLOW`).

Writes `data/escape_from_saddles.nc` and `docs/figures/escape_from_saddles.png`:

    python analyses/escape_from_saddles.py            (--quick: minutes, in results/)
"""

import argparse
import json
import warnings

import convergence_figures as figures
import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

import curlflow
from curlflow.plot.style import styled

SLOW = 0.5
"""Learning is slow where −d ln E/d ln t is below this."""
FIRST, LAST, RECORDS, LOOKS = 0.3, 1000.0, 240, 24
RULES = {"gradient": {"kind": "gradient"}, "curl": {"kind": "curl", "flipped": {"hidden": {"count": 1}}}}


def setting(quick):
    """The preset as a flow; quick: three realizations of a smaller network."""
    spec = curlflow.preset("fig5c").replace("dynamics", {"kind": "flow", "rtol": 1e-6, "atol": 1e-9})
    if quick:
        spec = spec.replace({"realizations": 3, "network.inputs": 20, "data.samples": 500})
    return spec


def slow_time(times, errors, until):
    """For how long the error falls slowly before `until`, or before the last record."""
    end = times[-1] if np.isnan(until) else until
    slope = -np.gradient(np.log(errors), np.log(times))
    spans = np.gradient(times)
    return float(spans[(slope < SLOW) & (times <= end)].sum())


def along_the_way(spec, times, looks):
    """What one rule does from record to record, and how the velocity looks at some of them."""
    curves = curlflow.simulate(spec, times=times, weights="all")
    every = curves.isel(time=looks)
    parts = curlflow.decomposition(spec, at=every)
    shapes = [w.shape for w in spec.build().student.weights]
    ends = np.cumsum([a * b for a, b in shapes])[:-1]
    leading, unstable = (np.full((spec.realizations, len(looks)), np.nan) for _ in range(2))
    for j in range(len(looks)):
        flat = every.weights.isel(time=j).transpose("realization", "weight").to_numpy()
        networks = [[part.reshape(s) for part, s in zip(np.split(w, ends), shapes, strict=True)] for w in flat]
        networks = [spec.build(realization=i).student.with_weights(w) for i, w in enumerate(networks)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that these are no fixed points is meant
            found = curlflow.stability(spec, at=networks)
        leading[:, j] = found.leading_real_part
        unstable[:, j] = (found.eigenvalue_real > found.neutral_threshold).sum("eigenvalue")
    data = {name: (("realization", "looked_at"), parts[name].transpose("realization", "time").to_numpy())
            for name in ("error", "speed", "gradient_angle", "curl_ratio")}  # fmt: skip
    data |= {
        "leading_real_part": (("realization", "looked_at"), leading),
        "unstable_directions": (("realization", "looked_at"), unstable),
    }
    found = xr.Dataset(data, {"looked_at": times[looks]})
    return found.merge(curves[["train_error", "test_error"]], combine_attrs="drop")


LONG_NAMES = {
    "error": "training error", "speed": "norm of the velocity", "gradient_angle": "angle to −∇error, radians",
    "curl_ratio": "antisymmetric over symmetric norm of J", "leading_real_part": "largest Re of an eigenvalue",
    "unstable_directions": "eigenvalues with a positive real part", "slow_time": "time of slow learning",
    "looked_at": "time", "time": "time",
}  # fmt: skip


def computed(quick):
    """Both rules, with their times of convergence."""
    spec = setting(quick)
    times = np.geomspace(FIRST, LAST, RECORDS)
    looks = np.unique(np.round(np.linspace(0, RECORDS - 1, 8 if quick else LOOKS)).astype(int))
    arrived = curlflow.convergence(spec.replace("dynamics.solver", "rkc2"), rules=RULES)
    parts = [along_the_way(spec.replace("rule", rule), times, looks) for rule in RULES.values()]
    dataset = xr.concat(parts, xr.DataArray(list(RULES), dims="rule", name="rule"), combine_attrs="drop")
    keep = ["convergence_time", "convergence_epoch", "speed_up", "speed_up_lower", "speed_up_upper", "sign_test_p"]
    dataset = dataset.merge(arrived[keep], combine_attrs="drop", compat="override")
    slow = [
        [slow_time(times, e, float(t)) for e, t in zip(*pair, strict=True)]
        for pair in zip(
            dataset.train_error.transpose("rule", "realization", "time").to_numpy(),
            dataset.convergence_time.transpose("rule", "realization").to_numpy(),
            strict=True,
        )
    ]
    dataset["slow_time"] = (("rule", "realization"), np.array(slow))
    for name, text in LONG_NAMES.items():
        dataset[name].attrs = {"long_name": text, "units": "1"}
    kept = {
        k: arrived.attrs[k]
        for k in ("Conventions", "source", "references", "created", "commit", "versions", "device")
    }
    return dataset.assign_attrs(title="escape from saddles", spec=spec.to_json(), rules=json.dumps(RULES), **kept)


def draw(dataset):
    """Errors, speed, the pace of escape and the angle to the gradient against time; medians thick."""
    panels = {
        "train_error": ("time", "training error", "log"), "speed": ("looked_at", "speed |F|", "log"),
        "leading_real_part": ("looked_at", "largest Re μ", "log"),
        "gradient_angle": ("looked_at", "angle to −∇error (rad)", "linear"),
    }  # fmt: skip
    figure, grid = plt.subplots(1, 4, figsize=(14, 3.2))
    colors = plt.rcParams["axes.prop_cycle"].by_key()["color"]
    for axes, (name, (along, text, scale)) in zip(grid, panels.items(), strict=True):
        for color, rule in zip(colors, dataset["rule"].to_numpy(), strict=False):
            values = dataset[name].sel(rule=rule).transpose(along, "realization")
            axes.plot(dataset[along], values, color=color, alpha=0.25, linewidth=0.7)
            axes.plot(
                dataset[along], values.median("realization"), color=color, linewidth=2, label=figures.LABELS[rule]
            )
        axes.set(xscale="log", yscale=scale, xlabel="time", ylabel=text)
    grid[0].legend(frameon=False)
    return figure


def main():
    """Compute, save, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="three realizations of a small network; in results/")
    parser.add_argument("--draw", action="store_true", help="draw what is in data/ again, and compute nothing")
    given = parser.parse_args()
    folder, pictures = figures.folders(given.quick)
    name = "escape_from_saddles_quick" if given.quick else "escape_from_saddles"
    if not given.draw:
        curlflow.save(computed(given.quick), folder / f"{name}.nc")
    dataset = figures.loaded(folder / f"{name}.nc")
    for rule in dataset["rule"].to_numpy():
        one = dataset.sel(rule=rule)
        print(
            f"{rule}: median time of convergence {float(one.convergence_time.median()):.4g}, of slow learning "
            f"{float(one.slow_time.median()):.4g}; leading rate there {float(one.leading_real_part.median()):.3g}"
        )
    with styled():
        draw(dataset).savefig(pictures / f"{name}.png")


if __name__ == "__main__":
    main()
