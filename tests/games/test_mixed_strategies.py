"""Mixed strategies: simplices, conserved divergences, and rock–paper–scissors against SciPy and published exponents.

SciPy integrates the replicator equation in the logarithms of ratios, u = ln xₐ/x₃ and v = ln y_b/y₃, in which it is
u′ = L A y(v), v′ = L B x(u) with L = (1 0 −1; 0 1 −1): no probability is ever summed to one or kept positive there.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

import curlflow
from curlflow.constraints import Simplex
from curlflow.games import Game, matrix_game, rock_paper_scissors
from curlflow.solvers import Adaptive
from curlflow.systems.base import tangent_basis
from curlflow.systems.flat import flattened
from curlflow.tangents import as_rows, from_rows

SHARP = Adaptive(rtol=1e-11, atol=1e-13)
STARTS = np.arange(1, 6)
"""The numbers k of the published starts x = (0.5, 0.01 k, 0.5 − 0.01 k), y = (0.5, 0.25, 0.25)."""
RATIOS = np.array([[1.0, 0.0, -1.0], [0.0, 1.0, -1.0]])


def start(k):
    return {"x": np.array([0.5, 0.01 * k, 0.5 - 0.01 * k]), "y": np.array([0.5, 0.25, 0.25])}


def payoffs(tie):
    cycle = np.array([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]])
    return cycle + tie * np.eye(3), cycle - tie * np.eye(3)


def divergence(states):
    """KL(uniform, x) + KL(uniform, y) up to a constant, of flat states (x, y)."""
    return -np.log(states).sum(axis=-1) / 3


@pytest.mark.quick
def test_simplices_are_projected_and_retracted(x64):
    rng, constraint = np.random.default_rng(0), Simplex()
    state = {"a": rng.dirichlet(np.ones(4), size=2), "b": rng.dirichlet(np.ones(3))}
    assert constraint.codimension(state) == 3
    velocity = jax.tree.map(lambda x: rng.normal(size=x.shape), state)
    tangent = constraint.tangent(state, velocity)
    for v, t, again in zip(
        *map(jax.tree.leaves, (velocity, tangent, constraint.tangent(state, tangent))), strict=True
    ):
        np.testing.assert_allclose(np.sum(t, axis=-1), 0, atol=1e-15)
        np.testing.assert_allclose(np.ptp(v - t, axis=-1), 0, atol=1e-15)  # what is taken away is normal
        np.testing.assert_allclose(again, t, atol=1e-15)
    for x, r in zip(
        *map(jax.tree.leaves, (state, constraint.retract(jax.tree.map(lambda x: 3 * x, state)))), strict=True
    ):
        np.testing.assert_allclose(r, x, rtol=1e-15)
    np.testing.assert_allclose(constraint.retract(np.array([-0.1, 0.5, 0.5])), [0, 0.5, 0.5])


def in_ratios(tie, k, time):
    """The strategies and the tangent map of u and v after some time, by SciPy."""
    a, b = payoffs(tie)

    def strategy(u):
        weights = np.exp(np.append(u, 0.0))
        x = weights / weights.sum()
        return x, (np.diag(x) - np.outer(x, x))[:, :2]

    def field(t, z):
        (x, dx), (y, dy), tangents = strategy(z[:2]), strategy(z[2:4]), z[4:].reshape(4, 4)
        images = np.concatenate([RATIOS @ a @ dy @ tangents[2:], RATIOS @ b @ dx @ tangents[:2]])
        return np.concatenate([RATIOS @ a @ y, RATIOS @ b @ x, images.ravel()])

    begin = np.concatenate([RATIOS @ np.log(s) for s in start(k).values()])
    z = np.concatenate([begin, np.eye(4).ravel()])
    end = solve_ivp(field, (0, time), z, method="DOP853", rtol=1e-12, atol=1e-13).y[:, -1]
    return np.concatenate([strategy(u)[0] for u in (end[:2], end[2:4])]), end[4:].reshape(4, 4)


def ratios_of(tangents, state):
    """Tangent vectors of flat states (rows) as tangents of u and v: du = L dx/x."""
    relative = tangents / state
    return np.concatenate([relative[:, :3] @ RATIOS.T, relative[:, 3:] @ RATIOS.T], axis=1)


@pytest.fixture(scope="module")
def carried():
    """A flow of rock–paper–scissors, and a compiled function from a start to the state and tangents at t = 60."""
    flow = rock_paper_scissors(0.5).flow("replicator", integrator=SHARP)

    @jax.jit
    def advance(state):
        basis = tangent_basis(flow, state)
        end = flow.advance(state, from_rows(basis, state), np.float64(60.0), flow.clock())
        return basis, flattened(end.state), as_rows(end.tangents), end.log_volume

    return flow, advance


@pytest.mark.parametrize("k", [1, 5])
def test_state_and_tangents_are_those_of_scipy_in_other_coordinates(carried, k, x64):
    basis, end, tangents, _ = map(np.asarray, carried[1](start(k)))
    state, tangent_map = in_ratios(0.5, k, 60.0)
    np.testing.assert_allclose(end, state, rtol=1e-7)
    begin = np.concatenate([*start(k).values()])
    expected = ratios_of(basis, begin) @ tangent_map.T
    np.testing.assert_allclose(ratios_of(tangents, end), expected, atol=1e-6 * np.abs(expected).max())
    # Volumes are kept in u and v: those of x and y change by the product of all probabilities.
    assert abs(np.linalg.det(tangent_map) - 1) < 1e-6
    volume = np.log(np.abs(np.linalg.det(tangents @ basis.T)))
    np.testing.assert_allclose(volume, np.log(end).sum() - np.log(begin).sum(), atol=1e-6)
    np.testing.assert_allclose(volume, carried[1](start(k))[3], atol=1e-6)


PUBLISHED = {0.25: [49.0, 35.3, 16.6, 0.4, 0.4], 0.5: [61.6, 35.0, 28.1, 12.1, 0.2]}
"""λ₁ · 10³ of the five starts: Sato, Akiyama & Farmer, PNAS 99 (2002) 4748, table 1. They have no error bars, and
are of one run each; the fourth orbit at ε = 0.5 sticks to regular ones for long."""


@pytest.mark.optimised
def test_exponents_of_rock_paper_scissors():
    starts = {name: np.stack([start(k)[name] for k in STARTS]) for name in "xy"}
    for tie, published in PUBLISHED.items():
        game = rock_paper_scissors(tie)
        lengths = {"duration": 10_000, "transient": 0, "exponents": 4}
        ds = curlflow.lyapunov(game.flow("replicator"), starts=starts, **lengths)
        found, errors = ds.lyapunov_exponent.to_numpy(), ds.lyapunov_exponent_se.to_numpy()
        # Hamiltonian: pairs ±λ, of which one is zero, up to what is seen of zeros after this time.
        np.testing.assert_allclose(found, -found[:, ::-1], atol=2e-4)
        np.testing.assert_allclose(found[:, 1:3], 0, atol=1.5e-3)
        chaotic = np.array(published) > 1
        np.testing.assert_array_equal(found[:, 0] > 2e-3, chaotic)
        wide = 4 * errors[:3, 0] + 0.15 * 1e-3 * np.array(published[:3])
        assert np.all(np.abs(found[:3, 0] - 1e-3 * np.array(published[:3])) < wide)
        # States stay on the simplices, and the conserved divergence is that of the start.
        states = ds.final_state.to_numpy().reshape(5, 2, 3)
        assert np.abs(states.sum(axis=2) - 1).max() < 1e-12
        assert states.min() > 0
        begin = np.stack([np.concatenate([starts["x"][i], starts["y"][i]]) for i in range(5)])
        np.testing.assert_allclose(divergence(ds.final_state.to_numpy()), divergence(begin), rtol=1e-3)


UNEQUAL = np.array([1.0, 2.0, 4.0])
EQUILIBRIUM = np.array([4.0, 2.0, 1.0]) / 7
"""Of both players in the zero-sum game with the payoffs diag(1, 2, 4): all actions then pay 4/7."""
ELSEWHERE = {"x": np.array([0.2, 0.3, 0.5]), "y": np.array([0.6, 0.3, 0.1])}


def test_zero_sum_games_conserve_a_divergence_and_average_to_their_equilibrium():
    game = matrix_game(np.diag(UNEQUAL), state=ELSEWHERE)
    times = np.linspace(0, 300, 6001)
    states = curlflow.simulate(game.flow("replicator", integrator=SHARP), times=times).state[0].to_numpy()
    x, y = states.reshape(-1, 2, 3).swapaxes(0, 1)
    assert max(np.abs(s.sum(axis=1) - 1).max() for s in (x, y)) < 1e-12
    conserved = np.log(x) @ EQUILIBRIUM + np.log(y) @ EQUILIBRIUM
    np.testing.assert_allclose(conserved, conserved[0], rtol=1e-8)
    # d ln xₐ/dt = (Ay)ₐ − xᵀAy, so that time averages of payoffs of two actions differ by a boundary term over T.
    mean = np.trapezoid(y, times, axis=0) / times[-1]
    gained = (np.log(x[-1]) - np.log(x[0])) / times[-1]
    payoffs = UNEQUAL * mean
    np.testing.assert_allclose(payoffs - payoffs[0], gained - gained[0], atol=1e-5)
    np.testing.assert_allclose(mean, EQUILIBRIUM, atol=5 / times[-1])


def by_hand(x, y, rate):
    """One update by multiplicative weights of the game with the payoffs diag(1, 2, 4)."""
    moved = x * np.exp(rate * UNEQUAL * y), y * np.exp(-rate * UNEQUAL * x)
    return [m / m.sum() for m in moved]


def test_multiplicative_weights():
    game = matrix_game(np.diag(UNEQUAL), state=ELSEWHERE)
    states = curlflow.simulate(game.updates("multiplicative_weights", learning_rate=0.2), times=range(2001)).state[0]
    x, y = ELSEWHERE.values()
    for step in range(4):
        np.testing.assert_allclose(states[step], np.concatenate([x, y]), rtol=1e-12)
        x, y = by_hand(x, y, 0.2)
    assert np.abs(states.to_numpy().reshape(-1, 2, 3).sum(axis=2) - 1).max() < 1e-12
    # In zero-sum games they move away from an interior equilibrium in every step: Bailey & Piliouras, EC 2018.
    assert np.all(np.diff(-np.log(states.to_numpy()) @ np.tile(EQUILIBRIUM, 2)) > 0)


def test_small_multiplicative_weights_follow_the_replicator():
    game = matrix_game(np.diag(UNEQUAL), state=ELSEWHERE)
    limit = curlflow.simulate(game.flow("replicator", integrator=SHARP), times=[0, 1.6]).state[0, -1]
    errors = []
    for rate in (0.02, 0.01, 0.005):
        updates = game.updates("multiplicative_weights", learning_rate=rate)
        end = curlflow.simulate(updates, times=[0, round(1.6 / rate)]).state[0, -1]
        errors.append(float(np.linalg.norm(end - limit)))
    np.testing.assert_allclose(np.log2(np.divide(errors[:-1], errors[1:])), 1, atol=0.05)


def test_several_distributions_that_are_as_sure_as_can_be(x64):
    # Each row of x is a distribution; actions that have died out stay out, and large payoffs do not overflow.
    def loss(s, scale):
        return scale * jnp.sum(jnp.asarray([[3.0, 1.0, 2.0], [1.0, 1.0, 2.0]]) * s["x"])

    state = {"x": np.array([[0.0, 0.25, 0.75], [0.5, 0.5, 0.0]])}
    for scale in (1.0, 5_000.0):
        game = Game({"x": loss}, state, scale, mixed=True)
        step = game.updates("multiplicative_weights", learning_rate=1.0)
        first = 0.25 / (0.25 + 0.75 * np.exp(-scale))
        moved = step.step(0, state, step.args)["x"]
        np.testing.assert_allclose(moved, [[0, first, 1 - first], [0.5, 0.5, 0]], rtol=1e-12, atol=1e-15)
    flow = Game({"x": loss}, state, 1.0, mixed=True).flow("replicator")
    assert flow.dimension == 4
    velocity = flow.velocity(0.0, state)["x"]
    np.testing.assert_allclose(velocity, [[0, 0.25 * 0.75, -0.25 * 0.75], [0, 0, 0]], atol=1e-15)


def test_stability_on_simplices():
    # At the equilibrium J² = −(ε² + 3)/9 on the simplices. Updates multiply by 1 + ηJ; the sums are no directions.
    uniform, frequency = {name: np.full(3, 1 / 3) for name in "xy"}, np.sqrt(0.25 + 3) / 3
    game = rock_paper_scissors(0.5, state=uniform)
    ds = curlflow.stability(game.flow("replicator"))
    np.testing.assert_allclose(np.sort(ds.eigenvalue_imag[0]), frequency * np.array([-1, -1, 1, 1]), rtol=1e-12)
    np.testing.assert_allclose(ds.eigenvalue_real[0], 0, atol=1e-12)
    ds = curlflow.stability(game.updates("multiplicative_weights", learning_rate=0.1))
    expected = np.log(1 + 0.1j * frequency * np.array([-1, -1, 1, 1])) / 0.1
    np.testing.assert_allclose(ds.eigenvalue_real[0], expected.real, rtol=1e-10)
    np.testing.assert_allclose(np.sort(ds.eigenvalue_imag[0]), expected.imag, rtol=1e-10)
    assert int(ds.neutral_dimension[0]) == 2


@pytest.mark.quick
def test_what_are_no_mixed_strategies_is_refused():
    game = rock_paper_scissors()
    for act, sentence in [
        (
            lambda: matrix_game(np.eye(2), state={"x": [0.5, 0.6], "y": [1.0, 0.0]}),
            r"state\['x'\]: got .*, required are",
        ),
        (
            lambda: matrix_game(np.eye(2), state={"x": [0.5, 0.5], "y": [1.5, -0.5]}),
            r"state\['y'\]: got .*, required are",
        ),
        (lambda: matrix_game(np.eye(2), np.ones((2, 3))), r"payoffs_y: got shape \(2, 3\), required are matrices"),
        (
            lambda: game.updates(learning_rate=0.1),
            "got 'simultaneous', allowed are multiplicative_weights; its steps leave",
        ),
        (
            lambda: game.flow("consensus"),
            "method: got 'consensus', allowed are replicator; its steps leave the simplex",
        ),
        (lambda: game.updates("replicator", learning_rate=0.1), "its flow is followed by the updates of 'multiplic"),
    ]:
        with pytest.raises(ValueError, match=sentence):
            act()
