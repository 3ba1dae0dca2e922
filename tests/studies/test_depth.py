"""Three and four layers of weights, several outputs, signs that differ from layer to layer: every study, against
velocities by hand, SciPy's integration and finite differences."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import curlflow

WIDTHS = {3: (5, 4), 4: (5, 4, 3)}
FLIPPED = {3: [{"indices": [1, 3]}, {"count": 1}], 4: [{"indices": [1, 3]}, {"count": 1}, {"indices": [2]}]}
EPOCH = 0.1


def spec(depth, **changes):
    return curlflow.Spec(
        seed=5,
        realizations=1,
        network={
            "inputs": 6,
            "hidden": list(WIDTHS[depth]),
            "outputs": 2,
            "activation": "tanh",
            "output_activation": "tanh",
        },
        data={"samples": 30, "test_samples": 20},
        rule={"kind": "curl", "flipped": {"inputs": {"count": 1}, "hidden": FLIPPED[depth]}},
        constraint={"kind": "frobenius"},
        start={"kind": "random", "scale": 1.5},
        dynamics={"kind": "flow", "rtol": 1e-9, "atol": 1e-12},
    ).replace(changes)


def gains(depth):
    """The sign of every presynaptic neuron, layer by layer."""
    widths = (6, *WIDTHS[depth])
    flipped = [{"indices": [0]}, *FLIPPED[depth]]
    signs = []
    for width, chosen in zip(widths, flipped, strict=True):
        row = np.ones(width)
        row[chosen.get("indices", range(chosen.get("count", 0)))] = -1
        signs.append(row)
    return signs


def split(flat, shapes):
    parts = np.split(flat, np.cumsum([a * b for a, b in shapes])[:-1])
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]


class ByHand:
    """A deep tanh network that learns by equation (2), without any code of curlflow."""

    def __init__(self, depth, problem):
        self.x, self.y = np.asarray(problem.x_train), np.asarray(problem.y_train)
        self.x_test, self.y_test = np.asarray(problem.x_test), np.asarray(problem.y_test)
        self.gains = gains(depth)
        weights = [np.asarray(w) for w in problem.student.weights]
        self.shapes = [w.shape for w in weights]
        self.start = np.concatenate([w.ravel() for w in weights])

    def activities(self, flat, x):
        found = [x]
        for w in split(flat, self.shapes):
            found.append(np.tanh(w @ found[-1]))
        return found

    def error(self, flat, test=False):
        x, y = (self.x_test, self.y_test) if test else (self.x, self.y)
        return 0.5 * ((self.activities(flat, x)[-1] - y) ** 2).sum(axis=0).mean()

    def increments(self, flat):
        weights, z, found = split(flat, self.shapes), self.activities(flat, self.x), []
        # The signal at the outputs is the error itself, without the slope of their tanh.
        delta = z[-1] - self.y
        for w, before, sign in zip(weights[::-1], z[-2::-1], self.gains[::-1], strict=True):
            found.insert(0, -(delta @ before.T) / self.x.shape[1] * sign)
            delta = (w.T @ delta) * (1 - before**2)
        return weights, found

    def velocity(self, flat):
        """Tangent to the spheres of constant norms."""
        pairs = zip(*self.increments(flat), strict=True)
        tangent = [f - w * (w * f).sum() / (w * w).sum() for w, f in pairs]
        return np.concatenate([f.ravel() for f in tangent])

    def after(self, times, **more):
        arguments = {"rtol": 1e-10, "atol": 1e-13, "method": "DOP853"}
        return solve_ivp(lambda t, w: self.velocity(w), (0, times[-1]), self.start, t_eval=times, **arguments, **more)

    def jacobian(self, flat, h=1e-6):
        columns = [(self.velocity(flat + e) - self.velocity(flat - e)) / (2 * h) for e in h * np.eye(flat.size)]
        return np.array(columns).T


@pytest.fixture(params=[3, 4])
def depth(request):
    return request.param


@pytest.fixture
def by_hand(depth):
    return ByHand(depth, spec(depth).build())


def test_velocity_and_learning_curve(depth, by_hand, x64):
    problem, times = spec(depth).build(), np.array([1.0, 10.0, 60.0])
    velocity = problem.flow().velocity(0.0, problem.flow().state)
    np.testing.assert_allclose(
        np.concatenate([np.ravel(v) for v in velocity.weights]), by_hand.velocity(by_hand.start)
    )
    path = by_hand.after(times).y.T
    ds = curlflow.simulate(spec(depth), times=times, weights="all")
    np.testing.assert_allclose(ds.weights[0], path, atol=1e-7)
    np.testing.assert_allclose(ds.test_error[0], [by_hand.error(w, test=True) for w in path], rtol=1e-5)
    trained = curlflow.train(spec(depth), epochs=600, records=5)
    np.testing.assert_allclose(trained.test_error, [by_hand.error(path[-1], test=True)], rtol=1e-5)


def test_convergence(depth, by_hand):
    level = 0.7 * by_hand.error(by_hand.start)

    def height(t, w):
        return by_hand.error(w) - level

    height.terminal, height.direction = True, -1
    crossing = by_hand.after(np.array([0.0, 300.0]), events=height).t_events[0][0]
    ds = curlflow.convergence(spec(depth), threshold=level, error="train", epochs=3000, rules=["curl"])
    assert float(ds.convergence_time[0, 0]) == pytest.approx(crossing, rel=1e-5)


def test_stability_and_decomposition(depth, by_hand):
    at = curlflow.stability(spec(depth), eigenvalues=6)
    teacher = np.concatenate([np.ravel(w) for w in spec(depth).build().teacher.weights])
    # At the teacher's weights, on the spheres through them.
    eigenvalues = np.linalg.eigvals(by_hand.jacobian(teacher))
    largest = np.sort(eigenvalues[np.abs(eigenvalues) > 1e-7].real)[::-1][:6]
    np.testing.assert_allclose(at.eigenvalue_real[0, :6], largest, atol=1e-7)
    # Of the Jacobian in the tangent space of the spheres.
    inside = np.eye(by_hand.start.size)
    for i, w in enumerate(split(by_hand.start, by_hand.shapes)):
        layers = [np.zeros(shape) for shape in by_hand.shapes]
        layers[i] = w / np.linalg.norm(w)
        normal = np.concatenate([layer.ravel() for layer in layers])
        inside -= np.outer(normal, normal)
    jacobian = inside @ by_hand.jacobian(by_hand.start) @ inside
    parts = curlflow.decomposition(spec(depth), method="exact")
    antisymmetric = np.linalg.norm((jacobian - jacobian.T) / 2)
    assert float(parts.divergence[0]) == pytest.approx(np.trace(jacobian), abs=1e-6)
    assert float(parts.antisymmetric_norm[0]) == pytest.approx(antisymmetric, rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("depth", [3])
def test_exponents_and_their_vectors(depth, by_hand):
    number = by_hand.start.size - depth
    rough = spec(depth, **{"dynamics.rtol": 1e-6})
    ds = curlflow.lyapunov(rough, exponents=number, transient=5, duration=20)
    assert abs(float(ds.divergence_residual[0])) < 1e-5
    # The sum of all exponents is the mean of the trace while they were averaged.
    end = float(ds.final_position[0])
    traces = [np.trace(by_hand.jacobian(w)) for w in by_hand.after(np.linspace(end - 20, end, 26)).y.T]
    assert float(ds.lyapunov_exponent[0].sum()) == pytest.approx(np.trapezoid(traces, dx=0.8) / 20, rel=1e-3)
    vectors = curlflow.covariant_vectors(rough, exponents=2, transient=5, duration=20)
    flipped = np.concatenate(gains(depth)) < 0
    np.testing.assert_array_equal(vectors.unit_flipped, flipped)
    by_layer = vectors.unit_share.where(flipped, 0).groupby("unit_layer").sum()
    np.testing.assert_allclose(vectors.flipped_share, by_layer.transpose(*vectors.flipped_share.dims[:2], ...))


@pytest.mark.slow
@pytest.mark.parametrize("depth", [3])
def test_windows_and_verdicts(depth):
    rough = spec(depth, **{"dynamics.rtol": 1e-6})
    window = curlflow.fluctuations(rough, window=(20.0, 60.0), interval=0.5)
    path = curlflow.simulate(rough, times=np.arange(20.5, 60.01, 0.5), weights="all").weights[0]
    mean = path.mean("time")
    q = float(path.var("time").mean() / mean.var())
    assert float(window.order_parameter[0]) == pytest.approx(q, rel=1e-3)
    gradient = rough.replace("rule", {"kind": "gradient"})
    ds = curlflow.classify(gradient, transient=200, duration=200, exponents=1)
    # It may still drift along a valley.
    assert ds.verdict.attrs["flag_meanings"].split()[int(ds.verdict[0])] in ("fixed_point", "undecided")
    assert (ds.lyapunov_exponent <= 3 * ds.lyapunov_exponent_se).all()


@pytest.mark.slow
@pytest.mark.parametrize("depth", [3])
def test_updates_steps_and_sweeps(depth, by_hand, tmp_path):
    updates = spec(depth, dynamics={"kind": "updates", "learning_rate": EPOCH, "batch": "full"})
    flat = by_hand.start
    radii = [np.linalg.norm(w) for w in split(flat, by_hand.shapes)]
    for _ in range(50):
        moved = [w + EPOCH * f for w, f in zip(*by_hand.increments(flat), strict=True)]
        flat = np.concatenate([(w * r / np.linalg.norm(w)).ravel() for w, r in zip(moved, radii, strict=True)])
    ds = curlflow.train(updates, epochs=50, records=3)
    np.testing.assert_allclose(ds.train_error, [by_hand.error(flat)], rtol=1e-9)
    swept = curlflow.sweep(
        updates, over={"fraction": curlflow.Axis("rule.flipped.inputs", [0.0, 0.5])}, study="train",
        options={"epochs": 50, "records": 3}, directory=tmp_path, engine="serial",
    )  # fmt: skip
    alone = curlflow.train(updates.replace("rule.flipped.inputs", 0.5), epochs=50, records=3)
    np.testing.assert_allclose(swept.train_error.sel(fraction=0.5), alone.train_error, rtol=1e-9)
    steps = curlflow.step_sizes(updates, learning_rates=[0.1, 0.05], exponents=1, transient=10, duration=60)
    # What the step adds is of first order in it.
    large, small, flow = steps.lyapunov_exponent.transpose("learning_rate", ...).to_numpy()
    np.testing.assert_allclose(2 * small - large, flow, rtol=1e-3)
    assert (np.abs(large - flow) > 1e-5).all()
    diagram = curlflow.bifurcation(
        updates, {"rule.gain": [1.0, -1.0]}, exponents=1, transient=10, duration=60, engine="serial"
    )
    teacher = np.concatenate([np.ravel(w) for w in updates.build().teacher.weights])
    fastest = np.linalg.eigvals(by_hand.jacobian(teacher)).real.max()
    np.testing.assert_allclose(diagram.solution_rate.sel(gain=-1.0), [fastest], atol=1e-7)
