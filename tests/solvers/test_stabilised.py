"""The Runge–Kutta–Chebyshev solver: its stability polynomial, its order, and what it saves."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.polynomial import chebyshev

import curlflow
from curlflow.solvers import stabilised
from curlflow.solvers.integrate import Adaptive
from curlflow.solvers.stabilised import RungeKuttaChebyshev

EPSILON = 2 / 13


@pytest.mark.parametrize("number", [2, 3, 5, 10, 50, 300])
def test_a_step_multiplies_by_the_stability_polynomial(number, x64):
    w0 = 1 + EPSILON / number**2
    t = chebyshev.Chebyshev.basis(number)
    slope, bend = t.deriv(), t.deriv(2)
    b = bend(w0) / slope(w0) ** 2
    reach = 2 / 3 * (number**2 - 1) * (1 - 2 * EPSILON / 15)
    z = np.linspace(-reach, 0.1, 101)
    step = lambda z: stabilised._chebyshev_step(lambda t, y: z * y, 0.0, jnp.ones(1), jnp.array([z]), 1.0, number)  # noqa: E731
    found = jax.vmap(step)(z)[0][:, 0]
    np.testing.assert_allclose(found, 1 - b * t(w0) + b * t(w0 + slope(w0) / bend(w0) * z), atol=1e-9)
    assert np.abs(found[z < 0]).max() < 1
    assert int(stabilised.stages(reach * 0.999)) == number


@pytest.mark.parametrize("number", [2, 7])
def test_order_two(number, x64):
    def field(t, y):
        return jnp.stack([-y[0] * y[1] + jnp.cos(t), y[0] - y[1] ** 2])

    def end(steps):
        h = 1 / steps

        def step(i, y):
            return stabilised._chebyshev_step(field, i * h, y, field(i * h, y), h, number)[0]

        return jax.lax.fori_loop(0, steps, step, jnp.array([1.0, 0.5]))

    ends = [end(steps) for steps in (20, 40, 80)]
    # Differences between successive halvings fall by four.
    ratio = jnp.linalg.norm(ends[0] - ends[1]) / jnp.linalg.norm(ends[1] - ends[2])
    assert 3.8 < ratio < 4.3


@pytest.mark.parametrize("number", [4, 5, 9])
def test_the_tableau_is_that_of_the_recursion(number, x64):
    a, b, error = stabilised.chebyshev_tableau(number)

    def field(t, y):
        return jnp.stack([-y[0] * y[1] + jnp.cos(t), y[0] - y[1] ** 2])

    y, h, k = np.array([1.0, 0.5]), 0.1, np.zeros((number, 2))
    for i in range(number):
        k[i] = field(0.2 + h * a[i].sum(), y + h * a[i] @ k)
    expected = stabilised._chebyshev_step(field, 0.2, jnp.asarray(y), field(0.2, y), h, number)[0]
    np.testing.assert_allclose(y + h * b @ k, expected, atol=1e-13)
    # The estimate is the error that is left of a solution with y′′′ alone: t³.
    nodes = a.sum(axis=1)
    np.testing.assert_allclose([error.sum(), error @ nodes], 0, atol=1e-12)
    np.testing.assert_allclose(error @ (3 * nodes**2), b @ (3 * nodes**2) - 1, atol=1e-12)


def solved(field, y, until, solver, rtol=1e-5):
    controller = diffrax.PIDController(rtol, rtol * 1e-3, pcoeff=0.4, icoeff=0.3)
    return diffrax.diffeqsolve(
        diffrax.ODETerm(lambda t, y, args: field(y)), solver, 0.0, until, None, y,
        stepsize_controller=controller, max_steps=100_000,
    )  # fmt: skip


def test_heat_equation_in_a_fraction_of_the_steps(x64):
    n = 60
    a = jnp.asarray((n + 1) ** 2 * (np.eye(n, k=1) + np.eye(n, k=-1) - 2 * np.eye(n)))
    x = jnp.arange(1, n + 1) / (n + 1)
    expected = jax.scipy.linalg.expm(0.3 * a) @ (x * (1 - x))
    solutions = {s: solved(lambda y: a @ y, x * (1 - x), 0.3, s()) for s in (RungeKuttaChebyshev, diffrax.Tsit5)}
    for solution in solutions.values():
        np.testing.assert_allclose(solution.ys[-1], expected, rtol=2e-3)
    steps = {s.__name__: int(solution.stats["num_steps"]) for s, solution in solutions.items()}
    assert steps["RungeKuttaChebyshev"] * 8 < steps["Tsit5"]


def test_the_spectral_radius_is_found_and_followed(x64):
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(30, 30)))[0]
    a = jnp.asarray(basis @ np.diag(-np.geomspace(0.1, 50, 30)) @ basis.T)
    y = jnp.asarray(rng.normal(size=30))
    found = stabilised._found(lambda t, y: a @ y, 0.0, y, a @ y)
    assert float(found.radius) == pytest.approx(50, rel=0.1)
    assert float(found.cosine) > stabilised.REAL
    for _ in range(30):
        found = stabilised._followed(lambda t, y: 2 * (a @ y), 0.0, y, 2 * (a @ y), found)
    assert float(found.radius) == pytest.approx(100, rel=0.01)
    # Nothing moves: no direction is lost, and no step is divided by zero.
    still = stabilised._found(lambda t, y: 0 * y, 0.0, y, 0 * y)
    assert float(still.radius) == 0
    assert np.isfinite(still.direction).all()


def test_eigenvalues_off_the_real_axis_get_steps_of_the_usual_method(x64):
    # A fast rotation beside a fast decay: no stabilised step can take it.
    def field(y):
        return jnp.stack([-100 * y[1], 100 * y[0], -80 * y[2]])

    y = jnp.array([1.0, 0.0, 1.0])
    solution = solved(field, y, 1.0, RungeKuttaChebyshev(), rtol=1e-7)
    assert solution.result == diffrax.RESULTS.successful
    np.testing.assert_allclose(solution.ys[-1], [np.cos(100), np.sin(100), 0], atol=1e-3)


def test_flows_take_it_by_name(x64):
    flow = curlflow.Flow(lambda t, x, args: -args * x, np.ones(50), np.geomspace(1, 500, 50), integrator=None)
    stabilised_flow = curlflow.Flow(
        lambda t, x, args: -args * x, np.ones(50), np.geomspace(1, 500, 50),
        integrator=Adaptive(1e-6, 1e-9, solver="rkc2"),
    )  # fmt: skip
    ends = [f.advance(f.state, None, 1.0, f.clock()).state for f in (flow, stabilised_flow)]
    np.testing.assert_allclose(ends[1], ends[0], atol=2e-6)
    exponents = curlflow.lyapunov(stabilised_flow, exponents=2, transient=1, alignment=60, duration=20)
    np.testing.assert_allclose(exponents.lyapunov_exponent[0], -np.geomspace(1, 500, 50)[:2], rtol=1e-3)


def test_learning_is_the_same_as_with_the_usual_method():
    spec = curlflow.preset("fig5c").replace({"realizations": 1, "data.samples": 200})
    flows = [
        spec.replace("dynamics", {"kind": "flow", "solver": s, "rtol": 1e-6, "atol": 1e-9}) for s in ("tsit5", "rkc2")
    ]
    ends = [curlflow.simulate(flow, times=[0, 10, 100, 300]).train_error for flow in flows]
    np.testing.assert_allclose(ends[1], ends[0], rtol=1e-4)
