"""Figure 1: the two-weight model. Why does curl descent first go up, and still end at a solution?

Gradient descent and curl descent (the hidden unit's synapse w2 flipped) from the same start (w1, w2) = (1, 0.55),
with the teacher and the variance of the preset `fig1`: v = −0.1137, σ² = 1/2. Equation (6) of docs/model.md says
what to expect. Gradient flow stays on w1² − w2² = 0.6975 and goes down. Curl flow stays on the circle w1² + w2² =
1.3025, which is larger than 2|v| and meets the hyperbola of solutions w1 w2 = v in four points. It climbs while
|w1| > |w2|, passes the maximum of the loss on its circle at w1 = w2, and ends where the hyperbola is stable, at
|w2| > |w1|.

Variables: `w1`, `w2`, `error` and `conserved` over rule and time (an epoch is 0.1 units of time); `error_map` and the
field of curl descent, `curl_w1` and `curl_w2`, on a grid of weights; `teacher` and `variance`.

Writes `data/fig1.nc` and `docs/figures/fig1.png`:

    python analyses/fig1_two_weight_model.py            (a few seconds; --quick: coarser, in results/; --help: more)
"""

import dataclasses

import matplotlib.pyplot as plt
import numpy as np
import sympy
from scripts import Figure, dataset_of, main

import curlflow
from curlflow.symbolic import symbolic_field, two_weight_model

START, DURATION, EXTENT = (1.0, 0.55), 60.0, 1.6
MODELS = {"gradient": two_weight_model("none"), "curl": two_weight_model("hidden")}
COLORS = {"gradient": "#2a7f8f", "curl": "#c8553d"}


def trajectory(problem, model, times):
    """w1, w2 and what the model says is conserved, along the flow from START."""
    student = problem.student.with_weights([np.full((1, 1), w) for w in START])
    w1, w2 = (
        curlflow.simulate(dataclasses.replace(problem, student=student).flow(), times=times).state[0].to_numpy().T
    )
    return w1, w2, sympy.lambdify(model.field.states, model.conserved)(w1, w2)


def compute(given, path):
    """The dataset: trajectories, errors, and maps on a grid of weights."""
    curl = curlflow.preset("fig1").replace({"dynamics.rtol": 1e-11, "dynamics.atol": 1e-14})
    times = np.unique(np.round(np.concatenate([np.linspace(0, 4, 201), np.linspace(4, DURATION, 281)]), 6))
    grid = np.linspace(-EXTENT, EXTENT, 41 if given.quick else 121)
    x, y = np.meshgrid(grid, grid)
    problems = {"gradient": curl.replace("rule", {"kind": "gradient"}).build(), "curl": curl.build()}
    w1, w2, conserved = np.stack([trajectory(problems[rule], MODELS[rule], times) for rule in MODELS], axis=1)
    variance, teacher = float(problems["curl"].covariance[0, 0]), float(problems["curl"].teacher.product()[0, 0])
    velocity = symbolic_field(curl).lambdify()(0.0, np.stack([x, y]))

    def error(w1, w2):
        return 0.5 * variance * (w2 * w1 - teacher) ** 2

    along, plane, text = ("rule", "time"), ("w2_grid", "w1_grid"), "error, half the mean squared error"
    data = {
        "w1": (along, w1, "weight from the input to the hidden unit"),
        "w2": (along, w2, "weight from the hidden unit to the output"),
        "error": (along, error(w1, w2), text),
        "conserved": (along, conserved, "w1² − w2² for gradient descent, w1² + w2² for curl descent"),
        "error_map": (plane, error(x, y), text),
        "curl_w1": (plane, velocity[0], "velocity of w1 under curl descent"),
        "curl_w2": (plane, velocity[1], "velocity of w2 under curl descent"),
        "teacher": ((), teacher, "v, the product of the teacher's weights"),
        "variance": ((), variance, "σ², the variance of the input"),
    }
    coordinates = {
        "rule": ("rule", list(MODELS), "learning rule"),
        "time": ("time", times, "time"),
        "epoch": ("time", times / 0.1, "epoch, 0.1 units of time"),
        "w1_grid": ("w1_grid", grid, "w1"),
        "w2_grid": ("w2_grid", grid, "w2"),
    }
    settings = {"start": list(START), "duration": DURATION, "points": len(grid)}
    return check(dataset_of("fig1", data, coordinates, settings, "cpu").assign_attrs(spec=curl.to_json()))


def check(ds):
    """Refuse a dataset that is not what the figure says, and print its numbers."""
    for rule, model in MODELS.items():
        part = ds.sel(rule=rule)
        drift = float(abs(part.conserved - part.conserved[0]).max())
        start, peak, end = (float(e) for e in (part.error[0], part.error.max(), part.error[-1]))
        epoch = float(part.epoch[part.error.to_numpy().argmax()])
        solutions = model.solutions_through(*START, float(ds.teacher))
        w1, w2 = float(part.w1[-1]), float(part.w2[-1])
        distance = min(np.hypot(w1 - a, w2 - b) for a, b, stable in solutions if stable)
        print(
            f"{rule}: conserved {float(part.conserved[0]):.4f}, drift {drift:.1e}; error {start:.4f} at the start, "
            f"{peak:.4f} at its peak (epoch {epoch:.1f}), {end:.1e} at the end; "
            f"({w1:.6f}, {w2:.6f}) is {distance:.1e} from a stable solution on its level set"
        )
        assert max(drift, distance) < 1e-8
        assert end < 1e-10
        assert (peak > 1.1 * start) == (rule == "curl")
    assert float(ds.conserved.sel(rule="curl")[0]) > 2 * abs(float(ds.teacher))
    return ds


def draw(ds):
    """The figure: trajectories over the map of the loss; error against epochs, with the first ten enlarged."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10.4, 5.2), width_ratios=(1.15, 1))
    logarithm = np.log10(ds.error_map.to_numpy() + 1e-6)
    image = left.pcolormesh(ds.w1_grid, ds.w2_grid, logarithm, cmap="Greys_r", shading="gouraud", rasterized=True)
    figure.colorbar(image, ax=left, label="log₁₀ (error + 10⁻⁶)", shrink=0.9)
    field = [ds[name].to_numpy() for name in ("w1_grid", "w2_grid", "curl_w1", "curl_w2")]
    left.streamplot(*field, color="#d9a441", linewidth=0.6, arrowsize=0.7, density=1.1)
    v = float(ds.teacher)
    middle = np.sqrt(abs(v))  # |w1| = |w2|, where the hyperbola touches the circle w1² + w2² = 2|v|
    w1 = np.geomspace(abs(v) / EXTENT, middle, 200)
    for x, y, style, label in ((w1, v / w1, "-", "stable for curl descent"), (v / w1, w1, "--", "unstable")):
        left.plot(x, y, color="#e5399e", linestyle=style, label=f"solutions, {label}")
        left.plot(-x, -y, color="#e5399e", linestyle=style)
    angle = np.linspace(0, 2 * np.pi, 200)
    circle = np.sqrt(2) * middle * np.stack([np.cos(angle), np.sin(angle)])
    left.plot(*circle, color="#4c2a85", linestyle=":", label="w1² + w2² = 2|v|")
    inset = right.inset_axes((0.52, 0.56, 0.46, 0.4))
    for rule, color in COLORS.items():
        part = ds.sel(rule=rule)
        left.plot(part.w1, part.w2, color=color, linewidth=2.4, label=f"{rule} descent")
        left.plot(part.w1[-1], part.w2[-1], "o", color=color, markeredgecolor="white", zorder=4)
        for axes, shown in ((right, part), (inset, part.isel(time=part.epoch.to_numpy() <= 10))):
            axes.semilogy(shown.epoch, shown.error, color=color, label=f"{rule} descent")
    left.plot(*START, "s", color="black", markeredgecolor="white", zorder=5, label="start")
    left.set(xlim=(-EXTENT, EXTENT), ylim=(-EXTENT, EXTENT), xlabel="w1", ylabel="w2", aspect="equal")
    left.set_title("weight space, with the field of curl descent")
    left.grid(False)
    left.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2)
    inset.set_xticks(range(0, 11, 2))
    inset.set_title("first 10 epochs", fontsize="small")
    inset.tick_params(labelsize="x-small", which="both")
    right.set(xlabel="epoch", ylabel="error, ½⟨(ŷ − y)²⟩", title="error", ylim=(1e-18, None))
    right.legend(loc="lower left")
    return figure


if __name__ == "__main__":
    main(__doc__, [Figure("fig1", compute, draw)], "a coarser grid")
