"""`dynamics.layer_rates`: gains of whole layers, beside those of rules and graphs, in all dynamics."""

import dataclasses

import equinox as eqx
import numpy as np
import pytest
import reference

import curlflow
from curlflow import Axis, Spec
from curlflow.rules import Gradient, SignFlipped

RATES = [0.5, 2.0]
NETWORK, DATA = {"inputs": 4, "hidden": 3}, {"samples": 6, "test_samples": 2}
SPEC = Spec(network=NETWORK, data=DATA, constraint={"kind": "frobenius"})
KINDS = {
    "flow": {"kind": "flow"},
    "full": {"kind": "updates"},
    "minibatch": {"kind": "updates", "batch": 3},
    "sde": {"kind": "sde", "batch": 3},
}
FLIPS = {"inputs": 0.5, "hidden": {"count": 1}}


def slowed(spec, rates=RATES):
    return spec.replace("dynamics.layer_rates", rates)


@pytest.mark.quick
@pytest.mark.parametrize("dynamics", KINDS.values(), ids=KINDS)
def test_they_are_written_only_where_they_are_given(dynamics):
    plain = SPEC.replace("dynamics", dynamics)
    spec = slowed(plain)
    assert "layer_rates" not in plain.to_json() + plain.to_toml()
    assert Spec.from_json(spec.to_json()) == Spec.from_toml_string(spec.to_toml()) == spec != plain
    assert slowed(spec, None) == plain
    assert spec.replace("dynamics.kind", "flow").dynamics.layer_rates == (0.5, 2.0)


@pytest.mark.parametrize("batch", ["full", 3])
@pytest.mark.parametrize("activation", ["linear", "tanh"])
def test_updates_are_those_of_a_plain_loop(activation, batch):
    network = {"network.activation": activation, "network.output_activation": activation}
    spec = SPEC.replace({**network, "dynamics": {"kind": "updates", "batch": batch}})
    spec = slowed(spec.replace("rule", {"kind": "curl", "flipped": FLIPS}))
    problem, ends = spec.build(), curlflow.simulate(spec, times=[0, 3], weights="all").weights.to_numpy()[0, -1]
    batches = np.concatenate([problem.batches(epoch) for epoch in range(3)])
    d1, d2 = 0.5 * np.array([[-1, -1, 1, 1]]), 2.0 * np.array([[-1, 1, 1]])
    data = problem.x_train, problem.y_train
    rate = 0.1 * (1 if batch == "full" else 0.5)
    loop = reference.two_layer_updates(*problem.student.weights, batches, *data, d1, d2, rate, True, activation)
    np.testing.assert_allclose(ends, np.concatenate([w.ravel() for w in loop]), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("kind", ["gradient", "curl", "feedback_alignment", "predictive_coding", "oja", "sanger"])
def test_every_rule_has_its_layers_multiplied(kind):
    rule = {"kind": kind} if kind == "gradient" else {"kind": kind, "flipped": FLIPS}
    plain = SPEC.replace("rule", rule).build()
    rated = slowed(plain.spec).build()
    wholes, parts = (p.rule.velocity(p.student, p.samples).weights for p in (plain, rated))
    for rate, whole, part in zip(RATES, wholes, parts, strict=True):
        np.testing.assert_allclose(part, rate * whole, rtol=1e-14)
    assert not isinstance(rated.rule.rule, SignFlipped)


@pytest.mark.parametrize("dynamics", KINDS.values(), ids=KINDS)
def test_they_equal_gains_around_the_rule(dynamics):
    spec = SPEC.replace("dynamics", dynamics)
    rule = SignFlipped(Gradient(), [np.full((1, width), rate) for width, rate in zip((4, 3), RATES, strict=True)])
    one, other = (
        curlflow.simulate(slowed(spec), times=[0, 2], weights="all"),
        curlflow.simulate(spec, times=[0, 2], weights="all", rule=rule),
    )
    np.testing.assert_array_equal(one.weights, other.weights)
    assert slowed(spec).build(rule=rule).rule.gains[1].tolist() == [[4.0] * 3]


def test_fast_updates_stay_fast():
    spec = SPEC.replace({"dynamics.kind": "updates", "rule": {"kind": "curl", "flipped": FLIPS}})
    assert eqx.tree_equal(*(type(p.build().updates().iterate).__name__ for p in (spec, slowed(spec))))
    assert slowed(spec).build().updates().iterate is not None


def test_critical_learning_rates_are_scaled():
    spec = SPEC.replace({"dynamics.kind": "updates", "constraint.kind": "none"})
    rates = [curlflow.stability(s).critical_learning_rate.item() for s in (spec, slowed(spec, [2.5, 2.5]))]
    assert rates[1] == pytest.approx(rates[0] / 2.5, rel=1e-9)
    uneven = slowed(spec).build()
    (w1, w2), x = uneven.teacher.weights, uneven.x_train
    critical = curlflow.stability(slowed(spec)).critical_learning_rate.item()
    jacobian = np.concatenate([np.sqrt(0.5) * np.kron(w2, x.T), np.sqrt(2.0) * (w1 @ x).T], axis=1)
    expected = 2 / np.linalg.eigvalsh(jacobian @ jacobian.T / x.shape[1]).max()
    assert critical == pytest.approx(expected, rel=1e-9)


def test_signs_of_graphs_are_multiplied_and_read_back():
    graph = SPEC.replace("rule", {"kind": "curl", "flipped": FLIPS}).build().graph()
    problem = slowed(SPEC).build(graph=graph)
    assert [g.ravel().tolist() for g in problem.rule.gains] == [[-0.5, -0.5, 0.5, 0.5], [-2.0, 2.0, 2.0]]
    again = slowed(SPEC).build(graph=problem.graph())
    assert eqx.tree_equal(again.rule, problem.rule)


def test_two_axes_set_an_entry_each():
    over = {"dynamics.layer_rates[0]": [0.5, 1.0], "readout": Axis("dynamics.layer_rates[1]", [1.0, 2.0, 3.0])}
    spec = slowed(SPEC.replace("dynamics.kind", "updates"))
    ds = curlflow.sweep(spec, over, "simulate", {"times": [0, 2]}, engine="serial")
    assert ds.train_error.dims[:2] == ("layer_rates_0", "readout")
    one = curlflow.simulate(slowed(spec, [0.5, 3.0]), times=[0, 2])
    np.testing.assert_allclose(ds.train_error.to_numpy()[0, 2], one.train_error, rtol=1e-12)
    for both in (["dynamics.layer_rates"], ["dynamics.layer_rates[0]", "dynamics"]):
        axes = {f"a{i}": Axis(["x"], changes=[{field: 1.0}]) for i, field in enumerate(both)}
        with pytest.raises(ValueError, match="both set dynamics.layer_rates"):
            curlflow.sweep(spec, {"b": Axis("dynamics.layer_rates[0]", [1.0]), **axes}, "simulate", engine="serial")


@pytest.mark.quick
@pytest.mark.parametrize(
    ("rates", "sentence"),
    [
        ([1.0], "layer_rates: got 1 factors, required is one for each of the 2 layers"),
        ([1.0, 0.0], r"layer_rates.1: got 0.0; input should be greater than 0"),
        ([-1.0, 1.0], r"layer_rates.0: got -1.0; input should be greater than 0"),
        (2.0, "layer_rates: got 2.0; input should be a valid tuple"),
    ],
)
def test_mistakes_are_said_in_a_sentence(rates, sentence):
    with pytest.raises(ValueError, match=f"^dynamics.{sentence}"):
        slowed(SPEC, rates)


@pytest.mark.quick
@pytest.mark.parametrize("field", ["[2]", "[-1]", "[0", "[a]"])
def test_entries_that_are_not_there_are_refused(field):
    with pytest.raises(ValueError, match=r"no such entry, counted from 0; dynamics.layer_rates is \(0.5, 2.0\)"):
        slowed(SPEC).replace(f"dynamics.layer_rates{field}", 1.0)
    with pytest.raises(ValueError, match="dynamics.layer_rates is None"):
        SPEC.replace("dynamics.layer_rates[0]", 1.0)


def test_where_they_would_be_lost_they_are_refused():
    with pytest.raises(ValueError, match="a model of your own has no layers that are known"):
        curlflow.Experiment(
            model=(lambda w, x: w @ x, np.ones((1, 2))),
            data=curlflow.Data(np.ones((3, 2)), np.ones((3, 1))),
            dynamics={"kind": "flow", "layer_rates": [1.0]},
        )
    problem = SPEC.build()
    with pytest.raises(ValueError, match="spec: its layer_rates"):
        dataclasses.replace(problem, spec=slowed(SPEC))
