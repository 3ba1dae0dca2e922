"""How learning ends: against curves without early stops, and cases whose end is known."""

from typing import Any

import numpy as np
import pytest

import curlflow
from curlflow import Spec, Status
from curlflow.precision import double_precision
from curlflow.studies.train import batches as training_batches
from curlflow.studies.train import runs as training_runs
from curlflow.studies.train import study as training
from curlflow.studies.train.records import Plan, Stop, TrainingRun, recorded_epochs
from curlflow.studies.train.runs import advanced
from curlflow.studies.train.starts import prepared
from curlflow.studies.train.stopping import rates_at

SPEC = Spec(
    network={"inputs": 6, "hidden": 5}, data={"samples": 40}, realizations=2,
    rule={"kind": "curl", "flipped": {"inputs": 0.2}}, constraint={"kind": "frobenius"},
    dynamics={"kind": "updates"},
)  # fmt: skip
AT_TEACHER = {"start": {"kind": "teacher", "offset": {"layer": 1, "value": 1e-15}}}
DYNAMICS = {
    "full_batch": {"kind": "updates"},
    "minibatch": {"kind": "updates", "batch": 10},
    "flow": {"kind": "flow", "rtol": 1e-9, "atol": 1e-12},
}


@pytest.mark.parametrize("activation", ["linear", "tanh"])
@pytest.mark.parametrize("dynamics", DYNAMICS)
def test_errors_are_those_of_the_learning_curve(dynamics, activation):
    network = {"network.activation": activation, "network.output_activation": activation}
    spec = SPEC.replace({"dynamics": DYNAMICS[dynamics], **network})
    ds = curlflow.train(spec, epochs=300, records=10)
    epochs = recorded_epochs(300, 10)
    curve = curlflow.simulate(spec, times=epochs * (0.1 if dynamics == "flow" else 1))
    tolerance = 1e-6 if dynamics == "flow" else 1e-10
    np.testing.assert_allclose(ds.test_error, curve.test_error[:, -1], rtol=tolerance)
    np.testing.assert_allclose(ds.train_error, curve.train_error[:, -1], rtol=tolerance)
    np.testing.assert_allclose(ds.peak_error, curve.train_error.max(curve.train_error.dims[1]), rtol=tolerance)
    assert (ds.stop_epoch == 300).all()
    assert (ds.stopped_by == Stop.end).all()
    assert (ds.status == Status.completed).all()


def test_records_are_those_of_the_protocol():
    np.testing.assert_array_equal(recorded_epochs(1000, 1), [0, 1, 1000])
    epochs = recorded_epochs(100_000, 100)
    published = np.unique(np.round(np.geomspace(1, 100_000, 100))).astype(int) - 1
    np.testing.assert_array_equal(epochs[1:] - 1, published)
    flow, long = (
        Plan.of(SPEC.build().flow(solver=solver), epochs=100_000, records=100) for solver in ("tsit5", "rkc2")
    )
    np.testing.assert_allclose(np.sum(flow.spans * flow.pieces), 10_000)
    assert flow.spans.max() <= 10
    np.testing.assert_allclose(np.sum(long.spans * long.pieces), 10_000)
    assert 10 < long.spans.max() <= 1000


@pytest.mark.parametrize("start", ["teacher", "random"])
def test_stabilised_steps_end_as_others_do(start, monkeypatch):
    """Flips in both layers: runs leave their solution and come to rest elsewhere, in long pieces."""
    flips = {"rule.flipped.inputs": 0.5, "rule.flipped.hidden": 0.4}
    spec = SPEC.replace({**flips, **(AT_TEACHER if start == "teacher" else {})})
    ends = [
        curlflow.train(spec.replace("dynamics", {"kind": "flow", "solver": solver}), epochs=40_000, records=40)
        for solver in ("tsit5", "rkc2")
    ]
    assert (ends[0].test_error > 1e-3).all()
    for name in ("test_error", "train_error", "peak_error"):
        np.testing.assert_allclose(ends[1][name], ends[0][name], rtol=1e-3, err_msg=name)
    # A solver that uses up its steps in a long piece does it again in shorter ones.
    plain = training_runs.record

    def impatient(system, observe, state, clock, spans, pieces, number):
        done = plain(system, observe, state, clock, spans, pieces, number)
        return done._replace(status=np.asarray(int(Status.max_steps_reached))) if spans[0] > 10 else done

    monkeypatch.setattr(training_runs, "record", impatient)
    again = curlflow.train(spec.replace("dynamics", {"kind": "flow", "solver": "rkc2"}), epochs=40_000, records=40)
    assert (again.status == Status.completed).all()
    np.testing.assert_allclose(again.test_error, ends[1].test_error, rtol=1e-4)


@pytest.mark.parametrize("samples", [40, "population"])
def test_flows_that_were_never_far_from_a_solution_reach_it(samples):
    """With tolerances for the peak error alone, here 10⁻⁸, they would end at the noise of the solver, 10⁻¹³."""
    start = {"start": {"kind": "teacher", "offset": {"layer": 1, "value": 1e-4}}, "teacher.width": 5}
    gradient_flow = {"rule": {"kind": "gradient"}, "dynamics": {"kind": "flow"}}
    spec = SPEC.replace({**start, **gradient_flow, "data.samples": samples})
    ds = curlflow.train(spec, epochs=20_000, records=100)
    assert (ds.peak_error > 1e-10).all()
    assert (ds.peak_error < 1e-6).all()
    assert (ds.train_error < 1e-20).all()
    assert (ds.stopped_by == Stop.at_solution).all()


@pytest.mark.optimised
@pytest.mark.parametrize("dynamics", DYNAMICS)
def test_an_early_stop_changes_nothing(dynamics):
    spec = SPEC.replace({"rule": {"kind": "gradient"}, "dynamics": DYNAMICS[dynamics]})
    early = curlflow.train(spec, epochs=60_000, records=60)
    late = curlflow.train(spec, epochs=60_000, records=60, stop=False)
    if dynamics == "minibatch":
        assert (early.stop_epoch == 60_000).all()
    else:
        assert (early.stop_epoch < 60_000).all()
        assert set(early.stopped_by.to_numpy()) <= {Stop.at_solution, Stop.repeated}
    assert (late.stop_epoch == 60_000).all()
    for ds in (early, late):
        assert float(ds.train_error.max()) < 1e-20
        assert float(ds.test_error.max()) < 1e-20
    np.testing.assert_array_equal(early.peak_error, late.peak_error)


@pytest.mark.optimised
@pytest.mark.parametrize("dynamics", ["full_batch", "flow"])
def test_the_floor_alone_never_stops_a_run(dynamics):
    """Near the teacher, stable runs stop at once; unstable ones leave, whenever that is."""
    spec = SPEC.replace({**AT_TEACHER, "rule.flipped.inputs": 0.0, "dynamics": DYNAMICS[dynamics], "realizations": 8})
    left = stayed = 0
    for flips in (0, 1, 3):
        cell = spec.replace("rule.flipped.hidden", {"count": flips})
        ds = curlflow.train(cell, epochs=20_000, records=60)
        verdict = curlflow.stability(cell)
        for i in range(cell.realizations):
            one, stable = ds.isel(realization=i), bool(verdict.stable[i])
            if stable:
                assert one.stop_epoch == 0
                assert one.peak_error < 1e-27
            elif float(verdict.leading_real_part[i]) > 0.05:
                # Growth over at least 34 = ln(1e15) times in 2,000 units of time.
                assert one.peak_error > 1e-8
                left += 1
            stayed += stable
    assert min(left, stayed) > 4


@double_precision
def test_a_weak_instability_grows_as_its_eigenvalue_says():
    """From 1e-15 the error grows by exp(2λt): no rounding is in the way."""
    spec = SPEC.replace({**AT_TEACHER, "rule.flipped.inputs": 0.0, "realizations": 30, "rule.flipped.hidden": 0.5})
    verdict = curlflow.stability(spec)
    found = 0
    for i in range(30):
        rate = float(verdict.leading_real_part[i])
        real = float(verdict.eigenvalue_imag[i, 0]) == 0
        if not (real and 2e-4 < rate < 5e-2):
            continue
        found += 1
        problem = spec.build(realization=i)
        epochs = round(4 / rate / 0.1)
        plan = Plan(np.array([0, epochs, 2 * epochs]), np.array([0, epochs, epochs]), np.array([0, 1, 1]))
        errors = advanced(TrainingRun.of(0, *prepared(problem, True)), plan, 3).records[:, 0]
        np.testing.assert_allclose(np.log(errors[2] / errors[1]) / 2, np.log1p(0.1 * rate) * epochs, rtol=0.1)
    assert found >= 3


def test_a_solution_that_rounding_holds_is_called_so():
    """Exactly at an unstable solution nothing moves."""
    spec = SPEC.replace({"start": {"kind": "teacher"}, "rule.flipped.inputs": {"count": 5}, "realizations": 6})
    ds, verdict = curlflow.train(spec, epochs=5000), curlflow.stability(spec)
    held = ds.status.to_numpy() == Status.held_by_rounding
    assert (~verdict.stable).all()
    # One whose outputs are not those of the teacher to the last bit may move, and leaves.
    np.testing.assert_array_equal(held, ds.train_error < 1e-20)
    assert held.sum() > 3


def test_period_two_of_a_map_is_found():
    """With a large step updates overshoot from one side to the other for ever."""
    flips = {"rule.flipped.inputs": 0.5}
    spec = SPEC.replace({**flips, "dynamics.learning_rate": 6.0, "realizations": 4})
    ds = curlflow.train(spec, epochs=20_000)
    two = ds.status.to_numpy() == Status.period_two
    assert two.sum() > 2
    for i in np.flatnonzero(two):
        curve = curlflow.simulate(
            spec.replace("realizations", i + 1), times=[19_990, 19_991, 19_992, 19_999, 20_000], weights="all"
        ).isel(realization=i)
        w = curve.weights.to_numpy()
        np.testing.assert_allclose(w[0], w[2], atol=1e-7)
        assert np.abs(w[0] - w[1]).max() > 1e-3
        np.testing.assert_allclose(float(ds.train_error[i]), float(curve.train_error[-1]), rtol=1e-6)


def test_a_run_that_diverges_has_a_status():
    spec = SPEC.replace({"constraint.kind": "none", "dynamics.learning_rate": 50.0})
    ds = curlflow.train(spec, epochs=1000)
    assert (ds.status == Status.diverged).all()
    assert (ds.stopped_by == Stop.failed).all()
    assert (ds.stop_epoch < 1000).all()


@pytest.mark.parametrize("dynamics", DYNAMICS)
@pytest.mark.parametrize("start", ["random", "teacher"])
def test_runs_end_together_as_apart(dynamics, start):
    spec = SPEC.replace({**(AT_TEACHER if start == "teacher" else {}), "dynamics": DYNAMICS[dynamics]})
    spec = spec.replace({"rule.flipped.inputs": 0.0, "rule.flipped.hidden": 0.4, "realizations": 5})
    apart, together = (curlflow.train(spec, epochs=3000, records=30, batching=how) for how in ("apart", "together"))
    # With minibatches weights are stepped, in which the 1e-15 beside the teacher that grows is known to a percent.
    rtol = 2e-2 if (start, dynamics) == ("teacher", "minibatch") else 1e-4
    for name in ("stop_epoch", "stopped_by", "status"):
        np.testing.assert_array_equal(together[name], apart[name])
    for name in ("test_error", "train_error", "peak_error"):
        np.testing.assert_allclose(together[name], apart[name], rtol=rtol, atol=1e-17)


def test_runs_that_share_a_covariance_end_as_on_their_own(monkeypatch):
    """Flipped inputs: of seven runs five go side by side, then two, some to a solution, some for ever."""
    widths = {"network.inputs": 4, "network.hidden": 14, "rule.flipped.inputs": 0.25}
    spec = SPEC.replace({**widths, "realizations": 7})
    batches, made = [], training_batches.RunBatch

    def counted(runs):
        batches.append(len(runs))
        return made(runs)

    monkeypatch.setattr(training_batches, "RunBatch", counted)
    together = curlflow.train(spec, epochs=8000, records=30)
    assert set(batches) >= {5, 2}
    monkeypatch.setattr(training, "shares_covariance", lambda runs: False)
    alone = curlflow.train(spec, epochs=8000, records=30)
    solved = alone.test_error < 1e-20
    assert 0 < solved.sum() < 7
    np.testing.assert_array_equal(together.test_error < 1e-20, solved)
    np.testing.assert_array_equal(together.status, alone.status)
    for name in ("test_error", "train_error", "peak_error"):
        np.testing.assert_allclose(together[name], alone[name], rtol=1e-4, atol=1e-20)


def test_the_first_crossing_of_a_threshold():
    spec = SPEC.replace({"rule": {"kind": "gradient"}})
    ds = curlflow.train(spec, epochs=20_000, records=60, threshold=1e-3)
    epochs = recorded_epochs(20_000, 60)
    curve = curlflow.simulate(spec, times=epochs)
    for i in range(2):
        first = int(np.argmax(curve.test_error[i].to_numpy() < 1e-3))
        assert int(ds.stop_epoch[i]) == epochs[first]
        np.testing.assert_allclose(float(ds.test_error[i]), float(curve.test_error[i, first]), rtol=1e-10)
    assert (ds.stopped_by == Stop.crossed).all()


@double_precision
def test_rates_are_those_of_the_jacobian():
    spec = SPEC.replace({**AT_TEACHER, "rule.flipped.hidden": 0.4})
    for kind in ("flow", "updates"):
        problem = spec.replace("dynamics.kind", kind).build()
        rates = rates_at(problem, problem.teacher)
        verdict = curlflow.stability(spec.replace({"dynamics.kind": kind, "realizations": 1}))
        values = verdict.eigenvalue_real[0].to_numpy() + 1j * verdict.eigenvalue_imag[0].to_numpy()
        values = values[np.isfinite(values)]
        growth = values.real.max() if kind == "flow" else np.log(np.abs(1 + 0.1 * values).max())
        np.testing.assert_allclose(rates.growth, max(0, growth), atol=1e-12)
        assert rates.stable == bool(verdict.stable[0])


@pytest.mark.quick
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"epochs": 0}, "epochs: got 0, allowed are whole numbers from 1 to"),
        ({"epochs": 1.5}, "epochs: got 1.5"),
        ({"records": 0}, "records: got 0"),
        ({"records": 1e12}, "records: got 1000000000000.0, allowed are whole numbers from 1 to 1000000"),
        ({"epochs": 10**400}, "epochs: got 1000"),
        ({"threshold": -1.0}, "threshold: got -1.0"),
        ({"stop": "no"}, "stop: got 'no', allowed are True and False"),
        ({"compress": 1}, "compress: got 1, allowed are True and False"),
    ],
)
def test_bad_arguments(arguments: Any, sentence):
    with pytest.raises(ValueError, match=sentence):
        curlflow.train(SPEC, **arguments)


@pytest.mark.parametrize("start", ["random", "teacher"])
@pytest.mark.parametrize("dynamics", DYNAMICS)
def test_the_narrow_network_ends_as_the_wide_one(dynamics, start):
    """Compressed, with uncorrelated inputs, and as a deviation: the same errors to rounding."""
    changes = {"network.inputs": 3, "network.hidden": 24, "dynamics": DYNAMICS[dynamics]}
    for flips in ({"rule.flipped.inputs": 0.0, "rule.flipped.hidden": 0.4}, {"rule.flipped.inputs": 0.4}):
        spec = SPEC.replace({**changes, **(AT_TEACHER if start == "teacher" else {}), **flips})
        narrow = curlflow.train(spec, epochs=1000, records=20, stop=False)
        wide = curlflow.train(spec, epochs=1000, records=20, stop=False, compress=False)
        assert "compression" in narrow.attrs
        assert "compression" not in wide.attrs
        # Digits of errors of 1e-43 depend on steps of a flow that has arrived, which differ from machine to machine.
        tolerance = (5e-2 if start == "teacher" else 2e-3) if dynamics == "flow" else 1e-6
        for name in ("test_error", "train_error", "peak_error"):
            # From the teacher errors are 1e-30: only the deviation keeps their digits, down to the rounding of the
            # 1e-15 that is left along the manifold.
            near = start == "teacher" and dynamics != "minibatch"
            np.testing.assert_allclose(narrow[name], wide[name], rtol=tolerance, atol=1e-55 if near else 1e-14)


@pytest.mark.parametrize("dynamics", DYNAMICS)
@pytest.mark.parametrize("constraint", ["frobenius", "none"])
def test_fewer_samples_than_inputs(dynamics, constraint):
    """Second moments of rank 4 in 9 dimensions: errors stay positive, and flows find their tolerances."""
    spec = Spec(
        seed=2, network={"inputs": 9, "hidden": 5}, data={"samples": 4}, constraint={"kind": constraint},
        dynamics=DYNAMICS[dynamics] | ({"batch": 2} if dynamics == "minibatch" else {}),
    )  # fmt: skip
    ds = curlflow.train(spec, epochs=20_000)
    assert int(ds.status[0]) == Status.completed
    assert 0 <= float(ds.train_error[0]) < 1e-18
    problem = spec.build()
    reached = curlflow.simulate(spec, times=[3000.0 if dynamics == "flow" else 20_000])
    np.testing.assert_allclose(float(ds.test_error[0]), float(reached.test_error[0, -1]), rtol=1e-4)
    assert problem.x_train.shape == (9, 4)


@pytest.mark.optimised
def test_a_run_that_left_and_came_back_is_not_held():
    """Large transients between two looks at a run: its new solution is another one, and stable."""
    widths = {"network.inputs": 10, "network.hidden": 10, "data.samples": 250, "seed": 3, "realizations": 20}
    spec = SPEC.replace({**widths, **AT_TEACHER, "rule.flipped.inputs": 0.0, "rule.flipped.hidden": 0.4})
    ds = curlflow.train(spec, epochs=100_000, records=200)
    back = (ds.peak_error > 1e-8) & (ds.train_error < 1e-20)
    assert back.sum() > 0
    assert (ds.status[back] == Status.completed).all()


def test_a_deviation_that_grows_is_not_held():
    spec = SPEC.replace({"start": {"kind": "teacher", "offset": {"layer": 1, "value": 1e-75}}})
    ds = curlflow.train(spec.replace("rule.flipped.inputs", 0.6), epochs=20_000)
    assert (ds.train_error > 1e-3).all()
    assert (ds.status == Status.completed).all()


@pytest.mark.parametrize("epochs", [4, 5, 6, 7])
def test_errors_beyond_all_numbers_are_a_divergence(epochs):
    spec = SPEC.replace({"rule.flipped.inputs": 0.6, "constraint.kind": "none", "dynamics.learning_rate": 50.0})
    ds = curlflow.train(spec, epochs=epochs)
    assert np.isfinite(ds.peak_error).all()
    failed = ds.status == Status.diverged
    np.testing.assert_array_equal(np.isfinite(ds.train_error), ~failed)
    if epochs > 5:
        assert failed.all()


def test_minibatches_are_not_judged_by_the_mean():
    """With steps this large single batches are unstable where their mean is not."""
    spec = SPEC.replace({
        "network.inputs": 12, "network.hidden": 12, **AT_TEACHER, "rule": {"kind": "gradient"}, "realizations": 3,
        "dynamics": {"kind": "updates", "learning_rate": 32.0, "batch": 1},
    })  # fmt: skip
    ds = curlflow.train(spec, epochs=600)
    assert (ds.stop_epoch == 600).all()
    assert (ds.peak_error > 1e-3).any()
