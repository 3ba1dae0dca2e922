"""Updates against plain NumPy loops of the published protocol; the flow as the limit of small steps."""

import numpy as np
import pytest
from reference import two_layer_updates

from curlflow.spec import Spec
from curlflow.systems.fast.rank_one import ANCHOR


def spec(**changes):
    base = Spec(
        network={"inputs": 9, "hidden": 7}, data={"samples": 30}, realizations=1, seed=3,
        rule={"kind": "curl", "flipped": {"inputs": 0.34, "hidden": {"indices": [1, 4]}}},
        constraint={"kind": "frobenius"}, dynamics={"kind": "updates"},
    )  # fmt: skip
    return base.replace(changes) if changes else base


def signs(size, flipped):
    d = np.ones(size)
    d[flipped] = -1
    return d


D1, D2 = signs(9, [0, 1, 2]), signs(7, [1, 4])


def after(system, epochs):
    return [np.asarray(w) for w in system.advance(system.state, None, np.int64(epochs), system.clock()).state.weights]


@pytest.mark.parametrize("constraint", ["frobenius", "none"])
@pytest.mark.parametrize("epochs", [1, ANCHOR, 1003])
def test_full_batches_equal_a_numpy_loop(constraint, epochs):
    # Without the spheres this many flips blow up; one is enough there.
    spheres = constraint == "frobenius"
    d1, d2 = (D1, D2) if spheres else (signs(9, []), signs(7, [1]))
    flipped = {"rule.flipped.inputs": {"count": 3 if spheres else 0}}
    flipped["rule.flipped.hidden"] = {"indices": [1, 4] if spheres else [1]}
    problem = spec(**{"constraint.kind": constraint, **flipped}).build()
    batches = [np.arange(30)] * epochs
    expected = two_layer_updates(
        *problem.student.weights, batches, problem.x_train, problem.y_train, d1, d2, 0.1, spheres
    )
    assert all(np.isfinite(w).all() for w in expected)
    for a, b in zip(after(problem.updates(), epochs), expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    ("activation", "drawing"), [("linear", "reshuffled"), ("tanh", "reshuffled"), ("linear", "independent")]
)
def test_minibatches_equal_a_numpy_loop(activation, drawing):
    changes = {"network.activation": activation, "network.output_activation": activation, "dynamics.batch": 5}
    changes["dynamics.drawing"] = drawing
    problem = spec(**changes).build()
    epochs = 167  # 1,002 updates
    slices = np.concatenate([problem.batches(epoch) for epoch in range(epochs)])
    assert slices.shape == (6 * epochs, 5)
    expected = two_layer_updates(
        *problem.student.weights, slices, problem.x_train, problem.y_train, D1, D2, 0.1 * 5 / 30, True, activation
    )
    for a, b in zip(after(problem.updates(), epochs), expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-10)


def test_batches_are_a_new_permutation_every_epoch_and_the_same_for_every_rule():
    problem = spec(**{"dynamics.batch": 10}).build()
    first, second = problem.batches(0), problem.batches(1)
    for slices in (first, second):
        assert sorted(slices.ravel().tolist()) == list(range(30))
    assert (first != second).any()
    other = spec(**{"dynamics.batch": 10}).replace({"rule": {"kind": "gradient"}, "start.scale": 3.0}).build()
    assert (other.batches(0) == first).all()


@pytest.mark.parametrize("batch", ["full", 10, 1, 30])
@pytest.mark.parametrize("widths", [{}, {"network.hidden": 12}, {"dynamics.drawing": "independent"}])
def test_fast_updates_equal_general_ones_with_tangents(batch, widths):
    # A tangent makes `advance` take the general path; without one it takes the rank-one path.
    problem = spec(**{"dynamics.batch": batch, **widths}).build()
    updates = problem.updates()
    assert updates.iterate is not None
    import jax

    with jax.enable_x64(True):
        tangent = jax.tree.map(lambda w: np.ones((1, *w.shape)), updates.state)
        number = 500 if batch == "full" else 50
        general = updates.advance(updates.state, tangent, np.int64(number), updates.clock()).state
    for a, b in zip(after(updates, number), general.weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "change",
    [
        {"rule.side": "synapse"},
        {"rule": {"kind": "feedback_alignment"}},
        {"network.outputs": 2},
        {"network.hidden": [7, 5], "rule.flipped.hidden": [0.0, 0.0]},
        {"constraint.kind": "none"},
        {"network.activation": "tanh"},
    ],
)
def test_fast_updates_are_only_used_where_they_hold(change):
    for batch in ("full", 10):
        assert spec(**{"dynamics.batch": batch, **change}).build().updates().iterate is None


@pytest.mark.parametrize("constraint", ["frobenius", "none"])
def test_flow_is_the_first_order_limit_of_updates(constraint):
    problem = spec(**{"constraint.kind": constraint, "dynamics.kind": "updates"}).build()
    flow = problem.flow(rtol=1e-10, atol=1e-12)
    end = flow.advance(flow.state, None, np.float64(2.0), flow.clock()).state.weights
    errors = []
    for rate in (0.02, 0.01, 0.005, 0.0025):
        updates = problem.updates(learning_rate=rate)
        weights = after(updates, round(2.0 / rate))
        errors.append(max(np.abs(a - np.asarray(b)).max() for a, b in zip(weights, end, strict=True)))
    orders = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    np.testing.assert_allclose(orders, 1.0, atol=0.06)


def test_time_of_updates_is_the_learning_rate_per_epoch():
    for batch in ("full", 5):
        updates = spec(**{"dynamics.batch": batch, "dynamics.learning_rate": 0.02}).build().updates()
        assert float(updates.time(1)) == 0.02
        assert int(updates.span(1.0)) == 50


def test_batches_must_divide_the_samples():
    with pytest.raises(ValueError, match=r"dynamics.batch: got 7, allowed is a divisor of data.samples = 30"):
        spec(**{"dynamics.batch": 7})
    with pytest.raises(ValueError, match=r"dynamics.batch: got 8"):
        spec().build().updates(batch=8)
