"""Exponents against closed forms and identities, the dull cases first; then resume, statuses and bad input."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

import curlflow
from curlflow import Flow, Map, Spec, Status, systems
from curlflow.measures.lyapunov import kaplan_yorke_dimension
from curlflow.solvers.integrate import Adaptive, FixedSteps
from curlflow.studies.arguments import Natural, Positive, check

SHORT = {"duration": 40, "transient": 20, "alignment": 20}


def exponents(dataset, realization=0):
    return dataset.lyapunov_exponent.to_numpy()[realization]


def doubt(ds, realization=0):
    return ds.doubt.attrs["flag_meanings"].split()[int(ds.doubt[realization])]


def errors(dataset, realization=0):
    return dataset.lyapunov_exponent_se.to_numpy()[realization]


# Closed forms.


@pytest.mark.parametrize("stepping", ["adaptive", "fixed"])
@pytest.mark.parametrize(
    "matrix",
    [
        [[-0.5]],
        [[0.0]],
        [[0.3, 0.0], [0.0, -2.0]],
        [[-1.0, 2.0], [0.0, 0.5]],
        [[0.1, 5.0, 0.0], [-5.0, 0.1, 0.0], [1.0, 0.0, -1.0]],
        [[0.0, 1.0], [-1.0, 0.0]],
    ],
    ids=["1d", "zero", "diagonal", "triangular", "complex pair", "centre"],
)
def test_linear_flows_have_the_real_parts_of_their_eigenvalues(matrix, stepping):
    ds = curlflow.lyapunov(
        systems.linear(matrix), rtol=1e-9, atol=1e-12, stepping=stepping, duration=60, alignment=60
    )
    expected = np.sort(np.linalg.eigvals(np.array(matrix)).real)[::-1]
    # A complex pair turns its plane: the mean over a run is exact only to one turn over its length.
    np.testing.assert_allclose(
        exponents(ds), expected, atol=2e-2 if np.iscomplexobj(np.linalg.eigvals(matrix)) else 1e-6
    )
    np.testing.assert_allclose(ds.divergence_residual, 0, atol=1e-7)
    np.testing.assert_allclose(ds.mean_divergence, np.trace(matrix), atol=1e-6)


@pytest.mark.quick
def test_linear_maps_have_logarithms_of_eigenvalues_per_unit_of_time():
    a = np.diag([2.0, 0.5, 0.1]) + np.triu(np.ones((3, 3)), 1)
    ds = curlflow.lyapunov(Map(lambda i, x, args: a @ x, np.zeros(3), time_per_step=0.1), duration=50, alignment=20)
    np.testing.assert_allclose(exponents(ds), np.log([2.0, 0.5, 0.1]) / 0.1, rtol=1e-9)
    np.testing.assert_allclose(ds.mean_divergence, np.log(0.1) / 0.1, rtol=1e-12)
    assert float(ds.time[0]) == float(ds.time[1] - ds.time[0])


def test_a_stable_fixed_point_of_a_nonlinear_flow():
    # Lorenz at ρ = 0.5: the origin attracts, with eigenvalues −β and those of the (x, y) block.
    sigma, rho, beta = 10.0, 0.5, 8 / 3
    ds = curlflow.lyapunov(systems.lorenz63(sigma, rho, beta), **SHORT, rtol=1e-8, atol=1e-12)
    block = np.linalg.eigvals([[-sigma, sigma], [rho, -1]])
    np.testing.assert_allclose(exponents(ds), np.sort([*block, -beta])[::-1], atol=1e-5)
    assert bool(ds.converged[0])
    assert float(ds.kaplan_yorke_dimension[0]) == 0.0


def test_a_limit_cycle_has_one_zero_and_its_floquet_exponent():
    # r' = r − r³, θ' = 1 in Cartesian coordinates: exponents 0 and −2.
    def hopf(t, u, args):
        x, y = u
        r2 = x * x + y * y
        return jnp.stack([x * (1 - r2) - y, y * (1 - r2) + x])

    ds = curlflow.lyapunov(Flow(hopf, [0.3, 0.0]), duration=100, transient=20, alignment=20, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(exponents(ds), [0.0, -2.0], atol=1e-6)
    np.testing.assert_allclose(ds.kaplan_yorke_dimension, 1.0, atol=1e-5)


@pytest.mark.parametrize("stepping", ["adaptive", "fixed"])
def test_lorenz(stepping):
    ds = curlflow.lyapunov(systems.lorenz63(), stepping=stepping, transient=50, alignment=20, duration=1000)
    assert np.all(np.abs(exponents(ds) - [0.9056, 0.0, -14.5723]) < 4 * errors(ds))
    assert np.all(errors(ds) < 0.02)
    # Identities hold far better than the averages have converged.
    np.testing.assert_allclose(exponents(ds).sum(), -(10 + 1 + 8 / 3), atol=5e-4)
    np.testing.assert_allclose(ds.mean_divergence, -(10 + 1 + 8 / 3), atol=5e-4)
    np.testing.assert_allclose(ds.kaplan_yorke_dimension, 2.062, atol=5e-3)
    assert ds.attrs["stepping"] == stepping
    assert ds.attrs["method"] == {"adaptive": "tsit5", "fixed": "rk4"}[stepping]


def test_rossler():
    ds = curlflow.lyapunov(systems.rossler(), duration=3000, transient=100, stepping="fixed")
    assert np.all(np.abs(exponents(ds) - [0.0714, 0.0, -5.3943]) < 4 * errors(ds))
    np.testing.assert_allclose(exponents(ds).sum(), ds.mean_divergence, atol=1e-4)


def test_lorenz96_loses_volume_at_its_dimension():
    ds = curlflow.lyapunov(systems.lorenz96(6), exponents=6, duration=60, transient=20, alignment=10, rtol=1e-8)
    np.testing.assert_allclose(exponents(ds).sum(), -6.0, atol=1e-4)
    np.testing.assert_allclose(ds.mean_divergence, -6.0, atol=1e-6)


@pytest.mark.quick
def test_maps_of_the_textbooks():
    henon = curlflow.lyapunov(systems.henon(), duration=20_000, transient=100)
    assert np.all(np.abs(exponents(henon) - [0.41922, -1.62319]) < 4 * errors(henon))
    np.testing.assert_allclose(exponents(henon).sum(), np.log(0.3), rtol=1e-12)
    logistic = curlflow.lyapunov(systems.logistic(), duration=20_000, transient=100)
    assert abs(exponents(logistic)[0] - np.log(2)) < 4 * errors(logistic)[0]
    standard = curlflow.lyapunov(systems.standard_map(), duration=200_000, transient=100)
    np.testing.assert_allclose(exponents(standard).sum(), 0.0, atol=1e-12)
    np.testing.assert_allclose(exponents(standard)[0], 0.10497, atol=0.015)
    assert float(standard.kaplan_yorke_dimension[0]) == 2.0


def test_directions_squeezed_to_nothing_have_minus_infinity():
    ds = curlflow.lyapunov(Map(lambda i, x, args: jnp.stack([0 * x[0], x[1] / 2]), np.ones(2)), **SHORT)
    np.testing.assert_allclose(exponents(ds), [np.log(0.5), -np.inf], rtol=1e-14)
    assert errors(ds)[0] < 1e-12
    assert np.isnan(errors(ds)[1])
    assert bool(ds.converged[0])
    assert int(ds.status[0]) == Status.completed


def test_nothing_moves_nothing_grows():
    for dull in (Map(lambda i, x, args: x, np.ones(2)), Flow(lambda t, x, args: 0 * x, np.ones(2))):
        ds = curlflow.lyapunov(dull, **SHORT)
        np.testing.assert_array_equal(exponents(ds), [0, 0])
        assert bool(ds.converged[0])


def test_a_periodic_logistic_map_is_negative():
    # r = 3.2: period two, multiplier 4 + 2r − r² over two steps.
    ds = curlflow.lyapunov(systems.logistic(3.2), duration=1000, transient=500)
    np.testing.assert_allclose(exponents(ds), 0.5 * np.log(abs(4 + 2 * 3.2 - 3.2**2)), rtol=1e-9)


def test_fewer_exponents_than_dimensions_are_the_leading_ones():
    full = curlflow.lyapunov(systems.lorenz63(), duration=200, transient=50, seed=1)
    two = curlflow.lyapunov(systems.lorenz63(), duration=200, transient=50, exponents=2, seed=2)
    assert two.sizes["exponent"] == 2
    np.testing.assert_allclose(exponents(two), exponents(full)[:2], atol=4 * errors(full)[:2].max())
    assert "mean_divergence" not in two
    assert np.isnan(two.kaplan_yorke_dimension[0])
    meanings = two.kaplan_yorke_status.attrs["flag_meanings"].split()
    assert meanings[int(two.kaplan_yorke_status[0])] == "too_few_exponents"


# Learning systems at solutions: equation (4).


def solution_spec(constraint, flipped=0.5):
    return Spec(
        network={"inputs": 5, "hidden": 6}, data={"samples": 40}, realizations=2,
        rule={"kind": "curl", "flipped": {"inputs": flipped, "hidden": 0.4}},
        constraint={"kind": constraint}, start={"kind": "teacher"},
        dynamics={"kind": "flow", "rtol": 1e-9, "atol": 1e-13},
    )  # fmt: skip


def manifold_spectrum(problem, constrained):
    """Eigenvalues of −HΣ, with the correction for the spheres; model.md, equation (4)."""
    w1, w2 = (np.asarray(w) for w in problem.student.weights)
    d1, d2 = problem.rule.gains[0][0], problem.rule.gains[1][0]
    h = w1.T @ np.diag(d2) @ w1 + (w2 @ w2.T).item() * np.diag(d1)
    if constrained:
        v = (w2 @ w1)[0]
        u = d1 * v / np.sum(w1**2) + w1.T @ (d2 * w2[0]) / np.sum(w2**2)
        h = h - np.outer(v, u)
    return np.linalg.eigvals(-h @ problem.covariance)


@pytest.mark.parametrize("constraint", ["none", "frobenius"])
def test_exponents_at_a_solution_are_eigenvalues_of_the_kernel(constraint):
    # An unstable solution is left at rates of order one from rounding errors of 1e-17: a short run is still on it.
    spec = solution_spec(constraint)
    dimension = 36 - (2 if constraint == "frobenius" else 0)
    ds = curlflow.lyapunov(spec, exponents=dimension, transient=0, alignment=60, duration=40, block=0.5)
    for i in range(2):
        spectrum = manifold_spectrum(spec.build(realization=i), constraint == "frobenius").real
        expected = np.sort([*spectrum, *np.zeros(dimension - 5)])[::-1]
        np.testing.assert_allclose(exponents(ds, i), expected, atol=0.02)
        # Tangents align at the gaps between eigenvalues: across wide gaps, sums are there already.
        wide = np.flatnonzero(expected[:-1] - expected[1:] > 0.1)
        assert wide.size >= 2
        np.testing.assert_allclose(exponents(ds, i).cumsum()[wide], expected.cumsum()[wide], atol=1e-3)
        np.testing.assert_allclose(ds.divergence_residual[i], 0, atol=1e-6)
        np.testing.assert_allclose(ds.mean_divergence[i], spectrum.sum(), atol=1e-6)


def test_updates_at_a_solution_have_multipliers_one_minus_eta_mu():
    spec = solution_spec("frobenius", flipped=0.0).replace({"rule.flipped.hidden": 0.0, "dynamics.kind": "updates"})
    ds = curlflow.lyapunov(spec.replace("realizations", 1), exponents=34, transient=0, alignment=400, duration=100)
    problem = spec.build()
    w1, w2 = (np.asarray(w) for w in problem.student.weights)
    v = (w2 @ w1)[0]
    h = w1.T @ w1 + (w2 @ w2.T).item() * np.eye(5)
    h = h - np.outer(v, v / np.sum(w1**2) + w1.T @ w2[0] / np.sum(w2**2))
    nonzero = np.log(np.abs(1 - 0.1 * np.linalg.eigvals(h @ problem.covariance))) / 0.1
    np.testing.assert_allclose(exponents(ds), np.sort([*nonzero, *np.zeros(29)])[::-1], atol=2e-3)


def test_spheres_leave_no_spurious_exponents():
    # Rescaled updates without projection would have two exponents of −∞; the flow two more zeros.
    spec = solution_spec("frobenius").replace(
        {"start": {"kind": "random"}, "dynamics.kind": "updates", "realizations": 1}
    )
    ds = curlflow.lyapunov(spec, exponents=34, **SHORT)
    assert np.isfinite(exponents(ds)).all()
    np.testing.assert_allclose(ds.divergence_residual, 0, atol=1e-10)
    with pytest.raises(ValueError, match="exponents: got 35, allowed are whole numbers from 1 to 34"):
        curlflow.lyapunov(spec, exponents=35)


# Defaults, blocks and labels.


def test_the_block_keeps_the_condition_number_small():
    stiff = curlflow.lyapunov(systems.linear(np.diag([0.0, -2000.0])), duration=1, transient=0, alignment=0)
    block = float(stiff.time[0])
    assert np.exp(2000 * block) < 1e6
    assert np.exp(2000 * 5 * block) > 1e6
    slow = curlflow.lyapunov(systems.linear(np.diag([0.0, -0.1])), duration=5, transient=0, alignment=0)
    assert float(slow.time[0]) == 1.0


def test_blocks_that_are_too_long_are_divided():
    fine = curlflow.lyapunov(systems.lorenz63(), duration=300, transient=20, block=0.5)
    long = curlflow.lyapunov(systems.lorenz63(), duration=300, transient=20, block=5.0)
    assert float(fine.largest_condition[0]) < 1e8
    assert int(fine.factorisations[0]) == 1
    assert float(long.largest_condition[0]) < 1e10
    assert int(long.factorisations[0]) in (4, 8)
    assert np.all(np.abs(exponents(long) - exponents(fine)) < 4 * (errors(fine) + errors(long)))
    stiff = systems.linear(np.diag([-1.0, -20.0, -60.0]))
    ds = curlflow.lyapunov(stiff, duration=50, transient=1, alignment=5, block=1.0)
    np.testing.assert_allclose(exponents(ds), [-1, -20, -60], atol=1e-3)
    half = curlflow.lyapunov(stiff, duration=20, transient=1, alignment=5, block=1.0)
    joined = curlflow.lyapunov(stiff, duration=30, resume=half)
    xr.testing.assert_identical(joined.drop_attrs(), ds.drop_attrs())
    # An iteration of a map cannot be divided.
    squeezed = curlflow.lyapunov(Map(lambda i, x, args: jnp.array([1.0, 1e-12]) * x, np.ones(2)), **SHORT)
    assert doubt(squeezed) == "condition"


def test_signs_below_the_resolution_of_the_solver_are_not_resolved():
    from curlflow.cli.tables import _sign

    oscillator = curlflow.lyapunov(systems.linear([[0.0, 1.0], [-1.0, 0.0]], state=[1.0, 0.0]), duration=200)
    resolution = oscillator.attrs["resolution"]
    assert resolution == 1e-6
    for value, error in zip(exponents(oscillator), errors(oscillator), strict=True):
        assert _sign(value, error, resolution) == "unresolved"
    assert _sign(1e-3, 1e-4, resolution) == "+"
    assert _sign(-np.inf, np.nan, resolution) == "−"
    assert np.isnan(curlflow.lyapunov(systems.linear([[-1.0]]), **SHORT).se_ratio[0, 0])


def test_labels_units_and_order():
    ds = curlflow.lyapunov(systems.lorenz63(), duration=20, transient=5)
    assert dict(ds.sizes) == {"realization": 1, "exponent": 3, "block": 40, "state_variable": 3, "tangent": 3}
    assert ds.time.dims == ("block",)
    assert np.all(np.diff(exponents(ds)) <= 0)
    assert all({"long_name", "units"} <= set(v.attrs) for v in ds.variables.values())
    np.testing.assert_allclose(ds.local_exponent.mean("block"), ds.lyapunov_exponent, rtol=1e-12)
    for name in ("Conventions", "commit", "versions", "device", "precision", "settings", "system", "criterion"):
        assert name in ds.attrs


def test_seeds_change_tangents_and_nothing_else():
    a, b = (curlflow.lyapunov(systems.lorenz63(), seed=s, **SHORT, block=0.5) for s in (0, 1))
    # Adaptive steps see the tangents, so only the attractor is the same; fixed steps leave the state alone.
    fixed = [curlflow.lyapunov(systems.henon(), seed=s, duration=50, transient=10) for s in (0, 1)]
    np.testing.assert_array_equal(fixed[0].final_state, fixed[1].final_state)
    assert (a.final_tangent.to_numpy() != b.final_tangent.to_numpy()).any()


# Resume.


@pytest.mark.parametrize("stepping", ["fixed", "adaptive"])
def test_two_runs_joined_are_one_run_bit_for_bit(stepping, tmp_path):
    spec = solution_spec("frobenius").replace("start", {"kind": "random"})
    once = curlflow.lyapunov(spec, **{**SHORT, "duration": 30}, exponents=3, stepping=stepping)
    half = curlflow.lyapunov(spec, **{**SHORT, "duration": 10}, exponents=3, stepping=stepping)
    curlflow.save(half, tmp_path / "half.nc")
    joined = curlflow.lyapunov(spec, resume=curlflow.load(tmp_path / "half.nc"), duration=20)
    for name in once.data_vars:
        np.testing.assert_array_equal(once[name].to_numpy(), joined[name].to_numpy(), err_msg=name)
    np.testing.assert_array_equal(once.time, joined.time)


def test_pieces_add_up_whatever_their_length():
    options = {"block": 0.3, "transient": 5, "alignment": 5}
    once = curlflow.lyapunov(systems.lorenz63(), duration=30, **options)
    ds = curlflow.lyapunov(systems.lorenz63(), duration=10, **options)
    for piece in (7, 13):
        ds = curlflow.lyapunov(systems.lorenz63(), resume=ds, duration=piece)
    xr.testing.assert_identical(ds.drop_attrs(), once.drop_attrs())


def test_maps_and_full_spectra_resume_exactly():
    once = curlflow.lyapunov(systems.henon(), duration=300, transient=10, alignment=10)
    half = curlflow.lyapunov(systems.henon(), duration=100, transient=10, alignment=10)
    xr.testing.assert_identical(
        once.drop_attrs(), curlflow.lyapunov(systems.henon(), resume=half, duration=200).drop_attrs()
    )


def test_resume_refuses_what_is_not_the_same():
    ds = curlflow.lyapunov(systems.lorenz63(), duration=5, transient=1)
    with pytest.raises(ValueError, match="resume: the dataset is about another system"):
        curlflow.lyapunov(systems.lorenz63(rho=30.0), resume=ds)
    with pytest.raises(ValueError, match="resume: exponents = 2 was given, but the dataset was made with 3"):
        curlflow.lyapunov(systems.lorenz63(), resume=ds, exponents=2)
    with pytest.raises(ValueError, match=r"resume: a dataset of curlflow.lyapunov is required"):
        curlflow.lyapunov(systems.lorenz63(), resume=xr.Dataset())
    with pytest.raises(ValueError, match=r"resume: got 'a.nc', required is a dataset; curlflow.load"):
        curlflow.lyapunov(systems.lorenz63(), resume="a.nc")
    with pytest.raises(
        ValueError, match=r"resume: the dataset has \[4\] blocks of local_exponent, required are \[10\]"
    ):
        curlflow.lyapunov(systems.lorenz63(), resume=ds.isel(block=slice(4)))
    spec = solution_spec("none").replace("start", {"kind": "random"})
    learned = curlflow.lyapunov(spec, duration=2, transient=1, alignment=1)
    with pytest.raises(ValueError, match=r"another spec: rule.gain = -1.0, not -0.5"):
        curlflow.lyapunov(spec.replace("rule.gain", -0.5), resume=learned)


# Tolerance, statuses, interrupts.


def test_tolerance_stops_when_every_error_is_small_enough():
    loose = curlflow.lyapunov(systems.lorenz63(), tolerance=0.03, transient=50)
    tight = curlflow.lyapunov(systems.lorenz63(), tolerance=0.004, transient=50)
    assert bool(loose.converged[0])
    assert bool(tight.converged[0])
    assert errors(loose).max() <= 0.03
    assert errors(tight).max() <= 0.004
    assert int(loose.blocks[0]) < int(tight.blocks[0])
    never = curlflow.lyapunov(systems.lorenz63(), tolerance=1e-9, transient=50, duration=30)
    assert not bool(never.converged[0])
    assert int(never.status[0]) == Status.completed


def test_a_realization_that_diverges_does_not_take_the_others_along():
    # w' = w² blows up in finite time from positive starts, and tends to zero from negative ones.
    class Squares(curlflow.rules.AbstractLearningRule):
        def velocity(self, network, task):
            w1, w2 = network.weights
            return network.with_weights((w1 * w1, -w2))

    spec = Spec(network={"inputs": 1, "hidden": 1}, realizations=6)
    ds = curlflow.lyapunov(spec, rule=Squares(), exponents=2, duration=20, transient=40, alignment=10)
    starts = [spec.build(realization=i).student.weights[0].item() for i in range(6)]
    assert [s == Status.diverged for s in ds.status.to_numpy()] == [w > 0 for w in starts]
    status = ds.status.to_numpy()
    failed, fine = status != Status.completed, status == Status.completed
    assert failed.any()
    assert fine.any()
    assert np.isfinite(ds.lyapunov_exponent.to_numpy()[fine]).all()
    assert not ds.converged.to_numpy()[failed].any()


def test_divergence_while_averaging_keeps_the_blocks_before():
    grows = Flow(lambda t, x, args: x, np.ones(1))
    ds = curlflow.lyapunov(grows, transient=0, alignment=0, duration=1000)
    assert int(ds.status[0]) == Status.diverged
    assert 600 < int(ds.blocks[0]) < 711  # e^709 is the largest number
    np.testing.assert_allclose(exponents(ds), 1.0, rtol=1e-5)
    assert np.isfinite(ds.final_state).all()


def test_limits_of_steps_end_with_their_status():
    stiff = Flow(lambda t, x, args: -1e7 * (x - jnp.cos(t)), np.ones(1), integrator=Adaptive(max_steps=50))
    ds = curlflow.lyapunov(stiff, duration=10, transient=10)
    assert int(ds.status[0]) == Status.max_steps_reached
    assert np.isnan(exponents(ds)).all()
    assert ds.sizes["block"] == 0


def test_interrupts_keep_what_was_finished():
    calls = []

    def progress(realization, phase, fraction):
        calls.append(phase)
        if phase == "exponents" and fraction > 0.1:
            raise KeyboardInterrupt

    flow = systems.lorenz63()
    with pytest.raises(curlflow.Interrupted) as caught:
        curlflow.lyapunov(flow, duration=20_000, transient=10, progress=progress)
    assert isinstance(caught.value, KeyboardInterrupt)
    partial = caught.value.dataset
    assert int(partial.status[0]) == Status.interrupted
    assert 0 < int(partial.blocks[0]) < 40_000
    assert np.isfinite(exponents(partial)).all()
    assert {"transient", "alignment", "exponents"} <= set(calls)
    longer = curlflow.lyapunov(flow, resume=partial, duration=5)
    assert int(longer.status[0]) == Status.completed
    assert int(longer.blocks[0]) == int(partial.blocks[0]) + 10


def test_an_interrupt_before_the_first_block_starts_again():
    def progress(realization, phase, fraction):
        raise KeyboardInterrupt

    with pytest.raises(curlflow.Interrupted) as caught:
        curlflow.lyapunov(systems.henon(), progress=progress)
    partial = caught.value.dataset
    assert int(partial.status[0]) == Status.not_run
    again = curlflow.lyapunov(systems.henon(), resume=partial, duration=100)
    np.testing.assert_array_equal(exponents(again), exponents(curlflow.lyapunov(systems.henon(), duration=100)))


# Speed that does not depend on the clock.


def test_a_second_call_compiles_nothing(compilations):
    spec = solution_spec("frobenius").replace("start", {"kind": "random"})
    curlflow.lyapunov(spec, **SHORT, exponents=3)
    other = spec.replace({"seed": 5, "rule.flipped.inputs": 0.2, "start.scale": 2.0, "dynamics.rtol": 1e-8})
    assert compilations(lambda: curlflow.lyapunov(other, **SHORT, exponents=3, seed=4)) == 0
    curlflow.lyapunov(systems.lorenz63(), **SHORT)
    assert compilations(lambda: curlflow.lyapunov(systems.lorenz63(rho=35.0), duration=30, transient=7)) == 0
    # The counter counts: another shape compiles.
    assert compilations(lambda: curlflow.lyapunov(systems.linear(-np.eye(7)), **SHORT)) > 0


# Kaplan and Yorke by hand, and bad input.


@pytest.mark.quick
@pytest.mark.parametrize(
    ("values", "complete", "dimension", "reason"),
    [
        ([0.9, 0.0, -14.5], True, 2 + 0.9 / 14.5, ""),
        ([-0.1, -0.2], True, 0.0, ""),
        ([0.5, -0.5], True, 2.0, ""),
        ([1.0, 0.5], True, 2.0, ""),
        ([1.0, 0.5], False, np.nan, "too_few_exponents"),
        ([0.5, -1.0], False, 1.5, ""),
        ([np.nan, 1.0], True, np.nan, "exponents_missing"),
        ([-np.inf, -np.inf], True, 0.0, ""),
        ([0.7, -np.inf, -np.inf], True, 1.0, ""),
    ],
)
def test_kaplan_yorke_by_hand(values, complete, dimension, reason):
    got, why = kaplan_yorke_dimension(np.array(values), complete)
    np.testing.assert_allclose(got, dimension)
    assert why == reason


@pytest.mark.quick
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"exponents": 4}, "exponents: got 4, allowed are whole numbers from 1 to 3, the dimension of the state"),
        ({"exponents": 0}, "exponents: got 0, allowed"),
        ({"duration": -1.0}, "duration: got -1.0, allowed are finite numbers above 0"),
        ({"duration": float("nan")}, "duration: got nan"),
        ({"transient": -1.0}, "transient: got -1.0, allowed are finite numbers from 0"),
        ({"alignment": float("inf")}, "alignment: got inf"),
        ({"block": 0.0}, "block: got 0.0"),
        ({"tolerance": 0.0}, "tolerance: got 0.0"),
        ({"rtol": -1e-3}, "rtol: got -0.001"),
        ({"rtol": 1.5}, "rtol: got 1.5, allowed are numbers above 0 and below 1"),
        ({"duration": 10**400}, "duration: got inf"),
        ({"duration": 1e300, "transient": 1, "alignment": 0}, "duration: 1e.300 units of time are"),
        ({"stepping": "euler"}, "stepping: got 'euler', allowed are adaptive, fixed"),
        ({"seed": -1}, "seed: got -1"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        curlflow.lyapunov(systems.lorenz63(), **arguments)


@pytest.mark.parametrize("value", [0.5, True, "3", [1], None, float("nan"), float("inf"), 1j, np.array([1, 2])])
def test_what_is_no_whole_number_is_named(value):
    with pytest.raises(ValueError, match="seed: got .*, allowed are whole numbers of at least 0"):
        check("seed", value, Natural)


@pytest.mark.parametrize("value", [True, "3", [1], None, 1j, np.array([1.0, 2.0])])
def test_what_is_no_number_is_named(value):
    with pytest.raises(ValueError, match="duration: got .*, a number is required"):
        check("duration", value, Positive)


def test_bad_combinations_are_named():
    with pytest.raises(ValueError, match="stepping: got 'fixed'; a map has no steps to choose"):
        curlflow.lyapunov(systems.henon(), stepping="fixed")
    with pytest.raises(ValueError, match="rtol: maps and fixed steps have no tolerance"):
        curlflow.lyapunov(systems.henon(), rtol=1e-3)
    with pytest.raises(ValueError, match=r"block: got 0.2, shorter than an iteration"):
        curlflow.lyapunov(systems.henon(), block=0.2)


def test_no_freedom_is_no_exponent():
    spec = Spec(network={"inputs": 1, "hidden": 1}, constraint={"kind": "frobenius"})
    with pytest.raises(ValueError, match="its constraint leaves the state no freedom to move"):
        curlflow.lyapunov(spec)


def test_a_flow_with_fixed_steps_of_its_own_keeps_them():
    flow = Flow(lambda t, x, args: -x, np.ones(2), integrator=FixedSteps(0.1))
    ds = curlflow.lyapunov(flow, **SHORT)
    assert float(ds.step[0]) == 0.1
    # The multiplier of one Runge–Kutta step, not of the flow.
    z = -0.1
    np.testing.assert_allclose(exponents(ds), np.log(1 + z + z**2 / 2 + z**3 / 6 + z**4 / 24) / 0.1, rtol=1e-10)


def test_users_rules_need_no_edit_of_the_package():
    class Decay(curlflow.rules.AbstractLearningRule):
        def velocity(self, network, task):
            return jax.tree.map(lambda w: -0.25 * w, network)

    spec = Spec(network={"inputs": 3, "hidden": 2}, realizations=2)
    ds = curlflow.lyapunov(spec, rule=Decay(), exponents=8, **SHORT)
    np.testing.assert_allclose(ds.lyapunov_exponent, -0.25, atol=1e-6)
    assert "Decay" in ds.attrs["spec"]
    with pytest.raises(ValueError, match=r"rule.kind: got custom"):
        Spec.from_json(ds.attrs["spec"]).build()
