"""Chaos or not, of systems whose motion is known: no wrong verdict; undecided only where it is said."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from command_line import run
from motions import circle, duffing, in_the_plane, torus, van_der_pol

import curlflow
from curlflow import systems
from curlflow.solvers.integrate import Adaptive

SHARP = Adaptive(1e-10, 1e-12)


def verdict(dataset, realization=0):
    return dataset.verdict.attrs["flag_meanings"].split()[int(dataset.verdict[realization])]


def judged(system, **options):
    dataset = curlflow.classify(system, **options)
    return verdict(dataset), dataset.isel(realization=0)


@pytest.mark.parametrize(
    ("r", "expected", "period"),
    [
        (2.9, "fixed_point", None),
        (3.2, "periodic", 2),
        (3.46, "periodic", 4),
        (3.55, "periodic", 8),
        (3.565, "periodic", 16),
        (3.5695, "periodic", 32),
        (3.575, "chaotic", None),
        (3.6, "chaotic", None),
        (3.7, "chaotic", None),
        (3.7389, "periodic", 5),
        (3.8284, "chaotic", None),
        (3.83, "periodic", 3),
        (3.845, "periodic", 6),
        (4.0, "chaotic", None),
    ],
)
def test_the_route_of_the_logistic_map(r, expected, period):
    found, run = judged(systems.logistic(r))
    assert found == expected, run.reason.item()
    if period is not None:
        assert float(run.return_time) == period
    if r == 4.0:
        np.testing.assert_allclose(float(run.lyapunov_exponent[0]), np.log(2), atol=4e-3)


@pytest.mark.parametrize("duration", [2000, 2200, 50_000])
@pytest.mark.parametrize("r", [3.565, 3.568])
def test_a_start_on_the_cycle_has_no_transient(r, duration):
    x = 0.3
    for _ in range(100_000):
        x = r * x * (1 - x)
    found, run = judged(systems.logistic(r, state=x), transient=500, duration=duration)
    assert found == "periodic", run.reason.item()
    assert float(run.early_growth) <= 0


def test_the_unit_of_time_does_not_matter():
    def step(i, x, a):
        return a * x * (1 - x)

    found = []
    for unit in (1.0, 0.1, 1e-3):
        logistic = curlflow.Map(step, 0.3, unit, args=3.9)
        dataset = curlflow.classify(logistic, transient=500 * unit, duration=2000 * unit)
        found.append((verdict(dataset), round(float(dataset.lyapunov_exponent[0, 0]) * unit, 6)))
    assert found[0] == found[1] == found[2]


def test_an_unstable_cycle_that_rounding_holds_is_not_called_regular():
    found, run = judged(curlflow.Map(lambda i, x, a: (3 * x + 1) % 7, [1.0]), transient=500, duration=2000)
    assert found == "undecided"
    assert "rounding" in run.reason.item()


def test_at_a_bifurcation_it_is_undecided():
    found, run = judged(systems.logistic(3.0))
    assert found == "undecided"
    assert "drift" in run.reason.item()


@pytest.mark.optimised
@pytest.mark.parametrize(
    ("ρ", "expected"), [(10.0, "fixed_point"), (22.0, "transient_chaos"), (28.0, "chaotic"), (160.0, "periodic")]
)
def test_lorenz(ρ, expected):
    found, run = judged(systems.lorenz63(rho=ρ))
    assert found == expected, run.reason.item()
    if expected in ("chaotic", "periodic"):
        assert run.pairs == 0  # close runs are followed where the 0–1 test is against chaos
        assert np.isnan([run.cross_distance_exponent, run.cross_correlation, run.prediction_time]).all()
    if expected == "chaotic":
        # Volumes shrink at the rate of the divergence, and pieces of the window average to the whole.
        np.testing.assert_allclose(float(run.lyapunov_exponent.sum()), -41 / 3, rtol=1e-4)
        np.testing.assert_allclose(float(run.finite_time_exponent.mean()), float(run.lyapunov_exponent[0]), rtol=1e-6)
        assert not run.preserves_volume
        gaps = float(run.lyapunov_exponent[0] - run.lyapunov_exponent[1])
        np.testing.assert_allclose(float(run.log_gali[1]) / float(run.gali_time), -gaps, rtol=0.1)


# The functions of systems are those of this module and of `motions`, so that systems of one kind are one program.


def hamilton(t, x, args):
    return jnp.stack([x[2], x[3], -x[0] - 2 * x[0] * x[1], -x[1] - x[0] ** 2 + x[1] ** 2])


def henon_heiles(energy, y, py=0.0):
    px = np.sqrt(2 * energy - py**2 - y**2 + 2 / 3 * y**3)
    return curlflow.Flow(hamilton, [0.0, y, float(px), py], integrator=SHARP)


def laws(t, x, a):
    """The sum of a constant, √x, 1/x, x, x² and e^(0.03 t) with the coefficients a."""
    return a[0] + a[1] * jnp.sqrt(x) + a[2] / x + a[3] * x + a[4] * x**2 + a[5] * jnp.exp(0.03 * t)


def line(start, **coefficients):
    """A flow in one dimension by some of these laws."""
    names = ("one", "root", "inverse", "linear", "square", "forced")
    assert set(coefficients) <= set(names)
    return curlflow.Flow(laws, [start], args=np.array([coefficients.get(name, 0.0) for name in names]))


def rotation(i, x, args):
    turn = np.pi * (np.sqrt(5) - 1)
    return jnp.stack([jnp.cos(turn) * x[0] - jnp.sin(turn) * x[1], jnp.sin(turn) * x[0] + jnp.cos(turn) * x[1]])


@pytest.mark.parametrize(
    ("system", "expected"),
    [
        (lambda: systems.henon(), "chaotic"),
        (lambda: systems.rossler(c=2.5), "periodic"),
        (lambda: torus([1.0, 2**0.5]), "quasi_periodic"),
        (lambda: circle(1.0), "periodic"),
        (lambda: circle(2.0), "periodic"),  # batches of the window last for whole periods
        (lambda: curlflow.Map(rotation, [1.0, 0.0]), "quasi_periodic"),
        (lambda: henon_heiles(1 / 6, -0.1), "chaotic"),
        (lambda: duffing(0.5), "chaotic"),
        (lambda: duffing(0.2), "periodic"),
        (lambda: line(1.0, square=1.0), "divergent"),
    ],
)
def test_systems_whose_motion_is_known(system, expected):
    found, run = judged(system())
    assert found == expected, run.reason.item()


def descent_ascent(i, x, step):
    """Descent of xy in x, ascent in y, at once: (x, y) turns by arctan η and grows by √(1 + η²)."""
    return jnp.stack([x[0] - step * x[1], x[1] + step * x[0]])


@pytest.mark.parametrize(
    ("system", "rate"),
    [
        (lambda: curlflow.Map(descent_ascent, [1.0, 0.5], args=0.1), np.log(1.01) / 2),
        (lambda: curlflow.Map(descent_ascent, [1e3, 0.0], 0.1, args=0.15), 10 * np.log(1 + 0.15**2) / 2),
        (lambda: curlflow.Map(lambda i, x, a: -1.01 * x, [1.0]), np.log(1.01)),
        (lambda: in_the_plane([1.0, 0.0], [[0.02, -0.003], [0.003, 0.02]]), 0.02),
        (lambda: line(1.0, forced=1.0, linear=-1.0), 0.03),  # though differences shrink
    ],
)
def test_divergence_does_not_need_to_overflow(system, rate):
    found, run = judged(system())
    assert found == "divergent", run.reason.item()
    assert run.reason.item().startswith("the state grows like e^(")
    np.testing.assert_allclose(float(run.growth_rate), rate, rtol=5e-3)
    assert run.unbounded
    assert float(run.log_growth) > 20


def test_observables_that_overflow_before_the_state_does():
    found, run = judged(
        curlflow.Map(lambda i, x, a: 1.02 * x, [1.0]),
        observables=lambda x: jnp.stack([x[0] ** 2, x[0] ** 2 - (2 * x[0]) ** 2]),
    )
    assert found == "divergent", run.reason.item()
    assert (run.not_finite > 0).all()


@pytest.mark.parametrize(
    ("coefficients", "law"),
    [
        ({"one": 1.0}, r"t\^1;"),  # an angle does this too
        ({"root": 1.0}, r"t\^2;"),
        ({"inverse": 1.0}, r"t\^0.51;"),
        ({"linear": 0.003}, r"e\^\(0.003 t\);"),
    ],
)
def test_slower_growth_is_undecided_by_name(coefficients, law):
    found, run = judged(line(1.0, **coefficients))
    assert found == "undecided"
    assert re.match(f"observables still grow at the end, like {law}", run.reason.item()), run.reason.item()
    assert not run.unbounded


@pytest.mark.parametrize(
    ("system", "expected"),
    [
        (lambda: line(1e-12, linear=0.02, square=-2e-6), "fixed_point"),
        (lambda: van_der_pol([1e-9, 0.0]), "periodic"),
        (lambda: line(1e-15, linear=0.012), "undecided"),  # by e^24 through the window, to nowhere yet
    ],
)
def test_growth_up_to_the_attractor_is_no_divergence(system, expected):
    found, run = judged(system())
    assert found == expected, run.reason.item()
    assert not run.unbounded


@pytest.mark.optimised
@pytest.mark.slow
@pytest.mark.parametrize(
    ("system", "options", "expected"),
    [
        (lambda: systems.rossler(), {"duration": 8000}, "chaotic"),
        (lambda: torus([1.0, 2**0.5, 3**0.5]), {}, "quasi_periodic"),
        (lambda: henon_heiles(1 / 12, 0.1), {}, "quasi_periodic"),
        (lambda: systems.lorenz96(), {}, "chaotic"),
    ],
)
def test_slower_systems_whose_motion_is_known(system, options, expected):
    found, run = judged(system(), **options)
    assert found == expected, run.reason.item()


@pytest.mark.parametrize("memory", [0.0, 0.9])
def test_noise_is_not_called_chaos(memory):
    key = jax.random.key(1)

    def step(i, x, args):
        return memory * x + jax.random.normal(jax.random.fold_in(key, i), x.shape)

    found, run = judged(curlflow.Map(step, [0.3]))
    assert found == "undecided"
    assert float(run.zero_one[0]) > 0.9  # the 0-1 test alone would


def test_volume_preserving_maps_and_their_alignment():
    found, regular = judged(systems.standard_map(k=0.5, state=(np.pi, 0.3)))
    assert found == "quasi_periodic", regular.reason.item()
    found, chaotic = judged(systems.standard_map(k=5.0, state=(0.2, 2.1)))
    assert found == "chaotic", chaotic.reason.item()
    assert regular.preserves_volume
    assert chaotic.preserves_volume
    assert regular.log_gali[1] > -12
    assert chaotic.log_gali[1] < -1e4


def test_observables_of_ones_own():
    flow = torus([1.0, 2**0.5])
    radius = curlflow.classify(flow, observables=lambda x: jnp.sum(x**2).reshape(1))
    assert verdict(radius) == "fixed_point"  # the radius alone does not move
    assert radius.observable.values.tolist() == ["observable_1"]
    scalar = curlflow.classify(flow, observables=lambda x: jnp.sum(x**2))
    assert verdict(scalar) == "fixed_point"
    for wrong, message in (
        (lambda x: jnp.ones((2, 2)), "one axis"),
        (lambda x: x * jnp.nan, "finite"),
        (lambda x: x * 1j, "real numbers"),
        (lambda x: None, "cannot be applied"),
        (lambda x: float(x[0]), "cannot be applied"),
    ):
        with pytest.raises(ValueError, match=f"observables: .*{message}"):
            curlflow.classify(flow, observables=wrong)
    with pytest.raises(ValueError, match="observables: got 3, required is a function of the state"):
        curlflow.classify(flow, observables=3)


@pytest.mark.parametrize("ρ", [28.0, 160.0, 10.0])
def test_pictures(tmp_path, ρ):
    dataset = curlflow.classify(systems.lorenz63(rho=ρ), transient=100, duration=100)
    curlflow.plot.classification(dataset).savefig(tmp_path / "verdict.png")
    assert (tmp_path / "verdict.png").stat().st_size > 10_000
    with pytest.raises(ValueError, match="realization: got 1, allowed are 0 to 0"):
        curlflow.plot.classification(dataset, realization=1)
    with pytest.raises(ValueError, match="realization: got 0.0"):
        curlflow.plot.classification(dataset, realization=0.0)
    with pytest.raises(ValueError, match="no dimension realization"):
        curlflow.plot.classification(dataset.isel(realization=0))


@pytest.mark.parametrize("step", [0.1, 0.21])
def test_the_picture_of_a_divergence(tmp_path, step):
    """All segments have one exponent but for rounding; the squares of the states are up to 1e340."""
    dataset = curlflow.classify(curlflow.Map(descent_ascent, [1.0, 0.5], args=step))
    assert verdict(dataset) == "divergent"
    curlflow.plot.classification(dataset).savefig(tmp_path / "verdict.png")
    assert (tmp_path / "verdict.png").stat().st_size > 10_000
    path = curlflow.save(dataset, tmp_path / "verdict.nc")
    assert curlflow.load(path).identical(dataset)


def small(**changes):
    spec = curlflow.Spec(
        network={"inputs": 5, "hidden": 6, "outputs": 1, "activation": "linear", "output_activation": "linear"},
        rule={"kind": "curl", "flipped": {"inputs": 0.4}},
        constraint={"kind": "frobenius"},
        data={"samples": 40},
        dynamics={"kind": "updates", "learning_rate": 0.1},
        realizations=2,
    )
    return spec.replace(changes)


def test_learning(tmp_path):
    spec = small(**{"rule.flipped.inputs": 0.0})
    dataset = curlflow.classify(spec, transient=2000, duration=200, exponents=2)
    assert [verdict(dataset, i) for i in range(2)] == ["fixed_point", "fixed_point"]
    assert dataset.observable.values[0] == "train_error"
    assert dataset.attrs["study"] == "classify"
    path = curlflow.save(dataset, tmp_path / "c.nc")
    xr_equal = curlflow.load(path)
    assert xr_equal.reason.values.tolist() == dataset.reason.values.tolist()
    assert xr_equal.identical(dataset)


def test_the_command(tmp_path):
    (tmp_path / "small.toml").write_text(small().to_toml())
    words = ["classify", "small.toml", "--transient", "50", "--duration", "100", "--exponents", "1"]
    done = run(*words, cwd=tmp_path)
    assert done.returncode in (0, 3), done.stderr
    assert "verdict" in done.stdout
    assert "reason" in done.stdout
    assert curlflow.load(tmp_path / "classify_small.nc").sizes["realization"] == 2
    assert (tmp_path / "classify_small.png").exists()


def test_points_that_rounding_holds_are_named():
    """x = 1 is an unstable fixed point of 1 − 1.1 (x − 1) + …, and 1 + 1e-17 is 1."""
    unstable = curlflow.Map(lambda i, x, args: 1 - 1.1 * (x - 1) + 0.1 * (x - 1) ** 3, np.array([1.0]))
    long, short = (curlflow.classify(unstable, transient=10, duration=d, exponents=1) for d in (2000, 600))
    np.testing.assert_allclose(long.lyapunov_exponent[0, 0], np.log(1.1), rtol=1e-9)
    for dataset, status in ((long, "held_by_rounding"), (short, "completed")):
        assert verdict(dataset) == "undecided"
        assert "an unstable point that will be left" in dataset.reason[0].item()
        assert curlflow.Status(int(dataset.status[0])).name == status


def test_symmetry_does_not_count():
    flow = small(**{"dynamics": {"kind": "flow"}, "rule.flipped.inputs": 0.0})
    dataset = curlflow.classify(flow, transient=500, duration=200, exponents=4)
    assert "transverse" in dataset.attrs
    assert verdict(dataset) == "fixed_point"
    # 36 weights on two spheres, less the 15 directions of the orbit of 6 units with 6 independent rows.
    with pytest.raises(ValueError, match="exponents: got 20, allowed are whole numbers from 1 to 19"):
        curlflow.classify(flow, exponents=20)


def test_weights_that_go_round_while_nothing_else_moves():
    """All inputs flipped: W1 and W2 end in a rotation of the hidden units that leaves W2 W1 and W1ᵀW1 as they are."""
    changes = {
        "network.inputs": 4, "network.hidden": 13, "teacher.width": 13, "rule.flipped.inputs": 1.0, "realizations": 1,
        "data.samples": 200, "seed": 1, "start.offset.value": 1e-3,
        "dynamics": {"kind": "updates", "learning_rate": 0.1, "batch": "full"},
    }  # fmt: skip
    spec = curlflow.preset("fig3cd").replace(changes)
    dataset = curlflow.classify(spec, transient=4000, duration=500, exponents=1)
    assert verdict(dataset) == "fixed_point"
    assert "relative equilibrium" in dataset.reason[0].item()
    epochs = [44_999, 45_000, 45_020]
    weights = curlflow.simulate(spec, times=epochs, weights="all").weights[0].to_numpy()
    w1, w2 = weights[:, :52].reshape(3, 13, 4), weights[:, 52:].reshape(3, 1, 13)
    np.testing.assert_allclose(w2[2] @ w1[2], w2[1] @ w1[1], atol=1e-8)
    np.testing.assert_allclose(w1[2].T @ w1[2], w1[1].T @ w1[1], atol=1e-8)
    assert np.abs(weights[2] - weights[1]).max() > 0.1
    speed = np.linalg.norm(weights[1] - weights[0]) / 0.1 / np.linalg.norm(weights[1])
    np.testing.assert_allclose(float(dataset.weight_speed[0]), speed, rtol=1e-6)
    flow = curlflow.classify(spec.replace("rule.flipped.inputs", 0.0).replace("dynamics", {"kind": "flow"}),
                             transient=200, duration=100, exponents=1)  # fmt: skip
    assert flow.weight_speed[0] < 1e-6
    assert flow.reason[0].item() == "nothing moves any more"


@pytest.mark.optimised
def test_two_alternating_states_are_named():
    """The trap of docs/model.md: updates that end on a cycle that the flow does not have, with W1 of rank one."""
    changes = {"realizations": 1, "dynamics": {"kind": "updates", "learning_rate": 0.1}}
    spec = curlflow.preset("hidden_chaos").replace(changes)
    dataset = curlflow.classify(spec, transient=1000, duration=100, exponents=1)
    assert verdict(dataset) == "periodic"
    assert "two states repeat" in dataset.reason[0].item()
    np.testing.assert_allclose(float(dataset.return_time[0]), 0.2)
    assert curlflow.Status(int(dataset.status[0])).name == "period_two"
    assert dataset.rank_ratio[0, 0] < 1e-8


@pytest.mark.quick
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"duration": -1}, "duration: got -1"),
        ({"transient": -1}, "transient: got -1"),
        ({"exponents": 4}, "exponents: got 4, allowed are whole numbers from 1 to 3"),
        ({"seed": 0.5}, "seed: got 0.5"),
        ({"seed": 2**70}, "seed: got"),
    ],
)
def test_bad_input(options, message):
    with pytest.raises(ValueError, match=message):
        curlflow.classify(systems.lorenz63(), **options)


def test_windows_that_are_too_short():
    with pytest.raises(ValueError, match="duration: got 100, 100 iterations; required are 500 or more"):
        curlflow.classify(systems.henon(), duration=100)
    with pytest.raises(ValueError, match="spec_or_system: got int, required is a curlflow.Spec, a Flow or a Map; "):
        curlflow.classify(3)


def test_an_interrupt_keeps_what_is_finished(monkeypatch):
    from curlflow.studies.classify import runs as classification_runs

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(classification_runs, "_align", stop)
    with pytest.raises(curlflow.Interrupted) as caught:
        curlflow.classify(systems.henon(), duration=2000)
    dataset = caught.value.dataset
    assert np.isfinite(dataset.lyapunov_exponent.values).all()
    assert np.isfinite(dataset.zero_one.values).all()
    assert curlflow.Status(int(dataset.status[0])).name == "interrupted"
    assert verdict(dataset) == "undecided"


def test_an_interrupted_transient_leads_to_no_verdict():
    def stop(realization, phase, fraction):
        raise KeyboardInterrupt

    with pytest.raises(curlflow.Interrupted) as caught:
        curlflow.classify(systems.henon(), duration=2000, progress=stop)
    dataset = caught.value.dataset
    assert curlflow.Status(int(dataset.status[0])).name == "not_run"
    assert verdict(dataset) == "undecided"
