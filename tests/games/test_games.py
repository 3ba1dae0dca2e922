"""Games against linear maps by hand, hand-written Jacobians and closed forms of textbook games."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sweep_cells import bilinear_updates

import curlflow
from curlflow.games import METHODS, Game, Remembering, bilinear_game, dirac_gan
from curlflow.systems.flat import flattened, flow_of, unflattened

RNG = np.random.default_rng(5)
MATRIX = RNG.normal(size=(3, 3))
SIGMA = np.linalg.svd(MATRIX)[1]
RATE, COEFFICIENT = 0.1, 0.7
GRADIENT_METHODS = [name for name, method in METHODS.items() if method.step is not None and not method.mixed]


def coefficient_of(method):
    return {"coefficient": COEFFICIENT} if METHODS[method].has_coefficient else {}


def half_log(squares):
    return np.log(squares) / 2


ETA_SIGMA, ROOT = RATE * SIGMA, np.sqrt(1 - 4 * (RATE * SIGMA) ** 2)
PULLED = half_log((1 - RATE * COEFFICIENT * SIGMA**2) ** 2 + ETA_SIGMA**2)
PER_ITERATION = {
    "simultaneous": half_log(1 + ETA_SIGMA**2),
    "alternating": 0 * SIGMA,
    "extragradient": half_log(1 - ETA_SIGMA**2 + ETA_SIGMA**4),
    "optimistic": np.concatenate([half_log((1 + ROOT) / 2), half_log((1 - ROOT) / 2)]),
    "consensus": PULLED,
    "symplectic": PULLED,
}
"""Exponents of bilinear games for ησ < ½, each twice.

A pair of singular vectors has J = σ(0 1; −1 0), with the eigenvalues μ = ±iσ, and AᵀJ = JᵀJ = σ². Simultaneous
updates multiply by 1 − ημ, extragradient ones by 1 − ημ + η²μ², those with a coefficient by 1 − η(μ + γσ²).
Alternating ones have determinant 1 and trace 2 − η²σ². Optimistic ones have z² − (1 − 2ημ)z − ημ = 0, with the
solutions z = ½(1 ± (1 − 4η²σ²)^½) ∓ iησ.
"""


@pytest.mark.parametrize("method", GRADIENT_METHODS)
def test_exponents_of_a_bilinear_game(method):
    updates = bilinear_game(MATRIX).updates(method, learning_rate=RATE, **coefficient_of(method))
    expected = np.sort(np.repeat(PER_ITERATION[method], 2))[::-1] / RATE
    # Alternating ones shear, so that what is seen of their zeros shrinks as one over the duration.
    lengths = {
        "duration": 3e5 * RATE,
        "transient": 0,
        "alignment": 2e4 * RATE,
        "exponents": len(expected),
        "block": 10 * RATE,
    }
    ds = curlflow.lyapunov(updates, **lengths)
    np.testing.assert_allclose(ds.lyapunov_exponent[0], expected, atol=1e-6)


# A game of three players, with ℓ_p = ½ zᵀQ_p z + b_p z, whose strategies are a number, a vector, and two arrays.
LIKE = {"a": np.zeros(()), "b": np.zeros(3), "c": {"u": np.zeros((2, 1)), "v": np.zeros(1)}}
OWNER = np.array(["a", "b", "b", "b", "c", "c", "c"])
ORDER = "b", "c", "a"
SQUARES = {player: RNG.normal(size=(7, 7)) for player in ORDER}
SQUARES = {player: q + q.T for player, q in SQUARES.items()}
SLOPES = {player: RNG.normal(size=7) for player in ORDER}
JACOBIAN = np.stack([SQUARES[player][i] for i, player in enumerate(OWNER)])
START = RNG.normal(size=7)


def gradients_by_hand(z):
    return JACOBIAN @ z + np.array([SLOPES[player][i] for i, player in enumerate(OWNER)])


def quadratic_loss(player):
    def loss(s, args):
        z, (squares, slopes) = flattened(s), args
        return z @ squares[player] @ z / 2 + slopes[player] @ z

    return loss


@pytest.fixture(scope="module")
def three_players():
    with jax.enable_x64(True):
        state = unflattened(START, LIKE)
    return Game({player: quadratic_loss(player) for player in ORDER}, state, (SQUARES, SLOPES))


def by_hand(method, z):
    """Where one update of the game of three players leads."""
    xi = gradients_by_hand(z)
    if method == "alternating":
        for player in ORDER:
            z = np.where(player == OWNER, z - RATE * gradients_by_hand(z), z)
        return z
    return (
        z
        - RATE
        * {
            "simultaneous": xi,
            "extragradient": gradients_by_hand(z - RATE * xi),
            "consensus": xi + COEFFICIENT * JACOBIAN.T @ xi,
            "symplectic": xi + COEFFICIENT * (JACOBIAN.T - JACOBIAN) @ xi / 2,
        }[method]
    )


def test_updates_and_flows_of_three_players(three_players, x64):
    methods = [name for name in GRADIENT_METHODS if name != "optimistic"]
    maps = {m: three_players.updates(m, learning_rate=RATE, **coefficient_of(m)) for m in methods}
    flows = {m: three_players.flow(m, **coefficient_of(m)) for m in methods if METHODS[m].velocity is not None}

    @jax.jit
    def both(state):
        steps = {m: flattened(system.step(0, state, system.args)) for m, system in maps.items()}
        return steps, {m: flattened(flow.velocity(0.0, state)) for m, flow in flows.items()}

    steps, velocities = both(three_players.state)
    for method in methods:
        np.testing.assert_allclose(steps[method], by_hand(method, START), rtol=1e-12, err_msg=method)
    for method, velocity in velocities.items():
        np.testing.assert_allclose(velocity, (by_hand(method, START) - START) / RATE, rtol=1e-10, err_msg=method)


def check_players(ds, z, velocity):
    """Compare the numbers of every player with those by hand; whatever follows the strategies is zero."""
    xi = gradients_by_hand(z)
    np.testing.assert_allclose(ds.player_gradient[:7], xi, rtol=1e-12)
    assert not ds.player_gradient[7:].any()
    assert list(ds.player.values) == list(ORDER)
    for player in ORDER:
        own, at = player == OWNER, ds.sel(player=player)
        loss = z @ SQUARES[player] @ z / 2 + SLOPES[player] @ z
        cosine = -velocity[own] @ xi[own] / np.linalg.norm(velocity[own]) / np.linalg.norm(xi[own])
        np.testing.assert_allclose(at.player_loss, loss, rtol=1e-12)
        np.testing.assert_allclose(at.player_gradient_norm, np.linalg.norm(xi[own]), rtol=1e-12)
        np.testing.assert_allclose(np.cos(at.player_gradient_angle), cosine, atol=1e-12)


def check_norms(ds, jacobian):
    for name, part in (("symmetric_norm", jacobian + jacobian.T), ("antisymmetric_norm", jacobian - jacobian.T)):
        np.testing.assert_allclose(ds[name], np.linalg.norm(part) / 2, rtol=1e-12)
    np.testing.assert_allclose(ds.divergence, np.trace(jacobian), rtol=1e-12)


def test_decomposition_of_a_game(three_players):
    # The potential and the Hamiltonian part are those of the hand-written Jacobian, up to the sign of descent.
    # The adjustment turns the gradients: angles are not zero, own gradients are the same.
    xi = gradients_by_hand(START)
    for coefficient in (0.0, COEFFICIENT):
        ds = curlflow.decomposition(three_players.flow("symplectic", coefficient=coefficient)).isel(realization=0)
        turned = JACOBIAN + coefficient * (JACOBIAN.T - JACOBIAN) @ JACOBIAN / 2
        check_norms(ds, -turned)
        check_players(ds, START, -xi - coefficient * (JACOBIAN.T - JACOBIAN) @ xi / 2)
        assert np.allclose(ds.player_gradient_angle, 0, atol=1e-12) == (coefficient == 0)
        assert "gradient_angle" not in ds


def test_decomposition_of_updates(three_players):
    # (xᵢ₊₁ − xᵢ)/η, of the strategies and of the gradients that are remembered.
    updates = three_players.updates("optimistic", learning_rate=RATE)
    assert isinstance(updates.state, Remembering)
    ds = curlflow.decomposition(updates, times=[0, 1, 2])
    before, z, identity = START, START, np.eye(7)
    for step in range(3):
        after = z - RATE * (2 * gradients_by_hand(z) - gradients_by_hand(before))
        at = ds.isel(realization=0, iteration=step)
        check_norms(at, np.block([[-2 * JACOBIAN, identity], [JACOBIAN / RATE, -identity / RATE]]))
        check_players(at, z, after - z)
        before, z = z, after


def test_decomposition_of_a_map_is_that_of_its_change(x64):
    # x′ = 1 − ax² + y − x, y′ = bx − y at an iteration per unit of time.
    ds = curlflow.decomposition(curlflow.systems.henon(a=1.4, b=0.3), at=[0.5, 0.2], loss=lambda x: x @ x / 2)
    velocity = np.array([1 - 1.4 * 0.25 + 0.2 - 0.5, 0.15 - 0.2])
    check_norms(ds.isel(realization=0), np.array([[-2 * 1.4 * 0.5 - 1, 1.0], [0.3, -1.0]]))
    np.testing.assert_allclose(ds.speed, np.linalg.norm(velocity), rtol=1e-12)
    cosine = -velocity @ [0.5, 0.2] / np.linalg.norm(velocity) / np.hypot(0.5, 0.2)
    np.testing.assert_allclose(np.cos(ds.gradient_angle), cosine, rtol=1e-12)
    # Iterations are counted, and last 0.1 units of time: x ← x + i u has the velocity i u/0.1.
    change = flow_of(curlflow.Map(lambda i, x, args: x + i * args, [0.0, 0.0], 0.1, np.array([1.0, -1.0])))
    for i in range(8):
        np.testing.assert_allclose(change.velocity(i * 0.1, np.zeros(2)), [10 * i, -10 * i], rtol=1e-12)


def test_losses_of_players_go_with_a_flow_of_ones_own(three_players):
    turned = curlflow.Flow(
        lambda t, s, args: {"x": s["y"], "y": -s["x"]}, {"x": np.ones(2), "y": np.array([3.0, 4.0])}
    )
    losses = {name: lambda s, name=name: jnp.sum(s[name] ** 2) / 2 for name in "xy"}
    ds = curlflow.decomposition(turned, loss=losses).isel(realization=0)
    np.testing.assert_allclose(
        np.cos(ds.player_gradient_angle), [-7 / 5 / np.sqrt(2), 7 / 5 / np.sqrt(2)], rtol=1e-12
    )
    np.testing.assert_allclose(ds.player_loss, [1.0, 12.5])
    with pytest.raises(ValueError, match="loss: got none for 'y', required is one for every player"):
        curlflow.decomposition(turned, loss={"x": losses["x"]})
    with pytest.raises(ValueError, match="state: got array.*, required is a mapping from names of players"):
        curlflow.decomposition(curlflow.systems.linear(np.eye(2)), loss=losses)


def test_dirac_gan_at_its_equilibrium():
    at = {"generator": 0.0, "discriminator": 0.0}
    for penalty, stable in ((0.0, False), (0.3, True), (2.0, True)):
        ds = curlflow.stability(dirac_gan(penalty).flow(), at=at)
        expected = -penalty / 2 + np.array([1, -1]) * np.sqrt(penalty**2 / 4 - 0.25 + 0j)
        np.testing.assert_allclose(ds.eigenvalue_real[0], expected.real, atol=1e-12)
        np.testing.assert_allclose(ds.eigenvalue_imag[0], expected.imag, atol=1e-12)
        assert bool(ds.stable[0]) == stable
    # A centre: θ² + ψ² is conserved without a penalty, and decreases with one.
    integrator = curlflow.solvers.Adaptive(rtol=1e-10, atol=1e-12)
    for penalty in (0.0, 0.3):
        ds = curlflow.simulate(dirac_gan(penalty).flow(integrator=integrator), times=[0, 5, 10])
        radii = np.sum(ds.state[0].to_numpy() ** 2, axis=1)
        assert np.all(np.diff(radii) < -0.01) if penalty else np.allclose(radii, 2.0, rtol=1e-8)


def test_updates_are_swept_by_a_function():
    options = {"duration": 200, "transient": 0}
    ds = curlflow.sweep(bilinear_updates, {"rate": [0.05, 0.2]}, "lyapunov", options, engine="serial")
    expected = half_log(1 + np.array([0.05, 0.2]) ** 2) / [0.05, 0.2]
    np.testing.assert_allclose(ds.lyapunov_exponent.squeeze()[:, 0], expected, rtol=1e-10)


def scaled(s, args):
    return args * jnp.sum(s["x"] ** 2) + s["y"]


def test_parameters_are_data(compilations):
    def game(scale):
        return Game({"x": scaled, "y": scaled}, {"x": [1.0, 2.0], "y": 0.5}, scale)

    first = curlflow.simulate(game(0.5).updates(learning_rate=0.1), times=[0, 10])
    assert compilations(lambda: curlflow.simulate(game(0.25).updates(learning_rate=0.1), times=[0, 10])) == 0
    np.testing.assert_allclose(first.state[0, -1], [0.9**10, 2 * 0.9**10, -0.5], rtol=1e-12)


def own(s):
    return s["x"] ** 2


def stopped(s):
    return jax.lax.stop_gradient(s["x"]) * s["y"]


@jax.jit
def other(s):
    return s["y"] ** 2


TWO = {"x": 1.0, "y": 2.0}
REFUSED = [
    (([own], TWO), "losses: got .*, required is a mapping from names of players to functions"),
    (({"x": own}, [1.0]), "state: got .*, required is a mapping from names of players to arrays"),
    (({}, {}), "state: got {}, required is a mapping"),
    (({"x": own}, TWO), "losses: got none for 'y', required is one for every player in the state"),
    (({"x": own, "z": own}, {"x": 1.0}), "losses: got one for 'z', allowed are the players in the state, x"),
    (({"x": 3}, {"x": 1.0}), r"losses\['x'\]: got 3, required is a function of the state"),
    (({"x": own}, {"x": [1.0, 2.0]}), r"losses\['x'\]: it gives float64 of shape \(2,\), required is one real"),
    (({"x": own, "y": lambda s: s["z"]}, TWO), r"losses\['y'\]: JAX cannot trace it on the state \(KeyError: 'z'\)"),
    (({"x": own, "y": own}, TWO), r"losses\['y'\]: its gradient with respect to the strategy of 'y' is zero"),
    (({"x": other, "y": other}, TWO), r"losses\['x'\]: its gradient with respect to the strategy of 'x' is zero"),
    (({"x": stopped, "y": other}, TWO), r"losses\['x'\]: its gradient with respect to the strategy of 'x' is zero"),
    (({"x": own}, {"x": np.inf}), "state: got numbers that are not finite"),
]


@pytest.mark.quick
@pytest.mark.parametrize(("given", "sentence"), REFUSED)
def test_what_is_no_game_is_refused(given, sentence):
    with pytest.raises(ValueError, match=sentence):
        Game(*given)


@pytest.mark.quick
def test_methods_and_their_arguments_are_refused():
    game = bilinear_game(MATRIX)
    for act, sentence in [
        (
            lambda: game.flow("alternating"),
            "method: got 'alternating', allowed are simultaneous, consensus, symplectic;",
        ),
        (lambda: game.flow("optimistic"), "its updates follow the flow of 'simultaneous' for small learning rates"),
        (lambda: game.flow("replicator"), "method: got 'replicator', .*; it takes mixed=True"),
        (
            lambda: game.updates("newton", learning_rate=0.1),
            "got 'newton', allowed are simultaneous, alternating, ex",
        ),
        (lambda: game.updates(learning_rate=0.0), "learning_rate: got 0.0, it must be a positive number"),
        (lambda: game.flow(coefficient=1.0), "coefficient: got 1.0, but 'simultaneous' has none; leave it out"),
        (lambda: game.flow("consensus", coefficient="1"), "coefficient: got '1', allowed are finite numbers"),
        (lambda: bilinear_game([1.0]), r"matrix: a matrix is required, got shape \(1,\)"),
    ]:
        with pytest.raises(ValueError, match=sentence):
            act()
