"""Stability against closed forms, dense Jacobians made here, and long-known fixed points; statuses and bad input."""

import functools
import warnings

import jax
import numpy as np
import pytest
import reference

import curlflow
from curlflow.measures import spectrum
from curlflow.measures.decision import Decision
from curlflow.networks import Feedforward
from curlflow.rules import AbstractErrorDrivenRule, AbstractLearningRule, Gradient, SignFlipped
from curlflow.studies.stability import linearised as stability_routes
from curlflow.studies.stability.linearised import Method
from curlflow.systems.linearised.origin import OriginType
from curlflow.systems.linearised.symmetry import orbit_dimension

RULES = {
    "gradient": {"kind": "gradient"},
    "presynaptic": {"kind": "curl", "flipped": {"inputs": 0.4, "hidden": 0.4}},
    "postsynaptic": {"kind": "curl", "side": "postsynaptic", "flipped": {"hidden": 0.5, "outputs": 0.5}},
    "synapse": {"kind": "curl", "side": "synapse", "flipped": {"inputs": {"random": 0.4}, "hidden": {"random": 0.3}}},
    "feedback": {"kind": "feedback_alignment"},
    "flipped feedback": {"kind": "feedback_alignment", "flipped": {"inputs": 0.4, "hidden": 0.2}},
}


def spec_of(rule="presynaptic", activation="linear", hidden=6, outputs=1, constraint="none", **changes):
    network = {"inputs": 5, "hidden": hidden, "outputs": outputs, "activation": activation}
    spec = curlflow.Spec(
        network=network | {"output_activation": activation},
        rule=RULES[rule],
        constraint={"kind": constraint},
        start={"kind": "teacher"},
        data={"samples": 7},
    )
    return spec.replace(changes) if changes else spec


def flat_jacobian(problem, network, velocity=None):
    """The Jacobian of the projected velocity on the tangent space, by complex steps of the slow implementation.

    `velocity` is a function of weights, inputs and targets for a rule of which that one does not know.
    """
    velocity = velocity or functools.partial(curl_velocity, problem.rule)
    weights = [np.asarray(w) for w in network.weights]
    masks = problem.architecture.masks if problem.architecture else [1] * len(weights)
    shapes, ends = [w.shape for w in weights], np.cumsum([w.size for w in weights])
    spheres = problem.spec.constraint.kind == "frobenius"

    def projected(at, velocities):
        cut = [m * f for m, f in zip(masks, velocities, strict=True)]
        if spheres:
            cut = [f - w * (np.sum(w * f) / np.sum(w * w)) for w, f in zip(at, cut, strict=True)]
        return np.concatenate([np.ravel(f) for f in cut])

    def layers(x):
        return [part.reshape(shape) for part, shape in zip(np.split(x, ends[:-1]), shapes, strict=True)]

    def moving(x):
        at = layers(x)
        names = network.activation, network.output_activation
        return projected(at, velocity(at, problem.x_train, problem.y_train, *names))

    flat = np.concatenate([np.ravel(w) for w in weights])
    step, basis = 1e-30j, np.eye(flat.size)
    j = np.stack([moving(flat + step * e).imag for e in basis], axis=1) / step.imag
    projector = np.stack([projected(weights, layers(e)) for e in basis], axis=1)
    return projector @ j @ projector


def curl_velocity(rule, *given):
    base, gains = rule.unflipped()
    return reference.velocity(*given, gains=gains, feedback=getattr(base, "matrices", None))


def nonzero(values, threshold=1e-10):
    values = np.asarray(values, dtype=complex)
    return values[np.abs(values) > threshold * np.abs(values).max()]


def assert_same_set(values, expected, atol=1e-8):
    """Equal as sets: neighbours in an ordering may be swapped by rounding."""
    values, expected = list(values), list(expected)
    assert len(values) == len(expected)
    for value in values:
        nearest = min(range(len(expected)), key=lambda i: abs(expected[i] - value))
        assert abs(expected.pop(nearest) - value) < atol


def stored(ds, i=0):
    values = ds.eigenvalue_real.values[i] + 1j * ds.eigenvalue_imag.values[i]
    return values[np.isfinite(values)]


# The routes agree, and agree with the dense Jacobian.


@pytest.mark.parametrize("constraint", ["none", "frobenius"])
@pytest.mark.parametrize("activation", ["linear", "tanh"])
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("hidden", "outputs"), [(6, 1), ([6, 4], 2)])
def test_the_kernel_is_the_dense_jacobian(rule, activation, constraint, hidden, outputs):
    spec = spec_of(rule, activation, hidden, outputs, constraint)
    problem, ds = spec.build(), curlflow.stability(spec)
    j = flat_jacobian(problem, problem.student)
    expected = nonzero(np.linalg.eigvals(j))
    assert Method(int(ds.method[0])) == (Method.product_kernel if activation == "linear" else Method.sample_kernel)
    assert_same_set(stored(ds), expected)
    assert ds.neutral_dimension[0] == len(j) - len(expected)
    np.testing.assert_allclose(ds.leading_real_part[0], expected.real.max(), atol=1e-9)
    assert bool(ds.stable[0]) == bool((expected.real < 0).all())
    np.testing.assert_allclose(ds.numerical_abscissa[0], np.linalg.eigvalsh((j + j.T) / 2)[-1], atol=1e-10)


@pytest.mark.parametrize("rule", ["presynaptic", "flipped feedback"])
@pytest.mark.parametrize(
    ("activation", "constraint"), [("linear", "frobenius"), ("tanh", "frobenius"), ("tanh", "none")]
)
def test_products_alone_find_the_same(rule, activation, constraint, monkeypatch):
    spec = spec_of(rule, activation, hidden=20, outputs=2, constraint=constraint)
    dense = stored(curlflow.stability(spec))
    monkeypatch.setattr(stability_routes, "DENSE", 5)
    monkeypatch.setattr(stability_routes, "FORMED", 5)
    ds = curlflow.stability(spec, eigenvalues=4)
    assert Method(int(ds.method[0])) == Method.arnoldi_kernel
    np.testing.assert_allclose(stored(ds).real[:4], dense.real[:4], atol=1e-7)
    assert ds.neutral_dimension[0] == -1
    j = flat_jacobian(spec.build(), spec.build().student)
    np.testing.assert_allclose(ds.numerical_abscissa[0], np.linalg.eigvalsh((j + j.T) / 2)[-1], atol=1e-7)
    many = spec.replace("data.samples", 400) if activation == "tanh" else spec
    if activation == "tanh":  # more outputs than weights: products with the Jacobian itself
        ds = curlflow.stability(many, eigenvalues=3)
        assert Method(int(ds.method[0])) == Method.arnoldi_jacobian
        exact = nonzero(np.linalg.eigvals(flat_jacobian(many.build(), many.build().student)))
        np.testing.assert_allclose(stored(ds).real[0], exact.real.max(), atol=1e-6)


@pytest.mark.parametrize("constraint", ["none", "frobenius"])
def test_large_kernels_are_formed_and_their_extreme_eigenvalues_taken(constraint, monkeypatch):
    spec = spec_of("presynaptic", "tanh", hidden=20, outputs=2, constraint=constraint)
    dense = curlflow.stability(spec)
    monkeypatch.setattr(stability_routes, "DENSE", 5)
    ds = curlflow.stability(spec, eigenvalues=4)
    symmetric = constraint == "none"
    assert Method(int(ds.method[0])) == (Method.sample_kernel if symmetric else Method.arnoldi_kernel)
    np.testing.assert_allclose(stored(ds).real[:4], stored(dense).real[:4], atol=1e-8)
    np.testing.assert_array_equal(ds.numerical_abscissa, dense.numerical_abscissa)


@pytest.mark.parametrize("rule", ["presynaptic", "postsynaptic", "synapse"])
@pytest.mark.parametrize("activation", ["linear", "tanh", "sigmoid"])
def test_curl_descent_without_a_constraint_has_a_real_spectrum(rule, activation):
    # J = −D UᵀU has the nonzero eigenvalues of −U D Uᵀ, for any depth and number of outputs.
    spec = spec_of(rule, activation, hidden=[6, 4], outputs=2)
    values = stored(curlflow.stability(spec))
    assert (values.imag == 0).all()
    assert (values.real > 0).any()
    assert (np.abs(np.linalg.eigvals(flat_jacobian(spec.build(), spec.build().student)).imag) < 1e-7).all()


def test_more_samples_than_weights_take_the_jacobian():
    spec = spec_of("presynaptic", "tanh", hidden=3, **{"data.samples": 60})
    ds, problem = curlflow.stability(spec), spec.build()
    assert Method(int(ds.method[0])) == Method.jacobian
    assert_same_set(stored(ds), nonzero(np.linalg.eigvals(flat_jacobian(problem, problem.student))))


def test_fewer_samples_than_inputs_make_a_smaller_kernel():
    spec = spec_of("presynaptic", hidden=6, **{"data.samples": 3})
    ds, problem = curlflow.stability(spec), spec.build()
    assert ds.sizes["eigenvalue"] == 3
    assert_same_set(stored(ds), nonzero(np.linalg.eigvals(flat_jacobian(problem, problem.student))))


class Scaled(AbstractLearningRule):
    """Another rule, faster: a wrapper that the toolkit does not know."""

    rule: AbstractLearningRule
    factor: float

    def velocity(self, network, task):
        return jax.tree.map(lambda f: self.factor * f, self.rule.velocity(network, task))


class Transposed(AbstractErrorDrivenRule):
    """Errors travel back through twice the weights."""

    def feedback(self, network):
        return tuple(2.0 * w for w in network.weights[1:])


class Decaying(AbstractLearningRule):
    """Gradient descent with weight decay: at a solution of the error it does not rest."""

    def velocity(self, network, task):
        return jax.tree.map(lambda f, w: f - 0.1 * w, Gradient().velocity(network, task), network)


@pytest.mark.parametrize("activation", ["linear", "tanh"])
def test_rules_of_the_users_own(activation):
    spec = spec_of("gradient", activation, constraint="frobenius")
    gradient = stored(curlflow.stability(spec))
    gains = [np.where(np.arange(5) < 2, -1.0, 1.0)[None], np.ones((1, 6))]
    flipped = stored(curlflow.stability(spec, rule=SignFlipped(Gradient(), gains)))
    for rule, expected in [
        (Scaled(Gradient(), np.asarray(3.0)), 3 * gradient),
        (Scaled(SignFlipped(Gradient(), gains), np.asarray(0.5)), flipped / 2),
        (SignFlipped(SignFlipped(Gradient(), gains), gains), gradient),
    ]:
        ds = curlflow.stability(spec, rule=rule)
        assert int(ds.method[0]) in (Method.product_kernel, Method.sample_kernel)
        assert_same_set(stored(ds), expected)
        factor, inner = (rule.factor, rule.rule) if isinstance(rule, Scaled) else (1, rule)
        j = factor * flat_jacobian(spec.build(rule=inner), spec.build().student)
        np.testing.assert_allclose(ds.numerical_abscissa[0], np.linalg.eigvalsh((j + j.T) / 2)[-1], atol=1e-8)
    ds = curlflow.stability(spec, rule=Transposed())
    j = flat_jacobian(
        spec.build(),
        spec.build().student,
        lambda weights, *given: reference.velocity(weights, *given, feedback=[2 * w for w in weights[1:]]),
    )
    expected = nonzero(np.linalg.eigvals(j))
    assert_same_set(stored(ds), expected)
    assert ds.attrs["spec"].count("Transposed") == 1


def test_a_rule_that_is_not_driven_by_the_error_takes_the_jacobian():
    spec = spec_of("gradient")
    with pytest.warns(UserWarning, match="a solution, but no fixed point of this rule"):
        ds = curlflow.stability(spec, rule=Decaying())
    assert ds.status[0] == curlflow.Status.not_a_fixed_point
    assert Method(int(ds.method[0])) == Method.jacobian
    problem = spec.build()
    j = flat_jacobian(problem, problem.student) - 0.1 * np.eye(36)
    assert_same_set(stored(ds), nonzero(np.linalg.eigvals(j)))


def sparse_graph(activation, hidden=6):
    """Five inputs, `hidden` units and one output with some synapses missing, two inhibitory inputs and one unit."""
    rng = np.random.default_rng(3)
    masks = [rng.uniform(size=(hidden, 5)) < 0.6, np.ones((1, hidden), bool)]
    g = curlflow.networks.to_graph(Feedforward([m * 1.0 for m in masks], activation, activation), masks=masks)
    for *_, edge in g.edges(data=True):
        del edge["weight"]
    for name in ("x1", "x2", "h3"):
        g.nodes[name]["type"], g.nodes[name]["rule_sign"] = "inhibitory", -1
    return g


@pytest.mark.parametrize("constraint", ["none", "frobenius"])
@pytest.mark.parametrize("activation", ["linear", "tanh"])
def test_missing_synapses_are_no_directions(activation, constraint):
    spec, g = spec_of("gradient", activation, constraint=constraint), sparse_graph(activation)
    ds, problem = curlflow.stability(spec, graph=g), spec.build(graph=g)
    j = flat_jacobian(problem, problem.student)
    expected = nonzero(np.linalg.eigvals(j), 1e-9)
    assert int(ds.method[0]) in (Method.product_kernel, Method.sample_kernel)
    assert_same_set(stored(ds), expected)
    np.testing.assert_allclose(ds.numerical_abscissa[0], np.linalg.eigvalsh((j + j.T) / 2)[-1], atol=1e-10)
    missing = sum(int((~m).sum()) for m in problem.architecture.masks)
    assert ds.neutral_part[0, 2] == missing + (2 if constraint == "frobenius" else 0)
    assert ds.neutral_dimension[0] == 36 - len(expected)
    assert "node" in ds.attrs["graph"]
    if constraint == "none":
        origin = curlflow.stability(spec, graph=g, at="origin")
        zero = problem.student.with_weights(np.zeros(w.shape) for w in problem.student.weights)
        values = np.linalg.eigvals(flat_jacobian(problem, zero))
        assert_same_set(stored(origin), values[np.abs(values) > 1e-6], atol=1e-6)
    with pytest.raises(ValueError, match="at: layer 1 has .* weights on missing synapses"):
        curlflow.stability(spec, graph=g, at=[np.ones((6, 5)), np.ones((1, 6))])


# Closed forms of linear networks.


def h_matrix(problem, constrained):
    """H of equation (4), with the correction (4′) on the spheres."""
    w1, w2 = (np.asarray(w) for w in problem.student.weights)
    d1, d2 = (np.ones(n) for n in (w1.shape[1], w1.shape[0]))
    if isinstance(problem.rule, SignFlipped):
        d1, d2 = problem.rule.gains[0][0], problem.rule.gains[1][0]
    h = w1.T @ np.diag(d2) @ w1 + (w2 @ w2.T).item() * np.diag(d1)
    if constrained:
        v = (w2 @ w1)[0]
        h = h - np.outer(v, d1 * v / np.sum(w1**2) + w1.T @ (d2 * w2[0]) / np.sum(w2**2))
    return h


@pytest.mark.parametrize("constraint", ["none", "frobenius"])
@pytest.mark.parametrize("samples", [40, "population"])
def test_one_output_has_the_eigenvalues_of_equation_four(constraint, samples):
    spec = spec_of("presynaptic", hidden=9, constraint=constraint, **{"data.samples": samples, "realizations": 3})
    ds = curlflow.stability(spec)
    for i in range(3):
        problem = spec.build(realization=i)
        expected = np.linalg.eigvals(-h_matrix(problem, constraint == "frobenius") @ problem.covariance)
        assert_same_set(stored(ds, i), expected)
        np.testing.assert_allclose(ds.leading_real_part[i], expected.real.max(), atol=1e-10)


def test_feedback_alignment_has_the_general_form():
    spec = spec_of("flipped feedback", hidden=9, **{"data.samples": 40})
    problem = spec.build()
    (w1, w2), (b,) = (np.asarray(w) for w in problem.student.weights), problem.rule.rule.matrices
    d1, d2 = problem.rule.gains[0][0], problem.rule.gains[1][0]
    h = w1.T @ np.diag(d2) @ w1 + np.diag((b[0] @ w2[0]) * d1)
    assert_same_set(stored(curlflow.stability(spec)), np.linalg.eigvals(-h @ problem.covariance))


def test_the_inertia_does_not_depend_on_the_covariance():
    counts = set()
    for seed in range(6):
        changes = {"data.seed": seed, "data.input_std": 0.3 + seed, "data.samples": 8 + seed}
        ds = curlflow.stability(spec_of("presynaptic", hidden=9, **changes))
        counts.add((int((stored(ds).real > 0).sum()), int((stored(ds).real < 0).sum())))
    h = h_matrix(spec_of("presynaptic", hidden=9).build(), False)
    assert counts == {(int((np.linalg.eigvalsh(h) < 0).sum()), int((np.linalg.eigvalsh(h) > 0).sum()))}


@pytest.mark.parametrize("activation", ["linear", "tanh", "sigmoid"])
def test_gradient_descent_has_a_real_decaying_spectrum(activation):
    ds = curlflow.stability(spec_of("gradient", activation, hidden=12, outputs=2, realizations=2))
    assert (stored(ds).imag == 0).all()
    assert ds.stable.all()
    assert (stored(ds).real < 0).all()
    np.testing.assert_allclose(ds.numerical_abscissa, 0, atol=1e-12)


def test_one_weight_relaxes_at_the_variance():
    # ŷ = w x: J = −⟨x²⟩, the dull case.
    weights = [np.array([[2.0]]), np.array([[0.0]])]
    spec = curlflow.Spec(network={"inputs": 1, "hidden": 1}, data={"samples": "population"})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = curlflow.stability(spec, at=weights)
    assert Method(int(ds.method[0])) == Method.jacobian
    spec = spec.replace({"start.kind": "teacher"})
    w1, w2 = (float(np.asarray(w).item()) for w in spec.build().student.weights)
    ds = curlflow.stability(spec)
    np.testing.assert_allclose(stored(ds), [-0.5 * (w1**2 + w2**2)], rtol=1e-12)
    assert ds.neutral_dimension[0] == 1
    np.testing.assert_allclose(ds.critical_learning_rate[0], 4 / (w1**2 + w2**2), rtol=1e-12)


def test_updates_are_stable_below_the_critical_rate():
    flow = spec_of("gradient", hidden=9, **{"data.samples": 40})
    critical = float(curlflow.stability(flow).critical_learning_rate[0])
    mu = np.linalg.eigvals(h_matrix(flow.build(), False) @ flow.build().covariance).real
    np.testing.assert_allclose(critical, 2 / mu.max(), rtol=1e-10)
    for factor in (0.99, 1.01):
        updates = flow.replace({"dynamics.kind": "updates", "dynamics.learning_rate": factor * critical})
        assert bool(curlflow.stability(updates).stable[0]) == (factor < 1)
    minibatch = flow.replace(
        {"dynamics.kind": "updates", "dynamics.learning_rate": 3.9 * critical, "dynamics.batch": 10}
    )
    assert curlflow.stability(minibatch).stable.all()


def test_the_spheres_can_change_the_verdict():
    # Solutions with negative eigenvalues of H that are stable on the spheres exist, and the flow stays there.
    changes = {"rule.flipped.inputs": 0.0, "rule.flipped.hidden": 0.4, "data.samples": "population"}
    free = spec_of("presynaptic", hidden=6, realizations=40, **changes)
    bound = free.replace("constraint.kind", "frobenius")
    differ = np.flatnonzero(curlflow.stability(bound).stable.values & ~curlflow.stability(free).stable.values)
    assert differ.size
    problem = bound.build(realization=int(differ[0]))
    with jax.enable_x64(True):
        flow = problem.flow()
        pushed = jax.tree.map(lambda w: w * (1 + 1e-4 * np.sin(1 + np.arange(w.size)).reshape(w.shape)), flow.state)
        pushed = flow.constraint.retract(pushed)
        end = flow.advance(pushed, None, np.float64(2000.0), flow.clock()).state
        before, after = (float(problem.training_error.error(w)) for w in (pushed, end))
    assert after < 1e-4 * before


@pytest.mark.parametrize("changes", [{}, {"network.hidden": [1, 1]}, {"network.activation": "tanh"}])
def test_nothing_moves_where_the_constraint_leaves_no_freedom(changes):
    # Single weights on their spheres: what is left after the projection is rounding, not an eigenvalue.
    for seed in range(4):
        one = {"network": {"inputs": 1, "hidden": 1}, "data": {"samples": 9}, "seed": seed}
        ds = curlflow.stability(curlflow.Spec(constraint={"kind": "frobenius"}, **one).replace(changes))
        layers = 3 if "network.hidden" in changes else 2
        assert stored(ds).size == 0
        assert ds.neutral_part[0].values.tolist() in ([0, 0, layers], [-1, -1, layers])
        assert (int(ds.verdict[0]), bool(ds.stable[0])) == (Decision.undecided, False)
        assert np.isnan(ds.leading_real_part[0])
    frozen = spec_of(
        "presynaptic", hidden=1, constraint="frobenius", **{"rule.gain": 0.0, "rule.flipped.inputs": 1.0}
    )
    assert stored(curlflow.stability(frozen)).size == 0


@pytest.mark.parametrize("rule", ["gradient", "feedback"])
def test_the_abscissa_is_that_of_the_tangent_space(rule):
    # More outputs than weights take the Jacobian, which has zeros along the radii.
    spec = spec_of(rule, "tanh", hidden=2, outputs=2, constraint="frobenius", **{"data.samples": 10})
    ds, problem = curlflow.stability(spec), spec.build()
    assert Method(int(ds.method[0])) == Method.jacobian
    j = flat_jacobian(problem, problem.student)
    radii = np.zeros((2, len(j)))
    for row, (start, w) in zip(
        radii, ((0, problem.student.weights[0]), (10, problem.student.weights[1])), strict=True
    ):
        row[start : start + w.size] = np.ravel(w) / np.linalg.norm(w)
    basis = np.linalg.svd(radii)[2][2:]
    expected = np.linalg.eigvalsh(basis @ (j + j.T) @ basis.T / 2)[-1]
    np.testing.assert_allclose(ds.numerical_abscissa[0], expected, rtol=1e-8)


def test_products_alone_know_both_ends_of_the_spectrum(monkeypatch):
    spec = spec_of("gradient", hidden=4, outputs=5, **{"network.inputs": 30, "data.samples": "population"})
    exact = curlflow.stability(spec)
    monkeypatch.setattr(stability_routes, "DENSE", 50)
    monkeypatch.setattr(stability_routes, "FORMED", 50)
    ds = curlflow.stability(spec, eigenvalues=2)
    assert Method(int(ds.method[0])) == Method.arnoldi_jacobian
    np.testing.assert_allclose(ds.leading_real_part, exact.leading_real_part, atol=1e-8)
    np.testing.assert_allclose(ds.critical_learning_rate, exact.critical_learning_rate, rtol=1e-6)
    for factor in (0.9, 1.1):
        rate = factor * float(exact.critical_learning_rate[0])
        updates = spec.replace({"dynamics.kind": "updates", "dynamics.learning_rate": rate})
        assert bool(curlflow.stability(updates).stable[0]) == (factor < 1)


# Neutral directions.


def generators(network, rule_groups):
    """The rank of all rotations within groups of the hidden units of a network with one hidden layer."""
    w1, w2 = (np.asarray(w) for w in network.weights)
    moves = []
    for group in rule_groups:
        for a in range(len(group)):
            for b in range(a):
                turn = np.zeros((len(w1), len(w1)))
                turn[group[a], group[b]], turn[group[b], group[a]] = 1, -1
                moves.append(np.concatenate([(turn @ w1).ravel(), (-w2 @ turn).ravel()]))
    return int(np.linalg.matrix_rank(np.array(moves))) if moves else 0


@pytest.mark.parametrize(("hidden", "outputs"), [(3, 1), (9, 1), (14, 2)])
def test_symmetry_orbits_have_the_rank_of_their_generators(hidden, outputs):
    spec = spec_of("presynaptic", hidden=hidden, outputs=outputs, constraint="frobenius")
    ds, flipped = curlflow.stability(spec), int(0.4 * hidden + 1e-9)
    groups = [list(range(flipped)), list(range(flipped, hidden))]
    orbit = generators(spec.build().student, groups)
    assert ds.neutral_part[0].values.tolist() == [orbit, int(ds.neutral_dimension[0]) - orbit - 2, 2]
    assert curlflow.stability(spec_of("presynaptic", "tanh")).neutral_part[0, 0] == 0


def test_fixed_feedback_leaves_fewer_rotations():
    problem = spec_of("feedback", hidden=9, outputs=2).build()
    signal = problem.rule.signal(problem.student)
    basis = np.linalg.svd(signal.feedback[0])[2][2:]
    turned = problem.student.with_weights([basis @ problem.student.weights[0], problem.student.weights[1] @ basis.T])
    assert orbit_dimension(problem.student, signal) == generators(turned, [list(range(7))])


def test_deep_orbits_add_up_where_no_rotation_is_undone():
    ds = curlflow.stability(spec_of("gradient", hidden=[4, 3], outputs=3))
    assert ds.neutral_part[0, 0] == 6 + 3
    assert curlflow.stability(spec_of("gradient", hidden=[12, 12])).neutral_part[0, 0] == -1


# The origin.


def test_the_origin_of_gradient_descent_is_a_saddle_and_of_curl_descent_mixed():
    spec = spec_of("presynaptic", hidden=10, constraint="none", **{"data.samples": 40})
    ds, problem = curlflow.stability(spec, at="origin"), spec.build()
    v, sigma = np.asarray(problem.teacher.product())[0], problem.covariance
    d1, d2 = problem.rule.gains[0][0], problem.rule.gains[1][0]
    squares = d2 * (v @ sigma @ np.diag(d1) @ sigma @ v)
    roots = np.sqrt(squares.astype(complex))
    assert_same_set(stored(ds), [*roots, *-roots], atol=1e-12)
    assert ds.neutral_dimension[0] == 10 * 4
    centres = ds.origin_type.values[0] == OriginType.centre
    np.testing.assert_array_equal(centres, squares < 0)
    np.testing.assert_allclose(ds.frequency.values[0][centres], np.sqrt(-squares[centres]), rtol=1e-12)
    np.testing.assert_allclose(ds.growth_rate.values[0], np.maximum(roots.real, 0), atol=1e-12)
    gradient = curlflow.stability(spec_of("gradient", hidden=10), at="origin")
    assert (gradient.origin_type == OriginType.saddle).all()


@pytest.mark.parametrize("rule", ["gradient", "presynaptic", "postsynaptic", "synapse"])
@pytest.mark.parametrize(("activation", "outputs"), [("linear", 1), ("tanh", 1), ("linear", 3), ("tanh", 2)])
def test_the_origin_in_closed_form_is_the_dense_jacobian(rule, activation, outputs):
    spec = spec_of(rule, activation, outputs=outputs)
    problem, ds = spec.build(), curlflow.stability(spec, at="origin")
    zero = problem.student.with_weights(np.zeros(w.shape) for w in problem.student.weights)
    j = flat_jacobian(problem, zero)
    values = np.linalg.eigvals(j)
    assert_same_set(stored(ds), values[np.abs(values) > 1e-6 * np.abs(values).max()], atol=1e-6)
    np.testing.assert_allclose(ds.numerical_abscissa[0], np.linalg.eigvalsh((j + j.T) / 2)[-1], atol=1e-10)
    assert Method(int(ds.method[0])) == Method.closed_form


@pytest.mark.filterwarnings("ignore:at.:UserWarning")
def test_where_the_origin_has_no_such_form_the_status_says_so():
    def status(**arguments):
        ds = curlflow.stability(spec_of(**arguments), at="origin")
        return curlflow.Status(int(ds.status[0]))

    assert status(rule="feedback") == curlflow.Status.not_a_fixed_point
    assert status(activation="sigmoid") == curlflow.Status.not_a_fixed_point
    assert status(activation="relu") == curlflow.Status.not_differentiable
    assert status(constraint="frobenius") == curlflow.Status.excluded_by_constraint
    half = curlflow.stability(spec_of(constraint="frobenius"), at=[np.zeros((6, 5)), np.ones((1, 6))])
    assert half.status[0] == curlflow.Status.excluded_by_constraint
    deep = curlflow.stability(spec_of(hidden=[4, 3]), at="origin")
    assert (int(deep.status[0]), int(deep.neutral_dimension[0]), bool(deep.stable[0])) == (0, 35, False)
    assert np.isnan(deep.leading_real_part[0])


# Anywhere else, and systems of the user's own.


def test_weights_that_are_no_solution_take_the_jacobian_and_say_so():
    spec = spec_of("presynaptic", constraint="frobenius", **{"start.kind": "random"})
    problem = spec.build()
    with pytest.warns(UserWarning, match=r"neither a solution .* training error is 0\.\d+, not zero"):
        ds = curlflow.stability(spec, at=problem.student)
    assert Method(int(ds.method[0])) == Method.jacobian
    assert ds.status[0] == curlflow.Status.not_a_fixed_point
    assert "not zero" in ds.attrs["comment"]
    np.testing.assert_allclose(ds.training_error[0], problem.training_error.error(problem.student), rtol=1e-12)
    expected = np.linalg.eigvals(flat_jacobian(problem, problem.student))
    assert_same_set(stored(ds), nonzero(expected))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        start = curlflow.stability(spec, at="start")
    np.testing.assert_array_equal(stored(start), stored(ds))


def test_solutions_may_be_given_as_weights():
    spec = spec_of("presynaptic", realizations=2)
    named = curlflow.stability(spec)
    networks = [spec.build(realization=i).teacher for i in range(2)]
    given = curlflow.stability(spec, at=networks)
    np.testing.assert_array_equal(named.eigenvalue_real, given.eigenvalue_real)
    one = curlflow.stability(spec.replace("realizations", 1), at=[np.asarray(w) for w in networks[0].weights])
    np.testing.assert_array_equal(stored(named), stored(one))
    assert (one.attrs["study"], one.attrs["settings"].count('"at": "weights"')) == ("stability", 1)


def test_lorenz_has_the_eigenvalues_of_its_origin():
    ds = curlflow.stability(curlflow.systems.lorenz63(), at=[0.0, 0.0, 0.0])
    expected = [(-11 + np.sqrt(1201)) / 2, -8 / 3, (-11 - np.sqrt(1201)) / 2]
    np.testing.assert_allclose(stored(ds), expected, rtol=1e-12)
    assert not ds.stable[0]
    assert ds.status[0] == 0


def test_the_henon_map_has_the_multipliers_of_its_fixed_point():
    x = (-0.7 + np.sqrt(0.49 + 5.6)) / 2.8
    ds = curlflow.stability(curlflow.systems.henon(), at=[x, 0.3 * x])
    multipliers = np.array([-1.4 * x + np.sqrt((1.4 * x) ** 2 + 0.3), -1.4 * x - np.sqrt((1.4 * x) ** 2 + 0.3)])
    np.testing.assert_allclose(np.sort(np.exp(stored(ds)).real), np.sort(multipliers), rtol=1e-9)
    assert not ds.stable[0]
    with pytest.warns(UserWarning, match="this state is neither"):
        curlflow.stability(curlflow.systems.henon(), at=[0.2, 0.1])


def test_the_measures_on_matrices_with_known_spectra():
    rng = np.random.default_rng(0)
    j = rng.standard_normal((40, 40)) / 6 - np.eye(40)
    found = spectrum.extreme_eigenvalues(lambda v: j @ v, 40, 3)
    assert found.converged
    np.testing.assert_allclose(found.values.real[:3], spectrum.eigenvalues(j).real[:3], atol=1e-8)
    u, g = rng.standard_normal((3, 40)), rng.standard_normal((40, 3))
    expected = np.linalg.eigvalsh(-(g @ u + (g @ u).T) / 2)[-1]
    np.testing.assert_allclose(spectrum.abscissa_of_product(-u @ g, u @ u.T, g.T @ g, 40), expected, rtol=1e-10)
    # A Jordan block grows at first by half the off-diagonal, less the decay.
    np.testing.assert_allclose(spectrum.numerical_abscissa(np.array([[-1.0, 5.0], [0.0, -1.0]])), 1.5)
    assert spectrum.eigenvalues(np.zeros((0, 0))).size == 0


# Labels, files, bad input.


def test_the_dataset_survives_the_disk(tmp_path):
    ds = curlflow.stability(spec_of("presynaptic", realizations=2))
    back = curlflow.load(curlflow.save(ds, tmp_path / "s.nc"))
    assert back.identical(curlflow.load(curlflow.save(back, tmp_path / "t.nc")))
    assert back.stable.dtype == bool
    assert back.method.attrs["flag_meanings"].split()[0] == "product_kernel"
    assert curlflow.Spec.from_json(back.attrs["spec"]) == spec_of("presynaptic", realizations=2)


def test_realizations_may_have_different_numbers_of_eigenvalues():
    spec = spec_of("gradient", realizations=1)
    weights = [np.asarray(w).copy() for w in spec.build().student.weights]
    ds = curlflow.stability(spec, at=weights)
    assert ds.sizes["eigenvalue"] == 5


@pytest.mark.parametrize(
    ("at", "message"),
    [
        ("nowhere", "at: got 'nowhere', allowed are solution, origin, start"),
        (3.0, "at: got float, allowed are solution"),
        ([np.zeros((6, 5))], "at: got 1 layers of weights, required are 2"),
        ([np.full((6, 5), np.nan), np.zeros((1, 6))], "at: layer 1 has 30 of 30 weights that are not finite"),
        (["a", "b"], "at: layer 1 is no array of real numbers"),
        ([np.ones((6, 5)) + 1j, np.ones((1, 6))], "at: layer 1: real numbers are required, got complex128"),
        ([np.ones((6, 5), np.float32), np.ones((1, 6))], "at: layer 1: double precision is required"),
        (Feedforward([np.ones((6, 5)), np.ones((1, 6))], "tanh"), "at: the network has activation tanh, the spec"),
        ([Feedforward([np.ones((6, 5)), np.ones((1, 6))])] * 2, "got 2 networks, required is one for each of 1"),
    ],
)
def test_bad_points_are_named(at, message):
    with pytest.raises(ValueError, match=message):
        curlflow.stability(spec_of(), at=at)


def test_other_bad_input_is_named():
    with pytest.raises(ValueError, match="eigenvalues: got 0"):
        curlflow.stability(spec_of(), eigenvalues=0)
    with pytest.raises(ValueError, match="teacher.width gives it the widths"):
        curlflow.stability(spec_of(**{"start.kind": "random", "teacher.width": 3}))
    with pytest.raises(ValueError, match="allowed for a system are start, origin"):
        curlflow.stability(curlflow.systems.lorenz63(), at="solution")
    with pytest.raises(ValueError, match="at: got a state of shapes"):
        curlflow.stability(curlflow.systems.lorenz63(), at=[1.0, 2.0])


def test_minibatch_maps_are_linearised_at_their_first_epoch():
    spec = spec_of("gradient", **{"data.samples": 8, "dynamics.kind": "updates", "dynamics.batch": 4})
    ds = curlflow.stability(spec.build().system())
    assert ds.status[0] == 0
    assert "parameters" in ds.attrs["system"]


def test_one_compilation_serves_all_realizations_and_calls(compilations):
    spec = spec_of("presynaptic", constraint="frobenius", realizations=2)
    curlflow.stability(spec)
    assert compilations(lambda: curlflow.stability(spec.replace({"seed": 5, "rule.flipped.inputs": 0.8}))) == 0
