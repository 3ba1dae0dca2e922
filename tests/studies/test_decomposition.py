"""Gradient and curl parts against matrices, Hessians and closed forms; circulations and planes of learning rules."""

import jax
import jax.numpy as jnp
import matplotlib as mpl
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import curlflow
from curlflow.measures.circulation import Circle, converged_circulation
from curlflow.measures.jacobian_parts import RandomSigns, estimated_parts, products, rotation_plane
from curlflow.networks import Feedforward
from curlflow.plot.planes import decomposition as draw
from curlflow.rules import FeedbackAlignment, SignFlipped
from curlflow.studies.decomposition.flat_fields import FlatField
from curlflow.studies.decomposition.plane import plane_decomposition
from curlflow.studies.decomposition.study import decomposition
from curlflow.studies.subject import Subject

mpl.use("Agg")

ACTIVATIONS = ["linear", "tanh", "relu", "sigmoid"]
RNG = np.random.default_rng(3)
MATRIX = RNG.normal(size=(6, 6))


def matrix_flow(matrix=MATRIX):
    return curlflow.systems.linear(matrix, np.arange(1.0, len(matrix) + 1))


def field_of(spec_or_flow):
    return FlatField.of(Subject.of(spec_or_flow))


def small(**tables):
    network = {"inputs": 4, "hidden": 3, "outputs": 2, **tables.pop("network", {})}
    return curlflow.Spec(network=network, data={"samples": 30}, **tables)


def check_parts(ds, jacobian, **tolerances):
    """Compare with the dense Jacobian."""
    s, a = (jacobian + jacobian.T) / 2, (jacobian - jacobian.T) / 2
    tolerances = {"rtol": 1e-10, "atol": 1e-14} | tolerances
    for name, expected in {
        "symmetric_norm": np.linalg.norm(s),
        "antisymmetric_norm": np.linalg.norm(a),
        "curl_ratio": np.linalg.norm(a) / np.linalg.norm(s),
        "divergence": np.trace(jacobian),
    }.items():
        np.testing.assert_allclose(ds[name], expected, err_msg=name, **tolerances)


@pytest.mark.quick
def test_linear_flow_has_the_parts_of_its_matrix():
    ds = decomposition(matrix_flow(), at=np.zeros(6))
    check_parts(ds.isel(realization=0), MATRIX)
    assert ds.method == "exact"
    assert "error" not in ds
    assert "gradient_angle" not in ds
    for name in ("symmetric_norm", "antisymmetric_norm", "curl_ratio", "divergence"):
        assert float(ds[f"{name}_se"][0]) == 0
    assert float(decomposition(matrix_flow(MATRIX + MATRIX.T)).antisymmetric_norm[0]) == 0
    assert np.isinf(decomposition(matrix_flow(MATRIX - MATRIX.T)).curl_ratio[0])
    assert np.isnan(decomposition(matrix_flow(0 * MATRIX)).curl_ratio[0])


def test_a_flow_with_a_loss_has_an_angle():
    loss = lambda x: jnp.sum(x**2) / 2  # noqa: E731
    turned = np.array([[-1.0, -1.0], [1.0, -1.0]])
    ds = decomposition(matrix_flow(turned), loss=loss, at=[3.0, 4.0])
    np.testing.assert_allclose(ds.gradient_angle, np.pi / 4, rtol=1e-12)
    np.testing.assert_allclose(ds.error, 12.5)
    np.testing.assert_allclose(ds.speed, np.sqrt(50), rtol=1e-12)
    uphill = decomposition(matrix_flow(-turned), loss=loss)
    np.testing.assert_allclose(uphill.gradient_angle, 3 * np.pi / 4, rtol=1e-12)
    assert np.isnan(decomposition(matrix_flow(turned), loss=loss, at="origin").gradient_angle)


def test_gradient_descent_on_spheres_has_no_curl_and_no_angle():
    # The projected gradient is a gradient on the spheres: circles and derivatives within them find no curl.
    ds = decomposition(small(network={"activation": "tanh"}, constraint={"kind": "frobenius"}, realizations=2))
    assert np.all(ds.curl_ratio < 1e-14)
    assert np.all(ds.gradient_angle < 1e-12)
    assert np.all(np.abs(ds.plane_curl) < 1e-13)
    assert np.all(ds.speed > 1e-2)


def test_squashed_outputs_have_no_curl_but_an_angle():
    # No φ_out′ in the rule: a gradient, but of another loss.
    ds = decomposition(small(network={"activation": "tanh", "output_activation": "tanh"}))
    assert float(ds.curl_ratio[0]) < 1e-14
    assert float(ds.gradient_angle[0]) > 1e-3


def hessian_and_gradient(problem):
    weights, unravel = ravel_pytree(problem.student)
    loss = lambda w: problem.training_error.error(unravel(w))  # noqa: E731
    return np.asarray(jax.hessian(loss)(weights)), np.asarray(jax.grad(loss)(weights))


@pytest.mark.parametrize(("activation", "side"), [*((a, "presynaptic") for a in ACTIVATIONS), ("tanh", "synapse")])
def test_curl_descent_is_minus_signs_times_the_hessian(activation, side, x64):
    rule = {"kind": "curl", "side": side, "flipped": {"hidden": {"count": 1}}}
    spec = small(network={"activation": activation}, rule=rule)
    problem = spec.build()
    hessian, gradient = hessian_and_gradient(problem)
    gains = [np.broadcast_to(g, w.shape) for g, w in zip(problem.rule.gains, problem.student.weights, strict=True)]
    signs = np.concatenate([g.ravel() for g in gains])
    ds = decomposition(spec).isel(realization=0)
    check_parts(ds, -signs[:, None] * hessian)
    assert float(ds.antisymmetric_norm) > 1e-3
    # F = −D g: cos of the angle is the share of the unflipped less that of the flipped in |g|².
    cosine = np.sum(signs * gradient**2) / np.sum(gradient**2)
    np.testing.assert_allclose(np.cos(ds.gradient_angle), cosine, rtol=1e-10)
    np.testing.assert_allclose(ds.speed, np.linalg.norm(gradient), rtol=1e-12)
    # The same program with a gain of 1 is gradient descent.
    unflipped = decomposition(spec.replace("rule.gain", 1.0)).isel(realization=0)
    assert float(unflipped.curl_ratio) < 1e-14
    assert float(unflipped.gradient_angle) < 1e-12
    assert abs(float(unflipped.circulation)) <= float(unflipped.circulation_error) + 1e-14


def test_the_error_of_a_circulation_covers_the_kinks_of_relu(x64):
    # The gradient of the error has no circulation, also where it jumps: what is found is the error of the rule.
    field = field_of(small(network={"activation": "relu"}))
    rng, found = np.random.default_rng(0), []
    for _ in range(30):
        plane = np.linalg.qr(rng.normal(size=(18, 2)))[0].T
        circle = Circle(0.7 * rng.normal(size=18), plane, np.float64(10 ** rng.uniform(-1, 0.5)))
        found.append(converged_circulation(field.velocity(), circle))
    values, errors = np.abs(np.array(found)).T
    assert np.all(values <= errors + 1e-14)
    kinks = errors > 1e-10
    assert kinks.sum() > 10
    assert np.median(values[kinks] / errors[kinks]) > 0.02


def test_without_freedom_there_is_nothing_but_zeros():
    # Two weights, each on its own sphere: all that is left of a projection is rounding.
    spec = curlflow.Spec(network={"inputs": 1, "hidden": 1}, constraint={"kind": "frobenius"})
    ds = decomposition(spec).isel(realization=0)
    for name in ("symmetric_norm", "antisymmetric_norm", "divergence", "speed", "circulation", "plane_curl"):
        assert float(ds[name]) == 0
    assert np.isnan(ds.curl_ratio)
    assert np.isnan(ds.gradient_angle)
    assert float(ds.error) > 0
    plane = plane_decomposition(spec, grid=4)
    assert all(np.isnan(plane[f"{name}_share"]) for name in ("gradient", "curl", "harmonic"))
    assert draw(plane).axes[1].get_title() == "gradient part, over φ"


def test_a_small_curl_is_not_lost_in_rounding(x64):
    # A gain of 1 + ε on some synapses: A = −ε(ΠH − HΠ)/2 exactly, while (tr JᵀJ − tr J²)/2 is good to 1e-8 at best.
    epsilon = 1e-10
    spec = small(rule={"kind": "curl", "gain": 1 + epsilon, "flipped": {"inputs": {"count": 2}}})
    problem = spec.build()
    hessian, _ = hessian_and_gradient(problem)
    gains = [np.broadcast_to(g, w.shape) for g, w in zip(problem.rule.gains, problem.student.weights, strict=True)]
    flipped = (np.concatenate([g.ravel() for g in gains]) - 1) / epsilon
    antisymmetric = epsilon * np.linalg.norm(flipped[:, None] * hessian - hessian * flipped) / 2
    np.testing.assert_allclose(decomposition(spec).antisymmetric_norm[0], antisymmetric, rtol=1e-4)


def dense(system, state=None):
    """The Jacobian of the velocity by forward differentiation of the whole, unlike the products of the study."""
    flat, unravel = ravel_pytree(system.state if state is None else state)
    return np.asarray(jax.jacfwd(lambda w: ravel_pytree(system.velocity(0.0, unravel(w)))[0])(flat))


def test_other_rules_against_their_dense_jacobian(x64):
    spec = small(network={"activation": "tanh", "output_activation": "sigmoid"})
    gains = [RNG.choice([-1.0, 0.5], (3, 4)), np.ones((1, 3))]
    rule = SignFlipped(FeedbackAlignment([RNG.normal(size=(2, 3))]), gains)
    ds = decomposition(spec, rule=rule).isel(realization=0)
    check_parts(ds, dense(spec.build(rule=rule).flow()))
    assert "SignFlipped" in ds.spec


def test_constraint_takes_the_derivative_within_the_tangent_space(x64):
    rule = {"kind": "curl", "flipped": {"inputs": 0.5}}
    spec = small(rule=rule, constraint={"kind": "frobenius"})
    problem = spec.build()
    jacobian = dense(problem.flow())
    normals = np.zeros((2, len(jacobian)))
    for normal, place, w in zip(normals, (slice(0, 12), slice(12, 18)), problem.student.weights, strict=True):
        normal[place] = w.ravel() / np.linalg.norm(w)
    projection = np.eye(len(jacobian)) - normals.T @ normals
    ds = decomposition(spec).isel(realization=0)
    check_parts(ds, projection @ jacobian @ projection)
    plain = np.linalg.norm(jacobian - jacobian.T) / np.linalg.norm(jacobian + jacobian.T)
    assert abs(float(ds.curl_ratio) - plain) > 0.01
    free = decomposition(spec.replace("constraint.kind", "none")).isel(realization=0)
    check_parts(free, dense(spec.replace("constraint.kind", "none").build().flow()))
    assert abs(float(ds.symmetric_norm) - float(free.symmetric_norm)) > 0.01


def test_estimates_agree_within_their_standard_errors():
    spec = curlflow.Spec(network={"inputs": 12, "hidden": 20}, rule={"kind": "curl", "flipped": {"inputs": 0.4}})
    exact = decomposition(spec)
    names = ("symmetric_norm", "antisymmetric_norm", "curl_ratio", "divergence")
    scores = []
    for seed in range(12):
        ds = decomposition(spec, method="estimate", probes=200, seed=seed)
        scores.append([float((ds[n] - exact[n])[0] / ds[f"{n}_se"][0]) for n in names])
    scores = np.array(scores)
    assert np.abs(scores).max() < 4.5
    assert np.all(np.abs(scores.mean(axis=0)) < 3.5 / np.sqrt(len(scores)))
    assert np.all((scores.std(axis=0) > 0.4) & (scores.std(axis=0) < 2))
    assert ds.method == "estimate"
    again = decomposition(spec, method="estimate", probes=200, seed=seed)
    assert float(again.curl_ratio[0]) == float(ds.curl_ratio[0])


def test_standard_errors_are_the_scatter_of_many_estimates(x64):
    field = field_of(matrix_flow(RNG.normal(size=(64, 64))))
    runs = []
    for seed in range(200):
        signs = RandomSigns(jax.random.key(seed))
        samples = products(field.velocity(), field.projection, np.ones(64), signs, np.asarray(0))
        runs.append(estimated_parts(np.asarray(samples)))
    values, errors = (np.array([run[i] for run in runs]) for i in (0, 1))
    # The scatter of 200 runs is known to 5 %.
    ratio = values.std(axis=0) / errors.mean(axis=0)
    assert np.all((ratio > 0.82) & (ratio < 1.22)), ratio


def test_gradient_descent_has_no_curl_by_estimates_either():
    ds = decomposition(small(network={"activation": "tanh"}), method="estimate", probes=8)
    assert float(ds.curl_ratio[0]) < 1e-14
    assert float(ds.curl_ratio_se[0]) < 1e-14


@pytest.mark.parametrize("kind", ["flow", "updates"])
def test_along_learning_every_point_is_as_if_given(kind):
    spec = small(rule={"kind": "curl", "flipped": {"inputs": 0.5}}, dynamics={"kind": kind}, realizations=2)
    times = [0, 3, 50]
    ds = decomposition(spec, times=times)
    along = "time" if kind == "flow" else "epoch"
    assert ds.curl_ratio.dims == ("realization", along)
    np.testing.assert_array_equal(ds[along], times)
    run = curlflow.simulate(spec, times=times, weights="all")
    np.testing.assert_allclose(ds.error, run.train_error, rtol=1e-12)
    for name in ("curl_ratio", "divergence", "gradient_angle", "circulation"):
        np.testing.assert_array_equal(decomposition(spec, at=run)[name], ds[name])
    flat = run.weights[1, 2].to_numpy()
    one = decomposition(spec, at=[flat[:12].reshape(3, 4), flat[12:].reshape(2, 3)])
    for name in ("curl_ratio", "divergence", "gradient_angle", "speed", "plane_curl"):
        np.testing.assert_allclose(ds[name][1, 2], one[name][1], rtol=1e-10)
    start = decomposition(spec)
    np.testing.assert_allclose(ds.curl_ratio[:, 0], start.curl_ratio, rtol=1e-12)


@pytest.mark.slow
def test_divergence_along_a_run_is_that_of_the_exponents():
    # The mean of tr J over a run, here by the trapezoid rule, is the sum of all exponents.
    spec = small(
        rule={"kind": "curl", "flipped": {"inputs": 0.5}}, constraint={"kind": "frobenius"},
        dynamics={"kind": "flow", "rtol": 1e-9, "atol": 1e-12},
    )  # fmt: skip
    lyapunov = curlflow.lyapunov(spec, exponents=16, duration=4, transient=0, alignment=0, block=0.5)
    ds = decomposition(spec, times=np.linspace(0, 4, 129)).isel(realization=0)
    expected = np.trapezoid(ds.divergence, ds.time) / 4
    np.testing.assert_allclose(lyapunov.mean_divergence[0], expected, rtol=1e-4)
    np.testing.assert_allclose(lyapunov.lyapunov_exponent[0].sum(), expected, rtol=1e-4)


def test_runs_that_diverge_have_a_status():
    flow = curlflow.Flow(lambda t, x, args: x**2, [1.0, 0.5])
    ds = decomposition(flow, times=[0, 0.5, 3.0])
    assert int(ds.status[0]) != curlflow.Status.completed
    np.testing.assert_allclose(ds.divergence[0, :2], [3.0, 2 * (2 + 0.5 / 0.75)], rtol=1e-4)
    assert np.isnan(ds.divergence[0, 2])


def test_time_enters_a_field_that_depends_on_it():
    flow = curlflow.Flow(lambda t, x, args: t * jnp.stack([-x[1], x[0]]) - x, [1.0, 0.0])
    ds = decomposition(flow, times=[0, 1, 2])
    np.testing.assert_allclose(ds.plane_curl[0], [0, 2, 4], atol=1e-12)


def test_interrupts_keep_what_is_finished():
    def stop(realization, phase, fraction):
        if phase == "Jacobian" and fraction > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(curlflow.Interrupted) as caught:
        decomposition(matrix_flow(), times=[0, 1, 2, 3], progress=stop)
    ds = caught.value.dataset
    assert int(ds.status[0]) == curlflow.Status.interrupted
    np.testing.assert_array_equal(np.isfinite(ds.divergence[0]), [True, True, False, False])


@pytest.mark.parametrize("size", [5, 300])
def test_plane_of_strongest_rotation(size, x64):
    matrix = np.random.default_rng(size).normal(size=(size, size))
    field = field_of(matrix_flow(matrix))
    u, v = rotation_plane(field.velocity(), field.projection, np.ones(size))
    np.testing.assert_allclose([u @ u, v @ v, u @ v], [1, 1, 0], atol=1e-6)
    largest = np.linalg.norm(matrix - matrix.T, 2)
    np.testing.assert_allclose(v @ matrix @ u - u @ matrix @ v, largest, rtol=1e-6)
    without = field_of(matrix_flow(matrix + matrix.T))
    assert rotation_plane(without.velocity(), without.projection, np.ones(size)) is None


def test_circles_in_the_dataset():
    curl = MATRIX - MATRIX.T
    ds = decomposition(matrix_flow(), radius=0.5)
    np.testing.assert_allclose(ds.plane_curl, np.linalg.norm(curl, 2), rtol=1e-10)
    np.testing.assert_allclose(ds.circulation, ds.plane_curl * np.pi / 4, rtol=1e-12)
    np.testing.assert_allclose(decomposition(matrix_flow(), directions=(4, 1)).plane_curl, curl[1, 4], rtol=1e-10)
    first, second = RNG.normal(size=(2, 6))
    u, v = np.linalg.qr(np.stack([first, second], axis=1))[0].T
    u, v = u * np.sign(u @ first), v * np.sign(v @ second)
    given = decomposition(matrix_flow(), directions=(first, second))
    np.testing.assert_allclose(given.plane_curl, v @ curl @ u, rtol=1e-10)
    # Velocity and acceleration at x = (1, …, 6).
    f = MATRIX @ np.arange(1.0, 7)
    same = decomposition(matrix_flow(), directions=(f, MATRIX @ f))
    np.testing.assert_allclose(decomposition(matrix_flow(), directions="trajectory").plane_curl, same.plane_curl)


def test_directions_come_in_all_forms_and_are_stored():
    a, b = (spec_.build().student for spec_ in (GOOD, GOOD.replace("seed", 1)))
    flat = [np.concatenate([w.ravel() for w in network.weights]) for network in (a, b)]
    expected = decomposition(GOOD, directions=flat)
    u_and_v = expected.direction[0].to_numpy()
    np.testing.assert_allclose(u_and_v @ u_and_v.T, np.eye(2), atol=1e-14)
    np.testing.assert_allclose(expected.direction[0, 0], flat[0] / np.linalg.norm(flat[0]), rtol=1e-12)
    for given in ((a, b), [a.weights, list(b.weights)], (a, flat[1]), u_and_v):
        np.testing.assert_allclose(decomposition(GOOD, directions=given).plane_curl, expected.plane_curl, atol=1e-14)
    ds = decomposition(GOOD, directions=(np.array(3), 7), radius=np.array(0.1), times=[0, 1])
    assert ds.direction.dims == ("realization", "time", "component", "weight")
    np.testing.assert_array_equal(ds.direction[0, 1], np.eye(18)[[3, 7]])
    large = curlflow.Spec(network={"inputs": 50, "hidden": 40}, data={"samples": 5})
    assert "direction" not in decomposition(large, method="estimate", probes=2, directions=(0, 1))


def test_one_network_for_every_realization():
    spec = GOOD.replace("realizations", 2)
    networks = [GOOD.replace("seed", seed).build().student for seed in (3, 4)]
    ds = decomposition(spec, at=networks)
    for i, network in enumerate(networks):
        assert float(ds.speed[i]) == float(decomposition(spec, at=network).speed[i])
    with pytest.raises(ValueError, match="at: got 2 networks, required is one for each of 1 realizations"):
        decomposition(GOOD, at=networks)


def test_datasets_of_another_problem_are_refused(tmp_path):
    g = GOOD.build().graph()
    g.remove_edge(*next(iter(g.edges)))
    for *_, edge in g.edges(data=True):
        del edge["weight"]
    plain, drawn = (curlflow.simulate(GOOD, graph=graph, times=[0, 1], weights="all") for graph in (None, g))
    h = g.copy()
    h.remove_edge(*list(h.edges)[3])
    bare = plain.drop_attrs()
    for ds, spec, graph, sentence in [
        (drawn, GOOD, None, "at: the dataset was recorded with a graph; give the same one"),
        (plain, GOOD, g, "at: the dataset was recorded without a graph"),
        (drawn, GOOD, h, "at: the dataset was recorded with another graph"),
        (bare, GOOD, g, "at: the dataset has 1 weights on missing synapses"),
        (
            plain,
            GOOD.replace("data.seed", 7),
            None,
            "recorded with data.seed = 0, but the spec has 7",
        ),
        (plain, GOOD.replace("teacher.scale", 2.0), None, "recorded with teacher.scale = 1.0, but the spec has 2.0"),
        (plain, GOOD.replace("network.activation", "tanh"), None, "recorded with network.activation = 'linear'"),
        (plain, GOOD.replace("seed", 1), None, "recorded with seed = 0, but the spec has 1"),
    ]:
        with pytest.raises(ValueError, match=sentence):
            decomposition(spec, graph=graph, at=ds)
    other = GOOD.replace({"rule.kind": "gradient", "dynamics.kind": "updates", "data.test_samples": 7})
    np.testing.assert_allclose(decomposition(other, at=plain).error, plain.train_error, rtol=1e-12)
    loaded = curlflow.load(curlflow.save(drawn, tmp_path / "drawn.nc"))
    np.testing.assert_allclose(decomposition(GOOD, graph=g, at=loaded).error, drawn.train_error, rtol=1e-12)
    assert decomposition(GOOD, at=bare).error.shape == (1, 2)


def two_weights(scale=3.0, **changes):
    spec = curlflow.preset("fig1").replace({"teacher.scale": scale, **changes})
    return spec, float(spec.build().teacher.product()[0, 0])


def test_two_weight_model_has_the_curl_of_its_closed_form():
    # F = ½(w1w2 − v)(−w2, w1): curl F = 2w1w2 − v and div F = (w1² − w2²)/2, at Σ = ½.
    spec, v = two_weights()
    ds = decomposition(spec, at=[[[0.7]], [[-1.2]]])
    np.testing.assert_allclose(ds.divergence, (0.7**2 - 1.2**2) / 2, rtol=1e-12)
    np.testing.assert_allclose(ds.antisymmetric_norm, abs(-2 * 0.84 - v) / np.sqrt(2), rtol=1e-12)
    # The mean of w1w2 over a disc is the product in its centre.
    np.testing.assert_allclose(ds.plane_curl, -2 * 0.84 - v, rtol=1e-12)
    plane = plane_decomposition(spec, at="origin", extent=2, grid=(20, 24))
    x, y = np.meshgrid(plane["first"], plane["second"], indexing="ij")
    np.testing.assert_allclose(plane.curl, 2 * x * y - v, atol=1e-12)
    np.testing.assert_allclose(plane.loss, (x * y - v) ** 2 / 4, atol=1e-12)
    exact = (x * y - v) / 2 * np.stack([-y, x])
    np.testing.assert_allclose(plane.field, exact, atol=0.02)
    np.testing.assert_allclose(plane.gradient_part + plane.curl_part + plane.harmonic_part, plane.field, atol=1e-12)
    np.testing.assert_allclose(plane.gradient_share + plane.curl_share + plane.harmonic_share, 1, rtol=1e-12)


def test_curl_part_of_the_two_weight_model_is_its_double_sine_series():
    # −Δψ = 2w1w2 − v on |w| < a: the coefficients of 1 and w in sines are 2(1 − (−1)^k)/(kπ), −2a(1 + (−1)^k)/(kπ).
    spec, v = two_weights()
    a, k = 2.0, np.arange(1, 400)
    one, w = 2 * (1 - (-1.0) ** k) / (k * np.pi), -2 * a * (1 + (-1.0) ** k) / (k * np.pi)
    coefficients = (2 * np.outer(w, w) - v * np.outer(one, one)) / ((k[:, None] ** 2 + k**2) * (np.pi / (2 * a)) ** 2)
    errors = []
    for n in (16, 32):
        plane = plane_decomposition(spec, at="origin", extent=a, grid=n)
        x, y = (np.sin(np.outer(k, np.pi * (plane[name].to_numpy() + a) / (2 * a))) for name in ("first", "second"))
        errors.append(np.sqrt(np.mean((plane.stream_function.to_numpy() - x.T @ coefficients @ y) ** 2)))
    assert errors[1] < 0.01 * float(plane.stream_function.max())
    # The source does not vanish in the corners, where ψ is then not smooth: h² ln h, a little below order two.
    assert errors[0] / errors[1] > 3.3


@pytest.mark.parametrize("constraint", [None, "none", "frobenius"], ids=["two weights", "more", "on spheres"])
def test_gradient_descent_on_a_plane_gives_back_its_loss(constraint):
    spec = small(constraint={"kind": constraint}) if constraint else two_weights(**{"rule.kind": "gradient"})[0]
    across = (0, spec.build().student.weights[0].size)
    plane = plane_decomposition(spec, extent=(1.0, 0.5), grid=(10, 8), directions=across)
    assert plane.curl_share < 1e-25
    potential = (plane.gradient_potential + plane.harmonic_potential).to_numpy()
    # Stokes holds exactly, so the potential does on the nodes; the loss is given in the cells: compare it there on
    # a grid whose centres are the nodes.
    nodes = plane_decomposition(spec, extent=(1.1, 0.5625), grid=(11, 9), directions=plane.direction).loss.to_numpy()
    np.testing.assert_allclose(potential - potential.mean(), nodes.mean() - nodes, atol=1e-12)


def test_planes_of_larger_networks_and_their_picture(tmp_path):
    spec = small(rule={"kind": "curl", "flipped": {"hidden": {"count": 1}}}, constraint={"kind": "frobenius"})
    plane = plane_decomposition(spec, at="solution", grid=8, extent=0.1)
    np.testing.assert_allclose(plane.direction.to_numpy() @ plane.direction.to_numpy().T, np.eye(2), atol=1e-10)
    # A small rectangle has the curl of its centre, that of the plane of strongest rotation.
    local = decomposition(spec, at="solution", radius=1e-3)
    np.testing.assert_allclose(plane.curl.mean(), local.plane_curl[0], rtol=0.05)
    again = plane_decomposition(spec, at="solution", grid=8, extent=0.1, directions=plane.direction)
    np.testing.assert_allclose(again.field, plane.field, atol=1e-13)
    loaded = curlflow.load(curlflow.save(plane, tmp_path / "plane.nc"))
    before = dict(mpl.rcParams)
    figure = draw(loaded)
    assert dict(mpl.rcParams) == before
    titles = [axes.get_title() for axes in figure.axes[:4]]
    for title, name in zip(titles[1:], ("gradient", "curl", "harmonic"), strict=True):
        assert title.endswith(f"{100 * float(plane[f'{name}_share']):.1f} %")
    figure.savefig(tmp_path / "plane.png")
    with pytest.raises(ValueError, match="dataset: field, gradient_part, gradient_share"):
        draw(local)


def test_a_flow_without_a_loss_is_drawn_over_its_speed():
    plane = plane_decomposition(matrix_flow(np.array([[0.0, -1.0], [1.0, 0.0]])), at="origin", grid=6)
    assert "loss" not in plane
    assert draw(plane).axes[0].get_title() == "velocity, over the speed"


def test_one_program_does_for_all_weights_seeds_and_scales(compilations):
    spec = small(rule={"kind": "curl", "flipped": {"inputs": 0.5}})
    decomposition(spec)
    other = spec.replace({"seed": 5, "rule.flipped.inputs": 0.25, "start.scale": 2.0})
    assert compilations(lambda: decomposition(other, radius=0.3)) == 0


GOOD = small()
WIDER = GOOD.replace("teacher.width", 5)


def test_missing_synapses_are_no_directions(x64):
    g = GOOD.build().graph()
    (name, target), *_ = g.edges
    g.remove_edge(name, target)
    for *_, edge in g.edges(data=True):
        del edge["weight"]
    for constraint in ("none", "frobenius"):
        spec = GOOD.replace({"constraint.kind": constraint, "rule.kind": "gradient"})
        ds = curlflow.decomposition(spec, graph=g)
        assert ds.curl_ratio[0] < 1e-12
        flow = spec.build(graph=g).flow()
        j = dense(flow)
        np.testing.assert_allclose(ds.divergence[0], np.trace(j), rtol=1e-10)
        assert "graph" in ds.attrs


BAD = [
    (GOOD, {"at": "nowhere"}, "at: got 'nowhere', allowed are solution, origin, start, a "),
    (WIDER, {"at": "solution"}, r"teacher's weights, but teacher.width gives it the widths \[4, 5, 2\] "),
    (GOOD, {"at": [np.ones((3, 4))]}, "at: got 1 layers of weights, required are 2."),
    (GOOD, {"at": [np.ones((3, 4)), np.ones((3, 2))]}, r"at: layer 2 has shape \(3, 2\), required .* = \(2, 3\)."),
    (GOOD, {"at": Feedforward([np.ones((2, 4))])}, "at: got 1 layers"),
    (GOOD, {"at": [np.ones((3, 4)), np.full((2, 3), np.nan)]}, "at: layer 2 has 6 of 6 weights that are not finite"),
    (GOOD, {"at": 3}, "at: got int, allowed are"),
    (matrix_flow(), {"at": "solution"}, "at: got 'solution', allowed for a system are start, origin and a state"),
    (matrix_flow(), {"at": np.ones(5)}, r"at: got a state of shapes \[\(5,\)\], required is one like that of"),
    (matrix_flow(), {"at": np.full(6, np.inf)}, "at: got numbers that are not finite"),
    (GOOD, {"directions": (1, 1)}, "directions: the two are parallel or zero"),
    (GOOD, {"directions": (np.ones(18), -2 * np.ones(18))}, "directions: the two are parallel or zero"),
    (GOOD, {"directions": (np.ones(18), np.zeros(18))}, "directions: the two are parallel or zero"),
    (GOOD, {"directions": (0, 18)}, "directions: got the index 18, allowed are 0 to 17."),
    (GOOD, {"directions": (0, np.ones(3))}, r"directions: the second has shape \(3,\), required are 18"),
    (GOOD, {"directions": (0, np.full(18, np.nan))}, "directions: the second has 18 of 18 numbers that are not"),
    (GOOD, {"directions": (0.5, 1)}, "directions: got 0.5, allowed are vectors, and whole numbers as indices."),
    (GOOD, {"directions": "up"}, "directions: got 'up', allowed are rotation, trajectory, two indices"),
    (GOOD, {"directions": (1, 2, 3)}, "directions: got"),
    (GOOD, {"loss": lambda x: 0.0}, "loss: a spec has its own"),
    (matrix_flow(), {"loss": 3}, "loss: got 3, required is a function"),
    (matrix_flow(), {"loss": lambda: 1.0}, "loss: JAX cannot trace it .*TypeError"),
    (matrix_flow(), {"loss": lambda x: float(x[0])}, "loss: JAX cannot trace it .*ConcretizationTypeError"),
    (matrix_flow(), {"loss": lambda x: "a"}, "loss: it gives str, required is one real number"),
    (matrix_flow(), {"loss": lambda x: x}, r"loss: it gives float64 of shape \(6,\), required is one real number"),
    (GOOD.replace("constraint.kind", "frobenius"), {"at": "origin"}, "at: all weights of layer 1 are 0, so"),
]  # fmt: skip


@pytest.mark.parametrize(("subject", "arguments", "sentence"), BAD)
def test_bad_arguments_are_refused(subject, arguments, sentence):
    for study in (decomposition, plane_decomposition):
        with pytest.raises(ValueError, match=sentence):
            study(subject, **arguments)


def test_bad_numbers_are_refused():
    run = curlflow.simulate(GOOD, times=[0, 1], weights=3)
    for arguments, sentence in [
        ({"radius": 0}, "radius: got 0.0, allowed are finite numbers above 0."),
        ({"radius": "wide"}, "radius: got 'wide', a number is required."),
        ({"method": "guess"}, "method: got 'guess', allowed are auto, exact, estimate."),
        ({"radius": 1e300}, r"radius: got 1e\+300, allowed are lengths from 1e-100 to 1e\+100."),
        ({"radius": 1e-300}, "radius: got 1e-300, allowed are lengths"),
        ({"probes": 1}, "probes: got 1, allowed are whole numbers from 2 to 1000000."),
        ({"probes": 10**7}, "probes: got 10000000, allowed are whole numbers from 2 to 1000000."),
        ({"seed": 2**70}, "seed: got 11805"),
        ({"times": [True]}, "times: got .True., required are numbers."),
        ({"times": [0, 1], "at": "solution"}, "at: times run from the start"),
        ({"times": [1, 0]}, "times: got"),
        ({"at": run.drop_vars("weights")}, "at: the dataset has no weights"),
        ({"at": run}, "at: the dataset has 1 realizations with 3 weights"),
    ]:
        with pytest.raises(ValueError, match=sentence):
            decomposition(GOOD, **arguments)
    for arguments, sentence in [
        ({"grid": 1}, "grid: got 1, allowed are whole numbers of at least 2."),
        ({"grid": (8, 1)}, "grid: got 1, allowed"),
        ({"extent": 0}, "extent: got 0.0, allowed are finite numbers above 0."),
        ({"extent": (1, -1)}, "extent: got -1.0, allowed are finite numbers above 0."),
        ({"extent": (1, 2, 3)}, "extent: got"),
        ({"extent": 1e-200}, "extent: got 1e-200, allowed are lengths"),
        ({"extent": 1e-20}, "extent: got 1e-20, whose cells are narrower than the digits"),
        ({"realization": -1}, "realization: got -1"),
        ({"realization": 10**20}, "realization: got 1"),
    ]:
        with pytest.raises(ValueError, match=sentence):
            plane_decomposition(GOOD, **arguments)
    with pytest.raises(ValueError, match="realization: got 1, but a system has one only"):
        plane_decomposition(matrix_flow(), realization=1)
    half = curlflow.Flow(lambda t, x, args: jnp.log(x), [1.0, 1.0])
    with pytest.raises(ValueError, match=r"extent: the velocity is not finite everywhere .* shrink it\.$"):
        plane_decomposition(half, at="origin", grid=4)


def test_a_loss_may_be_a_plain_number():
    ds = decomposition(matrix_flow(), loss=lambda x: 1)
    assert float(ds.error[0]) == 1
    assert np.isnan(ds.gradient_angle[0])
    assert np.all(plane_decomposition(matrix_flow(), loss=lambda x: 2.0, grid=3).loss == 2)
