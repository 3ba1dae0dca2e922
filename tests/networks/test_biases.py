"""Networks with biases: against a sample-by-sample loop, jax.grad, and networks with one more constant input."""

import json

import jax
import numpy as np
import pytest
from reference import FUNCTIONS, biased_velocity

from curlflow import Spec
from curlflow.compression import compress
from curlflow.constraints import Free, FreeBiases, FrobeniusSpheres, Masked
from curlflow.networks import Feedforward, to_graph
from curlflow.rules import (
    AbstractLearningRule,
    FeedbackAlignment,
    FunctionRule,
    Gradient,
    Oja,
    PredictiveCoding,
    SignFlipped,
)
from curlflow.systems.learning import full_batch_updates
from curlflow.tasks import Samples, SecondMoments

RNG = np.random.default_rng(3)
X, Y = RNG.normal(size=(3, 7)), RNG.normal(size=(2, 7))
WEIGHTS = [RNG.normal(size=shape) for shape in ((4, 3), (5, 4), (2, 5))]
BIASES = [RNG.normal(size=post) for post in (4, 5, 2)]
TASK = Samples(X, Y)


def network(activation="tanh", output_activation="linear", biases=BIASES):
    return Feedforward(WEIGHTS, activation, output_activation, biases)


def same(found, expected, **tolerances):
    arrays = jax.tree.leaves(found)
    assert len(arrays) == len(expected)
    for a, b in zip(arrays, expected, strict=True):
        np.testing.assert_allclose(a, b, **({"rtol": 1e-11, "atol": 1e-13} | tolerances))


@pytest.mark.parametrize("activation", FUNCTIONS)
def test_forward_and_velocity_are_those_of_a_loop(activation, x64):
    phi = FUNCTIONS[activation][0]
    for sample, output in zip(X.T, np.asarray(network(activation, "tanh")(X)).T, strict=True):
        h = sample
        for layer, (w, b) in enumerate(zip(WEIGHTS, BIASES, strict=True)):
            a = np.array([sum(w[i, j] * h[j] for j in range(len(h))) + b[i] for i in range(len(b))])
            h = np.tanh(a) if layer == 2 else phi(a)
        np.testing.assert_allclose(output, h, rtol=1e-12)
    found = Gradient().velocity(network(activation, "tanh"), TASK)
    same(found, biased_velocity(WEIGHTS, BIASES, X, Y, activation, "tanh"))


def test_gradient_descent_follows_the_gradient_of_the_error(x64):
    found, gradient = Gradient().velocity(network(), TASK), jax.grad(TASK.error)(network())
    same(found, [-g for g in jax.tree.leaves(gradient)])
    by_function = FunctionRule(lambda n, x, y: jax.tree.map(lambda g: -g, jax.grad(Samples(x.T, y.T).error)(n)))
    same(by_function.velocity(network(), TASK), jax.tree.leaves(found))


@pytest.mark.parametrize("side", ["presynaptic", "postsynaptic", "synapse"])
def test_flips_of_neurons_behind_a_synapse_hold_for_their_biases(side, x64):
    shape = {"presynaptic": lambda w: (1, w.shape[1]), "postsynaptic": lambda w: (len(w), 1), "synapse": np.shape}
    gains = [np.random.default_rng(0).choice([-1.0, 2.0], shape[side](w)) for w in WEIGHTS]
    matrices = [RNG.normal(size=w.shape) for w in WEIGHTS[1:]]
    rule = SignFlipped(FeedbackAlignment(matrices), gains, biases=side == "postsynaptic")
    of_biases = [g[:, 0] for g in gains] if side == "postsynaptic" else None
    expected = biased_velocity(WEIGHTS, BIASES, X, Y, "tanh", "linear", gains, matrices, of_biases)
    same(rule.velocity(network(), TASK), expected)


def test_flips_of_a_spec_know_their_side(x64):
    shapes = {"inputs": 1, "hidden": 1}  # gains of either side have the same shape
    for side, sign in (("presynaptic", 1.0), ("postsynaptic", -1.0)):
        rule = {"kind": "curl", "side": side, "flipped": {"hidden": {"count": 1}}}
        spec = Spec(network={**shapes, "activation": "tanh", "biases": True}, rule=rule)
        p = spec.build()
        found, plain = (r.velocity(p.student, p.task) for r in (p.rule, Gradient()))
        same(found.biases, [sign * plain.biases[0], plain.biases[1]])


def test_a_layer_with_a_bias_is_one_with_a_constant_input(x64):
    w, b, x = WEIGHTS[0], BIASES[0], np.vstack([X, np.ones((1, 7))])
    y = RNG.normal(size=(4, 7))
    biased, plain = Feedforward([w], biases=[b]), Feedforward([np.column_stack([w, b])])
    for rule in (Gradient(), PredictiveCoding(0.5)):
        found, expected = rule.velocity(biased, Samples(X, y)), rule.velocity(plain, Samples(x, y)).weights[0]
        same(found, [expected[:, :3], expected[:, 3]], rtol=1e-9)
    maps = [full_batch_updates(n, Gradient(), Samples(i, y), Free(), 0.1) for n, i in ((biased, X), (plain, x))]
    found, expected = (m.advance(m.state, None, np.asarray(20), m.clock()).state for m in maps)
    same(found, [expected.weights[0][:, :3], expected.weights[0][:, 3]])


def test_zero_biases_held_fixed_are_none(x64):
    zeros = network(biases=[np.zeros_like(b) for b in BIASES])
    masks = [np.ones(w.shape, bool) for w in WEIGHTS] + [np.zeros(b.shape, bool) for b in BIASES]
    held = full_batch_updates(zeros, Gradient(), TASK, Masked(masks), 0.1)
    none = full_batch_updates(network(biases=None), Gradient(), TASK, Free(), 0.1)
    found, expected = (m.advance(m.state, None, np.asarray(10), m.clock()).state for m in (held, none))
    same(found.weights, expected.weights)
    assert not any(np.any(b) for b in found.biases)
    assert held.dimension == none.dimension


def test_predictive_coding_descends_its_energy_along_biases(x64):
    precision, weights = 0.7, [0.4 * w for w in WEIGHTS]
    rule = PredictiveCoding(precision, steps=2000, rate=0.05)

    def energy(biases):
        """The least F over the activities of the hidden layers, mean over samples, by relaxing them in NumPy."""
        phi = np.tanh
        hidden = [phi(weights[0] @ X + biases[0][:, None])]
        hidden.append(phi(weights[1] @ hidden[0] + biases[1][:, None]))
        for _ in range(2000):
            a = [w @ h + b[:, None] for w, h, b in zip(weights, (X, *hidden), biases, strict=True)]
            e = [h - phi(z) for h, z in zip(hidden, a, strict=False)]
            pulls = (weights[1].T @ (e[1] / np.cosh(a[1]) ** 2), precision * weights[2].T @ (Y - a[2]))
            hidden = [h + 0.05 * (p - d) for h, p, d in zip(hidden, pulls, e, strict=True)]
        return (sum(np.sum(d**2) for d in e) / 2 + precision * np.sum((Y - a[2]) ** 2) / 2) / X.shape[1]

    found = rule.velocity(Feedforward(weights, "tanh", "linear", BIASES), TASK).biases
    for layer, unit in ((0, 1), (1, 3), (2, 0)):
        ends = []
        for step in (1e-4, -1e-4):
            moved = [b.copy() for b in BIASES]
            moved[layer][unit] += step
            ends.append(energy(moved))
        assert found[layer][unit] == pytest.approx(-(ends[0] - ends[1]) / 2e-4 / precision, rel=1e-5)


def test_rules_without_an_equation_for_biases_are_refused():
    class Hebbian(AbstractLearningRule):
        def velocity(self, network, task):
            h = network.forward(task.x).activities
            return network.with_weights(after @ before.T for before, after in zip(h, h[1:], strict=False))

    with pytest.raises(ValueError, match=r"rule: Oja has no equation for biases; set network.biases to false"):
        Oja().velocity(network(), TASK)
    with pytest.raises(
        ValueError, match=r"biases: the network has biases \(network.biases\); give one vector for each"
    ):
        Hebbian().velocity(network(), TASK)
    with pytest.raises(ValueError, match=r"biases: the network has no biases; leave them out"):
        network(biases=None).with_weights(WEIGHTS, BIASES)
    with pytest.raises(ValueError, match=r"gains: got shapes \[\(1, 3\)\], required are \(post, 1\)"):
        SignFlipped(Gradient(), [np.ones((1, 3))], biases=True)


def test_what_needs_a_linear_map_knows_of_biases():
    affine = network("linear")
    assert not affine.is_linear
    assert network("linear", biases=None).is_linear
    assert compress(Feedforward([np.ones((9, 1)), np.ones((1, 9))]), Gradient(), Free()) is not None
    wide = Feedforward([np.ones((9, 1)), np.ones((1, 9))], biases=[np.ones(9), np.ones(1)])
    assert compress(wide, Gradient(), Free()) is None
    assert Gradient().signal(affine) is None
    for wrong in (affine.product, lambda: SecondMoments(np.eye(3), np.ones((2, 3))).error(affine)):
        with pytest.raises(ValueError, match=r"product: the network has biases \(network.biases\)"):
            wrong()
    with pytest.raises(ValueError, match=r"network: it has biases \(network.biases\), which a graph does not hold"):
        to_graph(affine)


def test_bad_biases_are_refused():
    for biases, message in [
        (BIASES[:2], r"biases: got shapes \[\(4,\), \(5,\)\], required is one vector \(post,\) for each layer"),
        ([*BIASES[:2], np.zeros(3)], r"biases: got shapes .*\(3,\)\], required is .* \[\(4,\), \(5,\), \(2,\)\]"),
        ([*BIASES[:2], np.zeros(2, np.float32)], r"biases\[2\]: double precision is required, got float32"),
    ]:
        with pytest.raises(ValueError, match=message):
            network(biases=biases)


def test_spheres_hold_weights_and_leave_biases_free(x64):
    state = network()
    velocity = state.with_weights([RNG.normal(size=w.shape) for w in WEIGHTS], [2 * b for b in BIASES])
    constraint = FreeBiases(FrobeniusSpheres.through(state.weights))
    tangent = constraint.tangent(state, velocity)
    assert constraint.codimension(state) == 3
    for w, t, f in zip(WEIGHTS, tangent.weights, velocity.weights, strict=True):
        assert abs(np.sum(w * t)) < 1e-12
        assert np.linalg.norm(f - t) > 1e-3
    same(tangent.biases, velocity.biases, rtol=0)
    same(constraint.tangent(state, tangent), jax.tree.leaves(tangent))
    moved = constraint.retract(state.with_weights([3 * w for w in WEIGHTS], velocity.biases))
    same(moved, [*WEIGHTS, *velocity.biases])


SPEC = Spec(
    network={"inputs": 3, "hidden": [5, 4], "activation": "tanh", "biases": True},
    start={"kind": "random", "scale": 2.0},
)
PLAIN = SPEC.replace("network.biases", False)


def test_a_spec_without_biases_is_written_as_before():
    written = json.loads(PLAIN.to_json())["network"]
    assert list(written) == ["inputs", "hidden", "outputs", "activation", "output_activation"]
    for spec in (SPEC, PLAIN):
        assert Spec.from_toml_string(spec.to_toml()) == spec == Spec.from_json(spec.to_json())
    assert "biases = true" in SPEC.to_toml()
    with pytest.raises(ValueError, match=r"network.biases: got 1"):
        SPEC.replace("network.biases", 1)


def test_biases_are_drawn_by_the_law_of_their_layer_and_move_no_other_stream():
    p, plain = SPEC.build(), PLAIN.build()
    same(p.student.weights, plain.student.weights, rtol=0)
    same(p.teacher.weights, plain.teacher.weights, rtol=0)
    np.testing.assert_array_equal(p.x_train, plain.x_train)
    assert plain.student.biases is None
    assert p.fingerprint != plain.fingerprint
    wide = SPEC.replace({"network.hidden": 2000, "start.scale": 3.0}).build()
    for own, scale in ((wide.student, 3.0), (wide.teacher, 1.0)):
        b = own.biases[0] * np.sqrt(3) / scale
        assert 0.99 < np.abs(b).max() <= 1
        assert abs(np.mean(b**2) - 1 / 3) < 0.03
        assert np.abs(np.corrcoef([b, own.weights[0][:, 0], own.weights[0][:, 1]])[0, 1:]).max() < 0.1
    double = SPEC.replace("start.scale", 4.0).build()
    same(double.student.biases, [2 * b for b in p.student.biases], rtol=1e-15)


def test_a_start_at_the_teacher_copies_its_biases():
    offset = {"kind": "teacher", "offset": {"layer": 1, "value": 0.5}}
    p = SPEC.replace({"start": offset, "teacher.rescaled": True}).build()
    same(p.student.biases, p.teacher.biases, rtol=0)
    same(p.student.weights, [p.teacher.weights[0] + 0.5, *p.teacher.weights[1:]])
    assert np.linalg.norm(p.teacher.weights[0]) ** 2 == pytest.approx(5)
    same(p.teacher.biases, SPEC.build().teacher.biases, rtol=0)


def test_specs_that_do_not_go_with_biases_are_refused():
    with pytest.raises(
        ValueError, match=r'data.samples: got "population", which needs linear activations, no biases'
    ):
        SPEC.replace({"network.activation": "linear", "data.samples": "population"})
    with pytest.raises(ValueError, match=r"graph: a graph holds no biases; set network.biases to false"):
        SPEC.build(graph=PLAIN.build().graph())
    with pytest.raises(ValueError, match=r"rule: Sanger has no equation for biases"):
        SPEC.replace("rule", {"kind": "sanger"}).build()
    with pytest.raises(ValueError, match=r"network: it has biases"):
        SPEC.build().graph()
