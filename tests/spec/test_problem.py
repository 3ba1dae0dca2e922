"""From spec to arrays: laws, pairing of random streams, and what a problem holds."""

import weakref

import jax
import numpy as np
import pytest

from curlflow import Spec
from curlflow.constraints import Free, FrobeniusSpheres
from curlflow.problem.draw import drawn_weights
from curlflow.rules import FeedbackAlignment, Gradient, SignFlipped
from curlflow.tasks import Samples, SecondMoments

SPEC = Spec(network={"inputs": 30, "hidden": 20}, realizations=2)


def same(a, b):
    return all((x == y).all() for x, y in zip(a.weights, b.weights, strict=True))


@pytest.mark.quick
def test_laws_of_weights_and_inputs():
    for law, std in (("uniform", 1 / np.sqrt(3)), ("normal", 1.0)):
        spec = Spec(network={"inputs": 400, "hidden": 300}, start={"law": law, "kind": "random", "scale": 3.0})
        w1, w2 = spec.build().student.weights
        np.testing.assert_allclose(w1.std() * np.sqrt(400), 3 * std, rtol=0.02)
        np.testing.assert_allclose(w2.std() * np.sqrt(300), 3 * std, rtol=0.15)
        if law == "uniform":
            assert np.abs(w1).max() < 3 / np.sqrt(400)
            assert np.abs(w1).max() > 2.99 / np.sqrt(400)
    problem = Spec(network={"inputs": 50, "hidden": 3}, data={"samples": 5000}).build()
    assert problem.x_train.shape == (50, 5000)
    np.testing.assert_allclose(problem.x_train.var(), 0.5, rtol=0.02)
    np.testing.assert_allclose(problem.covariance, problem.x_train @ problem.x_train.T / 5000)
    np.testing.assert_allclose(
        problem.y_train, problem.teacher.weights[1] @ problem.teacher.weights[0] @ problem.x_train
    )


@pytest.mark.parametrize("pre", [1, 7, 8, 9, 256, 257])
@pytest.mark.parametrize("law", ["uniform", "normal"])
def test_programs_for_many_shapes_draw_what_one_for_this_shape_does(law, pre, x64):
    key, shape = jax.random.key(4), (8 if pre < 100 else 256, pre)
    (found,) = drawn_weights((pre, shape[0]), law, 1.0, key)
    key = jax.random.fold_in(key, 0)
    drawn = (
        jax.random.normal(key, shape) if law == "normal" else jax.random.uniform(key, shape, minval=-1.0, maxval=1.0)
    )
    np.testing.assert_array_equal(found, np.asarray(drawn) * (1 / np.sqrt(pre)))


@pytest.mark.quick
def test_arrays_are_plain_float64():
    problem = SPEC.build()
    arrays = [*problem.student.weights, *problem.teacher.weights, problem.x_train, problem.y_train, problem.x_test,
              problem.y_test, problem.covariance]  # fmt: skip
    assert all(type(a) is np.ndarray and a.dtype == np.float64 for a in arrays)


def test_the_population():
    problem = SPEC.replace("data.samples", "population").build()
    assert problem.x_train is None
    assert problem.y_train is None
    np.testing.assert_allclose(problem.covariance, 0.5 * np.eye(30), rtol=1e-15)
    assert isinstance(problem.flow().args[1], SecondMoments)
    with pytest.raises(ValueError, match="has no batches"):
        problem.batches(0)


def test_streams_are_paired():
    base = SPEC.build()
    for change in (
        {"rule": {"kind": "curl", "flipped": {"inputs": 0.5}}},
        {"rule": {"kind": "feedback_alignment", "flipped": {"hidden": {"random": 0.5}}}},
        {"dynamics.kind": "updates"},
        {"constraint.kind": "frobenius"},
        {"realizations": 7},
    ):
        other = SPEC.replace(change).build()
        assert same(base.student, other.student)
        assert same(base.teacher, other.teacher)
        assert (base.x_train == other.x_train).all()
        assert (base.x_test == other.x_test).all()
    # Scales multiply the same draws.
    scaled = SPEC.replace({"start.scale": 4.0, "teacher.scale": 0.25}).build()
    assert same(scaled.student, base.student.with_weights(4.0 * w for w in base.student.weights))
    assert same(scaled.teacher, base.teacher.with_weights(0.25 * w for w in base.teacher.weights))


def test_realizations_share_data_and_differ_in_the_rest():
    a, b = SPEC.build(realization=0), SPEC.build(realization=1)
    assert (a.x_train == b.x_train).all()
    assert (a.x_test == b.x_test).all()
    assert not same(a.student, b.student)
    assert not same(a.teacher, b.teacher)
    other = SPEC.replace("seed", 1).build()
    assert (a.x_train == other.x_train).all()
    assert not same(a.student, other.student)
    assert (a.x_train != SPEC.replace("data.seed", 1).build().x_train).any()
    assert not same(a.student, a.teacher)


def test_inputs_are_one_array_while_they_are_in_use():
    a, b = SPEC.build(realization=0), SPEC.replace("rule", {"kind": "feedback_alignment"}).build(realization=1)
    assert a.x_train is b.x_train
    assert a.x_test is b.x_test
    assert a.x_train is not a.x_test
    with pytest.raises(ValueError, match="read-only"):
        a.x_train[0, 0] = 1.0
    for field, value in (("data.samples", 70), ("data.input_std", 2.0), ("data.seed", 1), ("network.inputs", 31)):
        other = SPEC.replace(field, value).build()
        assert other.x_train is not a.x_train, field
        assert other.x_train.shape == (other.spec.network.inputs, other.spec.data.samples)
        np.testing.assert_allclose(other.x_train.std(), other.spec.data.input_std, rtol=0.1)
    inputs = weakref.ref(a.x_train)
    kept = a.x_train.copy()
    del a, b
    assert inputs() is None
    assert (SPEC.build().x_train == kept).all()


def test_the_same_numbers_in_every_context():
    plain = SPEC.build()
    with jax.enable_x64(True):
        inside = SPEC.build()
    assert same(plain.student, inside.student)


def test_rules_from_specs():
    assert isinstance(SPEC.build().rule, Gradient)
    curl = (
        SPEC.replace("rule", {"kind": "curl", "gain": 0.5, "flipped": {"inputs": {"count": 2}, "hidden": 0.1}})
        .build()
        .rule
    )
    assert isinstance(curl, SignFlipped)
    assert curl.gains[0].tolist() == [[0.5] * 2 + [1.0] * 28]
    assert curl.gains[1].tolist() == [[0.5] * 2 + [1.0] * 18]
    # Nothing flipped is plain gradient descent.
    assert isinstance(SPEC.replace("rule", {"kind": "curl"}).build().rule, Gradient)
    aligned = SPEC.replace("rule", {"kind": "feedback_alignment"}).build()
    assert isinstance(aligned.rule, FeedbackAlignment)
    (b,) = aligned.rule.matrices
    assert b.shape == (1, 20)
    assert np.abs(b).max() < 1 / np.sqrt(20)
    both = SPEC.replace("rule", {"kind": "feedback_alignment", "flipped": {"inputs": 0.5}}).build().rule
    assert isinstance(both, SignFlipped)
    assert (both.rule.matrices[0] == b).all()
    post = {"kind": "curl", "side": "postsynaptic", "flipped": {"hidden": 0.5, "outputs": 1.0}}
    gains = SPEC.replace("rule", post).build().rule.gains
    assert gains[0].ravel().tolist() == [-1.0] * 10 + [1.0] * 10
    assert gains[1].tolist() == [[-1.0]]
    synapses = {"kind": "curl", "side": "synapse", "flipped": {"inputs": {"random": 0.25}}}
    gains = SPEC.replace("rule", synapses).build().rule.gains
    assert gains[0].shape == (20, 30)
    assert (gains[0] == -1).sum() == 150


def test_random_flips_are_drawn_per_realization():
    spec = SPEC.replace("rule", {"kind": "curl", "flipped": {"inputs": {"random": 0.3}}})
    a, b = (spec.build(realization=i).rule.gains[0] for i in (0, 1))
    assert (a == -1).sum() == (b == -1).sum() == 9
    assert (a != b).any()


def test_deep_networks_flip_layer_by_layer():
    spec = Spec(
        network={"inputs": 4, "hidden": [6, 5], "outputs": 2},
        rule={"kind": "curl", "flipped": {"inputs": 0.5, "hidden": [{"count": 1}, {"indices": [4]}]}},
    )
    problem = spec.build()
    assert [g.tolist() for g in problem.rule.gains] == [
        [[-1, -1, 1, 1]], [[-1, 1, 1, 1, 1, 1]], [[1, 1, 1, 1, -1]],
    ]  # fmt: skip
    assert problem.teacher.widths == (4, 6, 5, 2)
    rescaled = spec.replace("teacher.rescaled", True).build().teacher.weights
    np.testing.assert_allclose([np.sum(w**2) for w in rescaled], [6, 5, 2])
    with pytest.raises(ValueError, match=r"rule.flipped.hidden\[1\].indices: got \[5\], allowed"):
        spec.replace("rule.flipped.hidden", [0.0, {"indices": [5]}]).build()


def test_tasks_and_constraints():
    assert isinstance(SPEC.build().task, SecondMoments)
    assert isinstance(SPEC.replace("network.activation", "tanh").build().task, Samples)
    assert isinstance(SPEC.build().constraint, Free)
    spheres = SPEC.replace("constraint.kind", "frobenius").build()
    assert isinstance(spheres.constraint, FrobeniusSpheres)
    np.testing.assert_allclose(spheres.constraint.radii, [np.linalg.norm(w) for w in spheres.student.weights])


def test_bad_input():
    with pytest.raises(ValueError, match="realization: got -1, allowed are whole numbers from 0"):
        SPEC.build(realization=-1)
    with pytest.raises(ValueError, match="rule: got 'oja', required is an instance"):
        SPEC.build(rule="oja")
    with pytest.raises(ValueError, match="dynamics.rtol: got -1.0"):
        SPEC.build().flow(rtol=-1.0)
