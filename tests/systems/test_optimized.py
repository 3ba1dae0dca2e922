"""Learning with an optimizer: against NumPy loops, on spheres, near solutions, and the limits of small steps."""

import equinox as eqx
import jax
import numpy as np
import pytest
import reference

import curlflow
from curlflow.constraints import Free, FrobeniusSpheres, Masked
from curlflow.networks import Feedforward
from curlflow.optimizers import Accelerated, Adam, Momentum, Nesterov, Optax, RMSprop
from curlflow.rules import Gradient, SignFlipped
from curlflow.solvers import Adaptive
from curlflow.systems.base import tangent_basis
from curlflow.systems.optimized import Learner, TangentBundle, network_of, optimized_flow, optimized_updates
from curlflow.tangents import as_rows, from_rows, push_forward
from curlflow.tasks import Samples

SPEC = curlflow.Spec(
    network={"inputs": 3, "hidden": 4, "activation": "tanh"},
    data={"samples": 4, "test_samples": 2},
    rule={"kind": "curl", "flipped": {"hidden": {"count": 1}}},
    dynamics={"kind": "updates", "learning_rate": 0.05},
)
TABLES = {
    "momentum": {"kind": "momentum", "momentum": 0.7, "weight_decay": 0.01},
    "nesterov": {"kind": "nesterov", "momentum": 0.7, "weight_decay": 0.01},
    # With a smaller ε full batches are chaotic, and no two ways of adding agree after a thousand of them.
    "adam": {"kind": "adam", "beta1": 0.7, "beta2": 0.9, "epsilon": 0.05, "weight_decay": 0.01},
    "rmsprop": {"kind": "rmsprop", "beta2": 0.9, "epsilon": 1e-3, "weight_decay": 0.01},
}


def slow_updates(problem, table, batches):
    """The textbook algorithms, weight matrix by weight matrix, in the order in which papers write them."""
    w = [np.array(a) for a in problem.student.weights]
    first, second = ([np.zeros_like(a) for a in w] for _ in range(2))
    rate, decay = problem.step, table["weight_decay"]
    for t, indices in enumerate(batches, start=1):
        x, y = problem.x_train[:, indices], problem.y_train[:, indices]
        gradients = reference.velocity(w, x, y, "tanh", "linear", problem.rule.gains)
        for i, g in enumerate(-f for f in gradients):
            old = w[i].copy()
            if table["kind"] in ("momentum", "nesterov"):
                first[i] = table["momentum"] * first[i] + g
                step = g + table["momentum"] * first[i] if table["kind"] == "nesterov" else first[i]
            elif table["kind"] == "adam":
                first[i] = table["beta1"] * first[i] + (1 - table["beta1"]) * g
                second[i] = table["beta2"] * second[i] + (1 - table["beta2"]) * g**2
                corrected = second[i] / (1 - table["beta2"] ** t)
                step = first[i] / (1 - table["beta1"] ** t) / (np.sqrt(corrected) + table["epsilon"])
            else:
                second[i] = table["beta2"] * second[i] + (1 - table["beta2"]) * g**2
                step = g / (np.sqrt(second[i]) + table["epsilon"])
            w[i] = old - rate * step - rate * decay * old
    return w


@eqx.filter_jit
def state_after(system, span):
    return system.advance(system.state, None, span, system.clock()).state


def after(system, iterations):
    return state_after(system, np.asarray(iterations))


def iterated(system, state):
    for i in range(3):
        state = system.step(i, state, system.args)
    return state


@pytest.mark.parametrize("batch", ["full", 2])
@pytest.mark.parametrize("kind", TABLES)
def test_a_thousand_updates_are_those_of_a_loop(kind, batch, x64):
    problem = SPEC.replace({"optimizer": TABLES[kind], "dynamics.batch": batch}).build()
    epochs = 1000 if batch == "full" else 500
    batches = np.concatenate([problem.batches(epoch) for epoch in range(epochs)])
    assert len(batches) == 1000
    found = after(problem.system(), epochs).network.weights
    for w, expected in zip(found, slow_updates(problem, TABLES[kind], batches), strict=True):
        np.testing.assert_allclose(w, expected, atol=1e-9)


@pytest.mark.parametrize("constraint", ["none", "frobenius"])
@pytest.mark.parametrize("batch", ["full", 2])
def test_without_momentum_updates_are_plain(constraint, batch, x64):
    plain = SPEC.replace({"constraint.kind": constraint, "dynamics.batch": batch})
    none = plain.replace("optimizer", {"kind": "momentum", "momentum": 0.0})
    expected, found = (network_of(after(spec.build().system(), 100)) for spec in (plain, none))
    for a, b in zip(expected.weights, found.weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


def test_optax_takes_the_same_steps(x64):
    optax = pytest.importorskip("optax")
    problem = SPEC.build()
    pairs = [
        (Optax(optax.adam(0.05, eps=1e-6)), Adam(epsilon=1e-6)),
        (Optax(optax.adamw(0.05, eps=1e-6, weight_decay=0.1)), Adam(epsilon=1e-6, weight_decay=0.1)),
        (Optax(optax.sgd(0.05, momentum=0.9, nesterov=True)), Nesterov(0.9)),
        (Optax(optax.rmsprop(0.05, eps=1e-6, eps_in_sqrt=False)), RMSprop(epsilon=1e-6)),
    ]
    for given, own in pairs:
        a, b = (after(problem.updates(optimizer=optimizer), 300).network for optimizer in (given, own))
        for v, w in zip(a.weights, b.weights, strict=True):
            np.testing.assert_allclose(v, w, atol=1e-9)
    # Its count is a whole number, of which there are no tangents; all else has the same ones.
    moved = []
    for optimizer in pairs[0]:
        system = problem.updates(optimizer=optimizer)
        tangents = jax.tree.map(np.zeros_like, system.state)
        tangents = Learner(jax.tree.map(np.ones_like, tangents.network), tangents.memory)
        step = jax.jit(lambda x, v, system=system: jax.jvp(lambda x: iterated(system, x), (x,), (v,))[1])
        moved.append(step(system.state, tangents).network.weights)
    for v, w in zip(*moved, strict=True):
        np.testing.assert_allclose(v, w, rtol=1e-9)


WIDE = Feedforward([np.arange(6.0).reshape(3, 2) / 5 - 0.3, np.array([[0.4, -0.7, 0.5]])])
CONSTRAINTS = {
    "free": Free(),
    "spheres": FrobeniusSpheres([np.linalg.norm(w) for w in WIDE.weights]),
    "masked": Masked([np.array([[True, True], [True, False], [True, True]]), np.ones((1, 3), bool)]),
}


@pytest.mark.parametrize("name", ["spheres", "masked", "both"])
def test_the_tangent_bundle(name, x64):
    masks = CONSTRAINTS["masked"].masks
    within = {"both": Masked(masks, CONSTRAINTS["spheres"])}.get(name, CONSTRAINTS.get(name))
    bundle, rng = TangentBundle(within), np.random.default_rng(0)
    state = Learner(WIDE, Adam().start(WIDE))
    state = bundle.retract(jax.tree.map(lambda leaf: leaf + 0.3 * rng.normal(size=np.shape(leaf)), state))
    if name != "masked":
        for w, v, r in zip(
            state.network.weights, state.memory.momentum.weights, CONSTRAINTS["spheres"].radii, strict=True
        ):
            np.testing.assert_allclose(np.linalg.norm(w), r)
            np.testing.assert_allclose(np.sum(w * v), 0, atol=1e-14)
    # The projection is orthogonal, and its image is what retraction cannot leave: the tangents of a retracted curve.
    n = len(jax.flatten_util.ravel_pytree(state)[0])
    project = eqx.filter_jit(lambda bundle, x, v: jax.vmap(lambda v: bundle.tangent(x, v))(v))
    projector = np.asarray(as_rows(project(bundle, state, from_rows(np.eye(n), state))))
    np.testing.assert_allclose(projector, projector.T, atol=1e-12)
    np.testing.assert_allclose(projector @ projector, projector, atol=1e-12)
    assert round(np.trace(projector)) == n - bundle.codimension(state)
    direction = from_rows(rng.normal(size=(1, n)), state)
    direction = jax.tree.map(lambda leaf: leaf[0], direction)
    _, along = jax.jvp(bundle.retract, (state,), (direction,))
    np.testing.assert_allclose(
        as_rows(jax.tree.map(lambda leaf: leaf[None], bundle.tangent(state, along))),
        as_rows(jax.tree.map(lambda leaf: leaf[None], along)),
        atol=1e-12,
    )


@pytest.mark.parametrize("batch", ["full", 2])
def test_weights_stay_on_spheres_and_momentum_tangent(batch, x64):
    spec = SPEC.replace({"constraint.kind": "frobenius", "dynamics.batch": batch, "optimizer": TABLES["momentum"]})
    problem = spec.build()
    system = problem.system()
    end = after(system, 50)
    for w, v, start in zip(end.network.weights, end.memory.momentum.weights, problem.student.weights, strict=True):
        np.testing.assert_allclose(np.linalg.norm(w), np.linalg.norm(start), rtol=1e-13)
        assert abs(np.sum(w * v)) < 1e-13 * np.linalg.norm(w) * np.linalg.norm(v)
        assert np.linalg.norm(v) > 1e-4
    # Two dimensions less for every layer.
    assert system.dimension == 2 * 16 - 4
    assert tangent_basis(system, end).shape == (28, 32)


def test_constraints_of_ones_own_are_refused(own_constraint):
    with pytest.raises(ValueError, match="constraint: got Elsewhere; with an optimizer it must be none, or keep"):
        TangentBundle(own_constraint)


@pytest.mark.parametrize(
    ("kind", "constraint"), [("momentum", "frobenius"), ("nesterov", "none"), ("adam", "frobenius")]
)
def test_exponents_at_a_solution_are_those_of_the_multipliers(kind, constraint, x64):
    table = {"kind": kind} | ({"epsilon": 10.0} if kind == "adam" else {"momentum": 0.6})
    spec = curlflow.Spec(
        network={"inputs": 2, "hidden": 2},
        data={"samples": 10},
        start={"kind": "teacher"},
        constraint={"kind": constraint},
        rule={"kind": "curl", "flipped": {"inputs": {"count": 1}}},
        dynamics={"kind": "updates", "learning_rate": 0.2},
        optimizer=table,
        seed=3,
    )
    problem = spec.build()
    system, optimizer = problem.updates(), problem.optimizer
    flow = problem.without_optimizer().flow()
    basis = tangent_basis(flow, problem.student) if constraint == "frobenius" else np.eye(6)
    _, images = push_forward(lambda w: flow.velocity(0.0, w), problem.student, from_rows(basis, problem.student))
    eigenvalues = np.linalg.eigvals(as_rows(images) @ np.asarray(basis).T)
    multipliers = [*optimizer.multipliers(eigenvalues, 0.2).ravel()]
    if kind == "adam":
        multipliers += [0.9, 0.999, *[0.999] * 6]
    expected = np.sort(np.log(np.abs(multipliers)))[::-1] / 0.2
    found = curlflow.lyapunov(system, exponents=system.dimension, transient=0, alignment=40, duration=200, block=0.2)
    assert found.sizes["exponent"] == len(expected)
    np.testing.assert_allclose(found.lyapunov_exponent[0], expected, atol=0.02)
    study = curlflow.stability(spec)
    assert bool(study.stable) == bool((np.abs(multipliers) < 1 + 1e-9).all())


def difference(optimizer, rate, iterations, constraint, integrator=None):
    """How far updates are from their flow after as many of them."""
    rng = np.random.default_rng(1)
    samples = Samples(rng.normal(size=(2, 6)), rng.normal(size=(1, 6)))
    rule = SignFlipped(Gradient(), [np.array([[1.0, -1.0]]), np.ones((1, 3))])
    parts = WIDE, rule, samples, constraint, rate, optimizer
    end = after(optimized_updates(*parts), iterations).network
    flow = optimized_flow(*parts, Adaptive(rtol=1e-9, atol=1e-12))
    limit = state_after(flow, np.asarray(iterations * rate)).network
    return max(np.abs(a - b).max() for a, b in zip(end.weights, limit.weights, strict=True))


@pytest.mark.parametrize("name", ["free", "spheres"])
def test_updates_with_momentum_approach_their_flow(name, x64):
    # With friction γ = 1 in the time in which W″ + γW′ = F, K updates take 2 units.
    def apart(number):
        step = 2 / number
        beta = (1 - step / 2) / (1 + step / 2)
        return difference(Momentum(beta), step**2 * (1 + beta) / 2, number, CONSTRAINTS[name])

    # η falls to a half. On spheres the projection shortens the momentum at every update, which is of the order of √η.
    order = {"free": 1, "spheres": 0.5}[name]
    assert 0.8 < apart(57) / apart(40) * 2**order < 1.2


def test_updates_with_a_given_momentum_approach_their_flow_faster(x64):
    few, many = (difference(Momentum(0.5), 1 / number, number, Free()) for number in (50, 100))
    assert 0.2 < many / few < 0.3


@pytest.mark.parametrize("name", ["free", "spheres"])
def test_adam_approaches_its_flow(name, x64):
    def apart(rate, kind=Adam):
        shares = {"beta1": 1 - 2 * rate} if kind is Adam else {}
        return difference(kind(beta2=1 - rate, epsilon=0.1, **shares), rate, round(1 / rate), CONSTRAINTS[name])

    assert 0.4 < apart(0.005) / apart(0.01) < 0.6
    assert 0.4 < apart(0.005, RMSprop) / apart(0.01, RMSprop) < 0.6


def test_accelerated_updates_approach_the_equation_of_su_boyd_and_candes(x64):
    # In the time √η k; the difference is of the order of √η.
    few, many = (difference(Accelerated(), (2 / k) ** 2, k, Free()) for k in (40, 80))
    assert 0.4 < many / few < 0.6


def test_a_quadratic_loss_follows_a_bessel_function(x64):
    # W″ + (3/τ) W′ = −W from W = 1: 2 J₁(τ)/τ.
    from scipy.special import j1

    line = Feedforward([np.ones((1, 1))])
    samples = Samples(np.ones((1, 1)), np.zeros((1, 1)))
    flow = optimized_flow(line, Gradient(), samples, Free(), 0.04, Accelerated(), Adaptive(rtol=1e-9, atol=1e-12))
    end = flow.advance(flow.state, None, 3.0 * 0.2, flow.clock()).state  # τ = t/√η
    np.testing.assert_allclose(end.network.weights[0], 2 * j1(3.0) / 3.0, atol=1e-6)


def test_learning_rates_may_follow_a_schedule(x64):
    problem, rate = SPEC.build(), lambda epoch: 0.1 / (1 + epoch)
    parts = problem.student, problem.rule, problem.samples, Free()
    system = optimized_updates(*parts, rate, Momentum(0.0))
    assert system.time(1) == 0.1
    network = problem.student
    for epoch in range(5):
        network = after(optimized_updates(network, *parts[1:], rate(epoch), Momentum(0.0)), 1).network
    for a, b in zip(after(system, 5).network.weights, network.weights, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-14)
