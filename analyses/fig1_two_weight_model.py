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

    python analyses/fig1_two_weight_model.py            (a few seconds; --quick: coarser, in results/)
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import sympy

import curlflow
from curlflow.plot.style import styled
from curlflow.results import labelled, provenance
from curlflow.symbolic import symbolic_field, two_weight_model
from curlflow.variable import Variable

ROOT = Path(__file__).parent.parent
START = (1.0, 0.55)
DURATION = 60.0
EXTENT = 1.6
RULES = {"gradient": "none", "curl": "hidden"}
"""What is flipped: the name in `two_weight_model`."""
COLORS = {"gradient": "#2a7f8f", "curl": "#c8553d"}

VARIABLES = (
    Variable("w1", ("rule", "time"), "weight from the input to the hidden unit"),
    Variable("w2", ("rule", "time"), "weight from the hidden unit to the output"),
    Variable("error", ("rule", "time"), "error, half the mean squared error"),
    Variable("conserved", ("rule", "time"), "w1² − w2² for gradient descent, w1² + w2² for curl descent"),
    Variable("error_map", ("w2_grid", "w1_grid"), "error, half the mean squared error"),
    Variable("curl_w1", ("w2_grid", "w1_grid"), "velocity of w1 under curl descent"),
    Variable("curl_w2", ("w2_grid", "w1_grid"), "velocity of w2 under curl descent"),
    Variable("teacher", (), "v, the product of the teacher's weights"),
    Variable("variance", (), "σ², the variance of the input"),
)


def specs() -> dict[str, curlflow.Spec]:
    """The preset with either rule; curl descent flips the hidden unit."""
    curl = curlflow.preset("fig1").replace({"dynamics.rtol": 1e-11, "dynamics.atol": 1e-14})
    return {"gradient": curl.replace("rule", {"kind": "gradient"}), "curl": curl}


def trajectory(spec: curlflow.Spec, times: np.ndarray) -> np.ndarray:
    """w1 and w2 along the flow of `spec` from START."""
    flow = spec.build().flow()
    student = flow.state.with_weights([np.full((1, 1), w) for w in START])
    moved = curlflow.Flow(flow.vector_field, student, flow.args, integrator=flow.integrator)
    ds = curlflow.simulate(moved, times=times)
    if int(ds.status[0]) != 0:
        raise RuntimeError(f"the flow ended with status {curlflow.Status(int(ds.status[0])).name}")
    return ds.state[0].to_numpy().T


def compute(points: int):
    """The dataset: trajectories, errors, and maps on a grid of `points` × `points`."""
    times = np.unique(np.round(np.concatenate([np.linspace(0, 4, 201), np.linspace(4, DURATION, 281)]), 6))
    problem = specs()["curl"].build()
    variance, teacher = float(problem.covariance[0, 0]), float(problem.teacher.product()[0, 0])
    weights = np.stack([trajectory(spec, times) for spec in specs().values()])
    grid = np.linspace(-EXTENT, EXTENT, points)
    x, y = np.meshgrid(grid, grid)
    velocity = symbolic_field(specs()["curl"]).lambdify()(0.0, np.stack([x, y]))
    data = {
        "w1": weights[:, 0],
        "w2": weights[:, 1],
        "error": error(weights[:, 0], weights[:, 1], variance, teacher),
        "conserved": np.stack([conserved(RULES[rule], *w) for rule, w in zip(RULES, weights, strict=True)]),
        "error_map": error(x, y, variance, teacher),
        "curl_w1": velocity[0],
        "curl_w2": velocity[1],
        "teacher": teacher,
        "variance": variance,
    }
    coordinates = {
        "rule": ("rule", list(RULES), "learning rule"),
        "time": ("time", times, "time"),
        "epoch": ("time", times / 0.1, "epoch, 0.1 units of time"),
        "w1_grid": ("w1_grid", grid, "w1"),
        "w2_grid": ("w2_grid", grid, "w2"),
    }
    settings = {"start": list(START), "duration": DURATION, "points": points}
    attributes = {**provenance("fig1", settings, "cpu"), "spec": specs()["curl"].to_json()}
    return labelled(VARIABLES, data, coordinates, attributes)


def error(w1, w2, variance: float, teacher: float):
    """½ ⟨(ŷ − y)²⟩ = ½ σ² (w2 w1 − v)²."""
    return 0.5 * variance * (w2 * w1 - teacher) ** 2


def conserved(flipped: str, w1: np.ndarray, w2: np.ndarray) -> np.ndarray:
    """The conserved quantity that is derived from the rule, at the weights of a trajectory."""
    model = two_weight_model(flipped)
    return sympy.lambdify(model.field.states, model.conserved)(w1, w2)


def check(ds) -> None:
    """Refuse a dataset that is not what the figure says, and print its numbers."""
    v = float(ds.teacher)
    for rule in RULES:
        part = ds.sel(rule=rule)
        drift = float(abs(part.conserved - part.conserved[0]).max())
        start, peak, end = (float(e) for e in (part.error[0], part.error.max(), part.error[-1]))
        reached = [float(part.w1[-1]), float(part.w2[-1])]
        solutions = two_weight_model(RULES[rule]).solutions_through(*START, v)
        distance = min(np.hypot(reached[0] - a, reached[1] - b) for a, b, stable in solutions if stable)
        peak_epoch = float(part.epoch[part.error.to_numpy().argmax()])
        print(
            f"{rule}: conserved {float(part.conserved[0]):.4f}, drift {drift:.1e}; error {start:.4f} at the start, "
            f"{peak:.4f} at its peak (epoch {peak_epoch:.1f}), {end:.1e} at the end; "
            f"({reached[0]:.6f}, {reached[1]:.6f}) is {distance:.1e} from a stable solution on its level set"
        )
        assert drift < 1e-8
        assert end < 1e-10
        assert distance < 1e-8
        assert (peak > 1.1 * start) == (rule == "curl")
    assert float(ds.conserved.sel(rule="curl")[0]) > 2 * abs(v)


def draw(ds):
    """The figure: trajectories over the map of the loss; error against epochs, with the first ten enlarged."""
    with styled():
        figure, (left, right) = plt.subplots(1, 2, figsize=(10.4, 5.2), width_ratios=(1.15, 1))
        _plane(figure, left, ds)
        _errors(right, ds)
        inset = right.inset_axes((0.52, 0.56, 0.46, 0.4))
        _errors(inset, ds.isel(time=ds.epoch.to_numpy() <= 10))
        inset.set_xticks(range(0, 11, 2))
        inset.set_title("first 10 epochs", fontsize="small")
        inset.tick_params(labelsize="x-small", which="both")
        right.set(xlabel="epoch", ylabel="error, ½⟨(ŷ − y)²⟩", title="error", ylim=(1e-18, None))
        right.legend(loc="lower left")
    return figure


def _plane(figure, axes, ds) -> None:
    logarithm = np.log10(ds.error_map.to_numpy() + 1e-6)
    image = axes.pcolormesh(ds.w1_grid, ds.w2_grid, logarithm, cmap="Greys_r", shading="gouraud", rasterized=True)
    figure.colorbar(image, ax=axes, label="log₁₀ (error + 10⁻⁶)", shrink=0.9)
    axes.streamplot(
        ds.w1_grid.to_numpy(), ds.w2_grid.to_numpy(), ds.curl_w1.to_numpy(), ds.curl_w2.to_numpy(),
        color="#d9a441", linewidth=0.6, arrowsize=0.7, density=1.1,
    )  # fmt: skip
    v = float(ds.teacher)
    middle = np.sqrt(abs(v))  # |w1| = |w2|, where the hyperbola touches the circle w1² + w2² = 2|v|
    w1 = np.geomspace(abs(v) / EXTENT, middle, 200)
    lines = {"solutions, stable for curl descent": (w1, v / w1, "-"), "solutions, unstable": (v / w1, w1, "--")}
    for label, (x, y, style) in lines.items():
        axes.plot(x, y, color="#e5399e", linestyle=style, label=label)
        axes.plot(-x, -y, color="#e5399e", linestyle=style)
    angle = np.linspace(0, 2 * np.pi, 200)
    circle = np.sqrt(2) * middle * np.stack([np.cos(angle), np.sin(angle)])
    axes.plot(*circle, color="#4c2a85", linestyle=":", label="w1² + w2² = 2|v|")
    for rule in RULES:
        part = ds.sel(rule=rule)
        axes.plot(part.w1, part.w2, color=COLORS[rule], linewidth=2.4, label=f"{rule} descent")
        axes.plot(part.w1[-1], part.w2[-1], "o", color=COLORS[rule], markeredgecolor="white", zorder=4)
    axes.plot(*START, "s", color="black", markeredgecolor="white", zorder=5, label="start")
    axes.set(xlim=(-EXTENT, EXTENT), ylim=(-EXTENT, EXTENT), xlabel="w1", ylabel="w2", aspect="equal")
    axes.set_title("weight space, with the field of curl descent")
    axes.grid(False)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2)


def _errors(axes, ds) -> None:
    for rule in RULES:
        axes.plot(ds.epoch, ds.error.sel(rule=rule), color=COLORS[rule], label=f"{rule} descent")
    axes.set_yscale("log")


def main() -> None:
    """Compute, check, save and draw."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a coarser grid, written to results/")
    quick = parser.parse_args().quick
    folder, figures = (ROOT / "results",) * 2 if quick else (ROOT / "data", ROOT / "docs" / "figures")
    folder.mkdir(exist_ok=True)
    ds = compute(41 if quick else 121)
    check(ds)
    name = "fig1_quick" if quick else "fig1"
    curlflow.save(ds, folder / f"{name}.nc")
    draw(ds).savefig(figures / f"{name}.png")


if __name__ == "__main__":
    main()
