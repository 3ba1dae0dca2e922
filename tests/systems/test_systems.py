"""Flows and maps: solvers against matrix exponentials, tangents against differences, statuses, bad input."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm

import curlflow
from curlflow.constraints import FrobeniusSpheres
from curlflow.solvers.integrate import SOLVERS, Adaptive, FixedSteps
from curlflow.status import Status
from curlflow.systems import Flow, Map, linear, lorenz63, lorenz96
from curlflow.tangents import ONE_BY_ONE, push_forward

A = np.array([[-0.3, 1.0, 0.0], [-1.0, -0.3, 0.2], [0.1, 0.0, 0.4]])


INTEGRATORS = {**{s: Adaptive(1e-8, 1e-10, solver=s) for s in SOLVERS}, "rk4": FixedSteps(0.01)}


@pytest.mark.parametrize("integrator", INTEGRATORS.values(), ids=INTEGRATORS)
def test_state_and_tangents_follow_the_matrix_exponential(integrator, x64):
    flow = Flow(lambda t, x, a: a @ x, np.array([1.0, 2.0, 3.0]), A, integrator=integrator)
    after = flow.advance(flow.state, np.eye(3), np.float64(1.5), flow.clock())
    np.testing.assert_allclose(after.state, expm(1.5 * A) @ flow.state, rtol=1e-6)
    np.testing.assert_allclose(after.tangents, expm(1.5 * A).T, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(after.log_volume, 1.5 * np.trace(A), rtol=1e-6)
    assert float(after.clock.position) == 1.5
    assert int(after.status) == Status.completed


@pytest.mark.quick
def test_fixed_steps_are_of_fourth_order(x64):
    errors = []
    for h in (0.2, 0.1, 0.05, 0.025):
        flow = Flow(lambda t, x, a: a @ x, np.array([1.0, 2.0, 3.0]), A, integrator=FixedSteps(h))
        end = flow.advance(flow.state, None, np.float64(2.0), flow.clock()).state
        errors.append(np.abs(end - expm(2.0 * A) @ flow.state).max())
    np.testing.assert_allclose(np.log2(np.array(errors[:-1]) / errors[1:]), 4.0, atol=0.13)


def test_time_dependent_fields_see_the_time_across_blocks(x64):
    for integrator in (Adaptive(1e-9, 1e-12), FixedSteps(0.01)):
        flow = Flow(lambda t, x, args: jnp.cos(t) * jnp.ones_like(x), [0.0], integrator=integrator)
        state, clock = flow.state, flow.clock()
        for _ in range(7):
            state, _, clock, _, _ = flow.advance(state, None, np.float64(0.5), clock)
        np.testing.assert_allclose(state[0], np.sin(3.5), atol=1e-8)


def test_blocks_carry_the_step_of_the_solver(x64):
    flow = lorenz63()
    one = flow.advance(flow.state, None, np.float64(0.31), flow.clock())
    # The last step of a block is clipped; the next block starts with the one that was meant.
    assert 0.001 < float(one.clock.step) < 0.31
    many = flow.clock()._replace(step=one.clock.step)
    two = flow.advance(one.state, None, np.float64(1e-4), many)
    assert float(two.clock.step) >= float(one.clock.step)


@pytest.mark.quick
def test_maps_receive_their_index_and_multiply_determinants(x64):
    m = Map(lambda i, x, args: x * (1.0 + i), [2.0], time_per_step=0.5)
    after = m.advance(m.state, np.ones((1, 1)), np.int64(4), m.clock())
    assert float(after.state[0]) == 2.0 * 24
    assert float(after.tangents[0, 0]) == 24.0
    np.testing.assert_allclose(after.log_volume, np.log(24.0))
    again = m.advance(after.state, None, np.int64(1), after.clock)
    assert float(again.state[0]) == 2.0 * 120
    assert m.span(2.0) == 4
    assert m.time(4) == 2.0


def test_tangents_one_by_one_equal_those_at_once(x64):
    n = ONE_BY_ONE + 1
    x, v = np.linspace(0, 1, n), np.random.default_rng(0).normal(size=(3, n))
    f = lambda x: jnp.sin(x) * jnp.sum(x)  # noqa: E731
    y, w = push_forward(f, x, v)
    expected = np.cos(x) * x.sum() * v + np.sin(x) * v.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(w, expected, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(y, np.sin(x) * x.sum())


def test_constrained_volumes_live_in_the_tangent_space():
    # Rotations of the sphere in R³ with a pull to the north pole: divergence is that on the surface.
    pull = np.array([0.0, 0.0, 1.0])
    flow = Flow(lambda t, x, args: (pull,), (np.array([0.6, 0.0, 0.8]),), constraint=FrobeniusSpheres((1.0,)))
    assert flow.dimension == 2
    with jax.enable_x64(True):
        tangents = (np.array([[0.8, 0.0, -0.6], [0.0, 1.0, 0.0]]),)
        after = flow.advance(flow.state, tangents, np.float64(0.7), flow.clock())
    # On the sphere z' = 1 − z², divergence −2z: the area element shrinks by (1 − z²)(t)/(1 − z²)(0).
    z = np.tanh(np.arctanh(0.8) + 0.7)
    np.testing.assert_allclose(after.state[0][2], z, rtol=1e-6)
    np.testing.assert_allclose(after.log_volume, np.log((1 - z**2) / (1 - 0.64)), rtol=1e-5)
    # Both tangents stay in the tangent space, and their area agrees.
    area = np.linalg.norm(np.cross(*np.asarray(after.tangents[0])))
    np.testing.assert_allclose(np.log(area), after.log_volume, rtol=1e-5)


def test_divergence_stalling_and_step_limits_are_statuses():
    blows_up = Flow(lambda t, x, args: x * x, [1.0])
    assert int(blows_up.advance(blows_up.state, None, np.float64(2.0), blows_up.clock()).status) == Status.diverged
    nan = Flow(lambda t, x, args: jnp.sqrt(1.0 - x) * 0 + 1, [0.0])  # NaN beyond x = 1
    assert int(nan.advance(nan.state, None, np.float64(2.0), nan.clock()).status) == Status.step_size_underflow
    limited = Flow(lambda t, x, args: -1e6 * x, [1.0], integrator=Adaptive(max_steps=16))
    assert (
        int(limited.advance(limited.state, None, np.float64(1.0), limited.clock()).status) == Status.max_steps_reached
    )
    rough = Flow(lambda t, x, args: jnp.where(x > 0.5, -1.0, 1.0) * 1e3 * jnp.ones_like(x), [0.0])
    status = int(rough.advance(rough.state, None, np.float64(1.0), rough.clock()).status)
    assert status in (Status.step_size_underflow, Status.max_steps_reached)
    overflow = Map(lambda i, x, args: x * x, [10.0])
    assert int(overflow.advance(overflow.state, None, np.int64(20), overflow.clock()).status) == Status.diverged


@pytest.mark.quick
def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"state\[0\]: double precision is required, got float32"):
        Flow(lambda t, x, args: x, [np.float32(1.0)])
    with pytest.raises(ValueError, match="args: double precision is required"):
        Flow(lambda t, x, args: args * x, [1.0], np.float32(2.0))
    with pytest.raises(ValueError, match=r"vector_field: a function of \(t, x, args\) is required, got one of \(x\)"):
        Flow(lambda x: x, [1.0])
    with pytest.raises(ValueError, match=r"step: a function of \(i, x, args\) is required"):
        Map(lambda x, r: x, [1.0])
    with pytest.raises(ValueError, match="vector_field: the result must be like the state"):
        Flow(lambda t, x, args: jnp.stack([x, x]), np.ones(2))
    with pytest.raises(ValueError, match="time_per_step: got 0, it must be a positive number"):
        Map(lambda i, x, args: x, 1.0, 0)
    with pytest.raises(ValueError, match="state: got no numbers"):
        Flow(lambda t, x, args: x, [])
    with pytest.raises(ValueError, match="solver: got 'rk45', allowed are auto, tsit5"):
        Adaptive(solver="rk45")
    for step in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="step: got .*, allowed are finite numbers above 0"):
            FixedSteps(step)
    with pytest.raises(ValueError, match="rtol: got -1, allowed are finite numbers above 0 and below 1"):
        Adaptive(rtol=-1)
    with pytest.raises(ValueError, match="max_steps: got 0, allowed are whole numbers from 1"):
        Adaptive(max_steps=0)
    with pytest.raises(ValueError, match="integrator: got 'tsit5', required is"):
        Flow(lambda t, x, args: x, [1.0], integrator="tsit5")
    with pytest.raises(ValueError, match="constraint: got 'frobenius', required is"):
        Map(lambda i, x, args: x, [1.0], constraint="frobenius")
    with pytest.raises(ValueError, match="state: got 'a', numbers are required"):
        Flow(lambda t, x, args: x, "a")
    with pytest.raises(ValueError, match="state: got numbers that are not finite"):
        Flow(lambda t, x, args: x, [float("nan")])
    with pytest.raises(ValueError, match="vector_field: got 3, a function of"):
        Flow(3, [1.0])
    with pytest.raises(ValueError, match=r"vector_field: JAX cannot trace it; use jax.numpy"):
        Flow(lambda t, x, args: x if x[0] > 0 else -x, [1.0])
    with pytest.raises(ValueError, match="matrix: double precision is required"):
        linear(np.ones((2, 2), np.float32))
    with pytest.raises(ValueError, match="n: got 3, at least 4"):
        lorenz96(3)
    with pytest.raises(ValueError, match="matrix: a square matrix is required"):
        linear(np.ones((2, 3)))


def test_implicit_solvers_refuse_large_systems():
    flow = Flow(lambda t, x, args: -x, np.ones(2000), integrator=Adaptive(solver="kvaerno5"))
    with pytest.raises(ValueError, match=r"solver: kvaerno5 factorises a dense Jacobian .* 2000 unknowns; allowed"):
        flow.advance(flow.state, None, np.float64(1.0), flow.clock())


def test_stiff_systems_are_solved_by_name():
    # Robertson's problem, Hairer & Wanner II, IV.10: sums are kept, the end is known.
    def robertson(t, y, args):
        a, b, c = y
        da, dc = -0.04 * a + 1e4 * b * c, 3e7 * b * b
        return jnp.stack([da, -da - dc, dc])

    flow = Flow(robertson, np.array([1.0, 0.0, 0.0]), integrator=Adaptive(1e-8, 1e-12, "kvaerno5"))
    end = flow.advance(flow.state, None, np.float64(40.0), flow.clock())
    assert int(end.status) == Status.completed
    np.testing.assert_allclose(end.state, [0.7158270688, 9.185534764e-06, 0.2841637457], rtol=1e-6)


def test_nothing_is_changed_by_use():
    curlflow.lyapunov(lorenz63(), duration=2, transient=1, alignment=1)
    assert jnp.ones(1).dtype == jnp.float32
