"""Specs: round trips, replacement, presets, and a sentence for every mistake."""

import json
import re

import numpy as np
import pytest

import curlflow
from curlflow import Spec

pytestmark = pytest.mark.quick

NETWORK = {"inputs": 6, "hidden": 4}


def test_every_preset_loads_builds_its_widths_and_survives_round_trips():
    for name in curlflow.presets():
        spec = curlflow.preset(name)
        assert Spec.from_toml_string(spec.to_toml()) == spec
        assert Spec.from_json(spec.to_json()) == spec
        assert spec.build().student.widths == spec.widths


def test_presets_follow_the_published_widths():
    # N = int(220/(1+c)), M = int(220/(1+1/c)).
    for name, c in {"hidden_chaos": 0.5, "fig3a": 1.0, "fig3cd": 0.8, "fig4cd": 1.0, "fig6b": 0.4}.items():
        widths = curlflow.preset(name).widths
        assert widths == (int(220 / (1 + 1 / c)), int(220 / (1 + c)), 1)


def test_the_preset_of_the_main_job():
    spec = curlflow.preset("hidden_chaos")
    problem = spec.build()
    assert spec.realizations == 3
    assert problem.student.widths == (73, 146, 1)
    assert problem.rule.gains[0].tolist() == [[-1.0] * 21 + [1.0] * 52]
    np.testing.assert_allclose(np.linalg.norm(problem.teacher.weights[0]) ** 2, 146)
    np.testing.assert_allclose(np.linalg.norm(problem.teacher.weights[1]), 1)
    offset = problem.student.weights[1] - problem.teacher.weights[1]
    np.testing.assert_allclose(offset, 1e-10, rtol=1e-5)
    assert (problem.student.weights[0] == problem.teacher.weights[0]).all()


def test_files(tmp_path):
    path = tmp_path / "my.toml"
    spec = curlflow.preset("fig5c")
    path.write_text(spec.to_toml())
    assert Spec.from_toml(path) == spec
    with pytest.raises(ValueError, match=r"none.toml: cannot be read as a spec: No such file"):
        Spec.from_toml(tmp_path / "none.toml")
    path.write_text("seed = = 1")
    with pytest.raises(ValueError, match=r"my.toml: no valid TOML: Invalid value \(at line 1"):
        Spec.from_toml(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="UTF-8 text is required"):
        Spec.from_toml(path)


def test_replace_keeps_what_the_new_kind_has():
    spec = curlflow.preset("hidden_chaos")
    updates = spec.replace("dynamics.kind", "updates")
    assert updates.dynamics.model_dump() == {"kind": "updates", "learning_rate": 0.1, "batch": "full"}
    aligned = spec.replace({"rule.kind": "feedback_alignment", "rule.gain": -0.5})
    assert aligned.rule.flipped.inputs == 0.3
    assert aligned.rule.gain == -0.5
    assert aligned.rule.scale == 1.0
    assert spec.replace("rule.kind", "gradient").rule.model_dump() == {"kind": "gradient"}
    assert spec.replace("rule.flipped.inputs", 0.6).rule.flipped.inputs == 0.6
    assert spec.rule.flipped.inputs == 0.3
    with pytest.raises(ValueError, match="frozen"):
        spec.seed = 3


def test_numbers_of_numpy_are_numbers():
    spec = Spec(network={"inputs": np.int64(6), "hidden": np.array([4, 3])}, seed=np.int32(2))
    assert spec == Spec(network={"inputs": 6, "hidden": [4, 3]}, seed=2)
    assert spec.replace("data.input_std", np.float64(0.5)).data.input_std == 0.5


def test_schema_describes_every_field():
    schema = Spec.model_json_schema()
    json.dumps(schema)
    for table in [schema, *schema["$defs"].values()]:
        for name, field in table.get("properties", {}).items():
            assert name == "kind" or field.get("description"), f"{table.get('title')}.{name} is not described"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"network.hiden": 3}, "network.hiden: unknown field; did you mean network.hidden?"),
        ({"netwrk.hidden": 3}, "netwrk.hidden: unknown field; did you mean network?"),
        ({"seeds": 3}, "seeds: unknown field; did you mean seed?"),
        ({"network.inputs": 0}, "network.inputs: got 0; input should be greater than or equal to 1."),
        ({"network.hidden": [3, 0]}, "network.hidden: got [3, 0]; allowed is a whole number of at least 1"),
        ({"network.inputs": 2.5}, "network.inputs: got 2.5; input should be a valid integer"),
        ({"network.activation": "gelu"}, "network.activation: got 'gelu'; input should be 'linear', 'tanh', 'relu' or"),
        ({"rule.kind": "curl", "rule.flipped": {"inputs": 1.5}}, "rule.flipped.inputs: got 1.5; allowed is a fraction"),
        ({"rule.kind": "curl", "rule.flipped": {"inputs": -0.1}}, "rule.flipped.inputs: got -0.1; allowed"),
        ({"rule.kind": "curl", "rule.flipped": {"inputs": {"cnt": 1}}}, "rule.flipped.inputs: got {'cnt': 1}; allowed"),
        ({"rule.kind": "curl", "rule.flipped": {"hidden": [0.1, 0.2]}}, "rule.flipped.hidden: got a list of 2, required"),
        ({"rule.kind": "curl", "rule.flipped": {"outputs": 1.0}}, "rule.flipped.outputs: got 1.0, but outputs are on no"),
        ({"rule.kind": "crul"}, "rule.kind: got 'crul', allowed are gradient, curl, feedback_alignment, predictive_coding,"),
        ({"rule": {}}, "rule.kind: required, but not given; allowed are gradient"),
        ({"start": {"scale": 2.0}}, "start.kind: required, but not given; allowed are random, teacher."),
        ({"network.hidden": [], "rule.kind": "curl", "rule.flipped": {"hidden": {"count": 1}}}, "rule.flipped.hidden: got"),
        ({"rule.kind": "gradient", "rule.gain": 2.0}, "rule.gain: got 2.0, but the kind of rule that was chosen has no"),
        ({"dynamics": {"kind": "updates", "solver": "rkc2"}}, 'leave it out, or choose dynamics.kind = "flow".'),
        ({"dynamics": {"kind": "flow", "batch": 4}}, 'leave it out, or choose dynamics.kind = "updates" or "sde".'),
        ({"start.kind": "random", "start.offset": {"layer": 1, "value": 1.0}}, "start.offset: got {'layer': 1, 'value'"),
        ({"start.kind": "teacher", "teacher.width": 5}, "teacher.width: got hidden widths [5]; a start at the teacher's"),
        ({"start": {"kind": "teacher", "offset": {"layer": 3, "value": 1.0}}}, "start.offset.layer: got 3, allowed is 1"),
        ({"data.samples": 0}, "data.samples: got 0"),
        ({"data.samples": "all"}, "data.samples: got \"all\""),
        ({"data.samples": "population", "network.activation": "tanh"}, 'data.samples: got "population", which needs'),
        ({"data.samples": "population", "dynamics": {"kind": "updates", "batch": 2}}, 'data.samples: got "population"'),
        ({"dynamics": {"kind": "updates", "batch": 7}}, "dynamics.batch: got 7, allowed is a divisor of data.samples"),
        ({"dynamics.rtol": float("nan")}, "dynamics.rtol: got nan"),
        ({"dynamics.rtol": -1.0}, "dynamics.rtol: got -1.0"),
        ({"dynamics.solver": "rk45"}, "dynamics.solver: got 'rk45'"),
        ({"realizations": 0}, "realizations: got 0"),
        ({"teacher.scale": 0.0}, "teacher.scale: got 0.0"),
    ],
)  # fmt: skip
def test_mistakes_are_named(change, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Spec(network=NETWORK).replace(change)


def test_missing_tables_are_named():
    with pytest.raises(ValueError, match=r"network: required, but not given\."):
        Spec()
    with pytest.raises(ValueError, match=r"network.hidden: required, but not given\."):
        Spec(network={"inputs": 3})


def test_misspelt_presets_suggest_the_nearest():
    with pytest.raises(ValueError, match="preset: got 'hiden_chaos'; did you mean hidden_chaos?"):
        curlflow.preset("hiden_chaos")
