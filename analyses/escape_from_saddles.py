"""Why is curl descent faster: does it spend less time near saddles, and what does it do differently there?

Gradient and curl descent (one of ten hidden units flipped) from the same starts in the setting of figure 5c, 2,000
samples, as flows. Along the way: errors, speed, the angle between the velocity and −∇error, the ratio of the curl
part of the Jacobian, and its eigenvalues. Near a saddle learning is slow although the error is not small, and the
Jacobian has eigenvalues with a positive real part, of which the leading one sets the pace of the escape.

What the network lacks there is seen in `nonlinear_share`, the part of the training error that no linear function of
the inputs takes away, and what it does about it in `largest_readout_share`, the largest share of one hidden unit in
‖W2‖²: norms are kept at twice the teacher's, and the surplus has to go where it does no harm. Whether that is what
matters is asked by changing the rule at the time `SWITCH`, when the errors of both are still about the same.

Variables, along `rule`, `realization`, `time`: `train_error`, `test_error`, `nonlinear_share`,
`largest_readout_share`; at fewer times, along `looked_at`: `error`, `speed`, `gradient_angle`, `curl_ratio`,
`leading_real_part`, `unstable_directions`; along `rule`, `realization`: `convergence_time`, and `slow_time`, for how
long before that the training error fell by less than a factor of e^½ while time grew by e (`SLOW`); along `rule`,
`rule_after`, `realization`: `switched_time`, the time of convergence (read off records) with one rule before and
one after `SWITCH`.

Writes `data/escape_from_saddles.nc` and `docs/figures/escape_from_saddles.png`:

    python analyses/escape_from_saddles.py            (--quick: minutes, in results/; --help: more)
"""

import dataclasses
import itertools
import json
import warnings

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from scripts import Figure, main

import curlflow

SLOW = 0.5
"""Learning is slow where −d ln E/d ln t is below this."""
SWITCH, HORIZON, THRESHOLD = 10.0, 10_000.0, 1e-3
"""When the rule is changed, how long it goes on at most, and the test error that counts as converged."""
FIRST, LAST, RECORDS, LOOKS = 0.3, 1000.0, 240, 24
RULES = {"gradient": {"kind": "gradient"}, "curl": {"kind": "curl", "flipped": {"hidden": {"count": 1}}}}


def slow_time(times, errors, until):
    """For how long the error falls slowly before `until`, or before the last record."""
    end = times[-1] if np.isnan(until) else until
    slope = -np.gradient(np.log(errors), np.log(times))
    spans = np.gradient(times)
    return float(spans[(slope < SLOW) & (times <= end)].sum())


def layers(flat, shapes):
    """Weights of both layers, from the records of all weights (… × weights)."""
    first = int(np.prod(shapes[0]))
    return flat[..., :first].reshape(-1, *shapes[0]), flat[..., first:].reshape(-1, *shapes[1])


def first_below(times, errors):
    """When errors (records) are first at the threshold, between two records on logarithmic axes; NaN if never."""
    below = np.flatnonzero(errors <= THRESHOLD)
    if not below.size or below[0] == 0:
        return float(times[0]) if below.size else float("nan")
    pair = slice(below[0] - 1, below[0] + 1)
    return float(np.exp(np.interp(-np.log(THRESHOLD), -np.log(errors[pair]), np.log(times[pair]))))


def shares(problem, first, second):
    """The nonlinear share of the training error, and the largest share of one unit in the readout, per record."""
    basis = np.linalg.qr(problem.x_train.T)[0]
    nonlinear = []
    for w1, w2 in zip(first, second, strict=True):
        error = np.tanh(w2 @ np.tanh(w1 @ problem.x_train)) - problem.y_train
        nonlinear.append(1 - np.sum((error @ basis) ** 2) / np.sum(error**2))
    return np.array(nonlinear), np.max(second**2, axis=(1, 2)) / np.sum(second**2, axis=(1, 2))


def switched(spec, curves):
    """Times of convergence with one rule before `SWITCH` (its `curves`), each after it: (rule_after, realization)."""
    found = np.full((len(RULES), spec.realizations), np.nan)
    times = np.concatenate([[0.0], np.geomspace(FIRST, HORIZON - SWITCH, RECORDS)])
    at = curves.weights.sel(time=SWITCH, method="nearest")
    for i, rule in enumerate(RULES.values()):
        for j in range(spec.realizations):
            problem = spec.replace("rule", rule).build(realization=j)
            shapes = [w.shape for w in problem.student.weights]
            start = [w[0] for w in layers(at.isel(realization=j).to_numpy(), shapes)]
            problem = dataclasses.replace(problem, student=problem.student.with_weights(start))
            states = curlflow.simulate(problem.flow(), times=times).state.isel(realization=0).to_numpy()
            networks = (problem.student.with_weights(pair) for pair in zip(*layers(states, shapes), strict=True))
            errors = [float(problem.test.error(network)) for network in networks]
            found[i, j] = first_below(float(at.time) + times, np.array(errors))
    return found


def along_the_way(spec, times, looks):
    """What one rule does from record to record, and how the velocity looks at some of them."""
    curves = curlflow.simulate(spec, times=times, weights="all")
    every = curves.isel(time=looks)
    parts = curlflow.decomposition(spec, at=every)
    problems = [spec.build(realization=i) for i in range(spec.realizations)]
    flat = curves.weights.transpose("realization", "time", "weight").to_numpy()
    weights = [layers(w, [w.shape for w in problems[0].student.weights]) for w in flat]
    leading, unstable = (np.full((spec.realizations, len(looks)), np.nan) for _ in range(2))
    for j, look in enumerate(looks):
        networks = [
            p.student.with_weights([w1[look], w2[look]]) for p, (w1, w2) in zip(problems, weights, strict=True)
        ]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that these are no fixed points is meant
            found = curlflow.stability(spec, at=networks)
        leading[:, j] = found.leading_real_part
        unstable[:, j] = (found.eigenvalue_real > found.neutral_threshold).sum("eigenvalue")
    looked = {"leading_real_part": leading, "unstable_directions": unstable}
    for name in ("error", "speed", "gradient_angle", "curl_ratio"):
        looked[name] = parts[name].transpose("realization", "time").to_numpy()
    nonlinear, largest = zip(*(shares(p, *w) for p, w in zip(problems, weights, strict=True)), strict=True)
    data = {name: (("realization", "looked_at"), values) for name, values in looked.items()} | {
        "nonlinear_share": (("realization", "time"), np.array(nonlinear)),
        "largest_readout_share": (("realization", "time"), np.array(largest)),
        "switched_time": (("rule_after", "realization"), switched(spec, curves)),
    }
    found = xr.Dataset(data, {"looked_at": times[looks], "rule_after": list(RULES)})
    return found.merge(curves[["train_error", "test_error"]], combine_attrs="drop")


LONG_NAMES = {
    "error": "training error", "speed": "norm of the velocity", "gradient_angle": "angle to −∇error, radians",
    "curl_ratio": "antisymmetric over symmetric norm of J", "leading_real_part": "largest Re of an eigenvalue",
    "unstable_directions": "eigenvalues with a positive real part", "slow_time": "time of slow learning",
    "looked_at": "time", "time": "time", "nonlinear_share": "nonlinear share of the training error",
    "largest_readout_share": "largest share of a unit in the squared norm of W2",
    "switched_time": "time of convergence with the rule changed on the way", "rule_after": "rule after the change",
}  # fmt: skip


def compute(given, path):
    """Both rules, with their times of convergence."""
    spec = curlflow.preset("fig5c").replace("dynamics", {"kind": "flow", "rtol": 1e-6, "atol": 1e-9})
    if given.quick:
        spec = spec.replace({"realizations": 3, "network.inputs": 20, "data.samples": 500})
    times = np.geomspace(FIRST, LAST, RECORDS)
    looks = np.unique(np.round(np.linspace(0, RECORDS - 1, 8 if given.quick else LOOKS)).astype(int))
    arrived = curlflow.convergence(spec.replace("dynamics.solver", "rkc2"), rules=RULES)
    parts = [along_the_way(spec.replace("rule", rule), times, looks) for rule in RULES.values()]
    dataset = xr.concat(parts, xr.DataArray(list(RULES), dims="rule", name="rule"), combine_attrs="drop")
    keep = ["convergence_time", "convergence_epoch", "speed_up", "speed_up_lower", "speed_up_upper", "sign_test_p"]
    dataset = dataset.merge(arrived[keep], combine_attrs="drop", compat="override")
    errors = dataset.train_error.transpose("rule", "realization", "time").to_numpy()
    until = dataset.convergence_time.transpose("rule", "realization").to_numpy()
    slow = [slow_time(times, errors[i], until[i]) for i in np.ndindex(until.shape)]
    dataset["slow_time"] = (("rule", "realization"), np.reshape(slow, until.shape))
    for name, text in LONG_NAMES.items():
        dataset[name].attrs = {"long_name": text, "units": "1"}
    names = ("Conventions", "source", "references", "created", "commit", "versions", "device")
    return dataset.assign_attrs(
        title="escape from saddles", spec=spec.to_json(), rules=json.dumps(RULES), threshold=THRESHOLD,
        switched_at=float(times[np.argmin(np.abs(times - SWITCH))]), **{name: arrived.attrs[name] for name in names},
    )  # fmt: skip


def summarize(dataset):
    """Print medians of times, also with the rule changed on the way."""
    for rule in dataset["rule"].to_numpy():
        one = dataset.sel(rule=rule).median()
        print(
            f"{rule}: median time of convergence {float(one.convergence_time):.4g}, of slow learning "
            f"{float(one.slow_time):.4g}; leading rate there {float(one.leading_real_part):.3g}"
        )
    for before, after in itertools.product(dataset["rule"].to_numpy(), dataset.rule_after.to_numpy()):
        time = float(dataset.switched_time.sel(rule=before, rule_after=after).median())
        print(f"{before} until {dataset.switched_at:.3g}, then {after}: converges at {time:.4g}")


def draw(dataset):
    """Errors, speed, angle to the gradient, pace of escape, and where the norm goes, against time; medians thick."""
    panels = {
        "train_error": ("time", "training error", "log"), "speed": ("looked_at", "speed |F|", "log"),
        "leading_real_part": ("looked_at", "largest Re μ", "log"),
        "gradient_angle": ("looked_at", "angle to −∇error (rad)", "linear"),
        "nonlinear_share": ("time", "nonlinear share of the error", "linear"),
        "largest_readout_share": ("time", "largest share of a unit in ‖W2‖²", "linear"),
    }  # fmt: skip
    figure, grid = plt.subplots(2, 3, figsize=(11, 6), sharex=True, dpi=160)
    colors = plt.rcParams["axes.prop_cycle"].by_key()["color"]
    for axes, (name, (along, text, scale)) in zip(grid.flat, panels.items(), strict=True):
        for color, rule in zip(colors, dataset["rule"].to_numpy(), strict=False):
            values, x = dataset[name].sel(rule=rule).transpose(along, "realization"), dataset[along]
            axes.plot(x, values, color=color, alpha=0.25, linewidth=0.7)
            axes.plot(x, values.median("realization"), color=color, linewidth=2, label=f"{rule} descent")
        axes.set(xscale="log", yscale=scale, xlabel="time", ylabel=text)
    for axes in grid[0]:
        axes.set_xlabel("")
    grid[0, 0].legend(frameon=False)
    return figure


if __name__ == "__main__":
    figure = Figure("escape_from_saddles", compute, draw, summarize)
    main(__doc__, [figure], "three realizations of a small network")
