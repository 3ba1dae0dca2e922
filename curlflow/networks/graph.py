"""A network to and from a `networkx.DiGraph`: neurons are nodes, synapses are edges.

A synapse that is not drawn is missing: wᵢⱼ = 0 for all time. A neuron's rule sign multiplies the velocity of the
synapses that leave it (equation (2) of docs/model.md): 1 by default, −1 for inhibitory neurons, any other number by
`rule_sign`; a synapse's own `rule_sign` replaces that of its neuron.
"""

from collections.abc import Hashable
from typing import Any

import networkx as nx
import numpy as np

from . import graph_checks as checks
from .activations import ACTIVATIONS
from .architecture import Architecture, places, write_gains, write_weights
from .feedforward import Feedforward


def from_graph(graph: Any) -> Architecture:
    """Read an `Architecture` off a directed graph: widths, masks, gains, weights, types and the names of the neurons.

    ```python
    g = nx.DiGraph()
    g.add_nodes_from(["left", "right"], layer=0)
    g.add_node("cell", layer=1, type="inhibitory")
    g.add_node("out", layer=2)
    g.add_edges_from([("left", "cell"), ("right", "cell"), ("cell", "out")])
    architecture = curlflow.networks.from_graph(g)
    ```

    **Arguments:**

    - `graph`: a `networkx.DiGraph`. Nodes have the attribute `layer`, 0 for the inputs, and may have `type`
      (`"excitatory"`, `"inhibitory"`) and `rule_sign` (a number); edges may have `weight`, all or none, and
      `rule_sign`; the graph may have `activation` and `output_activation`. Other attributes are kept.

    **Description:** neurons of a layer are numbered in the order in which the graph holds them. Neurons without
    synapses are allowed; every layer must be joined to the next by at least one edge. Types set rule signs; they do
    not force the signs of weights (Dale's principle is not imposed).

    **Raises:** `ValueError` for undirected graphs and multigraphs, cycles, edges that do not lead to the next layer,
    nodes without a layer, layers with gaps, unknown types and activations, weights and signs that are not finite
    numbers, weights on some edges only, and a `rule_sign` other than 1 on an output neuron, which no synapse leaves.
    """
    checks.check_directed(graph)
    nodes = checks.checked_layers(graph)
    checks.check_edges(graph, nodes)
    types = tuple(
        tuple(checks.checked_type(name, graph.nodes[name].get("type")) for name in names) for names in nodes
    )
    masks = [np.zeros((len(post), len(pre)), dtype=bool) for pre, post in zip(nodes, nodes[1:], strict=False)]
    edges = places(graph, nodes)
    for layer, post, pre in edges.values():
        masks[layer][post, pre] = True
    gains, weights = _gains(graph, nodes, edges), _weights(graph, masks, edges)
    activations = {
        field: checks.checked_word(field, graph.graph.get(field), ACTIVATIONS, "as attribute of the graph")
        for field in ("activation", "output_activation")
    }
    drawn = nx.freeze(nx.DiGraph(graph))
    return Architecture(nodes, tuple(masks), gains, weights, types, drawn=drawn, **activations)


def _weights(graph: nx.DiGraph, masks: list[np.ndarray], edges: dict) -> tuple[np.ndarray, ...] | None:
    if all(weight is None for *_, weight in graph.edges(data="weight")):
        return None
    weights = tuple(np.zeros(mask.shape) for mask in masks)
    for (pre, post), (layer, i, j) in edges.items():
        edge, weight = f"the edge {pre!r} → {post!r}", graph.edges[pre, post].get("weight")
        if weight is None:
            raise ValueError(f"weight: {edge} has none, but others have; give weights to all edges or to none.")
        weights[layer][i, j] = checks.checked_number("weight", weight, edge)
    return weights


def _gains(graph: nx.DiGraph, nodes: checks.Layers, edges: dict) -> tuple[np.ndarray, ...]:
    signs = [[_sign(graph, name) for name in names] for names in nodes]
    for name, sign in zip(nodes[-1], signs[-1], strict=True):
        if graph.nodes[name].get("rule_sign") is not None and sign != 1:
            raise ValueError(
                f"rule_sign: got {sign:g} for the output {name!r}, which no synapse leaves; "
                "give signs to the neurons before it, or to edges."
            )
    gains = [np.array([row]) for row in signs[:-1]]
    for (pre, post), (layer, i, j) in edges.items():
        sign = graph.edges[pre, post].get("rule_sign")
        if sign is not None:
            if len(gains[layer]) == 1:
                gains[layer] = np.repeat(gains[layer], len(nodes[layer + 1]), axis=0)
            gains[layer][i, j] = checks.checked_number("rule_sign", sign, f"the edge {pre!r} → {post!r}")
    return tuple(gains)


def _sign(graph: nx.DiGraph, name: Hashable) -> float:
    """The rule sign of a neuron: its own, or that of its type."""
    data = graph.nodes[name]
    if data.get("rule_sign") is None:
        return -1.0 if data.get("type") == "inhibitory" else 1.0
    return checks.checked_number("rule_sign", data["rule_sign"], f"node {name!r}")


def to_graph(
    network: Any, *, gains: Any = None, masks: Any = None, names: Any = None, types: Any = None
) -> nx.DiGraph:
    """Write a network as a directed graph; `from_graph` reads it back bit for bit.

    ```python
    problem = spec.build()
    g = curlflow.networks.to_graph(problem.student, gains=problem.rule.gains)
    ```

    **Returns:** a `networkx.DiGraph` with nodes `layer` (and `type`, `rule_sign` where given), edges `weight` (and
    `rule_sign`), and the two activations as attributes of the graph.

    **Arguments:**

    - `network`: a `curlflow.networks.Feedforward`.
    - `gains`: one array per layer, as `SignFlipped` takes them: of shape (1, pre) they become `rule_sign` of neurons,
      otherwise of edges.
    - `masks`: one boolean array per layer (post × pre), False where there is no synapse. By default every pair of
      neurons in consecutive layers is joined, even by weights that are 0.
    - `names`: for every layer, the names of its neurons, all different. By default x1, x2, … for inputs, h1, h2, …
      for hidden units (h1.1, h1.2, …, h2.1, … in several layers), y1, y2, … for outputs.
    - `types`: for every layer, `"excitatory"`, `"inhibitory"` or None for each neuron. An inhibitory neuron without a
      gain of its own is read back with rule sign −1.

    **Raises:** `ValueError` for gains, masks, names or types that do not fit the network, for weights that are not
    finite, for a network with biases, and for weights other than 0 where the masks have no synapse.
    """
    if not isinstance(network, Feedforward):
        raise ValueError(f"network: got {type(network).__name__}, required is a curlflow.networks.Feedforward.")
    checks.check_no_biases(network)
    weights = [np.asarray(w) for w in network.weights]
    names = _names(network, names)
    types = [[None] * width for width in network.widths] if types is None else _fitting("types", types, network)
    graph = nx.DiGraph(activation=network.activation, output_activation=network.output_activation)
    for layer, (row, kinds) in enumerate(zip(names, types, strict=True)):
        for name, kind in zip(row, kinds, strict=True):
            checks.checked_type(name, kind)
            graph.add_node(name, layer=layer, **({} if kind is None else {"type": kind}))
    masks = _checked_masks(masks, weights)
    checks.checked_weights(weights, masks)
    for layer, mask in enumerate(masks):
        graph.add_edges_from((names[layer][j], names[layer + 1][i]) for i, j in np.argwhere(mask))
    write_weights(graph, names, weights)
    for layer, gain in enumerate([] if gains is None else checks.checked_gains(gains, [w.shape for w in weights])):
        write_gains(graph, names, layer, gain)
    return graph


def _fitting(field: str, rows: Any, network: Feedforward) -> list[list]:
    """One row per layer with one entry per neuron."""
    try:
        rows = [list(row) for row in rows]
    except TypeError:
        raise ValueError(f"{field}: got {rows!r}, required is one list per layer.") from None
    lengths, widths = [len(row) for row in rows], list(network.widths)
    if lengths != widths:
        raise ValueError(f"{field}: got lists of lengths {lengths}, required are those of the layers: {widths}.")
    return rows


def _names(network: Feedforward, names: Any) -> checks.Layers:
    """The names that were given, or the default ones."""
    if names is None:
        letters = ["x", *(f"h{layer}." for layer in range(1, len(network.weights))), "y"]
        letters = ["x", "h", "y"] if len(letters) == 3 else letters
        names = [[f"{c}{i + 1}" for i in range(n)] for c, n in zip(letters, network.widths, strict=True)]
    names = tuple(tuple(row) for row in _fitting("names", names, network))
    flat = [name for row in names for name in row]
    if any(name is None or not isinstance(name, Hashable) for name in flat) or len(set(flat)) < len(flat):
        raise ValueError(f"names: got {names!r}, required are different names, hashable and not None.")
    return names


def _checked_masks(masks: Any, weights: list[np.ndarray]) -> list[np.ndarray]:
    if masks is None:
        return [np.ones(w.shape, dtype=bool) for w in weights]
    masks = checks.layers_of("masks", masks, "one boolean array")
    shapes, required = [m.shape for m in masks], [w.shape for w in weights]
    if shapes != required or any(m.dtype != bool for m in masks):
        kinds = [str(m.dtype) for m in masks]
        raise ValueError(f"masks: got shapes {shapes} of {kinds}, required are arrays of bool of shapes {required}.")
    return masks
