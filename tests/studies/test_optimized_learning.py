"""Studies of learning with an optimizer see the network, and leave out what holds for plain updates only."""

import dataclasses

import numpy as np
import pytest

import curlflow
from curlflow.networks import Feedforward
from curlflow.optimizers import Momentum
from curlflow.precision import jax_settings
from curlflow.rules import Gradient, SignFlipped
from curlflow.studies.train.records import TrainingRun
from curlflow.studies.train.starts import prepared

SPEC = curlflow.Spec(
    network={"inputs": 3, "hidden": 4},
    data={"samples": 20},
    rule={"kind": "curl", "flipped": {"hidden": {"count": 1}}},
    constraint={"kind": "frobenius"},
    dynamics={"kind": "updates", "learning_rate": 0.01},
    optimizer={"kind": "momentum", "momentum": 0.8},
)
ADAM = SPEC.replace("optimizer", {"kind": "adam"})


def trained_by_hand(spec, epochs):
    """The network after so many epochs, from the map alone."""
    system = spec.build().system()
    with jax_settings():
        network = system.advance(system.state, None, np.int64(epochs), system.clock()).state.network
    return network.with_weights(np.asarray(w) for w in network.weights)


@pytest.mark.parametrize("spec", [SPEC, ADAM], ids=["momentum", "adam"])
def test_errors_and_weights_are_those_of_the_network(spec):
    ds = curlflow.simulate(spec, times=[0, 30], weights="all")
    problem, network = spec.build(), trained_by_hand(spec, 30)
    flat = np.concatenate([np.ravel(w) for w in network.weights])
    np.testing.assert_allclose(ds.weights[0, 1], flat, rtol=1e-10)
    expected = 0.5 * np.mean(np.sum((network(problem.x_test) - problem.y_test) ** 2, axis=0))
    np.testing.assert_allclose(ds.test_error[0, 1], expected, rtol=1e-9)
    trained = curlflow.train(spec, epochs=30, records=4)
    np.testing.assert_allclose(trained.test_error[0], expected, rtol=1e-9)
    assert trained.stopped_by == 0


def test_training_with_momentum_ends_where_the_whole_state_repeats():
    # The same network would repeat while its momentum still moves; the linearised rule is never asked.
    spec = SPEC.replace({"rule": {"kind": "gradient"}, "dynamics.learning_rate": 0.05, "optimizer.momentum": 0.5})
    ds = curlflow.train(spec, epochs=30_000)
    assert ds.stopped_by.attrs["flag_meanings"].split()[int(ds.stopped_by[0])] == "repeated"
    assert float(ds.train_error[0]) < 1e-25
    assert int(ds.stop_epoch[0]) < 30_000


def test_a_start_at_the_teacher_is_stepped_in_plain_weights():
    spec = SPEC.replace("start", {"kind": "teacher", "offset": {"layer": 1, "value": 1e-10}})
    run = TrainingRun.of(0, *prepared(spec.build(), True))
    assert run.reference is None
    assert isinstance(run.network, Feedforward)
    assert prepared(spec.replace("optimizer", {"kind": "none"}).build(), True)[1] is not None


def test_networks_are_not_compressed():
    wide = SPEC.replace("network.hidden", 30)
    assert wide.build().compressed().compression is None
    assert "compression" not in curlflow.simulate(wide, times=[0, 1]).attrs


def test_momentum_converges_sooner():
    plain, momentum = (
        curlflow.convergence(spec, rules=["curl"], epochs=2000, records=30, error="train")
        for spec in (SPEC.replace("optimizer", {"kind": "none"}), SPEC)
    )
    # W′ = F/(1 − β) in the limit of small steps.
    np.testing.assert_allclose(momentum.convergence_time * 5, plain.convergence_time, rtol=0.15)


def test_fluctuations_are_those_of_the_weights():
    window = {"window": (20, 60), "weights": 16, "components": 2}
    seen = curlflow.fluctuations(ADAM, **window)
    recorded = curlflow.simulate(ADAM, times=np.arange(61), weights="all")
    again = curlflow.fluctuations(recorded, **window)
    for name in ("order_parameter", "autocorrelation", "explained_variance_ratio"):
        if name in seen:
            np.testing.assert_allclose(seen[name], again[name], rtol=1e-6, atol=1e-9)


def test_verdicts_are_about_the_network():
    ds = curlflow.classify(SPEC, transient=2, duration=8)
    assert ds.rank_ratio.sizes["layer"] == 2
    network = trained_by_hand(SPEC, 1000)
    values = np.linalg.svd(np.asarray(network.weights[0]), compute_uv=False)
    np.testing.assert_allclose(ds.rank_ratio[0, 0], values[1] / values[0], rtol=0.05)


def test_covariant_vectors_have_no_shares_of_synapses():
    ds = curlflow.covariant_vectors(ADAM, transient=0.1, duration=0.4, alignment=0.1, exponents=2)
    assert "layer_share" not in ds
    assert ds.status == 0


def test_decompositions_are_about_the_rule():
    for kind in ("momentum", "nesterov"):
        with_optimizer = curlflow.decomposition(SPEC.replace("optimizer", {"kind": kind}), at="start")
        plain = curlflow.decomposition(SPEC.replace("optimizer", {"kind": "none"}), at="start")
        np.testing.assert_allclose(with_optimizer.curl_ratio, plain.curl_ratio, rtol=1e-12)


def test_stability_follows_the_optimizer():
    plain = SPEC.replace(
        {"optimizer": {"kind": "none"}, "constraint": {"kind": "none"}, "rule": {"kind": "gradient"}}
    )
    found = {}
    for name, table in {"none": {"kind": "none"}, "heavy": {"kind": "momentum", "momentum": 0.5}}.items():
        spec = plain.replace("optimizer", table)
        found[name] = float(curlflow.stability(spec).critical_learning_rate[0])
        for factor, stable in ((0.99, True), (1.01, False)):
            study = curlflow.stability(spec.replace("dynamics.learning_rate", factor * found[name]))
            assert bool(study.stable) == stable
            # The map itself, from its own Jacobian; neutral directions stay where they are.
            map_ = spec.replace("dynamics.learning_rate", factor * found[name]).build()
            map_ = dataclasses.replace(map_, student=map_.teacher).updates()
            assert (float(curlflow.stability(map_).leading_real_part[0]) < 1e-9) == stable
    np.testing.assert_allclose(found["heavy"] / found["none"], 1.5)  # 2(1 + β)/λ


def test_flows_of_optimizers_run():
    spec = SPEC.replace("dynamics.kind", "flow")
    ds = curlflow.simulate(spec, times=[0, 40])
    assert ds.status == 0
    assert ds.train_error[0, 1] < 1e-3 * ds.train_error[0, 0]
    plain, heavy = (
        curlflow.stability(spec.replace({"rule": {"kind": "gradient"}, "optimizer": table}))
        for table in ({"kind": "none"}, {"kind": "momentum"})
    )
    assert bool(plain.stable[0])
    assert bool(heavy.stable[0])
    np.testing.assert_allclose(heavy.critical_learning_rate, 1.9 * plain.critical_learning_rate)


def test_a_sweep_over_the_momentum():
    ds = curlflow.sweep(
        SPEC,
        over={"optimizer.momentum": [0.0, 0.8]},
        study="train",
        options={"epochs": 20, "records": 3},
        engine="serial",
    )
    plain = curlflow.train(SPEC.replace("optimizer", {"kind": "none"}), epochs=20, records=3)
    np.testing.assert_allclose(ds.train_error.sel(momentum=0.0).squeeze(), plain.train_error.squeeze(), rtol=1e-9)
    assert (ds.train_error.sel(momentum=0.8) < ds.train_error.sel(momentum=0.0)).all()


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: curlflow.step_sizes(SPEC), 'optimizer.kind: got "momentum"; step sizes are compared with the flow'),
        (
            lambda: curlflow.lyapunov(SPEC, transverse=True),
            "transverse: with an optimizer, whose memory turns as well",
        ),
        (
            lambda: curlflow.stability(SPEC.replace("optimizer.weight_decay", 0.1)),
            "optimizer.weight_decay: got 0.1, with which no solution is a fixed point",
        ),
    ],
)
def test_what_holds_for_plain_updates_only_is_refused(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()


def test_layers_learn_at_rates_of_their_own_by_gains():
    # With momentum the increments of a layer are those of another learning rate.
    rule = SignFlipped(Gradient(), [np.full((1, 1), 1.0), np.full((1, 1), 0.1)])
    problem = SPEC.replace({"constraint.kind": "none", "rule": {"kind": "gradient"}}).build(rule=rule)
    own, plain = (
        p.updates(optimizer=Momentum(0.8)) for p in (problem, dataclasses.replace(problem, rule=Gradient()))
    )
    with jax_settings():
        own, plain = (s.advance(s.state, None, np.int64(1), s.clock()).state.network.weights for s in (own, plain))
        for factor, a, b, start in zip((1.0, 0.1), own, plain, problem.student.weights, strict=True):
            np.testing.assert_allclose(np.asarray(a) - start, factor * (np.asarray(b) - start), rtol=1e-10)


def test_only_optimizers_are_taken():
    with pytest.raises(ValueError, match="optimizer: got 'adam', required is one of curlflow.optimizers"):
        SPEC.build().updates(optimizer="adam")
