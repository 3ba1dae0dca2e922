"""A new rule is one class: what it says of itself, as `AbstractLearningRule` describes, gives it every fast path."""

import jax
import numpy as np
import pytest

import curlflow
from curlflow.networks import Feedforward
from curlflow.rules import (
    AbstractErrorDrivenRule,
    AbstractLearningRule,
    FeedbackAlignment,
    Gradient,
    PredictiveCoding,
    SignFlipped,
)
from curlflow.rules.sign_flipped import with_gains
from curlflow.rules.signals import error_signal
from curlflow.studies.stability.linearised import Method
from curlflow.systems.fast.rank_one import is_of_rank_one
from curlflow.tasks import SecondMoments

SPEC = curlflow.Spec(
    network={"inputs": 3, "hidden": 9}, data={"samples": 20}, start={"kind": "teacher"},
    constraint={"kind": "frobenius"},
)  # fmt: skip
TWICE = SignFlipped(Gradient(), [np.full((1, 3), 2.0), np.ones((1, 9))])
OPTIONS = {"transient": 1.0, "alignment": 1.0, "duration": 2.0, "block": 0.5, "exponents": 2}


class Doubled(AbstractErrorDrivenRule):
    """B = 2W. With one hidden layer this is gradient descent with gains of 2 on the first layer."""

    rotates_with_hidden_units = True

    def feedback(self, network):
        return tuple(2 * w for w in network.weights[1:])


class Same(AbstractErrorDrivenRule):
    """B = W, as gradient descent."""

    def feedback(self, network):
        return network.weights[1:]


class Shifted(AbstractErrorDrivenRule):
    """B = W + C with fixed matrices C: a rule with arrays over hidden units."""

    rotates_with_hidden_units = True
    matrices: tuple

    def feedback(self, network):
        return tuple(w + c for w, c in zip(network.weights[1:], self.matrices, strict=True))

    def kept_columns(self, network, layer):
        return [self.matrices[layer].T]

    def narrowed(self, turned, chosen):
        return Shifted(tuple(turned((None, *self.matrices))[1:]))


class Backwards(AbstractLearningRule):
    """Gradient descent by differentiation of the error."""

    backpropagates = True
    second_moments_suffice = True

    def velocity(self, network, task):
        return jax.tree.map(lambda g: -g, jax.grad(task.error)(jax.tree.map(jax.numpy.asarray, network)))


def test_it_gets_second_moments_and_the_kernel():
    problem = SPEC.build(rule=Doubled())
    assert isinstance(problem.task, SecondMoments)
    ds, expected = (curlflow.stability(SPEC, rule=rule) for rule in (Doubled(), TWICE))
    assert ds.method[0] == expected.method[0] == Method.product_kernel
    np.testing.assert_allclose(ds.eigenvalue_real, expected.eigenvalue_real, rtol=1e-8)
    np.testing.assert_allclose(ds.numerical_abscissa, expected.numerical_abscissa, rtol=1e-8)


def test_it_is_compressed():
    narrow = SPEC.build(rule=Doubled()).compressed()
    assert narrow.student.widths == (3, 4, 1)
    assert narrow.rule == Doubled()


def test_its_arrays_are_narrowed_with_the_network(x64):
    matrices = (np.random.default_rng(0).normal(size=(1, 9)),)
    problem = SPEC.replace("start.kind", "random").build(rule=Shifted(matrices))
    narrow = problem.compressed()
    assert narrow.student.widths == (3, 5, 1)
    wide = problem.rule.velocity(problem.student, problem.task)
    again = narrow.compression.expand(narrow.rule.velocity(narrow.student, narrow.task))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-13), again, wide)


def test_its_exponents_are_taken_off_symmetry_orbits():
    spec = SPEC.replace({"start.kind": "random", "network.hidden": 4})
    ds, expected = (curlflow.lyapunov(spec, rule=rule, transverse=True, **OPTIONS) for rule in (Same(), Gradient()))
    np.testing.assert_allclose(ds.lyapunov_exponent, expected.lyapunov_exponent, atol=1e-4)


def test_a_rule_that_backpropagates_is_updated_as_gradient_descent(x64):
    gradient, backwards = (SPEC.replace("start.kind", "random").build(rule=r) for r in (Gradient(), Backwards()))
    for rule, fast in [
        (Backwards(), True),
        (SignFlipped(Backwards(), TWICE.gains), True),
        (SignFlipped(Backwards(), [np.ones((9, 1)), np.ones((1, 9))]), False),
        (SignFlipped(TWICE, TWICE.gains), False),
        (Doubled(), False),
        (PredictiveCoding(), False),
    ]:
        assert is_of_rank_one(gradient.student, rule, gradient.constraint) is fast
    velocities = [p.rule.velocity(p.student, p.samples) for p in (gradient, backwards)]
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-13), *velocities)


def test_a_rule_that_says_nothing_gets_what_holds_for_all():
    class Still(AbstractLearningRule):
        def velocity(self, network, task):
            return jax.tree.map(np.zeros_like, network)

    rule, network = Still(), Feedforward([np.ones((9, 2)), np.ones((1, 9))])
    assert rule.signal(network) is SignFlipped(rule, TWICE.gains).signal(network) is None
    assert (rule.second_moments_suffice, rule.rotates_with_hidden_units, rule.backpropagates) == (False,) * 3
    assert rule.unflipped() == (rule, None)
    assert rule.narrowed(list, list) is rule
    assert rule.kept_columns(network, 0) == []


def test_flips_are_taken_off_from_the_outside():
    a, b = TWICE.gains, (np.full((1, 3), 5.0), np.full((1, 9), -1.0))
    rule = SignFlipped(SignFlipped(Gradient(), a), b)
    base, product = rule.unflipped()
    assert base == Gradient()
    assert [g.tolist() for g in product] == [[[10.0] * 3], [[-1.0] * 9]]
    once, gains = rule.unflipped(most=1)
    assert (type(once), gains) == (SignFlipped, rule.gains)


def test_gains_of_one_are_added_where_there_are_none(x64):
    problem = SPEC.replace("start.kind", "random").build()
    rule = with_gains(problem.rule, problem.student)
    assert [g.tolist() for g in rule.gains] == [[[1.0] * 3], [[1.0] * 9]]
    assert with_gains(rule, problem.student) is rule
    velocities = [r.velocity(problem.student, problem.task) for r in (rule, problem.rule)]
    jax.tree.map(np.testing.assert_array_equal, *velocities)


def test_the_former_name_of_signal_warns():
    network = Feedforward([np.ones((9, 3)), np.ones((1, 9))])
    rule = FeedbackAlignment([np.ones((1, 9))])
    with pytest.warns(DeprecationWarning, match="is now rule.signal"):
        former = error_signal(rule, network)
    jax.tree.map(np.testing.assert_array_equal, former, rule.signal(network))
