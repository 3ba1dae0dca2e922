"""The two-weight model that is derived by algebra, against numeric integration and numeric eigenvalues."""

import numpy as np
import pytest
import sympy

import curlflow
import curlflow.symbolic
from curlflow.constraints import Free
from curlflow.networks import Feedforward
from curlflow.rules import Gradient, SignFlipped
from curlflow.solvers.integrate import Adaptive
from curlflow.symbolic import two_weight_model
from curlflow.symbolic.two_weights import SIGNS
from curlflow.symbolic.vanishing import vanishes
from curlflow.systems.learning import learning_flow
from curlflow.tasks import SecondMoments

W1, W2 = sympy.symbols("w1 w2", real=True)
SIGMA, V = sympy.symbols("sigma v", positive=True)


def flow(flipped, start, v, variance=1.0):
    d1, d2 = SIGNS[flipped]
    rule = SignFlipped(Gradient(), [np.full((1, 1), float(d)) for d in (d1, d2)])
    student = Feedforward([np.full((1, 1), w) for w in start])
    task = SecondMoments(np.full((1, 1), variance), np.full((1, 1), v))
    return learning_flow(student, rule, task, Free(), Adaptive(rtol=1e-12, atol=1e-14))


@pytest.mark.quick
@pytest.mark.parametrize("flipped", SIGNS)
def test_field_and_stability_are_those_of_the_model_page(flipped):
    d1, d2 = SIGNS[flipped]
    model = two_weight_model(flipped)
    e = W2 * W1 - V
    assert sympy.expand(
        model.field.field - sympy.Matrix([-d1 * SIGMA**2 * e * W2, -d2 * SIGMA**2 * e * W1])
    ).is_zero_matrix
    assert sympy.expand(model.conserved - (W1**2 - d1 * d2 * W2**2)) == 0
    assert model.fixed_points == ({W1: 0, W2: 0}, {W2: V / W1})
    along, across = model.manifold_eigenvalues
    assert along == 0
    assert sympy.expand(across + SIGMA**2 * (d2 * W1**2 + d1 * W2**2)) == 0  # −HΣ, equation (4)
    expected = {SIGMA**2 * V * s * sympy.sqrt(d1 * d2) for s in (1, -1)}  # ±√(d2 s) with s = d1 (σ² v)², equation (5)
    assert {value for value, _ in model.origin} == expected
    for value, direction in model.origin:
        origin = model.field.jacobian.subs({W1: 0, W2: 0})
        assert sympy.simplify(origin * sympy.Matrix(direction) - value * sympy.Matrix(direction)).is_zero_matrix
    assert model.field.is_gradient is (d1 == d2)


@pytest.mark.quick
@pytest.mark.parametrize("flipped", ["input", "hidden"])
def test_stability_of_curl_descent_changes_where_the_circle_touches_the_hyperbola(flipped):
    model = two_weight_model(flipped)
    assert set(model.stability_changes) == {(s * sympy.sqrt(V), s * sympy.sqrt(V)) for s in (1, -1)}
    assert model.separatrices == (sympy.Eq(W1**2 + W2**2, 2 * V),)


@pytest.mark.parametrize("flipped", ["none", "both"])
def test_gradient_flow_is_stable_everywhere_and_its_origin_a_saddle(flipped):
    model = two_weight_model(flipped)
    assert model.stability_changes == ()
    assert model.separatrices == (sympy.Eq(W1**2 - W2**2, 0),)
    loss = SIGMA**2 * (W1 * W2 - V) ** 2 / 2
    difference = model.field.potential() - SIGNS[flipped][0] * loss
    assert vanishes(sympy.diff(difference, W1))  # equal up to a constant
    assert vanishes(sympy.diff(difference, W2))


@pytest.mark.parametrize("flipped", ["none", "input", "hidden"])
@pytest.mark.parametrize("v", [0.6, -0.3])
def test_integration_stays_on_the_level_set_and_ends_where_it_attracts(flipped, v):
    model = two_weight_model(flipped)
    conserved = sympy.lambdify((W1, W2), model.conserved)
    rng = np.random.default_rng(3)
    for start in rng.uniform(0.9, 1.6, (3, 2)) * [1, rng.choice([-1, 1])]:
        ds = curlflow.simulate(flow(flipped, start, v), times=np.linspace(0, 120, 25))
        w = ds.state[0].to_numpy()
        np.testing.assert_allclose(conserved(*w.T), conserved(*start), atol=1e-8)
        stable = [point[:2] for point in model.solutions_through(*start, v) if point[2]]
        assert min(np.linalg.norm(w[-1] - point) for point in stable) < 1e-8
        assert abs(w[-1].prod() - v) < 1e-8


@pytest.mark.parametrize("flipped", ["input", "hidden"])
def test_small_circles_meet_no_solution_and_are_run_round_for_ever(flipped):
    # w1² + w2² < 2|v|: the error never falls below its value where the circle is closest to the hyperbola.
    v, start = 0.6, (0.5, 0.4)
    r2 = start[0] ** 2 + start[1] ** 2
    assert two_weight_model(flipped).solutions_through(*start, v) == []
    w = curlflow.simulate(flow(flipped, start, v), times=np.linspace(0, 100, 2001)).state[0].to_numpy()
    errors = abs(w.prod(axis=1) - v)
    assert errors.min() >= v - r2 / 2 - 1e-9
    turns = np.unwrap(np.arctan2(w[:, 1], w[:, 0]))
    assert abs(turns[-1] - turns[0]) > 4 * np.pi


@pytest.mark.parametrize("flipped", SIGNS)
@pytest.mark.parametrize("v", [0.7, -0.2])
def test_solutions_and_verdicts_against_numeric_eigenvalues(flipped, v, x64):
    import jax

    model = two_weight_model(flipped)
    d1, d2 = SIGNS[flipped]

    def field(w):
        return -np.array([d1, d2]) * (w[0] * w[1] - v) * w[::-1]

    solutions = model.solutions_through(1.2, 0.4, v)
    assert len(solutions) == (2 if d1 == d2 else 4)
    for a, b, stable in solutions:
        assert abs(a * b - v) < 1e-12
        assert abs((a**2 - d1 * d2 * b**2) - (1.2**2 - d1 * d2 * 0.4**2)) < 1e-10
        eigenvalues = np.linalg.eigvals(jax.jacfwd(field)(np.array([a, b])))
        assert stable == (eigenvalues.real.min() < -1e-6)


@pytest.mark.parametrize("flipped", ["input", "hidden"])
@pytest.mark.parametrize(
    ("w1", "w2", "v"),
    [(1, 1, 1), (-1, -1, 1), (0.6, 0.8, 0.5), (1.2, 1.6, 2.0), (0.3, 0.3, 0.09), (0.3, -0.3, -0.09)],
)
def test_a_circle_that_touches_the_hyperbola_does_so_twice(flipped, w1, w2, v):
    # w1² + w2² = 2|v|, up to rounding: the points are ±(√|v|, √|v| sign v), and the flow leaves them on one side.
    root = np.sqrt(abs(v))
    points = two_weight_model(flipped).solutions_through(w1, w2, v)
    np.testing.assert_allclose([p[:2] for p in points], [(-root, -v / root), (root, v / root)], rtol=1e-14)
    assert [p[2] for p in points] == [False, False]


def test_solutions_near_the_touching_circle_and_far_from_it():
    model = two_weight_model("hidden")
    radius = np.sqrt(1 + 1e-9)  # r² = 2 |v| (1 + 1e-9)
    near = model.solutions_through(radius, radius, 1.0)
    np.testing.assert_allclose(
        [p[0] for p in near], np.array([-1, -1, 1, 1]) + np.sqrt(2e-9) / 2 * np.array([-1, 1, -1, 1]), rtol=1e-8
    )
    assert [p[2] for p in near] == [False, True, True, False]
    assert model.solutions_through(1 - 1e-9, 1, 1.0) == []
    far = model.solutions_through(3e100, 4e100, 2e-100)
    np.testing.assert_allclose([p[0] for p in far], [-5e100, -4e-201, 4e-201, 5e100], rtol=1e-14)


def test_first_published_figure():
    # The preset fig1 is this model with its hidden unit flipped; its teacher is negative, hence the mirror.
    spec = curlflow.preset("fig1")
    field = curlflow.symbolic.symbolic_field(spec)
    problem = spec.build()
    v, variance = (float(a[0, 0]) for a in (problem.teacher.product(), problem.covariance))
    model = two_weight_model("hidden")
    numbers = model.field.lambdify()(0.0, [-0.8, 0.3], [np.sqrt(variance), -v])
    np.testing.assert_allclose(field.lambdify()(0.0, [0.8, 0.3]), numbers * [-1, 1], rtol=1e-12)


def test_bad_arguments():
    with pytest.raises(ValueError, match="flipped: got 'w1', allowed are none, input, hidden, both"):
        two_weight_model("w1")
    with pytest.raises(ValueError, match=r"flipped: got \['none'\], allowed are none, input, hidden, both"):
        two_weight_model(["none"])
    with pytest.raises(ValueError, match="v: got 0, allowed are finite numbers that are not 0"):
        two_weight_model().solutions_through(1.0, 1.0, 0.0)


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize("value", ["a", None, [1, 2], 1j, np.nan, np.inf, True])
def test_points_are_numbers(place, value):
    arguments = [1.0, 1.0, 1.0]
    arguments[place] = value
    with pytest.raises(ValueError, match=f"{('w1', 'w2', 'v')[place]}: got .*, allowed are finite numbers."):
        two_weight_model("hidden").solutions_through(*arguments)
