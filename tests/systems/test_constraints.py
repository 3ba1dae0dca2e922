"""Constraints: projections are projections, retractions land on the set, and only directions off it are lost."""

import equinox as eqx
import numpy as np
import pytest

from curlflow.constraints import Free, FrobeniusSpheres, Masked
from curlflow.networks import Feedforward
from curlflow.spec import Spec
from curlflow.systems import Flow


def network(seed=0):
    rng = np.random.default_rng(seed)
    return Feedforward([rng.normal(size=(4, 3)), rng.normal(size=(2, 4))])


def test_tangent_projection_is_orthogonal_and_idempotent(x64):
    state, velocity = network(0), network(1)
    spheres = FrobeniusSpheres.through(state)
    tangent = spheres.tangent(state, velocity)
    for w, t in zip(state.weights, tangent.weights, strict=True):
        assert abs(np.sum(w * t)) < 1e-13
    again = spheres.tangent(state, tangent)
    for t, a in zip(tangent.weights, again.weights, strict=True):
        np.testing.assert_allclose(t, a, atol=1e-14)
    assert spheres.codimension(state) == 2


def test_retraction_restores_the_radii_along_rays(x64):
    state = network()
    spheres = FrobeniusSpheres.through(state)
    moved = state.with_weights(3.7 * w for w in state.weights)
    for w, r in zip(spheres.retract(moved).weights, state.weights, strict=True):
        np.testing.assert_allclose(w, r, rtol=1e-14)


def test_what_are_no_radii_or_masks_is_refused():
    for radii, message in [
        (3, "radii: got 3, required is one radius"),
        ([], "radii: got .., required"),
        ([1.0, np.nan], "radii: got nan, allowed"),
        ([1.0, -1.0], "radii: got -1.0, allowed are finite numbers from 0"),
        ([np.ones(2)], "radii: got array"),
    ]:
        with pytest.raises(ValueError, match=message):
            FrobeniusSpheres(radii)
    for masks in (3, None, [], np.array(True)):
        with pytest.raises(ValueError, match="masks: got .*, required is one boolean array for every layer"):
            Masked(masks)


def test_free_changes_nothing():
    state = network()
    assert Free().retract(state) is state
    assert Free().tangent(state, state) is state
    assert Free().codimension(state) == 0


def test_norms_are_kept_over_a_long_flow(x64):
    spec = Spec(
        network={"inputs": 12, "hidden": 20}, rule={"kind": "curl", "flipped": {"inputs": 0.5}},
        constraint={"kind": "frobenius"}, dynamics={"kind": "flow", "rtol": 1e-8},
    )  # fmt: skip
    flow = spec.build().flow()
    free = Flow(lambda t, w, args: flow.velocity(t, w), flow.state, integrator=flow.integrator)
    before = [np.linalg.norm(w) for w in flow.state.weights]
    end, clock, advance = flow.state, flow.clock(), eqx.filter_jit(flow.advance)
    for _ in range(10):
        end, _, clock, _, status = advance(end, None, np.float64(10.0), clock)
        assert int(status) == 0
    np.testing.assert_allclose([np.linalg.norm(w) for w in end.weights], before, rtol=1e-14)
    # The projected field alone, with no retraction, already keeps them to the tolerance of the solver.
    drifted = free.advance(free.state, None, np.float64(100.0), free.clock()).state
    np.testing.assert_allclose([np.linalg.norm(w) for w in drifted.weights], before, rtol=1e-6)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_sphere_is_neutral_not_unstable(sign, x64):
    # dW/dt = ±W projected is zero at every norm: an error of the radius must neither grow nor shrink.
    state = network()
    spheres = FrobeniusSpheres.through(state)
    off = state.with_weights(1.01 * w for w in state.weights)
    pull = state.with_weights(sign * 50 * w for w in off.weights)
    for t in spheres.tangent(off, pull).weights:
        assert np.abs(t).max() < 1e-12
