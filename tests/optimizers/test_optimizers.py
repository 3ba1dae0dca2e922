"""Optimizers: multipliers against eigenvalues of the whole update, critical rates against formulas and a scan."""

import jax
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from scipy.optimize import linear_sum_assignment

from curlflow.optimizers import Accelerated, Adam, Momentum, Nesterov, Optax, RMSprop
from curlflow.optimizers.base import checked_optimizer

pytestmark = pytest.mark.quick

# A spiral, as curl descent has, a decaying direction and one that is neutral.
JACOBIAN = np.array([[-0.4, 1.1, 0.2, 0.0], [-1.1, -0.4, 0.0, 0.1], [0.0, 0.0, -2.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
EIGENVALUES = np.linalg.eigvals(JACOBIAN)
RATE = 0.3
OPTIMIZERS = {
    "momentum": Momentum(0.8),
    "decaying momentum": Momentum(0.8, weight_decay=0.2),
    "nesterov": Nesterov(0.8),
    "decaying nesterov": Nesterov(0.8, weight_decay=0.2),
    "adam": Adam(0.8, 0.95, epsilon=0.5),
    "adamw": Adam(0.8, 0.95, epsilon=0.5, weight_decay=0.2),
    "rmsprop": RMSprop(0.95, epsilon=0.5, weight_decay=0.2),
}


def linearised(optimizer, field=None):
    """All eigenvalues of the update of F = J W, or of its flow, at the fixed point 0 with a memory at rest."""
    memory = jax.tree.map(np.zeros_like, optimizer.start(np.zeros(4)))
    point, shaped = ravel_pytree((np.zeros(4), memory))

    def moved(flat):
        weights, memory = shaped(flat)
        parts = JACOBIAN @ weights, memory, weights, RATE
        if field is not None:
            return ravel_pytree(optimizer.field(*parts))[0]
        increment, memory = optimizer.step(*parts)
        return ravel_pytree((weights + increment, memory))[0]

    return np.linalg.eigvals(np.asarray(jax.jacfwd(moved)(point)))


def assert_same_numbers(found, expected, atol):
    """Whatever their order."""
    apart = np.abs(np.subtract.outer(found, expected))
    assert apart.shape[0] == apart.shape[1]
    assert apart[linear_sum_assignment(apart)].max() < atol


def trivial(optimizer):
    """Multipliers of second moments and of the powers of the bias correction."""
    adam = isinstance(optimizer, Adam)
    squares = [float(optimizer.beta2)] * 4 if adam or isinstance(optimizer, RMSprop) else []
    return [*squares, *([float(optimizer.beta1), float(optimizer.beta2)] if adam else [])]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_multipliers_are_the_eigenvalues_of_the_update(name, x64):
    optimizer = OPTIMIZERS[name]
    expected = [*optimizer.multipliers(EIGENVALUES, RATE).ravel(), *trivial(optimizer)]
    assert_same_numbers(linearised(optimizer), expected, 1e-7)


@pytest.mark.parametrize("name", [name for name in OPTIMIZERS if "nesterov" not in name])
def test_rates_of_flows_are_the_eigenvalues_of_the_field(name, x64):
    optimizer = OPTIMIZERS[name]
    moments = [(share - 1) / RATE for share in trivial(optimizer)]
    expected = [*optimizer.rates_of_flow(EIGENVALUES, RATE).ravel(), *moments]
    assert_same_numbers(linearised(optimizer, "field"), expected, 1e-6)


def test_critical_learning_rates_are_the_known_ones():
    for beta in (0.0, 0.5, 0.99):
        assert Momentum(beta).critical_learning_rate(-3.0) == pytest.approx(2 * (1 + beta) / 3)
        # Nesterov's method: 2(1 + β)/((1 + 2β)λ).
        assert Nesterov(beta).critical_learning_rate(-3.0) == pytest.approx(2 * (1 + beta) / (1 + 2 * beta) / 3)
        p, q = 0.2, 1.5
        ellipse = 2 * p / (1 + beta) / (p**2 / (1 + beta) ** 2 + q**2 / (1 - beta) ** 2)
        assert Momentum(beta).critical_learning_rate([-3.0, -p + 1j * q]) == pytest.approx(min(ellipse, 2 / 3))
    # Cohen et al. (2022): (2 + 2β₁)/((1 − β₁)η) for the largest eigenvalue of the preconditioned Hessian.
    assert Adam(0.9, epsilon=1e-8).critical_learning_rate(-3.0) == pytest.approx(2 * 1.9 / 0.1 * 1e-8 / 3)
    assert RMSprop(epsilon=0.5).critical_learning_rate(-3.0) == pytest.approx(1 / 3)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_critical_learning_rates_by_a_scan(name):
    optimizer, values = OPTIMIZERS[name], EIGENVALUES[EIGENVALUES != 0]
    rates = np.linspace(1e-4, 3, 30_000)
    largest = np.abs(optimizer.multipliers(values[:, None], rates)).max(axis=(0, 1))
    first = rates[np.argmax(largest > 1)]
    assert first - 1e-4 <= optimizer.critical_learning_rate(values) <= first


def test_without_a_stable_learning_rate_there_is_none():
    assert np.isnan(Momentum(0.5).critical_learning_rate([-1.0, 0.2]))
    assert np.isnan(Momentum(0.5).critical_learning_rate(1j))  # a centre: every finite step leads outwards
    assert Momentum(0.5).critical_learning_rate([0.0]) == np.inf
    # Decay of the weights holds what would grow.
    assert Momentum(0.5, weight_decay=1.0).critical_learning_rate(0.2) > 0.1
    with pytest.raises(ValueError, match="no closed form of the multipliers of Accelerated is known"):
        Accelerated().multipliers(-1.0, 0.1)
    with pytest.raises(ValueError, match="no flow of Nesterov is known; take updates"):
        Nesterov().field(np.ones(2), Nesterov().start(np.ones(2)), np.ones(2), 0.1)


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        (lambda: Momentum(1.0), "momentum: got 1.0, allowed are numbers from 0 to below 1."),
        (lambda: Adam(beta2=-0.1), "beta2: got -0.1, allowed are numbers from 0 to below 1."),
        (lambda: RMSprop(epsilon=0.0), "epsilon: got 0.0, allowed are numbers from 2.22507e-308"),
        (lambda: Accelerated(weight_decay=np.nan), "weight_decay: got nan, allowed are numbers from 0 to below inf."),
        (lambda: checked_optimizer("adam"), "optimizer: got 'adam', required is one of curlflow.optimizers"),
    ],
)
def test_numbers_out_of_range_are_refused(made, sentence):
    with pytest.raises(ValueError, match=sentence):
        made()


def test_only_gradient_transformations_are_taken():
    with pytest.raises(ValueError, match="transformation: got 'adam', required is a gradient transformation"):
        Optax("adam")
