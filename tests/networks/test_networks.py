"""Networks against a sample-by-sample loop; sign patterns against hand counts."""

import jax
import numpy as np
import pytest
from reference import FUNCTIONS

from curlflow.networks import Feedforward
from curlflow.networks.activations import ACTIVATIONS
from curlflow.networks.signs import flipped_count, flipped_indices, gains

pytestmark = pytest.mark.quick


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_forward_is_the_composition_of_layers(activation):
    rng = np.random.default_rng(0)
    w1, w2, w3 = rng.normal(size=(5, 3)), rng.normal(size=(4, 5)), rng.normal(size=(2, 4))
    x = rng.normal(size=(3, 7))
    phi = FUNCTIONS[activation][0]
    expected = np.tanh(w3 @ phi(w2 @ phi(w1 @ x)))
    network = Feedforward([w1, w2, w3], activation, "tanh")
    np.testing.assert_allclose(network(x), expected, rtol=1e-13)
    assert network.widths == (3, 5, 4, 2)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_derivative_is_that_of_the_function(activation, x64):
    a = np.linspace(-2, 2, 12)
    function, derivative = ACTIVATIONS[activation]
    np.testing.assert_allclose(derivative(a, function(a)), jax.vmap(jax.grad(function))(a), rtol=1e-12)


def test_outputs_are_double_precision_outside_x64():
    network = Feedforward([np.array([[1.0]])])
    assert np.asarray(network(np.array([[1 + 1e-12]])))[0, 0] == 1 + 1e-12


def test_shapes_must_chain():
    with pytest.raises(ValueError, match=r"layer 1 has 3 outputs but layer 2 takes 4 inputs"):
        Feedforward([np.zeros((3, 2)), np.zeros((1, 4))])


def test_single_precision_and_unknown_activation_are_refused():
    with pytest.raises(ValueError, match=r"weights\[0\]: double precision is required, got float32"):
        Feedforward([np.zeros((3, 2), dtype=np.float32)])
    with pytest.raises(ValueError, match=r"activation: got 'gelu', allowed are linear"):
        Feedforward([np.zeros((3, 2))], "gelu")


@pytest.mark.parametrize(
    ("fraction", "size", "count"), [(0.7, 90, 63), (0.3, 73, 21), (0, 5, 0), (1, 5, 5), (0.29, 100, 29)]
)
def test_flipped_count_is_guarded_against_rounding(fraction, size, count):
    assert flipped_count(fraction, size) == count


@pytest.mark.usefixtures("x64")
def test_selections():
    key = jax.random.key(0)
    assert flipped_indices(0.5, 5, "f", key=key).tolist() == [0, 1]
    assert flipped_indices({"count": 3}, 5, "f", key=key).tolist() == [0, 1, 2]
    assert flipped_indices({"indices": [4, 1]}, 5, "f", key=key).tolist() == [4, 1]
    drawn = flipped_indices({"random": 0.4}, 50, "f", key=key)
    assert len(set(drawn.tolist())) == 20
    assert drawn.tolist() != flipped_indices({"random": 0.4}, 50, "f", key=jax.random.key(1)).tolist()
    with pytest.raises(ValueError, match=r"f.indices: got \[5\], allowed are different indices 0 to 4"):
        flipped_indices({"indices": [5]}, 5, "f", key=key)
    with pytest.raises(ValueError, match=r"f.count: got 6, allowed is 0 to 5"):
        flipped_indices({"count": 6}, 5, "f", key=key)


@pytest.mark.usefixtures("x64")
def test_gains_have_the_shape_of_their_side():
    key, fields = jax.random.key(0), ["a", "b"]
    pre = gains((4, 3, 1), "presynaptic", [0.5, {"indices": [2]}], -1.0, fields, key=key)
    assert pre[0].tolist() == [[-1, -1, 1, 1]]
    assert pre[1].tolist() == [[1, 1, -1]]
    post = gains((4, 3, 1), "postsynaptic", [{"count": 1}, 1.0], 0.5, fields, key=key)
    assert post[0].tolist() == [[0.5], [1], [1]]
    assert post[1].tolist() == [[0.5]]
    synapse = gains((4, 3, 1), "synapse", [{"count": 5}, 0.0], -1.0, fields, key=key)
    assert synapse[0].tolist() == [[-1, -1, -1, -1], [-1, 1, 1, 1], [1, 1, 1, 1]]
    assert (synapse[1] == 1).all()
