"""Is the curl genuine? Metrics that are given, and those in which least of it remains."""

import jax
import matplotlib as mpl
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import curlflow
from curlflow.plot.jacobians import parts_of_jacobian
from curlflow.rules import FeedbackAlignment, Gradient, SignFlipped
from curlflow.studies.decomposition.study import decomposition

mpl.use("Agg")

RNG = np.random.default_rng(11)
SPEC = curlflow.Spec(network={"inputs": 4, "hidden": 3, "outputs": 2, "activation": "tanh"}, data={"samples": 30})
SHAPES = [(3, 4), (2, 3)]
LAYERS = [np.full(SHAPES[0], 0.3), np.full(SHAPES[1], 5.0)]
WEIGHTS = [np.exp(RNG.normal(size=shape)) for shape in SHAPES]
FLIPPED = SPEC.replace("rule", {"kind": "curl", "flipped": {"hidden": {"count": 1}}})
SPHERES = {"constraint.kind": "frobenius"}


def flat(arrays):
    return np.concatenate([np.ravel(array) for array in arrays])


def rates(gains):
    return SignFlipped(Gradient(), gains)


def dense(problem):
    """The Jacobian of the velocity and the gradient of the error."""
    x, unravel = ravel_pytree(problem.student)
    flow = problem.flow()
    jacobian = jax.jacfwd(lambda x: ravel_pytree(flow.velocity(0.0, unravel(x)))[0])(x)
    gradient = jax.grad(lambda x: problem.training_error.error(unravel(x)))(x)
    return np.asarray(jacobian), np.asarray(gradient)


@pytest.mark.parametrize(("activation", "constraint"), [("linear", "none"), ("tanh", "none"), ("tanh", "frobenius")])
def test_rates_of_layers_are_found_and_nothing_remains(activation, constraint):
    spec = SPEC.replace({"network.activation": activation, "constraint.kind": constraint, "realizations": 2})
    ds = decomposition(spec, rule=rates(LAYERS), metric="layerwise")
    numbers = ds.layer_metric.to_numpy()
    np.testing.assert_allclose(numbers[:, 1] / numbers[:, 0], 0.3 / 5.0, rtol=1e-6)
    np.testing.assert_allclose(12 * np.log(numbers[:, 0]) + 6 * np.log(numbers[:, 1]), 0, atol=1e-12)
    assert np.all(ds.curl_ratio < 1e-8)
    assert np.all(ds.gradient_angle < 1e-8)
    assert np.all(np.abs(ds.circulation) < 1e-12)
    plain = decomposition(spec, rule=rates(LAYERS))
    assert np.all(plain.curl_ratio > 0.1)
    for name in ("symmetric_norm", "antisymmetric_norm", "curl_ratio", "gradient_angle"):
        np.testing.assert_array_equal(ds[f"euclidean_{name}"], plain[name])
    np.testing.assert_allclose(ds.divergence, plain.divergence, rtol=1e-12)
    assert (plain.metric, ds.metric) == ("euclidean", "layerwise")
    assert "euclidean_curl_ratio" not in plain


def test_estimates_find_rates_of_layers_as_well():
    ds = decomposition(SPEC, rule=rates(LAYERS), metric="layerwise", method="estimate", probes=8)
    np.testing.assert_allclose(ds.layer_metric[0, 1] / ds.layer_metric[0, 0], 0.3 / 5.0, rtol=1e-6)
    assert ds.curl_ratio[0] < 1e-8
    assert ds.euclidean_curl_ratio_se[0] > 0
    # Without rates to be found, estimates of the best numbers are such up to their scatter.
    rule = SignFlipped(FeedbackAlignment([RNG.normal(size=(2, 3))]), LAYERS)
    many = [{"method": "exact"}, {"method": "estimate", "probes": 4_000}]
    exact, estimate = (decomposition(SPEC, rule=rule, metric="layerwise", **how) for how in many)
    np.testing.assert_allclose(estimate.layer_metric, exact.layer_metric, rtol=0.05)
    assert np.all(np.abs(np.log(exact.layer_metric)) > 0.1)


def test_rates_of_weights_are_found_along_learning():
    ds = decomposition(SPEC, rule=rates(WEIGHTS), metric="diagonal", times=[0, 2])
    assert ds.metric.dims == ("realization", "time", "weight")
    rated = ds["metric"][0].to_numpy() * flat(WEIGHTS)
    np.testing.assert_allclose(rated, np.exp(np.log(flat(WEIGHTS)).mean()), rtol=1e-6)
    assert np.all(ds.curl_ratio < 1e-8)
    assert np.all(ds.gradient_angle < 1e-8)
    by_layer = decomposition(SPEC, rule=rates(WEIGHTS), metric="layerwise")
    assert 0.1 < by_layer.curl_ratio[0] < by_layer.euclidean_curl_ratio[0]


def test_signs_remain_in_every_diagonal_metric(x64):
    for gains in (None, WEIGHTS):
        rule = None if gains is None else SignFlipped(FLIPPED.build().rule, gains)
        ds = decomposition(FLIPPED, rule=rule, metric="diagonal").isel(realization=0)
        jacobian, _ = dense(FLIPPED.build(rule=rule))
        root = np.sqrt(ds["metric"].to_numpy())
        inside = root[:, None] * jacobian / root
        np.testing.assert_allclose(ds.antisymmetric_norm, np.linalg.norm(inside - inside.T) / 2, rtol=1e-10)
        np.testing.assert_allclose(ds.symmetric_norm, np.linalg.norm(inside + inside.T) / 2, rtol=1e-10)
        # Pairs of different signs have |A_ij| = (|J_ij|r + |J_ji|/r)/2 for some r > 0, at least √|J_ij J_ji|.
        different = np.maximum(-jacobian * jacobian.T, 0)
        np.testing.assert_allclose(ds.antisymmetric_norm, np.sqrt(different.sum()), rtol=1e-10)
        assert ds.curl_ratio > 0.1
        assert (ds.curl_ratio < ds.euclidean_curl_ratio - 0.01) == (gains is not None)


@pytest.mark.parametrize(
    "metric",
    [
        WEIGHTS,
        flat(WEIGHTS),
        [0.5, 7.0],
        np.diag(flat(WEIGHTS)) + 0.1,
        lambda state: [np.exp(w) for w in state.weights],
    ],
    ids=["arrays", "weights", "layers", "matrix", "function"],
)  # fmt: skip
def test_metrics_that_are_given_against_matrices(metric, x64):
    spec = FLIPPED.replace("realizations", 2)
    ds = decomposition(spec, metric=metric, directions=(3, 14)).isel(realization=1)
    problem = spec.build(realization=1)
    jacobian, gradient = dense(problem)
    given = metric(problem.student) if callable(metric) else metric
    given = np.repeat(given, [12, 6]) if len(given) == 2 and np.ndim(given[0]) == 0 else given
    given = flat(given) if isinstance(given, list) else given
    g = given if np.ndim(given) == 2 else np.diag(given)
    g = g / np.linalg.det(g) ** (1 / 18)
    # Any factor of G = RᵀR has the same norms, here that of Cholesky.
    root = np.linalg.cholesky(g).T
    inside = root @ jacobian @ np.linalg.inv(root)
    np.testing.assert_allclose(ds.antisymmetric_norm, np.linalg.norm(inside - inside.T) / 2, rtol=1e-10)
    np.testing.assert_allclose(ds.symmetric_norm, np.linalg.norm(inside + inside.T) / 2, rtol=1e-10)
    velocity = flat(problem.flow().velocity(0.0, problem.student).weights)
    uphill = np.linalg.solve(g, gradient)
    cosine = -velocity @ g @ uphill / np.sqrt((velocity @ g @ velocity) * (uphill @ g @ uphill))
    np.testing.assert_allclose(np.cos(ds.gradient_angle), cosine, rtol=1e-10)
    np.testing.assert_allclose(ds.speed, np.sqrt(velocity @ g @ velocity), rtol=1e-10)
    u, v = ds.direction.to_numpy()
    np.testing.assert_allclose([u @ g @ u, v @ g @ v, u @ g @ v], [1, 1, 0], atol=1e-12)
    assert np.count_nonzero(np.abs(u) + np.abs(v) > 1e-12) == 2
    # The circulation is the integral of Fᵀ G dw: the mean of its curl in a small circle is that in the centre.
    small = decomposition(spec, metric=metric, directions=(3, 14), radius=1e-3).isel(realization=1)
    np.testing.assert_allclose(small.plane_curl, v @ g @ jacobian @ u - u @ g @ jacobian @ v, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(ds.error, problem.training_error.error(problem.student), rtol=1e-12)


def test_within_a_constraint_norms_are_those_of_the_inherited_metric(x64):
    spec = FLIPPED.replace(SPHERES)
    problem = spec.build()
    jacobian, _ = dense(problem)
    ds = decomposition(spec, metric=[0.5, 7.0]).isel(realization=0)
    g = np.repeat([0.5, 7.0], [12, 6])
    # A basis of the tangent space that is orthonormal for G.
    normals = np.zeros((18, 2))
    normals[:12, 0], normals[12:, 1] = (np.ravel(w) for w in problem.student.weights)
    basis = np.linalg.svd(normals)[0][:, 2:]
    basis = basis @ np.linalg.inv(np.linalg.cholesky(basis.T @ (g[:, None] * basis))).T
    inside = basis.T @ (g[:, None] * jacobian) @ basis
    np.testing.assert_allclose(ds.antisymmetric_norm, np.linalg.norm(inside - inside.T) / 2, rtol=1e-10)
    np.testing.assert_allclose(ds.symmetric_norm, np.linalg.norm(inside + inside.T) / 2, rtol=1e-10)
    best = decomposition(spec, metric="layerwise").isel(realization=0)
    found = float(best.layer_metric[1] / best.layer_metric[0])
    around = [decomposition(spec, metric=[1.0, found * factor]).curl_ratio[0] for factor in (0.98, 1.02)]
    assert all(float(best.curl_ratio) < float(r) for r in around)


def test_a_frozen_layer_has_no_best_metric():
    ds = decomposition(SPEC, rule=rates([np.zeros(SHAPES[0]), LAYERS[1]]), metric="layerwise").isel(realization=0)
    assert int(ds.status) == curlflow.Status.completed
    for name in ("layer_metric", "curl_ratio", "antisymmetric_norm", "speed", "gradient_angle"):
        assert np.isnan(ds[name]).all()
    assert ds.euclidean_curl_ratio > 0
    assert np.isfinite(ds.divergence)


def test_synapses_that_are_missing_do_not_stand_in_the_way():
    g = SPEC.build().graph()
    g.remove_edge(*next(iter(g.edges)))
    for *_, edge in g.edges(data=True):
        del edge["weight"]
    ds = decomposition(SPEC, graph=g, rule=rates(WEIGHTS), metric="diagonal").isel(realization=0)
    assert ds.curl_ratio < 1e-8
    assert ds.euclidean_curl_ratio > 0.1


def test_a_flow_of_ones_own_has_a_metric_and_a_picture(tmp_path):
    h, d = np.array([[3.0, 1.0], [1.0, 2.0]]), np.array([4.0, 0.5])
    flow = curlflow.Flow(lambda t, x, args: -d * (h @ x), [1.0, -2.0])
    ds = decomposition(flow, metric="diagonal", loss=lambda x: x @ h @ x / 2, times=[0, 1, 2])
    np.testing.assert_allclose(ds["metric"][0, :, 1] / ds["metric"][0, :, 0], 8.0, rtol=1e-6)
    assert np.all(ds.curl_ratio < 1e-8)
    assert np.all(ds.gradient_angle < 1e-8)
    loaded = curlflow.load(curlflow.save(ds, tmp_path / "parts.nc"))
    texts = [text.get_text() for text in parts_of_jacobian(loaded).axes[1].get_legend().get_texts()]
    assert texts == ["in the metric", "Euclidean"]


def changing(state):
    return [1.0, 2.0] if changing.calls.pop() else WEIGHTS


@pytest.mark.parametrize(
    ("metric", "sentence"),
    [
        ("up", "metric: got 'up', allowed are euclidean, diagonal, layerwise."),
        ([1.0, 2.0, 3.0], r"metric: got numbers of shape \(3,\), required is one for each of 18 weights or 2 layers"),
        (np.ones((17, 17)), r"metric: got numbers of shape \(17, 17\), required .* a matrix \(18, 18\)"),
        ([np.ones((3, 4)), np.ones((2, 2))], r"metric: got numbers of shape \[\(3, 4\), \(2, 2\)\]"),
        ([1.0, -1.0], "metric: got 1 of 2 numbers that are not positive and finite"),
        (np.full(18, np.nan), "metric: got 18 of 18 numbers that are not positive and finite"),
        (np.zeros(18), "metric: got 18 of 18 numbers"),
        (np.ones((18, 18)), "metric: the matrix is not symmetric and positive definite"),
        (np.triu(np.ones((18, 18))), "metric: the matrix is not symmetric and positive definite"),
        (np.full((18, 18), np.inf), "metric: got 324 of 324 numbers that are not finite"),
        (None, "metric: got None, allowed are euclidean, diagonal, layerwise, positive numbers"),
        (lambda state: "x", "metric: got 'x', allowed are"),
        (changing, "metric: the function gives different things at different states"),
    ],
)
def test_what_is_no_metric_is_refused(metric, sentence):
    changing.calls = [True, False]
    with pytest.raises(ValueError, match=sentence):
        decomposition(SPEC, metric=metric)


def test_metrics_that_a_constraint_or_the_size_forbids_are_refused():
    for metric in ("diagonal", WEIGHTS):
        with pytest.raises(ValueError, match="metric: it does not commute with the projection onto the constraint"):
            decomposition(SPEC.replace(SPHERES), metric=metric)
    large = curlflow.Spec(network={"inputs": 100, "hidden": 30}, data={"samples": 5})
    with pytest.raises(ValueError, match='metric: got "diagonal" for 3,030 weights, allowed are 3,000 at most'):
        decomposition(large, metric="diagonal")
