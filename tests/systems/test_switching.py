"""Vector fields that jump: tangents against finite differences and the saltation matrix by hand, and sliding."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import curlflow
from curlflow import Flow, Status
from curlflow.solvers import Adaptive
from curlflow.tangents import from_rows

TIGHT = Adaptive(rtol=1e-10, atol=1e-12)


@eqx.filter_jit
def advanced(flow, state, tangents, span):
    return flow.advance(state, tangents, span, flow.clock())


def end(flow, state, span):
    """Where a state arrives that carries tangents, so that crossings are located."""
    return np.asarray(advanced(flow, state, jnp.eye(len(state)), span).state)


def derivative(flow, span):
    """The tangent map over a span, its log|det|, and the status."""
    after = advanced(flow, flow.state, jnp.eye(len(flow.state)), span)
    return np.asarray(after.tangents).T, float(after.log_volume), Status(int(after.status))


def differences(flow, span, h=1e-5):
    x, unit = np.asarray(flow.state), np.eye(len(flow.state))
    return np.array([(end(flow, x + h * e, span) - end(flow, x - h * e, span)) / (2 * h) for e in unit]).T


def bouncing(t, x, args):
    """An oscillator whose spring is stiffer on one side and whose velocity jumps there."""
    return jnp.stack([x[1], -x[0] - jnp.where(x[0] > 0.2, 3 * x[0] + 0.5, 0.0)])


def driven(t, x, args):
    return jnp.stack([x[1], -x[0] + jnp.sign(x[0] - 0.3 * jnp.sin(t))])


@pytest.mark.parametrize(
    ("field", "switching"),
    [
        (bouncing, lambda t, x, args: x[0] - 0.2),
        (driven, lambda t, x, args: x[0] - 0.3 * jnp.sin(t)),
        (lambda t, x, args: jnp.stack([1.0 + 0 * x[0], jnp.sign(x[0]) + 0.1 * x[1]]), lambda t, x, args: x[0]),
        (
            lambda t, x, args: jnp.stack([1.0 + 0 * x[0], jnp.sign(x[0]) + jnp.sign(x[0] - 1)]),
            lambda t, x, args: jnp.stack([x[0], x[0] - 1]),
        ),
    ],
)
def test_tangents_are_the_derivative_of_the_motion(x64, field, switching):
    start, span = np.array([-0.7, 1.5]), 5.0
    flow = Flow(field, start, integrator=TIGHT, switching=switching)
    tangents, volume, status = derivative(flow, span)
    assert status == Status.completed
    np.testing.assert_allclose(tangents, differences(flow, span), atol=1e-3)
    assert volume == pytest.approx(np.log(abs(np.linalg.det(tangents))), abs=1e-5)


def test_one_crossing_by_hand(x64):
    """x′ = 1, y′ = sign x: the crossing multiplies by I + (f₊ − f₋)(1, 0)."""
    flow = Flow(
        lambda t, x, args: jnp.stack([1.0 + 0 * x[0], jnp.sign(x[0])]), [-1.0, 0.0], integrator=TIGHT,
        switching=lambda t, x, args: x[0],
    )  # fmt: skip
    tangents, volume, _ = derivative(flow, 3.0)
    np.testing.assert_allclose(tangents, [[1, 0], [2, 1]], atol=1e-7)
    assert volume == pytest.approx(0, abs=1e-7)
    np.testing.assert_allclose(end(flow, np.array([-1.0, 0.0]), 3.0), [2.0, 1.0], atol=1e-6)


def test_volumes_of_rectified_networks_are_those_of_differences(x64):
    """Curl descent of a small relu network through kinks, of which derivatives alone know nothing."""
    spec = curlflow.Spec(
        seed=3, network={"inputs": 3, "hidden": 2, "activation": "relu"}, data={"samples": 8},
        rule={"kind": "curl", "flipped": {"inputs": 0.5}}, start={"kind": "random", "scale": 1.5},
        dynamics={"kind": "flow", "rtol": 1e-10, "atol": 1e-12},
    )  # fmt: skip
    problem = spec.build()
    flow = problem.flow()
    flat, shaped = ravel_pytree(jax.tree.map(jnp.asarray, flow.state))
    all_of_them = from_rows(jnp.eye(flat.size), flow.state)

    def moved(x):
        return advanced(flow, shaped(x), all_of_them, 8.0)

    after = moved(flat)
    first, last = (w.forward(problem.x_train).pre_activations[0] > 0 for w in (problem.student, after.state))
    assert (first != last).any()
    h = 1e-5
    ends = [[ravel_pytree(moved(flat + s * h * e).state)[0] for s in (1, -1)] for e in np.eye(flat.size)]
    by_differences = np.linalg.slogdet(np.array([(plus - minus) / (2 * h) for plus, minus in ends]))[1]
    assert float(after.log_volume) == pytest.approx(by_differences, abs=1e-3)
    without = Flow(flow.vector_field, flow.state, flow.args, integrator=flow.integrator)
    missed = advanced(without, flow.state, all_of_them, 8.0)
    assert abs(float(missed.log_volume) - by_differences) > 0.01


@pytest.mark.slow
def test_exponents_of_a_field_that_jumps():
    """A chaotic jerk circuit; SciPy's events and saltation by hand gave 0.0814, 0.0006, −0.8822 over 2,000."""

    def jerk(t, x, args):
        return jnp.stack([x[1], x[2], -0.8 * (x[2] + x[1] + x[0] - jnp.sign(x[0]))])

    flow = Flow(jerk, [0.1, 0.2, 0.3], switching=lambda t, x, args: x[0])
    ds = curlflow.lyapunov(flow, duration=1000, transient=100)
    assert np.all(np.abs(ds.lyapunov_exponent[0] - [0.0765, 0, -0.8765]) < 4 * ds.lyapunov_exponent_se[0])
    assert float(ds.flow_residual[0]) < 1e-3
    assert abs(float(ds.divergence_residual[0])) < 1e-6
    assert bool(ds.converged[0])


@pytest.mark.parametrize("transient", [0, 10])
def test_sliding_has_a_status(transient):
    """Dry friction holds the mass where the spring is weaker: with tangents, and without."""

    def friction(t, x, args):
        return jnp.stack([x[1], -x[0] - 2 * jnp.sign(x[1])])

    flow = Flow(friction, [1.0, 0.5], switching=lambda t, x, args: x[1])
    ds = curlflow.lyapunov(flow, duration=20, transient=transient)
    assert Status(int(ds.status[0])) == Status.sliding


def test_switching_is_checked():
    with pytest.raises(ValueError, match="switching: got 3, a function of .t, x, args. is required"):
        Flow(lambda t, x, args: -x, [1.0], switching=3)
    with pytest.raises(ValueError, match="switching: it goes with adaptive steps"):
        Flow(
            lambda t, x, args: -x,
            [1.0],
            switching=lambda t, x, args: x[0],
            integrator=curlflow.solvers.FixedSteps(0.1),
        )
