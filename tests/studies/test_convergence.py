"""`curlflow.convergence`: crossing times against independent integration and loops, conventions, rules, bad input."""

import jax.numpy as jnp
import numpy as np
import pytest
import sweep_cells
import xarray as xr
from scipy.integrate import solve_ivp

import curlflow
from curlflow.rules import FeedbackAlignment, Gradient
from curlflow.status import Status
from curlflow.studies.convergence import runs as convergence_runs

SPEC = curlflow.Spec(
    seed=3,
    realizations=2,
    network={"inputs": 8, "hidden": 4, "activation": "tanh", "output_activation": "tanh"},
    teacher={"width": 4},
    data={"samples": 40, "test_samples": 30},
    rule={"kind": "curl", "flipped": {"hidden": {"count": 1}}},
    constraint={"kind": "frobenius"},
    start={"kind": "random", "scale": 2.0},
    dynamics={"kind": "flow", "rtol": 1e-8, "atol": 1e-10},
)
LEVEL = 2e-3


def layers(problem, flat):
    shapes = [w.shape for w in problem.student.weights]
    first = np.prod(shapes[0])
    return flat[:first].reshape(shapes[0]), flat[first:].reshape(shapes[1])


def numpy_velocity(problem, flat, x, y, tangential=True):
    """Equation (2) by hand, tangent to the spheres where that is asked for."""
    w1, w2 = layers(problem, flat)
    h = np.tanh(w1 @ x)
    e = np.tanh(w2 @ h) - y
    d2 = problem.rule.gains[1] if hasattr(problem.rule, "gains") else 1.0
    f2 = -(e @ h.T) / x.shape[1] * d2
    f1 = -(((w2.T @ e) * (1 - h**2)) @ x.T) / x.shape[1]
    share = [(w * f).sum() / (w * w).sum() * tangential for w, f in ((w1, f1), (w2, f2))]
    return np.concatenate([(f1 - share[0] * w1).ravel(), (f2 - share[1] * w2).ravel()])


def numpy_error(problem, flat, x, y):
    w1, w2 = layers(problem, flat)
    return 0.5 * np.mean((np.tanh(w2 @ np.tanh(w1 @ x)) - y) ** 2)


def start_of(problem):
    return np.concatenate([np.ravel(w) for w in problem.student.weights])


@pytest.mark.parametrize("solver", ["tsit5", "rkc2"])
def test_flow_against_scipy_with_events(solver):
    ds = curlflow.convergence(SPEC.replace("dynamics.solver", solver), threshold=LEVEL, epochs=20_000)
    assert ds["rule"].to_numpy().tolist() == ["gradient", "curl"]
    for name, spec in (("gradient", SPEC.replace("rule", {"kind": "gradient"})), ("curl", SPEC)):
        for i in range(2):
            problem = spec.build(realization=i)

            def event(t, flat, p=problem):
                return numpy_error(p, flat, p.x_test, p.y_test) - LEVEL

            event.terminal, event.direction = True, -1
            found = solve_ivp(
                lambda t, flat, p=problem: numpy_velocity(p, flat, p.x_train, p.y_train), (0, 2000),
                start_of(problem), rtol=1e-9, atol=1e-11, events=event,
            )  # fmt: skip
            expected = found.t_events[0][0] if found.t_events[0].size else np.nan
            time = float(ds.convergence_time.sel(rule=name, realization=i))
            np.testing.assert_allclose(time, expected, rtol=2e-5)
            if np.isnan(expected):
                assert int(ds.convergence_epoch.sel(rule=name, realization=i)) == 19_999


@pytest.mark.parametrize("batch", ["full", 10])
def test_updates_against_a_numpy_loop(batch):
    spec = SPEC.replace("dynamics", {"kind": "updates", "learning_rate": 0.5, "batch": batch}).replace("seed", 5)
    ds = curlflow.convergence(spec, threshold=0.02, epochs=100, records=12, to_end=True)
    for name, own in (("gradient", spec.replace("rule", {"kind": "gradient"})), ("curl", spec)):
        problem = own.build(realization=1)
        flat, radii = start_of(problem), [np.linalg.norm(w) for w in problem.student.weights]
        first = problem.student.weights[0].size
        errors = [numpy_error(problem, flat, problem.x_test, problem.y_test)]
        for epoch in range(100):
            for indices in problem.batches(epoch):
                part = problem.x_train[:, indices], problem.y_train[:, indices]
                # Updates take the free velocity, and rescale.
                flat = flat + 0.5 / len(problem.batches(epoch)) * numpy_velocity(
                    problem, flat, *part, tangential=False
                )
                w1, w2 = flat[:first], flat[first:]
                flat = np.concatenate([w1 * radii[0] / np.linalg.norm(w1), w2 * radii[1] / np.linalg.norm(w2)])
            errors.append(numpy_error(problem, flat, problem.x_test, problem.y_test))
        curve = ds.test_error_curve.sel(rule=name, realization=1)
        np.testing.assert_allclose(curve, np.array(errors)[ds.epoch.to_numpy()], rtol=1e-9)
        below = np.flatnonzero(np.array(errors) < 0.02)
        time = float(ds.convergence_time.sel(rule=name, realization=1))
        assert time == pytest.approx(0.5 * below[0]) if below.size else np.isnan(time)
        recorded = [int(k) for k in ds.epoch.to_numpy() if errors[k] < 0.02]
        expected = max(recorded[0] - 1, 0) if recorded else 99
        assert int(ds.convergence_epoch.sel(rule=name, realization=1)) == expected
        assert bool(ds.converged.sel(rule=name, realization=1)) == bool(recorded)


@pytest.mark.slow
@pytest.mark.optimised
def test_the_flow_stands_for_minibatches_and_full_batches():
    """The published setting at 2,000 samples: recorded epochs agree, or are neighbouring records."""
    spec = curlflow.preset("fig5c").replace("realizations", 1).replace("seed", 2)
    flow = {"kind": "flow", "solver": "rkc2", "rtol": 1e-4}
    full, mini = ({"kind": "updates", "learning_rate": 0.1, "batch": batch} for batch in ("full", 10))
    found = [curlflow.convergence(spec.replace("dynamics", d), epochs=100_000) for d in (flow, full, mini)]
    places = [np.searchsorted(ds.epoch, ds.convergence_epoch + 1) for ds in found]
    assert found[0].converged.all()
    for ds, place in zip(found[1:], places[1:], strict=True):
        assert np.abs(place - places[0]).max() <= 1
        np.testing.assert_allclose(ds.convergence_time, found[0].convergence_time, rtol=0.05)


def test_to_the_end_the_errors_are_those_of_train():
    ds = curlflow.convergence(SPEC, threshold=LEVEL, epochs=2000, to_end=True)
    trained = curlflow.train(SPEC, epochs=2000)
    np.testing.assert_allclose(ds.test_error.sel(rule="curl"), trained.test_error, rtol=1e-5)
    np.testing.assert_allclose(ds.peak_error.sel(rule="curl"), trained.peak_error, rtol=1e-5)
    short = curlflow.convergence(SPEC, threshold=LEVEL, epochs=2000)
    np.testing.assert_allclose(short.convergence_time, ds.convergence_time, rtol=1e-6)
    np.testing.assert_array_equal(short.convergence_epoch, ds.convergence_epoch)
    # It ends at the first record below the threshold, and the curve with it.
    curve = short.test_error_curve.sel(rule="curl", realization=0)
    stop = int(short.stop_epoch.sel(rule="curl", realization=0))
    assert int(curve.notnull().sum()) == int((short.epoch <= stop).sum())


def test_a_dip_between_two_records_is_a_crossing_but_not_converged_by_the_published_convention():
    # Steps that are too long: the error jumps up and down for ever.
    spec = SPEC.replace("dynamics", {"kind": "updates", "learning_rate": 8.0})
    ds = curlflow.convergence(spec, threshold=0.02, records=4, epochs=200, to_end=True)
    dips = (ds.convergence_time.notnull() & ~ds.converged).sel(rule="curl").to_numpy()
    assert dips.any()
    curves = curlflow.simulate(spec, times=np.arange(201))
    for i in np.flatnonzero(dips):
        below = np.flatnonzero(curves.test_error[i] < 0.02)
        assert float(ds.convergence_time.sel(rule="curl", realization=i)) == pytest.approx(8.0 * below[0])
        assert below[0] not in ds.epoch.to_numpy()
        assert int(ds.convergence_epoch.sel(rule="curl", realization=i)) == 199
        assert ds.arrived_share.sel(rule="curl") > 0


def test_times_of_crossing_do_not_depend_on_the_records():
    ds = curlflow.convergence(SPEC, threshold=LEVEL, epochs=400, records=2, to_end=True)
    fine = curlflow.convergence(SPEC, threshold=LEVEL, epochs=400, records=60, to_end=True)
    np.testing.assert_allclose(ds.convergence_time, fine.convergence_time, rtol=1e-6)
    assert ds.epoch.to_numpy().tolist() == [0, 1, 400]


@pytest.mark.parametrize("solver", ["tsit5", "rkc2"])
def test_records_within_steps_are_those_that_steps_end_at(solver, monkeypatch):
    spec = SPEC.replace("dynamics", {"kind": "flow", "rtol": 1e-8, "atol": 1e-11, "solver": solver})
    kept = ["convergence_time", "convergence_epoch", "test_error_curve", "train_error_curve", "stop_epoch", "status"]
    within = curlflow.convergence(spec, threshold=LEVEL, epochs=400)[kept]
    monkeypatch.setattr(convergence_runs, "TOGETHER", 0.0)
    one_by_one = curlflow.convergence(spec, threshold=LEVEL, epochs=400)[kept]
    assert one_by_one.convergence_time.notnull().any()
    xr.testing.assert_allclose(within, one_by_one, rtol=1e-5)


def test_solves_that_give_up_are_done_again_in_pieces(monkeypatch):
    watched = convergence_runs.flow_until

    def without_steps(*arguments):
        return watched(*arguments)._replace(status=np.asarray(int(Status.max_steps_reached)))

    whole = curlflow.convergence(SPEC, threshold=LEVEL, epochs=400)
    monkeypatch.setattr(convergence_runs, "flow_until", without_steps)
    again = curlflow.convergence(SPEC, threshold=LEVEL, epochs=400)
    assert (again.status == Status.completed).all()
    np.testing.assert_allclose(again.convergence_time, whole.convergence_time, rtol=1e-5)


def test_below_from_the_start():
    ds = curlflow.convergence(SPEC, threshold=10.0, epochs=10)
    assert (ds.convergence_time == 0).all()
    assert (ds.convergence_epoch == 0).all()
    assert ds.converged.all()
    assert int(ds.excluded_pairs[0]) == 2


def test_a_threshold_that_is_never_reached_ends():
    ds = curlflow.convergence(SPEC, threshold=1e-300, epochs=50)
    assert np.isnan(ds.convergence_time).all()
    assert (ds.convergence_epoch == 49).all()
    assert set(ds.outcome.to_numpy().ravel()) == {1}
    assert float(ds.mean_time_ratio[0]) == 1.0
    assert int(ds.tied[0]) == 2


def test_with_noise_the_first_epoch_counts():
    """A batch of all samples has no noise: Euler's steps of one epoch are full-batch updates."""
    full = SPEC.replace("dynamics", {"kind": "updates", "learning_rate": 0.5, "batch": "full"})
    noisy = SPEC.replace("dynamics", {"kind": "sde", "learning_rate": 0.5, "batch": 40, "step": 0.5})
    found = [curlflow.convergence(spec, threshold=0.02, epochs=200) for spec in (full, noisy)]
    np.testing.assert_allclose(found[1].convergence_time, found[0].convergence_time)
    np.testing.assert_allclose(found[1].test_error_curve, found[0].test_error_curve, rtol=1e-9)


def test_runs_that_diverge_are_a_status():
    linear = {"network.activation": "linear", "network.output_activation": "linear", "constraint": {"kind": "none"}}
    spec = SPEC.replace({**linear, "dynamics": {"kind": "updates", "learning_rate": 1e6}})
    ds = curlflow.convergence(spec, epochs=1000)
    assert set(ds.outcome.to_numpy().ravel()) == {2}
    assert np.isnan(ds.test_error).all()
    assert np.isnan(ds.convergence_time).all()


def test_relative_thresholds_and_training_errors():
    ds = curlflow.convergence(SPEC, threshold=0.05, relative=True, error="train", epochs=20_000)
    problem = SPEC.build(realization=0)
    assert float(ds.output_variance[0]) == pytest.approx(problem.y_train.var())
    assert float(ds.threshold[0]) == pytest.approx(0.05 * problem.y_train.var())
    absolute = curlflow.convergence(
        SPEC.replace("realizations", 1), threshold=float(ds.threshold[0]), error="train", epochs=20_000
    )
    np.testing.assert_allclose(absolute.convergence_time[:, 0], ds.convergence_time[:, 0], rtol=1e-9)


def test_rules_by_table_object_and_name():
    feedback = {"kind": "feedback_alignment", "flipped": {"hidden": {"count": 1}}}
    rules = {"plain": "gradient", "object": Gradient(), "aligned, flipped": feedback, "own": "curl"}
    ds = curlflow.convergence(SPEC, threshold=0.02, rules=rules, epochs=500)
    assert ds.convergence_time.notnull().any("realization").all()
    assert ds["rule"].to_numpy().tolist() == list(rules)
    assert ds["compared"].to_numpy().tolist() == list(rules)[1:]
    times = ds.convergence_time
    np.testing.assert_allclose(times.sel(rule="object"), times.sel(rule="plain"), rtol=1e-9)
    again = curlflow.compare_rules(ds, baseline="own")
    assert again["compared"].to_numpy().tolist() == ["plain", "object", "aligned, flipped"]
    assert float(again.speed_up.sel(compared="plain")) == pytest.approx(1 / float(ds.speed_up.sel(compared="own")))
    assert again.attrs["baseline"] == "own"


def test_sweeps_compare_setting_by_setting(tmp_path):
    spec = SPEC.replace("realizations", 3)
    ds = curlflow.sweep(
        spec, over={"start.scale": [1.0, 2.0]}, study="convergence",
        options={"threshold": 0.02, "epochs": 500}, directory=tmp_path, engine="serial",
    )  # fmt: skip
    compared = curlflow.compare_rules(ds)
    for i, scale in enumerate((1.0, 2.0)):
        own = curlflow.convergence(spec.replace("start.scale", scale), threshold=0.02, epochs=500)
        np.testing.assert_allclose(compared.convergence_time[i], own.convergence_time, rtol=1e-9)
        np.testing.assert_allclose(compared.speed_up[i], own.speed_up, rtol=1e-9)
    for convention in ("published", "censored"):
        figure = curlflow.plot.convergence_times(compared, convention=convention)
        assert figure.axes[0].get_yscale() == "log"
    curlflow.plot.convergence(compared.isel(scale=0))
    with pytest.raises(ValueError, match="select one setting"):
        curlflow.plot.convergence(compared)
    with pytest.raises(ValueError, match="allowed are published, censored"):
        curlflow.plot.convergence_times(compared, convention="mean")
    p, q = compared.t_test_p.to_numpy().ravel(), compared.t_test_p_adjusted.to_numpy().ravel()
    # Benjamini and Hochberg's of two by hand.
    np.testing.assert_allclose(q, np.where(p == p.max(), p.max(), np.minimum(2 * p.min(), p.max())))


def test_a_sweep_over_rules_has_their_names(tmp_path):
    kinds = ["gradient", "feedback_alignment", "predictive_coding"]
    spec = SPEC.replace({"rule": {"kind": "gradient"}, "realizations": 2})
    options = {"threshold": 0.02, "epochs": 300}
    ds = curlflow.sweep(
        spec, {"kind": curlflow.Axis("rule.kind", kinds)}, study="convergence", options=options, directory=tmp_path,
        engine="serial",
    )  # fmt: skip
    compared = curlflow.compare_rules(ds, baseline="gradient")
    assert (compared["rule"].to_numpy().tolist(), compared["compared"].to_numpy().tolist()) == (kinds, kinds[1:])
    for kind in kinds[1:]:
        own = curlflow.convergence(spec.replace("rule.kind", kind), **options)
        np.testing.assert_array_equal(compared.convergence_time.sel(kind=kind, rule=kind), own.convergence_time[1])
        np.testing.assert_array_equal(compared.speed_up.sel(kind=kind, compared=kind), own.speed_up[0])
    assert compared.convergence_time.sel(kind="gradient", rule=kinds[1:]).isnull().all()
    assert compared.won.sel(kind="gradient").sum() == 0
    for convention in ("published", "censored"):
        figure = curlflow.plot.convergence_times(compared, convention=convention)
        assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == kinds


def test_outputs_without_variance_are_no_unit():
    alone = SPEC.replace("data.test_samples", 1)
    with pytest.raises(ValueError, match="relative: got True, but the teacher of realization 0 has the same outputs"):
        curlflow.convergence(alone, relative=True)


@pytest.mark.quick
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rules": ["gradient", {"flipped": {"hidden": 1.0}}]}, "rules: got the table .* which has no kind"),
        ({"rules": {"mine": FeedbackAlignment([np.ones((7, 2))])}}, "rules: mine: matrices: got shapes"),
        ({"threshold": 0}, "threshold: got 0"),
        ({"threshold": "low"}, "threshold: got 'low', a number is required"),
        ({"error": "validation"}, "error: got 'validation', allowed are train, test"),
        ({"epochs": 0}, "epochs: got 0"),
        ({"rules": "gradient"}, "rules: got 'gradient', required is a list"),
        ({"rules": []}, "rules: got none"),
        ({"rules": ["gradient", "gradient"]}, "two are named 'gradient'"),
        ({"rules": ["adam"]}, "rules: adam: rule"),
        ({"rules": {"most": {"kind": "curl", "flipped": {"hidden": {"count": 9}}}}}, "rules: most: .*9"),
        ({"rules": [3]}, "rules: got 3"),
        ({"to_end": 1}, "to_end: got 1, allowed are True and False"),
        ({"seed": -1}, "seed: got -1"),
    ],
)
def test_bad_input(change, message):
    with pytest.raises(ValueError, match=message):
        curlflow.convergence(SPEC, **change)


def decay(time, state, rates):
    return -rates * state


def test_systems_with_a_loss_against_closed_forms():
    """Two decays at unequal rates, and a map that shrinks: the loss at the end, and when it is at the threshold."""
    flow = curlflow.Flow(decay, np.array([2.0, 1.0]), np.array([1.0, 3.0]))
    loss = lambda t: 0.5 * (4 * np.exp(-2 * t) + np.exp(-6 * t))  # noqa: E731
    found = curlflow.convergence(flow, loss=sweep_cells.half_square, threshold=1e-2, epochs=100, to_end=True)
    np.testing.assert_allclose(loss(found.convergence_time), 1e-2, rtol=1e-5)
    np.testing.assert_allclose(found.train_error_curve[0, 0], loss(found.time), rtol=1e-4)
    trained = curlflow.train(flow, loss=sweep_cells.half_square, epochs=100)
    np.testing.assert_allclose(trained.train_error, loss(10.0), rtol=1e-4)
    assert np.isnan(trained.test_error)
    factors = np.array([0.8, 0.9])
    options = {"loss": sweep_cells.half_square, "epochs": 60, "threshold": 1e-2}
    swept = curlflow.sweep(sweep_cells.shrinking, {"factor": factors}, "convergence", options, engine="serial")
    first = np.ceil(np.log(1e-2 / 2) / np.log(factors**2))
    np.testing.assert_array_equal(swept.convergence_time[:, 0, 0], first)
    crossed = curlflow.train(sweep_cells.shrinking(0.9), records=60, **options)
    assert crossed.stop_epoch == first[1]
    np.testing.assert_allclose(crossed.train_error, 2 * 0.9 ** (2 * first[1]), rtol=1e-12)


def test_systems_run_to_their_end_since_they_may_depend_on_the_iteration():
    late = curlflow.Map(lambda n, x, args: jnp.where(n < 90, x, 0.5 * x), np.array([1.0]))
    ds = curlflow.train(late, loss=sweep_cells.half_square, epochs=100)
    np.testing.assert_allclose(ds.train_error, 0.5 * 0.25**10, rtol=1e-12)


@pytest.mark.parametrize(
    ("study", "given", "message"),
    [
        ("train", {}, "loss: required with a system"),
        ("convergence", {"loss": lambda x: x}, r"loss: got an array of shape \(1,\) .* required is one real number"),
        ("convergence", {"loss": sweep_cells.half_square, "rules": ["gradient"]}, "rules: got .* goes with a spec"),
        ("convergence", {"loss": sweep_cells.half_square, "relative": True}, "relative: got True, which goes with"),
        ("train", {"loss": sweep_cells.half_square, "weights": "all"}, "weights: they are those of a spec"),
    ],
)
def test_systems_that_are_refused(study, given, message):
    with pytest.raises(ValueError, match=message):
        getattr(curlflow, study)(sweep_cells.shrinking(0.5), **given)


def test_bad_subjects():
    with pytest.raises(ValueError, match="required is a curlflow.Spec"):
        curlflow.convergence(3)
    with pytest.raises(ValueError, match="loss: it goes with a system; a spec or Experiment has"):
        curlflow.convergence(SPEC, loss=sweep_cells.half_square)
    with pytest.raises(ValueError, match="got a Diffusion, whose noise never lets a loss settle"):
        curlflow.train(
            SPEC.replace("dynamics", {"kind": "sde", "batch": 1}).build().system(), loss=sweep_cells.half_square
        )
    with pytest.raises(ValueError, match="flips nothing"):
        curlflow.convergence(SPEC.replace("rule", {"kind": "gradient"}), rules=["gradient", "curl"])
    with pytest.raises(ValueError, match="required is one of curlflow.convergence"):
        curlflow.compare_rules(curlflow.train(SPEC.replace("realizations", 1), epochs=2))
    ds = curlflow.convergence(SPEC, threshold=10.0, epochs=2)
    with pytest.raises(ValueError, match="baseline: got 'sgd', allowed are gradient, curl"):
        curlflow.compare_rules(ds, baseline="sgd")
    with pytest.raises(ValueError, match="batch"):
        curlflow.convergence(SPEC.replace("dynamics", {"kind": "updates", "batch": 64}))


def test_interrupted_runs_are_kept():
    calls = []

    def stop(number, phase, fraction):
        calls.append(number)
        if len(calls) > 20:
            raise KeyboardInterrupt

    with pytest.raises(curlflow.Interrupted) as caught:
        curlflow.convergence(SPEC, threshold=1e-300, epochs=1000, progress=stop)
    ds = caught.value.dataset
    assert 3 in ds.outcome.to_numpy()
    assert int(ds.train_error_curve.notnull().sum()) > 10
    # Runs that were stopped are not counted as runs that never arrive.
    compared = curlflow.compare_rules(ds)
    stopped = (ds.outcome == 3).any("rule").to_numpy()
    assert int(compared.won[0] + compared.lost[0] + compared.tied[0]) == (~stopped).sum()


def test_runs_that_fail_after_they_arrived(monkeypatch):
    # Steps that are too long: some runs dip below the threshold at a record, and are carried off later.
    linear = {"network.activation": "linear", "network.output_activation": "linear", "constraint": {"kind": "none"}}
    spec = SPEC.replace({**linear, "realizations": 6, "dynamics": {"kind": "updates", "learning_rate": 2.5}})
    ds = curlflow.convergence(spec, threshold=0.3, epochs=2000, to_end=True)
    late = ds.converged & (ds.status == Status.diverged)
    assert late.any()
    assert np.isnan(ds.test_error.where(late)).all()
    curlflow.plot.convergence(ds)


def test_runs_that_blow_up_between_records_do_not_arrive():
    linear = {"network.activation": "linear", "network.output_activation": "linear", "constraint": {"kind": "none"}}
    spec = SPEC.replace({**linear, "dynamics": {"kind": "updates", "learning_rate": 3.0}})
    ds = curlflow.convergence(spec, threshold=1e-9, records=1, epochs=1000)
    assert (ds.outcome == 2).any()
    assert np.isnan(ds.convergence_time.where(ds.outcome == 2)).all()
    assert (ds.arrived_share == (ds.outcome == 0).mean("realization")).all()


def test_stabilised_steps_of_linear_networks_on_spheres():
    linear = {"network.activation": "linear", "network.output_activation": "linear"}
    spec = SPEC.replace({**linear, "dynamics.rtol": 1e-6})
    both = [
        curlflow.convergence(spec.replace("dynamics.solver", s), rules=["curl"], to_end=True, epochs=500)
        for s in ("tsit5", "rkc2")
    ]
    assert both[0].convergence_time.notnull().any()
    np.testing.assert_allclose(both[1].convergence_time, both[0].convergence_time, rtol=1e-3)


def test_missing_cells_and_shorter_ones_are_left_out():
    ds = curlflow.convergence(SPEC.replace("realizations", 3), threshold=0.02, epochs=500)
    part = ds.copy(deep=True)
    part["convergence_time"][:, 2] = np.nan
    part["convergence_epoch"][:, 2] = -1
    part["outcome"][:, 2] = -1
    found, two = curlflow.compare_rules(part), curlflow.compare_rules(ds.isel(realization=slice(0, 2)))
    for name in ("arrived_share", "restricted_mean_time", "speed_up", "mean_time_ratio", "share_won", "t_test_p"):
        np.testing.assert_allclose(found[name], two[name], err_msg=name)
    shares = curlflow.plot.convergence(part).axes[1].lines[0].get_ydata()
    np.testing.assert_array_equal(
        shares, curlflow.plot.convergence(ds.isel(realization=slice(0, 2))).axes[1].lines[0].get_ydata()
    )
    part["convergence_epoch"][:] = -1
    assert not curlflow.plot.convergence(part).axes[1].lines
    nothing = curlflow.compare_rules(part)
    assert np.isnan(nothing.arrived_share).all()
    assert np.isnan(nothing.share_won).all()
    with pytest.raises(ValueError, match="must be dimensions"):
        curlflow.compare_rules(ds.isel(realization=0))
    with pytest.raises(ValueError, match="put it into brackets"):
        curlflow.convergence(SPEC, rules={"kind": "gradient"})
