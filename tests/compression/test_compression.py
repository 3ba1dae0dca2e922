"""Narrow networks against the wide ones that they stand for: trajectories, tangents, exponents, refusals."""

import dataclasses

import equinox as eqx
import jax
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import curlflow
from curlflow import Spec
from curlflow.compression import compress
from curlflow.compression.rotations import groups_of_units, rotation, tall_basis
from curlflow.compression.sectors import Sectors
from curlflow.constraints import Free, FrobeniusSpheres, Masked
from curlflow.networks import Feedforward
from curlflow.rules import AbstractLearningRule, FeedbackAlignment, Gradient, SignFlipped
from curlflow.studies.subject import with_idle_units

RULES = {
    "gradient": {"kind": "gradient"},
    "curl": {"kind": "curl", "flipped": {"inputs": 0.2, "hidden": {"random": 0.4}}},
    "postsynaptic": {"kind": "curl", "side": "postsynaptic", "flipped": {"hidden": 0.4}},
    "feedback": {"kind": "feedback_alignment", "flipped": {"inputs": 0.2, "hidden": 0.3}},
}
WIDE = Spec(network={"inputs": 6, "hidden": 60, "outputs": 2}, data={"samples": 40})


def spec_of(rule, constraint="frobenius", dynamics="updates", **changes):
    # Without a constraint flipped rules may run away; a short time is as good a test.
    rate = 0.05 if constraint == "frobenius" else 0.001
    tables = {"rule": RULES[rule], "constraint": {"kind": constraint}, "dynamics": {"kind": dynamics}}
    spec = WIDE.replace({**tables, **changes})
    return spec.replace("dynamics.learning_rate", rate) if dynamics == "updates" else spec


@eqx.filter_jit
def advanced(system, span):
    return system.advance(system.state, None, span, system.clock()).state


def after(system, span):
    return jax.tree.map(np.asarray, advanced(system, np.asarray(span)))


def distance(a, b):
    return max(np.abs(x - y).max() for x, y in zip(a.weights, b.weights, strict=True))


# Trajectories.


@pytest.mark.parametrize("constraint", ["none", "frobenius"])
@pytest.mark.parametrize("rule", RULES)
def test_two_thousand_updates_are_those_of_the_wide_network(x64, rule, constraint):
    wide = spec_of(rule, constraint).build()
    narrow = wide.compressed()
    groups, columns = (1 if rule == "gradient" else 2), (10 if rule == "feedback" else 8)
    assert narrow.student.widths == (6, groups * columns, 2)
    assert distance(narrow.compression.expand(narrow.student), wide.student) < 1e-14
    slow, fast = after(wide.updates(), 2000), after(narrow.updates(), 2000)
    assert distance(slow, wide.student) > 0.05
    assert distance(narrow.compression.expand(fast), slow) < 1e-13
    np.testing.assert_allclose(narrow.training_error.error(fast), wide.training_error.error(slow), atol=1e-13)
    for a, b in zip(fast.weights, slow.weights, strict=True):
        np.testing.assert_allclose(np.linalg.norm(a), np.linalg.norm(b), rtol=1e-13)


@pytest.mark.parametrize("rule", ["curl", "feedback"])
def test_flows_are_those_of_the_wide_network(x64, rule):
    wide = spec_of(rule, dynamics="flow").build()
    narrow = wide.compressed()
    tight = {"solver": "dopri8", "rtol": 1e-12, "atol": 1e-14}
    slow, fast = after(wide.flow(**tight), 20.0), after(narrow.flow(**tight), 20.0)
    assert distance(slow, wide.student) > 0.1
    assert distance(narrow.compression.expand(fast), slow) < 1e-10


def test_deep_networks_narrow_the_layers_that_get_smaller(x64):
    # 3 + 4 columns for 30 units; the layers of 3 and 4 are as narrow as can be.
    hidden = {"network.hidden": [3, 30, 4], "rule.flipped.hidden": {"count": 2}}
    for rule in ("curl", "feedback"):
        wide = spec_of(rule, **hidden).build()
        narrow = wide.compressed()
        assert narrow.student.widths == (6, 3, {"curl": 9, "feedback": 13}[rule], 4, 2)
        slow, fast = after(wide.updates(), 500), after(narrow.updates(), 500)
        assert distance(slow, wide.student) > 0.05
        assert distance(narrow.compression.expand(fast), slow) < 1e-13


def test_units_of_unequal_gains_may_not_be_mixed(x64):
    wide = spec_of("curl").build()
    columns = np.hstack([wide.student.weights[0], wide.student.weights[1].T])
    mixed = rotation(columns, [np.arange(60)])
    d1, d2 = wide.rule.gains
    narrow = wide.student.with_weights([mixed.narrow(columns[:, :6]), mixed.narrow(columns[:, 6:]).T])
    rule = SignFlipped(Gradient(), (d1, d2[:, :8]))
    wrong = dataclasses.replace(wide, student=narrow, rule=rule).updates()
    slow, fast = after(wide.updates(), 2000), after(wrong, 2000)
    assert np.abs(slow.product() - fast.product()).max() > 0.1


def test_padding_makes_one_shape_for_all_flips_and_changes_nothing(x64):
    shapes = set()
    for count in (1, 3, 20, 59, 60):
        wide = spec_of("curl", **{"rule.flipped.hidden": {"count": count}}).build()
        narrow, padded = wide.compressed(), wide.compressed(pad=True)
        shapes.add(tuple(leaf.shape for leaf in jax.tree.leaves((padded.student, padded.rule))))
        fast, filled = after(narrow.updates(), 300), after(padded.updates(), 300)
        used = narrow.student.widths[1]
        assert padded.student.widths[1] == 16 >= used
        assert not filled.weights[0][used:].any()
        assert not filled.weights[1][:, used:].any()
        assert distance(narrow.compression.expand(fast), padded.compression.expand(filled)) < 1e-13
    assert len(shapes) == 1
    assert spec_of("gradient").build().compressed(pad=True).student.widths[1] == 8
    assert spec_of("curl").build().compressed(pad=True, kinds=3).student.widths[1] == 24
    # 2 · 32 columns would be no gain, though one group alone would get smaller.
    assert spec_of("curl", **{"network.inputs": 30}).build().compressed(pad=True).compression is None


def test_further_columns_are_kept(x64):
    wide = spec_of("curl").build()
    v1, v2 = wide.teacher.weights
    without, narrow = wide.compressed().compression, wide.compressed(extra=[np.hstack([v1, v2.T])]).compression
    assert narrow.network.widths[1] == 32
    assert distance(narrow.expand(narrow.rotate(wide.teacher)), wide.teacher) < 1e-14
    assert distance(without.expand(without.rotate(wide.teacher)), wide.teacher) > 0.01
    with pytest.raises(ValueError, match="extra: got shape .3, 2. for hidden layer 1, required is .60, k"):
        wide.compressed(extra=[np.ones((3, 2))])


# The parts.


@pytest.mark.quick
def test_tall_factorisations_are_exact():
    columns = np.random.default_rng(0).normal(size=(20_000, 7))
    columns[:, 6] = columns[:, 0]  # and one that depends on the others
    basis = tall_basis(columns)
    np.testing.assert_allclose(basis.T @ basis, np.eye(7), atol=1e-14)
    np.testing.assert_allclose(basis @ (basis.T @ columns), columns, atol=1e-12)


@pytest.mark.quick
def test_groups_are_those_of_identical_gains():
    rng = np.random.default_rng(1)
    incoming, outgoing = rng.choice([1.0, -1.0], (50, 2)), rng.choice([1.0, 0.5], (1, 50))
    groups = groups_of_units(incoming, outgoing, 50)
    rows = np.hstack([incoming, outgoing.T])
    assert sorted(np.concatenate(groups)) == list(range(50))
    assert len(groups) == len(np.unique(rows, axis=0))
    assert all(len(np.unique(rows[g], axis=0)) == 1 for g in groups)
    assert len(groups_of_units(np.ones((1, 2)), np.ones((3, 1)), 50)) == 1


def test_single_weights_of_the_wide_network(x64):
    for changes in ({}, {"network.hidden": [3, 30, 4], "rule.flipped.hidden": {"count": 2}}):
        problem = spec_of("curl", **changes).build()
        compression = problem.compressed().compression
        full = np.concatenate([w.ravel() for w in problem.student.weights])
        flat = np.concatenate([w.ravel() for w in compression.network.weights])
        index = np.random.default_rng(2).choice(full.size, 40, replace=False)
        np.testing.assert_allclose(
            compression.entries(np.stack([flat, 2 * flat]), index)[1], 2 * full[index], atol=1e-14
        )
        np.testing.assert_allclose(compression.entries(flat, np.arange(full.size)), full, atol=1e-14)


def test_the_graph_is_that_of_the_wide_network():
    problem = spec_of("curl", **{"network.hidden": 20}).build()
    wide, narrow = problem.graph(), problem.compressed().graph()
    assert wide.nodes(data=True) == narrow.nodes(data=True)
    assert set(wide.edges) == set(narrow.edges)
    weights = [[graph.edges[edge]["weight"] for edge in wide.edges] for graph in (wide, narrow)]
    np.testing.assert_allclose(*weights, atol=1e-14)


# What is refused stays as it is.


class Decay(AbstractLearningRule):
    """A rule of the user's."""

    def velocity(self, network, task):
        return jax.tree.map(lambda w: -w, network)


class RotatingDecay(AbstractLearningRule):
    """The same, and it says that it turns with the hidden units."""

    rotates_with_hidden_units = True

    def velocity(self, network, task):
        return jax.tree.map(lambda w: -w, network)


def test_what_has_no_groups_or_does_not_rotate_stays_as_it_is(own_constraint):
    network = spec_of("gradient").build().student
    masks = [np.ones(w.shape, bool) for w in network.weights]
    assert compress(network, Gradient(), Free()).network.widths[1] == 8
    assert compress(network, Gradient(), Masked(masks)) is None
    assert compress(network, Gradient(), own_constraint) is None
    assert compress(network, Decay(), Free()) is None
    assert compress(network, SignFlipped(Decay(), [np.ones((1, 1))] * 2), Free()) is None
    assert compress(Feedforward(network.weights, "tanh"), Gradient(), Free()) is None
    assert compress(Feedforward(network.weights[:1]), Gradient(), Free()) is None
    signs = [np.random.default_rng(3).choice([1.0, -1.0], w.shape) for w in network.weights]
    assert compress(network, SignFlipped(Gradient(), signs), Free()) is None
    narrow = spec_of("gradient", **{"network.hidden": 8}).build()
    assert narrow.compressed() is narrow
    twice = spec_of("gradient").build().compressed()
    assert twice.compressed() is twice


def test_rules_that_say_so_rotate_and_outputs_may_be_nonlinear(x64):
    problem = spec_of("gradient", **{"network.output_activation": "tanh"}).build(rule=RotatingDecay())
    narrow = problem.compressed()
    assert narrow.student.widths[1] == 8
    assert narrow.student.output_activation == "tanh"
    assert distance(narrow.compression.expand(after(narrow.updates(), 50)), after(problem.updates(), 50)) < 1e-14


def test_flips_within_flips_and_feedback_that_ends_at_the_layer(x64):
    # Two layers of gains: groups are those of the product.
    rng = np.random.default_rng(4)
    shapes = [(5, 4), (40, 5), (3, 40)]
    network = Feedforward([rng.normal(size=s) / 4 for s in shapes])
    base = FeedbackAlignment([rng.normal(size=s) / 4 for s in shapes[1:]])
    inner = SignFlipped(base, [np.ones((1, 1)), rng.choice([1.0, -1.0], (40, 1)), np.ones((1, 40))])
    rule = SignFlipped(inner, [np.ones((1, 1)), np.ones((1, 1)), rng.choice([1.0, 0.5], (1, 40))])
    constraint = FrobeniusSpheres.through(network)
    narrow = compress(network, rule, constraint)
    groups = len({(a, b) for a, b in zip(inner.gains[1][:, 0], rule.gains[2][0], strict=True)})
    assert groups == 4
    assert narrow.network.widths[2] < 40
    task = curlflow.tasks.Samples(rng.normal(size=(4, 10)), rng.normal(size=(3, 10)))
    velocity = rule.velocity(network, task)
    assert distance(narrow.expand(narrow.rule.velocity(narrow.network, task)), velocity) < 1e-14


# Tangents and exponents.


def small_spec(rule="curl", constraint="frobenius", dynamics="updates", hidden=9):
    flips = {"flipped": {"inputs": 0.5, "hidden": {"count": 4 if hidden == 9 else 2}}}
    return Spec(
        network={"inputs": 2, "hidden": hidden},
        data={"samples": 10},
        constraint={"kind": constraint},
        rule={"kind": rule, **({} if rule == "gradient" else flips)},
        dynamics={"kind": dynamics},
    )


def jacobian(system, state):
    """The dense Jacobian on the tangent space of the constraint, with zeros for its complement."""
    flat, unravel = ravel_pytree(state)

    def function(x):
        x = unravel(x)
        moved = system.velocity(0.0, x) if isinstance(system, curlflow.Flow) else system.constraint.retract(
            system.step(0, x, system.args)
        )  # fmt: skip
        return ravel_pytree(moved)[0]

    project = lambda v: ravel_pytree(system.constraint.tangent(state, unravel(v)))[0]  # noqa: E731
    p, j = jax.jit(lambda x: (jax.vmap(project)(np.eye(x.size)), jax.jacfwd(function)(x)))(flat)
    return np.asarray(p) @ np.asarray(j) @ np.asarray(p)


@pytest.mark.parametrize("dynamics", ["flow", "updates"])
@pytest.mark.parametrize("constraint", ["none", "frobenius"])
@pytest.mark.parametrize("hidden", [[12], [3, 20, 2]], ids=["one layer", "deep"])
@pytest.mark.parametrize("rule", ["gradient", "curl", "feedback_alignment"])
def test_sectors_have_the_eigenvalues_of_the_dense_jacobian(x64, rule, hidden, constraint, dynamics):
    # The Jacobian at the start, which is no fixed point: it splits at every state.
    wide = small_spec(rule, constraint, dynamics, hidden).build()
    narrow = with_idle_units(wide.compressed())
    system = narrow.system()
    sectors = Sectors.of(narrow.compression, system)
    assert sectors.dimension == wide.system().dimension
    dense = jacobian(system, narrow.student)
    owner = np.concatenate([part.ravel() for part in sectors.owners])
    merged = []
    for sector, copies in enumerate(sectors.copies):
        inside = owner == sector
        assert not dense[np.ix_(inside, ~inside)].any()
        merged += [np.linalg.eigvals(dense[np.ix_(inside, inside)])] * copies
    full = np.linalg.eigvals(jacobian(wide.system(), wide.student))
    # Defective zeros (of fixed feedback) are found to the square root of rounding only.
    for part in (np.real, np.imag, np.abs):
        np.testing.assert_allclose(np.sort(part(np.concatenate(merged))), np.sort(part(full)), atol=1e-8)


def test_exponents_at_a_stable_solution_are_eigenvalues(x64):
    spec = small_spec("gradient").replace({"start": {"kind": "teacher"}, "dynamics.learning_rate": 0.2})
    ds = curlflow.lyapunov(spec, exponents=25, transient=0, alignment=400, duration=20)
    assert ds.attrs["compression"] == '{"hidden": [9], "compressed": [3]}'
    problem = spec.build()
    values = np.linalg.eigvals(jacobian(problem.system(), problem.student))
    moving = np.sort(np.log(np.abs(values[np.abs(values) > 1e-6])))[::-1] / 0.2
    assert moving.size == 25
    np.testing.assert_allclose(ds.lyapunov_exponent[0], moving, atol=1e-8)
    np.testing.assert_allclose(ds.divergence_residual[0], 0, atol=1e-10)


def ranks_of_groups(dataset, problem):
    """Ranks of [W1 | W2ᵀ] of both groups of hidden units, at the end of an uncompressed run."""
    flat, size = dataset.final_state[0].to_numpy(), problem.student.weights[0].size
    rows = np.hstack([flat[:size].reshape(-1, 2), flat[size:].reshape(-1, 1)])
    return [int(np.linalg.matrix_rank(part, tol=1e-6)) for part in (rows[:4], rows[4:])]


@pytest.mark.parametrize(
    ("dynamics", "constraint"),
    [
        pytest.param("flow", "frobenius", marks=pytest.mark.slow),
        ("updates", "none"),
    ],
)
def test_merged_spectra_are_those_of_the_wide_network(x64, dynamics, constraint):
    spec = small_spec(constraint=constraint, dynamics=dynamics)
    # Without a constraint flipped inputs run away; flipped hidden units alone do not.
    spec = (
        spec.replace({"rule.flipped.inputs": 0.0, "rule.flipped.hidden": {"count": 4}})
        if constraint == "none"
        else spec
    )
    number = 27 if constraint == "none" else 25
    options = {"exponents": number, "transient": 60, "alignment": 20, "duration": 40, "block": 0.5}
    merged = curlflow.lyapunov(spec, **options)
    full = curlflow.lyapunov(spec, compress=False, **options)
    assert "compression" not in full.attrs
    assert np.all(np.diff(merged.lyapunov_exponent[0]) <= 0)
    tolerance = 4 * np.hypot(merged.lyapunov_exponent_se[0], full.lyapunov_exponent_se[0]) + 2e-2
    assert np.all(np.abs(merged.lyapunov_exponent[0] - full.lyapunov_exponent[0]) < tolerance)
    np.testing.assert_allclose(merged.mean_divergence, full.mean_divergence, rtol=1e-5)
    np.testing.assert_allclose(merged.divergence_residual, 0, atol=1e-4)
    # Of every idle unit: zero while the group's Gram matrix is regular, negative where its rank collapsed.
    problem = spec.build().compressed()
    sectors = Sectors.of(problem.compression.with_idle_units(), with_idle_units(problem).system())
    local = merged.local_exponent_of_tangent[0].mean("block").to_numpy()
    sector = sectors.of_tangents(number)
    ranks = ranks_of_groups(full, spec.build())
    assert ranks == ([3, 3] if constraint == "none" else [1, 0])
    for group, rank in enumerate(ranks, start=1):
        exponents = local[sector == group]
        assert exponents.max() < 0.02
        assert (np.abs(exponents) < 0.02).sum() == rank


def test_fewer_exponents_are_the_leading_ones(x64):
    spec = small_spec()
    options = {"transient": 60, "alignment": 20, "duration": 40, "block": 0.5}
    full, seven = (curlflow.lyapunov(spec, exponents=k, **options) for k in (25, 7))
    # Groups of 4 and 5 units stand for 1 and 2 idle copies, of which 3 and 3 tangents may be needed.
    assert seven.sizes["tangent"] < full.sizes["tangent"]
    np.testing.assert_allclose(seven.lyapunov_exponent, full.lyapunov_exponent[:, :7], atol=0.02)
    assert "mean_divergence" not in seven
    with pytest.raises(ValueError, match="exponents: got 26, allowed are whole numbers from 1 to 25"):
        curlflow.lyapunov(spec, exponents=26)


@pytest.mark.slow
def test_compressed_runs_go_on_exactly(tmp_path):
    for spec, number in ((small_spec(), 25), (small_spec(dynamics="flow"), 6)):
        options = {"exponents": number, "transient": 5, "alignment": 2}
        once = curlflow.lyapunov(spec, **options, duration=6)
        curlflow.save(curlflow.lyapunov(spec, **options, duration=2), tmp_path / "part.nc")
        joined = curlflow.lyapunov(spec, resume=curlflow.load(tmp_path / "part.nc"), duration=4)
        assert joined.attrs["compression"] == once.attrs["compression"]
        for name in once.variables:
            np.testing.assert_array_equal(once[name].to_numpy(), joined[name].to_numpy(), err_msg=name)
        whole = curlflow.lyapunov(spec, **options, compress=False, duration=2)
        again = curlflow.lyapunov(spec, resume=whole, duration=2)
        assert "compression" not in again.attrs


# Learning curves.


def test_learning_curves_show_the_wide_network():
    spec = spec_of("curl", "frobenius", "updates", realizations=2)
    for changes, weights in ((spec, "all"), (spec.replace("dynamics.batch", 10), 7)):
        narrow = curlflow.simulate(changes, times=[0, 10, 100], weights=weights)
        wide = curlflow.simulate(changes, times=[0, 10, 100], weights=weights, compress=False)
        assert narrow.attrs["compression"] == '{"hidden": [60], "compressed": [16]}'
        assert "compression" not in wide.attrs
        assert narrow.sizes == wide.sizes
        for name in wide.variables:
            np.testing.assert_allclose(narrow[name].to_numpy(), wide[name].to_numpy(), atol=1e-12, err_msg=name)
    state = spec.build(realization=1).updates()
    with jax.enable_x64(True):
        last = after(state, 100)
    plain = curlflow.simulate(spec, times=[100], weights="all", compress=False)
    np.testing.assert_array_equal(plain.weights[1, 0], np.concatenate([w.ravel() for w in last.weights]))


def test_realizations_of_different_shapes_stay_as_they_are():
    # One input: gains drawn synapse by synapse make four groups, of other sizes in every realization.
    rule = {"kind": "curl", "side": "synapse", "flipped": {"inputs": {"random": 0.5}, "hidden": {"random": 0.5}}}
    spec = Spec(
        network={"inputs": 1, "hidden": 10},
        data={"samples": 10},
        rule=rule,
        realizations=4,
        dynamics={"kind": "updates"},
    )
    assert spec.build().compressed().compression is not None
    ds = curlflow.simulate(spec, times=[0, 1], weights="all")
    assert "compression" not in ds.attrs
    assert "compression" in curlflow.simulate(spec.replace("realizations", 1), times=[0, 1]).attrs
