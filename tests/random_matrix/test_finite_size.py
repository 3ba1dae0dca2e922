"""Networks of finite width against closed forms, the eigenvalues of actual specs, the limit of large networks."""

import warnings

import numpy as np
import pytest

import curlflow
from curlflow import random_matrix as rm
from curlflow.random_matrix.solutions import Solution, checked_ensemble

FREE = {"constraint": "none"}


def test_two_weights_have_a_closed_form():
    # M = N = 1, w uniform on (−1, 1): H = d2 w1² + d1 w2². One flip is unstable for half of all, two for all.
    flips = {"flipped_inputs": [0, 1, 0, 1], "flipped_hidden": [0, 0, 1, 1]}
    shares = rm.probability_unstable(1, 1, **flips, samples=2000, **FREE)
    np.testing.assert_allclose(shares, [0, 0.5, 0.5, 1], atol=4 * 0.5 / np.sqrt(2000))
    # Updates without flips: lost where η σ² (w1² + w2²) ≥ 2; outside the unit circle for η σ² = 2.
    share = rm.probability_unstable(1, 1, samples=2000, learning_rate=4.0, **FREE)
    np.testing.assert_allclose(share, 1 - np.pi / 4, atol=4 * 0.41 / np.sqrt(2000))


def test_a_point_on_its_spheres_has_nowhere_to_go():
    # M = N = 1 on spheres: all directions are radial, and the rounding of their eigenvalue is no instability.
    shares = rm.probability_unstable(1, 1, flipped_inputs=[0, 1], flipped_hidden=[1, 1], samples=200)
    np.testing.assert_array_equal(shares, 0)


def test_no_flips_are_stable_and_all_flips_are_not():
    shares = rm.probability_unstable([[3], [8]], [[8], [3]], flipped_hidden=[0, 3], samples=50)
    np.testing.assert_array_equal(shares[:, 0], 0)
    all_flipped = rm.probability_unstable(8, 3, flipped_inputs=8, flipped_hidden=3, samples=50)
    assert all_flipped == 1


@pytest.mark.parametrize("constraint", ["none", "frobenius"])
@pytest.mark.parametrize(("inputs", "hidden", "samples"), [(7, 5, 40), (5, 9, 4), (3, 1, 20)])
def test_kernel_has_the_eigenvalues_of_the_spec(constraint, inputs, hidden, samples):
    # Another route: the signed tangent kernel of the spec's own teacher and data, with flips in both layers.
    flips = {"rule.flipped.inputs": {"count": 2}, "rule.flipped.hidden": {"count": hidden // 2}}
    tables = {"network": {"inputs": inputs, "hidden": hidden}, "data": {"samples": samples}, "rule": {"kind": "curl"}}
    spec = curlflow.Spec(**tables, start={"kind": "teacher"}, constraint={"kind": constraint}).replace(flips)
    problem = spec.build()
    w1, w2 = (np.asarray(w) for w in problem.teacher.weights)
    root = np.linalg.qr(np.asarray(problem.x_train).T / np.sqrt(samples), mode="r").T
    solution = Solution(w1 @ root, root, w2[0], (w2 @ w1)[0], float(np.sum(w1**2)), constraint == "frobenius")
    values = np.linalg.eigvals(solution.kernel(2, hidden // 2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        ds = curlflow.stability(spec).isel(realization=0)
    rates = (ds.eigenvalue_real + 1j * ds.eigenvalue_imag).dropna("eigenvalue").to_numpy()
    values = values[np.abs(values) > 1e-10 * np.abs(values).max()]
    np.testing.assert_allclose(np.sort_complex(-values), np.sort_complex(rates), rtol=1e-7, atol=1e-9)
    ensemble = checked_ensemble(1, constraint, 0.0, None, "uniform", 1.0, 1.0, 0)
    assert ensemble.is_unstable(solution, 2, hidden // 2) == (ds.verdict == 1)


def test_shares_are_those_of_the_published_teachers():
    # 40 teachers as in figure 4, c = 3, two of 14 hidden units flipped: two samples of one share.
    spec = curlflow.preset("fig4").replace(
        {"network.inputs": 42, "network.hidden": 14, "teacher.width": 14, "rule.flipped.hidden": {"count": 2}}
    )
    spec = spec.replace({"start.offset.value": 0.0, "realizations": 40})
    actual = 1 - float(curlflow.stability(spec).stable.mean())
    share = rm.probability_unstable(42, 14, flipped_hidden=2, samples=300, learning_rate=0.1, data=250)
    assert 0.2 < share < 0.8
    assert abs(actual - share) < 4 * np.sqrt(0.25 / 40 + 0.25 / 300)


@pytest.mark.parametrize(("c", "layer"), [(0.4, "inputs"), (0.5, "hidden"), (2.0, "hidden")])
def test_large_networks_have_the_boundary_of_the_limit(c, layer):
    limit = rm.phase_boundary(c, layer)
    errors = []
    for inputs in (40, 320):
        found = rm.critical_fraction_at(inputs, round(inputs / c), layer, samples=15, **FREE)
        assert found.lower <= found.median <= found.upper
        errors.append(found.median - limit)
    # From the stable side, and closer as M^(−2/3): a quarter is left, and the grain of whole flips.
    assert errors[0] > 0
    assert abs(errors[1]) < 0.4 * errors[0] + 2 / 320


def test_limits_of_always_and_never():
    few = rm.critical_fraction_at(40, 400, "inputs", samples=10, **FREE)
    assert np.isnan(few).all()
    many = rm.critical_fraction_at(300, 60, "inputs", samples=10, **FREE)
    np.testing.assert_array_equal(many, 1 / 300)
    beside = rm.critical_fraction_at(200, 1000, "hidden", flipped=40, samples=5, **FREE)
    np.testing.assert_allclose(beside.median, rm.phase_surface(0.2, 0.2), atol=0.03)


@pytest.mark.parametrize("layer", ["inputs", "hidden"])
def test_bisection_and_shares_agree(layer):
    # Without a constraint λ_min falls with every flip: the two functions count the same networks.
    units, options = {"inputs": 8, "hidden": 12}, {"samples": 40, "seed": 3, **FREE}
    flips = np.arange(units[layer] + 1)
    shares = rm.probability_unstable(8, 12, **{f"flipped_{layer}": flips}, **options)
    assert (np.diff(shares) >= 0).all()
    found = rm.critical_fraction_at(8, 12, layer, **options)
    for quantile, share in zip(found, (0.5, 0.1, 0.9), strict=True):
        enough = np.flatnonzero(shares >= share - 1e-12)
        np.testing.assert_allclose(quantile, enough[0] / units[layer] if enough.size else np.nan)


def test_networks_do_not_depend_on_their_company():
    alone = rm.probability_unstable(9, 6, flipped_hidden=1, samples=20)
    together = rm.probability_unstable([[4], [9]], [[11], [6]], flipped_hidden=[0, 1, 2], samples=20)
    assert together.shape == (2, 3)
    assert alone == together[1, 1]
    assert rm.critical_fraction_at([4, 9], [11, 6], "hidden", samples=20).median.shape == (2,)
    drawn = rm.probability_unstable(9, 6, flipped_hidden=1, samples=20, seed=np.random.default_rng([0, 9, 6]))
    assert drawn == alone


def test_the_law_sets_the_scale_of_updates_only():
    # Uniform weights have a third of the variance of normal ones of the same s.
    flips = {"flipped_hidden": np.arange(0, 15, 2), "samples": 300}
    uniform, normal = (rm.probability_unstable(20, 60, law=law, **flips) for law in ("uniform", "normal"))
    np.testing.assert_allclose(uniform, normal, atol=4 * np.sqrt(2 * 0.25 / 300))
    scaled = rm.probability_unstable(20, 60, scale=5.0, input_std=3.0, **flips)
    np.testing.assert_array_equal(scaled, uniform)
    updates = rm.probability_unstable(20, 60, scale=5.0, input_std=3.0, learning_rate=0.1, **flips)
    np.testing.assert_array_equal(updates, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"inputs": 0}, "inputs: got 0, allowed are whole numbers from 1"),
        ({"hidden": 2.5}, "hidden: got 2.5, allowed are whole numbers"),
        ({"flipped_inputs": [1, 5]}, "flipped_inputs: got 5 of 4 units"),
        ({"flipped_hidden": -1}, "flipped_hidden: got -1, allowed are whole numbers from 0"),
        ({"samples": 0}, "samples: got 0"),
        ({"constraint": "sphere"}, "constraint: got 'sphere', allowed are none, frobenius"),
        ({"learning_rate": -0.1}, "learning_rate: got -0.1, allowed are numbers from 0"),
        ({"scale": 0}, "scale: got 0, allowed are positive numbers"),
        ({"data": 2.0}, "data: got 2.0"),
        ({"law": "cauchy"}, "law: got 'cauchy', allowed are normal, uniform"),
        ({"seed": -1}, "seed: got -1"),
    ],
)
def test_bad_input_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        rm.probability_unstable(**{"inputs": 4, "hidden": 3, **arguments})


def test_bad_layers_are_refused():
    with pytest.raises(ValueError, match="layer: got 'readout', allowed are inputs, hidden"):
        rm.critical_fraction_at(4, 3, "readout")
    with pytest.raises(ValueError, match="flipped: got 9"):
        rm.critical_fraction_at(4, 3, "hidden", flipped=9)
