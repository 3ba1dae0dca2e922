"""The fast flow of linear networks on spheres against diffrax on the whole matrices."""

import equinox as eqx
import numpy as np
import pytest

import curlflow
from curlflow import Spec, Status
from curlflow.precision import double_precision
from curlflow.systems.fast import rank_one_flow

SPEC = Spec(
    network={"inputs": 9, "hidden": 7}, data={"samples": 30}, seed=3,
    rule={"kind": "curl", "flipped": {"inputs": 0.34, "hidden": {"indices": [1, 4]}}},
    constraint={"kind": "frobenius"},
)  # fmt: skip


@pytest.fixture(autouse=True)
def _small_networks_too(monkeypatch):
    monkeypatch.setattr(rank_one_flow, "LEAST", 0)


def advanced(flow, span, clock=None):
    return flow.advance(flow.state, None, np.float64(span), clock or flow.clock())


def plain(flow):
    return eqx.tree_at(lambda f: f.integrate, flow, None)


@pytest.mark.parametrize("rule", ["gradient", "curl"])
@pytest.mark.parametrize("solver", ["tsit5", "dopri5", "dopri8", "bosh3"])
@double_precision
def test_equals_diffrax(solver, rule):
    spec = SPEC.replace({"rule.kind": rule})
    flow = spec.build().flow(solver=solver, rtol=1e-9 if solver == "bosh3" else 1e-11, atol=1e-13)
    assert flow.integrate is not None
    fast, slow = advanced(flow, 8.0), advanced(plain(flow), 8.0)
    assert int(fast.status) == Status.completed
    for a, b in zip(fast.state.weights, slow.state.weights, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-7 if solver == "bosh3" else 1e-9)
    np.testing.assert_allclose(np.linalg.norm(fast.state.weights[0]), flow.constraint.radii[0], rtol=1e-14)


@double_precision
def test_error_is_proportional_to_the_tolerance():
    exact = advanced(SPEC.build().flow(rtol=1e-13, atol=1e-15), 20.0).state.weights[0]
    errors = []
    for rtol in (1e-4, 1e-6, 1e-8):
        found = advanced(SPEC.build().flow(rtol=rtol, atol=1e-3 * rtol), 20.0).state.weights[0]
        errors.append(float(np.abs(found - exact).max()))
    assert errors[0] < 1e-2
    # Proportional within a factor of ten over each hundredfold change.
    assert all(10 < a / b < 1000 for a, b in zip(errors, errors[1:], strict=False))


@double_precision
def test_spans_add_up():
    flow = SPEC.build().flow(rtol=1e-10, atol=1e-13)
    whole, state, clock = advanced(flow, 9.0), flow.state, flow.clock()
    for span in (0.5, 4.0, 4.5):
        part = flow.advance(state, None, np.float64(span), clock)
        state, clock = part.state, part.clock
    np.testing.assert_allclose(state.weights[0], whole.state.weights[0], atol=1e-8)
    assert float(clock.position) == 9.0
    assert float(clock.step) > 0.1


@double_precision
def test_a_solution_stays_within_the_tolerance():
    spec = SPEC.replace({"rule": {"kind": "gradient"}, "start": {"kind": "teacher"}})
    flow = spec.build().flow()
    end = advanced(flow, 1000.0)
    assert int(end.status) == Status.completed
    np.testing.assert_allclose(end.state.weights[0], flow.state.weights[0], atol=1e-6)


@double_precision
def test_too_many_steps_and_nan_are_a_status():
    flow = SPEC.build().flow()
    few = eqx.tree_at(lambda f: f.integrator, flow, flow.integrator.__class__(max_steps=3))
    assert int(advanced(few, 50.0).status) == Status.max_steps_reached
    broken = flow.state.with_weights(w * np.nan for w in flow.state.weights)
    assert int(flow.advance(broken, None, np.float64(1.0), flow.clock()).status) == Status.diverged


def test_only_where_it_holds():
    for change in (
        {"constraint.kind": "none"},
        {"network.outputs": 2},
        {"network.activation": "tanh"},
        {"rule": {"kind": "curl", "side": "postsynaptic", "flipped": {"hidden": 0.3}}},
        {"dynamics.solver": "kvaerno5"},
        {"rule": {"kind": "feedback_alignment"}},
    ):
        assert SPEC.replace(change).build().flow().integrate is None, change


def with_tangents(flow, span, vectors=4, seed=0):
    rng = np.random.default_rng(seed)
    random = [rng.normal(size=(vectors, *w.shape)) for w in flow.state.weights]
    tangents = flow.project(flow.state, eqx.tree_at(lambda s: s.weights, flow.state, tuple(random)))
    return flow.advance(flow.state, tangents, np.float64(span), flow.clock())


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"rule": {"kind": "gradient"}},
        {"network.hidden": 12, "rule.flipped": {"inputs": 1.0}},
        {"rule.flipped": {"hidden": 0.5}, "rule.gain": -0.4},
        {"data.samples": "population"},
        {"start": {"kind": "teacher"}},
    ],
)
@double_precision
def test_tangents_are_those_of_the_usual_method(change):
    spec = SPEC.replace(change)
    exact = with_tangents(spec.build().flow(solver="tsit5", rtol=1e-12, atol=1e-14), 4.0)
    flow = spec.build().flow(solver="auto", rtol=1e-10, atol=1e-12)
    assert flow.stabilised
    found = with_tangents(flow, 4.0)
    assert int(found.status) == Status.completed
    for a, b in zip(found.state.weights, exact.state.weights, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    for a, b in zip(found.tangents.weights, exact.tangents.weights, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6 * float(np.abs(b).max()))


@double_precision
def test_errors_of_tangents_follow_their_tolerance():
    """It is of third order in the step, and bounds the error of a step that is measured."""
    exact = with_tangents(SPEC.build().flow(solver="tsit5", rtol=1e-12, atol=1e-14), 10.0).tangents.weights[0]
    errors = []
    for rtol in (1e-5, 1e-7, 1e-9):
        found = with_tangents(SPEC.build().flow(solver="auto", rtol=rtol, atol=1e-3 * rtol), 10.0).tangents.weights[0]
        errors.append(float(np.linalg.norm(found - exact) / np.linalg.norm(exact)))
    assert errors[0] < 1e-3
    # The global error falls as the tolerance to the power ⅔: by 21 for each hundredfold change.
    assert all(8 < a / b < 60 for a, b in zip(errors, errors[1:], strict=False))


@double_precision
def test_tangents_where_the_network_is_too_stiff_for_long_steps():
    """The step is limited by stability at 0.65 (s² − 1)/ρ, which the error estimate finds by itself."""
    flow = SPEC.replace({"teacher.scale": 6.0}).build().flow(solver="auto", rtol=1e-4, atol=1e-7)
    end = with_tangents(flow, 40.0)
    assert int(end.status) == Status.completed
    norms = [np.linalg.norm(w) for w in end.state.weights]
    np.testing.assert_allclose(norms, flow.constraint.radii, rtol=1e-12)
    inner = [np.sum(v * w, axis=(1, 2)) for v, w in zip(end.tangents.weights, end.state.weights, strict=True)]
    np.testing.assert_allclose(inner, 0, atol=1e-10 * max(np.abs(v).max() for v in end.tangents.weights))


def test_solvers_by_name_are_obeyed():
    flow = SPEC.build().flow()
    assert flow.stabilised
    assert flow.label == "tsit5, rkc2 with tangents"
    for change in ({"dynamics.solver": "tsit5"}, {"dynamics.solver": "dopri8"}, {"network.activation": "tanh"}):
        assert not SPEC.replace(change).build().flow().stabilised, change
    assert SPEC.replace("network.activation", "tanh").build().flow().label == "tsit5"


@pytest.mark.slow
def test_exponents_are_those_of_the_usual_method():
    options = {"exponents": 3, "duration": 400, "transient": 200, "alignment": 50}
    found = [curlflow.lyapunov(SPEC.replace("dynamics.solver", name), **options) for name in ("auto", "tsit5")]
    assert [ds.attrs["method"] for ds in found] == ["tsit5, rkc2 with tangents", "tsit5"]
    error = np.hypot(*(ds.lyapunov_exponent_se for ds in found))
    assert np.all(np.abs(found[0].lyapunov_exponent - found[1].lyapunov_exponent) <= 4 * error)
