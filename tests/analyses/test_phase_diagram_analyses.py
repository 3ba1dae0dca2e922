"""The analyses of phase diagrams: published protocols, datasets that say what was run, boundaries beside them."""

import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pytest

import curlflow

SCRIPTS = (
    "fig3a_hidden_phase_diagram", "fig4_readout_phase_diagram", "fig6_tanh_hidden", "fig8_tanh_readout",
    "mixed_flips_error",
)  # fmt: skip


@pytest.fixture
def diagram(module):
    """Three ratios of equal widths, three fractions; updates with full batches, minibatches at every second value."""
    shared = module("phase_diagrams")
    runs = (shared.Runs("full_batch", 2), shared.Runs("minibatch", 1, every=2))
    return shared.Diagram(
        name="small", preset="fig4", ratios=(1.0, 1.05, 1.1), flips={"fraction": "hidden"}, epochs=20, records=5,
        runs=runs, published="another", floor=1e-20, fractions=(0.0, 0.5, 1.0), samples=5, total=13,
    )  # fmt: skip


@pytest.fixture
def given(tmp_path):
    """The options of a command line, with cells in a temporary folder."""
    return SimpleNamespace(directory=tmp_path, engine="serial")


@pytest.mark.slow
def test_a_dataset_has_what_was_run_and_no_more(module, diagram, given, tmp_path):
    shared = module("phase_diagrams")
    ds = shared.computed(diagram, given)
    assert ds.test_error.dims == ("dynamics", "c", "fraction", "realization")
    np.testing.assert_array_equal(ds.inputs, [6, 6, 6])
    np.testing.assert_array_equal(ds.hidden, [6, 6, 6])
    np.testing.assert_array_equal(ds.flipped, [[0, 3, 6]] * 3)
    full, mini = ds.sel(dynamics="full_batch"), ds.sel(dynamics="minibatch")
    assert full.test_error.notnull().all()
    assert mini.test_error.notnull().sum() == 4
    assert mini.test_error[::2, ::2, 0].notnull().all()
    assert (mini.status.where(mini.test_error.isnull(), 2) == 2).all()
    assert int((mini.cell_status == 0).sum()) == 4
    runs = json.loads(ds.attrs["runs"])
    assert [(run["cells"], run["realizations"], run["epochs"]) for run in runs] == [(9, 2, 20), (4, 1, 20)]
    assert {run["cells_of_grid"] for run in runs} == {9}
    # The cells are those of `train`, with the specs that the file names.
    spec = curlflow.Spec.from_json(json.dumps(json.loads(ds.attrs["specs"])["full_batch"]))
    spec = spec.replace({"network.inputs": 6, "network.hidden": 6, "teacher.width": 6, "rule.flipped.hidden": 0.5})
    alone = curlflow.train(spec, epochs=20, records=5)
    np.testing.assert_array_equal(full.test_error[2, 1], alone.test_error)
    ds = shared.linear(ds, diagram, given)
    assert ds.critical_fraction_finite.dims == ("dynamics", "c")
    assert ds.unstable_share.dims == ("dynamics", "c", "fraction")
    np.testing.assert_array_equal(ds.unstable_share[:, :, 0], 0)
    curlflow.plot.phase_diagram(curlflow.load(curlflow.save(ds, tmp_path / "a.nc")))


def test_one_kind_of_dynamics_is_no_dimension(module, diagram, given, tmp_path):
    shared = module("phase_diagrams")
    one = shared.replace(diagram, runs=(shared.Runs("minibatch", 1),), ratios=(1.0,), fractions=(0.0, 1.0))
    ds = shared.computed(one, given)
    assert ds.test_error.dims == ("c", "fraction", "realization")
    assert ds.dynamics.item() == "minibatch"
    # All units flipped: lost without doubt; none: it stays. Within 2 units of time nothing grows from 1e-15.
    short = shared.by_stability(ds, one, given)
    long = shared.by_stability(ds, shared.replace(one, epochs=100_000), given)
    for found in (short, long):
        np.testing.assert_array_equal(found.unstable_share, [[0, 1]])
    np.testing.assert_allclose(short.critical_fraction_finite, [np.nan])
    np.testing.assert_allclose(long.critical_fraction_finite, [0.5])


@pytest.mark.slow
def test_flows_without_flips_may_have_a_solver_of_their_own(module, diagram, given, tmp_path):
    shared = module("phase_diagrams")
    of_flow = dataclasses.replace(
        diagram,
        runs=(shared.Runs("flow", 1),),
        fractions=(0.0, 0.5),
        solver="rkc2",
        solver_at_zero={"fraction": "tsit5"},
    )
    ds = shared.computed(of_flow, given)
    (run,) = json.loads(ds.attrs["runs"])
    assert (run["solver"], run["solver_at_zero"]) == ("rkc2", {"fraction": "tsit5"})
    for k, solver in enumerate(("tsit5", "rkc2")):
        spec = of_flow.spec(of_flow.runs[0]).replace(
            {"network.inputs": 6, "network.hidden": 6, "teacher.width": 6, "rule.flipped.hidden": k / 2,
             "dynamics.solver": solver}
        )  # fmt: skip
        alone = curlflow.train(spec, epochs=20, records=5)
        np.testing.assert_array_equal(ds.test_error[0, k], alone.test_error)
    # Updates have no solver.
    assert "dynamics.solver" not in of_flow.over(1, "full_batch")["fraction"].changes[0]


@pytest.mark.slow
def test_a_dataset_grows_by_dynamics(module, diagram, given, tmp_path):
    shared = module("phase_diagrams")
    given.directory = tmp_path / "cells"
    order = ["full_batch", "minibatch"]
    small = shared.replace(diagram, ratios=(1.0, 1.1), fractions=(0.0, 1.0))
    parts = []
    for run in (shared.Runs("minibatch", 1), shared.Runs("full_batch", 2)):
        one = shared.replace(small, runs=(run,))
        parts.append(shared.linear(shared.computed(one, given), one, given))
    path = tmp_path / "a.nc"
    for part in parts:
        curlflow.save(shared.completed(part, path, order), path)
    both = shared.replace(small, runs=(shared.Runs("full_batch", 2), shared.Runs("minibatch", 1)))
    expected = shared.linear(shared.computed(both, given), both, given)
    found = curlflow.load(path)
    for name in expected.data_vars:
        np.testing.assert_array_equal(found[name], expected[name].transpose(*found[name].dims), err_msg=name)
        assert found[name].dtype == expected[name].dtype
    assert found.attrs.keys() == expected.attrs.keys()
    for name in ("runs", "specs", "commit"):
        assert found.attrs[name] == expected.attrs[name]
    # Again the same dynamics: they take the place of those that are there.
    again = shared.completed(parts[0], path, order)
    np.testing.assert_array_equal(again.test_error, found.test_error)
    with pytest.raises(ValueError, match=r"a.nc: c is not that of this diagram"):
        shared.completed(parts[0].assign_coords(c=[3.0, 4.0]).assign_coords(dynamics="flow"), path, order)


def test_crossings_are_interpolated(module):
    crossing = module("phase_diagrams").crossing
    shares = np.array([[0.0, 0.25, 0.75, 1.0], [0.5, 0.0, 0.0, 1.0], [0.0, 0.1, 0.2, 0.4], [0.0, 0.0, 0.0, 0.5]])
    np.testing.assert_allclose(crossing((0.0, 0.1, 0.2, 0.3), shares, 0.5), [0.15, 0.0, np.nan, 0.3])


@pytest.mark.parametrize(
    ("script", "name", "ratios", "epochs", "records", "activation", "start"),
    [
        (SCRIPTS[0], "fig3a", np.logspace(-1, 2, 20), 100_000, 100, "linear", "random"),
        (SCRIPTS[0], "fig3a_inset", np.linspace(0.1, 0.7, 20), 20_000, 100, "linear", "random"),
        (SCRIPTS[1], "fig4", np.logspace(-2, 1, 20), 100_000, 200, "linear", "teacher"),
        (SCRIPTS[2], "fig6a", np.logspace(-1, 2, 20), 100_000, 100, "tanh", "random"),
        (SCRIPTS[2], "fig6b", np.linspace(0.1, 0.7, 20), 100_000, 100, "tanh", "random"),
        (SCRIPTS[3], "fig8", np.logspace(-2, 1, 20), 100_000, 200, "tanh", "teacher"),
        (SCRIPTS[4], "mixed_flips_error", [0.1, 1, 10], 100_000, 200, "linear", "teacher"),
    ],
)
def test_protocols_are_the_published_ones(module, script, name, ratios, epochs, records, activation, start):
    # The table of docs/model.md.
    script = module(script)
    diagrams = getattr(script, "DIAGRAMS", None) or (script.DIAGRAM,)
    diagram = next(diagram for diagram in diagrams if diagram.name == name)
    np.testing.assert_allclose(diagram.ratios, ratios)
    np.testing.assert_allclose(diagram.fractions, np.arange(21) / 20)
    assert (diagram.epochs, diagram.records) == (epochs, records)
    coordinates = diagram.coordinates()
    np.testing.assert_array_equal(coordinates["inputs"][1], [int(220 / (1 + 1 / c)) for c in diagram.ratios])
    np.testing.assert_array_equal(coordinates["hidden"][1], [int(220 / (1 + c)) for c in diagram.ratios])
    for run in diagram.runs:
        spec = diagram.spec(run)
        assert (spec.network.activation, spec.network.output_activation) == (activation, activation)
        assert (spec.data.samples, spec.constraint.kind, spec.start.kind) == (250, "frobenius", start)
        assert (spec.rule.kind, spec.rule.gain, spec.teacher.law) == ("curl", -1, "uniform")
        assert spec.dynamics.kind == "flow" or spec.dynamics.learning_rate == 0.1
        if start == "teacher":
            assert (spec.start.offset.layer, spec.start.offset.value) == (1, 1e-15)


def test_with_flips_in_both_layers_runs_end_on_the_stable_states_of_rank_one():
    """docs/phase_diagrams.md: u ∝ −D1 Σ (ρ u − Vᵀ), by an iteration of its own."""
    spec = curlflow.preset("mixed").replace(
        {"network.inputs": 12, "network.hidden": 10, "teacher.width": 10, "realizations": 3,
         "rule.flipped.inputs": 0.5, "rule.flipped.hidden": 0.5}
    )  # fmt: skip
    ds = curlflow.train(spec, epochs=20_000)
    for i in range(3):
        problem = spec.build(realization=i)
        sigma, v = problem.covariance, np.asarray(problem.teacher.product())[0]
        rho = np.prod([np.linalg.norm(w) for w in problem.student.weights])
        d1 = np.where(np.arange(12) < 6, -1.0, 1.0)
        errors = []
        for sign in (1, -1):
            u = np.where(d1 < 0, sign * (sigma @ v), 0.0)
            for _ in range(20_000):
                u = u - 0.05 * d1 * (sigma @ (rho * u - v))
                u /= np.linalg.norm(u)
            errors.append(0.5 * (rho * u - v) @ sigma @ (rho * u - v))
        error = float(ds.train_error[i])
        assert error > 0.5 * v @ sigma @ v  # above that of a network of zeros
        assert min(abs(e / error - 1) for e in errors) < 1e-9
