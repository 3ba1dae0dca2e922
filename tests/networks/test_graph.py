"""Graphs and masks: exact round trips, synapses that stay missing, and the dynamics against plain NumPy."""

import io
import json

import jax
import matplotlib as mpl
import networkx as nx
import numpy as np
import pytest
import scipy.integrate
import xarray as xr
from reference import velocity

import curlflow
from curlflow.constraints import Free, FrobeniusSpheres, Masked
from curlflow.networks import Feedforward
from curlflow.networks.graph import from_graph, to_graph
from curlflow.plot.networks import graph as draw
from curlflow.rules import AbstractLearningRule, FeedbackAlignment, Gradient, SignFlipped
from curlflow.rules.graph_signs import with_graph_signs
from curlflow.studies import subject as subjects
from curlflow.studies.lyapunov.resume import check_graph

mpl.use("Agg")
WIDTHS = (4, 5, 3, 2)


def masks_of(widths=WIDTHS, seed=0, missing=0.35):
    """Random masks in which every layer keeps a synapse."""
    rng = np.random.default_rng(seed)
    masks = [rng.random((post, pre)) > missing for pre, post in zip(widths, widths[1:], strict=False)]
    for mask in masks:
        mask[0, 0] = True
    return masks


def network_of(masks, seed=1, activation="tanh"):
    rng = np.random.default_rng(seed)
    return Feedforward([np.where(m, rng.normal(size=m.shape), 0.0) for m in masks], activation, "linear")


def drawn(masks):
    """A graph without weights."""
    g = to_graph(network_of(masks), masks=masks)
    for *_, data in g.edges(data=True):
        del data["weight"]
    g.graph.clear()
    return g


def small():
    """Two inputs, an inhibitory and an excitatory cell, an output; names of the user's own in no order."""
    g = nx.DiGraph(made_by="hand")
    g.add_node("out", layer=2, note=[1, 2])
    g.add_node(("cell", 1), layer=1, type="inhibitory")
    g.add_node(7, layer=0, rule_sign=0.5)
    g.add_node("left", layer=0)
    g.add_node("pyramidal", layer=1, type="excitatory")
    g.add_edge("left", ("cell", 1), delay=3.0)
    g.add_edges_from([("pyramidal", "out"), (7, "pyramidal"), (("cell", 1), "out"), (7, ("cell", 1))])
    return g


def spec_of(widths, **changes):
    hidden = widths[1] if len(widths) == 3 else list(widths[1:-1])
    spec = curlflow.Spec(
        network={"inputs": widths[0], "hidden": hidden, "outputs": widths[-1]}, data={"samples": 10}, seed=5
    )
    return spec.replace(changes) if changes else spec


# Round trips


@pytest.mark.parametrize("shape", ["none", "presynaptic", "postsynaptic", "synapse", "scalar"])
@pytest.mark.parametrize("widths", [(1, 1), (4, 5, 1), WIDTHS])
def test_networks_come_back_bit_for_bit(widths, shape):
    masks, rng = masks_of(widths), np.random.default_rng(2)
    network = network_of(masks)
    sizes = {"presynaptic": lambda p, q: (1, q), "postsynaptic": lambda p, q: (p, 1), "scalar": lambda p, q: (1, 1)}
    gains = [rng.normal(size=sizes.get(shape, lambda p, q: (p, q))(*m.shape)) for m in masks]
    a = from_graph(to_graph(network, gains=None if shape == "none" else gains, masks=masks))
    again = a.network()
    assert (again.activation, again.output_activation, a.widths) == ("tanh", "linear", widths)
    for w, v, m, n in zip(network.weights, again.weights, masks, a.masks, strict=True):
        assert w.tobytes() == v.tobytes()
        assert (m == n).all()
    for g, h, m in zip(gains, a.gains, masks, strict=True):
        expected = np.ones(m.shape) if shape == "none" else np.broadcast_to(g, m.shape)
        assert (np.broadcast_to(h, m.shape)[m] == expected[m]).all()
        assert h.shape in ((1, m.shape[1]), m.shape)


def test_graphs_come_back_with_names_order_and_attributes_of_the_users_own():
    g = small()
    a = from_graph(g)
    assert a.nodes == ((7, "left"), (("cell", 1), "pyramidal"), ("out",))
    assert a.types == ((None, None), ("inhibitory", "excitatory"), (None,))
    back = a.graph()
    assert list(back.nodes(data=True)) == list(g.nodes(data=True))
    assert list(back.edges(data=True)) == list(g.edges(data=True))
    assert back.graph == g.graph
    # A copy: neither the architecture nor the user's graph follows what is done to it.
    back.nodes["left"]["layer"] = 5
    back.remove_edge(7, "pyramidal")
    assert list(a.graph().nodes(data=True)) == list(g.nodes(data=True))
    assert a.graph().number_of_edges() == g.number_of_edges() == 5
    with pytest.raises(nx.NetworkXError):
        a.drawn.add_node("x")


def test_a_graph_with_a_network_written_into_it_is_read_as_that_network():
    a = from_graph(small())
    network = Feedforward([np.array([[1.0, 2.0], [3.0, 0.0]]), np.array([[5.0, 6.0]])], "relu", "sigmoid")
    gains = [np.array([[0.5, 1.0], [-3.0, 1.0]]), np.array([[-1.0, 1.0]])]
    b = from_graph(a.graph(network, gains=gains))
    np.testing.assert_array_equal(b.weights[0], [[1.0, 2.0], [3.0, 0.0]])
    np.testing.assert_array_equal(b.gains[0], gains[0])
    np.testing.assert_array_equal(b.gains[1], gains[1])
    assert (b.activation, b.output_activation) == ("relu", "sigmoid")
    assert "rule_sign" not in b.drawn.nodes[("cell", 1)]  # the second layer already had these signs
    assert b.drawn.nodes["out"]["note"] == [1, 2]


def test_types_become_signs_unless_a_sign_is_given():
    g = small()
    np.testing.assert_array_equal(from_graph(g).gains[0], [[0.5, 1.0]])
    np.testing.assert_array_equal(from_graph(g).gains[1], [[-1.0, 1.0]])
    g.nodes[("cell", 1)]["rule_sign"] = 2
    np.testing.assert_array_equal(from_graph(g).gains[1], [[2.0, 1.0]])
    g.edges[7, "pyramidal"]["rule_sign"] = -1
    np.testing.assert_array_equal(from_graph(g).gains[0], [[0.5, 1.0], [-1.0, 1.0]])
    assert from_graph(g).has_signs
    # A sign without a synapse changes nothing.
    g = nx.DiGraph([("x", "y")])
    nx.set_node_attributes(g, {"x": 0, "y": 1}, "layer")
    g.add_node("idle", layer=0, type="inhibitory")
    assert not from_graph(g).has_signs
    assert not from_graph(g).is_fully_connected


def broken(change):
    g = small()
    change(g)
    return g


def weigh(**weights):
    def change(g):
        nx.set_edge_attributes(g, 1.0, "weight")
        g.edges["pyramidal", "out"].update(weights)

    return change


MISTAKES = {
    "graph: got list, required is a networkx.DiGraph": lambda: [],
    "graph: got an undirected graph": lambda: nx.Graph([(0, 1)]),
    "graph: got a multigraph": lambda: nx.MultiDiGraph(small()),
    "graph: got a graph without nodes": nx.DiGraph,
    "layer: node 'new' has none": lambda: broken(lambda g: g.add_node("new")),
    "layer: got -1 for node 'left'": lambda: broken(lambda g: g.nodes["left"].update(layer=-1)),
    "layer: got 1.0 for node 'left'": lambda: broken(lambda g: g.nodes["left"].update(layer=1.0)),
    "layer: got True for node 'left'": lambda: broken(lambda g: g.nodes["left"].update(layer=True)),
    "layer: no node has layer 3, but 'far' has layer 4": lambda: broken(lambda g: g.add_node("far", layer=4)),
    "layer: all nodes have layer 0": lambda: broken(lambda g: nx.set_node_attributes(g, 0, "layer")),
    "got the cycle .*'out' → ": lambda: broken(lambda g: g.add_edge("out", 7)),
    "got the cycle 7 → 7": lambda: broken(lambda g: g.add_edge(7, 7)),
    "the edge 7 → 'out' leads from layer 0 to layer 2: it skips": lambda: broken(lambda g: g.add_edge(7, "out")),
    "from layer 1 to layer 0: it goes backwards": lambda: broken(lambda g: g.add_edge("pyramidal", "left")),
    "the edge 7 → 'left' .* it stays within a layer": lambda: broken(lambda g: g.add_edge(7, "left")),
    "no edge leads from layer 2 to layer 3": lambda: broken(lambda g: g.add_node("z", layer=3)),
    "type: got 'inhibitor' for node 7, allowed are excitatory": lambda: broken(
        lambda g: g.nodes[7].update(type="inhibitor")
    ),
    "rule_sign: got '-' for node 7": lambda: broken(lambda g: g.nodes[7].update(rule_sign="-")),
    "rule_sign: got 1000{3,20}.{3}0* for node 7": lambda: broken(lambda g: g.nodes[7].update(rule_sign=10**400)),
    "rule_sign: got nan for node 7": lambda: broken(lambda g: g.nodes[7].update(rule_sign=np.nan)),
    "rule_sign: got -1 for the output 'out'": lambda: broken(lambda g: g.nodes["out"].update(rule_sign=-1)),
    "rule_sign: got inf for the edge 7 → 'pyramidal'": lambda: broken(
        lambda g: g.edges[7, "pyramidal"].update(rule_sign=np.inf)
    ),
    "weight: the edge .* has none, but others have": lambda: broken(
        lambda g: g.edges[7, "pyramidal"].update(weight=1.0)
    ),
    "weight: got '1' for the edge 'pyramidal' → 'out'": lambda: broken(weigh(weight="1")),
    "weight: got nan for the edge": lambda: broken(weigh(weight=np.nan)),
    "weight: got True for the edge": lambda: broken(weigh(weight=True)),
    "weight: got 1j for the edge": lambda: broken(weigh(weight=1j)),
    "weight: got 1000.* for the edge": lambda: broken(weigh(weight=10**400)),
    "weight: got float32 for the edge .* double precision": lambda: broken(weigh(weight=np.float32(1))),
    "activation: got 'tan' as attribute": lambda: broken(lambda g: g.graph.update(activation="tan")),
}


@pytest.mark.parametrize("message", MISTAKES)
def test_what_is_no_network_is_refused(message):
    with pytest.raises(ValueError, match=message):
        from_graph(MISTAKES[message]())


def test_what_does_not_fit_the_network_is_refused():
    network = network_of([np.ones((3, 2), bool), np.ones((1, 3), bool)])
    undefined = network.with_weights([np.full((3, 2), np.nan)])
    mistakes = {
        "network: got list": {"network": []},
        "names: got lists of lengths": {"names": [["a"], ["b"], ["c"]]},
        "names: got 5, required is one list per layer": {"names": 5},
        "names: got .* different names": {"names": [["a", "b"], ["c", "d", "a"], ["e"]]},
        "types: got lists of lengths": {"types": [[None]]},
        "type: got 'other' for node 'h1'": {"types": [[None] * 2, ["other", None, None], [None]]},
        "masks: got shapes": {"masks": [np.ones((3, 2), bool)]},
        "masks: got shapes .* of .*float64": {"masks": [np.ones((3, 2)), np.ones((1, 3))]},
        "masks: got 3, required is one boolean array": {"masks": 3},
        "gains: got 3, required is one array of gains": {"gains": 3},
        "weights: layer 1 has values that are no finite": {"network": undefined},
        "weights: layer 1 has 6 weights on missing": {"masks": [np.zeros((3, 2), bool), np.ones((1, 3), bool)]},
        "gains: got shapes": {"gains": [np.ones((3, 1)), np.ones((1, 2))]},
        "gains: got values that are no finite": {"gains": [np.full((3, 1), np.inf), np.ones((1, 3))]},
    }
    for message, change in mistakes.items():
        with pytest.raises(ValueError, match=message):
            to_graph(**{"network": network, **change})
    with pytest.raises(ValueError, match="weights: the edges of the graph have none"):
        from_graph(small()).network()
    with pytest.raises(ValueError, match="weights: got shapes"):
        from_graph(small()).network([np.ones((2, 2))])
    full, readout = np.ones((2, 2)), np.ones((1, 2))
    drawn_only = 1.0 * from_graph(small()).masks[0]
    for given, message in [
        (3, "got 3, required is one array"),
        ([full, readout], "layer 1 has 1 weights on missing synapses"),
        ([drawn_only, readout * np.nan], "layer 2 has values that are no finite"),
    ]:
        with pytest.raises(ValueError, match=f"weights: {message}"):
            from_graph(small()).network(given)
    with pytest.raises(ValueError, match="weights: layer 1 has 1 weights on missing"):
        from_graph(small()).graph(Feedforward([full, readout]))
    with pytest.raises(ValueError, match="gains: got shapes"):
        from_graph(small()).graph(gains=[np.ones((2, 3)), np.ones((1, 2))])


# The constraint


@pytest.mark.parametrize("spheres", [False, True])
def test_projection_is_the_orthogonal_one_onto_both_tangent_spaces(spheres, x64):
    masks = masks_of()
    state = network_of(masks)
    constraint = Masked(masks, FrobeniusSpheres.through(state) if spheres else Free())
    flat = np.concatenate([m.ravel() for m in masks])
    sizes = np.cumsum([0, *(m.size for m in masks)])
    normals = list(np.eye(flat.size)[~flat])
    for layer, w in enumerate(state.weights if spheres else []):
        normals.append(np.zeros(flat.size))
        normals[-1][sizes[layer] : sizes[layer + 1]] = w.ravel()
    normals = np.array(normals)
    expected = np.eye(flat.size) - np.linalg.pinv(normals) @ normals
    assert constraint.codimension(state) == np.linalg.matrix_rank(normals)

    def projected(v, at=state):
        parts = [p.reshape(m.shape) for p, m in zip(np.split(v, sizes[1:-1]), masks, strict=True)]
        return np.concatenate([np.asarray(t).ravel() for t in constraint.tangent(at, at.with_weights(parts)).weights])

    projector = np.array([projected(row) for row in np.eye(flat.size)])
    np.testing.assert_allclose(projector, expected, atol=1e-14)
    # Also where the state has left the set: what stands at a missing synapse does not count.
    off = state.with_weights(np.where(m, w, 3.0) for m, w in zip(masks, state.weights, strict=True))
    np.testing.assert_allclose([projected(row, off) for row in np.eye(flat.size)], expected, atol=1e-14)
    back = constraint.retract(off)
    for w, v in zip(back.weights, state.weights, strict=True):
        np.testing.assert_allclose(w, v, rtol=1e-14)
    # Even an infinite velocity does not reach them.
    wild = state.with_weights(np.where(m, 1.0, np.inf) for m in masks)
    assert all(
        (np.asarray(t)[~m] == 0).all() for t, m in zip(constraint.tangent(state, wild).weights, masks, strict=True)
    )


def test_masks_that_fit_nothing_are_refused(x64):
    state = network_of(masks_of())
    with pytest.raises(ValueError, match=r"masks\[0\]: got an array of float64"):
        Masked([np.ones((2, 2))])
    with pytest.raises(ValueError, match="within: got Masked"):
        Masked(masks_of(), Masked(masks_of()))
    with pytest.raises(ValueError, match="within: got float"):
        Masked(masks_of(), 1.0)
    with pytest.raises(ValueError, match="masks: got shapes"):
        Masked(masks_of()[:2]).codimension(state)
    with pytest.raises(ValueError, match="masks: got shapes"):
        Masked([m.T for m in masks_of()]).retract(state)


# The dynamics


class Drift(AbstractLearningRule):
    """A user's rule that pushes every synapse, missing or not, and learns besides."""

    def velocity(self, network, task):
        gradient = Gradient().velocity(network, task)
        return jax.tree.map(lambda w, f: f + 0.3 - 0.1 * w, network, gradient)


RULES = {
    "gradient": ({"rule.kind": "gradient"}, None),
    "curl": ({"rule.kind": "curl", "rule.flipped.inputs": 0.5}, None),
    "feedback": ({"rule.kind": "feedback_alignment"}, None),
    "user's own": ({}, Drift()),
}


def slow_updates(problem, slices, rate, spheres, rule):
    """W ← M ∘ (W + ηF), then back onto the spheres: a NumPy loop over batches, sample by sample."""
    masks = problem.constraint.masks
    weights, radii = list(problem.student.weights), [np.linalg.norm(w) for w in problem.student.weights]
    gains = problem.rule.gains if isinstance(problem.rule, SignFlipped) else None
    feedback = problem.rule.matrices if isinstance(problem.rule, FeedbackAlignment) else None
    names = problem.spec.network.activation, problem.spec.network.output_activation
    for s in slices:
        f = velocity(weights, problem.x_train[:, s], problem.y_train[:, s], *names, gains, feedback)
        f = [g + 0.3 - 0.1 * w for g, w in zip(f, weights, strict=True)] if rule is not None else f
        weights = [m * (w + rate * g) for m, w, g in zip(masks, weights, f, strict=True)]
        if spheres:
            weights = [w * (r / np.linalg.norm(w)) for w, r in zip(weights, radii, strict=True)]
    return weights


@pytest.mark.parametrize(
    ("name", "constraint", "batch"),
    [
        ("gradient", "none", "full"),
        ("curl", "frobenius", "full"),
        ("feedback", "frobenius", "full"),
        ("user's own", "none", "full"),
        ("gradient", "frobenius", 5),
        ("feedback", "none", 5),
        ("user's own", "frobenius", 5),
    ],
)
def test_masked_updates_equal_a_numpy_loop(name, constraint, batch):
    changes, rule = RULES[name]
    masks = masks_of((4, 5, 1))
    spec = spec_of(
        (4, 5, 1), **{"constraint.kind": constraint, "dynamics.kind": "updates", "dynamics.batch": batch, **changes}
    )
    problem = spec.build(graph=drawn(masks), rule=rule)
    updates = problem.updates()
    assert updates.iterate is None
    end = updates.advance(updates.state, None, np.int64(40), updates.clock()).state.weights
    slices = np.concatenate([problem.batches(epoch) for epoch in range(40)])
    expected = slow_updates(problem, slices, 0.1 / (10 // slices.shape[1]), constraint == "frobenius", rule)
    for w, v, m, start in zip(end, expected, masks, problem.student.weights, strict=True):
        np.testing.assert_allclose(w, v, rtol=0, atol=1e-12)
        assert (np.asarray(w)[~m] == 0).all()
        if constraint == "frobenius":
            np.testing.assert_allclose(np.linalg.norm(w), np.linalg.norm(start), rtol=1e-14)


@pytest.mark.parametrize(("name", "constraint"), [("curl", "frobenius"), ("user's own", "none")])
def test_masked_flow_equals_scipy_over_existing_synapses(name, constraint):
    changes, rule = RULES[name]
    masks = masks_of((4, 5, 1))
    spec = spec_of((4, 5, 1), **{"constraint.kind": constraint, "network.activation": "tanh", **changes})
    problem = spec.build(graph=drawn(masks), rule=rule)
    flow = problem.flow(rtol=1e-11, atol=1e-13)
    end = flow.advance(flow.state, None, np.float64(2.0), flow.clock()).state.weights

    def unpacked(existing):
        flat = np.zeros(sum(m.size for m in masks))
        flat[np.concatenate([m.ravel() for m in masks])] = existing
        return [p.reshape(m.shape) for p, m in zip(np.split(flat, [masks[0].size]), masks, strict=True)]

    def packed(weights):
        return np.concatenate([np.asarray(w)[m] for w, m in zip(weights, masks, strict=True)])

    def field(t, existing):
        weights = unpacked(existing)
        gains = problem.rule.gains if isinstance(problem.rule, SignFlipped) else None
        feedback = problem.rule.matrices if isinstance(problem.rule, FeedbackAlignment) else None
        f = velocity(weights, problem.x_train, problem.y_train, "tanh", "linear", gains, feedback)
        f = [g + 0.3 - 0.1 * w for g, w in zip(f, weights, strict=True)] if rule is not None else f
        if constraint == "frobenius":
            f = [m * g for m, g in zip(masks, f, strict=True)]
            f = [g - w * (w * g).sum() / (w * w).sum() for w, g in zip(weights, f, strict=True)]
        return packed(f)

    start = packed(problem.student.weights)
    expected = scipy.integrate.solve_ivp(field, (0, 2), start, "DOP853", rtol=1e-11, atol=1e-13).y[:, -1]
    np.testing.assert_allclose(packed(end), expected, rtol=0, atol=1e-9)
    for w, m in zip(end, masks, strict=True):
        assert (np.asarray(w)[~m] == 0).all()


def jacobian(problem, spheres):
    """∂F/∂W over existing synapses at the student, by central differences of the sample-by-sample rule."""
    masks = problem.constraint.masks
    exists = np.concatenate([m.ravel() for m in masks])
    flat = np.concatenate([w.ravel() for w in problem.student.weights])
    gains = problem.rule.gains if isinstance(problem.rule, SignFlipped) else None

    def field(flat):
        weights = [p.reshape(m.shape) for p, m in zip(np.split(flat, [masks[0].size]), masks, strict=True)]
        f = velocity(weights, problem.x_train, problem.y_train, "linear", "linear", gains)
        f = [m * g for m, g in zip(masks, f, strict=True)]
        if spheres:
            f = [g - w * (w * g).sum() / (w * w).sum() for w, g in zip(weights, f, strict=True)]
        return np.concatenate([g.ravel() for g in f])

    h = 1e-6
    columns = [(field(flat + h * e) - field(flat - h * e)) / (2 * h) for e in np.eye(flat.size)[exists]]
    return np.array(columns).T[exists]


@pytest.mark.parametrize(("spheres", "kind"), [(True, "flow"), (False, "updates")])
def test_exponents_at_a_solution_are_those_of_the_existing_synapses(spheres, kind):
    masks = masks_of((4, 3, 1), seed=4)
    constraint = {"constraint.kind": "frobenius" if spheres else "none"}
    spec = spec_of((4, 3, 1), **{"start.kind": "teacher", "dynamics.kind": kind, "data.samples": 20, **constraint})
    problem = spec.build(graph=drawn(masks))
    dimension = sum(int(m.sum()) for m in masks) - 2 * spheres
    assert problem.system().dimension == dimension < sum(m.size for m in masks) - 2 * spheres
    options = {"exponents": dimension, "duration": 100, "transient": 1, "alignment": 300, "block": 1.0}
    ds = curlflow.lyapunov(spec, graph=drawn(masks), **options)
    rates = np.sort(np.linalg.eigvals(jacobian(problem, spheres)).real)
    # The radial directions of the spheres are neutral for the field, but they are no directions of the tangent space.
    neutral = np.abs(rates) < 1e-6
    assert neutral.sum() >= 2 * spheres
    rates = np.concatenate([rates[~neutral], np.zeros(neutral.sum() - 2 * spheres)])
    rates = np.log1p(0.1 * rates) / 0.1 if kind == "updates" else rates
    np.testing.assert_allclose(ds.lyapunov_exponent[0], np.sort(rates)[::-1], atol=1e-5)
    assert abs(float(ds.divergence_residual[0])) < 1e-6
    with pytest.raises(ValueError, match="exponents"):
        curlflow.lyapunov(spec, graph=drawn(masks), exponents=dimension + 1)


@pytest.mark.parametrize("kind", ["flow", "updates"])
def test_a_fully_connected_graph_changes_no_bit(kind):
    spec = spec_of((4, 3, 1), **{"dynamics.kind": kind, "constraint.kind": "frobenius"})
    full = drawn([np.ones((3, 4), bool), np.ones((1, 3), bool)])
    options = {"times": [0, 1, 20], "weights": "all"}
    plain, with_graph = curlflow.simulate(spec, **options), curlflow.simulate(spec, graph=full, **options)
    assert plain.equals(with_graph)
    assert spec.build(graph=full).updates().iterate is not None
    if kind == "updates":
        options = {"exponents": 3, "duration": 10, "transient": 1, "alignment": 1, "block": 1.0}
        plain, with_graph = curlflow.lyapunov(spec, **options), curlflow.lyapunov(spec, graph=full, **options)
        assert plain.equals(with_graph)


def test_signs_of_a_graph_are_flips_of_a_spec():
    full = [np.ones((3, 4), bool), np.ones((1, 3), bool)]
    spec = spec_of((4, 3, 1), **{"rule.kind": "curl", "rule.flipped.inputs": 0.5, "rule.flipped.hidden": 0.34})
    g = drawn(full)
    nx.set_node_attributes(g, {"x1": -1, "x2": -1.0}, "rule_sign")
    g.nodes["h1"]["type"] = "inhibitory"
    by_graph = spec.replace("rule.kind", "gradient")
    options = {"times": [0, 5], "weights": "all"}
    expected, got = curlflow.simulate(spec, **options), curlflow.simulate(by_graph, graph=g, **options)
    assert expected.equals(got)
    alignment = by_graph.replace("rule.kind", "feedback_alignment").build(graph=g).rule
    assert isinstance(alignment, SignFlipped)
    assert isinstance(alignment.rule, FeedbackAlignment)
    own = by_graph.build(graph=g, rule=Drift()).rule
    assert isinstance(own.rule, Drift)
    np.testing.assert_array_equal(own.gains[0], [[-1, -1, 1, 1]])
    # Flips of nothing are no flips; flips on both sides are ambiguous.
    none = spec.replace({"rule.flipped.inputs": {"count": 0}, "rule.flipped.hidden": 0.0}).build(graph=g).rule
    assert isinstance(none.rule, Gradient)
    for rule in (None, SignFlipped(Gradient(), [np.ones((1, 4)), -np.ones((1, 3))])):
        with pytest.raises(ValueError, match="graph: got rule signs other than 1 .* give signs in one of the two"):
            spec.build(graph=g, rule=rule)
    unsigned = from_graph(drawn(full))
    assert with_graph_signs(flips := spec.build().rule, unsigned) is flips


# Problems


def test_draws_are_those_of_the_full_network_masked():
    masks = masks_of((4, 5, 1))
    spec = spec_of((4, 5, 1), **{"teacher.rescaled": True})
    full, problem = spec.build(), spec.build(graph=drawn(masks))
    for m, w, v, t in zip(masks, full.student.weights, problem.student.weights, problem.teacher.weights, strict=True):
        np.testing.assert_array_equal(v, np.where(m, w, 0.0))
        assert (t[~m] == 0).all()
        np.testing.assert_allclose(np.linalg.norm(t) ** 2, len(t), rtol=1e-14)  # rescaled after the mask
    assert (problem.x_train == full.x_train).all()
    other = spec.replace("teacher.width", 7)
    assert (other.build(graph=drawn(masks)).teacher.weights[0] == other.build().teacher.weights[0]).all()
    offset = spec.replace({"start.kind": "teacher", "start.offset": {"layer": 1, "value": 1.0}}).build(
        graph=drawn(masks)
    )
    np.testing.assert_array_equal(offset.student.weights[0], np.where(masks[0], offset.teacher.weights[0] + 1.0, 0.0))


def test_weights_of_edges_are_where_the_student_starts():
    masks = masks_of((4, 5, 1))
    network = network_of(masks)
    g = to_graph(network, masks=masks)
    spec = spec_of((4, 5, 1), **{"network.activation": "tanh", "realizations": 2})
    first, second = (spec.build(graph=g, realization=i) for i in (0, 1))
    for w, a, b in zip(network.weights, first.student.weights, second.student.weights, strict=True):
        assert (w == a).all()
        assert (w == b).all()
    assert (first.teacher.weights[0] != second.teacher.weights[0]).any()
    teacher = spec.replace({"start.kind": "teacher", "teacher.rescaled": True}).build(graph=g)
    assert all((w == t).all() for w, t in zip(network.weights, teacher.teacher.weights, strict=True))
    assert all((w == t).all() for w, t in zip(network.weights, teacher.student.weights, strict=True))
    for *_, data in g.out_edges(["h1", "h2", "h3", "h4", "h5"], data=True):
        data["weight"] = 0.0
    assert np.isfinite(spec.build(graph=g).student.weights[1]).all()
    with pytest.raises(ValueError, match="weight: got a layer of zeros"):
        spec.replace("constraint.kind", "frobenius").build(graph=g)


@pytest.mark.parametrize("rule", ["gradient", "curl"])
def test_a_problem_as_a_graph_makes_the_same_problem(rule):
    spec = spec_of(WIDTHS, **{"network.activation": "tanh", "constraint.kind": "frobenius", "rule.kind": rule})
    if rule == "curl":
        spec = spec.replace({"rule.side": "synapse", "rule.flipped.hidden": [0.4, 0.3]})
    masks = masks_of()
    for given in (None, drawn(masks)):
        problem = spec.build(graph=given)
        again = spec.replace("rule.kind", "gradient").build(graph=problem.graph())
        assert list(again.graph().edges(data=True)) == list(problem.graph().edges(data=True))
        assert list(again.graph().nodes(data=True)) == list(problem.graph().nodes(data=True))
        for a, b in ((problem.student, again.student), (problem.teacher, again.teacher)):
            assert all((v == w).all() for v, w in zip(a.weights, b.weights, strict=True))
        assert problem.system().dimension == again.system().dimension
        for g, h, m in zip(*(getattr(p.rule, "gains", masks) for p in (problem, again)), masks, strict=True):
            kept = m if given is not None else np.ones_like(m)
            assert (np.broadcast_to(g, m.shape)[kept] == np.broadcast_to(h, m.shape)[kept]).all()


def test_a_graph_that_is_not_the_specs_is_refused():
    g = drawn(masks_of((4, 5, 1)))
    for name, widths in {"inputs": (3, 5, 1), "hidden": (4, 6, 1), "outputs": (4, 5, 2)}.items():
        with pytest.raises(ValueError, match=f"network.{name}: got .* of the spec, but the graph has layers of"):
            spec_of(widths).build(graph=g)
    with pytest.raises(ValueError, match=r"network.hidden: got \[5, 5\] of the spec, but .* \[5\]"):
        spec_of((4, 5, 5, 1)).build(graph=g)
    g.graph["activation"] = "relu"
    with pytest.raises(ValueError, match="network.activation: got 'linear' of the spec, but the graph has 'relu'"):
        spec_of((4, 5, 1)).build(graph=g)
    with pytest.raises(ValueError, match="graph: got str, required is a networkx.DiGraph"):
        spec_of((4, 5, 1)).build(graph="g")
    with pytest.raises(ValueError, match="graph: a graph goes with a spec"):
        curlflow.simulate(curlflow.systems.lorenz63(), graph=g)


# Provenance


def test_datasets_say_which_graph_they_are_about(tmp_path):
    g = small()
    g.nodes[7]["rule_sign"] = np.float64(0.5)
    spec = spec_of((2, 2, 1), **{"dynamics.kind": "updates"})
    ds = curlflow.simulate(spec, graph=g, times=[0, 1])
    assert "graph" not in curlflow.simulate(spec, times=[0, 1]).attrs
    ds = curlflow.load(curlflow.save(ds, tmp_path / "a.nc"))
    read = nx.node_link_graph(json.loads(ds.attrs["graph"]), edges="edges")
    a, b = from_graph(g), from_graph(read)
    assert a.nodes == b.nodes
    assert all((x == y).all() for x, y in zip((*a.masks, *a.gains), (*b.masks, *b.gains), strict=True))


class Odd:
    """A name whose text is another in every session."""


def test_names_that_json_does_not_have_stay_apart():
    cells = [
        (("a", 1), 2), frozenset({"p"}), frozenset({"q"}), b"x", "b'x'", Odd(), "neuron 2 of layer 1", np.int64(9),
        9.5, float("inf"), r"$\bad$", ("flat", 3),
    ]  # fmt: skip
    g = nx.DiGraph()
    g.add_node(("in", ("put",)), layer=0)
    g.add_nodes_from(cells, layer=1)
    g.add_node("out", layer=2)
    g.add_edges_from((("in", ("put",)), cell) for cell in cells)
    g.add_edges_from((cell, "out") for cell in cells)
    text = from_graph(g).to_json()
    again = nx.node_link_graph(json.loads(text), edges="edges")
    assert list(again)[1:-1] == [
        "(('a', 1), 2)", "neuron 2 of layer 1′", "neuron 3 of layer 1", "b'x'′", "b'x'", "neuron 6 of layer 1",
        "neuron 2 of layer 1", 9, 9.5, "neuron 10 of layer 1", r"$\bad$", ("flat", 3),
    ]  # fmt: skip
    assert from_graph(again).widths == (1, 12, 1)
    assert from_graph(again).to_json() == text
    figure = draw(xr.Dataset(attrs={"graph": text}))
    figure.savefig(io.BytesIO())  # without reading formulas into names
    assert r"$\bad$" in {t.get_text() for t in figure.axes[0].texts}


def test_resuming_needs_the_same_graph():
    g, spec = small(), spec_of((2, 2, 1), **{"dynamics.kind": "updates"})
    options = {"transient": 1, "alignment": 1, "block": 0.5}
    ds = curlflow.lyapunov(spec, graph=g, duration=5, **options)
    turned = nx.DiGraph(**g.graph)
    turned.add_nodes_from(g.nodes(data=True))
    turned.add_edges_from(reversed(list(g.edges(data=True))))
    longer = curlflow.lyapunov(spec, graph=turned, resume=ds, duration=5)
    whole = curlflow.lyapunov(spec, graph=g, duration=10, **options)
    np.testing.assert_array_equal(longer.local_exponent, whole.local_exponent)
    with pytest.raises(ValueError, match="made with a graph; give the same one by graph="):
        curlflow.lyapunov(spec, resume=ds)
    without = ds.copy()
    del without.attrs["graph"]
    with pytest.raises(ValueError, match="made without a graph; leave graph out"):
        curlflow.lyapunov(spec, graph=g, resume=without)
    for change, message in {
        lambda h: h.nodes["left"].update(type="inhibitory"): "node 'left': .*, not .*inhibitory",
        lambda h: h.add_edge("left", "pyramidal"): "edge 'left' → 'pyramidal': missing, not",
        lambda h: h.graph.update(activation="linear"): "attribute activation: missing, not linear",
    }.items():
        other = nx.DiGraph(g)
        change(other)
        with pytest.raises(ValueError, match=f"resume: the dataset is about another graph: {message}"):
            curlflow.lyapunov(spec, graph=other, resume=ds)


def test_large_graphs_are_named_by_a_digest(tmp_path, monkeypatch):
    spec = spec_of((20, 60, 1))
    full = spec.build().graph()
    attributes = subjects.Subject.of(spec, graph=full).identity
    assert 80_000 < len(attributes["graph"]) <= subjects.LONGEST_GRAPH
    ds = xr.Dataset(attrs=attributes)
    assert curlflow.load(curlflow.save(ds, tmp_path / "a.nc")).attrs["graph"] == attributes["graph"]
    monkeypatch.setattr(subjects, "LONGEST_GRAPH", 1000)
    short = subjects.Subject.of(spec, graph=full).identity["graph"]
    assert short.startswith("sha256:")
    full.edges["x1", "h1"]["weight"] += 1e-12
    other = subjects.Subject.of(spec, graph=full).identity["graph"]
    assert short != other
    with pytest.raises(ValueError, match="another graph: sha256:.*, not sha256:"):
        check_graph(ds.assign_attrs(graph=short), {"graph": other})
    with pytest.raises(ValueError, match="holds no graph .it has only the digest"):
        draw(ds.assign_attrs(graph=short))


# The picture


def test_pictures_show_every_synapse_and_neuron(tmp_path):
    before = dict(mpl.rcParams)
    g = small()
    figure = draw(g)
    (lines,) = figure.axes[0].collections
    places = {tuple(np.round(p, 9)) for line in figure.axes[0].lines for p in line.get_xydata()}
    assert len(lines.get_segments()) == g.number_of_edges()
    assert {tuple(np.round(p, 9)) for s in lines.get_segments() for p in s} <= places
    assert len(places) == len(g)
    assert {t.get_text() for t in figure.legends[0].get_texts()} == {
        "excitatory", "inhibitory", "no type", "rule sign +1", "rule sign −1", "other rule sign"
    }  # fmt: skip
    names = {t.get_text(): t.xy for t in figure.axes[0].texts}
    assert names["7"][1] > names["left"][1]  # in their order from the top
    ds = xr.Dataset(attrs=subjects.Subject.of(spec_of((2, 2, 1)), graph=g).identity)
    assert {t.get_text() for t in draw(ds).axes[0].texts} == {"7", "left", "('cell', 1)", "pyramidal", "out"}
    weights = draw(curlflow.preset("hidden_chaos").build().graph())
    (lines,) = weights.axes[0].collections
    assert len(lines.get_segments()) == 73 * 146 + 146
    assert weights.axes[1].get_ylabel() == "weight"
    weights.savefig(tmp_path / "a.png")
    assert dict(mpl.rcParams) == before


def test_pictures_of_anything_else_are_refused():
    for given, message in {
        "x": "graph_or_dataset: got str",
        nx.DiGraph(): "a graph without nodes",
        nx.DiGraph([(0, 1)]): "layer: got None for node 0",
    }.items():
        with pytest.raises(ValueError, match=message):
            draw(given)
    with pytest.raises(ValueError, match="made without graph="):
        draw(xr.Dataset())
