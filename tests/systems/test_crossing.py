"""First crossings along flows and maps, against closed forms."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import curlflow
from curlflow.solvers.integrate import Adaptive, FixedSteps
from curlflow.status import Status
from curlflow.systems.crossing import advance_until, watch_until

DECAY = curlflow.Flow(lambda t, x, args: -args * x, [1.0, 2.0], 0.5, integrator=Adaptive(1e-9, 1e-12))


def event(level):
    return lambda x: x[1] - level


@pytest.mark.parametrize("level", [1.9, 1.0, 1e-3])
def test_time_of_decay(level, x64):
    # 2 exp(−t/2) = level.
    after = advance_until(DECAY, DECAY.state, np.float64(100.0), DECAY.clock(), event(level))
    assert float(after.clock.position) == pytest.approx(2 * np.log(2 / level), rel=1e-6)
    assert float(after.state[1]) == pytest.approx(level, rel=1e-6)
    assert int(after.status) == Status.completed


def test_no_crossing_is_the_end_of_the_span(x64):
    after = advance_until(DECAY, DECAY.state, np.float64(3.0), DECAY.clock(), event(-1.0))
    plain = DECAY.advance(DECAY.state, None, np.float64(3.0), DECAY.clock())
    assert float(after.clock.position) == 3.0
    np.testing.assert_allclose(after.state, plain.state, rtol=1e-12)
    assert float(after.clock.step) == pytest.approx(float(plain.clock.step))


def test_it_is_the_first_of_several_and_time_counts_from_the_clock(x64):
    # x = cos t falls through ½ at π/3, again at 2π + π/3.
    circle = curlflow.Flow(lambda t, x, args: jnp.stack([-x[1], x[0]]), [1.0, 0.0], integrator=Adaptive(1e-9, 1e-12))
    falls = lambda x: x[0] - 0.5  # noqa: E731
    first = advance_until(circle, circle.state, np.float64(20.0), circle.clock(), falls)
    assert float(first.clock.position) == pytest.approx(np.pi / 3, abs=1e-7)
    on = circle.advance(first.state, None, np.float64(np.pi), first.clock)
    # Below by now: up through ½ is no crossing, only down.
    again = advance_until(circle, on.state, np.float64(20.0), on.clock, falls)
    assert float(again.clock.position) == pytest.approx(2 * np.pi + np.pi / 3, abs=1e-6)


@pytest.mark.parametrize("solver", ["tsit5", "rkc2", "kvaerno5"])
def test_compiled_code_calls_no_python(solver, x64):
    # Otherwise JAX could not keep it on disk, and each process would compile it anew.
    flow = eqx.tree_at(lambda f: f.integrator, DECAY, Adaptive(1e-7, 1e-10, solver=solver))
    observe_at = jnp.asarray([0.1, 1.7]), lambda x: x
    crossing = eqx.filter_jit(
        lambda state, span, clock: watch_until(flow, state, span, clock, event(0.5), observe_at)
    )
    assert "callback" not in crossing.lower(flow.state, 50.0, flow.clock()).as_text()
    # The word is the right one.
    shown = eqx.filter_jit(lambda x: jax.debug.print("{}", x))
    assert "callback" in shown.lower(jnp.ones(2)).as_text()


@pytest.mark.parametrize("solver", ["tsit5", "rkc2", "kvaerno5"])
def test_observations_on_the_way(solver, x64):
    flow = eqx.tree_at(lambda f: f.integrator, DECAY, Adaptive(1e-7, 1e-10, solver=solver))
    times = np.array([0.1, 0.2, 1.7, 40.0, np.inf])
    observe_at = jnp.asarray(times), lambda x: jnp.stack([x[1], x[0] * x[1]])
    after, observed = watch_until(flow, flow.state, np.float64(50.0), flow.clock(), event(0.5), observe_at)
    assert float(after.clock.position) == pytest.approx(2 * np.log(4), rel=1e-5)
    # Up to the crossing; the fourth is behind it, and behind the step that has it.
    np.testing.assert_allclose(observed[:3, 0], 2 * np.exp(-times[:3] / 2), rtol=1e-5)
    np.testing.assert_allclose(observed[:3, 1], 2 * np.exp(-times[:3]), rtol=1e-5)
    assert np.isnan(observed[3:]).all()
    # Observation leaves the steps of the solver unchanged.
    plain = advance_until(flow, flow.state, np.float64(50.0), flow.clock(), event(0.5))
    np.testing.assert_allclose(after.state, plain.state, rtol=1e-9)


def test_observations_of_states_on_the_constraint(x64):
    circle = curlflow.Flow(
        lambda t, x, args: jnp.stack([-x[1], x[0]]), [2.0, 0.0],
        integrator=Adaptive(1e-2, 1e-3), constraint=curlflow.constraints.FrobeniusSpheres([2.0]),
    )  # fmt: skip
    observe_at = jnp.linspace(0.5, 9.5, 19), lambda x: jnp.sum(x**2)[None]
    _, observed = watch_until(
        circle, circle.state, np.float64(10.0), circle.clock(), lambda x: 3.0 + x[0], observe_at
    )
    np.testing.assert_allclose(observed[:, 0], 4.0, rtol=1e-14)


def test_stabilised_steps(x64):
    flow = curlflow.Flow(
        lambda t, x, args: -args * x,
        [1.0, 2.0],
        np.array([300.0, 0.5]),
        integrator=Adaptive(1e-7, 1e-10, solver="rkc2"),
    )
    after = advance_until(flow, flow.state, np.float64(100.0), flow.clock(), event(0.1))
    assert float(after.clock.position) == pytest.approx(2 * np.log(20), rel=1e-4)


def test_the_event_of_a_map_is_checked_after_every_iteration(x64):
    halving = curlflow.Map(lambda i, x, args: x / 2, [1.0, 1.0])
    after = advance_until(halving, halving.state, 50, halving.clock(), event(0.1))
    assert (int(after.clock.position), float(after.state[1])) == (4, 1 / 16)
    end = advance_until(halving, halving.state, 3, halving.clock(), event(0.1))
    assert int(end.clock.position) == 3
    # What is no number any more has not crossed, although the state is finite.
    jumping = curlflow.Map(lambda i, x, args: x * 10, [1.0, 1.0])
    lost = advance_until(jumping, jumping.state, 50, jumping.clock(), lambda x: jnp.where(x[1] > 1e3, jnp.nan, 1.0))
    assert int(lost.clock.position) == 50
    blown = curlflow.Map(lambda i, x, args: x * 1e200, [1.0, 1.0])
    assert int(advance_until(blown, blown.state, 50, blown.clock(), event(0.1)).status) == Status.diverged


def test_fixed_steps_are_refused(x64):
    flow = curlflow.Flow(lambda t, x, args: -x, [1.0, 2.0], integrator=FixedSteps(0.1))
    with pytest.raises(ValueError, match="adaptive steps"):
        advance_until(flow, flow.state, np.float64(1.0), flow.clock(), event(0.5))
