"""The table `optimizer` of a spec: written only where there is one, and a sentence for every mistake."""

import equinox as eqx
import pytest

import curlflow
from curlflow import Spec
from curlflow.optimizers import Adam, Momentum, Nesterov, RMSprop

pytestmark = pytest.mark.quick

NETWORK = {"inputs": 6, "hidden": 4}
UPDATES = {"network": NETWORK, "dynamics": {"kind": "updates"}}


def test_plain_updates_are_not_written():
    plain = Spec(**UPDATES)
    for spec in (plain, Spec(**UPDATES, optimizer={"kind": "none"}), plain.replace("optimizer.kind", "none")):
        assert "optimizer" not in spec.to_json()
        assert "optimizer" not in spec.to_toml()
        assert "optimizer" not in spec.model_dump()
        assert spec == plain
    assert spec.build().optimizer is None


@pytest.mark.parametrize(
    ("table", "built"),
    [
        ({"kind": "momentum"}, Momentum(0.9)),
        ({"kind": "nesterov", "momentum": 0.5, "weight_decay": 0.1}, Nesterov(0.5, 0.1)),
        ({"kind": "adam", "beta2": 0.99}, Adam(0.9, 0.99)),
        ({"kind": "rmsprop", "epsilon": 1e-3}, RMSprop(epsilon=1e-3)),
    ],
)
def test_others_survive_round_trips_and_are_built(table, built):
    spec = Spec(**UPDATES, optimizer=table)
    assert Spec.from_json(spec.to_json()) == Spec.from_toml_string(spec.to_toml()) == spec
    assert Spec(**UPDATES).replace("optimizer", table) == spec
    assert eqx.tree_equal(spec.build().optimizer, built)


def test_fields_are_replaced_one_by_one():
    spec = Spec(**UPDATES).replace({"optimizer.kind": "adam", "optimizer.beta1": 0.5})
    assert spec.optimizer.beta1 == 0.5
    # What the new kind has is kept.
    assert spec.replace("optimizer.kind", "rmsprop").optimizer.beta2 == 0.999
    assert spec.replace("optimizer.kind", "none") == Spec(**UPDATES)


@pytest.mark.parametrize(
    ("optimizer", "dynamics", "sentence"),
    [
        ({"kind": "sgd"}, {}, "optimizer.kind: got 'sgd', allowed are none, momentum, nesterov, adam, rmsprop."),
        ({"momentum": 0.9}, {}, "optimizer.kind: required, but not given"),
        ({"kind": "momentum", "momentum": 1.0}, {}, "optimizer.momentum: got 1.0; input should be less than 1"),
        ({"kind": "adam", "epsilon": 0.0}, {}, "optimizer.epsilon: got 0.0; input should be greater than 0"),
        ({"kind": "adam", "weight_decay": -1.0}, {}, "optimizer.weight_decay: got -1.0; input should be greater"),
        ({"kind": "adam", "momentum": 0.9}, {}, 'or choose optimizer.kind = "momentum" or "nesterov".'),
        ({"kind": "adam"}, {"kind": "sde", "batch": 10}, 'optimizer.kind: got "adam", but dynamics.kind is "sde"'),
        ({"kind": "nesterov"}, {"kind": "flow"}, 'optimizer.kind: got "nesterov", of which no flow is known'),
    ],
)
def test_a_sentence_for_every_mistake(optimizer, dynamics, sentence):
    with pytest.raises(ValueError, match=sentence):
        Spec(network=NETWORK, optimizer=optimizer, dynamics={"kind": "updates"} | dynamics)


def test_without_an_optimizer_there_is_nothing_to_replace():
    with pytest.raises(ValueError, match="optimizer.momentum: got 0.5, but the kind of optimizer that was chosen"):
        Spec(**UPDATES).replace("optimizer.momentum", 0.5)


def test_presets_are_plain():
    assert all(curlflow.preset(name).optimizer.kind == "none" for name in curlflow.presets())
