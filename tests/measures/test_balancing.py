"""Diagonal metrics against closed forms, Kolmogorov's criterion and another search; roots of metrics."""

import numpy as np
import pytest
from scipy.linalg import sqrtm
from scipy.optimize import minimize

from curlflow.measures.balancing import balancing
from curlflow.measures.metrics import Metric, normalised

RNG = np.random.default_rng(5)


def symmetric(n):
    matrix = RNG.normal(size=(n, n))
    return matrix + matrix.T


def in_coordinates(jacobian, s):
    return np.exp(s / 2)[:, None] * jacobian * np.exp(-s / 2)


def antisymmetric(matrix):
    return np.linalg.norm(matrix - matrix.T) / 2


@pytest.mark.quick
@pytest.mark.parametrize("signs", [False, True])
@pytest.mark.parametrize(("n", "spread"), [(2, 1.0), (7, 1.0), (30, 3.0)])
def test_positive_rates_times_a_symmetric_matrix_are_found(n, spread, signs):
    # D H, also with signs in D, has the squares of |D| H: they are balanced by g = 1/|D|.
    rates = spread * RNG.normal(size=n)
    d = np.exp(rates) * (RNG.choice([-1.0, 1.0], n) if signs else 1.0)
    jacobian = d[:, None] * symmetric(n)
    s = balancing(jacobian**2)
    np.testing.assert_allclose(s, rates.mean() - rates, atol=1e-9)
    if not signs:
        assert antisymmetric(in_coordinates(jacobian, s)) < 1e-9 * np.linalg.norm(in_coordinates(jacobian, s))


@pytest.mark.quick
def test_signs_leave_a_matrix_of_equal_squares_as_it_is():
    jacobian = np.where(np.arange(9) < 4, -1.0, 1.0)[:, None] * symmetric(9)
    np.testing.assert_allclose(balancing(jacobian**2), 0, atol=1e-13)


@pytest.mark.parametrize(("n", "sign"), [(3, 1.0), (8, 1.0), (8, -1.0)])
def test_no_other_metric_leaves_less(n, sign):
    jacobian = RNG.normal(size=(n, n)) * np.exp(RNG.normal(size=(n, n)))
    lower = np.tril(np.ones((n, n)), -1)
    jacobian = np.where(lower == 1, sign * np.sign(jacobian.T) * np.abs(jacobian), jacobian)  # tr J² of this sign
    np.fill_diagonal(jacobian, 0.0)
    s = balancing(jacobian**2)
    inside = in_coordinates(jacobian, s)
    least = antisymmetric(inside)
    assert least < 0.99 * antisymmetric(jacobian)
    np.testing.assert_allclose((inside**2).sum(axis=0), (inside**2).sum(axis=1), rtol=1e-12)
    # Another search, without derivatives and by another function, from starts drawn at random.
    searches = [
        minimize(lambda s: antisymmetric(in_coordinates(jacobian, s)), 2 * RNG.normal(size=n), method="BFGS")
        for _ in range(3)
    ]
    np.testing.assert_allclose([search.fun for search in searches], least, rtol=1e-6)
    # The ratio is least there if tr J² > 0, and largest if tr J² < 0.
    others = [ratio(in_coordinates(jacobian, s + 0.1 * RNG.normal(size=n))) for _ in range(20)]
    assert np.sign(np.trace(jacobian @ jacobian)) == sign
    assert all(sign * other > sign * ratio(inside) for other in others)


def ratio(matrix):
    return np.linalg.norm(matrix - matrix.T) / np.linalg.norm(matrix + matrix.T)


def test_kolmogorovs_criterion_says_whether_anything_remains():
    # Around every cycle the products in both directions agree: those of three indices suffice where no entry is zero.
    chain = np.exp(RNG.normal(size=6))[:, None] * np.abs(symmetric(6))
    for jacobian, reversible in [(chain, True), (chain + np.eye(6, k=2), False)]:
        forward = np.einsum("ij,jk,ki->ijk", jacobian, jacobian, jacobian)
        assert np.allclose(forward, forward.transpose(0, 2, 1), rtol=1e-9) == reversible
        remains = antisymmetric(in_coordinates(jacobian, balancing(jacobian**2)))
        assert (remains < 1e-12) == reversible


@pytest.mark.quick
def test_indices_that_do_not_meet_have_numbers_of_their_own():
    squares = np.zeros((5, 5))
    squares[0, 3], squares[3, 0], squares[1, 2], squares[2, 1], squares[4, 4] = 1, 16, 9, 1, 7
    root, other = np.log(16) / 4, np.log(9) / 4
    np.testing.assert_allclose(balancing(squares), [root, -other, other, -root, 0], atol=1e-14)
    np.testing.assert_array_equal(balancing(np.zeros((3, 3))), 0)


@pytest.mark.quick
def test_there_is_no_best_metric_where_an_entry_has_no_way_back():
    assert np.isnan(balancing(np.array([[1.0, 2.0], [0.0, 1.0]]))).all()
    cycle = np.roll(np.eye(4), 1, axis=1)  # the way back leads around
    np.testing.assert_allclose(balancing(cycle), 0, atol=1e-14)
    cycle[0, 1] = 16.0
    balanced = np.exp(np.subtract.outer(*[balancing(cycle)] * 2)) * cycle
    np.testing.assert_allclose(balanced.sum(axis=0), 2.0, rtol=1e-12)  # the geometric mean of 16, 1, 1 and 1
    cycle[0, 1] = 0.0
    assert np.isnan(balancing(cycle)).all()
    assert np.isnan(balancing(np.full((2, 2), np.nan))).all()


def test_a_metric_has_its_root_and_volumes_of_one(x64):
    factor = RNG.normal(size=(4, 4))
    matrix = normalised(factor @ factor.T)
    np.testing.assert_allclose(np.linalg.det(matrix), 1, rtol=1e-10)
    metric = Metric.of(matrix)
    np.testing.assert_allclose(metric.into.matrix, sqrtm(matrix), atol=1e-10)
    vector = RNG.normal(size=4)
    for numbers in (matrix, normalised(np.array([1.0, 2, 3, 4]))):
        metric = Metric.of(numbers)
        np.testing.assert_allclose(metric.back(metric.into(vector)), vector, rtol=1e-12)
        whole = numbers if numbers.ndim == 2 else np.diag(numbers)
        np.testing.assert_allclose(np.sum(np.square(metric.into(vector))), vector @ whole @ vector, rtol=1e-12)
