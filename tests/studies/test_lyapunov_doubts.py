"""Numbers that would be wrong, each said to be so, with the right one from a second method."""

import json

import jax.numpy as jnp
import numpy as np
import pytest
from motions import circle, duffing

import curlflow
from curlflow import Flow, Map, Status, systems


def doubt(ds, realization=0):
    return ds.doubt.attrs["flag_meanings"].split()[int(ds.doubt[realization])]


def doubling(i, x, args):
    return 2 * x % 1


def tent(i, x, r):
    return r * jnp.minimum(x, 1 - x)


@pytest.mark.parametrize(
    "system", [Map(doubling, 0.3), Map(lambda i, x, r: 4 * x % 1, 0.3), Map(tent, 0.3, args=2.0)]
)
def test_orbits_that_collapse_on_the_grid_of_numbers(system):
    ds = curlflow.lyapunov(system, duration=1000)
    assert doubt(ds) == "collapsed"
    assert not ds.converged[0]


def test_maps_whose_orbits_do_not_collapse():
    """The skew tent map has the exponent −a ln a − (1 − a) ln(1 − a)."""
    a = 0.4
    skew = Map(lambda i, x, a: jnp.where(x < a, x / a, (1 - x) / (1 - a)), 0.3, args=a)
    ds = curlflow.lyapunov(skew, duration=20_000)
    assert doubt(ds) == "none"
    expected = -a * np.log(a) - (1 - a) * np.log(1 - a)
    assert abs(float(ds.lyapunov_exponent[0, 0]) - expected) < 3 * float(ds.lyapunov_exponent_se[0, 0])
    # Stable cycles come back, and are right.
    cycle = curlflow.lyapunov(systems.logistic(3.2), duration=1000)
    assert doubt(cycle) == "none"
    assert float(cycle.lyapunov_exponent[0, 0]) == pytest.approx(0.5 * np.log(abs(4 + 2 * 3.2 - 3.2**2)))


def test_multipliers_of_zero():
    # Once, at the top of the tent: the mean is −∞, which it is not.
    once = curlflow.lyapunov(Map(tent, 0.5 / 2**5, args=2.0), duration=1000, transient=0, alignment=0)
    assert np.isneginf(once.lyapunov_exponent[0, 0])
    assert np.isposinf(once.lyapunov_exponent_se[0, 0])
    assert doubt(once) == "zero_multiplier"
    # Always: −∞ is right.
    exact = Map(lambda i, x, args: 0.0 * x + 0.5, 0.5)
    always = curlflow.lyapunov(exact, duration=1000)
    assert np.isneginf(always.lyapunov_exponent[0, 0])
    assert doubt(always) == "none"
    # Zero but for the rounding of the state.
    rounded = curlflow.lyapunov(systems.logistic(1 + 5**0.5), duration=1000)
    assert float(rounded.lyapunov_exponent[0, 0]) < -10
    assert doubt(rounded) == "zero_multiplier"


def test_errors_are_no_smaller_than_those_of_the_solver():
    for rates in ([-1.0, -2.0, -5.0], [-0.1, -1.0, -10.0], [0.0, -0.3]):
        ds = curlflow.lyapunov(systems.linear(np.diag(rates)), duration=100)
        assert np.all(np.abs(ds.lyapunov_exponent[0] - rates) <= 2 * ds.lyapunov_exponent_se[0])
        assert doubt(ds) == "none"


def test_exact_linear_maps_converge():
    """Descent–ascent and extra-gradient on x·y: |multiplier|² = 1 + η² and 1 − η² + η⁴."""
    eta = 0.1
    turn = jnp.array([[0.0, 1.0], [-1.0, 0.0]])
    plain = Map(lambda i, x, args: x + eta * turn @ x, np.ones(2))
    extra = Map(lambda i, x, args: x + eta * turn @ (x + eta * turn @ x), np.ones(2))
    for system, squared in ((plain, 1 + eta**2), (extra, 1 - eta**2 + eta**4)):
        ds = curlflow.lyapunov(system, duration=1000, transient=0)
        np.testing.assert_allclose(ds.lyapunov_exponent[0], np.log(squared) / 2, atol=1e-12)
        assert doubt(ds) == "none"


def jerk(t, x, args):
    return jnp.stack([x[1], x[2], -0.8 * (x[2] + x[1] + x[0] - jnp.sign(x[0]))])


def smooth_jerk(t, x, args):
    return jnp.stack([x[1], x[2], -0.8 * (x[2] + x[1] + x[0] - jnp.tanh(200 * x[0]))])


@pytest.mark.parametrize("start", [[0.1, 0.2, 0.3], [0.05, 0.25, 0.3], [-0.3, 0.1, 0.2]])
def test_fields_that_jump_are_found_out(start):
    """Whatever the orbit, which crosses in one block of 30: every block counts where all exponents are asked for."""
    ds = curlflow.lyapunov(Flow(jerk, start), duration=100, transient=100)
    assert doubt(ds) == "flow_residual"
    assert float(ds.flow_residual[0]) > 0.01


def test_steep_smooth_fields_are_believed():
    ds = curlflow.lyapunov(Flow(smooth_jerk, [0.1, 0.2, 0.3]), duration=300, transient=100)
    assert float(ds.flow_residual[0]) < 1e-3
    # Of three exponents one is zero along the flow; the other is not.
    assert np.abs(ds.lyapunov_exponent[0].to_numpy()).min() < 0.06


def test_one_sample_is_enough_where_only_some_tangents_are_carried():
    kinked = Flow(lambda t, x, args: jnp.stack([x[1], -jnp.sign(x[0])]), [1.0, 0.0])
    for exponents in (1, 2):
        ds = curlflow.lyapunov(kinked, exponents=exponents, duration=60, transient=20)
        assert float(ds.flow_residual[0]) > 0.01


@pytest.mark.parametrize(
    "system", [systems.lorenz63(), systems.rossler(), systems.linear([[0.0, 1.0], [-4.0, 0.0]], state=[1.0, 0.0])]
)
def test_smooth_fields_carry_their_velocity(system):
    ds = curlflow.lyapunov(system, duration=50, transient=20)
    assert float(ds.flow_residual[0]) < 1e-4


def test_where_velocities_say_nothing():
    """Fields that depend on time, states that rest, maps."""
    for system in (duffing(0.5), systems.linear(-np.eye(2)), systems.henon()):
        assert np.isnan(curlflow.lyapunov(system, duration=20, transient=60).flow_residual[0])


def test_the_kaplan_yorke_dimension_where_a_sum_is_zero():
    oscillator = systems.linear([[0.0, 1.0], [-1.0, 0.0]], state=[1.0, 0.0])
    ds = curlflow.lyapunov(oscillator, duration=100)
    assert float(ds.kaplan_yorke_dimension[0]) == 2
    assert 0 < float(ds.kaplan_yorke_dimension_se[0]) < 1e-4
    ds = curlflow.lyapunov(circle(1.0), duration=100)
    assert float(ds.kaplan_yorke_dimension[0]) == pytest.approx(1, abs=1e-4)
    lorenz = curlflow.lyapunov(systems.lorenz63(), duration=1000)
    assert abs(float(lorenz.kaplan_yorke_dimension[0]) - 2.06215) < 4 * float(lorenz.kaplan_yorke_dimension_se[0])
    assert float(lorenz.kaplan_yorke_dimension_se[0]) < 0.002


@pytest.mark.parametrize("rtol", [1e-3, 1e-5, 1e-7])
def test_the_sum_of_all_exponents_is_the_mean_divergence_within_its_error(rtol):
    ds = curlflow.lyapunov(systems.lorenz63(), rtol=rtol, duration=40).isel(realization=0)
    assert abs(ds.divergence_residual) < 2 * ds.divergence_residual_se < 3000 * rtol
    assert abs(ds.mean_divergence + 41 / 3) < 2 * ds.mean_divergence_se < 1000 * rtol


def test_in_one_dimension_the_divergence_is_the_exponent():
    ds = curlflow.lyapunov(systems.logistic(3.9), duration=2000).isel(realization=0)
    np.testing.assert_allclose(ds.mean_divergence_se, ds.lyapunov_exponent_se[0], rtol=1e-9)
    assert abs(ds.divergence_residual) < 2 * ds.divergence_residual_se < 1e-10


def test_a_calibration_that_fails_is_a_status():
    def kicked(t, x, args):
        return -x + 40 * ((t % 20) < 0.05)

    ds = curlflow.lyapunov(Flow(kicked, [1.0]), stepping="fixed", duration=300)
    assert Status(int(ds.status[0])) == Status.step_size_underflow
    assert doubt(ds) == "status"


@pytest.mark.parametrize(
    "options",
    [
        {"duration": 1e-6},
        {"duration": 0.3, "block": 0.1},
        {"block": 100.0, "duration": 10},
        {"rtol": 0.5},
        {"rtol": 1e-13, "atol": 1e-16},
    ],
)
def test_nothing_is_called_completed_beside_a_missing_exponent(options):
    for system in (systems.lorenz63(), systems.linear(np.diag([-1.0, -500.0])), systems.henon()):
        given = {"duration": 10, "transient": 1, "alignment": 1, **options}
        if not system.continuous:
            given = {name: value for name, value in given.items() if name in ("duration", "transient", "alignment")}
        ds = curlflow.lyapunov(system, **given)
        if int(ds.status[0]) == Status.completed:
            assert ds.lyapunov_exponent.notnull().all()
        else:
            assert doubt(ds) == "status"


def test_resumed_from_something_else():
    def lyapunov(system, **more):
        return curlflow.lyapunov(system, duration=5, transient=1, alignment=1, **more)

    tight = curlflow.solvers.Adaptive(rtol=1e-9)
    decay = lyapunov(Flow(lambda t, x, args: -x, [1.0, 2.0]))
    others = {
        "law": Flow(lambda t, x, args: -7 * x, [1.0, 2.0]),
        "integrator": Flow(lambda t, x, args: -x, [1.0, 2.0], integrator=tight),
        "state": Flow(lambda t, x, args: -x, np.ones((1, 2))),
        "parameters": Flow(lambda t, x, args: -x, [1.0, 2.0], args=3.0),
    }
    for name, system in others.items():
        what = "function computes something else" if name == "law" else f"{name}: .* there, .* here"
        with pytest.raises(ValueError, match=f"resume: the dataset is about another system: its {what}"):
            curlflow.lyapunov(system, resume=decay, duration=5)
    same = curlflow.lyapunov(Flow(lambda t, u, _: -u, [1.0, 2.0]), resume=decay, duration=5)
    assert same.sizes["block"] == 10
    half = lyapunov(Map(lambda i, x, args: 0.5 * x, [1.0]))
    with pytest.raises(ValueError, match=r"its time per step: 1.0 there, 0.5 here"):
        curlflow.lyapunov(Map(lambda i, x, args: 0.5 * x, [1.0], time_per_step=0.5), resume=half, duration=5)


def test_tolerances_are_kept_when_a_run_goes_on():
    def decay(t, x, args):
        return -x

    first = curlflow.lyapunov(Flow(decay, [1.0]), duration=5, transient=1, alignment=1, rtol=1e-10)
    longer = curlflow.lyapunov(Flow(decay, [1.0]), resume=first, duration=5)
    assert abs(float(longer.lyapunov_exponent[0, 0]) + 1) < 1e-9


def test_a_rule_that_changed_is_not_resumed():
    import jax

    decay = [1.0]

    class Decay(curlflow.rules.AbstractLearningRule):
        """Weights that decay."""

        def velocity(self, network, task):
            return jax.tree.map(lambda w: -decay[0] * w, network)

    spec = curlflow.Spec(network={"inputs": 2, "hidden": 2}, data={"samples": 5}, realizations=1)
    first = curlflow.lyapunov(spec, rule=Decay(), duration=3, transient=0, alignment=0)
    again = curlflow.lyapunov(spec, rule=Decay(), duration=3, resume=first)
    assert int(again.blocks[0]) == 2 * int(first.blocks[0])
    decay[0] = 2.0
    with pytest.raises(ValueError, match="another system: its function computes something else"):
        curlflow.lyapunov(spec, rule=Decay(), duration=3, resume=first)


def test_tangents_that_were_not_aligned():
    """Exponents −0.01 and −0.02 take hundreds of units of time to part."""
    slow = systems.linear(np.array([[-0.01, 0.3], [0.0, -0.02]]))
    short, long = (curlflow.lyapunov(slow, duration=100, transient=0, alignment=a) for a in (10, 2000))
    assert doubt(short) == "alignment"
    assert doubt(long) == "none"
    np.testing.assert_allclose(long.lyapunov_exponent[0], [-0.01, -0.02], atol=1e-5)


def test_starts_that_disagree_have_not_converged():
    """dx/dt = −x (x − 1) (x + 2) rests at 1, with the exponent −3, or at −2, with −6."""
    flow = Flow(lambda t, x, args: -x * (x - 1) * (x + 2), [0.5])
    ds = curlflow.lyapunov(flow, starts=[[0.5], [2.0], [-0.5]], duration=100, transient=100)
    np.testing.assert_allclose(ds.lyapunov_exponent[:, 0], [-3, -3, -6], atol=1e-5)
    assert [doubt(ds, r) for r in range(3)] == ["starts"] * 3
    same = curlflow.lyapunov(flow, starts=[[0.5], [2.0]], duration=100, transient=100)
    assert same.converged.all()
    assert float(same.ensemble_exponent[0]) == pytest.approx(-3, abs=1e-5)


def test_errors_over_starts_are_those_of_many():
    """Means over eight starts of the logistic map at r = 4, whose exponent is ln 2, scatter as their error says."""
    starts = np.random.default_rng(0).uniform(0.1, 0.9, 8)
    ds = curlflow.lyapunov(systems.logistic(4.0), starts=starts, duration=2000, transient=100)
    assert abs(float(ds.ensemble_exponent[0]) - np.log(2)) < 3 * float(ds.ensemble_exponent_se[0])
    means = ds.lyapunov_exponent[:, 0].to_numpy()
    assert float(ds.ensemble_exponent_se[0]) >= means.std(ddof=1) / np.sqrt(8) * (1 - 1e-9)


def test_runs_from_several_starts_go_on():
    starts, henon = np.random.default_rng(1).uniform(-0.1, 0.1, (3, 2)), systems.henon()
    short = curlflow.lyapunov(henon, starts=starts, duration=300, transient=100)
    longer = curlflow.lyapunov(henon, resume=short, duration=300)
    at_once = curlflow.lyapunov(henon, starts=starts, duration=600, transient=100)
    for name in ("lyapunov_exponent", "ensemble_exponent", "ensemble_exponent_se"):
        np.testing.assert_array_equal(longer[name], at_once[name])
    first, second = json.loads(longer.attrs["stretches"])
    assert (first["duration"], second["duration"], second["blocks"]) == (300, 600, [120] * 3)
    with pytest.raises(ValueError, match="starts: with resume"):
        curlflow.lyapunov(henon, resume=short, starts=starts)


@pytest.mark.parametrize(
    ("starts", "sentence"),
    [
        (
            [1.0, 2.0, 3.0],
            r"starts: got numbers of shape \(3\), required is \(number of starts, 2\), one state for each",
        ),
        ([[1.0, np.nan]], "starts: got numbers that are not finite"),
        (np.zeros((0, 2)), "starts: got none"),
        ("x", r"starts: got 'x', required are numbers of shape \(number of starts, 2\)"),
    ],
)
def test_starts_of_another_shape(starts, sentence):
    with pytest.raises(ValueError, match=sentence):
        curlflow.lyapunov(systems.henon(), starts=starts)


def test_specs_have_starts_of_their_own():
    with pytest.raises(ValueError, match="starts: they go with a system"):
        curlflow.lyapunov(curlflow.preset("hidden_chaos"), starts=[[1.0]])


def cat(i, x, args):
    """Arnold's map, whose exponents are ± ln((3 + √5)/2) everywhere."""
    return jnp.stack([2 * x[0] + x[1], x[0] + x[1]]) % 1


def standard(i, x, kick):
    """Chirikov's map."""
    p = x[1] + kick * jnp.sin(x[0])
    return jnp.stack([x[0] + p, p]) % (2 * np.pi)


def test_one_chaotic_run_that_keeps_volumes_is_not_believed():
    twist = Map(standard, [1.0, 0.3], args=6.0)
    alone = curlflow.lyapunov(twist, duration=3000)
    assert not alone.exponent_converged.any()
    assert doubt(alone) != "none"
    starts = np.random.default_rng(0).uniform(0, 2 * np.pi, (4, 2))
    together = curlflow.lyapunov(twist, starts=starts, duration=3000)
    assert "islands" not in [doubt(together, i) for i in range(4)]
    # ln(k/2) is the leading term of large k.
    assert abs(float(together.ensemble_exponent[0]) - np.log(6 / 2)) < 0.1
    exact = curlflow.lyapunov(Map(cat, [0.1234567, 0.32]), duration=1000)
    assert doubt(exact) == "none"
    np.testing.assert_allclose(exact.lyapunov_exponent[0, 0], np.log((3 + 5**0.5) / 2), rtol=1e-9)
    rest = curlflow.lyapunov(systems.linear([[0.0, 1.0], [-1.0, 0.0]], state=[1.0, 0.0]), duration=200)
    assert doubt(rest) == "none"
